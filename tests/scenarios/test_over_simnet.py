"""The scenarios over the simulated network, and what only it can do to a network: bad weather, and crashes at every point."""

from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfl_actors.core.codec import digest, encode
from dfl_actors.core.delivery import Acknowledge, Deliver, Step, WriteJournal
from dfl_actors.core.effects import Commit, Keep, Note, Publish, Tell
from dfl_actors.core.family import ACTORS
from dfl_actors.core.gossip import chunk_count
from dfl_actors.core.messages import Witnessed
from dfl_actors.core.objects import Confirmation, Draft, Receipt, Transaction
from tests.scenarios.behaviours import SCENARIOS
from tests.scenarios.conditions import NODES, SECOND, check_safe, everyone_answers, grows
from tests.scenarios.interface import Make, Plan, full, line
from tests.simnet.network import SimNetwork
from tests.simnet.process import Process
from tests.simnet.wires import Weather

BAD = Weather(delay=(1, 60), loss=0.2, repeat=0.2, overtake=True)
HASTY = {"receipt_wait": SECOND, "deadline": 3 * SECOND, "expiry": 10 * SECOND, "fetch_timeout": SECOND}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_scenario(scenario: Callable[[Make], None]) -> None:
    """With one seed: `tests/tools/test_schedules.py` and what follows here draw from many."""
    made: list[SimNetwork] = []

    def make(plan: Plan) -> SimNetwork:
        made.append(SimNetwork(plan))
        return made[-1]

    scenario(make)
    check_tap(made[0])


def check_tap(network: SimNetwork) -> None:
    """What left the processes: one receipt a witness and transaction, one confirmation a receipt, one draft a height, and so on."""
    kept = partial(one_only, network)
    kept(Receipt, lambda receipt: (receipt.creator, receipt.transaction))
    kept(Confirmation, lambda confirmation: (confirmation.creator, confirmation.receipt))
    kept(Draft, lambda draft: (draft.generator, draft.height))
    kept(Transaction, lambda transaction: (transaction.generator, transaction.sequence))
    assert not [note for note in network.notes("refused") if note["code"] == "shut_out"], "an honest node is shut out"


def one_only(network: SimNetwork, kind: type, key: Callable[..., tuple[object, ...]]) -> None:
    seen: dict[tuple[object, ...], bytes] = {}
    for value in network.tap:
        if isinstance(value, kind):
            assert seen.setdefault(key(value), encode(value)) == encode(value), f"two {kind.__name__}s for {key(value)}"


def test_a_run_is_the_same_again_from_its_seed() -> None:
    def chains() -> list[str]:
        network = SimNetwork(Plan(full("a", "b", "c"), seed=7), BAD)
        network.start()
        network.run(grows(network, 1), 60 * SECOND)
        return [digest(block) for name in "abc" for block in network.chain(name)]

    assert chains() == chains() != []


def test_a_clock_that_is_set_during_a_run_changes_nothing_at_all() -> None:
    """Not a byte of any chain: neither when everybody's clock is set nor when one node's is, and whatever its size."""

    def chains(*steps: int) -> list[str]:
        network = SimNetwork(Plan(full("a", "b", "c"), seed=7), BAD)
        network.start()
        for number, ms in enumerate(steps):
            network.set_clock(ms, *(("a",) if number % 2 else ()))
            network.run(lambda: False, 5 * SECOND)
        return [digest(block) for name in "abc" for block in network.chain(name)]

    assert chains(30_000, -30_000, 86_400_000, 30 * 365 * 86_400_000, -1_600_000_000_000, 0) == chains(*[0] * 6) != []


@pytest.mark.parametrize("seed", range(4))
def test_loss_repeats_and_overtaking_neither_break_nor_stop_it(seed: int) -> None:
    network = SimNetwork(Plan(full(*NODES), settings=HASTY, seed=seed), BAD)
    network.start()
    assert network.run(grows(network, 3), 120 * SECOND), f"seed {seed}"
    check_safe(network)
    check_tap(network)


@pytest.mark.parametrize("seed", range(2))
def test_bad_weather_over_two_hops(seed: int) -> None:
    network = SimNetwork(Plan(line(*NODES), settings={**HASTY, "ttl": 2}, seed=seed), BAD)
    network.start()
    assert network.run(grows(network, 2), 120 * SECOND), f"seed {seed}"
    check_safe(network)
    check_tap(network)


def test_slow_links_are_made_too() -> None:
    """A round trip longer than the time between two greetings."""
    network = SimNetwork(Plan(full("a", "b")), Weather(delay=(300, 350)))
    network.start()
    assert network.run(grows(network, 2), 60 * SECOND)


def test_a_model_of_many_chunks_crosses_each_link_once() -> None:
    network = SimNetwork(Plan(full("a", "b", "c"), settings={"parameters": 2_400_000, "ttl": 2, "transactions": 1}))
    network.start()
    assert network.run(grows(network, 1), 60 * SECOND)
    assert {index for *_, index in network.chunks} == set(range(chunk_count(4 * 2_400_000)))
    assert set(Counter(network.chunks).values()) == {1}


Planned = dict[tuple[str, str, int], int]
"""Node, actor and number of the batch, to the step before which it crashes."""

planned = st.dictionaries(
    st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(ACTORS), st.integers(0, 60)), st.integers(0, 7), min_size=1, max_size=6
)


def by(plan: Planned) -> Callable[[Process, list[Step]], int | None]:
    return lambda process, _: plan.get((process.node.name, process.name, process.batches))


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(planned, st.integers(0, 3), st.booleans())
def test_a_crash_at_any_step_of_any_batch_is_harmless(plan: Planned, seed: int, bad: bool) -> None:
    network = SimNetwork(Plan(full("a", "b", "c"), settings=HASTY, seed=seed), BAD if bad else None, by(plan))
    network.start()
    assert network.run(grows(network, 3), 180 * SECOND)
    check_safe(network)
    check_tap(network)


@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
@given(planned, st.integers(0, 3))
def test_a_crash_at_full_speed_is_harmless(plan: Planned, seed: int) -> None:
    network = SimNetwork(Plan(full("a", "b"), settings={**HASTY, "rate": 0.0}, seed=seed), None, by(plan))
    network.start()
    network.run(lambda: False, SECOND)
    assert network.run(grows(network, 2), 60 * SECOND)
    check_safe(network)
    check_tap(network)


def test_a_receipt_that_is_lost_in_a_crash_still_comes() -> None:
    """The validator has acknowledged the transaction, and falls while its word `Witnessed` is on its way: nobody else repeats it."""
    lost: list[Receipt] = []

    def crashes(process: Process, steps: list[Step]) -> int | None:
        words = [one.message for one in steps if isinstance(one, Tell) and isinstance(one.message, Witnessed)]
        acknowledges = isinstance(steps[-1], Acknowledge)
        if (process.node.name, process.name, acknowledges) != ("b", "validator", True) or not words or len(lost) >= 3:
            return None
        lost.extend(word.receipt for word in words)
        return len(steps)

    network = SimNetwork(Plan(full("a", "b", "c"), seed=5), None, crashes)
    network.start()
    assert network.run(lambda: len(lost) >= 3, 60 * SECOND)
    assert network.run(everyone_answers(network), 30 * SECOND)
    assert {(one.transaction, one.creator) for one in lost} <= {(note["tx"], note["creator"]) for note in network.notes("receipt")}
    check_safe(network)
    check_tap(network)


@pytest.mark.parametrize("kind", [Keep, Commit, WriteJournal, Tell, Publish, Note, Deliver, Acknowledge])
@pytest.mark.parametrize("actor", ["trainer", "validator", "builder", "keeper"])
@pytest.mark.parametrize("after", [0, 1])
def test_a_crash_around_each_kind_of_step_is_harmless(actor: str, kind: type[Step], after: int) -> None:
    """The third, sixth and ninth batch that has such a step is cut short just before, or just after, the first of the kind."""
    had = Counter[str]()

    def crashes(process: Process, steps: list[Step]) -> int | None:
        first = next((number for number, step in enumerate(steps) if isinstance(step, kind)), None)
        if process.name != actor or first is None:
            return None
        had[process.node.name] += 1
        return first + after if had[process.node.name] in (3, 6, 9) else None

    network = SimNetwork(Plan(full("a", "b", "c"), settings=HASTY, seed=3), None, crashes)
    network.start()
    assert network.run(grows(network, 3), 180 * SECOND)
    check_safe(network)
    check_tap(network)
