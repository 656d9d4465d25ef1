"""Evidence: two signed things that contradict each other. Whoever has it can show it, and anybody can check it.

Who keeps the protocol signs one transaction under a sequence number, one draft at a height and one receipt for a transaction. Two different
ones under one such place prove that its signer did not, or that its key is used twice; nobody else can make them.
"""

from typing import Annotated

from msgspec import Meta

from dfl_actors.core.checks import Verifier
from dfl_actors.core.codec import digest, encode, reread, sha256
from dfl_actors.core.objects import Address, Digest, Draft, Receipt, Record, Signed, Transaction, signer_of
from dfl_actors.core.recent import Recent
from dfl_actors.errors import Refused

KEPT = b"evidence/"  # Where a gossiper's journal keeps it.
LARGEST = 1 << 20  # Bytes of evidence that is kept and passed on.
REMEMBERED = 8192  # Transactions and receipts that are compared with what comes.
DRAFTS = 64  # Drafts likewise: the newest of so many generators.

Place = tuple[str, Address, str]
"""What there may be one of: its kind, who signs it, and the number, height or transaction."""


class Evidence(Record, frozen=True, kw_only=True):
    """Two of one kind and none of the others, in the order of their digests."""

    transactions: Annotated[tuple[Transaction, ...], Meta(max_length=2)]
    drafts: Annotated[tuple[Draft, ...], Meta(max_length=2)]
    receipts: Annotated[tuple[Receipt, ...], Meta(max_length=2)]

    @property
    def things(self) -> tuple[Signed, ...]:
        return (*self.transactions, *self.drafts, *self.receipts)


def place_of(value: Signed) -> Place:
    """Where a transaction, a draft or a receipt stands alone."""
    numbers = {"transaction": "sequence", "draft": "height", "receipt": "transaction"}
    return value.kind, signer_of(value), str(getattr(value, numbers[value.kind]))


def evidence(one: Signed, other: Signed) -> Evidence:
    """Of two different things under one place, whichever came first."""
    pair = sorted((one, other), key=digest)
    return Evidence(
        transactions=tuple(thing for thing in pair if isinstance(thing, Transaction)),
        drafts=tuple(thing for thing in pair if isinstance(thing, Draft)),
        receipts=tuple(thing for thing in pair if isinstance(thing, Receipt)),
    )


def small(shown: Evidence) -> bool:
    """Whether it is kept and passed on."""
    return len(encode(shown)) <= LARGEST


def check_evidence(shown: Evidence, verifier: Verifier) -> Place:
    """The place under which its signer signed twice, for evidence that somebody shows. Raises as `check_contradiction`, and `no_evidence`
    for what nobody may pass on."""
    if not small(shown):
        raise Refused("no_evidence", f"more than {LARGEST} bytes")
    return check_contradiction(shown, verifier)


def check_contradiction(shown: Evidence, verifier: Verifier) -> Place:
    """The same of whatever size, out of a journal. Raises `Refused` with code `no_evidence`, and as `Verifier.check`."""
    things = shown.things
    if len(things) != 2:
        raise Refused("no_evidence", f"{len(things)} things")
    places, (first, second) = {place_of(thing) for thing in things}, map(digest, things)
    if len(places) != 1 or first >= second:
        raise Refused("no_evidence", "they do not contradict each other")
    for thing in things:
        verifier.check(thing)
    return places.pop()


class Claims:
    """What was signed lately, by its place. Only what was checked may be brought here."""

    def __init__(self) -> None:
        self._known: Recent[Place, Signed] = Recent(REMEMBERED)
        self._drafts: Recent[Address, tuple[Place, Digest, bytes]] = Recent(DRAFTS)

    def saw(self, value: Signed) -> Evidence | Place | None:
        """What it proves together with what was seen before, if anything; the place alone where both are too large to be shown."""
        if isinstance(value, Draft):
            return self._draft(value)
        known = self._known.get(place_of(value))
        if known is None:
            self._known.put(place_of(value), value)
        return None if known is None or known == value else evidence(known, value)

    def _draft(self, value: Draft) -> Evidence | Place | None:
        """The newest of each generator is compared; of one that is large only the digest is known."""
        place, raw = place_of(value), encode(value)
        before, known, kept = self._drafts.get(value.generator, (None, "", b""))
        if before == place and known != sha256(raw):
            shown = evidence(reread(Draft, kept), value) if kept else None
            return place if shown is None or not small(shown) else shown
        self._drafts.put(value.generator, (place, sha256(raw), raw if len(raw) <= LARGEST // 2 else b""))
        return None
