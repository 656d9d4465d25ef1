"""The validator is the node as a witness: it issues receipts and gives confirmations.

A transaction that keeps every rule is measured on the node's own received samples, and the receipt is journalled before it
leaves: the same transaction always gets the same receipt, byte for byte. A receipt is confirmed for one draft only, and one
draft only is confirmed of a generator at a height, so a chain cannot be written again once others have confirmed it. What is remembered
ends with the time in which a receipt can be confirmed; the last draft confirmed of each generator stays (`ledger`).
"""

from collections import deque
from collections.abc import Iterator
from typing import Protocol

import numpy as np

from dfl_actors.actors.base import Actor, JournalReader, Models, Settings, brought
from dfl_actors.actors.ledger import MOST_FORGOTTEN, Ledger, sequence_key
from dfl_actors.actors.trainer import Pool
from dfl_actors.core import events
from dfl_actors.core.blocks import confirmable_until
from dfl_actors.core.checks import Verifier, check_entries, check_lifetime, check_path, check_place, check_transaction, entry_checks
from dfl_actors.core.clock import Now
from dfl_actors.core.codec import digest, encode, reread
from dfl_actors.core.effects import Effect, Journal, Note, Publish, Tell
from dfl_actors.core.keys import KeyPair
from dfl_actors.core.messages import (
    Begun,
    Confirmed,
    DraftArrived,
    Fetched,
    HoldingAsked,
    HoldingFound,
    Injected,
    Judged,
    Scored,
    Witnessed,
)
from dfl_actors.core.objects import Address, Confirmation, Count, Digest, Draft, Receipt, Record, Time, Transaction, issue
from dfl_actors.core.recent import Recent
from dfl_actors.core.words import Started, Stopping, Tick
from dfl_actors.errors import Refused
from dfl_actors.learning.weights import model_bytes

LONGEST_LIFETIMES = 4  # A transaction may live this many times longer than our own do; more is refused.
MOST_WAITING = 256  # Transactions kept while the node has no samples to measure them on; the oldest goes first.
MOST_REWRITTEN = 64  # Generators reported at once that contradict what is known of them.
NEWEST, CONFIRMED, LOST = b"w/", b"g/", b"lost"  # Where the journal keeps the last of each generator, and what was lost of our own.
FORGET_EVERY = 5_000  # Milliseconds between two looks at what can be forgotten, unless there is more.
AT_ONCE = 64  # Signatures of a draft that are checked before other letters have their turn: some 6 ms.
MEASURED = 1024  # Models whose measurement is known, for other transactions that name them.


class Given(Record, frozen=True, kw_only=True):
    """The confirmations given for one draft, as they were signed."""

    confirmations: tuple[Confirmation, ...]


class Lost(Record, frozen=True, kw_only=True):
    """When the node began anew behind what its lost directory held, and how high the chains of its neighbours were then."""

    at: Time
    heights: dict[Address, Count]


class ValidatorSettings(Settings, frozen=True, kw_only=True):
    """The size of a model, how long the node's own transactions live, how far clocks may differ, and samples for a measurement."""

    parameters: int
    expiry: int
    skew: int
    tests: int


class Judge(Protocol):
    """Measures what neighbours send; samples are named by their indices."""

    def judge(self, data: memoryview, codec: str, parameters: int, samples: np.ndarray) -> tuple[int, int]:
        """How good an encoded model is: `correct` of `tested`. Raises `Refused` for what is no model of so many parameters."""


class Validator(Actor):
    """Publishes `Scored`; tells the gossiper `Witnessed` and `Confirmed`."""

    name = "validator"
    settings: ValidatorSettings

    def __init__(
        self,
        settings: ValidatorSettings,
        key: KeyPair,
        judge: Judge,
        models: Models,
        journal: JournalReader,
        pool: Pool,
        rng: np.random.Generator,
    ) -> None:
        super().__init__(settings)
        self._key, self._judge, self._models, self._ledger = key, judge, models, Ledger(journal)
        self._pool, self._rng = pool, rng
        self._verifier = Verifier(settings.genesis, settings.members)
        self._waiting: deque[Fetched] = deque(maxlen=MOST_WAITING)
        self._measured: Recent[Digest, tuple[int, int]] = Recent(MEASURED)
        self._checking: deque[tuple[DraftArrived, Digest, Iterator[int]]] = deque()  # Drafts of which some signatures are checked.
        self._forget_at = 0
        self.rewritten: dict[Address, str] = {}
        lost = journal.get(LOST)
        self._lost = None if lost is None else reread(Lost, lost)

    def on_started(self, message: Started, now: Now) -> Iterator[Effect]:
        yield Tell(Begun())
        self.wake = self._forget_at = now.mono + FORGET_EVERY
        if message.adoption is not None:
            self._lost = Lost(at=message.adoption.at, heights=message.adoption.heights)
            yield Journal(LOST, encode(self._lost))

    def on_tick(self, _: Tick, now: Now) -> Iterator[Effect]:
        """A draft that is being checked is checked further; receipts that nobody may have confirmed any more are forgotten."""
        checking = bool(self._checking)
        if checking:
            yield from self._check_on(*self._checking.popleft(), now)
        if not checking or now.mono >= self._forget_at:
            effects = list(self._ledger.forget(now.wall))
            self._forget_at = now.mono + (FORGET_EVERY if len(effects) < MOST_FORGOTTEN else 1)
            yield from effects
        self.wake = now.mono if self._checking else self._forget_at

    def on_holding_asked(self, message: HoldingAsked, now: Now) -> Iterator[Effect]:
        """The generator's own words prove to it what it has signed, also what waits here for samples."""
        heard = [one.transaction for one in self._waiting if one.transaction.generator == message.sender]
        known = [one for one in (self._newest(message.sender), *heard) if one is not None]
        transaction, draft = max(known, key=lambda one: one.sequence, default=None), self._last(message.sender)
        transactions, drafts = () if transaction is None else (transaction,), () if draft is None else (draft,)
        yield Tell(HoldingFound(sender=message.sender, transactions=transactions, drafts=drafts))

    def on_injected(self, message: Injected, now: Now) -> Iterator[Effect]:
        self._pool.add(np.asarray(message.samples, np.uint32))
        while self._waiting:
            yield from self._witness(self._waiting.popleft(), now)

    def on_fetched(self, message: Fetched, now: Now) -> Iterator[Effect]:
        if len(self._pool):
            yield from self._witness(message, now)
        else:
            self._waiting.append(message)

    def on_stopping(self, _: Stopping, now: Now) -> None:
        self._waiting.clear()

    def on_draft_arrived(self, message: DraftArrived, now: Now) -> Iterator[Effect]:
        """It is checked at once; of one that has very many signatures a part, and the rest in turn with whatever else there is to do."""
        identity = digest(message.draft)
        given = self._given(identity, message.sender)
        yield from given or self._check_on(message, identity, self._checks(message.draft), now)
        self.wake = now.mono if self._checking else self._forget_at

    def _given(self, identity: Digest, sender: Address) -> list[Effect]:
        """The confirmations of a draft that comes again: the same."""
        given = self._read(b"d/" + identity.encode())
        return [] if given is None else [Tell(Confirmed(sender=sender, confirmations=reread(Given, given).confirmations))]

    def _checks(self, draft: Draft) -> Iterator[int]:
        """The signatures in a draft are checked where it has a receipt of ours: else nothing is confirmed, and nothing passed on."""
        self._verifier.check(draft)
        check_entries(draft)
        if any(receipt.creator == self.settings.address for entry in draft.entries for receipt in entry.receipts):
            yield from entry_checks(draft, self._verifier)

    def _check_on(self, message: DraftArrived, identity: Digest, checks: Iterator[int], now: Now) -> Iterator[Effect]:
        """Check some signatures of a draft; after the last of them it is confirmed."""
        checked = 0
        try:
            for count in checks:
                checked += count
                if checked >= AT_ONCE:
                    self._checking.append((message, identity, checks))
                    return
            yield from self._confirm(identity, message, now)
        except Refused as error:
            yield brought(error, "draft", identity, message.sender, message.draft.generator)
            yield Tell(Judged(what=identity, code=error.code, drafts=self._contradicted(message.draft, error)))

    def _contradicted(self, draft: Draft, error: Refused) -> tuple[Draft, ...]:
        """The draft that we confirmed at its height, if it is the last of its generator: of others the journal has the digest alone."""
        last = self._last(draft.generator) if error.code == "block_rewritten" else None
        return () if last is None or last.height != draft.height else (last,)

    def _last(self, generator: Address) -> Draft | None:
        """The last draft confirmed of a generator."""
        raw = self._read(CONFIRMED + generator.encode())
        return None if raw is None else reread(Draft, raw)

    def _witness(self, message: Fetched, now: Now) -> Iterator[Effect]:
        transaction = message.transaction
        identity = digest(transaction)
        issued = self._read(b"r/" + identity.encode())
        if issued is not None:
            yield Tell(Witnessed(transaction=transaction, receipts=message.receipts, receipt=reread(Receipt, issued)))
            return
        try:
            ttl = self._check(message, now)
            correct, tested = self._measure(transaction)
        except Refused as error:
            yield brought(error, "transaction", identity, message.sender, transaction.generator)
            known = self._newest(transaction.generator) if error.code == "sequence_reused" else None
            contradicted = () if known is None or known.sequence != transaction.sequence else (known,)
            yield Tell(Judged(what=identity, code=error.code, transactions=contradicted))
            return
        yield from self._issue(message, identity, ttl, correct, tested, now)

    def _check(self, message: Fetched, now: Now) -> int:
        """The ttl at which a transaction that keeps every rule arrived."""
        transaction, settings = message.transaction, self.settings
        self._verifier.check_member(transaction)
        check_lifetime(transaction, now.wall, LONGEST_LIFETIMES * settings.expiry, settings.skew)
        ttl = check_path(transaction, message.receipts, message.sender, settings.address)
        identity = check_transaction(transaction, message.receipts, self._verifier)
        if any(receipt.creator == settings.address for receipt in message.receipts):
            raise Refused("receipt_not_issued", "a receipt in our name that we never gave")
        known = self._read(sequence_key(transaction))
        if known is not None and known != identity.encode():
            self._contradicts(transaction.generator, f"transaction {transaction.sequence}")
        if known not in (None, identity.encode()) or transaction.sequence <= self._ledger.forgotten(transaction.generator):
            raise Refused("sequence_reused", f"sequence {transaction.sequence}")
        if transaction.size != model_bytes(transaction.codec, settings.parameters):
            raise Refused("model_size", f"{transaction.size} bytes")
        return ttl

    def _measure(self, transaction: Transaction) -> tuple[int, int]:
        """Each model is measured once, however many transactions name it."""
        known = self._measured.get(transaction.model)
        if known is None:
            known = self._judged(transaction)
            self._measured.put(transaction.model, known)
        return known

    def _judged(self, transaction: Transaction) -> tuple[int, int]:
        tests = self._pool.draw(self.settings.tests, self._rng)
        with self._models.view(transaction.model) as data:
            if data is None:
                raise Refused("model_missing", transaction.model[:8])
            return self._judge.judge(data, transaction.codec, self.settings.parameters, tests)

    def _issue(self, message: Fetched, identity: str, ttl: int, correct: int, tested: int, now: Now) -> Iterator[Effect]:
        transaction = message.transaction
        said = {"received_at_ttl": ttl, "correct": correct, "tested": tested, "created": now.wall}
        receipt = issue(Receipt, self._key, self.settings.genesis, transaction=identity, **said)
        raw = encode(receipt)
        self._verifier.trust(digest(receipt))
        self.count("received")
        remembered = {b"r/" + identity.encode(): raw, sequence_key(transaction): identity.encode()}
        yield from self._ledger.keep(confirmable_until(transaction), identity, remembered)
        newest = self._newest(transaction.generator)
        if newest is None or transaction.sequence > newest.sequence:
            yield self._ledger.write(NEWEST + transaction.generator.encode(), encode(transaction))
        yield Tell(Witnessed(transaction=transaction, receipts=message.receipts, receipt=receipt))
        by, model, codec = transaction.generator, transaction.model, transaction.codec
        score = {"correct": correct, "tested": tested, "samples": transaction.samples or 0}
        yield Publish(Scored(transaction=identity, generator=by, model=model, codec=codec, **score))
        yield Note(events.Scored(tx=identity, generator=by, correct=correct, tested=tested, ttl=ttl))

    def _confirm(self, identity: str, message: DraftArrived, now: Now) -> Iterator[Effect]:
        if given := self._given(identity, message.sender):
            yield from given
            return
        draft = message.draft
        last = self._last(draft.generator)
        check_place(draft, self._latest(draft, last, now))
        confirmations = tuple(self._confirmations(identity, draft, now)) if self._follows(draft, last) else ()
        if not confirmations:
            yield Tell(Judged(what=identity, code=""))
            return
        if draft.generator in self.rewritten:
            self.rewritten[draft.generator] = ""
        remembered = {b"c/" + confirmation.receipt.encode(): identity.encode() for confirmation in confirmations}
        remembered |= {place_key(draft): identity.encode(), b"d/" + identity.encode(): encode(Given(confirmations=confirmations))}
        yield from self._ledger.keep(max(confirmable_until(entry.transaction) for entry in draft.entries), identity, remembered)
        yield self._ledger.write(CONFIRMED + draft.generator.encode(), encode(draft))
        yield Tell(Confirmed(sender=message.sender, confirmations=confirmations))
        yield Note(events.Confirmed(draft=identity, generator=draft.generator, confirmations=len(confirmations)))

    def _latest(self, draft: Draft, last: Draft | None, now: Now) -> int:
        """When a draft can have been made at the latest: no draft is older than the block before, so where clocks were set back while all
        nodes were down it is ahead of them, as our own receipts in it or the draft before are."""
        ours = [receipt.created for entry in draft.entries for receipt in entry.receipts if receipt.creator == self.settings.address]
        known = max([*ours, *([] if last is None else [last.created])], default=0)
        latest = now.wall + self.settings.skew
        return known + self.settings.expiry if known > latest else latest

    def _follows(self, draft: Draft, last: Draft | None) -> bool:
        """Whether it stands behind the `last` draft confirmed of its generator; one from before that comes late is nobody's fault.

        Raises `Refused` with code `block_rewritten` for one that was made later than that and stands before it, or that is not the one
        confirmed at its height, and `time_backwards`.
        """
        standing = self._read(place_key(draft))
        behind = last is None or draft.height > last.height
        if standing is not None or (last is not None and not behind and draft.created > last.created):
            self._contradicts(draft.generator, f"block {draft.height}")
            known = f"we confirmed {standing[:8].decode()}" if standing is not None else "we confirmed a later one before it was made"
            raise Refused("block_rewritten", f"height {draft.height}, {known}")
        if last is not None and behind and draft.created < last.created:
            raise Refused("time_backwards", f"{last.created - draft.created} ms before block {last.height}")
        return behind

    def _contradicts(self, generator: Address, what: str) -> None:
        """It has lost what it signed, or signs it again; nobody but a witness can know. The first is the one to tell."""
        known = self.rewritten
        if not known.get(generator) and (generator in known or len(known) < MOST_REWRITTEN):
            known[generator] = what

    def _confirmations(self, identity: str, draft: Draft, now: Now) -> Iterator[Confirmation]:
        """One for each receipt of the draft that is ours. Raises `too_late`, `receipt_not_issued` or `confirmed_elsewhere`."""
        for entry in draft.entries:
            for receipt in entry.receipts:
                if receipt.creator == self.settings.address:
                    if (late := now.wall - confirmable_until(entry.transaction)) > 0:
                        raise Refused("too_late", f"sequence {entry.transaction.sequence}, by {late} ms")
                    yield self._confirmation(identity, digest(receipt), receipt, self._may_be_lost(receipt, draft))

    def _newest(self, generator: Address) -> Transaction | None:
        """The transaction with the highest sequence number of a generator that we witnessed."""
        known = self._read(NEWEST + generator.encode())
        return None if known is None else reread(Transaction, known)

    def _may_be_lost(self, receipt: Receipt, draft: Draft) -> bool:
        """Whether we may have issued it before our directory was lost: nobody else can sign it. A generator whose chain was higher then
        may not have earlier blocks confirmed anew."""
        lost = self._lost
        return lost is not None and receipt.created < lost.at and draft.height >= lost.heights.get(draft.generator, 0)

    def _confirmation(self, identity: str, own: str, receipt: Receipt, lost: bool) -> Confirmation:
        if not lost and self._read(b"r/" + receipt.transaction.encode()) != encode(receipt):
            raise Refused("receipt_not_issued", own[:8])
        if self._read(b"c/" + own.encode()) is not None:
            raise Refused("confirmed_elsewhere", own[:8])
        return issue(Confirmation, self._key, self.settings.genesis, draft=identity, transaction=receipt.transaction, receipt=own)

    def _read(self, key: bytes) -> bytes | None:
        return self._ledger.read(key)


def place_key(draft: Draft) -> bytes:
    """Where the validator keeps which draft it confirmed at a height of a chain."""
    return f"h/{draft.generator}/{draft.height}".encode()
