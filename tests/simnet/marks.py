"""What the simulated network notes of itself as it happens, for `sometimes`: where a process falls, and what it finds when it begins
again."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from dfl_actors.core import chain
from dfl_actors.core.codec import reread
from dfl_actors.core.delivery import Acknowledge, Deliver, Step, WriteJournal
from dfl_actors.core.effects import Commit, Keep, Note, Touch
from dfl_actors.core.evidence import KEPT
from dfl_actors.core.family import Message
from dfl_actors.core.messages import Judged
from dfl_actors.core.objects import Transaction

if TYPE_CHECKING:
    from tests.simnet.process import Process

EARLY = 2
"""A life of so few batches was still recovering."""

KINDS: tuple[tuple[type[Step] | tuple[type[Step], ...], str], ...] = (
    ((Keep, Touch), "models"),
    (Commit, "chain"),
    (WriteJournal, "journal"),
    (Note, "metrics"),
    (Deliver, "letters"),
    (Acknowledge, "acknowledgement"),
)


def kind(step: Step) -> str:
    """What a step is about."""
    return next((name for kinds, name in KINDS if isinstance(step, kinds)), "speech")


def places() -> set[str]:
    """Every place in a batch in which a process may fall, as `falls` marks it."""
    orders = (
        ("the beginning", "models", "journal", "speech", "metrics", "letters", "acknowledgement", "the end"),
        ("the beginning", "chain", "journal", "speech", "speech"),
    )
    return {place(before, after) for order in orders for before, after in pairwise(order)}


def place(before: str, after: str) -> str:
    return f"a crash between {before} and {after}"


def falls(process: "Process", steps: Sequence[Step], stop: int) -> None:
    """The process falls before the step of number `stop`."""
    network = process.network
    before, after = (kind(steps[at]) if 0 <= at < len(steps) else edge for at, edge in ((stop - 1, "the beginning"), (stop, "the end")))
    network.saw(place(before, after))
    if process.starts > 1 and process.lived <= EARLY:
        network.saw("a crash during recovery")
        network.saw(f"a {process.name} crashes during its recovery")


def says(process: "Process", message: Message) -> None:
    """The process says something inside its node, or to one other."""
    if isinstance(message, Judged) and (message.transactions or message.drafts):
        process.network.saw("a validator shows what something contradicts")


def begins(process: "Process") -> None:
    """The process is about to be made from its stores."""
    if process.starts == 1:
        return
    network, journal = process.network, process.journal
    network.saw(f"a {process.name} begins again")
    if process.name == "gossiper" and any(journal.scan(KEPT)):
        network.saw("a gossiper begins again with evidence")
    if process.name == "builder":
        pin = chain.decode_pin(journal.get(chain.PIN))
        if process.node.chain.height > (0 if pin is None else pin.height):
            network.saw("a chain is ahead of its pin")
        if journal.get(b"draft") is not None:
            network.saw("a builder begins again with an open draft")
    last = journal.get(b"transaction") if process.name == "trainer" else None
    if last is not None and reread(Transaction, last).expires > process.node.clock().wall:
        network.saw("a trainer hands its last transaction over again")
