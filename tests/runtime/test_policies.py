"""The supervisor's policies, as tables of rows."""

import pytest

from dfl_actors.config.sections import Run
from dfl_actors.core.control import Endpoints
from dfl_actors.runtime.policies import LAST_ROUND, Ending, Liveness, Rendezvous, Restarts, ending, reached

A, B, C = "a" * 8, "b" * 8, "c" * 8


def place(name: str) -> Endpoints:
    return Endpoints(news=f"tcp://{name}:1", requests=f"tcp://{name}:2")


# --- rendezvous


def test_gossipers_learn_their_neighbours_places_once_all_are_known() -> None:
    meeting = Rendezvous([], {A: (B, C), B: (A,)}, {C: place("c")})
    assert meeting.listens(A, place("a")) == {}
    everything = {A: {B: place("b"), C: place("c")}, B: {A: place("a")}}
    assert meeting.listens(B, place("b")) == everything
    assert meeting.listens(A, place("a")) == everything, "who comes back hears it again"


@pytest.mark.parametrize(
    ("said", "begins"), [("+x", False), ("+x +y", True), ("+x +x", False), ("+x -x +y", False), ("+x -x +y +x", True), ("-y +x +y", True)]
)
def test_the_start_is_when_everybody_is_ready_at_once(said: str, begins: bool) -> None:
    meeting, all_there = Rendezvous(["x", "y"], {}, {}), False
    for word in said.split():
        if word[0] == "+":
            all_there = meeting.ready(word[1])
        else:
            meeting.lost(word[1])
    assert all_there is begins
    assert bool(meeting.waiting) is not begins


# --- restarts


@pytest.mark.parametrize(
    ("crashes", "restarted"),
    [
        ([0, 1, 2, 3, 4], True),
        ([0, 1, 2, 3, 4, 5], False),
        ([0, 1, 2, 3, 4, 59], False),
        ([0, 1, 2, 3, 4, 60], True),
        ([0, 1, 2, 3, 4, 60, 60], False),
        ([0, 30, 60, 90, 120, 150, 180], True),
    ],
)
def test_an_actor_is_restarted_five_times_a_minute(crashes: list[float], restarted: bool) -> None:
    restarts = Restarts(most=5, window=60)
    assert [restarts.crashed(now) for now in crashes][-1] is restarted


# --- the end


@pytest.mark.parametrize(
    ("waited", "idle", "told", "gone", "evaluated", "step"),
    [
        (0.0, False, False, False, False, Ending.WAIT),
        (0.1, True, False, False, False, Ending.QUIT),
        (1.6, False, False, False, False, Ending.QUIT),
        (1.6, False, True, False, False, Ending.WAIT),
        (2.0, True, True, True, False, Ending.WAIT),
        (2.0, True, True, False, True, Ending.WAIT),
        (2.0, True, True, True, True, Ending.OVER),
        (0.1, False, False, True, True, Ending.WAIT),
        (4.1, False, True, False, False, Ending.OVER),
    ],
)
def test_what_a_stop_waits_for(waited: float, idle: bool, told: bool, gone: bool, evaluated: bool, step: Ending) -> None:
    assert ending(waited, idle, told, gone, evaluated) is step


@pytest.mark.parametrize(
    ("waited", "gone", "evaluated", "step"),
    [
        (4.4, False, False, Ending.WAIT), (4.6, False, False, Ending.KILL), (4.6, True, False, Ending.WAIT),
        (29.0, True, False, Ending.WAIT), (29.0, True, True, Ending.OVER),
        (30.1, True, False, Ending.OVER), (30.1, False, True, Ending.OVER),
    ],
)  # fmt: skip
def test_the_last_round_has_longer_than_actors_that_do_not_end(waited: float, gone: bool, evaluated: bool, step: Ending) -> None:
    assert ending(waited, False, True, gone, evaluated, LAST_ROUND) is step


# --- liveness


class Watch:
    """A supervisor's steps, 10 a second unless said otherwise; `x` is the one that falls silent, `y` speaks all the time."""

    def __init__(self) -> None:
        self.liveness, self.now, self.work = Liveness(silent=20, busy=180), 100.0, 0.0
        self.killed: list[float] = []
        self.liveness.heard("x", self.now)

    def steps(self, seconds: float, every: float = 0.1, others: bool = True, works: float = 0.0) -> "Watch":
        for _ in range(round(seconds / every)):
            self.now += every
            self.work += works
            if others:
                self.liveness.heard("y", self.now)
            if "x" in self.liveness.silent(self.now, lambda name: self.work):
                self.killed.append(self.now - 100)
        return self


@pytest.mark.parametrize(
    ("what", "watch", "killed"),
    [
        ("silent for less than the bound", lambda: Watch().steps(19), False),
        ("silent for longer", lambda: Watch().steps(22), True),
        ("it computes: a long trace, a large model", lambda: Watch().steps(100, works=0.05), False),
        ("it waits for the disk", lambda: Watch().steps(100, works=float("inf")), False),
        ("it computed, and then stood still", lambda: Watch().steps(15, works=0.05).steps(25), True),
        ("it computes for ever", lambda: Watch().steps(185, works=0.05), True),
        ("all are silent at once: the machine was suspended", lambda: Watch().steps(100, others=False), False),
        ("we were not scheduled ourselves", lambda: Watch().steps(100, every=10.0), False),
        ("a busy machine: we come round once a second", lambda: Watch().steps(19, every=1.0), False),
        ("and it is silent there too", lambda: Watch().steps(25, every=1.0), True),
    ],
)
def test_who_hangs(what: str, watch: "type[Watch]", killed: bool) -> None:
    assert bool(watch().killed) is killed, what


def test_who_speaks_or_has_ended_is_not_accused() -> None:
    watch = Watch()
    for _ in range(5):
        watch.steps(15).liveness.heard("x", watch.now)
    watch.steps(5).liveness.forget("x")
    assert watch.steps(60).killed == []


def test_who_is_in_one_call_for_long_is_told_once_and_long_before_it_is_killed() -> None:
    """A plug-in that never returned was not spoken of for three minutes."""
    watch = Watch().steps(9, works=0.05)
    assert watch.liveness.quiet() == []
    assert watch.steps(2, works=0.05).liveness.quiet() == ["x"] and watch.steps(5, works=0.05).liveness.quiet() == []
    watch.liveness.heard("x", watch.now)
    assert watch.steps(15, works=0.05).liveness.quiet() == [], "that is its way"
    watch.liveness.forget("x")
    watch.liveness.heard("x", watch.now)
    assert watch.steps(15, works=0.05).liveness.quiet() == ["x"] and watch.killed == []


@pytest.mark.parametrize(
    ("limits", "ran", "accuracies", "heights", "why"),
    [
        (Run(), 1e9, (1.0,), (99,), ""),
        (Run(duration_s=5), 4.9, (1.0,), (99,), ""),
        (Run(duration_s=5, target=0.9), 5.0, (0.1,), (0,), "duration"),
        (Run(target=0.9), 0.0, (0.9, 0.89), (9, 9), ""),
        (Run(target=0.9), 0.0, (0.9, 0.95), (0,), "target"),
        (Run(target=0.9, blocks=2), 0.0, (0.9, 0.95), (2, 1), ""),
        (Run(target=0.9, blocks=2), 0.0, (0.9, 0.95), (2, 3), "target"),
        (Run(target=0.9, blocks=2), 0.0, (0.95,), (), ""),
    ],
)
def test_why_a_run_is_over(limits: Run, ran: float, accuracies: tuple[float, ...], heights: tuple[int, ...], why: str) -> None:
    assert reached(limits, ran, accuracies, heights) == why
