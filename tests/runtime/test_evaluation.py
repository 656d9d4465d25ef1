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
    assert evaluation.saved() and not evaluation.done() and not evaluation.unsaved
    assert evaluation.unmeasured.startswith("there was no time to measure the last model of node b: what is shown is of one before; ")
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
    assert evaluation.saved() and not evaluation.unsaved


def test_where_nothing_is_measured_nothing_is_missed() -> None:
    evaluation = Evaluation(["a"], 0.0, lambda order: None)
    evaluation.ready = True
    evaluation.last("a", "m")
    assert not evaluation.unmeasured
