"""States that many schedules together must have reached: a night in which one never comes about tested less than it seems.

A state is a line here: either a mark, which the simulation sets as it happens (`SimNetwork.saw`), or a function of the network as it is in
the end, under the decorator `sometimes`. Whoever adds a way in which things may go wrong adds the state in which they have.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial

from dfl_actors.core.family import ACTORS
from tests.simnet import marks
from tests.simnet.mischief import ACTS
from tests.simnet.network import SimNetwork

Reached = Callable[[SimNetwork], bool]

STATES: dict[str, Reached] = {}
"""Every state that has to be reached."""


def sometimes(name: str) -> Callable[[Reached], Reached]:
    """The decorated function says whether a network has been in the state of this name."""

    def register(function: Reached) -> Reached:
        assert name not in STATES, f"two states are called {name}"
        STATES[name] = function
        return function

    return register


def reached(network: SimNetwork) -> Iterator[str]:
    """The states in which this network has been."""
    return (name for name, function in STATES.items() if function(network))


def _marked(mark: str, network: SimNetwork) -> bool:
    return mark in network.marks


def _refused(code: str, network: SimNetwork) -> bool:
    return any(note["code"] == code for note in network.notes("refused"))


MARKS = (
    "a message is lost",
    "a message comes twice",
    "a message overtakes another",
    "a way is cut whose way back is not",
    "a way that stalled gives what it held back",
    "ways are released in another order than they were stopped",
    "a clock is set forward",
    "a clock is set back",
    "a node begins with a wrong clock",
    "a crash during recovery",
    "a chain is ahead of its pin",
    "a builder begins again with an open draft",
    "a trainer hands its last transaction over again",
    "the power of a node is cut",
    "the power of all nodes is cut",
    "the power is cut during recovery",
    "a power cut costs models",
    "a power cut tears a model",
    "a node loses its directory",
    "a node goes on behind what it lost",
    "the disk is full for the models",
    "the disk is full for the chain",
    "the disk is full for the journal",
    "a letter comes twice",
    "a letter comes after a gap",
    "builder says Lacking",
    "a validator shows what something contradicts",
    "a gossiper begins again with evidence",
    "gossiper says Resend",
    "gossiper says Resent",
    "gossiper says Gone",
    "gossiper says Refusal",
    *(f"a {actor} {what}" for actor in ACTORS for what in ("begins again", "crashes during its recovery", "stands still")),
    *sorted(marks.places()),
    *(f"a neighbour {act.replace('_', ' ')}" for act in ACTS),
)
STATES.update({mark: partial(_marked, mark) for mark in MARKS})

CODES = (
    "address_mismatch", "bad_signature", "block_rewritten", "busy", "confirmed_elsewhere", "contradiction", "expired",
    "fetch_timeout", "fetched_often",
    "from_the_future", "malformed", "model_digest", "model_gone", "model_norm", "model_not_finite", "model_size", "not_a_member",
    "not_admitted", "other_draft", "sequence_reused", "schema",
)  # fmt: skip
"""What is refused sometimes, whoever is to blame."""
STATES.update({f"something is refused as {code}": partial(_refused, code) for code in CODES})


@sometimes("a block is final with fewer confirmations than receipts")
def _(network: SimNetwork) -> bool:
    return any(note["confirmations"] < note["expected"] for note in network.notes("final"))


@sometimes("a draft that nobody confirms is given up")
def _(network: SimNetwork) -> bool:
    return any(not note["confirmations"] for note in network.notes("final"))


@sometimes("a block is final without the receipt of a neighbour")
def _(network: SimNetwork) -> bool:
    return any(
        len(entry.receipts) < len(network.plan.neighbours(name))
        for name in network.plan.nodes
        for block in network.chain(name)
        for entry in block.draft.entries
    )


@sometimes("a transaction expires")
def _(network: SimNetwork) -> bool:
    return bool(network.notes("expired"))


@sometimes("a receipt comes after its transaction has expired")
def _(network: SimNetwork) -> bool:
    expired = {note["tx"] for note in network.notes("expired")}
    arrived = (one for one in network.tap if type(one).__name__ == "Receipt")
    return any(getattr(one, "transaction", "") in expired for one in arrived)


@sometimes("a transaction stands in a later block than a newer one")
def _(network: SimNetwork) -> bool:
    for name in network.plan.nodes:
        newest = -1
        for block in network.chain(name):
            numbers = [entry.transaction.sequence for entry in block.draft.entries]
            if min(numbers) < newest:
                return True
            newest = max(newest, *numbers)
    return False


def _shut_out(network: SimNetwork) -> list[tuple[int, str, str]]:
    """When, by whom and who."""
    return [(note["t"], note["node"], note["by"]) for note in network.notes("refused") if note["code"] == "shut_out"]


@sometimes("a neighbour is shut out")
def _(network: SimNetwork) -> bool:
    return bool(_shut_out(network))


@sometimes("a neighbour is let in again and measured")
def _(network: SimNetwork) -> bool:
    scored = [(note["t"], note["node"], note["generator"]) for note in network.notes("scored")]
    return any(
        by == node and who == generator and after > when + 1_000
        for when, by, who in _shut_out(network)
        for after, node, generator in scored
    )


def _contradictions(network: SimNetwork) -> Iterator[tuple[str, int, str, str]]:
    """Which was found, when, by whom, and whom it proves to have signed twice."""
    found = (note for note in network.notes("refused") if note["code"] == "contradiction")
    return ((note["id"], note["t"], note["node"], note["by"]) for note in found)


@sometimes("a contradiction is known to two nodes")
def _(network: SimNetwork) -> bool:
    nodes = defaultdict[str, set[str]](set)
    for identity, _, node, _ in _contradictions(network):
        nodes[identity].add(node)
    return any(len(found) > 1 for found in nodes.values())


@sometimes("a model comes in several chunks")
def _(network: SimNetwork) -> bool:
    return any(index > 0 for *_, index in network.chunks)


@sometimes("a neighbour's clock is named as off")
def _(network: SimNetwork) -> bool:
    return any(note["ms"] for note in network.notes("clock_off"))


@sometimes("a neighbour's clock is named as right again")
def _(network: SimNetwork) -> bool:
    return any(not note["ms"] for note in network.notes("clock_off"))


@sometimes("a model or a difference is gone before it is used")
def _(network: SimNetwork) -> bool:
    return bool(network.notes("lost"))


@sometimes("a receipt comes over two hops")
def _(network: SimNetwork) -> bool:
    neighbours = {name: {network.address(other) for other in network.plan.neighbours(name)} for name in network.plan.nodes}
    return any(note["creator"] not in neighbours[note["node"]] for note in network.notes("receipt"))


@sometimes("a model is fetched from a node that did not train it")
def _(network: SimNetwork) -> bool:
    trained = {note["tx"]: network.address(note["node"]) for note in network.notes("trained")}
    return any(note["from"] != trained.get(note["tx"], note["from"]) for note in network.notes("fetched"))
