"""A simulated network with a neighbour that holds a real key and breaks the rules."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dfl_actors.core.codec import digest
from dfl_actors.core.messages import ReceiptNews, TransactionNews
from dfl_actors.core.objects import Receipt
from tests.scenarios.conditions import SECOND, check_safe, grows
from tests.scenarios.interface import Plan, full
from tests.simnet.network import SimNetwork
from tests.simnet.rogue import Rogue

HONEST = ("a", "b")
SETTINGS = {"receipt_wait": SECOND, "deadline": 2 * SECOND, "fetch_timeout": SECOND}


@contextmanager
def attacked(
    links: tuple[tuple[str, str], ...] = full("a", "b", "m"), honest: tuple[str, ...] = HONEST, **settings: Any
) -> Iterator[tuple[SimNetwork, Rogue]]:
    """A network with the rogue `m`; what follows the test is that the honest nodes build on and are safe."""
    network = SimNetwork(Plan(links, settings={**SETTINGS, **settings}), rogues=("m",))
    network.start()
    rogue = network.nodes["m"].processes["gossiper"].actor
    assert isinstance(rogue, Rogue)
    assert network.run(lambda: len(rogue.transactions_of(network.address("a"))) >= 2, 20 * SECOND)
    yield network, rogue
    assert network.run(grows(network, 2, honest), 60 * SECOND)
    check_safe(network)


def soon(network: SimNetwork) -> None:
    network.run(lambda: False, SECOND)


def codes(network: SimNetwork, node: str, actor: str | None = None) -> set[str]:
    """The rules that a node has named as broken."""
    return {note["code"] for note in network.notes("refused", node) if actor in (None, note["actor"])}


def own_receipts(network: SimNetwork, rogue: Rogue, **fields: Any) -> tuple[Any, tuple[Receipt, ...]]:
    """A right transaction of the rogue, and the receipts that it got."""
    transaction = rogue.transaction(network.now, **fields)
    rogue.say(TransactionNews(transaction=transaction, receipts=()))
    soon(network)
    by_themselves = [news.receipt for news in rogue.heard(ReceiptNews)]
    passed_on = [receipt for news in rogue.heard(TransactionNews) for receipt in news.receipts]
    receipts = {receipt.creator: receipt for receipt in by_themselves + passed_on if receipt.transaction == digest(transaction)}
    assert set(receipts) == {network.address(name) for name in HONEST}
    return transaction, tuple(receipt for _, receipt in sorted(receipts.items()))
