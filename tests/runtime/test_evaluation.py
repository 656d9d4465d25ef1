"""What is asked of the evaluator at the end, and what is said of models that it had no time for."""

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
    evaluation.heard(Evaluated(node="a", model="a-last", correct=9, tested=10), 1.5)
    assert not evaluation.done() and not evaluation.unsaved
    assert evaluation.unmeasured.startswith("there was no time to measure the last model of node b: what is shown was measured before; ")
    evaluation.ask(2.0, [])
    evaluation.heard(Evaluated(node="b", model="b-last", correct=8, tested=10), 2.5)
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
    evaluation.heard(Evaluated(node="a", model="m", correct=0, tested=0, missing=True), 1.5)
    evaluation.ask(2.0, [])
    assert [order.save for order in orders] == [True, False] and evaluation.done()
    assert evaluation.unsaved.startswith("model.keras of node a was not written")


def test_where_nothing_is_measured_nothing_is_missed() -> None:
    evaluation = Evaluation(["a"], 0.0, lambda order: None)
    evaluation.ready = True
    evaluation.last("a", "m")
    assert not evaluation.unmeasured


def heard(evaluation: Evaluation, order: Evaluate, now: float, correct: int = 9) -> bool:
    return evaluation.heard(Evaluated(node=order.node, model=order.model, correct=correct, tested=10), now)


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
    evaluation.heard(Evaluated(node="a", model="m", correct=0, tested=0), 12.5)  # broken off: the saving of another model came
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
        evaluation.heard(Evaluated(node="a", model="m", correct=0, tested=0), 1.0)
        evaluation.ask(1.0, [])
    assert len(orders) < 9 and "node a" in evaluation.unmeasured


def test_a_target_that_samples_seem_to_have_reached_is_decided_on_the_whole_set() -> None:
    orders: list[Evaluate] = []
    evaluation = Evaluation("ab", 2.0, orders.append, target=0.9)
    evaluation.ready = True
    now = 10.0
    for node, whole, correct in (("a", False, 10), ("b", False, 8), ("a", False, 9), ("b", False, 10), ("a", True, 8), ("b", False, 9),
                                 ("a", False, 9), ("b", True, 9), ("a", True, 10)):  # fmt: skip
        assert evaluation.there == ({"b"} if whole and node == "a" and now > 25 else set())
        decides = f"the target is decided on all test samples: {len(evaluation.there)} of 2 nodes"
        assert evaluation.round_text == (decides if whole else "")
        evaluation.ask(now, [(other, f"{other}{now}") for other in "ab"])
        assert (orders[-1].node, orders[-1].whole) == (node, whole), now
        heard(evaluation, orders[-1], now, correct)
        now += 2.5
    assert evaluation.there == {"a", "b"} and len(orders) == 9 and not evaluation.round_text
    evaluation.ask(now, [("a", "more"), ("b", "more")])
    heard(evaluation, orders[-1], now, 9)
    assert not orders[-1].whole and evaluation.there == {"a", "b"}, "a sample that is not below the target leaves what was decided"
