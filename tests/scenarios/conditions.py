"""What scenarios wait for and look at: conditions of a network, its chains, and what holds at any moment of any scenario."""

from collections import Counter
from collections.abc import Callable, Container, Mapping

from dfl_actors.core import chain
from dfl_actors.core.checks import Verifier
from tests.scenarios.interface import Network

SECOND = 1_000
NODES = ("a", "b", "c", "d")


def check_safe(network: Network, lost: Mapping[str, chain.ChainState] = {}) -> None:
    """Every chain verifies from the genesis, and nobody said two things about one; but for the nodes that `lost` their directory, whose
    chains verify from there on."""
    receipts: Counter[str] = Counter()
    for node in network.plan.nodes:
        state, verifier = lost.get(node, chain.empty(network.genesis)), Verifier(network.genesis)
        for block in network.chain(node):
            state = chain.extend(state, block, verifier)
            assert block.draft.generator == network.address(node)
            receipts.update(confirmation.receipt for confirmation in block.confirmations)
    assert not [receipt for receipt, times in receipts.items() if times > 1], "a receipt is confirmed in two blocks"
    at_most_once(network, "scored", ("node", "tx"), lost)
    at_most_once(network, "confirmed", ("node", "draft"), lost)
    at_most_once(network, "final", ("node", "height"), lost)
    at_most_once(network, "trained", ("node", "sequence"), lost)


def at_most_once(network: Network, event: str, fields: tuple[str, ...], apart: Container[str] = ()) -> None:
    times = Counter(tuple(note[name] for name in fields) for note in network.notes(event) if note["node"] not in apart)
    assert not [what for what, count in times.items() if count > 1], f"{event} twice for the same {fields}"


def grows(network: Network, blocks: int, nodes: tuple[str, ...] = ()) -> Callable[[], bool]:
    """A condition: each of these nodes, or all that make blocks, has so many more blocks than now."""
    names = nodes or tuple(name for name in network.plan.nodes if name not in network.plan.observers)
    aims = {name: len(network.chain(name)) + blocks for name in names}
    return lambda: all(len(network.notes("final", name)) >= aim for name, aim in aims.items())


PARTS = {"trained": 5, "receipt": 2, "scored": 2, "confirmed": 2, "final": 2, "updated": 2}
"""What the actors of a node note when they have done their part, and how often they do: more than what lay ready before, so that every
one of them must have worked since."""


def works(network: Network, node: str) -> Callable[[], bool]:
    """A condition: since now each actor of the node has done its part again."""
    aims = {event: len(network.notes(event, node)) + times for event, times in PARTS.items()}
    return lambda: all(len(network.notes(event, node)) >= aim for event, aim in aims.items())


def witnesses(network: Network, node: str) -> set[str]:
    """Who gave receipts that stand in the node's chain."""
    return {receipt.creator for block in network.chain(node) for entry in block.draft.entries for receipt in entry.receipts}


def confirmers(network: Network, node: str) -> set[str]:
    return {confirmation.creator for block in network.chain(node) for confirmation in block.confirmations}


def everyone_answers(network: Network) -> Callable[[], bool]:
    """A condition: each transaction of now has the receipts of all neighbours."""
    wanted = {(note["tx"], network.address(other)) for note in network.notes("trained") for other in network.plan.neighbours(note["node"])}
    return lambda: wanted <= {(note["tx"], note["creator"]) for note in network.notes("receipt")}


def on_its_way(network: Network, node: str) -> Callable[[], bool]:
    """A condition: some receipt for a transaction of the node is given, and not yet there."""

    def given() -> bool:
        own = {note["tx"] for note in network.notes("trained", node)}
        scored = {(note["tx"], network.address(note["node"])) for note in network.notes("scored")}
        return any(tx in own for tx, _ in scored - {(note["tx"], note["creator"]) for note in network.notes("receipt", node)})

    return given


def more(network: Network, event: str, count: int) -> Callable[[], bool]:
    """Until there are so many more notes of the event than now."""
    before = len(network.notes(event))
    return lambda: len(network.notes(event)) >= before + count


def open_draft(network: Network) -> Callable[[], bool]:
    """A condition: some node has a draft that is not final."""
    return lambda: len(network.notes("drafted")) > len(network.notes("final"))
