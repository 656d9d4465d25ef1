"""The rules an object of another node must keep, one function a kind; each raises `Refused` with the code of the broken rule.

Nothing here measures a model, reads a store or knows the time but through its arguments. `Verifier` remembers what it has
verified: an object's digest covers its signature, so an object with a known digest need not be verified again.
"""

from collections.abc import Container, Iterator, Sequence

from dfl_actors.core.codec import digest
from dfl_actors.core.objects import Confirmation, Digest, Draft, FinalBlock, Receipt, Signed, Transaction, check_signed, signer_of
from dfl_actors.core.recent import Recent
from dfl_actors.errors import Refused

WINDOW = 4096  # How far, in sequence numbers, a transaction may lag behind the newest one of the blocks before.
VERIFIED = 8192  # Objects that are remembered as verified.


class Verifier:
    """Checks signatures within one network, each object once. It remembers up to `capacity` digests, oldest out first.

    `members` are the keys that may sign; without them anybody may.
    """

    def __init__(self, genesis: Digest, members: Container[Digest] | None = None, capacity: int = VERIFIED) -> None:
        self.genesis, self._members = genesis, members
        self._known: Recent[Digest, None] = Recent(capacity)

    def check(self, value: Signed) -> Digest:
        """Digest of `value`, which a member signed. Raises as `check_member` and `objects.check_signed` do."""
        self.check_member(value)
        identity = digest(value)
        if identity not in self._known:
            check_signed(value, self.genesis)
            self.trust(identity)
        return identity

    def check_member(self, value: Signed) -> None:
        """Raises `Refused` with code `not_a_member`. It costs a look into a set, so it comes before whatever is dear."""
        if self._members is not None and value.public_key not in self._members:
            raise Refused("not_a_member", f"{value.kind} of {signer_of(value)[:8]}")

    def former(self) -> "Verifier":
        """One that takes former members too, and shares what is known: for blocks of the own chain."""
        other = Verifier(self.genesis)
        other._known = self._known
        return other

    def trust(self, identity: Digest) -> None:
        """Remember an object as verified: one we signed ourselves."""
        self._known.put(identity, None)


def received_at_ttl(transaction: Transaction, receipts: Sequence[Receipt]) -> int:
    """Equation 1 of the paper: min(transaction.ttl, receipts.received_at_ttl) - 1. Negative: the transaction came too far."""
    return min((transaction.ttl, *(receipt.received_at_ttl for receipt in receipts))) - 1


def check_lifetime(transaction: Transaction, now: int, longest: int, skew: int) -> None:
    """Raises `Refused` with code `lifetime` (expires before it was created, or more than `longest` ms after),
    `from_the_future` (created more than `skew` ms after `now`) or `expired`."""
    if not 0 < transaction.expires - transaction.created <= longest:
        raise Refused("lifetime", f"{transaction.expires - transaction.created} ms, at most {longest}")
    if transaction.created > now + skew:
        raise Refused("from_the_future", f"by {transaction.created - now} ms")
    if transaction.expires <= now:
        raise Refused("expired", f"{now - transaction.expires} ms ago")


def check_path(transaction: Transaction, receipts: Sequence[Receipt], sender: Digest, me: Digest) -> int:
    """The ttl at which we receive a transaction that `sender` passed on with the receipts of its way.

    The generator itself sends it without receipts; a relay must have appended its own, so it cannot reset the ttl by
    stripping those of others unseen. Raises `Refused` with code `own_transaction`, `relay_unsigned` or `ttl_exhausted`.
    """
    if transaction.generator == me:
        raise Refused("own_transaction")
    if sender != transaction.generator and all(receipt.creator != sender for receipt in receipts):
        raise Refused("relay_unsigned", f"relay {sender[:8]}")
    ttl = received_at_ttl(transaction, receipts)
    if ttl < 0:
        raise Refused("ttl_exhausted")
    return ttl


def check_transaction(transaction: Transaction, receipts: Sequence[Receipt], verifier: Verifier) -> Digest:
    """Digest of a right transaction with right receipts: each names it and is signed by its creator, and no witness speaks twice.

    Raises `Refused` with code `accuracy_range`, `receipt_moved`, `self_receipt`, `receipt_twice`, `receipt_ttl`, or as
    `objects.check_signed`.
    """
    if transaction.correct > transaction.tested:
        raise Refused("accuracy_range", "transaction")
    identity = verifier.check(transaction)
    creators: set[Digest] = set()
    for receipt in receipts:
        check_receipt(identity, transaction, receipt, verifier)
        if receipt.creator in creators:
            raise Refused("receipt_twice", f"witness {receipt.creator[:8]}")
        creators.add(receipt.creator)
    return identity


def check_receipt(identity: Digest, transaction: Transaction, receipt: Receipt, verifier: Verifier) -> Digest:
    """Digest of a receipt that rightly belongs to the transaction with digest `identity`."""
    if receipt.transaction != identity:
        raise Refused("receipt_moved", f"receipt for {receipt.transaction[:8]} under {identity[:8]}")
    if receipt.creator == transaction.generator:
        raise Refused("self_receipt", f"node {receipt.creator[:8]}")
    if receipt.received_at_ttl >= transaction.ttl:
        raise Refused("receipt_ttl", f"{receipt.received_at_ttl} of {transaction.ttl}")
    if receipt.correct > receipt.tested:
        raise Refused("accuracy_range", "receipt")
    return verifier.check(receipt)


def check_draft(draft: Draft, verifier: Verifier) -> Digest:
    """Digest of a draft in which every digest and signature is right.

    Raises `Refused` with code `foreign_transaction` (of another generator), `transaction_order` (sequence numbers do not
    rise), `no_receipt` (a transaction that nobody witnessed), or as `check_transaction`.
    """
    identity = verifier.check(draft)
    check_entries(draft)
    for _ in entry_checks(draft, verifier):
        pass
    return identity


def check_entries(draft: Draft) -> None:
    """What can be said of the entries of a draft without looking at their signatures: a generator's own transactions, in their order.
    Raises as `check_draft`."""
    before = -1
    for entry in draft.entries:
        if entry.transaction.generator != draft.generator:
            raise Refused("foreign_transaction", f"of {entry.transaction.generator[:8]}")
        if entry.transaction.sequence <= before:
            raise Refused("transaction_order", f"sequence {entry.transaction.sequence} after {before}")
        before = entry.transaction.sequence


def entry_checks(draft: Draft, verifier: Verifier) -> Iterator[int]:
    """Check one entry of a draft after the other, and say how many signatures each had: thousands in all may take half a second, and who
    has something else to do meanwhile may pause here. Raises as `check_draft`."""
    for entry in draft.entries:
        check_transaction(entry.transaction, entry.receipts, verifier)
        if not entry.receipts:
            raise Refused("no_receipt", f"sequence {entry.transaction.sequence}")
        yield 1 + len(entry.receipts)


def check_place(draft: Draft, latest: int) -> None:
    """What can be said of a draft's height and time without knowing its chain; `latest` is when it can have been made at the latest.

    Raises `Refused` with code `from_the_future`; `previous` for a first block that names no genesis; `height` for one that is higher than
    its sequence numbers allow: each block before holds a number of its own, and none is `WINDOW` or more above those of this draft.
    """
    if draft.created > latest:
        raise Refused("from_the_future", f"by {draft.created - latest} ms")
    if draft.height == 0 and draft.previous != draft.genesis:
        raise Refused("previous", f"{draft.previous[:8]}, expected {draft.genesis[:8]}")
    newest = draft.entries[-1].transaction.sequence
    if draft.height + len(draft.entries) > newest + WINDOW:
        raise Refused("height", f"{draft.height} with transaction {newest}")


def receipts_of(draft: Draft) -> dict[Digest, Receipt]:
    """The receipts of a draft by their digests."""
    return {digest(receipt): receipt for entry in draft.entries for receipt in entry.receipts}


def check_confirmation(confirmation: Confirmation, draft: Digest, receipts: dict[Digest, Receipt], verifier: Verifier) -> Digest:
    """Digest of a confirmation of one of the draft's receipts by the witness that issued it.

    Raises `Refused` with code `other_draft`, `unknown_receipt`, `not_the_witness`, or as `objects.check_signed`.
    """
    if confirmation.draft != draft:
        raise Refused("other_draft", f"{confirmation.draft[:8]}, not {draft[:8]}")
    receipt = receipts.get(confirmation.receipt)
    if receipt is None or receipt.transaction != confirmation.transaction:
        raise Refused("unknown_receipt", confirmation.receipt[:8])
    if signer_of(confirmation) != receipt.creator:
        raise Refused("not_the_witness", f"{confirmation.creator[:8]}, not {receipt.creator[:8]}")
    return verifier.check(confirmation)


def check_final(block: FinalBlock, verifier: Verifier) -> Digest:
    """Digest of a right final block; one without confirmations was abandoned, and proves nothing. Raises `confirmation_twice`,
    `finalised_before_created`, and as above."""
    identity = check_draft(block.draft, verifier)
    receipts = receipts_of(block.draft)
    confirmed: set[Digest] = set()
    for confirmation in block.confirmations:
        check_confirmation(confirmation, identity, receipts, verifier)
        if confirmation.receipt in confirmed:
            raise Refused("confirmation_twice", confirmation.receipt[:8])
        confirmed.add(confirmation.receipt)
    if block.finalised < block.draft.created:
        raise Refused("finalised_before_created")
    return digest(block)
