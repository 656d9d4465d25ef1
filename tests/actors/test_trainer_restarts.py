"""What crashes, stops and lost directories leave of a trainer."""

import msgspec
import numpy as np
import pytest

from dfl_actors.actors.trainer import Offer, Trainer, TrainerSettings
from dfl_actors.core.codec import encode
from dfl_actors.core.control import Adoption, Holdings
from dfl_actors.core.effects import Tell
from dfl_actors.core.messages import Trained
from dfl_actors.core.words import Started, Stopping
from dfl_actors.learning.momentum import quasi_global
from dfl_actors.learning.partition import Received
from tests.actors import bench
from tests.actors.bench import KEYS, NOW, Bench, told
from tests.actors.training import BATCH, built, delta, samples, weights
from tests.simnet import parts


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


def test_what_a_node_answers_with_when_it_stops_stays_though_others_go_on_to_come() -> None:
    """With small models the last one had gone before it was measured and saved; and the export was of another one."""
    made = built(steps=1)
    made.models.put("5" * 64, np.full(8, 5, np.float32))
    made.give(samples(BATCH), msgspec.structs.replace(delta(made, 1), serving="5" * 64), samples(BATCH), Stopping())
    for number in range(300):
        made.models.put(f"{number:064}", np.zeros(8, np.float32))
    assert made.actor.answer == "5" * 64 and made.models.size(made.actor.model)  # type: ignore[attr-defined]
    made.give(crash=99)
    assert made.actor.answer == "5" * 64  # type: ignore[attr-defined]
    after = weights(made)
    made.give(Started(), crash=99)
    assert np.array_equal(weights(made), after), "it begins with what is held, though it crashed before its first transaction"


class Drifting(parts.Slope):
    down = 0.01
    optimiser = quasi_global(momentum=0.5, memory=0.5, jump=10.0)


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


def test_a_directory_that_was_lost_is_gone_on_behind_with_the_next_number_whatever_crashes() -> None:
    made = built(start=False)
    adoption = Adoption(held=Holdings(sequence=34), at=NOW)
    made.give(Started(adoption=adoption), crash=99)
    made.give(Started(adoption=adoption), samples(BATCH))
    assert [message.transaction.sequence for message in told(made.said, Trained)] == [35]
    made.give(Started(adoption=adoption), samples(BATCH))
    assert told(made.said, Trained)[-1].transaction.sequence == 36, "what is held is no higher"
