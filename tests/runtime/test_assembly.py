"""What an attacker's trainer is put together from: whom it knows by address, and that one which sends nothing is no trainer of models."""

from pathlib import Path

import numpy as np
import pytest

from dfl_actors.actors.base import Settings
from dfl_actors.config import Config, parse_topology
from dfl_actors.core.control import Endpoints
from dfl_actors.errors import Diverged
from dfl_actors.learning.weights import Layer
from dfl_actors.runtime.assembly import attack, learners, noise, trainer_settings
from dfl_actors.runtime.meter import Meter
from dfl_actors.runtime.plan import NodePlan

ADDRESSES = {name: f"{number:064x}" for number, name in enumerate("0123", 1)}


def config(attack: str, more: str = "") -> Config:
    text = f'[network]\nnodes = 4\nlinks = "full"\n[node.0]\nattack = "{attack}"\n[node.2]\nattack = "copy"\n[data]\nsource = "digits"\n'
    return parse_topology(text + more, where="test", name="test", folder=Path.cwd())


def plan(folder: Path, attack: str, more: str = "", node: str = "0") -> NodePlan:
    made = config(attack, more)
    return NodePlan(
        config=made,
        node=made.node(node),
        settings=Settings(
            address=ADDRESSES["0"], genesis="ab" * 32, neighbours=tuple(ADDRESSES[name] for name in "123"), members=frozenset()
        ),
        parameters=2,
        samples=7,
        whole_network=False,
        layers=(Layer(name="w", shape=(2,)),),
        bind=Endpoints(news="", requests="", curve=""),
        curve_allowed=frozenset(),
        directory=folder,
        keys=folder,
        sockets=folder,
        cache=folder,
        folder=folder,
        anchor=0,
        starts=0,
        addresses={name: ADDRESSES[name] for name in "012"},  # the topology does not say 3's key
    )


def test_an_attacker_knows_by_address_who_attacks_and_rehearses_with_the_others(tmp_path: Path) -> None:
    offer, _, _ = attack(plan(tmp_path, "mimic"), np.random.default_rng(0))
    assert offer is not None
    others = {ADDRESSES[name]: np.full(2, value, np.float32) for name, value in (("2", 9.0), ("1", 4.0))}
    assert offer(np.zeros(2, np.float32), 0, others).tolist() == [4, 4], "2 attacks too"
    offer, _, _ = attack(plan(tmp_path, "dissensus"), np.random.default_rng(0))
    assert offer is not None
    others |= {ADDRESSES["3"]: np.full(2, 2.0, np.float32)}
    # 1 hears 0 and 2, who attack: half of what parts it from the stand-ins, the own model and that of 3.
    assert offer(np.zeros(2, np.float32), 0, others).tolist() == [4 + (4 - 0 + 4 - 2) / 2] * 2


@pytest.mark.parametrize(("name", "role"), [("silent", "observer"), ("copy", "normal")])
def test_who_sends_nothing_is_an_observer_to_its_trainer(tmp_path: Path, name: str, role: str) -> None:
    assert trainer_settings(plan(tmp_path, name)).role == role


def test_an_attacker_that_diverges_goes_on_with_the_model_it_had(tmp_path: Path) -> None:
    """It ended its node, and so the run of all others, though none of them had averaged what it sent."""
    wild = '[training]\nmodel = "topologies/paper/dense.py:build"\nlearning_rate = 1e6\nweight_decay = 1\n[update]\nalgorithm = "fedavg"\n'
    samples, ends = np.arange(8 * 60).reshape(60, 8), dict[str, bool]()
    for node in "01":
        learner, metered = learners(plan(tmp_path, "copy", wild, node), "trainer", Meter())
        state = metered.start(learner.initial(0))
        try:
            for batch in samples:
                state, _ = metered.train(state, batch[None])
        except Diverged:
            ends[node] = True
        else:
            ends[node] = False
            assert np.isfinite(state.weights).all() and state.iteration == len(samples)
    assert ends == {"0": False, "1": True}


@pytest.mark.parametrize(("algorithm", "said"), [("steady", ""), ("ubar", "its algorithm 'ubar' goes by accuracies on its samples")])
def test_of_a_node_whose_algorithm_counts_models_something_is_claimed_and_of_one_that_measures_them_nothing(
    tmp_path: Path, algorithm: str, said: str
) -> None:
    private = f'rate = 0\n[training]\nnoise = 1\nclip = 1\n[update]\nalgorithm = "{algorithm}"\n'
    found = noise(plan(tmp_path, "copy", private, "1"))
    assert found.unclaimed.startswith(said) and bool(found.unclaimed) == bool(said)
