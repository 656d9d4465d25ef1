"""What is asked of the evaluator at the end, and what is said of models that it had no time for."""

import pytest

from dfl_actors.core.control import Evaluate, Evaluated
from dfl_actors.runtime.evaluation import Evaluation


def test_a_last_model_that_was_not_measured_in_time_is_named() -> None:
    orders: list[Evaluate] = []
    evaluation = Evaluation(["a", "b"], 1.0, orders.append)
    evaluation.ready = True
    for node in "ab":
        evaluation.last(node, f"{node}-last")
    assert evaluation.unsaved == "model.keras of node a, b was not written: `dfl-actors model export` writes the model"
    for order in orders:
        evaluation.heard(Evaluated(node=order.node, model=order.model, correct=0, tested=0), 0.5)
    evaluation.ask(1.0, [])
    evaluation.heard(Evaluated(node="a", whole=True, model="a-last", correct=9, tested=10), 1.5)
    assert not evaluation.done() and not evaluation.unsaved
    assert evaluation.unmeasured.startswith("there was no time to measure the last model of node b: what is shown was measured before; ")
    evaluation.ask(2.0, [])
    evaluation.heard(Evaluated(node="b", whole=True, model="b-last", correct=8, tested=10), 2.5)
    assert evaluation.measured("a", 4.0) == (0.9, 2.5) and evaluation.measured("c", 4.0) is None
    assert evaluation.done() and not evaluation.unmeasured


def test_a_last_model_waits_for_an_evaluator_that_begins_again_and_is_named_if_none_does() -> None:
    orders: list[Evaluate] = []
    evaluation = Evaluation(["a"], 1.0, orders.append)
    evaluation.last("a", "m")
    assert not orders and evaluation.done() and evaluation.unsaved.startswith("model.keras of node a was not written")
    evaluation.ready = True
    evaluation.ask(1.0, [])
    assert orders == [Evaluate(node="a", model="m", measure=False, save=True)]
    evaluation.heard(Evaluated(node="a", model="m", correct=0, tested=0), 1.0)
    assert not evaluation.unsaved


def test_a_last_model_that_has_gone_is_named_and_not_asked_for_again() -> None:
    """Others had filled its store: it counted as saved, and as one for whose measurement there was no time."""
    orders: list[Evaluate] = []
    evaluation = Evaluation(["a"], 1.0, orders.append)
    evaluation.ready = True
    evaluation.last("a", "m")
    evaluation.heard(Evaluated(node="a", model="m", correct=0, tested=0, missing=True), 0.5)
    evaluation.ask(1.0, [])
    evaluation.heard(Evaluated(node="a", model="m", whole=True, correct=0, tested=0, missing=True), 1.5)
    evaluation.ask(2.0, [])
    assert [order.save for order in orders] == [True, False] and evaluation.done()
    assert evaluation.unsaved.startswith("model.keras of node a was not written")
    assert (
        evaluation.unmeasured == "the last model of node a had left its store when it was to be measured: what is shown was measured before"
    )


def test_where_nothing_is_measured_nothing_is_missed() -> None:
    evaluation = Evaluation(["a"], 0.0, lambda order: None)
    evaluation.ready = True
    evaluation.last("a", "m")
    assert not evaluation.unmeasured


def heard(evaluation: Evaluation, order: Evaluate, now: float, correct: int = 9) -> bool:
    return evaluation.heard(
        Evaluated(node=order.node, model=order.model, whole=order.whole, complete=order.whole, correct=correct, tested=10), now
    )


def test_the_newest_model_of_whoever_waits_longest_is_measured_and_never_one_twice() -> None:
    orders: list[Evaluate] = []
    evaluation = Evaluation("abc", 2.0, orders.append)
    evaluation.ready = True
    for now in range(10, 16):
        evaluation.ask(now, [(node, f"{node}{now if node != 'c' else 0}") for node in "abc"])
        heard(evaluation, orders[-1], now + 0.5)
    assert [order.model for order in orders] == ["a10", "b11", "c0", "a13", "b14", "a15"], "c has no other model; each waits two seconds"
    assert not any(order.whole or order.save for order in orders)


def test_an_accuracy_is_as_old_as_the_model_is_another_one() -> None:
    evaluation = Evaluation("a", 2.0, lambda order: None)
    evaluation.ready = True
    evaluation.ask(10.0, [("a", "m")])
    heard(evaluation, Evaluate(node="a", model="m"), 11.0)
    evaluation.ask(20.0, [("a", "m")])
    assert evaluation.measured("a", 20.0) == (0.9, 0.0)
    evaluation.ask(23.0, [("a", "n")])
    assert evaluation.measured("a", 24.0) == (0.9, 4.0) and list(evaluation.course["a"]) == [0.9]


def test_at_the_end_every_node_is_measured_on_the_whole_set_also_one_whose_model_is_known() -> None:
    orders: list[Evaluate] = []
    evaluation = Evaluation("ab", 2.0, orders.append)
    evaluation.ready = True
    evaluation.ask(10.0, [("a", "m")])
    heard(evaluation, orders.pop(), 11.0)
    for node in "ab":
        evaluation.last(node, "m")
    assert evaluation.round_text == "the last measurements: 0 of 2"
    for save in orders[:2]:
        evaluation.heard(Evaluated(node=save.node, model="m", correct=0, tested=0), 12.0)
    evaluation.ask(12.0, [])
    evaluation.heard(Evaluated(node="a", model="m", whole=True, correct=0, tested=0), 12.5)  # broken off: the saving of another model came
    while not evaluation.done():
        evaluation.ask(13.0, [("a", "newer")])
        heard(evaluation, orders[-1], 13.0)
    assert [(order.node, order.whole) for order in orders[2:]] == [("a", True), ("b", True), ("a", True)]
    assert not evaluation.unmeasured and evaluation.round_text == "the last measurements: 2 of 2"


def test_a_last_model_that_nobody_finds_is_not_asked_for_without_end() -> None:
    orders: list[Evaluate] = []
    evaluation = Evaluation("a", 2.0, orders.append)
    evaluation.ready = True
    evaluation.last("a", "m")
    while not evaluation.done():
        evaluation.heard(Evaluated(node="a", model="m", whole=orders[-1].whole, correct=0, tested=0), 1.0)
        evaluation.ask(1.0, [])
    assert len(orders) < 9 and "node a" in evaluation.unmeasured


def played(evaluation: Evaluation, orders: list[Evaluate], now: float, correct: int) -> Evaluate:
    """The next order, of nodes with another model each time, and its answer."""
    evaluation.ask(now, [(node, f"{node}{now}") for node in evaluation.course])
    heard(evaluation, orders[-1], now, correct)
    return orders[-1]


def test_a_model_that_has_gone_costs_no_turn() -> None:
    """Its node waited two more seconds, again and again where the store is small and models are many."""
    orders: list[Evaluate] = []
    evaluation = Evaluation("ab", 2.0, orders.append)
    evaluation.ready = True
    evaluation.ask(10.0, [("a", "a1"), ("b", "b1")])
    evaluation.heard(Evaluated(node="a", model="a1", correct=0, tested=0, missing=True), 10.1)
    evaluation.ask(10.1, [("a", "a1"), ("b", "b1")])
    assert orders[-1].node == "b", "the other has its turn meanwhile"
    heard(evaluation, orders[-1], 10.2)
    evaluation.ask(10.2, [("a", "a1"), ("b", "b1")])
    assert len(orders) == 2, "nobody asks for what has gone"
    evaluation.ask(10.6, [("a", "a2"), ("b", "b1")])
    assert orders[-1].model == "a2"


def test_a_target_that_samples_seem_to_have_reached_is_decided_on_the_whole_set() -> None:
    orders: list[Evaluate] = []
    evaluation = Evaluation("ab", 2.0, orders.append, target=0.9)
    evaluation.ready = True
    for now, correct in ((10.0, 10), (10.1, 8), (12.0, 9), (12.1, 9)):
        assert not evaluation.round_text and not played(evaluation, orders, now, correct).whole
    assert evaluation.round_text == "the target is decided on more test samples: 0 of 2 nodes"
    order = played(evaluation, orders, 12.2, 8)
    assert (order.node, order.whole) == ("a", True) and not evaluation.there and not evaluation.round_text
    for now, correct in ((14.1, 10), (14.2, 9)):
        assert not played(evaluation, orders, now, correct).whole
    for now in (14.3, 14.4):
        assert played(evaluation, orders, now, 9).whole
    assert evaluation.there == {"a", "b"} and not evaluation.round_text
    assert not played(evaluation, orders, 17.0, 9).whole and evaluation.there == {"a", "b"}
    played(evaluation, orders, 17.1, 8)
    assert len(evaluation.there) == 1, "a sample below the target takes back what was decided"


def test_while_the_target_is_decided_every_node_has_its_turns() -> None:
    """A node was measured on all samples, and another, and nobody else meanwhile: for 15 s none of four."""
    orders: list[Evaluate] = []
    evaluation = Evaluation("ab", 2.0, orders.append, target=0.9)
    evaluation.ready = True
    for now in (10.0, 10.1):
        played(evaluation, orders, now, 9)
    evaluation.ask(10.2, [("a", "a"), ("b", "b")])
    whole = orders[-1]
    assert whole.whole
    for number, node in enumerate("abab"):
        order = played(evaluation, orders, 12.1 + number, 9)
        assert (order.node, order.whole) == (node, False)
    evaluation.ask(15.5, [("a", "a"), ("b", "b")])
    assert len(orders) == 7, "nobody is due, and one such measurement is under way"
    late = evaluation.overtaken(Evaluated(node="a", model="a", whole=True, correct=10, tested=10), 16.0)
    assert late == pytest.approx(5.8), "it is written down as of then: pages show the newest model last, as the live table does"
    heard(evaluation, whole, 16.0, 10)
    assert evaluation.there == {"a"}
    accuracy, age = evaluation.measured("a", 16.0) or (0.0, 0.0)
    assert accuracy == 0.9 and age == pytest.approx(1.9), "it is of an older model than the last sample"


def test_a_sample_far_above_the_target_decides_by_itself() -> None:
    orders: list[Evaluate] = []
    evaluation = Evaluation("a", 2.0, orders.append, target=0.9)
    evaluation.ready = True
    for now, correct, there in ((10.0, 920, set()), (13.0, 930, {"a"}), (16.0, 890, set())):
        evaluation.ask(now, [("a", f"a{now}")])
        evaluation.heard(Evaluated(node="a", model=orders[-1].model, whole=orders[-1].whole, correct=correct, tested=1000), now)
        assert evaluation.there == there


def test_where_somebody_is_always_due_a_target_is_decided_all_the_same() -> None:
    """Ten nodes that were measured every seven seconds for two asked were so until every sample by itself left no doubt."""
    orders: list[Evaluate] = []
    evaluation = Evaluation("ab", 0.1, orders.append, target=0.9)
    evaluation.ready = True
    for step in range(10):
        evaluation.ask(10.0 + step, [(node, f"{node}{step}") for node in "ab"])
        for order in [order for order in orders if evaluation.busy]:
            heard(evaluation, order, 10.5 + step)
    assert evaluation.there == {"a", "b"}


def test_a_sample_of_all_there_is_decides_by_itself() -> None:
    orders: list[Evaluate] = []
    evaluation = Evaluation("a", 2.0, orders.append, target=0.9)
    evaluation.ready = True
    evaluation.ask(10.0, [("a", "m")])
    evaluation.heard(Evaluated(node="a", model="m", correct=9, tested=10, complete=True), 10.1)
    evaluation.ask(10.2, [("a", "m")])
    assert evaluation.there == {"a"} and len(orders) == 1


def deciding(orders: list[Evaluate]) -> Evaluation:
    """Of one node, whose model seems to have reached the target: more of it are being measured."""
    evaluation = Evaluation("a", 2.0, orders.append, target=0.9)
    evaluation.ready = True
    for now in (10.0, 10.2):
        evaluation.ask(now, [("a", "m")])
        if now == 10.0:
            heard(evaluation, orders[-1], 10.1)
    assert orders[-1].whole and orders[-1].target
    return evaluation


@pytest.mark.parametrize("tested", [0, 10])
def test_what_would_have_decided_on_the_target_does_not_pass_for_the_last_measurement(tested: int) -> None:
    """It stops where the target is decided. Broken off at the end it was made after the last one, of fewer samples, and shown."""
    orders: list[Evaluate] = []
    evaluation = deciding(orders)
    decides = orders[-1]
    evaluation.last("a", "m")
    evaluation.heard(Evaluated(node="a", model="m", whole=True, correct=tested, tested=tested), 10.4)
    assert evaluation.unmeasured
    evaluation.heard(Evaluated(node="a", model="m", correct=0, tested=0), 10.5)
    evaluation.ask(10.6, [("a", "m")])
    heard(evaluation, orders[-1], 10.7)
    assert decides not in orders[2:] and evaluation.done() and not evaluation.unmeasured


def test_who_comes_after_a_lost_evaluator_is_asked_for_what_is_due_and_not_for_what_was() -> None:
    orders: list[Evaluate] = []
    evaluation = deciding(orders)
    evaluation.lost()
    evaluation.ready = True
    evaluation.ask(13.0, [("a", "newer")])
    assert [order.model for order in orders[2:]] == ["newer"] and evaluation.busy
    evaluation.lost()
    evaluation.last("a", "newest")
    evaluation.ready = True
    evaluation.ask(13.1, [])
    assert (orders[-1].model, orders[-1].save) == ("newest", True)
    evaluation.lost()
    assert orders.count(orders[-1]) == 1 and not evaluation.busy
    evaluation.ready = True
    evaluation.ask(13.2, [])
    assert orders.count(orders[-1]) == 2


def test_a_model_that_was_overtaken_by_one_below_the_target_decides_nothing() -> None:
    orders: list[Evaluate] = []
    evaluation = deciding(orders)
    evaluation.ask(13.0, [("a", "newer")])
    heard(evaluation, orders[-1], 13.1, 8)
    heard(evaluation, orders[1], 13.5, 10)
    assert not evaluation.there and evaluation.accuracy["a"] == 0.8
