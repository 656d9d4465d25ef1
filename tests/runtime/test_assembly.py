"""What an attacker's trainer is put together from: whom it knows by address, and that one which sends nothing is no trainer of models."""

from pathlib import Path

import numpy as np
import pytest

from dfl_actors.actors.base import Settings
from dfl_actors.config import Config, parse_topology
from dfl_actors.core.control import Endpoints
from dfl_actors.learning.weights import Layer
from dfl_actors.runtime.assembly import attack, trainer_settings
from dfl_actors.runtime.plan import NodePlan

ADDRESSES = {name: f"{number:064x}" for number, name in enumerate("0123", 1)}


def config(attack: str) -> Config:
    text = f'[network]\nnodes = 4\nlinks = "full"\n[data]\nsource = "digits"\n[node.0]\nattack = "{attack}"\n[node.2]\nattack = "copy"\n'
    return parse_topology(text, where="test", name="test")


def plan(folder: Path, attack: str) -> NodePlan:
    made = config(attack)
    return NodePlan(
        config=made,
        node=made.node("0"),
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
