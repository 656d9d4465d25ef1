"""Every message inside a node and between nodes. `docs/protocol.md` is the authority and changes with this file.

A message is a frozen struct whose class states its way (`core.family`); `codec` gives its bytes. In order: events
and letters inside a node, news, requests and replies between nodes. The signed objects stand inside
as themselves, so that the bytes on the wire are readable and checked in one pass. Weights never stand in a message: they lie in
the node's model store, and between nodes follow `Chunk` as a frame of their own.
"""

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from dfl_actors.core.evidence import Evidence
from dfl_actors.core.family import Event, Letter, News, Reply, Request, members, union
from dfl_actors.core.objects import MAX_RECEIPTS, Address, Confirmation, Count, Digest, Draft, PublicKey, Receipt, Signature, Transaction
from dfl_actors.core.pulse import Pulse

MOST_CHUNKS = 16  # Chunks in a request.
MOST_CONFIRMATIONS = 65_536  # Confirmations in a message.
MOST_SENT = 96  # Those in a request: it is a frame of 64 KiB at most.

Nonce = Digest
Path = Annotated[tuple[Receipt, ...], Meta(max_length=MAX_RECEIPTS)]
Confirmations = Annotated[tuple[Confirmation, ...], Meta(max_length=MOST_CONFIRMATIONS)]
LastTransaction = Annotated[tuple[Transaction, ...], Meta(max_length=1)]
LastDraft = Annotated[tuple[Draft, ...], Meta(max_length=1)]
Word = Annotated[str, Meta(max_length=64)]


class Injected(Event, frozen=True, kw_only=True):
    """New samples, as indices into the node's training data; from 2^31 on, what was fed to the node, in its order."""

    says, hears = "injector", ("trainer", "validator")
    samples: tuple[Count, ...]


class Versioned(Event, frozen=True, kw_only=True):
    """The node's own model, in the model store; the deltas up to number `applied` are in it.

    It got `correct` of `tested` of the node's own samples right; both are 0 when it was not measured.
    """

    says, hears = "trainer", ("keeper",)
    model: Digest
    applied: Count
    correct: Count = 0
    tested: Count = 0


class Scored(Event, frozen=True, kw_only=True):
    """A received model was measured: `correct` of `tested` on the node's own data. Its generator trains on `samples`; 0: it did not say."""

    says, hears = "validator", ("keeper",)
    transaction: Digest
    generator: Address
    model: Digest
    codec: str
    correct: Count
    tested: Count
    samples: Count = 0


class Updated(Event, frozen=True, kw_only=True):
    """The buffer was averaged; reputations are in millionths."""

    says, hears = "keeper", ()
    models: Count
    reputations: dict[Address, Count]


class Pull(Letter, frozen=True, kw_only=True):
    """Room for so many more samples (only when the node trains as fast as it can)."""

    says, hears = "trainer", ("injector",)
    samples: Count


class Fed(Letter, frozen=True, kw_only=True):
    """Of the samples that were fed to the node, those before `upto` are in what it has journalled, and `next` is the next that it needs.

    `again` is 1 when it has missed some, or begins anew: all from `next` on are to be published again.
    """

    says, hears = "trainer", ("injector",)
    upto: Count
    next: Count
    again: Count


class Trained(Letter, frozen=True, kw_only=True):
    """A signed transaction, its model in the model store."""

    says, hears = "trainer", ("gossiper",)
    transaction: Transaction


class Announced(Letter, frozen=True, kw_only=True):
    """The node's own transaction has gone out."""

    says, hears = "gossiper", ("builder",)
    transaction: Transaction


class Fetched(Letter, frozen=True, kw_only=True):
    """A neighbour's transaction with the receipts of its way, its model in the model store."""

    says, hears = "gossiper", ("validator",)
    foreign = True
    transaction: Transaction
    receipts: Path
    sender: Address


class Witnessed(Letter, frozen=True, kw_only=True):
    """A transaction was found right and measured; `receipt` is ours."""

    says, hears = "validator", ("gossiper",)
    foreign = True
    transaction: Transaction
    receipts: Path
    receipt: Receipt


class ReceiptArrived(Letter, frozen=True, kw_only=True):
    """A receipt for a transaction of this node, and the neighbour that handed it over."""

    says, hears = "gossiper", ("builder",)
    foreign = True
    receipt: Receipt
    sender: Address


class Lacking(Letter, frozen=True, kw_only=True):
    """An own transaction still lacks receipts of neighbours: announce it again."""

    says, hears = "builder", ("gossiper",)
    transaction: Transaction


class Settled(Letter, frozen=True, kw_only=True):
    """An own transaction has its receipts, or has expired without."""

    says, hears = "builder", ("trainer",)
    transaction: Digest


class Drafted(Letter, frozen=True, kw_only=True):
    """A draft that wants confirmations; sent again while it lacks them."""

    says, hears = "builder", ("gossiper",)
    draft: Draft


class DraftArrived(Letter, frozen=True, kw_only=True):
    """A draft of another node."""

    says, hears = "gossiper", ("validator",)
    foreign = True
    draft: Draft
    sender: Address


class Confirmed(Letter, frozen=True, kw_only=True):
    """Our confirmations for a draft, on their way to `sender`, from whom it came."""

    says, hears = "validator", ("gossiper",)
    sender: Address
    confirmations: Confirmations


class Begun(Letter, frozen=True, kw_only=True):
    """The validator was started: of what it was handed before it knows only what is sent again."""

    says, hears = "validator", ("gossiper",)


class Judged(Letter, frozen=True, kw_only=True):
    """What a neighbour brought, a `Fetched` or a `DraftArrived`, was refused with this code, or asks for no answer (empty).

    `transactions` and `drafts` are what it contradicts, if that is known as it was signed.
    """

    says, hears = "validator", ("gossiper",)
    what: Digest
    code: Word
    transactions: LastTransaction = ()
    drafts: LastDraft = ()


class ConfirmationsArrived(Letter, frozen=True, kw_only=True):
    """Confirmations for a draft of this node, and the neighbour that handed them over."""

    says, hears = "gossiper", ("builder",)
    foreign = True
    confirmations: Confirmations
    sender: Address


class HoldingAsked(Letter, frozen=True, kw_only=True):
    """A neighbour wants to know what we hold of it."""

    says, hears = "gossiper", ("validator",)
    foreign = True
    sender: Address


class HoldingFound(Letter, frozen=True, kw_only=True):
    """The newest transaction of a neighbour that we witnessed, and the newest draft that we confirmed."""

    says, hears = "validator", ("gossiper",)
    sender: Address
    transactions: LastTransaction
    drafts: LastDraft


class Finalised(Letter, frozen=True, kw_only=True):
    """A final block stands in the chain."""

    says, hears = "builder", ("gossiper",)
    generator: Address
    height: Count
    block: Digest


class Averaged(Letter, frozen=True, kw_only=True):
    """The difference under this key of the model store is to be added to the node's weights.

    For an attack that watches, `received` names the newest model of each sender among those averaged, and its codec; else it is empty.
    `serving` is the model that the node answers with from now on, in the model store; empty: the one that it trains.
    """

    says, hears = "keeper", ("trainer",)
    delta: Digest
    number: Count
    received: dict[Address, tuple[Digest, str]] = msgspec.field(default_factory=dict)
    serving: str = ""


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


class EvidenceNews(News, frozen=True, kw_only=True):
    """Two signed things that contradict each other."""

    evidence: Evidence


class BlockNews(News, frozen=True, kw_only=True):
    """A block of the generator is final."""

    generator: Address
    height: Count
    block: Digest


class Beat(News, frozen=True, kw_only=True):
    """Nothing new. It carries the last sequence number, so that a loss at the end is seen."""


class Hello(Request, frozen=True, kw_only=True):
    """First word on a link: who we are, and a nonce for the other side to sign."""

    genesis: Digest
    address: Address
    public_key: PublicKey
    nonce: Nonce


class Welcome(Reply, frozen=True, kw_only=True):
    """Who answers, its signature over our nonce, and a nonce for us."""

    to = (Hello,)
    address: Address
    public_key: PublicKey
    nonce: Nonce
    signature: Signature


class Proof(Request, frozen=True, kw_only=True):
    """Our signature over the nonce of `Welcome`. From here on requests on the link are ours."""

    signature: Signature


class Admitted(Reply, frozen=True, kw_only=True):
    """Requests are welcome."""

    to = (Proof,)


class Fetch(Request, frozen=True, kw_only=True):
    """Please send `count` chunks of a model, from chunk `first` on."""

    model: Digest
    first: Count
    count: Annotated[int, Meta(ge=1, le=MOST_CHUNKS)]


class Chunk(Reply, frozen=True, kw_only=True):
    """One chunk, whose bytes follow as a frame of their own."""

    to = (Fetch,)
    model: Digest
    index: Count


class Gone(Reply, frozen=True, kw_only=True):
    """The model is no longer here."""

    to = (Fetch,)
    model: Digest


class Resend(Request, frozen=True, kw_only=True):
    """Please repeat the news with the numbers `first` to `last` of this epoch."""

    epoch: Count
    first: Count
    last: Count


class Resent(Reply, frozen=True, kw_only=True):
    """One piece of news that was lost, as it was."""

    to = (Resend,)
    epoch: Count
    number: Count
    news: "AnyNews"


class ConfirmationsFor(Request, frozen=True, kw_only=True):
    """Confirmations, handed to the neighbour from whom the draft came."""

    confirmations: Confirmations


class Holding(Request, frozen=True, kw_only=True):
    """Asks what the neighbour holds of us."""


class Held(Reply, frozen=True, kw_only=True):
    """The last that was witnessed and confirmed of who asked, as it signed it; empty for nothing."""

    to = (Holding,)
    transactions: LastTransaction
    drafts: LastDraft


class Probe(Request, frozen=True, kw_only=True):
    """How are you? The answer is to sign the nonce; `known` is the digest of the settings that need not be said again."""

    address: Address
    nonce: Nonce
    known: Digest


class Probed(Reply, frozen=True, kw_only=True):
    """What the node says of itself."""

    to = (Probe,)
    pulse: Pulse


class Refusal(Reply, frozen=True, kw_only=True):
    """A request was refused; `code` is listed in docs/protocol.md."""

    code: Word
    what: Word


if TYPE_CHECKING:
    AnyNews = News
else:
    AnyNews = union(members(News))

EVENT, LETTER = union(members(Event)), union(members(Letter))
REQUEST, REPLY = union(members(Request)), union(members(Reply))
