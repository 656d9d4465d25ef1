"""The trainer: steps and transactions, its pace at full speed, and what a crash leaves of it."""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfl_actors.actors.trainer import IN_FLIGHT, Checkpoint, Offer, Trainer, TrainerSettings
from dfl_actors.core import events
from dfl_actors.core.codec import digest, encode, reread
from dfl_actors.core.control import Adoption, Holdings
from dfl_actors.core.effects import Tell
from dfl_actors.core.messages import Averaged, Fed, Injected, Pull, Settled, Trained, Versioned
from dfl_actors.core.words import Started, Stopping, Tick
from dfl_actors.learning.momentum import quasi_global
from dfl_actors.learning.partition import Received
from dfl_actors.learning.stock import FED
from dfl_actors.learning.weights import LAST, TrainState, decode_model
from tests.actors import bench
from tests.actors.bench import KEYS, NOW, Bench, notes, told
from tests.simnet import parts

BATCH = 4


def built(start: bool = True, offer: Offer | None = None, **fields: Any) -> Bench:
    def build(one: Bench) -> Trainer:
        rng, first = np.random.default_rng(1), parts.initial(8)
        return Trainer(
            bench.settings(TrainerSettings, **fields), KEYS["me"], parts.Learner(), first, one.models, one.journal, Received(), rng, offer
        )

    made = Bench(build)
    if start:
        made.give(Started())
    return made


def samples(count: int) -> Injected:
    return Injected(samples=tuple(range(count)))


def weights(made: Bench) -> np.ndarray:
    return made.actor.state.weights.copy()  # type: ignore[attr-defined,no-any-return]


def delta(made: Bench, number: int, value: float = 1.0) -> Averaged:
    made.models.put(f"{number:064x}", np.full(8, value, np.float32))
    return Averaged(delta=f"{number:064x}", number=number)


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


@pytest.mark.parametrize("crash", range(9))
def test_a_crash_never_uses_a_sequence_number_twice(crash: int) -> None:
    made = built()
    made.give(samples(BATCH))
    made.give(samples(BATCH), crash=crash)
    made.give(Started())
    made.give(samples(BATCH), samples(BATCH), now=NOW + 1)
    seen: dict[int, bytes] = {}
    for letter in told(made.said, Trained):
        raw = encode(letter.transaction)
        assert seen.setdefault(letter.transaction.sequence, raw) == raw


@pytest.mark.parametrize("offer", [None, lambda own, turn, others: own * np.float32(2)], ids=["honest", "attacker"])
def test_a_trainer_finds_its_model_however_much_others_put_before_it_began_again(offer: Offer | None) -> None:
    """All of a node was killed, and its gossiper begins long before TensorFlow does."""
    made = built(offer=offer)
    for _ in range(2):
        made.give(samples(BATCH))
        before = weights(made)
        for number in range(1000):
            made.models.put(f"{number:064x}", b"another")
        made.give(crash=0)
        assert np.array_equal(weights(made), before)
        made.give(Started())


def test_the_last_transaction_is_sent_again_after_a_crash_while_it_lives() -> None:
    made = built()
    made.give(samples(BATCH), crash=Tell)
    assert not told(made.said, Trained)
    (again,) = told(made.give(Started(), now=NOW + 5), Trained)
    assert again.transaction.sequence == 0
    made.give(Stopping(), crash=99)
    assert not told(made.give(Started(), now=NOW + 60_000), Trained)


def test_a_clean_stop_keeps_weights_momentum_and_schedule() -> None:
    made = built(steps=3)
    made.give(*[samples(BATCH)] * 4, delta(made, 1), Stopping())
    before, answer = made.actor.state, made.actor.answer  # type: ignore[attr-defined]
    made.models.put("5" * 64, np.full(8, 5, np.float32))
    made.give(msgspec.structs.replace(delta(made, 2), serving="5" * 64))
    assert made.actor.answer == answer, "what was measured last, and written down, is the last"  # type: ignore[attr-defined]
    made.give(crash=99)
    after = made.actor.state  # type: ignore[attr-defined]
    assert np.array_equal(before.weights, after.weights) and before.iteration == after.iteration == 4
    assert made.give(samples(BATCH)) == [], "nothing begins before the word"


class Drifting(parts.Learner):
    """A step goes where the velocity goes, and a hundredth of the way besides."""

    optimiser = quasi_global(momentum=0.5, memory=0.5, jump=10.0)

    def train(self, state: TrainState, samples: np.ndarray, velocity: np.ndarray | None = None) -> tuple[TrainState, float]:
        assert velocity is not None
        weights = state.weights - len(samples) * (velocity + np.float32(0.01))
        return state._replace(weights=weights, iteration=state.iteration + len(samples)), 0.0


def test_averages_reach_the_optimiser_and_a_clean_stop_keeps_what_it_knows() -> None:
    def build(one: Bench) -> Trainer:
        settings, rng = bench.settings(TrainerSettings, steps=2), np.random.default_rng(1)
        return Trainer(settings, KEYS["me"], Drifting(), np.ones(8, np.float32), one.models, one.journal, Received(), rng)

    made = Bench(build)
    made.give(Started(), *[samples(BATCH)] * 2, delta(made, 1, -0.08))
    # Two steps of .01, then an average that goes .08 further the same way: d = .5 * (1 - .9) / 2, half of it in each step from here on.
    assert np.allclose(weights(made), 0.9)
    made.give(*[samples(BATCH)] * 2, Stopping())
    assert np.allclose(weights(made), 0.9 - 2 * (0.0125 + 0.01))
    made.give(crash=99)
    made.give(Started(), *[samples(BATCH)] * 2)
    assert np.allclose(weights(made), 0.9 - 4 * (0.0125 + 0.01))
    made.give(crash=99)
    made.give(Started(), *[samples(BATCH)] * 2)
    assert np.allclose(weights(made), 0.9 - 4 * (0.0125 + 0.01) - 2 * 0.01), "after a crash it begins at rest"


def test_a_node_answers_with_the_model_that_its_algorithm_names_while_the_store_has_it() -> None:
    made = built()
    made.give(samples(BATCH))
    trained = made.actor.model  # type: ignore[attr-defined]
    assert made.actor.answer == trained  # type: ignore[attr-defined]
    made.models.put("5" * 64, np.full(8, 5, np.float32))
    made.give(msgspec.structs.replace(delta(made, 1), serving="5" * 64), samples(BATCH))
    made.give(crash=99)
    assert made.actor.answer == "5" * 64, "also in its next life"  # type: ignore[attr-defined]
    del made.models.data["5" * 64]
    assert made.actor.answer == made.actor.model  # type: ignore[attr-defined]


@pytest.mark.parametrize(("optimizer", "kept"), [("", True), ("adam", False)])
def test_the_state_of_another_optimizer_begins_at_rest(optimizer: str, kept: bool) -> None:
    """The topology names another one after a stop: its state may be as long, but is another. Weights and schedule stay."""
    named = [""]

    def build(one: Bench) -> Trainer:
        settings, rng = bench.settings(TrainerSettings, optimizer=named[0]), np.random.default_rng(1)
        trainer = Trainer(settings, KEYS["me"], parts.Learner(), parts.initial(8), one.models, one.journal, Received(), rng)
        if named == [""] and not trainer.state.iteration:
            trainer.state.slots[:] = 7
        return trainer

    made = Bench(build)
    made.give(Started(), *[samples(BATCH)] * 4, Stopping())
    before = made.actor.state  # type: ignore[attr-defined]
    named[0] = optimizer
    made.give(crash=99)
    after = made.actor.state  # type: ignore[attr-defined]
    assert np.array_equal(before.weights, after.weights) and before.iteration == after.iteration == 4
    assert before.slots.all() and np.array_equal(after.slots, before.slots) == kept and after.slots.any() == kept


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


def test_a_directory_that_was_lost_is_gone_on_behind_with_the_next_number_whatever_crashes() -> None:
    made = built(start=False)
    adoption = Adoption(held=Holdings(sequence=34), at=NOW)
    made.give(Started(adoption=adoption), crash=99)
    made.give(Started(adoption=adoption), samples(BATCH))
    assert [message.transaction.sequence for message in told(made.said, Trained)] == [35]
    made.give(Started(adoption=adoption), samples(BATCH))
    assert told(made.said, Trained)[-1].transaction.sequence == 36, "what is held is no higher"


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
