"""The supervisor and the events of a topology, with children that are played: leaving, joining, being slow, attacking, cut links."""

import signal
from pathlib import Path

import numpy as np

from dfl_actors.actors.injector import InjectorSettings
from dfl_actors.config.sections import Data
from dfl_actors.core import events
from dfl_actors.core.control import Neighbours, Quit, Start, Stop
from dfl_actors.core.family import ACTORS, Message
from dfl_actors.learning.data import load_dataset
from dfl_actors.processes.signals import Stop as Signals
from dfl_actors.runtime.assembly import rng_for, stream
from dfl_actors.runtime.plan import settings_of
from tests.runtime.played import ADDRESSES, Troupe, dutiful, noted, perform


def event(at: float, do: str, rest: str) -> str:
    return f'[[event]]\nat_s = {at}\ndo = "{do}"\n{rest}\n'


class Stage:
    """Notes in which order actors begin and hear what, and stops the run when `last` has begun so often."""

    def __init__(self, last: str, lives: int) -> None:
        self.last, self.lives, self.stop = last, lives, Signals()
        self.course: list[tuple[str, str]] = []

    def play(self, troupe: Troupe, name: str, message: Message | None) -> None:
        self.course.append((name, "begins" if message is None else type(message).__name__))
        dutiful(troupe, name, message)
        if isinstance(message, Start) and name == self.last and troupe.lives[name] == self.lives:
            self.stop.number = signal.SIGTERM


def test_a_node_that_leaves_is_ended_in_order_and_begins_again_when_it_joins(tmp_path: Path) -> None:
    away = event(0.05, "leave", 'node = "b"') + event(0.2, "join", 'node = "b"')
    stage = Stage("b/validator", 2)
    outcome, troupe, watcher = perform(tmp_path, stage.play, 600.0, stage.stop, away)
    assert outcome.reason == "terminated" and watcher.texts == ["node b leaves", "node b joins"]
    for actor in ACTORS:
        assert troupe.lives[f"b/{actor}"] == 2 and troupe.lives[f"a/{actor}"] == 1
        assert [what for name, what in stage.course if name == f"b/{actor}" and what not in ("Neighbours", "Told", "Happened")][:5] == [
            "begins", "Start", "Stop", "Quit", "begins",
        ]  # fmt: skip
    assert [(happened.do, happened.node, happened.what) for happened in noted(tmp_path, events.Happened)] == [
        ("leave", "b", "node b leaves"), ("join", "b", "node b joins"),
    ]  # fmt: skip
    assert ("b/gossiper", "Happened") in stage.course, "for whoever watches it"
    assert noted(tmp_path, events.Restarted) == [] and troupe.plans["b/gossiper"].rejoins


def test_a_node_that_is_to_join_while_it_still_leaves_ends_first(tmp_path: Path) -> None:
    def slow_to_stop(troupe: Troupe, name: str, message: Message | None) -> None:
        if name != "b/builder" or not isinstance(message, Stop):
            stage.play(troupe, name, message)

    stage = Stage("b/builder", 2)
    away = event(0.0, "leave", 'node = "b"') + event(0.1, "join", 'node = "b"')
    outcome, troupe, _ = perform(tmp_path, slow_to_stop, 600.0, stage.stop, away)
    assert outcome.reason == "terminated" and {troupe.lives[f"b/{actor}"] for actor in ACTORS} == {2}
    assert outcome.elapsed > 1.5, "the builder was given time for what it had under way"


def test_one_actor_begins_anew_as_what_an_event_makes_of_its_node(tmp_path: Path) -> None:
    stage = Stage("a/trainer", 2)
    change = event(0.0, "slow", 'node = "a"\nfactor = 0.5') + event(0.1, "attack", 'node = "a"\nattack = "copy"')
    _, troupe, watcher = perform(tmp_path, stage.play, 600.0, stage.stop, change)
    lives = {actor: troupe.lives[f"a/{actor}"] for actor in ACTORS}
    assert lives == dict.fromkeys(ACTORS, 1) | {"injector": 2, "trainer": 2, "keeper": 2}
    paced = {name: settings_of(troupe.plans[f"{name}/injector"], InjectorSettings) for name in "ab"}
    assert paced["a"].rate == 4.0 and (paced["a"].ahead, paced["b"].ahead) == (0, int(0.618034 * 64)), "they train by turns"
    assert (troupe.plans["a/trainer"].node.attack, troupe.plans["b/trainer"].node.attack) == ("copy", None)
    assert watcher.texts == ["node a goes at 0.5 times its speed", "node a attacks with copy"]


def test_the_injector_of_a_node_that_drifts_begins_anew_with_other_labels(tmp_path: Path) -> None:
    stage = Stage("a/injector", 2)
    drift = event(0.0, "drift", 'node = "a"\nlabel_weights = { "3" = 1, "5" = 3 }')
    _, troupe, watcher = perform(tmp_path, stage.play, 600.0, stage.stop, drift)
    assert {actor: troupe.lives[f"a/{actor}"] for actor in ACTORS} == dict.fromkeys(ACTORS, 1) | {"injector": 2}
    data, injectors = load_dataset(Data()), [troupe.plans[f"{name}/injector"] for name in "ab"]
    drawn = [stream(plan, data, rng_for(plan, "injector", 1)).draw(4000) for plan in injectors]
    drifted, other = (np.bincount(data.y_train[samples], minlength=10) / 4000 for samples in drawn)
    assert np.flatnonzero(drifted).tolist() == [3, 5] and abs(drifted[5] - 0.75) < 0.05 and other.all()
    assert watcher.texts == ["node a draws label 3, 5 from now on"]


def test_gossipers_are_told_of_a_link_that_is_cut_and_of_its_return(tmp_path: Path) -> None:
    cut = event(0.0, "unlink", 'link = "b--a"') + event(0.1, "link", 'link = "a--b"')
    _, troupe, _ = perform(tmp_path, duration=0.5, more=cut)
    for node, other in ("ab", "ba"):
        told = [set(word.where) for word in troupe.heard[f"{node}/gossiper"] if isinstance(word, Neighbours)]
        assert told[-3:] == [{ADDRESSES[other]}, set(), {ADDRESSES[other]}]


def test_a_resumed_run_goes_on_in_the_course_of_its_events(tmp_path: Path) -> None:
    course = event(0.1, "leave", 'node = "b"') + event(0.15, "slow", 'node = "a"\nfactor = 2') + event(600, "join", 'node = "b"')
    perform(tmp_path, duration=0.4, more=course)
    _, troupe, watcher = perform(tmp_path, duration=0.4, more=course, starts=1)
    assert watcher.texts == [], "nothing happens twice"
    assert troupe.plans["a/injector"].node.speed == 2.0
    assert [type(word) for word in troupe.heard["b/trainer"]] == [Start, Stop, Quit] and troupe.lives["b/trainer"] == 1
    assert [type(word) for word in troupe.heard["a/trainer"]] == [Start, Stop, Quit]
