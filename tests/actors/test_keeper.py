"""The keeper: when it averages, with what, and that no difference is counted twice or lost."""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfl_actors.actors.keeper import Keeper, KeeperSettings
from dfl_actors.core import events
from dfl_actors.core.codec import model_digest
from dfl_actors.core.delivery import WriteJournal
from dfl_actors.core.effects import Touch
from dfl_actors.core.messages import Averaged, Scored, Updated, Versioned
from dfl_actors.core.words import Started, Stopping
from dfl_actors.learning.plain import packed
from dfl_actors.sdk.half_fedavg import apply as half
from dfl_actors.sdk.interface import Result
from tests.actors import bench
from tests.actors.bench import KEYS, Bench, notes, told

ZERO = np.zeros(8, np.float32)


def built(apply: Any = half, watched: bool = False, told: list[tuple[float | None, int]] | None = None, **fields: Any) -> Bench:
    """`told` takes the own accuracies, and how many own models there were, that the algorithm hears."""

    def bound(
        state: object, own: np.ndarray, received: list[Any], reputations: dict[str, float], own_accuracy: float | None, own_models: int
    ) -> Result:
        if told is not None:
            told.append((own_accuracy, own_models))
        result: Result = apply(state, own, received, reputations)
        return result

    return Bench(
        lambda one: Keeper(bench.settings(KeeperSettings, **{"buffer": 2, **fields}), bound, None, one.models, one.journal, watched)
    )


def version(made: Bench, weights: np.ndarray, applied: int = 0) -> Versioned:
    key = model_digest(weights.tobytes())
    made.models.put(key, weights)
    return Versioned(model=key, applied=applied)


def scored(made: Bench, by: str, value: float) -> Scored:
    weights = np.full(8, value, np.float32)
    key = model_digest(weights.tobytes())
    made.models.put(key, weights)
    return Scored(transaction=key, generator=KEYS[by].address, model=key, codec="float32", correct=1, tested=2)


def delta(made: Bench, message: Averaged) -> np.ndarray:
    return np.frombuffer(made.models.data[message.delta], np.float32)


def test_a_full_buffer_is_averaged_with_the_own_model() -> None:
    made = built()
    assert made.give(version(made, ZERO), scored(made, "g", 1.0)) == []
    said = made.give(scored(made, "h", 3.0))
    (averaged,), (updated,) = told(said, Averaged), told(said, Updated)
    assert np.allclose(delta(made, averaged), 1.0)
    assert updated.models == 2 and set(updated.reputations.values()) == {1_000_000}
    assert notes(said, events.Updated)[0].senders == {KEYS[name].address: 0.5 for name in "gh"}


def test_the_algorithm_hears_the_accuracy_of_the_newest_own_model_and_none_of_one_that_was_not_measured() -> None:
    heard: list[tuple[float | None, int]] = []
    made = built(told=heard, buffer=1)
    for right in ({"correct": 3, "tested": 4}, {}, {"correct": 0, "tested": 4}):
        made.give(msgspec.structs.replace(version(made, ZERO), **right), scored(made, "g", 1.0))
    assert [accuracy for accuracy, _ in heard] == [0.75, None, 0.0]


def test_the_algorithm_hears_how_many_models_the_node_has_made_since_the_last_average() -> None:
    heard: list[tuple[float | None, int]] = []
    made = built(told=heard)
    began, trained = version(made, ZERO), msgspec.structs.replace(version(made, ZERO), correct=1, tested=4)
    made.give(began, trained, scored(made, "g", 1.0), trained, scored(made, "h", 3.0))
    made.give(scored(made, "g", 1.0), scored(made, "h", 3.0), trained, began, scored(made, "g", 1.0), scored(made, "h", 3.0))
    assert [models for _, models in heard] == [2, 0, 1], "what was not measured is the model that the node began or goes on with"


def test_the_algorithm_hears_what_a_sender_states_of_its_samples() -> None:
    heard: list[int | None] = []

    def apply(state: object, own: np.ndarray, received: list[Any], reputations: dict[str, float]) -> Result:
        heard.extend(model.samples for model in received)
        return half(None, own, received, reputations)

    made = built(apply)
    stated = msgspec.structs.replace(scored(made, "g", 1.0), samples=40)
    made.give(version(made, ZERO), stated, scored(made, "h", 3.0))
    assert heard == [40, None]


def test_the_newest_model_of_each_sender_is_told_only_where_an_attack_watches() -> None:
    for watched in (False, True):
        made = built(watched=watched, buffer=3)
        models = [scored(made, by, value) for by, value in (("g", 1.0), ("h", 3.0), ("g", 5.0))]
        (averaged,) = told(made.give(version(made, ZERO), *models), Averaged)
        newest = {KEYS["g"].address: (models[2].model, "float32"), KEYS["h"].address: (models[1].model, "float32")}
        assert averaged.received == (newest if watched else {})


def test_several_models_of_one_sender_each_count() -> None:
    made = built(buffer=3)
    said = made.give(version(made, ZERO), scored(made, "g", 1.0), scored(made, "g", 2.0), scored(made, "h", 6.0))
    assert notes(said, events.Updated)[0].models == 3
    assert np.allclose(delta(made, told(said, Averaged)[0]), 1.5)


def test_the_own_model_stays_in_use_while_others_come() -> None:
    """Else the models of neighbours would push it out of the store while the trainer waits for them."""
    made = built(buffer=4)
    assert not [one for one in made.actor.handle(scored(made, "g", 1.0), bench.at()) if isinstance(one, Touch)]
    own = version(made, ZERO)
    made.give(own)
    assert made.actor.handle(scored(made, "h", 2.0), bench.at()) == [Touch(own.model)]
    (averaged,) = told(made.give(scored(made, "h", 3.0), scored(made, "g", 4.0)), Averaged)
    # What the trainer has yet to take up stays too, until it says that it is in its model.
    assert made.actor.handle(scored(made, "h", 2.0), bench.at()) == [Touch(own.model), Touch(averaged.delta)]
    made.give(version(made, ZERO, 1))
    assert made.actor.handle(scored(made, "g", 2.0), bench.at())[:2] == [Touch(own.model)]


def test_without_an_own_model_the_newest_wait() -> None:
    made = built()
    assert made.give(*(scored(made, "g", value) for value in (1.0, 2.0, 3.0, 4.0))) == []
    said = made.give(version(made, ZERO), scored(made, "g", 5.0))
    assert np.allclose(delta(made, told(said, Averaged)[0]), 2.0), "half of the mean of 3, 4 and 5"


@pytest.mark.parametrize(("gone", "models"), [((0,), 1), ((0, 1), 0), ((2,), 0)])
def test_models_that_have_gone_are_left_out_and_named(gone: tuple[int, ...], models: int) -> None:
    made = built()
    messages = (scored(made, "g", 1.0), scored(made, "h", 3.0), version(made, ZERO))
    for index in gone:
        del made.models.data[messages[index].model]
    said = made.give(messages[2], *messages[:2])
    assert notes(said, events.Lost)
    assert [note.models for note in notes(said, events.Updated)] == [models] * bool(models)


def test_a_finite_model_of_huge_weights_is_refused_by_its_norm_whatever_the_algorithm_and_the_others_are_averaged() -> None:
    made, own = built(buffer=2), np.ones(8, np.float32)
    said = made.give(version(made, own), scored(made, "g", 1e17), scored(made, "h", 3.0))
    (note,) = notes(said, events.Refused)
    assert (note.code, note.by) == ("model_norm", KEYS["g"].address)
    assert notes(said, events.Updated)[0].models == 1 and np.allclose(delta(made, told(said, Averaged)[0]), 1.0)
    assert not told(made.give(scored(made, "g", 201.0), scored(made, "h", -1e9)), Averaged), "with nothing left there is no update"
    assert told(made.give(scored(made, "g", 199.0), scored(made, "h", -199.0)), Averaged)


def test_reputations_and_the_number_survive_a_crash_and_no_number_means_two_differences() -> None:
    def harsh(state: object, own: np.ndarray, received: list[Any], reputations: dict[str, float]) -> Result:
        return Result(state, own + 1, {**reputations, received[0].sender: 0.25}, {"harsh": 1})

    made = built(harsh, buffer=1)
    made.give(version(made, ZERO), scored(made, "g", 1.0), crash=99)
    assert notes(made.said, events.Updated)[0].notes == {"harsh": 1}
    assert made.actor.reputations[KEYS["g"].address] == 0.25  # type: ignore[attr-defined]
    first = told(made.said, Averaged)[0]
    made.give(version(made, ZERO, 1), scored(made, "g", 2.0), crash=WriteJournal)
    said = made.give(version(made, ZERO + 7, 1), scored(made, "g", 5.0), now=bench.NOW + 1)
    (second,) = told(said, Averaged)
    assert (first.number, second.number) == (1, 2)
    assert np.allclose(delta(made, second), 1.0)


@settings(max_examples=60)
@given(st.lists(st.sampled_from(["scored", "train", "deliver", "deliver", "version"]), max_size=60), st.integers(0, 3))
def test_the_differences_sum_to_what_the_algorithm_asked_for(events: list[str], seed: int) -> None:
    """Against a trainer that is late in every way: whatever it has trained itself, the keeper's part of its weights is whole."""
    rng = np.random.default_rng(seed)
    asked: list[np.ndarray] = []

    def apply(state: None, own: np.ndarray, received: list[Any], reputations: dict[str, float]) -> Result:
        expected = published[0] + sum(asked[published[1] :], start=ZERO)
        assert np.allclose(own, expected[: own.size], atol=1e-4), "the own model contains every difference once"
        target = half(state, own, received, reputations)
        asked.append(target.weights - own)
        return target

    made = built(apply, buffer=1)
    weights, applied, on_the_way = ZERO.copy(), 0, list[Averaged]()
    published: tuple[np.ndarray, int] = (weights.copy(), 0)
    made.give(version(made, weights))
    for event in events:
        if event == "scored":
            if len(on_the_way) + applied - published[1] < 12:
                on_the_way += told(made.give(scored(made, "g", float(rng.normal()))), Averaged)
        elif event == "train":
            weights = (weights + rng.normal(size=8)).astype(np.float32)
        elif event == "deliver" and on_the_way:
            message = on_the_way.pop(0)
            weights, applied = weights + delta(made, message), message.number
        elif event == "version":
            published = (weights.copy(), applied)
            made.give(version(made, weights, applied))
    assert len(told(made.said, Averaged)) == len(asked)
    for message, wanted in zip(told(made.said, Averaged), asked, strict=True):
        assert np.array_equal(delta(made, message), wanted)


def test_many_updates_before_the_trainer_publishes_again_each_start_from_the_last() -> None:
    """With a model that pulls half way to 1 each time, the sum must approach 1 and never pass it."""
    made, total = built(buffer=1), ZERO
    made.give(version(made, ZERO))
    for _ in range(12):
        total = total + delta(made, told(made.give(scored(made, "g", 1.0)), Averaged)[0])
    assert np.allclose(total, 1 - 0.5**12)


def test_the_model_that_the_algorithm_answers_with_is_named_to_the_trainer_and_what_it_remembers_outlives_a_stop() -> None:
    def steps(state: Any, own: np.ndarray, received: list[Any], reputations: dict[str, float]) -> Result:
        count, seen = (0, np.zeros(8, np.float32)) if state is None else state
        return Result((count + 1, seen + 1), own, reputations, {"count": count}, own + 5)

    made = built(steps, buffer=1, algorithm="steps")
    made.give(Started(), version(made, ZERO))
    for _ in range(2):
        (averaged,) = told(made.give(scored(made, "g", 1.0)), Averaged)
        assert np.frombuffer(made.models.data[averaged.serving], np.float32).tolist() == [5.0] * 8
    made.give(Stopping(), crash=99)
    made.give(Started(), version(made, ZERO), scored(made, "g", 1.0))
    made.give(crash=99)
    made.give(Started(), version(made, ZERO), scored(made, "g", 1.0))
    counts = [note.notes["count"] for note in notes(made.said, events.Updated)]
    assert counts == [0, 1, 2, 0], "after a stop it goes on, after a crash it begins with its first state"


def test_a_state_that_is_another_algorithms_or_damaged_is_not_gone_on_with() -> None:
    def tells(state: object, own: np.ndarray, received: list[Any], reputations: dict[str, float]) -> Result:
        return Result(1, own, reputations, {"state": state})

    for saved in (b"", b"PK damaged", packed({"algorithm": "other", "state": 7}), packed({"state": 7})):
        made = built(tells, buffer=1, algorithm="tells")
        made.journal.data[b"memory"] = saved
        made.give(crash=99)
        assert [note.notes for note in notes(made.give(version(made, ZERO), scored(made, "g", 1.0)), events.Updated)] == [{"state": None}]
