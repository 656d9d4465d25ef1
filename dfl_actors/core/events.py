"""What a run tells of itself: the events of `metrics.jsonl`, one frozen struct a kind. `docs/metrics.md` is the table of them.

They are for people and plots and never part of the protocol. An actor emits one inside `effects.Note`; whoever performs it adds
when and where (`line`). A reader takes a line back with `read`. A field with a default may be missing: earlier versions did not
write it, or a script that writes events of its own need not.
"""

import re
from functools import reduce
from operator import or_
from typing import ClassVar, TypeVar

import msgspec
import orjson

from dfl_actors.core.objects import Count


def snake(name: str) -> str:
    """`receipt_arrived` for `ReceiptArrived`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class Event(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag=snake, tag_field="event"):
    """Base of all events. `says` names who writes it; `t` (ms since the epoch), `node` ("" for the network) and `actor` are set as it
    is written: before that they are empty, unless it is written in the name of another."""

    says: ClassVar[str]
    t: int = 0
    node: str = ""
    actor: str = ""


E = TypeVar("E", bound=Event)


class Ready(Event, frozen=True, gc=False, kw_only=True):
    """Every actor is ready; the network starts. `seconds` since the command."""

    says = "supervisor"
    seconds: float = 0.0
    actors: Count = 0


class Stopped(Event, frozen=True, gc=False, kw_only=True):
    """The run ended."""

    says = "supervisor"
    reason: str = ""


class Trained(Event, frozen=True, gc=False, kw_only=True):
    """A transaction was made. `steps` and `samples` are totals so far."""

    says = "trainer"
    sequence: Count = 0
    tx: str
    steps: Count = 0
    samples: Count = 0
    correct: Count = 0
    tested: Count = 0
    loss: float | None = None


class Announced(Event, frozen=True, gc=False, kw_only=True):
    """A node's own transaction went out to its neighbours, for the first time."""

    says = "gossiper"
    tx: str


class Fetched(Event, frozen=True, gc=False, kw_only=True):
    """The model of a transaction came whole from a neighbour, whose address is `source`, `ms` after it was asked for."""

    says = "gossiper"
    tx: str
    source: str = msgspec.field(default="", name="from")
    ms: int = 0


class Scored(Event, frozen=True, gc=False, kw_only=True):
    """A transaction of another node was received and measured."""

    says = "validator"
    tx: str
    generator: str = ""
    correct: Count = 0
    tested: Count = 0
    ttl: Count = 0


class Refused(Event, frozen=True, gc=False, kw_only=True):
    """Something of another node broke a rule; `by` is that node's address, empty where it has not proved who it is. Of one code and node
    more than ten in a second are one event: the last of them, `count` is how many."""

    says = "any"
    what: str = ""
    id: str = ""
    code: str
    detail: str = ""
    by: str = ""
    count: Count = 1


class Frames(Event, frozen=True, gc=False, kw_only=True):
    """What came of the frames of a neighbour (`by` is its address) since this was told last: accepted, refused as its fault, or ignored as
    nobody's, by code."""

    says = "gossiper"
    by: str = ""
    accepted: Count = 0
    refused: dict[str, int] = {}
    ignored: dict[str, int] = {}


class RefusedBy(Event, frozen=True, gc=False, kw_only=True):
    """A neighbour refused something of ours; `count` as in `Refused`."""

    says = "gossiper"
    what: str = ""
    code: str
    by: str = ""
    count: Count = 1


class ReceiptArrived(Event, frozen=True, gc=False, kw_only=True, tag="receipt"):
    """A receipt for an own transaction is in the journal, `ms` after the transaction was created."""

    says = "builder"
    tx: str
    creator: str
    correct: Count = 0
    tested: Count = 0
    ms: int = 0


class Expired(Event, frozen=True, gc=False, kw_only=True):
    """An own transaction's time was up before it had the receipts it needed."""

    says = "builder"
    tx: str
    receipts: Count = 0
    needed: Count = 0


class Drafted(Event, frozen=True, gc=False, kw_only=True):
    """A block was drafted; `txs` are the digests of its transactions."""

    says = "builder"
    height: Count
    draft: str
    transactions: Count = 0
    receipts: Count = 0
    txs: tuple[str, ...] = ()


class Confirmed(Event, frozen=True, gc=False, kw_only=True):
    """A witness confirmed its receipts in a draft, all together."""

    says = "validator"
    draft: str
    generator: str = ""
    confirmations: Count = 0


class Final(Event, frozen=True, gc=False, kw_only=True):
    """A block is final, `ms` after its draft."""

    says = "builder"
    height: Count
    block: str
    transactions: Count
    confirmations: Count
    expected: Count
    ms: int = 0


class Noised(Event, frozen=True, gc=False, kw_only=True):
    """The node trains with noise: what an accountant needs to know. `chance` is how likely the sample that is drawn most often is to be
    in a step's batch, of `samples` that the node has. `unclaimed` says why nothing can be claimed. `steps` are those of a simulation."""

    says = "trainer"
    noise: float
    clip: float = 0.0
    chance: float = 1.0
    samples: Count = 0
    unclaimed: str = ""
    steps: Count = 0


class Updated(Event, frozen=True, gc=False, kw_only=True):
    """The model buffer was averaged. `senders` and `reputations` by address, `notes` are the algorithm's."""

    says = "keeper"
    models: Count = 0
    senders: dict[str, float | None] = {}
    reputations: dict[str, float] = {}
    notes: dict[str, object] = {}


class Evaluated(Event, frozen=True, gc=False, kw_only=True):
    """The node's model was measured on the test samples."""

    says = "evaluator"
    correct: Count
    tested: Count


class WeightDifference(Event, frozen=True, gc=False, kw_only=True):
    """How different the models of all nodes are: the paper's equation 5, by layer and over all layers."""

    says = "evaluator"
    layers: dict[str, float] = {}
    overall: float = 0.0


class Restarted(Event, frozen=True, gc=False, kw_only=True):
    """The actor crashed and was started again."""

    says = "the actor"
    reason: str = ""


class Fault(Event, frozen=True, gc=False, kw_only=True):
    """Someone disturbed the network on purpose. `what` is for people."""

    says = "not the program"
    what: str = ""


class Happened(Event, frozen=True, gc=False, kw_only=True):
    """An event of the topology happened, to `node` or to `link`; `what` says it in words."""

    says = "supervisor"
    do: str
    link: str = ""
    factor: float | None = None
    attack: str = ""
    what: str = ""


class ModelSent(Event, frozen=True, gc=False, kw_only=True, tag="sent"):
    """A whole model was served to a neighbour (`to` is its address)."""

    says = "gossiper"
    tx: str
    to: str
    bytes: Count


class Dropped(Event, frozen=True, gc=False, kw_only=True):
    """Messages of one type that could not leave: a socket did not take them, or too many letters waited for one actor."""

    says = "any"
    what: str
    messages: Count


class Lost(Event, frozen=True, gc=False, kw_only=True):
    """What was asked of the model store was no longer there."""

    says = "keeper, trainer"
    what: str = ""
    id: str = ""


class ClockOff(Event, frozen=True, gc=False, kw_only=True):
    """The clock of a neighbour (`by` is its address) is more than `gossip.max_skew_s` from ours: `ms` ahead, 0 when it is right again."""

    says = "gossiper"
    by: str
    ms: int


class ClockSet(Event, frozen=True, gc=False, kw_only=True):
    """The machine's clock is `ms` from where it stood when the run began, carried on; signed times do not follow it."""

    says = "supervisor"
    ms: int


class Cpu(Event, frozen=True, gc=False, kw_only=True):
    """CPU seconds of one process: in all, and by task and kind of work."""

    says = "every process"
    total: float
    tasks: dict[str, dict[str, float]] = {}


def name_of(kind: type[Event]) -> str:
    """The name of a kind of event in `metrics.jsonl`."""
    return str(kind.__struct_config__.tag)


KINDS: dict[str, type[Event]] = {name_of(kind): kind for kind in Event.__subclasses__()}  # Every kind by its name.

_ENVELOPE = ("event", "t", "node", "actor")
_any: msgspec.json.Decoder[Event] = msgspec.json.Decoder(reduce(or_, KINDS.values()))


class _Named(msgspec.Struct, frozen=True):
    event: str


def fields_of(event: Event) -> dict[str, object]:
    """What an event says, by the names that the fields have on a line, without when and where."""
    return {name: value for name, value in msgspec.to_builtins(event).items() if name not in _ENVELOPE}


def line(event: Event, node: str, actor: str, now: int) -> bytes:
    """The line of an event that happens at `now`; `node` and `actor` are who writes, unless the event names another."""
    head = {"t": now, "node": event.node or node, "actor": event.actor or actor}
    return orjson.dumps(head | msgspec.to_builtins(event) | head) + b"\n"


MEASURED = (Trained, ReceiptArrived, Scored, Evaluated)


def read(line: bytes) -> Event | None:
    """The event on a line; None if its kind is not known. Raises `ValueError` for a line that is torn or damaged."""
    try:
        event = _any.decode(line)
    except msgspec.ValidationError:
        if msgspec.json.decode(line, type=_Named).event in KINDS:
            raise
        return None
    if not event.t:
        raise msgspec.ValidationError("an event without a time")
    if isinstance(event, MEASURED) and event.correct > event.tested:
        raise msgspec.ValidationError("more is right than was tested")
    return event
