"""The command over real worker processes: the same bytes from one worker and from two, what it leaves, and what goes wrong."""

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from urllib.request import urlopen

import pytest

from dfl_actors.watch import beside
from tests.network.conftest import DECOYS
from tests.network.harness import Command
from tests.sim.conftest import Sim, refused
from tests.sim.small import tables, written

ROOT = Path(__file__).parents[2]

PLUGIN = """
from dfl_actors.sdk import Algorithm, Result
def build():
    def apply(state, own, received, reputations):
        return Result(state, own[:3], reputations, {})
    return Algorithm("short", lambda context: None, apply)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("sim"), plugin=PLUGIN)


@pytest.fixture(scope="module")
def done(place: Path) -> Command:
    """Two workers, started as people do; where the user stands lie files called like modules, which nobody imports."""
    stand = place / "stand"
    stand.mkdir()
    for name in DECOYS:
        (stand / f"{name}.py").write_text("raise SystemExit('a file of the user')\n")
    sim = Command(stand, "sim", "../net.toml", "--out", "../two", "--jobs", "2", cold=True)
    sim.ended(0)
    return sim


def test_it_leaves_tables_a_picture_and_its_configuration(place: Path, done: Command) -> None:
    assert done.stderr == ""
    assert "3 honest nodes: mean" in done.stdout and "random_model" in done.stdout
    assert (place / "two" / "accuracy.png").read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader((place / "two" / "accuracy.csv").open()))
    assert [int(row["tick"]) for row in rows] == [0, 10, 20, 30, 40] and list(rows[0]) == ["tick", "0", "1", "2", "3"]
    assert all(0 <= float(row[node]) <= 1 for row in rows for node in "0123")
    assert [int(row["tick"]) for row in csv.DictReader((place / "two" / "model_weight_diff.csv").open())] == [0, 20, 40]
    opinions = list(csv.DictReader((place / "two" / "reputation" / "0_reputation.csv").open()))
    assert list(opinions[0]) == ["tick", "1", "3"], "what node 0 thinks of its neighbours"
    assert float(opinions[-1]["1"]) + float(opinions[-1]["3"]) < 2, "somebody was the least accurate"


def test_one_worker_and_two_give_the_same_bytes_and_another_seed_gives_others(place: Path, done: Command, sim: Sim) -> None:
    one = sim(place, "net.toml", "--out", "one", "--jobs", "1", "--quiet")
    assert (one.exit_code, one.output) == (0, ""), one.exception
    assert tables(place / "one") == tables(place / "two")
    assert sim(place, "net.toml", "--out", "other", "--seed", "6", "--ticks", "1", "--jobs", "1").exit_code == 0
    first = tables(place / "other")["accuracy.csv"].splitlines()[1]
    assert first != tables(place / "two")["accuracy.csv"].splitlines()[1]


def test_an_algorithm_that_breaks_its_contract_is_named_with_tick_and_node_and_what_was_written_stays(place: Path) -> None:
    settings = ("-s", "update.algorithm=plugin.py:build", "-s", "node.0.algorithm=fedavg", "-s", "update.buffer=14")
    broken = Command(place, "sim", "net.toml", "--out", "broken", *settings)
    broken.ended(10)
    assert broken.stderr.count("\n") == 1 and "tick " in broken.stderr and "algorithm 'short'" in broken.stderr
    assert (place / "broken" / "accuracy.csv").read_text().startswith("tick,0,1,2,3\n0,")


def test_nothing_is_begun_with_a_mistake(place: Path, done: Command, sim: Sim) -> None:
    assert refused(sim(place, "net.toml", "--out", "two"))[0] == 6, "a directory that is not empty"
    for arguments, code, words in (
        (("-s", "sim.ticks=0"), 2, "sim.ticks"),
        (("-s", "sim.interval=[]"), 2, "sim.interval"),
        (("--jobs", "-1"), 2, "--jobs is -1"),
        (("-s", "update.algorithm=unheard_of"), 10, "unheard_of"),
    ):
        said = refused(sim(place, "net.toml", "--out", "never", *arguments))
        assert said[0] == code and words in said[1] and not (place / "never").exists()


def test_a_repeat_runs_each_seed_in_its_directory_and_goes_on_with_those_that_are_not_over(place: Path, sim: Sim) -> None:
    def repeat(*arguments: str) -> dict[str, bytes]:
        assert sim(place, *arguments, "--quiet", "--jobs", "1").exit_code == 0
        return tables(place / "repeat")

    every = repeat("net.toml", "--out", "repeat", "--repeat", "2", "--ticks", "21", "--seed", "8")
    assert sim(place, "net.toml", "--out", "alone", "--ticks", "21", "--seed", "9", "--jobs", "1").exit_code == 0
    alone = tables(place / "alone")
    assert {name: every[f"seed-9/{name}"] for name in alone} == alone
    assert every["seed-8/accuracy.csv"] != alone["accuracy.csv"]
    # Seed 8 is over, 9 was killed before its first checkpoint.
    (place / "repeat" / "repeat.json").write_text('{"seeds":[8,9],"done":[8]}')
    (place / "repeat" / "seed-8" / "accuracy.csv").write_text("as it was")
    (place / "repeat" / "seed-9" / "accuracy.csv").write_text("tick,0,1,2,3\n0,0.5,0.5,")
    assert repeat("--resume", "repeat") == every | {"seed-8/accuracy.csv": b"as it was"}
    for text, code, words in (
        ('{"seeds":[8,9],"done":[8],"data":"00"}', 4, "not the one that this run began with"),
        ("[8", 6, "repeat.json is damaged"),
    ):
        (place / "repeat" / "repeat.json").write_text(text)
        said = refused(sim(place, "--resume", "repeat"))
        assert said[0] == code and words in said[1]


def test_a_page_follows_the_simulations_of_a_call_and_its_address_is_printed_once(
    place: Path, sim: Sim, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages: list[str] = []
    really = beside.watched

    @contextmanager
    def looked_at(paths: Sequence[Path], tell: Callable[[str], None]) -> Iterator[str]:
        with really(paths, tell) as address:
            yield address
            pages.append(urlopen(address, timeout=60).read().decode())  # noqa: S310

    monkeypatch.setattr(beside, "PORT", 0)
    monkeypatch.setattr(beside, "watched", looked_at)
    done = sim(place, "net.toml", "--out", "followed", "--repeat", "2", "--ticks", "11", "--jobs", "1", "--watch")
    assert done.exit_code == 0, done.exception
    assert done.stderr.count("page: http://127.0.0.1:") == 1 and "page:" not in done.stdout
    (page,) = pages
    assert all(f'href="/run/seed-{seed}/"' in page for seed in (5, 6)) and page.count("honest nodes: mean") == 2

    def noted(paths: Sequence[Path], tell: Callable[[str], None]) -> AbstractContextManager[str]:
        tell("http://x/")
        pages.extend(map(str, paths))
        return nullcontext("http://x/")

    monkeypatch.setattr(beside, "watched", noted)
    alone = sim(place, "net.toml", "--out", "seen", "--ticks", "1", "--jobs", "1", "--watch", "--json")
    assert alone.exit_code == 0 and alone.stderr == "page: http://x/\n" and pages[1:] == [str(place / "seen")]
