"""What an attacker reads from the topology, and the updates of victims that it plays."""

from collections.abc import Callable, Sequence

import numpy as np

from dfl_actors.config import Config, parse_topology
from dfl_actors.learning.weights import Layer, Parameters
from dfl_actors.sdk import Algorithm, Attack, ReceivedModel, Result, Scene, View, weighted_mean
from dfl_actors.sdk.attacks import Offering
from dfl_actors.sdk.rehearsal import Rehearsal, scene_of

LAYERS = Parameters((Layer(name="w", shape=(1,)),))


def config(text: str = "") -> Config:
    return parse_topology(f'[network]\nnodes = 4\nlinks = "ring"\n{text}', where="test", name="test")


def model(value: float) -> np.ndarray:
    return np.array([value], np.float32)


def counting(seen: list[tuple[int, list[str]]]) -> Callable[[str], Algorithm]:
    """A rule that averages, counts its updates in its state, and notes what it was asked."""

    def apply(state: int, own: np.ndarray, received: Sequence[ReceivedModel], reputations: dict[str, float], own_accuracy: float) -> Result:
        assert own_accuracy == 0.5 and {model.accuracy for model in received} == {0.5}
        seen.append((state, [model.sender for model in received]))
        models = [own, *(model.weights for model in received)]
        return Result(state + 1, weighted_mean(models, [1.0] * len(models)), reputations, {})

    needs = frozenset({"accuracy", "own_accuracy"})
    return lambda name: Algorithm("counts", lambda context: 1, apply, needs)


def test_the_scene_is_the_topology_s() -> None:
    later = '[[event]]\ntick = 9\ndo = "attack"\nnode = "1"\nattack = "copy"\n'
    attacked = config(f'[node.0]\nattack = "copy"\n[node.2]\nattack = "copy"\n{later}')
    scene = scene_of(attacked, "0", {name: f"address {name}" for name in "012"})
    assert scene.me == "address 0" and scene.fellows == {"address 1", "address 2"}
    assert scene.hears == {"address 0": {"address 1"}, "address 1": {"address 0", "address 2"}, "address 2": {"address 1"}}


def test_a_victim_is_offered_a_model_by_every_attacker_that_it_hears_and_its_algorithm_goes_on_from_what_was_offered() -> None:
    seen: list[tuple[int, list[str]]] = []

    def offer(view: View) -> np.ndarray:
        assert view.stage is not None and view.stage.victim == "a"
        assert view.stage.outcome(model(12.0)).tolist() == [(2 + 4 + 12 + 12) / 4]
        return model(6.0)

    scene = Scene("me", frozenset("z"), {"a": frozenset({"b", "me", "z"}), "b": frozenset("a")})
    attack = Attack(offer=offer, watches=True, rehearses=True)
    offering = Offering(attack, np.random.default_rng(0), scene, Rehearsal(counting(seen), LAYERS))
    for turn in range(2):
        offering(model(0.0), turn, {"b": model(4.0), "a": model(2.0), "z": model(99.0)})
    assert [state for state, _ in seen] == [1, 1, 2, 2], "the state goes on from the offer, not from what was tried"
    assert seen[0][1] == ["honest 0", "me", "z"]


def test_a_checkpoint_goes_on_where_it_was() -> None:
    seen: list[tuple[int, list[str]]] = []
    attack = Attack(offer=lambda view: view.own, watches=True, remembers=1, rehearses=True)
    first, then = (Offering(attack, np.random.default_rng(0), Scene("me"), Rehearsal(counting(seen), LAYERS)) for _ in range(2))
    first(model(1.0), 0, {"a": model(2.0)})
    then.restore(first.state())
    then(model(3.0), 1, {"a": model(2.0)})
    assert [state for state, _ in seen] == [1, 2] and [one.tolist() for one in then.past] == [[3.0]]


def test_nobody_is_on_the_stage_while_nobody_is_known() -> None:
    assert Rehearsal(counting([]), LAYERS).stage(View(model(0.0), 0, np.random.default_rng(0))) is None
