"""The trainer: steps and transactions, its pace at full speed, and samples that are fed to it."""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfl_actors.actors.trainer import IN_FLIGHT, Checkpoint
from dfl_actors.core import events
from dfl_actors.core.codec import digest, reread
from dfl_actors.core.messages import Averaged, Fed, Injected, Pull, Settled, Trained, Versioned
from dfl_actors.core.words import Started, Stopping, Tick
from dfl_actors.learning.stock import FED
from dfl_actors.learning.weights import LAST, TrainState, decode_model
from tests.actors.bench import KEYS, NOW, Bench, notes, told
from tests.actors.training import BATCH, built, delta, samples, weights
from tests.simnet import parts


@pytest.mark.parametrize(("steps", "injected", "trained"), [(1, 3, 0), (1, 4, 1), (1, 11, 2), (3, 11, 0), (3, 12, 1), (3, 24, 2)])
def test_a_batch_is_a_step_and_so_many_steps_a_transaction(steps: int, injected: int, trained: int) -> None:
    made = built(steps=steps)
    letters = told(made.give(*(samples(1) for _ in range(injected))), Trained)
    assert [letter.transaction.sequence for letter in letters] == list(range(trained))
    assert made.actor.counts["steps"] == injected // BATCH


def test_an_attacker_offers_another_model_and_goes_on_with_its_own() -> None:
    made = built(offer=lambda own, turn, others: own * np.float32(turn + 2))
    for turn in range(2):
        said = made.give(samples(BATCH))
        (letter,), (version,) = told(said, Trained), told(said, Versioned)
        own, offered = (decode_model(made.models.data[key], "float32", 8) for key in (version.model, letter.transaction.model))
        assert np.array_equal(own, weights(made)) and np.array_equal(offered, own * (turn + 2))
        before = weights(made)
        made.give(crash=0)
        assert np.array_equal(weights(made), before), "a crash does not make the offered model its own"
        made.give(Started())


def seen(made: Bench, number: int, kept: bool = True, **values: float) -> Averaged:
    """A difference of zeros, and models of senders with these values."""
    received = {}
    for name, value in values.items():
        key = f"{number:032x}{name:0>32}"
        received[KEYS[name].address] = (key, "float32")
        if kept:
            made.models.put(key, np.full(8, value, np.float32))
    return msgspec.structs.replace(delta(made, number, 0.0), received=received)


def test_an_attacker_knows_the_newest_model_of_each_sender_that_the_store_still_holds() -> None:
    known: list[dict[str, float]] = []

    def offer(own: np.ndarray, turn: int, others: Mapping[str, np.ndarray]) -> np.ndarray:
        known.append({sender: float(model.mean()) for sender, model in others.items()})
        return sum(others.values(), start=own)

    g, h = KEYS["g"].address, KEYS["h"].address
    made = built(offer=offer)
    made.give(samples(BATCH), seen(made, 1, g=1.0, h=2.0), seen(made, 2, g=3.0))
    said = made.give(samples(BATCH))
    assert known == [{}, {g: 3.0, h: 2.0}]
    offered = decode_model(made.models.data[told(said, Trained)[0].transaction.model], "float32", 8)
    assert np.allclose(offered, weights(made) + 5.0)
    made.give(seen(made, 3, kept=False, g=4.0))
    made.give(samples(BATCH), crash=0)
    assert known[2:] == [{h: 2.0}], "what has left the store is left out"
    made.give(Started(), samples(BATCH))
    assert known[3:] == [{}], "a restarted trainer begins anew"


def test_the_own_accuracy_goes_with_the_model_that_was_measured() -> None:
    made = built(tests=10)
    (started,) = told(made.said, Versioned)
    said = made.give(samples(BATCH))
    (letter,), (version,) = told(said, Trained), told(said, Versioned)
    assert (started.correct, started.tested) == (0, 0)
    assert (version.correct, version.tested) == (letter.transaction.correct, 10) and version.correct > 0


def test_a_transaction_commits_to_the_model_in_the_store() -> None:
    made = built()
    said = made.give(samples(BATCH))
    (letter,), (version,) = told(said, Trained), told(said, Versioned)
    transaction = letter.transaction
    assert transaction.model == version.model and transaction.expires == NOW + 60_000 and transaction.tested == 10
    assert np.array_equal(decode_model(made.models.data[transaction.model], "float32", 8), weights(made))
    assert notes(said, events.Trained)[0].tx == digest(transaction)


def test_before_the_start_samples_are_kept_for_tests_alone() -> None:
    made = built(start=False)
    assert made.give(samples(BATCH * 3)) == []
    assert told(made.give(Started()), Versioned)


def test_an_observer_trains_nothing_and_says_its_version_again() -> None:
    made = built(role="observer")
    assert made.give(samples(BATCH * 3)) == []
    assert told(made.give(delta(made, 1)), Versioned)[0].applied == 1
    made.give(Tick(), now=NOW + 1_000)
    assert made.wake == NOW + 2_000
    assert told(made.give(Tick(), now=NOW + 2_000), Versioned)[0].applied == 1


def test_an_observers_newest_model_is_written_down_with_each_average() -> None:
    """For whoever exports it while it runs; and a crash loses none of it."""
    made = built(role="observer")
    made.give(delta(made, 1, 2.0), crash=99)
    after = weights(made)
    version = told(made.give(Started()), Versioned)[-1]
    assert np.array_equal(weights(made), after) and not np.array_equal(after, parts.initial(8))
    point = reread(Checkpoint, made.journal.get(b"point") or b"")
    assert made.models.size(point.model) and (point.model, point.applied, point.sequence) == (version.model, 1, LAST)


def test_an_observer_at_full_speed_pulls_new_tests_with_every_heartbeat() -> None:
    """Its own pool is full after the first; that of a validator restarted since is empty."""
    made = built(role="observer", rate=0.0)
    assert told(made.said, Pull) == [Pull(samples=10)]
    assert told(made.give(samples(10)), Pull) == []
    assert told(made.give(Tick(), now=NOW + 1_000), Pull) == [Pull(samples=10)]
    assert made.wake == NOW + 2_000
    assert told(made.give(Tick(), now=NOW + 2_000), Pull) == [Pull(samples=10)], "though nothing came"
    made.give(Stopping())
    assert told(made.give(Tick(), now=NOW + 3_000), Pull) == []


def test_full_speed_pulls_two_transactions_ahead_and_again_when_nothing_comes() -> None:
    made = built(rate=0.0, steps=2)
    assert told(made.said, Pull) == [Pull(samples=16)]
    assert made.wake == NOW + 1_000
    assert told(made.give(Tick(), now=NOW + 1_000), Pull) == [Pull(samples=16)]


def test_a_transaction_without_an_answer_holds_its_place_until_it_expires() -> None:
    made = built(rate=0.0)
    made.give(*(samples(BATCH) for _ in range(9)))
    assert len(told(made.said, Trained)) == IN_FLIGHT
    for later in (1_000, 2_000):
        made.give(Tick(), now=NOW + later)
    assert len(told(made.said, Trained)) == IN_FLIGHT
    assert made.wake is not None
    made.give(Tick(), now=NOW + 60_000)
    assert len(told(made.said, Trained)) == 2 * IN_FLIGHT


@settings(max_examples=60)
@given(
    st.lists(
        st.one_of(st.integers(1, 40).map(lambda count: ("samples", count)), st.just(("settled", 0)), st.just(("tick", 0))), max_size=40
    )
)
def test_at_full_speed_never_more_than_so_many_wait_for_an_answer(events: list[tuple[str, int]]) -> None:
    made, open_ones, now = built(rate=0.0), list[str](), NOW
    for what, count in events:
        now += 10
        if what == "settled" and open_ones:
            said = made.give(Settled(transaction=open_ones.pop(0)), now=now)
        else:
            said = made.give(Tick() if what == "tick" else samples(count), now=now)
        open_ones += [digest(letter.transaction) for letter in told(said, Trained)]
        assert len(open_ones) <= IN_FLIGHT


def test_a_difference_is_added_and_a_repeat_of_it_is_not() -> None:
    made = built()
    before = weights(made)
    made.give(delta(made, 1, 2.0), delta(made, 1, 2.0))
    assert np.allclose(weights(made), before + 2)
    made.give(samples(BATCH))
    assert told(made.said, Versioned)[-1].applied == 1


def test_a_difference_that_comes_again_after_a_crash_is_in_the_weights_already() -> None:
    made = built()
    averaged = delta(made, 1, 2.0)
    made.give(averaged, samples(BATCH), crash=99)
    after = weights(made)
    made.give(averaged, Started())
    assert np.array_equal(weights(made), after)


def test_a_difference_that_has_gone_is_named_and_not_waited_for() -> None:
    made = built()
    said = made.give(Averaged(delta="0" * 64, number=1))
    assert notes(said, events.Lost)
    made.give(samples(BATCH))
    assert told(made.said, Versioned)[-1].applied == 1


# ---- samples that are fed to the node


def fed(first: int, count: int) -> Injected:
    return Injected(samples=tuple(range(FED + first, FED + first + count)))


def words(made: Bench, *messages: Any, **more: Any) -> list[tuple[int, int, int]]:
    return [(word.upto, word.next, word.again) for word in told(made.give(*messages, **more), Fed)]


def test_what_is_fed_is_trained_on_once_and_in_order_and_told_with_the_transaction_that_holds_it() -> None:
    made = built()
    assert words(made, fed(0, 3)) == [] and words(made, samples(2)) == [(3, 3, 0)]
    assert words(made, fed(5, 2)) == [(3, 3, 1)], "two are missing"
    assert words(made, fed(2, 3)) == [] and words(made, fed(3, 4)) == [(6, 7, 0)], "the own one before them is in the batch"
    assert words(made, fed(0, 4)) == [(6, 7, 0)], "all of that is known"
    assert made.actor.counts["samples"] == 9


def test_a_trainer_that_crashed_asks_for_what_its_model_lacks_and_one_that_was_stopped_too() -> None:
    made = built()
    made.give(fed(0, 6))
    assert words(made, crash=0) == [] and words(made, Started()) == [(4, 4, 1)]
    assert words(made, fed(4, 4)) == [(8, 8, 0)]
    made.give(fed(8, 2), Stopping())
    assert words(made, crash=0) == [] and words(made, Started()) == [(8, 8, 1)]


def test_the_injector_is_told_no_further_than_the_neighbours_keep_pace() -> None:
    made = built()
    said = [word for number in range(IN_FLIGHT + 2) for word in words(made, fed(BATCH * number, BATCH))]
    assert said == [(BATCH * (number + 1),) * 2 + (0,) for number in range(IN_FLIGHT - 1)]
    (first, *_) = [letter.transaction for letter in told(made.said, Trained)]
    assert words(made, Settled(transaction=digest(first))) == [], "as many are unanswered as may be"


def test_what_is_fed_to_an_observer_is_what_it_tests_with() -> None:
    made = built(role="observer")
    assert words(made, fed(0, 3)) == [(3, 3, 0)] and made.actor.counts["samples"] == 3


def test_with_noise_a_batch_is_as_large_as_is_drawn_none_is_twice_in_it_and_fed_samples_end_the_claim() -> None:
    said = events.Noised(noise=1.0, clip=1.0, chance=0.1, samples=100)
    made = built(start=False, rate=0.0, noised=said)
    learner: Any = made.actor._learner  # type: ignore[attr-defined]
    sizes: list[int] = []

    def watched(state: TrainState, samples: np.ndarray, velocity: np.ndarray | None = None) -> tuple[TrainState, float]:
        assert len(samples) == 1 and len(np.unique(samples)) == samples.size
        sizes.append(samples.size)
        return state, 0.0

    learner.train = watched
    assert notes(made.give(Started()), events.Noised) == [said]
    for turn in range(200):
        for letter in told(made.give(Injected(samples=tuple(range(1000 * turn, 1000 * turn + 4)))), Trained):
            made.give(Settled(transaction=digest(letter.transaction)))
    assert set(sizes) > {0, 2, 4, 6} and (np.mean(sizes), np.var(sizes)) == pytest.approx((BATCH, BATCH), rel=0.4), "Poisson"
    assert "fed" in notes(made.give(Injected(samples=(FED,))), events.Noised)[0].unclaimed
