"""Kill a sweep at random moments, and see that in the end every cell is there once, with the bytes of an undisturbed sweep.

    python tools/sweep_kills.py [--kills N] [--seed N]

The sweep and, in turn, one of its processes is killed with SIGKILL as often as asked; then it may end. Exit code 1 when anything differs.
"""

import argparse
import csv
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import benchmark_runs
import psutil

TOPOLOGY = "[network]\nnodes = 4\n[training]\nbatch = 16\n[sim]\nticks = 61\ncheck_every = 10\ninterval = [3, 4, 5]\n"
WORDS = ("--vary", "update.algorithm=fedavg,krum,median", "--vary", "node.3.attack=none,sign_flip", "--seeds", "1-2", "--quiet")


def tables(cells: Path) -> dict[str, bytes]:
    return {str(path.relative_to(cells)): path.read_bytes() for path in sorted(cells.rglob("*.csv"))}


def results(out: Path) -> list[dict[str, str]]:
    """The rows of results.csv without what they cost, which differs from time to time."""
    with (out / "results.csv").open(encoding="utf-8") as file:
        return [{key: value for key, value in row.items() if not key.endswith("seconds")} for row in csv.DictReader(file)]


def started(folder: Path, out: str) -> subprocess.Popen[bytes]:
    command = benchmark_runs.dfl("sweep", "net.toml", *WORDS, "--out", out)
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def struck(process: subprocess.Popen[bytes], rng: random.Random, whole: bool) -> bool:
    """Kill it, or one of its children, after a while; False when it had ended before."""
    try:
        process.wait(rng.uniform(0.2, 14))
    except subprocess.TimeoutExpired:
        children = psutil.Process(process.pid).children(recursive=True)
        (process if whole or not children else rng.choice(children)).kill()
        return True
    return False


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=12, metavar="N", help="[%(default)s]")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="[%(default)s]")
    given = parser.parse_args()
    rng, kills = random.Random(given.seed), 0
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "net.toml").write_text(TOPOLOGY, encoding="utf-8")
        if started(folder, "calm").wait():
            sys.exit("the undisturbed sweep failed")
        process = started(folder, "hit")
        while kills < given.kills and struck(process, rng, whole=kills % 2 == 0):
            kills += 1
            over = len(list((folder / "hit" / "cells").glob("*")))
            print(f"kill {kills}: {over} cells are over", flush=True)
            if kills % 2:
                process.wait()
                time.sleep(rng.uniform(0, 0.5))
                process = started(folder, "hit")
        process.wait()
        code = started(folder, "hit").wait()
        calm, hit = tables(folder / "calm" / "cells"), tables(folder / "hit" / "cells")
        left = list((folder / "hit" / "part").iterdir())
        rows = results(folder / "calm") == results(folder / "hit")
    told = f"exit code {code}, {len(left)} cells left, {len(hit)} tables of {len(calm)}, {'the same' if calm == hit else 'other'} bytes"
    print(f"{kills} kills: {told}, {'the same' if rows else 'other'} results")
    sys.exit(0 if calm == hit and rows and not left and not code else 1)


if __name__ == "__main__":
    main()
