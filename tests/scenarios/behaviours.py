"""What a network of honest nodes does, told once and run over every driver; each function is one scenario.

A scenario makes a network, does something to it, and looks at the chains and the metrics. `conditions.check_safe` holds at any
moment of any of them, whatever was lost or killed.
"""

from collections.abc import Callable

from dfl_actors.core.family import ACTORS
from tests.scenarios.conditions import (
    NODES,
    SECOND,
    at_most_once,
    check_safe,
    confirmers,
    everyone_answers,
    grows,
    more,
    on_its_way,
    open_draft,
    witnesses,
    works,
)
from tests.scenarios.interface import Make, Plan, full, line, ring


def four_nodes_build_complete_chains(make: Make) -> None:
    network = make(Plan(full(*NODES)))
    network.start()
    assert network.run(grows(network, 3), 60 * SECOND)
    check_safe(network)
    for note in network.notes("final"):
        assert note["confirmations"] == note["expected"] == 3 * note["transactions"]
    assert not network.notes("refused") and not network.notes("expired")
    assert all(witnesses(network, name) == {network.address(other) for other in NODES if other != name} for name in NODES)


def everyone_learns_from_the_others(make: Make) -> None:
    network = make(Plan(full(*NODES)))
    network.start()
    assert network.run(lambda: all(len(network.notes("updated", name)) >= 2 for name in NODES), 60 * SECOND)
    senders = {sender for note in network.notes("updated", "a") for sender in note["senders"]}
    assert senders <= {network.address(other) for other in NODES if other != "a"} and senders


def a_model_crosses_a_link_once(make: Make) -> None:
    network = make(Plan(full(*NODES), settings={"ttl": 2}))
    network.start()
    assert network.run(grows(network, 2), 60 * SECOND)
    at_most_once(network, "sent", ("tx", "to"))
    check_safe(network)


def as_fast_as_the_neighbours_answer(make: Make) -> None:
    network = make(Plan(full(*NODES), settings={"rate": 0.0}))
    network.start()
    assert network.run(grows(network, 3), 60 * SECOND)
    check_safe(network)


def with_ttl_1_only_neighbours_measure(make: Make) -> None:
    network = make(Plan(line("a", "b", "c")))
    network.start()
    assert network.run(grows(network, 2), 60 * SECOND)
    assert witnesses(network, "a") == {network.address("b")}
    assert witnesses(network, "b") == {network.address("a"), network.address("c")}
    check_safe(network)


def with_ttl_2_the_node_two_hops_away_witnesses_and_confirms(make: Make) -> None:
    settings = {"ttl": 2, "receipts": 2}
    network = make(Plan(line("a", "b", "c", "d"), settings=settings))
    network.start()
    assert network.run(grows(network, 2), 60 * SECOND)
    assert witnesses(network, "a") == confirmers(network, "a") == {network.address("b"), network.address("c")}
    assert witnesses(network, "d") == confirmers(network, "d") == {network.address("c"), network.address("b")}
    ttls = {
        receipt.creator: receipt.received_at_ttl
        for block in network.chain("a")
        for entry in block.draft.entries
        for receipt in entry.receipts
    }
    assert ttls == {network.address("b"): 1, network.address("c"): 0}
    check_safe(network)


def an_observer_gives_receipts_and_makes_no_transactions(make: Make) -> None:
    network = make(Plan(full("a", "b", "c"), observers=("c",), settings={"receipts": 2}))
    network.start()
    assert network.run(grows(network, 3), 60 * SECOND)
    assert network.run(lambda: len(network.notes("updated", "c")) >= 2, 60 * SECOND)
    assert network.address("c") in witnesses(network, "a") and network.address("c") in confirmers(network, "b")
    assert not network.notes("trained", "c") and not network.chain("c")
    check_safe(network)


def a_ring_of_six_builds(make: Make) -> None:
    network = make(Plan(ring("a", "b", "c", "d", "e", "f"), settings={"ttl": 2}))
    network.start()
    assert network.run(grows(network, 2), 90 * SECOND)
    check_safe(network)


def a_killed_actor_comes_back(make: Make) -> None:
    """Each actor of one node in turn, while all three work."""
    network = make(Plan(full("a", "b", "c"), settings={"rate": 16.0, "receipt_wait": 2 * SECOND, "deadline": 4 * SECOND}))
    network.start()
    assert network.run(grows(network, 1), 60 * SECOND)
    for actor in ACTORS:
        network.kill("b", actor)
        grown = grows(network, 1)
        assert network.run(works(network, "b"), 90 * SECOND), f"node b does not work after its {actor} was killed"
        assert network.run(grown, 90 * SECOND), f"nothing is built after {actor} was killed"
    check_safe(network)


def a_killed_actor_of_a_full_speed_network_comes_back(make: Make) -> None:
    settings = {"rate": 0.0, "receipt_wait": 2 * SECOND, "deadline": 4 * SECOND, "expiry": 8 * SECOND}
    network = make(Plan(full("a", "b"), settings=settings))
    network.start()
    assert network.run(grows(network, 1), 60 * SECOND)
    for actor in ACTORS:
        network.kill("b", actor)
        grown = grows(network, 2)
        assert network.run(works(network, "b"), 90 * SECOND), f"node b does not work after its {actor} was killed"
        assert network.run(grown, 90 * SECOND), f"nothing is built after {actor} was killed"
    check_safe(network)


def an_observer_learns_on_after_its_keeper_was_killed(make: Make) -> None:
    network = make(Plan(full("a", "b", "c"), observers=("c",), settings={"receipts": 2}))
    network.start()
    assert network.run(lambda: bool(network.notes("updated", "c")), 60 * SECOND)
    network.kill("c", "keeper")
    before = len(network.notes("updated", "c"))
    assert network.run(lambda: len(network.notes("updated", "c")) > before, 60 * SECOND)


def a_network_that_was_ended_goes_on_from_its_stores(make: Make) -> None:
    network = make(Plan(full("a", "b"), settings={"receipt_wait": 2 * SECOND, "deadline": 4 * SECOND}))
    network.start()
    assert network.run(grows(network, 2), 60 * SECOND)
    network.end()
    before = {name: network.chain(name) for name in network.plan.nodes}
    network.start()
    assert network.run(grows(network, 2), 60 * SECOND)
    assert all(network.chain(name)[: len(blocks)] == blocks for name, blocks in before.items())
    check_safe(network)


FORGETFUL = {"models": 21, "rate": 4.0, "receipt_wait": 20 * SECOND}
"""Until a transaction is announced again, more models come than a store holds, and a busy machine restarts a gossiper."""


def a_killed_gossiper_costs_no_receipts(make: Make) -> None:
    """It knows neither what it announced nor what it heard; builders that lack receipts have their transactions announced again."""
    network = make(Plan(full("a", "b", "c"), settings=FORGETFUL))
    network.start()
    assert network.run(grows(network, 1), 60 * SECOND)
    for node in ("b", "a"):
        assert network.run(lambda: not everyone_answers(network)(), 60 * SECOND), "a transaction is open"
        network.kill(node, "gossiper")
        assert network.run(everyone_answers(network), 30 * SECOND), f"receipts are lost with the gossiper of {node}"
    assert not network.notes("expired")
    check_safe(network)


def a_receipt_that_is_lost_comes_again_when_its_model_has_gone(make: Make) -> None:
    """Who gave it has it in the journal, and need not measure again."""
    network = make(Plan(full("a", "b", "c"), settings={"models": 21}))
    network.start()
    assert network.run(grows(network, 1), 60 * SECOND)
    for node in ("b", "a"):
        assert network.run(on_its_way(network, node), 60 * SECOND)
        network.kill(node, "gossiper")
        assert network.run(everyone_answers(network), 30 * SECOND), f"receipts are lost with the gossiper of {node}"
    check_safe(network)


def a_killed_gossiper_and_what_its_validator_had_to_say_cost_no_receipts(make: Make) -> None:
    """What the validator has witnessed meanwhile waits in its outbox, and is gone with it."""
    network = make(Plan(full("a", "b", "c"), settings=FORGETFUL))
    network.start()
    assert network.run(grows(network, 1), 60 * SECOND)
    network.kill("b", "gossiper", restart_after=SECOND)
    count = len(network.notes("trained"))
    assert network.run(lambda: len(network.notes("trained")) > count, 60 * SECOND)
    network.kill("b", "validator")
    assert network.run(everyone_answers(network), 30 * SECOND)
    check_safe(network)


PARTED = {"receipt_wait": 2 * SECOND, "deadline": 4 * SECOND, "expiry": 12 * SECOND, "fetch_timeout": SECOND // 4}


def a_short_partition_costs_no_receipts(make: Make) -> None:
    """Models that were on their way are given up; they are fetched once they are announced again."""
    network = make(Plan(full("a", "b"), settings=PARTED))
    network.start()
    assert network.run(grows(network, 1), 60 * SECOND)
    for _ in range(3):
        assert network.run(more(network, "sent", 1), 60 * SECOND)
        network.cut("a", "b")
        assert network.run(more(network, "trained", 9), 60 * SECOND), "two seconds"
        network.heal("a", "b")
        assert network.run(everyone_answers(network), 30 * SECOND)
    assert not network.notes("expired")
    check_safe(network)


def a_long_partition_heals(make: Make) -> None:
    network = make(Plan(full("a", "b"), settings=PARTED))
    network.start()
    assert network.run(grows(network, 1), 60 * SECOND)
    network.cut("a", "b")
    assert network.run(lambda: bool(network.notes("expired", "a")), 60 * SECOND), "transactions of a lonely node expire"
    network.heal("a", "b")
    assert network.run(grows(network, 2), 60 * SECOND)
    check_safe(network)


def an_observer_at_full_speed_goes_on_after_its_validator_was_killed(make: Make) -> None:
    network = make(Plan(full("a", "b", "c"), observers=("c",), settings={"rate": 0.0}))
    network.start()
    assert network.run(lambda: len(network.notes("scored", "c")) > 4, 60 * SECOND)
    network.kill("c", "validator")
    before = len(network.notes("scored", "c"))
    assert network.run(lambda: len(network.notes("scored", "c")) > before + 4, 60 * SECOND), "its new validator has samples"
    check_safe(network)


def a_node_that_never_answers_delays_blocks_to_the_deadline(make: Make) -> None:
    settings = {"receipt_wait": 2 * SECOND, "deadline": 4 * SECOND}
    network = make(Plan(full("a", "b", "c"), settings=settings))
    network.start()
    assert network.run(grows(network, 1), 60 * SECOND)
    network.kill("c", "validator", restart_after=None)
    assert network.run(grows(network, 3, ("a", "b")), 90 * SECOND)
    last = network.chain("a")[-1]
    assert {confirmation.creator for confirmation in last.confirmations} == {network.address("b")}
    check_safe(network)


def confirmations_that_never_come_leave_a_block_with_what_there_is(make: Make) -> None:
    """The witness has given its receipt, and is gone before the draft."""
    settings = {"receipt_wait": 2 * SECOND, "deadline": 4 * SECOND, "transactions": 8}
    network = make(Plan(full("a", "b", "c"), settings=settings))
    network.start()
    assert network.run(lambda: any(note["creator"] == network.address("c") for note in network.notes("receipt", "a")), 60 * SECOND)
    network.kill("c", "gossiper", restart_after=None)
    assert network.run(grows(network, 1, ("a",)), 90 * SECOND)
    first = network.notes("final", "a")[0]
    assert 0 < first["confirmations"] < first["expected"]
    assert first["ms"] >= settings["deadline"]
    check_safe(network)


def transactions_without_enough_receipts_expire_and_are_named(make: Make) -> None:
    settings = {"receipts": 2, "expiry": 5 * SECOND, "receipt_wait": 2 * SECOND}
    network = make(Plan(full("a", "b", "c"), settings=settings))
    network.start("a", "b")
    assert network.run(lambda: sum(note["receipts"] == 1 for note in network.notes("expired", "a")) >= 2, 60 * SECOND)
    assert {(note["receipts"], note["needed"]) for note in network.notes("expired", "a")} <= {(0, 2), (1, 2)}
    assert not network.chain("a")
    network.start("c")
    assert network.run(grows(network, 2), 60 * SECOND), "the late neighbour makes it whole"
    check_safe(network)


def a_late_neighbour_joins(make: Make) -> None:
    network = make(Plan(full(*NODES), settings={"receipt_wait": 2 * SECOND, "deadline": 4 * SECOND}))
    network.start("a", "b", "c")
    assert network.run(grows(network, 1, ("a", "b", "c")), 60 * SECOND)
    network.start("d")
    assert network.run(grows(network, 2), 60 * SECOND)
    assert network.run(lambda: network.address("d") in confirmers(network, "a"), 60 * SECOND)
    check_safe(network)


HOUR = 3_600 * SECOND


def clocks_that_are_set_during_a_run_cost_nothing(make: Make) -> None:
    """An hour forward, which an injector must not make up for; two back, which must not stop what waits; and right again."""
    network = make(Plan(full(*NODES)))
    network.start()
    assert network.run(grows(network, 1), 60 * SECOND)
    for ms in (HOUR, -HOUR, 0):
        assert network.run(open_draft(network), 60 * SECOND)
        trained = len(network.notes("trained"))
        network.set_clock(ms)
        assert network.run(grows(network, 3), 10 * SECOND), f"clocks were set to {ms} ms"
        assert len(network.notes("trained")) - trained < 200, "no more than in so many seconds of another time"
    network.set_clock(HOUR)
    network.kill("b", "gossiper")
    network.kill("c", "builder")
    assert network.run(works(network, "b"), 60 * SECOND) and network.run(works(network, "c"), 60 * SECOND)
    assert network.run(everyone_answers(network), 30 * SECOND)
    assert not network.notes("expired") and not network.notes("clock_off")
    assert {round(note["ms"], -4) for note in network.notes("clock_set")} == {HOUR, -HOUR, 0}
    check_safe(network)


def a_network_that_is_resumed_after_its_clock_was_set_goes_on(make: Make) -> None:
    """Drafts are not older than the last block, and nothing that the journals hold is waited for longer than it would have been."""
    network = make(Plan(full("a", "b"), settings={"receipt_wait": 2 * SECOND, "deadline": 4 * SECOND, "expiry": 10 * SECOND}))
    network.start()
    assert network.run(grows(network, 2), 60 * SECOND)
    for ms in (-HOUR, HOUR):
        assert network.run(open_draft(network), 60 * SECOND)
        network.end()
        before = {name: network.chain(name) for name in network.plan.nodes}
        network.set_clock(ms)
        network.start()
        network.set_clock(ms + 2 * HOUR)
        assert network.run(grows(network, 2), 40 * SECOND), f"clocks were set to {ms} ms"
        assert all(network.chain(name)[: len(blocks)] == blocks for name, blocks in before.items())
    check_safe(network)


def a_clock_that_is_off_is_named_and_one_that_is_set_right_is_forgiven(make: Make) -> None:
    settings = {"receipt_wait": 2 * SECOND, "deadline": 4 * SECOND, "expiry": 12 * SECOND}
    network = make(Plan(full("a", "b", "c"), settings=settings))
    address = network.address
    network.set_clock(60 * SECOND, "c")
    network.start()

    def named() -> dict[tuple[str, str], int]:
        return {(note["node"], note["by"]): note["ms"] for note in network.notes("clock_off")}

    wanted = {("a", address("c")): 60, ("b", address("c")): 60, ("c", address("a")): -60, ("c", address("b")): -60}
    assert network.run(lambda: named().keys() >= wanted.keys(), 60 * SECOND)
    assert all(abs(named()[who] - off * SECOND) <= 5 * SECOND for who, off in wanted.items()) and named().keys() == wanted.keys()
    assert network.run(grows(network, 2, ("a", "b")), 60 * SECOND), "the others go on"
    assert not network.chain("c")
    network.end("c")
    network.set_clock(0)
    network.start("c")
    assert network.run(grows(network, 2), 60 * SECOND)
    for ms in (-HOUR, HOUR):
        network.set_clock(ms, "b")
        assert network.run(grows(network, 3), 12 * SECOND), f"the clock of b was set to {ms} ms"
    assert network.run(lambda: network.address("b") in confirmers(network, "c"), 30 * SECOND)
    check_safe(network)


SCENARIOS: tuple[Callable[[Make], None], ...] = (
    four_nodes_build_complete_chains,
    everyone_learns_from_the_others,
    a_model_crosses_a_link_once,
    as_fast_as_the_neighbours_answer,
    with_ttl_1_only_neighbours_measure,
    with_ttl_2_the_node_two_hops_away_witnesses_and_confirms,
    an_observer_gives_receipts_and_makes_no_transactions,
    a_ring_of_six_builds,
    a_killed_actor_comes_back,
    a_killed_actor_of_a_full_speed_network_comes_back,
    an_observer_learns_on_after_its_keeper_was_killed,
    a_network_that_was_ended_goes_on_from_its_stores,
    a_killed_gossiper_costs_no_receipts,
    a_receipt_that_is_lost_comes_again_when_its_model_has_gone,
    a_killed_gossiper_and_what_its_validator_had_to_say_cost_no_receipts,
    a_short_partition_costs_no_receipts,
    a_long_partition_heals,
    an_observer_at_full_speed_goes_on_after_its_validator_was_killed,
    a_node_that_never_answers_delays_blocks_to_the_deadline,
    confirmations_that_never_come_leave_a_block_with_what_there_is,
    transactions_without_enough_receipts_expire_and_are_named,
    a_late_neighbour_joins,
    clocks_that_are_set_during_a_run_cost_nothing,
    a_network_that_is_resumed_after_its_clock_was_set_goes_on,
    a_clock_that_is_off_is_named_and_one_that_is_set_right_is_forgiven,
)
