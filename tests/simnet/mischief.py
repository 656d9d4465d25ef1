"""What a neighbour with a key does to the honest: `Culprit` has a method for each act, some of them as an honest node would."""

from collections.abc import Iterator
from itertools import count

import numpy as np

from dfl_actors.core.codec import digest, model_digest
from dfl_actors.core.messages import ConfirmationsFor, DraftNews, Fetch, Hello, ReceiptNews, Resend, TransactionNews
from dfl_actors.core.objects import Draft, Entry, Receipt, Transaction, sign
from tests.objects import unsigned
from tests.simnet.network import SimNetwork
from tests.simnet.rogue import ZERO, Rogue

NAME = "m"
AGES = 1 << 52
MANY = 12
LIFE = 6_000


class Culprit:
    """The neighbour `m`, and what it has signed so far."""

    def __init__(self, network: SimNetwork) -> None:
        self._network = network
        self._made: dict[str, Transaction] = {}
        self._numbers, self._heights, self._strangers = count(), count(), count(1)
        self._drafts: list[Draft] = []

    def perform(self, act: str, times: int) -> None:
        """One of the acts, so many times; nothing while the neighbour does not run."""
        if isinstance(self._network.nodes[NAME].processes["gossiper"].actor, Rogue):
            self._network.saw(f"a neighbour {act.replace('_', ' ')}")
            for _ in range(times):
                getattr(self, act)()

    @property
    def _rogue(self) -> Rogue:
        rogue = self._network.nodes[NAME].processes["gossiper"].actor
        assert isinstance(rogue, Rogue)
        return rogue

    def _neighbours(self) -> list[str]:
        return [self._network.address(name) for name in self._network.plan.neighbours(NAME)]

    def _heard(self) -> Iterator[Transaction]:
        """The newest transaction of each honest neighbour."""
        found = (self._rogue.transactions_of(address) for address in self._neighbours())
        return (transactions[-1] for transactions in found if transactions)

    def _say(self, weights: np.ndarray | None = None, **fields: object) -> Transaction:
        """A transaction, right but for `fields`, of a model of eight numbers."""
        number = next(self._numbers)
        data = np.full(8, 0.5 + number / 1000, "<f4") if weights is None else weights.astype("<f4")
        right = {"sequence": number, "expires": self._network.now + LIFE}
        made = self._rogue.transaction(self._network.now, data.tobytes(), **{**right, **fields})
        self._made[digest(made)] = made
        self._rogue.say(TransactionNews(transaction=made, receipts=()))
        return made

    def _entries(self) -> tuple[Entry, ...]:
        """Of its newest transaction that has receipts."""
        given: dict[str, dict[str, Receipt]] = {}
        relayed = [receipt for news in self._rogue.heard(TransactionNews) for receipt in news.receipts]
        for receipt in (*relayed, *(news.receipt for news in self._rogue.heard(ReceiptNews))):
            if receipt.transaction in self._made:
                given.setdefault(receipt.transaction, {})[receipt.creator] = receipt
        if not given:
            return ()
        newest = max(given, key=lambda one: self._made[one].sequence)
        return (Entry(transaction=self._made[newest], receipts=tuple(given[newest][who] for who in sorted(given[newest]))),)

    def _draft(self, **fields: object) -> None:
        entries = self._entries()
        if entries:
            draft = self._rogue.draft(entries, self._network.now, **fields)
            self._drafts.append(draft)
            self._rogue.say(DraftNews(draft=draft))

    # --- as an honest node

    def trains(self) -> None:
        self._say()

    def gives_receipts(self) -> None:
        for transaction in self._heard():
            self._rogue.say(ReceiptNews(receipt=self._rogue.receipt(transaction, transaction.created)))

    def confirms(self) -> None:
        for news in self._rogue.heard(DraftNews)[-2:]:
            own = [one for entry in news.draft.entries for one in entry.receipts if one.creator == self._rogue.key.address]
            if own:
                confirmations = tuple(self._rogue.confirmation(news.draft, one) for one in own)
                self._rogue.ask(news.draft.generator, ConfirmationsFor(confirmations=confirmations))

    def drafts(self) -> None:
        height = next(self._heights)
        self._draft(height=height, previous=digest(self._drafts[-1]) if height and self._drafts else self._network.genesis)

    # --- as none

    def says_what_is_no_message(self) -> None:
        rogue, node = self._rogue, self._network.nodes[NAME]
        rogue.out.number += 1
        self._network.announce(node, rogue.out.epoch, rogue.out.number, b"\xff\x00 garbage")
        for address in self._neighbours():
            self._network.send(node, address, b'{"type":"Nothing"}')

    def uses_a_number_twice(self) -> None:
        first = self._say()
        self._say(np.full(8, 0.25), sequence=first.sequence)

    def offers_huge_weights(self) -> None:
        self._say(np.full(8, 1e17))

    def offers_what_is_no_number(self) -> None:
        self._say(np.full(8, np.nan))

    def names_a_model_that_never_comes(self) -> None:
        self._network.nodes[NAME].models.data.pop(self._say().model, None)

    def serves_another_model(self) -> None:
        self._say(model=model_digest(b"another %d" % len(self._made)))

    def names_one_model_many_times(self) -> None:
        for _ in range(MANY):
            self._say(np.full(8, 0.75))

    def states_a_wrong_size(self) -> None:
        self._say(size=36)

    def comes_from_the_future(self) -> None:
        self._say(created=self._network.now + 3_600_000, expires=self._network.now + 3_601_000)

    def comes_too_late(self) -> None:
        self._say(created=self._network.now - 20_000, expires=self._network.now - 10_000)

    def forges_receipts(self) -> None:
        for transaction in self._heard():
            self._rogue.say(ReceiptNews(receipt=unsigned(self._rogue.receipt(transaction, self._network.now))))

    def invents_witnesses(self) -> None:
        for transaction in self._heard():
            key = self._network.make_key(next(self._strangers).to_bytes(32, "big"))
            receipt = self._rogue.receipt(transaction, self._network.now, creator=key.address, public_key=key.public)
            self._rogue.say(ReceiptNews(receipt=sign(receipt, key)))

    def gives_two_receipts(self) -> None:
        for transaction in self._heard():
            for correct in (1, 2):
                self._rogue.say(ReceiptNews(receipt=self._rogue.receipt(transaction, transaction.created, correct=correct, tested=9)))

    def drafts_twice_at_a_height(self) -> None:
        height = next(self._heights)
        for memo in ("one", "other"):
            self._draft(height=height, previous=ZERO, memo=memo)

    def drafts_far_ahead(self) -> None:
        self._draft(height=AGES, previous=ZERO, created=AGES)

    def repeats_its_draft(self) -> None:
        for draft in self._drafts[-1:] * MANY:
            self._rogue.say(DraftNews(draft=draft))

    def drafts_with_forged_receipts(self) -> None:
        forged = tuple(Entry(transaction=one.transaction, receipts=tuple(map(unsigned, one.receipts))) for one in self._entries())
        if forged:
            self._rogue.say(DraftNews(draft=self._rogue.draft(forged, self._network.now, height=next(self._heights))))

    def confirms_the_unknown(self) -> None:
        if self._drafts:
            receipt = self._drafts[-1].entries[0].receipts[0]
            for address in self._neighbours():
                self._rogue.ask(address, ConfirmationsFor(confirmations=(self._rogue.confirmation(self._drafts[-1], receipt),) * 2))

    def asks_for_a_model_again_and_again(self) -> None:
        for transaction in self._heard():
            for _ in range(MANY):
                self._rogue.ask(transaction.generator, Fetch(model=transaction.model, first=0, count=16))

    def asks_for_all_news(self) -> None:
        for address in self._neighbours():
            self._rogue.ask(address, Resend(epoch=self._network.now, first=0, last=AGES))

    def greets_as_another(self) -> None:
        for address in self._neighbours():
            names = {"genesis": self._network.genesis, "address": address, "public_key": self._rogue.key.public, "nonce": ZERO}
            self._rogue.ask(address, Hello(**names))


ACTS = tuple(name for name in vars(Culprit) if not name.startswith("_") and name != "perform")
"""The names of all acts."""
