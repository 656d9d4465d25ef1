"""What lasts: a chain whose witnesses are gone for good goes on, and nobody remembers for ever."""

from dfl_actors.core.family import ACTORS
from tests.scenarios.conditions import SECOND, check_safe, grows
from tests.scenarios.interface import Plan
from tests.simnet.network import SimNetwork


def test_a_node_whose_witnesses_are_gone_goes_on_and_they_confirm_what_follows() -> None:
    network = SimNetwork(Plan((("a", "b"),), settings={"deadline": SECOND, "abandon": 10 * SECOND}))
    network.start()
    assert network.run(grows(network, 1), 20 * SECOND)
    assert network.run(lambda: len(network.notes("drafted", "a")) > len(network.notes("final", "a")), 20 * SECOND)
    for actor in ACTORS:
        network.kill("b", actor, restart_after=None)
    network.kill("a", "builder")
    assert network.run(lambda: any(not block.confirmations for block in network.chain("a")), 120 * SECOND), "it is given up"
    network.start("b")
    confirmed = len([block for block in network.chain("a") if block.confirmations])
    assert network.run(lambda: len([block for block in network.chain("a") if block.confirmations]) >= confirmed + 3, 60 * SECOND)
    check_safe(network)
