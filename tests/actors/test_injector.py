"""The injector: so many samples after so much time, without drift; or as many as are pulled."""

import numpy as np
import pytest

from dfl_actors.actors.injector import MOST, SHORTEST_WAIT, SILENCE, Injector, InjectorSettings, due
from dfl_actors.core.effects import Effect
from dfl_actors.core.messages import Fed, Injected, Pull
from dfl_actors.core.words import Started, Stocked, Stopping, Tick
from dfl_actors.learning.stock import FED
from tests.actors import bench
from tests.actors.bench import NOW, at, told
from tests.simnet import parts


def injector(rate: float) -> Injector:
    return Injector(bench.settings(InjectorSettings, rate=rate), parts.Stream(1))


@pytest.mark.parametrize(
    ("rate", "elapsed", "samples"),
    [(8.0, 0, 0), (8.0, 124, 0), (8.0, 125, 1), (8.0, 1_000, 8), (8.0, 3_600_000, 28_800), (0.1, 10_000, 1), (0.1, 9_999, 0), (1e4, 3, 30)],
)
def test_samples_that_are_due(rate: float, elapsed: int, samples: int) -> None:
    assert due(rate, elapsed) == samples


@pytest.mark.parametrize("rate", [0.5, 7.0, 8.0, 333.3, 5_000.0])
def test_late_ticks_make_no_drift(rate: float) -> None:
    actor, rng, now = injector(rate), np.random.default_rng(1), NOW
    actor.handle(Started(), at(now))
    got = 0
    while now < NOW + 60_000:
        assert actor.wake is not None and actor.wake - at(now).mono == max(SHORTEST_WAIT, round(1000 / rate))
        now = actor.wake - at().mono + NOW + int(rng.integers(0, 40))
        got += sum(len(message.samples) for message in told(actor.handle(Tick(), at(now)), Injected))
        assert got == due(rate, now - NOW)
    assert actor.counts["samples"] == got


def test_what_is_ahead_is_due_at_once_and_only_once() -> None:
    actor, now = Injector(bench.settings(InjectorSettings, rate=10.0, ahead=7), parts.Stream(1)), NOW
    list(actor.handle(Started(), at(now)))
    counts = []
    for _ in range(3):
        now += 1_000
        list(actor.handle(Tick(), at(now)))
        counts.append(actor.counts["samples"])
    assert counts == [17, 27, 37]


@pytest.mark.parametrize(("rate", "paused", "most"), [(8.0, 4_000, 33), (8.0, 3_600_000, 42), (50.0, 3_600_000, 253), (0.1, 3_600_000, 2)])
def test_a_pause_of_any_length_costs_no_more_samples_than_a_short_one(rate: float, paused: int, most: int) -> None:
    """A process that was stopped, or a machine that slept: an hour at 50 a second would be 180,000 in one tick."""
    actor = injector(rate)
    actor.handle(Started(), at())

    def drawn(after: int) -> int:
        return sum(len(message.samples) for message in told(actor.handle(Tick(), at(NOW + after)), Injected))

    assert most - 2 <= drawn(paused) <= most
    later = sum(drawn(paused + second * 1_000) for second in range(1, 61))
    assert later == pytest.approx(60 * rate, abs=1), "then as before"


def test_many_samples_come_in_several_messages() -> None:
    actor = injector(0.0)
    actor.handle(Started(), at())
    sizes = [len(message.samples) for message in told(actor.handle(Pull(samples=MOST + 5), at()), Injected)]
    assert sizes == [MOST, 5]


def test_nothing_before_the_start_after_the_stop_or_when_not_asked() -> None:
    actor = injector(0.0)
    assert actor.handle(Pull(samples=5), at()) == []
    assert actor.handle(Started(), at()) == [] and actor.wake is None
    assert actor.handle(Tick(), at(NOW + 5_000)) == []
    actor.handle(Stopping(), at())
    assert actor.handle(Pull(samples=5), at()) == []
    timed = injector(8.0)
    timed.handle(Started(), at())
    assert timed.handle(Pull(samples=5), at()) == []
    timed.handle(Stopping(), at())
    assert timed.wake is None and timed.handle(Tick(), at(NOW + 5_000)) == []


def test_a_slow_node_that_pulls_is_answered_so_much_later_that_it_has_its_share_of_its_own_pace() -> None:
    actor = Injector(bench.settings(InjectorSettings, rate=0.0, speed=0.25), parts.Stream(1))
    actor.handle(Started(), at())
    now = NOW
    for _ in range(5):
        now += 100  # what the trainer took
        assert not told(actor.handle(Pull(samples=8), at(now)), Injected)
        assert actor.wake == at(now + 300).mono and not told(actor.handle(Pull(samples=4), at(now)), Injected)
        now, actor.wake = now + 300, None
        (message,) = told(actor.handle(Tick(), at(now)), Injected)
        assert len(message.samples) == 12, "whatever was pulled meanwhile"


def fed(effects: list[Effect]) -> list[int]:
    return [sample - FED for message in told(effects, Injected) for sample in message.samples]


def test_what_is_fed_goes_out_once_and_no_further_ahead_of_the_trainer_than_the_window() -> None:
    actor = Injector(bench.settings(InjectorSettings, rate=0.0, window=4), parts.Stream(1))
    actor.handle(Started(), at())
    assert fed(actor.handle(Stocked(count=3), at())) == [0, 1, 2]
    assert fed(actor.handle(Stocked(count=20), at())) == [3] and actor.full
    assert fed(actor.handle(Fed(upto=2, next=4, again=0), at())) == [4, 5]
    assert fed(actor.handle(Fed(upto=5, next=6, again=0), at())) == [6, 7, 8] and not actor.full
    assert fed(actor.handle(Fed(upto=5, next=5, again=1), at())) == [5, 6, 7, 8], "a trainer that was restarted"


def test_what_the_trainer_still_lacks_of_what_went_out_before_its_last_word_goes_out_again() -> None:
    actor = Injector(bench.settings(InjectorSettings, rate=0.0, window=4), parts.Stream(1))
    actor.handle(Started(), at())
    actor.handle(Stocked(count=20), at())
    assert fed(actor.handle(Fed(upto=1, next=2, again=0), at())) == [4], "what is under way may still come"
    assert fed(actor.handle(Fed(upto=2, next=2, again=0), at())) == [2, 3, 4, 5], "but not so long"


def test_an_injector_with_an_earlier_stock_goes_on_where_the_trainer_says_that_it_is() -> None:
    actor = Injector(bench.settings(InjectorSettings, rate=0.0, window=4), parts.Stream(1), stocked=10)
    assert fed(actor.handle(Started(), at())) == [0, 1, 2, 3]
    assert fed(actor.handle(Fed(upto=7, next=7, again=0), at())) == [7, 8, 9]
    assert fed(actor.handle(Tick(), at(NOW + SILENCE))) == [] and fed(actor.handle(Pull(samples=0), at(NOW + SILENCE + 1))) == [7, 8, 9]
