"""An hour of a network in bad weather, one of whose nodes spams: who is shut out, and after how much.

Of everything that crosses a link 5 % is lost, clocks are 30 s apart, which is more than the nodes allow each other, and every few seconds
the neighbour `m` sends some bad messages of one kind.
"""

from dataclasses import dataclass
from random import Random

from tests.scenarios.interface import Plan, full
from tests.simnet.mischief import NAME, Culprit
from tests.simnet.network import SimNetwork
from tests.simnet.seals import SealKeys, sealed
from tests.simnet.wires import Weather

BAD = (
    "forges_receipts", "serves_another_model", "states_a_wrong_size", "drafts_with_forged_receipts", "offers_what_is_no_number",
    "uses_a_number_twice", "gives_receipts", "trains",
)  # fmt: skip
"""What it does: bad messages of several kinds, and now and then what the others need to have something to judge."""

SETTINGS = {"rate": 0.5, "receipt_wait": 2_000, "deadline": 4_000, "expiry": 20_000, "fetch_timeout": 2_000, "abandon": 30_000}
HONEST = ("a", "b", "c")
SKEW = 15_000
EVERY = 4_000


@dataclass(frozen=True)
class Hour:
    """Honest nodes that were shut out, how often the spammer was, and after how many bad messages at most, as its judges counted them."""

    honest: frozenset[str]
    times: int
    most: float
    blocks: int


def hour(seed: int, minutes: int = 60) -> Hour:
    """So many minutes of virtual time."""
    with sealed():
        plan, weather = Plan(full(*HONEST, NAME), settings=SETTINGS, seed=seed), Weather((1, 60), loss=0.05)
        network = SimNetwork(plan, weather, rogues=(NAME,), keys=SealKeys)
        network.set_clock(SKEW, "b")
        network.set_clock(-SKEW, "c")
        network.start()
        culprit, dice = Culprit(network), Random(f"hour/{seed}")
        for at in range(5_000, 60_000 * minutes, EVERY):
            network.after(at, lambda: culprit.perform(dice.choice(BAD), dice.randint(1, 5)))
        network.run(lambda: False, 60_000 * minutes)
        return seen(network)


def seen(network: SimNetwork) -> Hour:
    """What came of it."""
    out = [note for note in network.notes("refused") if note["code"] == "shut_out"]
    honest = frozenset(network.names[note["by"]] for note in out) - {NAME}
    counted = [float(note["detail"].partition(" ")[0]) for note in out]
    return Hour(honest, len(out), max(counted, default=0.0), sum(len(network.chain(name)) for name in HONEST))
