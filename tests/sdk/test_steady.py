"""Steady: who is accepted, what is taken of whom, and what the node answers with."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from dfl_actors.learning.plain import packed, unpacked
from dfl_actors.learning.weights import Layer, Parameters
from dfl_actors.sdk.interface import Context, ReceivedModel, Result
from dfl_actors.sdk.loader import checked_apply
from dfl_actors.sdk.steady import Memory, build, off, way_of

LAYERS = Parameters((Layer(name="conv", shape=(4, 8)), Layer(name="bias", shape=(8,)), Layer(name="dense", shape=(8, 60))))
RNG = np.random.default_rng(7)
OWN = RNG.normal(size=LAYERS.size).astype(np.float32)
STATE = RNG.bit_generator.state


@pytest.fixture(autouse=True)
def _the_same_draws_whatever_ran_before() -> None:
    RNG.bit_generator.state = STATE


def near(scale: float = 0.01, of: Any = OWN) -> Any:
    return of + RNG.normal(scale=scale, size=of.size).astype(np.float32)


def received(models: Sequence[tuple[str, Any]]) -> list[ReceivedModel]:
    return [ReceivedModel(sender, np.asarray(weights, np.float32)) for sender, weights in models]


class Node:
    """One node's algorithm, called again and again."""

    def __init__(self, state: Any = None) -> None:
        self.algorithm, self.reputations = build(), dict[str, float]()
        self.state = state or self.algorithm.init(Context("me", ("a", "b", "c"), LAYERS, np.random.default_rng(1)))

    def take(self, *models: tuple[str, Any], own: Any = OWN, made: int = 1) -> Result:
        """An average, before which the node has made so many models."""
        result = checked_apply(self.algorithm, self.state, own, received(models), self.reputations, own_models=made)
        self.state, self.reputations = result.state, dict(result.reputations)
        return result


def said(result: Result, sender: str) -> str:
    words: Any = result.notes["senders"]
    return str(words[sender])


def test_near_models_are_averaged_and_arrays_keep_their_length() -> None:
    models = [("a", near()), ("b", near()), ("c", near())]
    result = Node().take(*models)
    plain = np.mean([OWN, *(model for _, model in models)], 0)
    for name, made in LAYERS.views(result.weights).items():
        own, *others = [float(np.square(LAYERS.views(np.asarray(one, np.float32))[name]).sum()) for one in (OWN, *(m for _, m in models))]
        wanted = LAYERS.views(np.asarray(plain, np.float32))[name]
        if name != "bias":
            middle = np.median(np.abs(np.subtract(others, own)))
            wanted = wanted * np.sqrt(own + np.clip(np.subtract(others, own), -middle, middle).sum() / 4) / np.linalg.norm(wanted)
        np.testing.assert_allclose(made, wanted, rtol=1e-4, atol=1e-6)
    assert result.reputations == {"a": 1.0, "b": 1.0, "c": 1.0} and said(result, "a") == "taken"


def test_who_is_always_shorter_has_no_more_say_in_the_length_than_others() -> None:
    """It pulled at the mean of the squared norms: by min-max, models grew shorter and shorter."""
    lengths = [float(np.linalg.norm(Node().take(("a", near()), ("b", near()), ("evil", OWN * np.float32(s))).weights)) for s in (1, 0.93)]
    assert lengths[1] == pytest.approx(lengths[0], rel=0.003)


@pytest.mark.parametrize("size", [3, 500])
def test_how_far_off_the_way_a_place_is(size: int) -> None:
    former, before, place = RNG.normal(size=(3, size)).astype(np.float32)
    parts = np.linspace(0, 1, 1001)[:, None]
    points = np.concatenate([former + parts * (before - former), before * (1 - parts)])
    assert off(way_of([former, before]), place) == pytest.approx(np.linalg.norm(points - place, axis=1).min(), rel=1e-4)
    assert off(way_of([]), place) == np.inf


def test_who_repeats_what_the_node_said_does_not_make_others_far() -> None:
    """A node whose neighbours are one honest node and a mimic was shut off: the mimic alone was near."""
    node, own = Node(), OWN
    for _ in range(30):
        said_before, own = own, near(0.003, own).astype(np.float32)
        result = node.take(("a", near(0.06, own)), ("mimic", said_before), own=own)
        own = result.weights
    assert "rejected" not in said(result, "a") and "rejected" not in said(result, "mimic") and node.reputations["a"] > 0.9


def test_where_all_repeat_what_the_node_said_they_are_taken_and_count() -> None:
    node, own = Node(), OWN
    for _ in range(20):
        said_before, own = own, near(0.003, own).astype(np.float32)
        result = node.take(("a", said_before), ("b", said_before), own=own)
    assert not any("rejected" in said(result, sender) for sender in "ab")
    assert "rejected" in said(node.take(("a", own), ("b", own), ("evil", -own), own=near(0.003, own)), "evil")


def test_the_bound_does_not_widen_while_the_one_honest_sender_is_an_echo_at_times() -> None:
    """Two honest nodes that average with each other are on each other's way; the bound then followed the attacker, and let it in."""
    node, own, evil = Node(), OWN, near(0.5)
    for turn in range(60):
        said_before, own = own, near(0.003, own).astype(np.float32)
        result = node.take(("a", said_before if turn % 4 else near(0.02, own)), ("evil", evil), own=own)
        assert turn == 0 or "rejected" in said(result, "evil")
        own = result.weights


def test_the_own_model_is_an_echo_of_it() -> None:
    """At no distance at all it was none, and made all others far."""
    node, own = Node(), OWN
    for _ in range(30):
        own = near(0.003, own).astype(np.float32)
        result = node.take(("a", near(0.06, own)), ("mimic", own), own=own)
        own = result.weights
    assert "rejected" not in said(result, "a") and node.reputations["a"] > 0.9


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (OWN * np.float32(1e-3), "norm 0.001 of own"),
        (-OWN, "rejected: points the other way, cosine -1.00"),
        (OWN * np.float32(1e25), "of own"),
        (OWN + 0.4 * RNG.normal(size=OWN.size), "times the bound away"),
        (np.zeros_like(OWN), "norm 0 of own"),
    ],
)
def test_who_is_not_sound_or_too_far_is_rejected_and_loses_its_standing(bad: Any, words: str) -> None:
    node = Node()
    for _ in range(20):
        result = node.take(("a", near()), ("b", near()), ("evil", bad))
        assert words in said(result, "evil") and np.linalg.norm(result.weights - OWN) < 0.02 * np.linalg.norm(OWN)
    assert node.reputations["evil"] < 0.07 and node.reputations["a"] > 0.9


def test_an_array_alone_tells_an_attacker() -> None:
    bad = near()
    LAYERS.views(bad.astype(np.float32))
    bad = bad.astype(np.float32)
    LAYERS.views(bad)["conv"][:] *= np.float32(0.1)
    assert "rejected: conv norm 0.1 of own" in said(Node().take(("a", near()), ("evil", bad)), "evil")


def test_models_that_started_apart_are_within_the_bound_and_met_ones_are_not_drawn_apart() -> None:
    node, others = Node(), [RNG.normal(size=OWN.size).astype(np.float32) for _ in range(3)]
    first = node.take(*zip("abc", others, strict=True))
    assert {said(first, sender) for sender in "abc"} == {"taken"}
    for _ in range(40):
        node.take(("a", near()), ("b", near()))
    late = node.take(("a", near()), ("b", near()), ("c", near(0.2)))
    assert "rejected" in said(late, "c") and node.reputations["c"] < 1.0


def test_further_than_usual_counts_in_part_and_says_how_far() -> None:
    node = Node()
    for _ in range(5):
        node.take(("a", near()), ("b", near()), ("c", near()))
    result = node.take(("a", near()), ("b", near()), ("c", near(0.035)))
    assert said(result, "c").startswith("in part: 3.") and "times the usual distance" in said(result, "c")
    assert 0.9 < node.reputations["c"] < 1.0


def test_only_the_newest_of_a_sender_is_taken_and_all_its_messages_count_for_its_standing() -> None:
    one, many = Node(), Node()
    one.take(("a", near()), ("evil", -OWN))
    many.take(("a", near()), *[("evil", -OWN)] * 9)
    assert many.reputations["evil"] == pytest.approx(one.reputations["evil"] ** 9)
    flood = Node().take(("a", near()), *[("b", OWN + np.float32(9))] * 3, ("b", near()), made=4)
    assert said(flood, "b") == "taken"


@pytest.mark.parametrize("buffers", ["eeee eabc", "eeee eeae eeea"], ids=["beside three", "beside one"])
def test_who_sends_five_times_as_often_has_no_five_voices(buffers: str) -> None:
    """It had an average to itself as often as it liked. The node trains before all buffers but the first."""
    node, aside = Node(), np.zeros_like(OWN)
    aside[:40] = 0.05
    result = node.take(*((who, near(0.001)) for who in "abce"))
    for _ in range(20):
        for place, senders in enumerate(buffers.split()):
            own = near(0.001) if place else result.weights
            result = node.take(*((who, near(0.001)) for who in senders), own=own, made=int(place > 0))
    assert said(result, "e")[:15] == "in part: sends " and said(result, "a") == "taken" and result.reputations["e"] == 1.0
    pulled = np.mean((node.take(*[("e", own + aside)] * 4, own=own).weights - own)[:40]) / 0.05
    assert 0.2 < pulled < 0.3, "four messages of five are .8 of the average, and count .3 each"


def test_who_sends_five_times_as_often_is_loud_in_a_large_buffer_too() -> None:
    """The node makes two models while a buffer of sixteen fills, and the loud one ten."""
    node = Node()
    for _ in range(20):
        result = node.take(*((who, near(0.001)) for who in "eaebecee" * 2), own=near(0.001), made=2)
    assert said(result, "e").startswith("in part: sends 4.8 times as often as most") and {said(result, who) for who in "abc"} == {"taken"}


@pytest.mark.parametrize("buffer", [1, 2, 4])
def test_of_many_senders_that_speak_in_turns_nobody_is_loud(buffer: int) -> None:
    """With a buffer of 1 each came to nine averages without it, and was judged when it had just spoken: 3.2 times as often as most."""
    node, senders = Node(), 20
    for _ in range(12):
        for first in range(0, senders, buffer):
            names = [f"{number}" for number in range(first, first + buffer)]
            result = node.take(*((who, near(0.001)) for who in names), own=near(0.001), made=int(first == 0))
            assert not [who for who in names if "sends" in said(result, who)], said(result, names[0])


@pytest.mark.parametrize("buffer", [4, 20])
def test_a_sender_that_whispers_or_has_left_makes_nobody_loud(buffer: int) -> None:
    """A neighbour of the node's own speed has as many messages in each average as the node makes models."""
    node = Node()
    for number in range(60):
        whispers = [("b", near(0.001))] * (number in (10, 55))
        result = node.take(*[("a", near(0.001))] * buffer, *whispers, own=near(0.001), made=buffer)
    assert said(result, "a") == "taken"


def test_who_sends_no_finite_model_is_rejected_and_named() -> None:
    result = Node().take(("a", near()), ("nan", OWN * np.float32(np.nan)))
    assert said(result, "nan") == "rejected: its weights are not finite" and result.reputations["nan"] < 1 and said(result, "a") == "taken"


def test_who_is_a_third_faster_counts_in_full_and_who_is_slow_makes_nobody_loud() -> None:
    node = Node()
    for number in range(60):
        fast = [("a", near())] * (1 + (number % 3 == 0))
        slow = [(who, near()) for who in ("slow", "idle", "lazy")] * (number % 10 == 0)
        result = node.take(*fast, ("b", near()), *slow, own=near(0.0001))
    assert {said(result, who) for who in "ab"} == {"taken"}


def test_a_flood_between_two_steps_makes_the_node_forget_nobody() -> None:
    """Who was near was forgotten after fifty averages, and a neighbour may have them between two steps of the node."""
    node, strange = Node(), near(0.4)
    for _ in range(20):
        result = node.take(("a", near()), ("b", near()), own=near(0.0001))
    for _ in range(100):
        result = node.take(*[("evil", strange)] * 4, own=result.weights, made=0)
        assert said(result, "evil").startswith("rejected")
    state: Any = result.state
    assert set(Memory._make(state).rates) == {"", "a", "b", "evil"}


def test_the_node_answers_with_a_mean_of_its_averages() -> None:
    node, means = Node(), []
    for _ in range(3):
        result = node.take(("a", near()), ("b", near()))
        means.append(result.weights)
    wanted = means[0]
    for n, mean in enumerate(means[1:], start=1):
        wanted = (1 + n) / (10 + n) * wanted + 9 / (10 + n) * mean
    assert result.serving is not None
    np.testing.assert_allclose(result.serving, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("models", [(), (("evil", -OWN),)])
def test_nobody_to_accept_leaves_the_own_model(models: Any) -> None:
    result = Node().take(*models)
    assert result.weights.tobytes() == OWN.tobytes() and result.serving is not None


def test_beside_an_own_array_of_zeros_every_one_is_sound_and_one_of_zeros_beside_another_is_not() -> None:
    zeros, other = OWN.copy(), near().astype(np.float32)
    LAYERS.views(zeros)["conv"][:], LAYERS.views(other)["conv"][:] = 0, np.float32(0.02)
    assert {said(Node().take(("a", other), ("b", zeros), own=zeros), sender) for sender in "ab"} <= {"taken", "in part: 2 times"}
    assert said(Node().take(("a", near()), ("b", zeros)), "b") == "rejected: conv norm 0 of own"


@pytest.mark.parametrize("between", [1, 12])
def test_buffers_that_an_attacker_has_filled_alone_do_not_widen_the_bound(between: int) -> None:
    """One such buffer made the bound ten times as wide, and the next was accepted: two attackers of four senders, or one that sends more
    often than others, needed nothing else."""
    node, strange = Node(), near(0.4)
    for _ in range(20):
        node.take(("a", near()), ("b", near()))
    for _ in range(3):
        for _ in range(between):
            assert said(node.take(("evil", strange), ("evil", strange)), "evil").startswith("rejected")
        assert not said(node.take(("a", near())), "a").startswith("rejected")


def test_where_everybody_is_strange_the_bound_widens_and_they_meet_again() -> None:
    """As after a machine was away for an hour: by a half with each buffer once each has been heard, or once it is long ago."""
    node, moved = Node(), near(0.4)
    for _ in range(20):
        node.take(("a", near()), ("b", near()))
    takes = [node.take(("a", near(0.01, moved)), ("b", near(0.01, moved))) for _ in range(20)]
    words = [said(take, "a").startswith("rejected") for take in takes]
    assert words[0] and not words[-1] and 3 < words.index(False) < 16
    gone = Node()
    for _ in range(20):
        gone.take(("a", near()), ("b", near()))
    takes = [gone.take(("a", near(0.01, moved)), own=near(0.0001)) for _ in range(80)]
    words = [said(take, "a").startswith("rejected") for take in takes]
    assert 49 < words.index(False) < 70, "b, which was near and is gone, is remembered for fifty averages"


def test_an_own_model_of_zeros_takes_what_comes_and_leaves_the_bound_as_it_was() -> None:
    """It left the bound open for good: distances in norms of nothing are infinite."""
    node = Node()
    first = node.take(("a", near()), own=np.zeros_like(OWN))
    assert said(first, "a") == "taken" and np.any(first.weights)
    for _ in range(5):
        node.take(("a", near()), ("b", near()))
    assert said(node.take(("a", near()), ("evil", near(0.6))), "evil").startswith("rejected: ")


@pytest.mark.parametrize(("cosine", "words"), [(-0.4, "taken"), (-0.6, "rejected: points the other way, cosine -0.60")])
def test_two_models_of_few_weights_may_point_apart_by_chance_and_not_by_more(cosine: float, words: str) -> None:
    aside = RNG.normal(size=OWN.size)
    aside -= np.dot(aside, OWN) / np.dot(OWN, OWN) * OWN
    aside *= np.linalg.norm(OWN) / np.linalg.norm(aside)
    assert said(Node().take(("a", cosine * OWN + np.sqrt(1 - cosine**2) * aside)), "a") == words


WAY = RNG.normal(scale=0.003, size=OWN.size).astype(np.float32)
"""How the network goes on from one average to the next, in the tests of lateness."""


def gone(averages: int, behind: float, node: Node) -> list[Result]:
    """So many averages of a node that goes on by `WAY` each time, as a does; b is so many averages behind."""
    results = []
    for number in range(averages):
        here = OWN + WAY * np.float32(number)
        results.append(node.take(("a", near(0.0001, here)), ("b", near(0.0001, here - behind * WAY)), own=here))
    return results


def further(result: Result, than: int) -> float:
    """How many averages the mean is on its way beyond where the node itself was, that many averages after the first."""
    return float(np.dot(result.weights - OWN - WAY * np.float32(than), WAY) / np.dot(WAY, WAY))


def test_a_model_that_is_always_behind_does_not_pull_back() -> None:
    results = gone(40, 5.0, Node())
    assert further(results[0], 0) < -1.5, "a third of five averages, before anything is known of b"
    assert abs(further(results[-1], 39)) < 0.1
    assert said(results[-1], "b").startswith("in part: 5 averages late") and said(results[-1], "a") == "taken"


def test_who_is_ahead_counts_as_it_comes_and_once_behind_is_not_late() -> None:
    node = Node()
    assert further(gone(40, -5.0, node)[-1], 39) == pytest.approx(5 / 3, abs=0.1)
    here = OWN + WAY * np.float32(40)
    result = node.take(("a", near(0.0001, here)), ("b", near(0.0001, here - 5 * WAY)), own=here)
    assert further(result, 40) < -1.5 and said(result, "b") == "taken"


def early(averages: int, ahead: Mapping[str, float], node: Node) -> Result:
    """The last of so many averages of a node that goes on by `WAY`; each sender is so many averages ahead."""
    result = node.take()
    for number in range(averages):
        here = OWN + WAY * np.float32(number)
        result = node.take(*((who, near(0.0001, here + by * WAY)) for who, by in ahead.items()), own=here)
    return result


def test_who_is_usually_ahead_of_most_counts_less_and_loses_standing() -> None:
    node = Node()
    result = early(40, {"a": 0.0, "b": 0.2, "evil": 1.2}, node)
    assert said(result, "evil").startswith("in part: 1 average ahead; its reputation is 0.25"), said(result, "evil")
    assert said(result, "a") == said(result, "b") == "taken" and result.reputations["b"] == pytest.approx(1.0)


def test_somebody_ahead_is_heard_however_far_he_is() -> None:
    result = early(40, {"a": 0.0, "b": 0.2, "new": 2.5}, Node())
    assert result.reputations["new"] == pytest.approx(0.1, abs=0.01)


def test_where_all_are_ahead_nobody_is_early() -> None:
    result = early(40, {"a": 3.0, "b": 3.2, "c": 2.8}, Node())
    assert {said(result, who) for who in "abc"} == {"taken"}


def test_of_two_senders_nobody_is_early() -> None:
    result = early(40, {"a": 0.0, "b": 3.0}, Node())
    assert {said(result, who) for who in "ab"} == {"taken"}


@pytest.mark.parametrize("ahead", [0.3, 1.5])
def test_where_most_are_late_who_is_with_the_node_is_not_early(ahead: float) -> None:
    """Copies and old models made a quarter of the honest ones seem early."""
    result = early(40, {"a": -5.0, "b": -4.0, "c": ahead}, Node())
    assert said(result, "c") in ("taken", "in part: its reputation is 0.98"), said(result, "c")
    assert "averages late" in said(result, "a")


def test_who_is_usually_later_than_most_counts_less_and_loses_standing() -> None:
    result = early(40, {"a": 0.0, "b": -0.2, "old": -4.5}, Node())
    assert said(result, "old").startswith("in part: 4.4 averages late, usually 4.3 averages later than most; its reputation is 0.2")
    assert said(result, "a") == said(result, "b") == "taken" and result.reputations["b"] == pytest.approx(1.0)


def test_who_is_a_little_late_or_no_later_than_most_keeps_its_standing() -> None:
    for others in ({"a": 0.0, "b": -1.5}, {"a": -3.0, "b": -3.5}):
        assert early(40, others, Node()).reputations == pytest.approx(dict.fromkeys("ab", 1.0), abs=0.01)


def test_where_somebody_drags_the_others_along_who_does_not_follow_is_not_late() -> None:
    """A-Little-Is-Enough had a node and its neighbour leave the rest of the network."""
    result = early(40, {"evil": 4.0, "a": -3.0, "b": 0.5}, Node())
    assert "ahead" in said(result, "evil") and "later than most" not in said(result, "a") and result.reputations["a"] == pytest.approx(1.0)


def test_who_is_ahead_and_far_away_counts_by_its_distance() -> None:
    node, aside = Node(), np.zeros_like(OWN)
    aside[::2] = 0.03 * np.linalg.norm(OWN) / np.sqrt(aside[::2].size)
    result = early(40, {"a": 0.0, "b": 0.2, "new": 6.0}, node)
    here = OWN + WAY * np.float32(40)
    result = node.take(*((who, near(0.01, here)) for who in "ab"), ("new", here + aside), own=here)
    assert "times the usual distance" in said(result, "new")


def test_what_was_said_before_a_jump_is_forgotten() -> None:
    node = Node()
    assert "ahead" in said(early(40, {"a": 0.0, "b": 0.2, "evil": 1.2}, node), "evil")
    here = OWN * np.float32(1.4)
    node.take(*((who, near(0.01, here)) for who in "ab"), own=here)
    result = node.take(*((who, near(0.0001, here)) for who in ("a", "b", "evil")), own=here)
    assert said(result, "evil") == "in part: its reputation is 0.25"


def test_who_left_is_no_sender_by_whom_others_are_early() -> None:
    node = Node()
    early(40, {"a": 0.0, "b": 0.0, "c": 0.0, "d": 2.0, "e": 2.2}, node)
    results = [
        node.take(*((who, near(0.0001, here + by * WAY)) for who, by in (("d", 2.0), ("e", 2.2))), own=here)
        for here in (OWN + WAY * np.float32(number) for number in range(40, 100))
    ]
    assert "ahead" in said(results[0], "e") and {said(results[-1], who)[:-4] for who in "de"} == {"in part: its reputation is "}
    state: Any = results[-1].state
    assert len(Memory._make(state).pulls) == 2


@pytest.mark.parametrize("own", [OWN, np.zeros_like(OWN), None], ids=["usual", "zeros", "not trained since"])
@pytest.mark.parametrize("fields", [5, 6, 7, 8, 9, 10, 11])
def test_a_memory_of_an_older_version_can_be_saved_again(fields: int, own: Any) -> None:
    node = Node()
    state = early(3, {"a": 0.0, "b": 0.2}, node).state
    assert isinstance(state, tuple)
    old = tuple({who: pull[:2] for who, pull in value.items()} if place == 7 else value for place, value in enumerate(state))[:fields]
    result = Node(state=old).take(("a", near()), ("b", near()), own=state[5] if own is None else own, made=int(own is not None))
    assert unpacked(packed({"state": result.state}))["state"][1] == 5


def test_who_is_late_now_and_then_takes_nobody_further_than_he_was() -> None:
    node = Node()
    gone(20, 8.0, node)
    here = OWN + WAY * np.float32(20)
    result = node.take(("a", near(0.0001, here)), ("b", near(0.0001, here - 1.5 * WAY)), own=here)
    assert abs(further(result, 20)) < 0.1, "it is made up for what it pulls back, not for what it usually does"


def test_who_holds_against_somebody_that_drags_the_averages_along_is_heard() -> None:
    node = Node()
    gone(40, 1.5, node)
    here = OWN + WAY * np.float32(40)
    result = node.take(("a", near(0.0001, here + 6 * WAY)), ("b", near(0.0001, here - 1.5 * WAY)), own=here)
    assert further(result, 40) == pytest.approx(4.5 / 3, abs=0.1) and said(result, "b") == "taken"


def test_what_pulls_aside_is_taken_from_whom_is_late_too() -> None:
    node, aside = Node(), np.zeros_like(OWN)
    aside[:40] = 0.05
    gone(40, 1.5, node)
    here = OWN + WAY * np.float32(40)
    late = node.take(("a", near(0.0001, here)), ("b", here - 1.5 * WAY + aside), own=here)
    assert float(np.mean((late.weights - here)[:40])) == pytest.approx(0.05 / 3, rel=0.2)


@pytest.mark.parametrize("known", [5, 8])
def test_a_memory_of_an_older_version_is_gone_on_with(known: int) -> None:
    node = Node()
    gone(3, 0.0, node)
    state: Any = node.state
    node.state = state[:known]
    result = node.take(("a", near()), ("b", near()))
    after: Any = result.state
    assert after[1] == 4 and said(result, "a") == "taken"
