"""Make the pictures of README and docs, with the program itself: a run, its status, a tail, a followed transaction, and of a run with an
attacker its topology, its live table, its report and the graph of its watched page.

    python tools/pictures.py [--out docs/images]

The demo is run once and watched while it runs; then the attacked network runs for a minute. Terminal pictures are SVG as rich draws them;
the report's needs Chromium and playwright (the `dev` extra).
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import chdir
from pathlib import Path

import msgspec
from rich.console import Console, RenderableType
from rich.text import Text

from dfl_actors.core.events import Final, Trained
from dfl_actors.report.live import live_table
from dfl_actors.report.load import load_run
from dfl_actors.report.summary import render, summarise
from dfl_actors.runtime.status import NetworkStatus

DEMO = "fully_connected_4"
ATTACKED = "attacked.toml"
MADE = ("--nodes", "6", "--degree", "2", "--seed", "4", "--role", "attacker=1", "--role", "observer=1", "--partition", "dirichlet:0.5")
SECONDS, SHOWN = 60, 40  # For which the attacked network runs, and after which its live table is drawn.
WIDTH = 116
LINES = 28
CHROMIUM = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--out", type=Path, default=Path("docs/images"))
    out: Path = arguments.parse_args().out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        run = Path("runs", DEMO)
        network = subprocess.Popen(command("run", DEMO, "--out", str(run), "--quiet"))
        while not (run / "metrics.jsonl").exists() or b'"trained"' not in (run / "metrics.jsonl").read_bytes():
            if network.poll() is not None:
                sys.exit("the demo ended before it began to learn")
            time.sleep(0.2)
        well = said("status", str(run))
        watched = said("tail", str(run), "--count", str(LINES))
        network.wait()
        picture(out / "status.svg", f"dfl-actors status {run}", well)
        shutil.copy(run / "accuracy.png", out / "accuracy.png")
        picture(out / "tail.svg", "dfl-actors tail", watched)
        picture(out / "follow.svg", f"dfl-actors tail --follow {chosen(run)[:8]}", said("tail", str(run), "--follow", chosen(run)))
        summary(run, out / "run.svg")
        attacked(out)


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "dfl_actors", *words]


def said(*words: str) -> str:
    """What the command prints on a terminal of our width, with its colours."""
    environment = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    done = subprocess.run(command(*words), env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def picture(path: Path, title: str, shown: str | RenderableType) -> None:
    """A terminal that shows a text, or what rich draws."""
    console = Console(record=True, width=WIDTH, file=Path(os.devnull).open("w"), force_terminal=True)  # noqa: SIM115
    console.print(Text.from_ansi(shown) if isinstance(shown, str) else shown, soft_wrap=True)
    console.save_svg(str(path), title=title)


def attacked(out: Path) -> None:
    """A network with an attacker and an observer: as it is planned, while it runs, and when it is over."""
    said("topo", "gen", *MADE, "-o", ATTACKED)
    said("topo", "show", ATTACKED, "--plot", str(out / "topology.svg"), "--force")
    run = Path("runs", "attacked")
    words = ("run", ATTACKED, "--out", str(run), "--duration", str(SECONDS), "-s", "data.rate=48", "-s", "run.evaluate_s=2", "--json")
    network = subprocess.Popen(command(*words), stdout=subprocess.PIPE, text=True)
    status: NetworkStatus | None = None
    for line in network.stdout or ():
        told = json.loads(line)
        if told.get("event") == "status" and told["state"] == "running" and told["elapsed"] <= SHOWN:
            status = msgspec.convert(told, NetworkStatus)
    if network.wait() or status is None:
        sys.exit(f"the attacked network ended with exit code {network.returncode}")
    picture(out / "live.svg", f"dfl-actors run {ATTACKED}", live_table(status, WIDTH))
    report(run, out / "report.png")
    followed(run, out / "watch.png")


def chosen(run: Path) -> str:
    """A transaction that went all its way: the first of the last final block's node."""
    loaded = load_run(run)
    node = loaded.of(Final)[-1].node
    return next(event.tx for event in loaded.of(Trained) if event.node == node)


def summary(run: Path, path: Path) -> None:
    """The closing tables."""
    console = Console(record=True, width=WIDTH, file=Path(os.devnull).open("w"), force_terminal=True)  # noqa: SIM115
    loaded = load_run(run)
    render(summarise(loaded, loaded.target), console)
    console.save_svg(str(path), title=f"dfl-actors run {DEMO}")


def report(run: Path, path: Path) -> None:
    """The top of the page, in a wide window."""
    from playwright.sync_api import sync_playwright

    subprocess.run(command("report", str(run)), check=True, stdout=subprocess.DEVNULL)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=list(CHROMIUM))
        page = browser.new_page(viewport={"width": 1400, "height": 1500})
        page.goto((run / "report.html").absolute().as_uri())
        page.wait_for_function("document.querySelectorAll('.plot .main-svg').length > 0", timeout=120_000)
        page.wait_for_timeout(500)
        page.screenshot(path=str(path))
        browser.close()


def followed(run: Path, path: Path) -> None:
    """The page that `watch` serves, at the graph: whom they trust."""
    from playwright.sync_api import sync_playwright

    server = subprocess.Popen(command("watch", str(run), "--port", "0"), stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    address = server.stdout.readline().split()[1]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=list(CHROMIUM))
        page = browser.new_page(viewport={"width": 1400, "height": 860})
        page.goto(address)
        page.locator("#network").scroll_into_view_if_needed()
        page.locator("[data-mode=network]").select_option("reputations")
        page.locator("#plot-network .main-svg").first.wait_for()
        page.evaluate("document.getElementById('network').scrollIntoView()")
        page.wait_for_timeout(1000)
        page.screenshot(path=str(path))
        browser.close()
    server.terminate()
    server.wait()


if __name__ == "__main__":
    main()
