"""The gossiper owns the links to the neighbours; it is the only actor with network sockets.

It announces the node's transactions, fetches what neighbours announce (each model once), hands it to the validator, passes on
what the validator found right while the ttl allows, and carries receipts and confirmations back the way the transaction or
the draft came. What is only news travels numbered to everyone; weights travel on request (`transfers`).

What neighbours say comes inside the driver's `Heard`, `Asked` and `Replied`, and is handed on to its own `on_<message>`.
"""

from collections.abc import Callable, Iterator

import msgspec

from dfl_actors.actors.base import Actor, Models, Settings, refused
from dfl_actors.actors.handing import Brought, Handing, size_of
from dfl_actors.actors.holdings import ANSWERED_APART, Asking
from dfl_actors.actors.links import Links
from dfl_actors.actors.pulses import Pulses
from dfl_actors.actors.transfers import REMEMBERED, Fetching, Serving
from dfl_actors.core import events
from dfl_actors.core import messages as m
from dfl_actors.core.checks import Verifier, check_path, check_receipt, check_transaction
from dfl_actors.core.clock import Now, Skews
from dfl_actors.core.codec import digest
from dfl_actors.core.control import Holdings, Neighbour
from dfl_actors.core.effects import Announce, Answer, Effect, Note, Send, Tell
from dfl_actors.core.gossip import Outgoing, Sighting, reaches_further
from dfl_actors.core.keys import KeyPair
from dfl_actors.core.objects import Address, Digest, Receipt, Transaction
from dfl_actors.core.recent import Recent
from dfl_actors.core.words import Asked, Heard, Known, Opened, Replied, Started, Subscribed, Tick
from dfl_actors.errors import Refused
from dfl_actors.learning.weights import model_bytes

Body = memoryview | bytes
SOON = 100  # Milliseconds after which a neighbour that has connected is spoken to: its other sockets then have done so too.


class GossiperSettings(Settings, frozen=True, kw_only=True):
    """`parameters` are the size of a model; work may begin when so many `links` stand. `asks`: what neighbours hold
    of us is asked before. `stated` and `expected`: see `Pulses`."""

    parameters: int
    heartbeat: int
    fetch_timeout: int
    skew: int
    links: int
    asks: bool = False
    stated: dict[str, str] = msgspec.field(default_factory=dict)
    expected: dict[Address, dict[str, str]] = msgspec.field(default_factory=dict)


class Gossiper(Actor):
    """Publishes news to the neighbours; tells the builder and the validator what arrives."""

    name = "gossiper"
    settings: GossiperSettings

    def __init__(self, settings: GossiperSettings, key: KeyPair, models: Models, epoch: int, nonce: Callable[[], str]) -> None:
        super().__init__(settings)
        self._models = models
        self._links = Links(settings, key, nonce)
        self.who, self.proved = self._links.who, self._links.proved
        self._pulses = Pulses(settings, key, nonce, settings.stated, settings.expected, epoch)
        self._out = Outgoing(epoch)
        self._verifier = Verifier(settings.genesis, settings.members)
        self._asking = Asking(settings.address, settings.neighbours, self._verifier, settings.asks)
        self._askers: dict[Address, tuple[bytes, int]] = {}
        self._seen: Recent[Digest, Sighting] = Recent(REMEMBERED)
        self._relayed: Recent[Digest, None] = Recent(REMEMBERED)
        self._drafts: Recent[Digest, Address] = Recent(REMEMBERED)
        self._transactions, self._drafting = Handing(), Handing()
        self._fetching = Fetching(self._seen, self._transactions, settings.fetch_timeout, len(settings.neighbours))
        self._serving = Serving(models)
        self.skews = Skews(settings.skew)
        self.ready = self._enough()

    # --- time and links

    def on_opened(self, message: Opened, now: Now) -> Iterator[Effect]:
        self._links.part(message.parted)
        self.ready = self.ready or self._enough()
        yield from self._links.greet(now)
        yield from self._pulses.ask(now, self._links.parted)
        self._set_wake(now)

    def on_subscribed(self, _: Subscribed, now: Now) -> Iterator[Effect]:
        self._links.hurry(now)
        self._pulses.hurry(now)
        self.wake = min(now.mono + SOON, now.mono + SOON if self.wake is None else self.wake)
        yield self._announce(m.Beat())

    def on_tick(self, _: Tick, now: Now) -> Iterator[Effect]:
        yield from self._links.greet(now)
        yield from self._pulses.ask(now, self._links.parted)
        yield from self._asking.ask(self._links.up(), now)
        self.ready = self.ready or self._enough()
        yield from self._links.ask_again()
        yield from self._fetching.ask_again(now)
        yield from self._transactions.go_on(now)
        yield from self._drafting.go_on(now)
        yield self._announce(m.Beat())
        self._set_wake(now)

    def _set_wake(self, now: Now) -> None:
        beat, due = now.mono + self.settings.heartbeat, self._links.due()
        soon = now.mono + SOON if self._asking.urgent else beat
        self.wake = min(beat, soon, beat if due is None else max(due, now.mono + 1))

    def _enough(self) -> bool:
        return self._links.standing() + len(self._links.parted) >= self.settings.links and self._asking.done

    def on_started(self, _: Started, now: Now) -> Iterator[Effect]:
        yield self._announce(m.Beat())

    def on_known(self, message: Known, now: Now) -> None:
        self._pulses.learn(message.facts)

    def neighbours(self, now: Now) -> dict[Address, Neighbour]:
        """How they are."""
        return self._pulses.told(self._links.stands, self._links.parted, now)

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
        self._transactions.answered(receipt.transaction)
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
        self._drafts.put(digest(message.draft), self.settings.address)
        yield self._announce(m.DraftNews(draft=message.draft))

    def on_confirmed(self, message: m.Confirmed, now: Now) -> Iterator[Effect]:
        """A draft that keeps every rule: from here on its way back is known, and it goes on to witnesses that are further away."""
        for identity in {confirmation.draft for confirmation in message.confirmations}:
            self._drafts.put(identity, message.sender)
            yield from self._pass_on(self._drafting.answered(identity))
        yield from self._drafting.go_on(now)
        yield Send(message.sender, m.ConfirmationsFor(confirmations=message.confirmations))

    def _pass_on(self, letter: Brought | None) -> Iterator[Effect]:
        if isinstance(letter, m.DraftArrived) and reaches_further(letter.draft, self.settings.address):
            yield self._announce(m.DraftNews(draft=letter.draft))

    def on_begun(self, _: m.Begun, now: Now) -> Iterator[Effect]:
        for handing in (self._transactions, self._drafting):
            yield from handing.again(now)

    def on_judged(self, message: m.Judged, now: Now) -> Iterator[Effect]:
        for handing in (self._transactions, self._drafting):
            handing.answered(message.what)
            yield from handing.go_on(now)

    def on_finalised(self, message: m.Finalised, now: Now) -> Iterator[Effect]:
        yield self._announce(m.BlockNews(generator=message.generator, height=message.height, block=message.block))

    # --- news of neighbours

    def on_heard(self, message: Heard, now: Now) -> Iterator[Effect]:
        self._pulses.heard(message.neighbour, now)
        fresh = yield from self._links.heard(message)
        self.ready = self.ready or self._enough()
        if fresh:
            yield from self._news(message.neighbour, message.news, now)

    def _news(self, sender: Address, news: m.AnyNews, now: Now) -> Iterator[Effect]:
        try:
            yield from self._call(news, sender, now)
        except Refused as error:
            yield refused(error, type(news).__name__, "", sender)

    def on_transaction_news(self, news: m.TransactionNews, sender: Address, now: Now) -> Iterator[Effect]:
        transaction, identity = news.transaction, digest(news.transaction)
        if sender == transaction.generator:
            ms = self.skews.saw(sender, transaction.sequence, transaction.created, now, self._pulses.offset(sender))
            if ms is not None:
                yield Note(events.ClockOff(by=sender, ms=ms))
        for receipt in news.receipts:
            yield from self._pass_back(receipt)
        sighting = self._seen.get(identity)
        if sighting is not None:
            yield from self._on_known(identity, sender, sighting, now)
            return
        self._check_header(sender, news, now)
        self._seen.put(identity, Sighting(transaction, sender))
        wanted = m.Fetched(transaction=transaction, receipts=news.receipts, sender=sender)
        if self._models.size(transaction.model) is not None:
            yield from self._transactions.hand(identity, wanted, now)
        else:
            yield from self._fetching.begin(wanted, now)

    def _on_known(self, identity: Digest, sender: Address, sighting: Sighting, now: Now) -> Iterator[Effect]:
        """Another neighbour has it too; or its generator announces it again because it lacks receipts, perhaps ours."""
        if sighting.via is None:
            return
        if sender not in sighting.sources:
            sighting.sources.append(sender)
        transaction = sighting.transaction
        if sender == transaction.generator and transaction.model not in self._fetching and self._models.size(transaction.model) is not None:
            self._transactions.check_room(sender)
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
        self._fetching.check_room(transaction.model, sender)
        self._transactions.check_room(sender)
        check_transaction(transaction, news.receipts, self._verifier)

    def on_receipt_news(self, news: m.ReceiptNews, sender: Address, now: Now) -> Iterator[Effect]:
        yield from self._pass_back(news.receipt)

    def _pass_back(self, receipt: Receipt) -> Iterator[Effect]:
        """A receipt for us goes to the builder; one for a transaction that we passed on goes back, once."""
        sighting = self._seen.get(receipt.transaction)
        if sighting is None or not sighting.forwarded:
            return
        self._verifier.check_member(receipt)
        identity = digest(receipt)
        if identity in self._relayed:
            return
        if sighting.via is None:
            self._relayed.put(identity, None)
            yield Tell(m.ReceiptArrived(receipt=receipt))
        elif receipt.creator != self.settings.address:
            check_receipt(receipt.transaction, sighting.transaction, receipt, self._verifier)
            self._relayed.put(identity, None)
            yield self._announce(m.ReceiptNews(receipt=receipt))

    def on_draft_news(self, news: m.DraftNews, sender: Address, now: Now) -> Iterator[Effect]:
        draft = news.draft
        if draft.generator == self.settings.address:
            return
        self._verifier.check_member(draft)
        identity = digest(draft)
        # The generator's own word is the best way back, whoever was faster with it.
        if self._drafts.get(identity, sender) != sender != draft.generator:
            return
        letter = m.DraftArrived(draft=draft, sender=sender)
        self._drafting.check_room(sender, size_of(letter))
        yield from self._drafting.hand(identity, letter, now)

    def on_block_news(self, news: m.BlockNews, sender: Address, now: Now) -> None:
        """Others' blocks are for watchers."""

    def on_beat(self, news: m.Beat, sender: Address, now: Now) -> None:
        """Its number said all there is."""

    # --- replies of neighbours

    def on_replied(self, message: Replied, now: Now) -> Iterator[Effect]:
        reply = message.reply
        self._pulses.heard(message.neighbour, now)
        try:
            yield from self._call(reply, message.neighbour, message.body, now)
        except Refused as error:
            yield refused(error, type(reply).__name__, "", message.neighbour)

    def on_welcome(self, reply: m.Welcome, neighbour: Address, _: Body, now: Now) -> Iterator[Effect]:
        yield from self._links.welcomed(neighbour, reply)

    def on_admitted(self, _reply: m.Admitted, neighbour: Address, _: Body, now: Now) -> Iterator[Effect]:
        self._links.admitted(neighbour)
        yield from self._asking.ask(self._links.up(), now)
        self.ready = self._enough()
        yield from self._fetching.go_on(neighbour, now)

    def on_refusal(self, reply: m.Refusal, neighbour: Address, _: Body, now: Now) -> Iterator[Effect]:
        yield from self._links.refused(neighbour, reply)
        self.ready = self._enough()

    def on_resent(self, reply: m.Resent, neighbour: Address, _: Body, now: Now) -> Iterator[Effect]:
        if self._links.resent(neighbour, reply):
            yield from self._news(neighbour, reply.news, now)

    def on_chunk(self, reply: m.Chunk, neighbour: Address, body: Body, now: Now) -> Iterator[Effect]:
        yield from self._fetching.arrived(neighbour, reply, body, now)

    def on_gone(self, reply: m.Gone, neighbour: Address, _: Body, now: Now) -> Iterator[Effect]:
        yield from self._fetching.gone(neighbour, reply.model, now)

    def on_probed(self, reply: m.Probed, neighbour: Address, _: Body, now: Now) -> Iterator[Effect]:
        if not self._pulses.arrived(neighbour, reply, now):
            yield from self._links.lost(neighbour)

    def on_held(self, reply: m.Held, neighbour: Address, _: Body, now: Now) -> None:
        self._asking.answered(neighbour, reply, now)
        self.ready = self.ready or self._enough()

    @property
    def held(self) -> Holdings:
        """What neighbours have proved to hold of us."""
        return self._asking.found

    # --- requests of neighbours

    def on_asked(self, message: Asked, now: Now) -> Iterator[Effect]:
        request, peer = message.request, message.peer
        try:
            yield from self._call(request, peer, now)
        except Refused as error:
            yield refused(error, type(request).__name__, "", self.proved(peer) or message.by)
            yield Answer(peer, m.Refusal(code=error.code, what=type(request).__name__))

    def on_hello(self, request: m.Hello, peer: bytes, now: Now) -> Iterator[Effect]:
        yield from self._links.hello(peer, request)

    def on_proof(self, request: m.Proof, peer: bytes, now: Now) -> Iterator[Effect]:
        yield from self._links.prove(peer, request)
        self.ready = self._enough()

    def on_probe(self, request: m.Probe, peer: bytes, now: Now) -> Iterator[Effect]:
        yield from self._pulses.answer(peer, request, self._links.serves(peer), now)

    def on_holding(self, request: m.Holding, peer: bytes, now: Now) -> Iterator[Effect]:
        """The validator's journal knows; it answers through us. Not too often, for a draft is large."""
        neighbour = self._links.neighbour(peer)
        if now.mono - self._askers.get(neighbour, (b"", -ANSWERED_APART))[1] >= ANSWERED_APART:
            self._askers[neighbour] = peer, now.mono
            yield Tell(m.HoldingAsked(sender=neighbour))

    def on_holding_found(self, message: m.HoldingFound, now: Now) -> Iterator[Effect]:
        peer = self._askers.get(message.sender, (b"", 0))[0]
        yield Answer(peer, m.Held(transactions=message.transactions, drafts=message.drafts))

    def on_fetch(self, request: m.Fetch, peer: bytes, now: Now) -> Iterator[Effect]:
        yield from self._serving.serve(peer, self._links.neighbour(peer), request)

    def on_resend(self, request: m.Resend, peer: bytes, now: Now) -> Iterator[Effect]:
        self._links.neighbour(peer)
        for number, news in self._out.repeat(request.epoch, request.first, request.last):
            yield Answer(peer, m.Resent(epoch=request.epoch, number=number, news=news))

    def on_confirmations_for(self, request: m.ConfirmationsFor, peer: bytes, now: Now) -> Iterator[Effect]:
        """Confirmations of our own draft go to the builder, those of another's the way the draft came."""
        neighbour, confirmations = self._links.neighbour(peer), request.confirmations
        for via in dict.fromkeys(self._drafts.get(confirmation.draft) for confirmation in confirmations):
            group = tuple(confirmation for confirmation in confirmations if self._drafts.get(confirmation.draft) == via)
            if via is None:
                raise Refused("other_draft", f"from {neighbour[:8]}")
            if via == self.settings.address:
                yield Tell(m.ConfirmationsArrived(confirmations=group))
            else:
                yield Send(via, m.ConfirmationsFor(confirmations=group))

    def _announce(self, news: m.AnyNews) -> Announce:
        number = self._out.add(news)
        return Announce(self._out.epoch, number, news)
