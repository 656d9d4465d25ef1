"""Nodes that keep the rules of the network and attack what it learns: what they offer, and that the others build on."""

from dataclasses import replace

import numpy as np

from dfl_actors.core.codec import model_digest
from dfl_actors.core.objects import Transaction
from dfl_actors.sdk.attack import Attack, View
from dfl_actors.sdk.attacks import load_attack
from dfl_actors.sdk.attacks.a_little_is_enough import beside
from tests.scenarios.conditions import SECOND, check_safe, grows
from tests.scenarios.interface import Plan, full
from tests.simnet.network import SimNetwork


def attacked(name: str, **parameters: object) -> tuple[SimNetwork, list[View]]:
    """Four nodes, of which `d` attacks; and what it knew at each offer."""
    attack, views = load_attack(name, parameters), list[View]()

    def offer(view: View) -> np.ndarray:
        others = {sender: weights.copy() for sender, weights in view.others.items()}
        views.append(view._replace(own=view.own.copy(), others=others))
        assert attack.offer is not None
        return attack.offer(view)

    attacks: dict[str, Attack] = {"d": replace(attack, offer=offer)}
    return SimNetwork(Plan(full("a", "b", "c", "d")), attacks=attacks), views


def offered(network: SimNetwork, node: str) -> list[str]:
    """The digests of the models that a node has signed, in order."""
    address = network.address(node)
    signed = {one.sequence: one.model for one in network.tap if isinstance(one, Transaction) and one.generator == address}
    return [signed[sequence] for sequence in sorted(signed)]


def test_a_little_is_enough_is_computed_from_the_models_that_the_attacker_averaged() -> None:
    network, views = attacked("a_little_is_enough", z=1.5)
    network.start()
    assert network.run(grows(network, 3), 30 * SECOND)
    network.kill("d", "trainer")
    before = len(views)
    assert network.run(grows(network, 3), 30 * SECOND)
    check_safe(network)
    signed = {network.address(name): set(offered(network, name)) for name in "abc"}
    for view in views:
        assert all(model_digest(weights.tobytes()) in signed[sender] for sender, weights in view.others.items())
    assert len(views[before - 1].others) == len(views[-1].others) == 3, "before the crash and after it knows all three"
    expected = [beside([view.own, *(view.others[sender] for sender in sorted(view.others))], 1.5) for view in views]
    models = offered(network, "d")
    assert [model_digest(weights.tobytes()) for weights in expected[: len(models)]] == models
    assert np.abs(expected[-1] - views[-1].own).max() > 0.001, "which is not its own"


def test_delayed_offers_what_it_had_two_offers_ago() -> None:
    network, views = attacked("delayed", by=2)
    network.start()
    assert network.run(grows(network, 3), 30 * SECOND)
    check_safe(network)
    models = offered(network, "d")
    assert len(set(models)) >= 4
    assert models == [model_digest(views[max(0, turn - 2)].own.tobytes()) for turn in range(len(models))]
