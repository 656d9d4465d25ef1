"""The gossiper owns the links to the neighbours; it is the only actor with network sockets.

It announces the node's transactions, fetches what neighbours announce (each model once), hands it to the validator, passes on
what the validator found right while the ttl allows, and carries receipts and confirmations back the way the transaction or
the draft came. What is only news travels numbered to everyone; weights travel on request (`transfers`).

What neighbours say comes inside the driver's `Heard`, `Asked` and `Replied`, and is handed on to its own `on_<message>`.
"""

from collections.abc import Callable, Iterable, Iterator

from dfl_actors.actors.accusing import Accusing
from dfl_actors.actors.base import Actor, JournalReader, Models, refused
from dfl_actors.actors.drafts import Drafts, confirming
from dfl_actors.actors.handing import Brought, Handing
from dfl_actors.actors.linking import Body, GossiperSettings, Linking
from dfl_actors.actors.standing import Standing
from dfl_actors.actors.transfers import REMEMBERED, Fetching, Serving
from dfl_actors.core import events
from dfl_actors.core import messages as m
from dfl_actors.core.checks import Verifier, check_path, check_receipt, check_transaction
from dfl_actors.core.clock import Now, Skews
from dfl_actors.core.codec import digest
from dfl_actors.core.effects import Announce, Answer, Effect, Note, Tell
from dfl_actors.core.family import Message
from dfl_actors.core.gossip import Outgoing, Sighting
from dfl_actors.core.keys import KeyPair
from dfl_actors.core.objects import Address, Digest, Receipt, Transaction
from dfl_actors.core.rates import Buckets
from dfl_actors.core.recent import Recent
from dfl_actors.core.verdicts import SENDERS, Verdict
from dfl_actors.core.words import Asked, Garbled, Heard, Replied, Started, Stopping, Tick
from dfl_actors.errors import Refused
from dfl_actors.learning.weights import model_bytes

TRANSACTIONS, MOST_TRANSACTIONS = 256, 1024  # New ones of a neighbour whose signatures are checked in a second, and at once.
GREETINGS = (m.Hello, m.Proof, m.Welcome)  # Of these nobody is blamed: one that comes late answers another greeting than the last.
SERVED = (m.Hello, m.Proof, m.Probe, m.Holding)
"""What is answered also to who is shut out: it may be let in again, and learn where it stands."""


class Gossiper(Linking, Actor):
    """Publishes news to the neighbours; tells the builder and the validator what arrives."""

    name = "gossiper"
    settings: GossiperSettings

    def __init__(
        self,
        settings: GossiperSettings,
        key: KeyPair,
        models: Models,
        journal: JournalReader,
        epoch: int,
        nonce: Callable[[], str],
        now: Now,
    ) -> None:
        super().__init__(settings)
        self._models = models
        self._out = Outgoing(epoch)
        self._verifier = Verifier(settings.genesis, settings.members)
        self._make_links(key, nonce, epoch, self._verifier)
        self._seen: Recent[Digest, Sighting] = Recent(REMEMBERED)
        self._relayed: Recent[Digest, None] = Recent(REMEMBERED)
        self._standing = Standing(journal, settings.neighbours, now)
        self._transactions, self._drafting = Handing(self._unanswered), Handing(self._unanswered)
        self._drafts = Drafts(settings, self._verifier, self._drafting)
        self._fetching = Fetching(
            self._seen, self._transactions, self._standing, self._pulses.tally, settings.fetch_timeout, len(settings.neighbours)
        )
        self._accusing = Accusing(journal, self._verifier, self._announce)
        self._later = False
        self._pace = Buckets(TRANSACTIONS, MOST_TRANSACTIONS)
        self._serving = Serving(models)
        self.skews = Skews(settings.skew)
        self.ready = self._enough()

    # --- time and links

    def on_tick(self, _: Tick, now: Now) -> Iterator[Effect]:
        yield from self._links.greet(now)
        yield from self._pulses.ask(now, self._links.parted)
        yield from self._asking.ask(self._links.up(), now)
        self.ready = self.ready or self._enough()
        yield from self._links.ask_again()
        yield from self._fetching.ask_again(now)
        yield from self._transactions.go_on(now)
        yield from self._drafting.go_on(now)
        yield from self._standing.told(now)
        yield self._announce(m.Beat())
        self._set_wake(now)

    def on_started(self, _: Started, now: Now) -> Iterator[Effect]:
        yield self._announce(m.Beat())

    def on_stopping(self, _: Stopping, now: Now) -> Iterator[Effect]:
        yield from self._standing.tell(now)

    # --- from our own node

    def on_trained(self, message: m.Trained, now: Now) -> Iterator[Effect]:
        identity = digest(message.transaction)
        yield self._offer(identity, message.transaction)
        yield Tell(m.Announced(transaction=message.transaction))
        yield Note(events.Announced(tx=identity))

    def on_lacking(self, message: m.Lacking, now: Now) -> Iterator[Effect]:
        """As if it had just been trained; who has answered already answers again with the same receipt."""
        if self._models.size(message.transaction.model) is not None:
            yield self._offer(digest(message.transaction), message.transaction)

    def _offer(self, identity: Digest, own: Transaction) -> Announce:
        self._seen.put(identity, Sighting(own, None))
        self._serving.offer(own.model, identity)
        return self._announce(m.TransactionNews(transaction=own, receipts=()))

    def on_witnessed(self, message: m.Witnessed, now: Now) -> Iterator[Effect]:
        """Our receipt goes to all neighbours; with it the transaction, while its ttl allows."""
        receipt = message.receipt
        self._accepted(self._transactions.answered(receipt.transaction))
        yield from self._transactions.go_on(now)
        self._relayed.put(digest(receipt), None)
        if receipt.received_at_ttl == 0:
            yield self._announce(m.ReceiptNews(receipt=receipt))
            return
        sighting = self._seen.get(receipt.transaction)
        if sighting is not None:
            sighting.forwarded = True
        self._serving.offer(message.transaction.model, receipt.transaction)
        path = (other for other in message.receipts if other.creator != receipt.creator)
        yield self._announce(m.TransactionNews(transaction=message.transaction, receipts=(*path, receipt)))

    def on_drafted(self, message: m.Drafted, now: Now) -> Iterator[Effect]:
        self._drafts.ours(message.draft)
        yield self._announce(m.DraftNews(draft=message.draft))

    def on_confirmed(self, message: m.Confirmed, now: Now) -> Iterator[Effect]:
        """A draft that keeps every rule: from here on its way back is known, and it goes on to witnesses that are further away."""
        letter = self._drafting.answered(message.confirmations[0].draft)
        self._accepted(letter)
        if isinstance(letter, m.DraftArrived):
            yield from self._accusing.saw((letter.draft,))
        yield from self._drafting.go_on(now)
        for draft in self._drafts.confirmed(message, letter):
            yield self._announce(m.DraftNews(draft=draft))
        yield from confirming(message.sender, message.confirmations)

    def on_begun(self, _: m.Begun, now: Now) -> Iterator[Effect]:
        for handing in (self._transactions, self._drafting):
            yield from handing.again(now)

    def on_judged(self, message: m.Judged, now: Now) -> Iterator[Effect]:
        """The validator's verdict on what a neighbour brought."""
        for handing in (self._transactions, self._drafting):
            letter = handing.answered(message.what)
            if letter is not None and message.code:
                if message.code == "model_missing":
                    self._seen.pop(message.what, None)  # There is no receipt yet: announced again, its model is fetched again.
                yield from self._standing.judge(letter.sender, message.code, signs(letter) == letter.sender, now)
                yield from self._accusing.saw((*message.transactions, *message.drafts))
            elif letter is not None:
                self._accepted(letter)
            if isinstance(letter, m.DraftArrived) and message.code not in SENDERS:
                yield from self._accusing.saw((letter.draft,))
            if letter is not None and self._standing.out(letter.sender, now):
                handing.leave(letter.sender)
            yield from handing.go_on(now)

    def _accepted(self, letter: Brought | None) -> None:
        if letter is not None:
            self._standing.count(letter.sender, Verdict.ACCEPT)

    def _unanswered(self, letter: Brought) -> None:
        self._standing.count(letter.sender, Verdict.IGNORE, "busy")

    def on_finalised(self, message: m.Finalised, now: Now) -> Iterator[Effect]:
        yield self._announce(m.BlockNews(generator=message.generator, height=message.height, block=message.block))

    # --- news of neighbours

    def on_heard(self, message: Heard, now: Now) -> Iterator[Effect]:
        self._pulses.heard(message.neighbour, now)
        fresh = yield from self._links.heard(message)
        self.ready = self.ready or self._enough()
        if fresh:
            yield from self._news(message.neighbour, message.news, now)
        else:
            self._standing.count(message.neighbour, Verdict.ACCEPT)

    def _news(self, sender: Address, news: m.AnyNews, now: Now) -> Iterator[Effect]:
        if self._standing.out(sender, now):
            self._standing.count(sender, Verdict.IGNORE, "shut_out")
        else:
            yield from self._judged(sender, news, self._call(news, sender, now), now)

    def _judged(self, sender: Address, message: Message, effects: Iterable[Effect], now: Now) -> Iterator[Effect]:
        """What a message of a neighbour leads to; with its verdict, unless that comes later, of the validator."""
        self._later = False
        try:
            yield from effects
            if not self._later:
                self._standing.count(sender, Verdict.ACCEPT)
        except Refused as error:
            yield refused(error, type(message).__name__, "", sender)
            yield from self._judge(sender, message, error, signs(message) == sender, now)

    def _judge(self, who: Address, message: Message, error: Refused, by_signer: bool, now: Now) -> Iterator[Effect]:
        if isinstance(message, GREETINGS):
            self._standing.count(who, Verdict.IGNORE, error.code)
        else:
            yield from self._standing.judge(who, error.code, by_signer, now)

    def on_garbled(self, message: Garbled, now: Now) -> Iterator[Effect]:
        """Bytes of a neighbour that are no message; the driver has noted them."""
        yield from self._standing.judge(message.neighbour, message.code, True, now)

    def on_transaction_news(self, news: m.TransactionNews, sender: Address, now: Now) -> Iterator[Effect]:
        transaction, identity = news.transaction, digest(news.transaction)
        if sender == transaction.generator:
            ms = self.skews.saw(sender, transaction.sequence, transaction.created, now, self._pulses.offset(sender))
            if ms is not None:
                yield Note(events.ClockOff(by=sender, ms=ms))
        for receipt in news.receipts:
            yield from self._pass_back(receipt, sender)
        sighting = self._seen.get(identity)
        if sighting is not None:
            yield from self._on_known(identity, sender, sighting, now)
            return
        self._check_header(sender, news, now)
        yield from self._accusing.saw((transaction, *news.receipts))
        self._seen.put(identity, Sighting(transaction, sender))
        wanted, self._later = m.Fetched(transaction=transaction, receipts=news.receipts, sender=sender), True
        if self._models.size(transaction.model) is not None:
            yield from self._transactions.hand(identity, wanted, now)
        else:
            yield from self._fetching.begin(wanted, now)

    def _on_known(self, identity: Digest, sender: Address, sighting: Sighting, now: Now) -> Iterator[Effect]:
        """Another neighbour has it too; or its generator announces it again because it lacks receipts, perhaps ours: the validator gives
        the one that it gave before, also when the model has left the store."""
        if sighting.via is None:
            return
        if sender not in sighting.sources:
            sighting.sources.append(sender)
        transaction = sighting.transaction
        if sender == transaction.generator and transaction.model not in self._fetching:
            self._transactions.check_room(sender)
            self._later = identity not in self._transactions
            yield from self._transactions.hand(identity, m.Fetched(transaction=transaction, receipts=(), sender=sender), now)

    def _check_header(self, sender: Address, news: m.TransactionNews, now: Now) -> None:
        """What can be said before the model is here, cheap things first; the validator checks the rest. Codes as in `docs/protocol.md`.

        Nothing is remembered as seen, and no model asked for, before all signatures are right: neither who announces what nobody signed,
        nor a relay that adds a wrong receipt, may keep the transaction from coming another way.
        """
        transaction = news.transaction
        if transaction.genesis != self.settings.genesis:
            raise Refused("other_genesis", transaction.genesis[:8])
        self._verifier.check_member(transaction)
        if transaction.expires <= now.wall:
            raise Refused("expired", f"{now.wall - transaction.expires} ms ago")
        if transaction.size != model_bytes(transaction.codec, self.settings.parameters):
            raise Refused("model_size", f"{transaction.size} bytes")
        check_path(transaction, news.receipts, sender, self.settings.address)
        if not self._pace.take(sender, 1, now.mono):
            raise Refused("busy", f"more than {TRANSACTIONS} transactions a second")
        self._fetching.check_room(transaction.model, sender)
        self._transactions.check_room(sender)
        check_transaction(transaction, news.receipts, self._verifier)

    def on_receipt_news(self, news: m.ReceiptNews, sender: Address, now: Now) -> Iterator[Effect]:
        yield from self._pass_back(news.receipt, sender)

    def _pass_back(self, receipt: Receipt, sender: Address) -> Iterator[Effect]:
        """A receipt for us goes to the builder; one for a transaction that we passed on goes back, once."""
        sighting = self._seen.get(receipt.transaction)
        if sighting is None or not sighting.forwarded:
            return
        self._verifier.check_member(receipt)
        identity = digest(receipt)
        if identity in self._relayed:
            return
        if sighting.via is not None and receipt.creator == self.settings.address:
            return
        check_receipt(receipt.transaction, sighting.transaction, receipt, self._verifier)
        yield from self._accusing.saw((receipt,))
        self._relayed.put(identity, None)
        if sighting.via is None:
            yield Tell(m.ReceiptArrived(receipt=receipt, sender=sender))
        else:
            yield self._announce(m.ReceiptNews(receipt=receipt))

    def on_draft_news(self, news: m.DraftNews, sender: Address, now: Now) -> Iterator[Effect]:
        before = self._drafting.taken
        yield from self._drafts.heard(news.draft, sender, now)
        self._later = self._drafting.taken > before

    def on_evidence_news(self, news: m.EvidenceNews, sender: Address, now: Now) -> Iterator[Effect]:
        yield from self._accusing.shown(news.evidence)

    def on_block_news(self, news: m.BlockNews, sender: Address, now: Now) -> None:
        """Others' blocks are for watchers."""

    def on_beat(self, news: m.Beat, sender: Address, now: Now) -> None:
        """Its number said all there is."""

    # --- replies of neighbours

    def on_replied(self, message: Replied, now: Now) -> Iterator[Effect]:
        self._pulses.heard(message.neighbour, now)
        effects = self._call(message.reply, message.neighbour, message.body, now)
        yield from self._judged(message.neighbour, message.reply, effects, now)

    def on_resent(self, reply: m.Resent, neighbour: Address, _: Body, now: Now) -> Iterator[Effect]:
        if self._links.resent(neighbour, reply) and not self._standing.out(neighbour, now):
            yield from self._call(reply.news, neighbour, now)

    def on_chunk(self, reply: m.Chunk, neighbour: Address, body: Body, now: Now) -> Iterator[Effect]:
        yield from self._fetching.arrived(neighbour, reply, body, now)

    def on_gone(self, reply: m.Gone, neighbour: Address, _: Body, now: Now) -> Iterator[Effect]:
        yield from self._fetching.gone(neighbour, reply.model, now)

    # --- requests of neighbours

    def on_asked(self, message: Asked, now: Now) -> Iterator[Effect]:
        """A request; who is shut out gets no more than what keeps a link."""
        request, peer, who = message.request, message.peer, self.proved(message.peer)
        try:
            if not isinstance(request, SERVED) and self._standing.out(who, now):
                raise Refused("shut_out")
            yield from self._call(request, peer, now)
            self._standing.count(who, Verdict.ACCEPT)
        except Refused as error:
            yield from self._judge(who, request, error, True, now)
            if error.code != "shut_out":
                yield refused(error, type(request).__name__, "", who or message.by)
            yield Answer(peer, m.Refusal(code=error.code, what=type(request).__name__))

    def on_fetch(self, request: m.Fetch, peer: bytes, now: Now) -> Iterator[Effect]:
        yield from self._serving.serve(peer, self._links.neighbour(peer), request)

    def on_resend(self, request: m.Resend, peer: bytes, now: Now) -> Iterator[Effect]:
        self._links.neighbour(peer)
        for number, news in self._out.repeat(request.epoch, request.first, request.last):
            yield Answer(peer, m.Resent(epoch=request.epoch, number=number, news=news))

    def on_confirmations_for(self, request: m.ConfirmationsFor, peer: bytes, now: Now) -> Iterator[Effect]:
        """Confirmations of our own draft go to the builder, those of another's the way the draft came."""
        yield from self._drafts.confirmations(self._links.neighbour(peer), request.confirmations)

    def _announce(self, news: m.AnyNews) -> Announce:
        number = self._out.add(news)
        return Announce(self._out.epoch, number, news)


def signs(message: Message) -> Address:
    """Who has signed what a message brings; empty where it brings nothing that is signed by one."""
    if isinstance(message, m.TransactionNews | m.Fetched):
        return message.transaction.generator
    if isinstance(message, m.Resent):
        return signs(message.news)
    return message.draft.generator if isinstance(message, m.DraftNews | m.DraftArrived) else ""
