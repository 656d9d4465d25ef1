"""Sweeps over real processes: killed and called again, no cell is lost, none doubled, and each has the bytes of `dfl-actors sim`."""

import csv
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import psutil
import pytest

from dfl_actors import load_sweep, simulate, sweep
from dfl_actors.api.sweeps.folder import Folder
from dfl_actors.api.sweeps.plan import Vary
from dfl_actors.api.sweeps.pool import Pool
from dfl_actors.api.sweeps.sweep import _Watch
from dfl_actors.api.sweeps.table import FIGURES, panels
from dfl_actors.errors import ConfigError, StoreError
from dfl_actors.report.progress import OnTerminal
from tests.network.harness import PATIENCE, Command
from tests.report.terminals import Attached, Terminal
from tests.sim.small import tables, written

SWEEP = (
    "net.toml",
    "--vary",
    "update.algorithm=fedavg,breaks.py:build",
    "--vary",
    "node.3.attack=none,sign_flip",
    "--seeds",
    "1-2",
    "--out",
    "out",
)
BREAKS = """
from dfl_actors.sdk import Algorithm, Result
def build():
    def apply(state, own, received, reputations):
        return Result(state, own[:3], reputations, {})
    return Algorithm("breaks", lambda context: None, apply)
"""


def cell_processes(sweep: Command) -> list[psutil.Process]:
    """The processes that simulate cells."""
    found = []
    for process in sweep.family():
        with suppress(psutil.NoSuchProcess):
            found += [process] if process.name() == "dfl cell" else []
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("sweep"), breaks=BREAKS)


def test_killed_and_called_again_every_cell_is_there_once_with_the_bytes_of_a_simulation(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = Command(place, "sweep", *SWEEP, "--jobs", "1")
    cells, part = place / "out" / "cells", place / "out" / "part"
    killed.until(lambda: held_between(killed, cells, part), "a cell that is over, and another under way")
    killed.destroy()
    killed.gone(PATIENCE)
    first, under_way = {path.name: path.stat().st_ino for path in cells.iterdir()}, [path.name for path in part.iterdir()]
    assert first and under_way and not first.keys() & set(under_way)
    again = Command(place, "sweep", *SWEEP, "--jobs", "1")
    again.until(lambda: struck(again), "a cell whose process is killed")
    again.ended(1, 240)
    assert again.stderr.count("failed: breaks") == 4 and "error: 4 cells failed; the same command tries again" in again.stderr
    assert "fedavg" in again.stdout and "worst attack" in again.stdout
    names = {path.name: path.stat().st_ino for path in cells.iterdir()}
    assert len(names) == 4 and first.items() <= names.items(), "what was over was not done again"
    rows = read(place / "out")
    assert len(rows) == 8 == len({row["cell"] for row in rows})
    assert {row["state"] for row in rows if row["update.algorithm"] == "fedavg"} == {"over"}
    assert all("tick " in row["error"] for row in rows if row["state"] == "failed")
    monkeypatch.chdir(place)
    alone = simulate(
        "net.toml", seed=2, overrides={"update.algorithm": "fedavg", "node.3.attack": None}, out="alone", jobs=2, progress="none"
    )
    swept = load_sweep("out").simulation(**{"update.algorithm": "fedavg", "node.3.attack": "none", "seed": 2})
    assert tables(swept.path) == tables(alone.path) and swept.summary["over"]
    (row,) = [row for row in rows if row["cell"] == swept.path.name]
    assert {key: float(row[key]) for key in FIGURES[:5]} == {key: alone.summary["accuracy"][key] for key in FIGURES[:5]}
    for name in ("results.png", "heat.png"):
        assert (place / "out" / name).read_bytes().startswith(b"\x89PNG")
    before = (place / "out" / "sweep.json").read_bytes()
    some = sweep("out", only={"update.algorithm": ["fedavg"], "seed": [1]}, show=True)
    assert [row["state"] for row in some.rows] == ["over"] * 2 and (place / "out" / "sweep.json").read_bytes() == before
    pictures = {path.name for path in some.paper(columns="node.3.attack")}
    assert pictures >= {"results-sign-flip-column.pdf", "results-none-page.svg", "heat-column.pdf", "heat-page.svg"}
    with pytest.raises(StoreError, match="nowhere is not the directory of a sweep"):
        sweep("net.toml", {"update.buffer": [1, 2]}, out="nowhere", show=True)


def struck(sweep: Command) -> bool:
    """Whether processes of cells were there to be killed."""
    found = cell_processes(sweep)
    for process in found:
        process.kill()
    return bool(found)


def held_between(sweep: Command, cells: Path, part: Path) -> list[psutil.Process]:
    """The processes of a sweep of which a cell is over and another under way, stopped; none while that is not so."""
    if not any(cells.glob("*")) or not any(part.glob("*/*.csv")):
        return []
    held = cell_processes(sweep)
    for process in held:
        process.suspend()
    if any(part.glob("*/*.csv")):
        return held
    for process in held:
        process.resume()
    return []


def read(sweep: Path) -> list[dict[str, str]]:
    """The rows of its results."""
    return list(csv.DictReader((sweep / "results.csv").open(encoding="utf-8")))


def test_what_diverges_counts_as_nothing_and_is_not_simulated_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was a cell that had failed: left out of its row's worst attack, and tried again with each call."""
    monkeypatch.chdir(written(tmp_path))
    rates: dict[str, dict[str, object]] = {"none": {}, "rate": {"training.learning_rate": 1e6, "training.weight_decay": 1}}
    vary: Vary = {"update.algorithm": ["fedavg", "local"], "attack": rates}
    told: list[str] = []
    for _ in range(2):
        result = sweep("net.toml", vary, out="out", jobs=1, progress="none", tell=told.append)
        assert [row["state"] for row in result.rows] == ["over", "diverged"] * 2 and not result.failures
    assert [line for line in told if "attackers of the topology remain: 3 (random_model)" in line] == [told[0], told[3]]
    assert [" diverged at step " in line for line in told] == [False, True, True, False], "each is told when it happens, and once"
    rows = read(tmp_path / "out")
    assert rows[1]["mean"] == rows[1]["last_worst"] == "0.0" and rows[1]["error"].startswith("tick ")
    shown = load_sweep("out").pivot()
    assert shown.title.endswith("(2 diverged, as 0)")
    assert [line[-2:] for line in shown.sheet.lines()[1:]] == [["diverged", "diverged (rate)"]] * 2
    assert shown.title == load_sweep("out").pivot(value="worst").title.replace("worst", "mean", 1)
    assert load_sweep("out").pivot(value="std").title.endswith("(2 diverged)"), "there it counts as nothing"
    assert not any((tmp_path / "out" / "part").iterdir())
    lost, _ = panels(load_sweep("out").plan, Folder(Path("out")), load_sweep("out").cells, *load_sweep("out").plan.axes)
    assert [line.name for line in lost["rate"].lines] == ["fedavg (1 of 1 diverged)", "local (1 of 1 diverged)"]
    for name in ("results.png", "heat.png"):
        (tmp_path / "out" / name).write_bytes(b"an old one")
    sweep("out", only={"attack": ["rate"]}, show=True)
    assert all((tmp_path / "out" / name).read_bytes() != b"an old one" for name in ("results.png", "heat.png"))
    drawn = load_sweep("out").paper("figures")
    assert drawn and not [path for path in drawn if "results" in path.name and "rate" in path.name], "of no curve there is no picture"
    with pytest.raises(ConfigError, match=r"has no results \(.*node . diverged at step .*: name one that is over"):
        load_sweep("out").simulation(**{"update.algorithm": "fedavg", "attack": "rate", "seed": 5})
    with pytest.raises(ConfigError, match=r"0 cells .*: name one that is over"):
        load_sweep("out").simulation(seed=4)


class Ticks(NamedTuple):
    """A pool in which so much of the cells is done."""

    under_way: float


@pytest.mark.parametrize("width", [60, 80])
def test_before_the_first_tick_a_sweep_says_what_it_waits_for(width: int) -> None:
    terminal = Terminal(width, 24)
    bar = OnTerminal(Attached(terminal))
    watch = _Watch(bar, 12, 3, print)
    try:
        watch.begin(cast("Pool", Ticks(0.0)))
        for under_way, said in ((0.0, "cells, importing TensorFlow "), (0.4, "cells "), (0.0, "cells ")):
            watch._pool = cast("Pool", Ticks(under_way))
            watch(None, "")
            bar._live.refresh()
            (line,) = terminal.lines()
            assert line.startswith(said) and " 3/12 0:00:0" in line, line
    finally:
        watch.end()
        terminal.close()


def test_another_sweep_is_refused_and_an_extension_is_not(place: Path) -> None:
    from dfl_actors.api.sweeps.plan import axes_of_texts, plan_of

    net = str(place / "net.toml")
    folder = Folder(place / "grows")
    few, more = (plan_of(net, axes_of_texts(["update.buffer=1,2"]), seeds) for seeds in ("1-2", "1-3"))
    folder.prepare(few)
    folder.prepare(more)
    with pytest.raises(StoreError, match="holds another sweep"):
        folder.prepare(few)
    (place / "full").mkdir()
    (place / "full" / "notes").touch()
    with pytest.raises(StoreError, match="holds notes and no sweep"):
        Folder(place / "full").prepare(few)


def test_a_sweep_that_was_begun_takes_no_other_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was said to be no topology."""
    monkeypatch.chdir(written(tmp_path))
    sweep("net.toml", {"update.buffer": [1]}, overrides={"sim.ticks": 11}, out="out", jobs=1, progress="none")
    for more in ({"overrides": {"sim.ticks": 21}}, {"vary": {"update.buffer": [2]}}, {"seeds": "1-2"}):
        with pytest.raises(ConfigError, match="out is a sweep, which goes on as it was begun: leave out `vary`, `seeds` and `overrides`"):
            sweep("out", **more)
    with pytest.raises(ConfigError, match="out is a sweep, which goes on where it is: leave out `out`, or name its topology"):
        sweep("out", out="elsewhere")
    assert not Path("elsewhere").exists()
    assert sweep("out", out=tmp_path / "out", show=True).done == 1


def test_what_was_measured_once_and_has_a_long_name_is_seen_in_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(written(tmp_path))
    vary: Vary = {"update.buffer": [1], "attack": {"a name that is much longer than its panel is high, so that two lines of it are": {}}}
    result = sweep("net.toml", vary, overrides={"sim.ticks": 5}, out="out", jobs=1, progress="none")
    (axes,) = result.plot().figure.axes
    assert [(np.size(line.get_xdata()), line.get_marker()) for line in axes.get_lines()] == [(1, "o")]
    assert not axes.collections, "of one seed there is no deviation"
    assert sweep("net.toml", vary, "5-6", overrides={"sim.ticks": 5}, out="out", jobs=1, progress="none").pivot().cells[0][0] is not None
    (axes,) = load_sweep("out").plot().figure.axes
    assert len(axes.collections) == 2 and axes.get_legend_handles_labels()[1] == ["1", "± std. deviation"]
    assert axes.get_ylabel() == "a name that is much longer\nthan its panel is high, so…\naccuracy"
