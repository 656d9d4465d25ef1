"""The builder owns the chain.

It gathers the receipts for the node's own transactions; once enough transactions have theirs it signs a draft, gathers the
confirmations and appends the final block. One draft is open at a time, and it is journalled before it leaves: after a crash
the same draft goes out again, never another one for the same height. One that nobody confirms for long becomes final as it is: it
proves nothing and earns nothing, its receipts are spent, and the chain goes on. The journal pins the head of the chain, so that a start
takes no longer for a longer chain (`core/chain.py`).
"""

from collections.abc import Iterator
from itertools import islice
from typing import Literal

from dfl_actors.actors.base import Actor, JournalReader, Settings, brought
from dfl_actors.core import chain, events
from dfl_actors.core.blocks import Pending, Terms, confirmable_until, enough, fitting, in_order
from dfl_actors.core.checks import Verifier, check_confirmation, check_receipt, receipts_of
from dfl_actors.core.clock import FOREVER, Now, since
from dfl_actors.core.codec import digest, encode, reread
from dfl_actors.core.control import Holdings
from dfl_actors.core.effects import Commit, Effect, Journal, Note, Tell, Touch
from dfl_actors.core.keys import KeyPair
from dfl_actors.core.members import LISTED, list_key
from dfl_actors.core.messages import Announced, ConfirmationsArrived, Drafted, Finalised, Lacking, ReceiptArrived, Settled
from dfl_actors.core.objects import MAX_RECEIPTS, Confirmation, Draft, Entry, FinalBlock, MemberList, PublicKey, Receipt, Transaction, issue
from dfl_actors.core.words import Started, Tick
from dfl_actors.errors import ChainError, Refused, our_own

MOST_TOUCHED = 8  # Transactions, oldest first, whose models are kept in the store while they wait for receipts.
MOST_PENDING = 1024  # Transactions that wait for receipts or for a draft; of more the oldest goes.
REMINDERS = 5  # How often a draft goes out again before its deadline.


class BuilderSettings(Settings, frozen=True, kw_only=True):
    """When a block is drafted and when it is final (the section `block` of a topology). `founders`: the members that the genesis names."""

    transactions: int
    receipts: int
    receipt_wait: int
    confirmations: float
    per: Literal["block", "transaction"]
    deadline: int
    abandon: int
    memo: str
    founders: frozenset[PublicKey] = frozenset()


class Builder(Actor):
    """Tells the gossiper `Drafted` and `Finalised`, the trainer `Settled`."""

    name = "builder"
    settings: BuilderSettings

    def __init__(self, settings: BuilderSettings, key: KeyPair, stored: chain.Stored, journal: JournalReader, now: Now) -> None:
        super().__init__(settings)
        self._key, self._verifier = key, Verifier(settings.genesis, settings.members)
        self._terms = Terms(len(settings.neighbours), settings.receipts, settings.receipt_wait)
        self._chain = self._pinned = chain.empty(settings.genesis)
        self._resume(stored, journal)
        self._pending: dict[str, Pending] = {}
        self._settled: set[str] = set()
        self._stale: list[bytes] = []  # Receipts of who is no member any more.
        self._draft: Draft | None = None
        # Of a draft from before a restart, until the run has begun again.
        self._deadline = self._reminder = self._abandon = FOREVER
        self._listed: MemberList | None = None
        self._recover(journal, now)
        self.counts["height"] = self._chain.height
        self.counts["drafted"] = self._chain.height + (self._draft is not None)

    def _resume(self, stored: chain.Stored, journal: JournalReader) -> None:
        try:
            self._pinned = chain.decode_pin(journal.get(chain.PIN)) or self._pinned
            chain.check_pin(self._pinned, stored, chain.decode_pin(journal.get(chain.BASE)))
            self._chain = chain.resume(self._pinned, stored, self._verifier.former())
        except Refused as error:
            raise ChainError(f"the chain breaks rule {error}: name the block with `dfl-actors chain verify`") from error

    def _recover(self, journal: JournalReader, now: Now) -> None:
        for _, raw in journal.scan(b"t/"):
            transaction = reread(Transaction, raw)
            if not self._in_chain(transaction):
                self._pending[digest(transaction)] = Pending(transaction, self._terms, now)
        for key, raw in journal.scan(b"r/"):
            receipt = reread(Receipt, raw)
            if receipt.public_key not in self.settings.members:
                self._stale.append(key)
            elif receipt.transaction in self._pending:
                self._pending[receipt.transaction].receipts[receipt.creator] = receipt
        for _, raw in journal.scan(LISTED):
            self._listed = reread(MemberList, raw)
        raw_draft = journal.get(b"draft")
        self._leftover = None if raw_draft is None else reread(Draft, raw_draft)
        if self._leftover is not None and self._leftover.height == self._chain.height:
            for entry in self._leftover.entries:
                self._pending.pop(digest(entry.transaction), None)
            self._open(self._leftover, now)
        for _, raw in journal.scan(b"c/"):
            confirmation = reread(Confirmation, raw)
            if self._draft is not None and confirmation.draft == self._draft_digest:
                self._confirmations[confirmation.receipt] = confirmation

    def _open(self, draft: Draft, now: Now) -> None:
        self._draft, self._leftover = draft, None
        self._opened = since(draft.created, now)
        self._draft_digest = digest(draft)
        self._receipts = receipts_of(draft)
        self._confirmations: dict[str, Confirmation] = {}
        self.idle = False

    def on_started(self, message: Started, now: Now) -> Iterator[Effect]:
        if message.adoption is not None and not self._chain.height and self._draft is None and message.adoption.held.height >= 0:
            yield from self._begin_behind(message.adoption.held)
        if self._chain != self._pinned:
            yield self._pin()
        yield from (Journal(key, None) for key in self._stale)
        if self._draft is not None:
            yield from self._remind(now)
            self._wait_from(now)
        for identity, pending in self._pending.items():
            if pending.answered():
                yield from self._settle(identity)
        yield from self._advance(now)

    def _begin_behind(self, held: Holdings) -> Iterator[Effect]:
        """Where blocks were lost the chain begins at their height: a witness would confirm no other draft below it."""
        self._chain = chain.behind(held.height, held.draft, self._key.address, held.sequence, held.created)
        self.counts["height"] = self._chain.height
        yield Journal(chain.BASE, chain.encode_pin(self._chain))

    def on_announced(self, message: Announced, now: Now) -> Iterator[Effect]:
        identity = digest(message.transaction)
        if identity in self._pending or self._in_draft(identity) or self._in_chain(message.transaction):
            return
        self._verifier.trust(identity)
        self._pending[identity] = Pending(message.transaction, self._terms, now)
        if len(self._pending) > MOST_PENDING:
            self.count("crowded_out")
            yield from self._give_up(next(iter(self._pending)))
        yield Journal(b"t/" + identity.encode(), encode(message.transaction))
        for pending in islice(self._lacking(), MOST_TOUCHED):
            # Who has not answered may still fetch it: neighbours' models must not push it out of the store.
            yield Touch(pending.transaction.model)
        yield from self._advance(now)

    def on_receipt_arrived(self, message: ReceiptArrived, now: Now) -> Iterator[Effect]:
        receipt = message.receipt
        pending = self._pending.get(receipt.transaction)
        if pending is None or receipt.creator in pending.receipts or len(pending.receipts) >= MAX_RECEIPTS:
            return
        try:
            check_receipt(receipt.transaction, pending.transaction, receipt, self._verifier)
        except Refused as error:
            yield brought(error, "receipt", digest(receipt), message.sender, receipt.creator)
            return
        pending.receipts[receipt.creator] = receipt
        self.count("receipts")
        yield Journal(f"r/{receipt.transaction}/{receipt.creator}".encode(), encode(receipt))
        tx, ms = receipt.transaction, now.mono - pending.since
        yield Note(events.ReceiptArrived(tx=tx, creator=receipt.creator, correct=receipt.correct, tested=receipt.tested, ms=ms))
        if pending.answered():
            yield from self._settle(tx)
        if not pending.lacking() or pending.ready(now.mono):
            yield from self._advance(now)
        else:
            at = pending.ready_at()
            self.wake = at if self.wake is None else min(self.wake, at)

    def on_confirmations_arrived(self, message: ConfirmationsArrived, now: Now) -> Iterator[Effect]:
        for confirmation in message.confirmations:
            if self._draft is None or confirmation.receipt in self._confirmations:
                continue
            try:
                check_confirmation(confirmation, self._draft_digest, self._receipts, self._verifier)
            except Refused as error:
                yield brought(error, "confirmation", digest(confirmation), message.sender, confirmation.creator)
                continue
            self._confirmations[confirmation.receipt] = confirmation
            yield Journal(b"c/" + confirmation.receipt.encode(), encode(confirmation))
        yield from self._advance(now)

    def on_tick(self, _: Tick, now: Now) -> Iterator[Effect]:
        if self._draft is not None and now.mono >= self._reminder:
            yield from self._remind(now)
        yield from self._advance(now)

    def _advance(self, now: Now) -> Iterator[Effect]:
        """Everything that has become possible: expire, finalise, draft; then say when time alone will change something."""
        if self._leftover is not None:
            yield from self._forget(self._leftover)
        yield from self._expire(now)
        yield from self._ask_again(now)
        if self._draft is not None and self._may_finalise(self._draft, now):
            yield from self._finalise(self._draft, now)
        if self._draft is None:
            yield from self._try_draft(now)
        self._set_wake(now)

    def _expire(self, now: Now) -> Iterator[Effect]:
        for identity, pending in list(self._pending.items()):
            if now.mono >= (pending.expires if len(pending.receipts) < self.settings.receipts else pending.over):
                yield from self._give_up(identity)

    def _give_up(self, identity: str) -> Iterator[Effect]:
        receipts = self._pending.pop(identity).receipts
        yield from self._settle(identity)
        self._settled.discard(identity)
        yield from forget(identity, receipts)
        yield Note(events.Expired(tx=identity, receipts=len(receipts), needed=self.settings.receipts))

    def _ask_again(self, now: Now) -> Iterator[Effect]:
        """Have transactions announced again that neighbours have not answered: whatever was lost on the way then comes again."""
        for pending in self._pending.values():
            if pending.lacks(now.mono):
                pending.reminded = now.mono
                yield Tell(Lacking(transaction=pending.transaction))

    def _try_draft(self, now: Now) -> Iterator[Effect]:
        ready = [pending for pending in self._pending.values() if pending.ready(now.mono)]
        if len(ready) < self.settings.transactions:
            return
        ready.sort(key=lambda pending: pending.transaction.sequence)
        entries = tuple(fitting(pending.entry() for pending in ready[: self.settings.transactions]))
        draft = self._sign(entries, now)
        self._open(draft, now)
        self._wait_from(now)
        identities = tuple(digest(entry.transaction) for entry in entries)
        for identity in identities:
            del self._pending[identity]
        yield from self._list_members(draft)
        yield Journal(b"draft", encode(draft))
        yield from self._remind(now)
        transactions, receipts = len(entries), len(self._receipts)
        yield Note(
            events.Drafted(height=draft.height, draft=self._draft_digest, transactions=transactions, receipts=receipts, txs=identities)
        )

    def _sign(self, entries: tuple[Entry, ...], now: Now) -> Draft:
        place = {"height": self._chain.height, "previous": self._chain.head, "created": max(now.wall, self._chain.finalised)}
        draft = issue(Draft, self._key, self.settings.genesis, **place, entries=entries, memo=self.settings.memo)
        self._verifier.trust(digest(draft))
        return draft

    def _list_members(self, draft: Draft) -> Iterator[Effect]:
        """Who the members are from this draft on, for its readers, where they are not those of the list before, or of the genesis."""
        last, settings = self._listed, self.settings
        if settings.members == (settings.founders if last is None else frozenset(last.keys)) or not settings.founders:
            return
        said = {"number": 1 if last is None else last.number + 1, "created": draft.created, "keys": sorted(settings.members)}
        self._listed = issue(MemberList, self._key, settings.genesis, **said)
        yield Journal(list_key(self._listed), encode(self._listed))

    def _remind(self, now: Now) -> Iterator[Effect]:
        assert self._draft is not None
        self._reminder = now.mono + max(1, self.settings.deadline // REMINDERS)
        yield Tell(Drafted(draft=self._draft))

    def _wait_from(self, now: Now) -> None:
        """From now on the open draft waits, no longer than somebody may confirm it. Also after a restart its witnesses get a deadline."""
        assert self._draft is not None
        last = max(confirmable_until(entry.transaction) for entry in self._draft.entries) - self._draft.created
        self._deadline = now.mono + self.settings.deadline
        self._abandon = max(self._opened + min(self.settings.abandon, last), self._deadline)

    def _may_finalise(self, draft: Draft, now: Now) -> bool:
        """Enough confirmations; or any at all once the deadline has passed; or none when it is time to give the draft up."""
        settings = self.settings
        if not self._confirmations:
            return now.mono >= self._abandon
        return now.mono >= self._deadline or enough(draft, self._confirmations, self._receipts, settings.confirmations, settings.per)

    def _finalise(self, draft: Draft, now: Now) -> Iterator[Effect]:
        confirmations = in_order(self._confirmations.values())
        block = FinalBlock(draft=draft, confirmations=confirmations, finalised=max(now.wall, draft.created))
        with our_own("block"):
            self._chain = chain.extend(self._chain, block, self._verifier.former())
        self._draft, self.idle = None, True
        self.counts["height"] = self._chain.height
        if not confirmations:
            self.count("abandoned")
        yield Commit(draft.height, encode(block))
        yield self._pin()
        yield from self._forget(draft)
        yield Tell(Finalised(generator=draft.generator, height=draft.height, block=self._chain.head))
        yield Note(
            events.Final(
                height=draft.height,
                block=self._chain.head,
                transactions=len(draft.entries),
                confirmations=len(confirmations),
                expected=len(self._receipts),
                ms=now.mono - self._opened,
            )
        )

    def _pin(self) -> Journal:
        self._pinned = self._chain
        return Journal(chain.PIN, chain.encode_pin(self._chain))

    def _forget(self, draft: Draft) -> Iterator[Effect]:
        """The journal no longer needs what the chain now holds."""
        self._leftover = None
        yield Journal(b"draft", None)
        for entry in draft.entries:
            identity = digest(entry.transaction)
            self._pending.pop(identity, None)
            yield from self._settle(identity)
            self._settled.discard(identity)
            yield from forget(identity, {receipt.creator: receipt for receipt in entry.receipts})
            for receipt in entry.receipts:
                yield Journal(b"c/" + digest(receipt).encode(), None)

    def _lacking(self) -> Iterator[Pending]:
        return (pending for pending in self._pending.values() if pending.lacking())

    def _settle(self, identity: str) -> Iterator[Effect]:
        if identity not in self._settled:
            self._settled.add(identity)
            yield Tell(Settled(transaction=identity))

    def _in_draft(self, identity: str) -> bool:
        return self._draft is not None and any(digest(entry.transaction) == identity for entry in self._draft.entries)

    def _in_chain(self, transaction: Transaction) -> bool:
        return transaction.sequence <= self._chain.sequence and transaction.sequence not in self._chain.skipped

    def _set_wake(self, now: Now) -> None:
        times = [pending.ready_at() for pending in self._pending.values()] + [pending.ask_at() for pending in self._lacking()]
        later = [time for time in times if time > now.mono]
        if self._draft is not None:
            later += [self._reminder, *(time for time in (self._deadline, self._abandon) if time > now.mono)]
        self.wake = min(later, default=None)


def forget(identity: str, receipts: dict[str, Receipt]) -> Iterator[Effect]:
    """Delete a transaction and its receipts from the journal."""
    yield Journal(b"t/" + identity.encode(), None)
    for creator in receipts:
        yield Journal(f"r/{identity}/{creator}".encode(), None)
