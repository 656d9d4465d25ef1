"""Watching: which run is meant, records as they come over real sockets, what was missed, and the end."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import pytest
import zmq

from dfl_actors.core.effects import Tell
from dfl_actors.core.messages import Pull, Settled
from dfl_actors.errors import StoreError
from dfl_actors.runtime.clock import Clock
from dfl_actors.runtime.header import Record, read_record
from dfl_actors.runtime.rundir import About, RunDirectory
from dfl_actors.runtime.tail import Numbers, Watch, newest, running
from dfl_actors.runtime.tap import HIGH_WATER, Tap

PATIENCE = 30.0


def write(path: Path, sockets: Path, nodes: tuple[str, ...] = ("0", "1")) -> tuple[RunDirectory, About]:
    """A run directory as a running network has it, but for its lock."""
    addresses = dict.fromkeys(nodes, "ab" * 32)
    about = About(
        name="net", started=1, nodes=addresses, links=(), genesis="", seed=1, version="", command=[], sockets=str(sockets)
    )  # fmt: skip
    sockets.mkdir(exist_ok=True)
    path.mkdir(parents=True, exist_ok=True)
    (path / "run.json").write_bytes(msgspec.json.encode(about))
    return RunDirectory(path), about


@contextmanager
def network(place: Path) -> Iterator[tuple[RunDirectory, About, Callable[..., Tap]]]:
    """A network that runs as far as a watcher can see; gives its run directory and a maker of taps."""
    run, about = write(place / "run", place / "s")
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()

    def tap(node: str = "0", actor: str = "trainer", life: int = 1) -> Tap:
        return Tap(context, place / "s", node, actor, life, {}, lambda peer: "", Clock())

    with run.lock():
        yield run, about, tap
    context.destroy(linger=0)


def attended(tap: Tap, turns: Iterator[list[bytes]]) -> None:
    """Go on with the watcher until the tap knows of it."""
    deadline = time.monotonic() + PATIENCE
    while not tap.watched:
        assert time.monotonic() < deadline
        next(turns)
        list(tap.watchers())


def come(turns: Iterator[list[bytes]], most: int) -> list[Record]:
    """What comes, until `most` have or nothing more does."""
    found: list[Record] = []
    deadline = time.monotonic() + PATIENCE
    for batch in turns:
        found += [read_record(raw) for raw in batch]
        if len(found) >= most or (found and not batch):
            return found
        assert time.monotonic() < deadline
    return found


def say(tap: Tap, times: int = 1) -> None:
    for _ in range(times):
        tap.said(Tell(Pull(samples=3)), 10)


def test_records_of_all_actors_come(place: Path) -> None:
    with network(place) as (run, about, tap), ExitStack() as stack:
        taps = [tap(node, actor) for node in ("0", "1") for actor in ("trainer", "keeper")]
        watch = Watch(run, about)
        stack.callback(watch.close)
        turns = watch.turns()
        for one in taps:
            attended(one, turns)
        for one in taps:
            say(one)
        seen = come(turns, 4)
        assert {(record.node, record.actor, record.type) for record in seen} == {
            (n, a, "Pull") for n in "01" for a in ("trainer", "keeper")
        }


def test_what_is_no_record_of_one_frame_is_left_out_and_the_next_is_heard(place: Path) -> None:
    with network(place) as (run, about, tap), ExitStack() as stack:
        watch = Watch(run, about)
        stack.callback(watch.close)
        turns, one = watch.turns(), tap()
        attended(one, turns)
        for frames in ([b"", b""], [b"{}"] * 60):
            one.socket.send_multipart(frames)
        say(one)
        assert [record.type for record in come(turns, 1)] == ["Pull"]


def test_an_actor_that_is_restarted_is_heard_again(place: Path) -> None:
    with network(place) as (run, about, tap), ExitStack() as stack:
        watch = Watch(run, about)
        stack.callback(watch.close)
        turns, numbers = watch.turns(), Numbers()
        for life in (1, 2):
            one = tap(life=life)
            attended(one, turns)
            say(one, 2)
            heard = [shown for record in come(turns, 2) for shown in numbers.follow(record)]
            assert [record.type for record in heard] == (["Pull", "Pull"] if life == 1 else ["restarted", "Pull", "Pull"])
            one.socket.close(0)
        assert numbers.missed == 0


def test_a_watcher_that_is_late_sees_how_much_it_missed(place: Path) -> None:
    with network(place) as (run, about, tap), ExitStack() as stack:
        watch = Watch(run, about)
        stack.callback(watch.close)
        turns, numbers, one = watch.turns(), Numbers(), tap()
        attended(one, turns)
        say(one, 60_000)
        early = come(turns, 60_000)
        one.said(Tell(Settled(transaction="ab" * 32)), 5)
        say(one)
        shown = [record for raw in (*early, *come(turns, 2)) for record in numbers.follow(raw)]
        heard = [record for record in shown if record.type == "Pull"]
        gaps = [record.count or 0 for record in shown if record.kind == "missed"]
        assert HIGH_WATER <= len(heard) < 60_000 and shown[-1].n == 60_002
        assert sum(gaps) == numbers.missed == 60_001 - len(heard)
        assert numbers.missed_by_type == {"Pull": numbers.missed}


def test_the_end_of_the_network_ends_the_watching_after_the_last_record(place: Path) -> None:
    with network(place) as (run, about, tap), ExitStack() as stack:
        watch = Watch(run, about)
        stack.callback(watch.close)
        one, turns = tap(), watch.turns()
        attended(one, turns)
        say(one, 5)
        shutil.rmtree(about.sockets)
        assert len([raw for batch in turns for raw in batch]) == 5


def test_a_network_that_nobody_holds_is_not_running(place: Path) -> None:
    run, about = write(place / "run", place / "s")
    assert not running(run, about)
    with pytest.raises(StoreError, match=r"run is over: read it with .*--follow"):
        Watch(run, about)
    with run.lock():
        assert running(run, about)
        shutil.rmtree(place / "s")
        assert not running(run, about)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may enter every directory")
def test_sockets_of_another_user_are_named_as_such(place: Path) -> None:
    with network(place) as (run, about, _):
        Path(about.sockets).chmod(0)
        with pytest.raises(StoreError, match="another user"):
            Watch(run, about)
        Path(about.sockets).chmod(0o700)


def newest_path(runs: Path, only_running: bool = True) -> Path | None:
    run = newest(only_running, runs)
    return None if run is None else run.path


def test_the_newest_running_network_is_meant(place: Path) -> None:
    runs = place / "runs"
    assert newest_path(runs) is None
    made = [write(runs / name, place / name)[0] for name in ("a", "b", "c")]
    (runs / "no-run").mkdir()
    (runs / "broken").mkdir()
    (runs / "broken" / "run.json").write_text("{")
    for age, run in enumerate(made):
        os.utime(run.run, ns=(age, age))
    assert newest_path(runs) is None
    with made[0].lock():
        assert newest_path(runs) == made[0].path
        with made[1].lock():
            assert newest_path(runs) == made[1].path
    assert newest_path(runs, only_running=False) == runs / "broken"


def record(n: int, k: int = 1, life: int = 1, name: str = "Pull", part: int = 0, kind: str = "letter") -> Record:
    return Record(t=n, node="0", actor="trainer", n=n, kind=kind, type=name, life=life, k=k, part=part)


def followed(*records: Record) -> tuple[list[tuple[str, int | None]], dict[str, int]]:
    numbers = Numbers()
    shown = [(one.type, one.count) for raw in records for one in numbers.follow(raw)]
    return shown, dict(numbers.missed_by_type)


def test_what_was_before_us_is_not_missed() -> None:
    assert followed(record(70, 30), record(71, 31)) == ([("Pull", None), ("Pull", None)], {})


def test_a_gap_is_shown_where_it_is_and_counted_by_type() -> None:
    shown, by_type = followed(record(1, 1), record(2, 1, name="Settled"), record(9, 5), record(10, 4, name="Settled"))
    assert shown == [("Pull", None), ("Settled", None), ("missed", 6), ("Pull", None), ("Settled", None)]
    assert by_type == {"Pull": 3, "Settled": 2}


def test_a_new_life_begins_its_numbers_anew() -> None:
    shown, _ = followed(record(9, 9), record(1, 1, life=2), record(4, 4, life=3))
    assert shown == [("Pull", None), ("restarted", None), ("Pull", None), ("restarted", None), ("missed", 3), ("Pull", None)]


def test_parts_are_one_message() -> None:
    shown, by_type = followed(record(1, 1), record(2, 2), record(3, 2, part=1), record(4, 3))
    assert len(shown) == 4 and by_type == {}


def test_refusals_are_counted_together() -> None:
    one, other = record(1, 1, name="a", kind="refused_by"), record(5, 5, name="b", kind="refused_by")
    assert followed(one, other)[1] == {"refused_by": 3}
