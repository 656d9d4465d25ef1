"""The supervisor with children that are played: how it begins and stops, what it makes of crashes, and of what children say."""

import signal
import time
from pathlib import Path

import pytest

from dfl_actors.core import events
from dfl_actors.core.control import Endpoints, Evaluate, Evaluated, Neighbours, Quit, Ready, Start, Status, Stop, Told
from dfl_actors.core.family import Message
from dfl_actors.errors import ActorError, ConfigError
from dfl_actors.processes import faults
from dfl_actors.processes.child import EXHAUSTED
from dfl_actors.processes.signals import Stop as Signals
from dfl_actors.runtime.plan import EVALUATOR
from dfl_actors.runtime.policies import LAST_ROUND
from dfl_actors.runtime.status import NetworkStatus
from tests.runtime.played import ADDRESSES, NAMES, Troupe, Watcher, dutiful, noted, perform


def test_it_begins_when_all_are_ready_and_stops_in_order(tmp_path: Path) -> None:
    outcome, troupe, _ = perform(tmp_path)
    assert (outcome.reason, outcome.error) == ("duration", None) and outcome.elapsed >= 0.3
    for name in NAMES:
        words = [message for message in troupe.heard[name] if not isinstance(message, Neighbours | Told)]
        assert [type(message) for message in words] == [Start, Stop, Quit], name
    (places,) = {tuple(word.where.items()) for word in troupe.heard["a/gossiper"] if isinstance(word, Neighbours)}
    assert places == ((ADDRESSES["b"], Endpoints(news="tcp://b/gossiper")),)
    assert [event.actors for event in noted(tmp_path, events.Ready)] == [len(NAMES)]
    assert [event.reason for event in noted(tmp_path, events.Stopped)] == ["duration"]


def test_nothing_begins_while_one_is_not_ready(tmp_path: Path) -> None:
    stop = Signals()

    def one_is_late(troupe: Troupe, name: str, message: Message | None) -> None:
        if message is None and name == "b/keeper":
            stop.number = signal.SIGINT
        else:
            dutiful(troupe, name, message)

    outcome, troupe, _ = perform(tmp_path, one_is_late, stop=stop)
    assert (outcome.reason, outcome.ready_seconds) == ("interrupted", 0.0)
    assert not any(isinstance(word, Start) for words in troupe.heard.values() for word in words)


def test_a_start_says_who_is_not_ready_yet(tmp_path: Path) -> None:
    stop = Signals()
    said: list[str] = []

    def some_are_late(troupe: Troupe, name: str, message: Message | None) -> None:
        if message is None and name.endswith(("/validator", "/trainer")):
            return
        dutiful(troupe, name, message)

    class Waits(Watcher):
        def update(self, status: NetworkStatus) -> None:
            said.append(status.waits)
            stop.number = signal.SIGINT * ("8 of 12" in status.waits)

    perform(tmp_path, some_are_late, duration=600.0, stop=stop, watcher=Waits())
    assert said[-1] == "8 of 12 actors are ready, not yet trainer, validator of every node"


def test_what_a_validator_counted_before_it_crashed_stays_counted(tmp_path: Path) -> None:
    stop = Signals()

    def one_crashes(troupe: Troupe, name: str, message: Message | None) -> None:
        if name == "a/validator" and isinstance(message, Start):
            troupe.say(name, Status(counts={"received": 7 if troupe.lives[name] == 1 else 2}))
            if troupe.lives[name] == 1:
                troupe.ends(name, -signal.SIGSEGV)
        elif name == "a/validator" and isinstance(message, Stop):
            troupe.say(name, Status(counts={"received": 2}, stopped=True))
        else:
            dutiful(troupe, name, message)

    class Counts(Watcher):
        def update(self, status: NetworkStatus) -> None:
            super().update(status)
            stop.number = signal.SIGTERM * (status.nodes[0].received == 9)

    watcher = Counts()
    perform(tmp_path, one_crashes, duration=60.0, stop=stop, watcher=watcher)
    counts = [status.nodes[0].received for status in watcher.shown]
    assert counts == sorted(counts) and counts[-1] == 9


@pytest.mark.parametrize("answers", [True, False])
def test_at_the_end_all_last_models_are_measured_whole_and_are_of_the_moment_of_the_stop(tmp_path: Path, answers: bool) -> None:
    orders: list[Evaluate] = []

    def evaluated(troupe: Troupe, name: str, message: Message | None) -> None:
        if name == EVALUATOR and message is None:
            troupe.say(name, Ready())
        elif isinstance(message, Evaluate):
            orders.append(message)
            tested = 10 * message.measure * answers
            troupe.say(name, Evaluated(node=message.node, model=message.model, whole=message.whole, correct=tested, tested=tested))
        elif name.endswith("/trainer") and isinstance(message, Stop):
            troupe.say(name, Status(counts={}, idle=True, stopped=True, model="ab" * 32))
        else:
            dutiful(troupe, name, message)

    _, _, watcher = perform(tmp_path, evaluated, every=0.1)
    (stopped,), measured = noted(tmp_path, events.Stopped), noted(tmp_path, events.Evaluated)
    assert {order.node for order in orders if order.whole} == {"a", "b"} and all(event.t >= stopped.t for event in measured)
    assert len(measured) == 2 * answers and watcher.shown[-1].elapsed == pytest.approx(0.3, abs=0.25)
    assert [text.partition(":")[0] for text in watcher.texts] == [
        *(["there was no time to measure the last model of node a, b"] * (not answers))
    ]


def test_a_signal_ends_the_last_round(tmp_path: Path) -> None:
    stop = Signals()

    def never_measured(troupe: Troupe, name: str, message: Message | None) -> None:
        if name == EVALUATOR and message is None:
            troupe.say(name, Ready())
        elif isinstance(message, Evaluate) and message.save:
            troupe.say(name, Evaluated(node=message.node, model=message.model, whole=message.whole, correct=0, tested=0))
        elif isinstance(message, Evaluate):
            stop.number = signal.SIGINT
        elif name.endswith("/trainer") and isinstance(message, Stop):
            troupe.say(name, Status(counts={}, idle=True, stopped=True, model="ab" * 32))
        else:
            dutiful(troupe, name, message)

    begun = time.monotonic()
    outcome, _, watcher = perform(tmp_path, never_measured, stop=stop, every=0.1)
    assert outcome.reason == "duration" and time.monotonic() - begun < LAST_ROUND / 2
    assert watcher.texts and watcher.texts[0].startswith("there was no time to measure the last model of node a, b")


@pytest.mark.parametrize("crashes", [1, 5, 6])
def test_who_crashes_is_started_again_within_bounds(tmp_path: Path, crashes: int) -> None:
    stop = Signals()

    def one_crashes(troupe: Troupe, name: str, message: Message | None) -> None:
        if not isinstance(message, Start) or name != "a/keeper":
            dutiful(troupe, name, message)
        elif troupe.lives[name] <= crashes:
            troupe.ends(name, -signal.SIGSEGV)
        else:
            stop.number = signal.SIGTERM

    outcome, troupe, watcher = perform(tmp_path, one_crashes, duration=600.0, stop=stop)
    again = min(crashes, 5)
    assert troupe.lives["a/keeper"] == 1 + again and troupe.lives["b/keeper"] == 1
    assert watcher.texts == ["keeper of node a crashed (killed by SIGSEGV) and was restarted"] * again
    assert [event.reason for event in noted(tmp_path, events.Restarted)] == ["killed by SIGSEGV"] * again
    if crashes <= 5:
        assert (outcome.reason, outcome.error) == ("terminated", None)
    else:
        assert outcome.reason == "failed" and isinstance(outcome.error, ActorError)
        assert str(outcome.error).startswith("keeper of node a crashed 6 times (killed by SIGSEGV): see ")


@pytest.mark.parametrize("code", [-signal.SIGABRT, EXHAUSTED])
def test_what_others_may_have_provoked_ends_no_run(tmp_path: Path, code: int) -> None:
    stop = Signals()

    def one_is_hit(troupe: Troupe, name: str, message: Message | None) -> None:
        if not isinstance(message, Start) or name != "a/gossiper":
            dutiful(troupe, name, message)
        elif troupe.lives[name] <= 9:
            troupe.ends(name, code)
        else:
            stop.number = signal.SIGTERM

    outcome, troupe, watcher = perform(tmp_path, one_is_hit, duration=600.0, stop=stop)
    assert (outcome.reason, outcome.error, troupe.lives["a/gossiper"]) == ("terminated", None, 10)
    how = "killed by SIGABRT" if code < 0 else "its memory was used up"
    assert watcher.texts == [f"gossiper of node a crashed ({how}) and was restarted"] * 9


def test_a_node_whose_trainer_begins_again_at_the_end_keeps_its_last_model(tmp_path: Path) -> None:
    """It would come to no word more: until TensorFlow is ready, all is over."""
    stop, known = Signals(), Status(counts={}, model="ab" * 32)

    def one_is_away(troupe: Troupe, name: str, message: Message | None) -> None:
        if name == EVALUATOR and message is None:
            troupe.say(name, Ready())
        elif isinstance(message, Evaluate):
            troupe.say(name, Evaluated(node=message.node, model=message.model, whole=message.whole, correct=0, tested=0))
        elif name == "a/trainer" and isinstance(message, Start):
            troupe.say(name, known)
            troupe.ends(name, -signal.SIGSEGV)
        elif name == "a/trainer" and message is None and troupe.lives[name] == 2:
            stop.number = signal.SIGTERM
        else:
            dutiful(troupe, name, message)

    outcome, troupe, _ = perform(tmp_path, one_is_away, duration=600.0, stop=stop)
    assert outcome.reason == "terminated"
    assert [word for word in troupe.heard[EVALUATOR] if isinstance(word, Evaluate)] == [
        Evaluate(node="a", model=known.model, measure=False, save=True)
    ]


def test_links_that_leave_the_machine_unencrypted_are_told_as_long_as_they_do(tmp_path: Path) -> None:
    _, _, watcher = perform(tmp_path, more='[transport]\nhost = "10.0.0.1"\ncurve = "off"')
    assert [text for text in watcher.texts if text.startswith("INSECURE: links are not encrypted")]
    assert b"INSECURE: " in (tmp_path / "status.json").read_bytes()


def test_what_a_restart_does_not_mend_ends_the_run_with_its_error(tmp_path: Path) -> None:
    def one_fails(troupe: Troupe, name: str, message: Message | None) -> None:
        if isinstance(message, Start) and name == "b/trainer":
            troupe.say(name, faults.failure(ConfigError("nodes is 0: give at least one")))
        else:
            dutiful(troupe, name, message)

    outcome, troupe, _ = perform(tmp_path, one_fails)
    assert outcome.reason == "failed" and isinstance(outcome.error, ConfigError)
    assert str(outcome.error) == "nodes is 0: give at least one" and set(troupe.lives.values()) == {1}
