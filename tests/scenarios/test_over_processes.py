"""The scenarios over the real program: processes, sockets, stores, `kill -9`, and links that are cut.

Every start takes seconds, so a scenario goes on with the network of the one before if it asks for the same, and those that show
nothing here that others do not show are left to the simulated network.
"""

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tests.network.processes import ProcessNetwork
from tests.scenarios import behaviours as told
from tests.scenarios.behaviours import SCENARIOS
from tests.scenarios.interface import Make, Plan

Scenario = Callable[[Make], None]

TOGETHER: tuple[Scenario, ...] = (
    told.four_nodes_build_complete_chains,
    told.everyone_learns_from_the_others,
    told.clocks_that_are_set_during_a_run_cost_nothing,
    told.with_ttl_2_the_node_two_hops_away_witnesses_and_confirms,
    told.an_observer_gives_receipts_and_makes_no_transactions,
    told.an_observer_learns_on_after_its_keeper_was_killed,
    told.a_killed_actor_comes_back,
    told.a_killed_gossiper_costs_no_receipts,
    told.a_killed_gossiper_and_what_its_validator_had_to_say_cost_no_receipts,
    told.confirmations_that_never_come_leave_a_block_with_what_there_is,
    told.a_network_that_is_resumed_after_its_clock_was_set_goes_on,
)
"""One command runs all nodes."""

APART: tuple[Scenario, ...] = (
    told.a_short_partition_costs_no_receipts,
    told.a_long_partition_heals,
    told.transactions_without_enough_receipts_expire_and_are_named,
    told.a_clock_that_is_off_is_named_and_one_that_is_set_right_is_forgiven,
)
"""Links are cut, or nodes start one by one: every node has a command of its own."""

LEFT_OUT: dict[Scenario, str] = {
    told.a_model_crosses_a_link_once: "every run's summary says so, and `tests/network` reads it there, over one hop and over two",
    told.as_fast_as_the_neighbours_answer: "`tests/network/test_run.py` reads a run at full speed",
    told.with_ttl_1_only_neighbours_measure: "the same line of nodes with ttl 2 shows who measures and who does not",
    told.a_network_that_was_ended_goes_on_from_its_stores: "the one whose clock was set is ended twice, and looked at in the same way",
    told.a_ring_of_six_builds: "two more nodes, and nothing that four and a line do not show",
    told.a_killed_actor_of_a_full_speed_network_comes_back: "`tests/network/test_crashes.py` kills at full speed",
    told.an_observer_at_full_speed_goes_on_after_its_validator_was_killed: "an observer's keeper is killed, and every node's validator",
    told.a_node_that_never_answers_delays_blocks_to_the_deadline: "a node falls silent when confirmations never come, too",
    told.a_receipt_that_is_lost_comes_again_when_its_model_has_gone: "nobody outside sees in time what is on its way",
    told.a_late_neighbour_joins: "a late neighbour ends the expiry of transactions that lack its receipts",
}
"""Why a scenario is not performed here."""


ON_SCREEN: dict[Scenario, str] = {
    told.clocks_that_are_set_during_a_run_cost_nothing: "this machine's clock was set forward by 3600 s during the run",
    told.a_clock_that_is_off_is_named_and_one_that_is_set_right_is_forgiven: "the clock of node c is 60 s ahead of that of node a",
}
"""What a scenario shows to whoever watches."""


class Last:
    """The last network that was made."""

    def __init__(self) -> None:
        self._network: ProcessNetwork | None = None

    def perform(self, scenario: Scenario) -> None:
        try:
            scenario(partial(self._make, scenario in APART))
            assert self._network is not None
            self._network.check()
            assert ON_SCREEN.get(scenario, "") in self._network.screens()
        except BaseException as error:
            if self._network is not None:
                error.add_note(self._network.story())
            self.end(keep=isinstance(error, Exception))
            raise

    def _make(self, apart: bool, plan: Plan) -> ProcessNetwork:
        if self._network is None or self._network.plan != plan or not self._network.whole:
            self.end()
            self._network = ProcessNetwork(plan, apart)
        return self._network

    def end(self, keep: bool = False) -> None:
        network, self._network = self._network, None
        if network is not None:
            network.destroy(keep)


@pytest.fixture(scope="module")
def last() -> Iterator[Last]:
    last = Last()
    yield last
    last.end()


@pytest.mark.parametrize("scenario", [*TOGETHER, *APART], ids=lambda scenario: scenario.__name__)
def test_scenario(scenario: Scenario, last: Last) -> None:
    last.perform(scenario)


def test_no_scenario_is_forgotten() -> None:
    assert sorted(scenario.__name__ for scenario in SCENARIOS) == sorted(scenario.__name__ for scenario in (*TOGETHER, *APART, *LEFT_OUT))
