"""Every message, with its publisher and its listeners. `docs/protocol.md` is the authority and changes with this file.

Three families, each a tagged union: `Local` moves between the actors of one node, `Wire` between the gossipers of two
nodes, `Control` between an actor and its supervisor. A message is a frozen struct; `codec` gives its bytes. The signed
objects stand inside as themselves, so that the bytes on the wire are readable and checked in one pass. Weights never
stand in a message: they lie in the node's model store, and between nodes follow `Chunk` as a frame of their own.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from dfl_actors.core.objects import (
    MAX_RECEIPTS,
    Address,
    Confirmation,
    Count,
    Digest,
    Draft,
    PublicKey,
    Receipt,
    Signature,
    Transaction,
)

Nonce = Digest
Path = Annotated[tuple[Receipt, ...], Meta(max_length=MAX_RECEIPTS)]
Confirmations = Annotated[tuple[Confirmation, ...], Meta(max_length=65536)]


class Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag=True, tag_field="type"):
    """Base of every message; the class name is the message's type on the wire."""


# --- from the driver, to any actor -------------------------------------------------------------------------------------


class Started(Message, frozen=True, kw_only=True):
    """The driver's word that every subscription of the node stands and work may begin."""


class Tick(Message, frozen=True, kw_only=True):
    """The driver's word that the time an actor asked for (`wake`) has come."""


class Stopping(Message, frozen=True, kw_only=True):
    """The driver's word that the run ends: begin nothing new; what is under way may finish."""


class Opened(Message, frozen=True, kw_only=True):
    """The driver's word to the gossiper that its sockets stand and links may be made."""


class Subscribed(Message, frozen=True, kw_only=True):
    """The driver's word to the gossiper that a neighbour now hears its news."""


class Heard(Message, frozen=True, kw_only=True):
    """News of a neighbour, with its number in the epoch of that neighbour's gossiper."""

    neighbour: Address
    epoch: Count
    number: Count
    news: "AnyNews"


class Asked(Message, frozen=True, kw_only=True):
    """A request from whoever the driver calls `peer`."""

    peer: bytes
    request: "Request"


class Replied(Message, frozen=True, kw_only=True):
    """A neighbour's reply, with the frame of bytes that followed it."""

    neighbour: Address
    reply: "Reply"
    body: Any = None


# --- inside a node: events (XPUB -> SUB; a listener that is away misses them) ------------------------------------------


class Injected(Message, frozen=True, kw_only=True):
    """injector -> trainer, validator. New samples, as indices into the node's training data."""

    samples: tuple[Count, ...]


class Versioned(Message, frozen=True, kw_only=True):
    """trainer -> keeper. The node's own model, in the model store; the deltas up to number `applied` are in it.

    It got `correct` of `tested` of the node's own samples right; both are 0 when it was not measured.
    """

    model: Digest
    applied: Count
    correct: Count = 0
    tested: Count = 0


class Scored(Message, frozen=True, kw_only=True):
    """validator -> keeper. A received model was measured: `correct` of `tested` on the node's own data."""

    transaction: Digest
    generator: Address
    model: Digest
    codec: str
    correct: Count
    tested: Count


class Updated(Message, frozen=True, kw_only=True):
    """keeper -> (watchers). The buffer was averaged; reputations are in millionths."""

    models: Count
    reputations: dict[Address, Count]


# --- inside a node: letters (DEALER -> ROUTER; acknowledged, sent again until they are) --------------------------------


class Pull(Message, frozen=True, kw_only=True):
    """trainer -> injector. Room for so many more samples (only when the node trains as fast as it can)."""

    samples: Count


class Trained(Message, frozen=True, kw_only=True):
    """trainer -> gossiper. A signed transaction, its model in the model store."""

    transaction: Transaction


class Announced(Message, frozen=True, kw_only=True):
    """gossiper -> builder. The node's own transaction has gone out."""

    transaction: Transaction


class Fetched(Message, frozen=True, kw_only=True):
    """gossiper -> validator. A neighbour's transaction with the receipts of its way, its model in the model store."""

    transaction: Transaction
    receipts: Path
    sender: Address


class Witnessed(Message, frozen=True, kw_only=True):
    """validator -> gossiper. A transaction was found right and measured; `receipt` is ours."""

    transaction: Transaction
    receipts: Path
    receipt: Receipt


class ReceiptArrived(Message, frozen=True, kw_only=True):
    """gossiper -> builder. A receipt for a transaction of this node."""

    receipt: Receipt


class Lacking(Message, frozen=True, kw_only=True):
    """builder -> gossiper. An own transaction still lacks receipts of neighbours: announce it again."""

    transaction: Transaction


class Settled(Message, frozen=True, kw_only=True):
    """builder -> trainer. An own transaction has its receipts, or has expired without."""

    transaction: Digest


class Drafted(Message, frozen=True, kw_only=True):
    """builder -> gossiper. A draft that wants confirmations; sent again while it lacks them."""

    draft: Draft


class DraftArrived(Message, frozen=True, kw_only=True):
    """gossiper -> validator. A draft of another node."""

    draft: Draft
    sender: Address


class Confirmed(Message, frozen=True, kw_only=True):
    """validator -> gossiper. Our confirmations for a draft, on their way to `sender`, from whom it came."""

    sender: Address
    confirmations: Confirmations


class ConfirmationsArrived(Message, frozen=True, kw_only=True):
    """gossiper -> builder. Confirmations for a draft of this node."""

    confirmations: Confirmations


class Finalised(Message, frozen=True, kw_only=True):
    """builder -> gossiper. A final block stands in the chain."""

    generator: Address
    height: Count
    block: Digest


class Averaged(Message, frozen=True, kw_only=True):
    """keeper -> trainer. The difference under this key of the model store is to be added to the node's weights.

    For an attack that watches, `received` names the newest model of each sender among those averaged, and its codec; else it is empty.
    """

    delta: Digest
    number: Count
    received: dict[Address, tuple[Digest, str]] = {}


# --- between nodes: news (XPUB -> SUB of every neighbour, sequence-numbered) -------------------------------------------


class News(Message, frozen=True, kw_only=True):
    """Base of what a gossiper publishes to all its neighbours."""


class TransactionNews(News, frozen=True, kw_only=True):
    """A transaction can be fetched here, with the receipts of its way so far."""

    transaction: Transaction
    receipts: Path


class ReceiptNews(News, frozen=True, kw_only=True):
    """A receipt, on its way back to the generator of its transaction."""

    receipt: Receipt


class DraftNews(News, frozen=True, kw_only=True):
    """A draft that wants confirmations."""

    draft: Draft


class BlockNews(News, frozen=True, kw_only=True):
    """A block of the generator is final."""

    generator: Address
    height: Count
    block: Digest


class Beat(News, frozen=True, kw_only=True):
    """Nothing new. It carries the last sequence number, so that a loss at the end is seen."""


# --- between nodes: requests (DEALER -> ROUTER) and replies (ROUTER -> DEALER) -----------------------------------------


class Hello(Message, frozen=True, kw_only=True):
    """First word on a link: who we are, and a nonce for the other side to sign."""

    genesis: Digest
    address: Address
    public_key: PublicKey
    nonce: Nonce


class Welcome(Message, frozen=True, kw_only=True):
    """Reply to `Hello`: who answers, its signature over our nonce, and a nonce for us."""

    address: Address
    public_key: PublicKey
    nonce: Nonce
    signature: Signature


class Proof(Message, frozen=True, kw_only=True):
    """Our signature over the nonce of `Welcome`. From here on requests on the link are ours."""

    signature: Signature


class Admitted(Message, frozen=True, kw_only=True):
    """Reply to `Proof`: requests are welcome."""


class Fetch(Message, frozen=True, kw_only=True):
    """Please send `count` chunks of a model, from chunk `first` on."""

    model: Digest
    first: Count
    count: Annotated[int, Meta(ge=1, le=16)]


class Chunk(Message, frozen=True, kw_only=True):
    """Reply to `Fetch`: one chunk, whose bytes follow as a frame of their own."""

    model: Digest
    index: Count


class Gone(Message, frozen=True, kw_only=True):
    """Reply to `Fetch`: the model is no longer here."""

    model: Digest


class Resend(Message, frozen=True, kw_only=True):
    """Please repeat the news with the numbers `first` to `last` of this epoch."""

    epoch: Count
    first: Count
    last: Count


class Resent(Message, frozen=True, kw_only=True):
    """Reply to `Resend`: one piece of news that was lost, as it was."""

    epoch: Count
    number: Count
    news: "AnyNews"


class ConfirmationsFor(Message, frozen=True, kw_only=True):
    """Confirmations, handed to the neighbour from whom the draft came."""

    confirmations: Confirmations


class Refusal(Message, frozen=True, kw_only=True):
    """Either way: something was refused; `code` is listed in docs/protocol.md."""

    code: Annotated[str, Meta(max_length=64)]
    what: Annotated[str, Meta(max_length=64)]


# --- control: actor (DEALER) <-> supervisor (ROUTER) --------------------------------------------------------------------


class Control(Message, frozen=True, kw_only=True):
    """Base of what an actor and its supervisor say to each other."""


class Hatched(Control, frozen=True, kw_only=True):
    """actor -> supervisor. The sockets stand; a gossiper says where it listens."""

    news: str = ""
    requests: str = ""
    curve: str = ""


class Neighbours(Control, frozen=True, kw_only=True):
    """supervisor -> gossiper. Where the neighbours listen: address to [news, requests, CURVE key]."""

    where: dict[Address, tuple[str, str, str]]


class Ready(Control, frozen=True, kw_only=True):
    """actor -> supervisor. Every listener has subscribed and every link stands."""


class Start(Control, frozen=True, kw_only=True):
    """supervisor -> actor. Everyone is ready."""


class Status(Control, frozen=True, kw_only=True):
    """actor -> supervisor, every second. Counts for the live table; `idle` is false while something is unfinished."""

    counts: dict[str, int | float]
    reputations: dict[Address, float] = {}
    model: str = ""
    idle: bool = True
    stopped: bool = False


class Stop(Control, frozen=True, kw_only=True):
    """supervisor -> actor. Begin nothing new."""


class Quit(Control, frozen=True, kw_only=True):
    """supervisor -> actor. Close and end."""


class Failed(Control, frozen=True, kw_only=True):
    """actor -> supervisor. It cannot go on, for a reason that a restart does not mend: the user's line, and the exit code."""

    text: str
    exit_code: int


class Evaluate(Control, frozen=True, kw_only=True):
    """supervisor -> evaluator. Measure a model of a node's store on the test images, save it as the node's final model, or both."""

    node: str
    model: Digest
    measure: bool = True
    save: bool = False


class Evaluated(Control, frozen=True, kw_only=True):
    """evaluator -> supervisor. `correct` of `tested`; nothing tested when the model was no longer there."""

    node: str
    model: Digest
    correct: Count
    tested: Count


FromActor = Hatched | Ready | Status | Failed | Evaluated
FromSupervisor = Neighbours | Start | Stop | Quit | Evaluate

Event = Injected | Versioned | Scored | Updated
Letter = (
    Pull
    | Trained
    | Announced
    | Fetched
    | Witnessed
    | ReceiptArrived
    | Lacking
    | Settled
    | Drafted
    | DraftArrived
    | Confirmed
    | ConfirmationsArrived
    | Finalised
    | Averaged
)
Local = Event | Letter
AnyNews = TransactionNews | ReceiptNews | DraftNews | BlockNews | Beat
Request = Hello | Proof | Fetch | Resend | ConfirmationsFor | Refusal
Reply = Welcome | Admitted | Chunk | Gone | Resent | Refusal

LISTENERS: dict[type[Message], tuple[str, ...]] = {
    Injected: ("trainer", "validator"),
    Versioned: ("keeper",),
    Scored: ("keeper",),
    Updated: (),
}
"""Who subscribes to which event; the start barrier counts these."""

PUBLISHER: dict[type[Message], str] = {Injected: "injector", Versioned: "trainer", Scored: "validator", Updated: "keeper"}

SENDER: dict[type[Message], str] = {
    Pull: "trainer",
    Trained: "trainer",
    Announced: "gossiper",
    Fetched: "gossiper",
    Witnessed: "validator",
    ReceiptArrived: "gossiper",
    Lacking: "builder",
    Settled: "builder",
    Drafted: "builder",
    DraftArrived: "gossiper",
    Confirmed: "validator",
    ConfirmationsArrived: "gossiper",
    Finalised: "builder",
    Averaged: "keeper",
}
"""Who writes each letter; an actor has a way to the mailboxes it writes to, and to no other."""

RECIPIENT: dict[type[Message], str] = {
    Pull: "injector",
    Trained: "gossiper",
    Announced: "builder",
    Fetched: "validator",
    Witnessed: "gossiper",
    ReceiptArrived: "builder",
    Lacking: "gossiper",
    Settled: "trainer",
    Drafted: "gossiper",
    DraftArrived: "validator",
    Confirmed: "gossiper",
    ConfirmationsArrived: "builder",
    Finalised: "gossiper",
    Averaged: "trainer",
}
"""Whose mailbox each letter goes to."""

ACTORS = ("injector", "trainer", "gossiper", "validator", "builder", "keeper")
