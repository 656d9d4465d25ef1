"""The gossiper owns the links to the neighbours; it is the only actor with network sockets.

It announces the node's transactions, fetches what neighbours announce (each model once), hands it to the validator, passes on
what the validator found right while the ttl allows, and carries receipts and confirmations back the way the transaction or
the draft came. What is only news travels numbered to everyone; weights travel on request.
"""

from collections.abc import Callable, Iterator
from typing import ClassVar

from dfl_actors.actors.base import Actor, Models, Settings, refused
from dfl_actors.actors.links import Links
from dfl_actors.core import events
from dfl_actors.core.checks import Verifier, check_path, check_receipt, check_transaction
from dfl_actors.core.clock import Now
from dfl_actors.core.codec import digest
from dfl_actors.core.effects import Announce, Answer, Effect, Keep, Note, Send, Serve, Tell
from dfl_actors.core.gossip import Assembly, Outgoing, Recent, Sighting, chunk_count, reaches_further
from dfl_actors.core.keys import KeyPair
from dfl_actors.core.messages import (
    Admitted,
    Announced,
    AnyNews,
    Asked,
    Beat,
    BlockNews,
    Chunk,
    ConfirmationsArrived,
    ConfirmationsFor,
    Confirmed,
    DraftArrived,
    Drafted,
    DraftNews,
    Fetch,
    Fetched,
    Finalised,
    Gone,
    Heard,
    Lacking,
    Message,
    Opened,
    ReceiptArrived,
    ReceiptNews,
    Refusal,
    Replied,
    Resend,
    Resent,
    Started,
    Subscribed,
    Tick,
    Trained,
    TransactionNews,
    Witnessed,
)
from dfl_actors.core.objects import Address, Confirmation, Digest, Draft, Receipt, Transaction
from dfl_actors.errors import Refused
from dfl_actors.learning.weights import model_bytes

REMEMBERED = 8192
"""Transactions, drafts and receipts that are recognised when they come again."""

MOST_SERVED = 3
"""How often a neighbour gets the chunks of one model."""

MOST_ASSEMBLIES = 64
"""Models on their way here at once; what is announced beyond is left out."""


class Gossiper(Actor):
    """Publishes news to the neighbours; tells the builder and the validator what arrives."""

    name = "gossiper"
    task: ClassVar[str] = "receive_transaction"
    tasks: ClassVar = {
        Trained: "generate_transaction",
        Lacking: "generate_transaction",
        Drafted: "generate_block",
        Confirmed: "generate_block",
        Finalised: "generate_block",
    }

    def __init__(
        self,
        settings: Settings,
        key: KeyPair,
        models: Models,
        epoch: int,
        nonce: Callable[[], str],
        hash_model: Callable[[memoryview | bytes], str],
    ) -> None:
        super().__init__(settings)
        self._models, self._hash = models, hash_model
        self._links = Links(settings, key, nonce)
        self._out = Outgoing(epoch)
        self._verifier = Verifier(settings.genesis)
        self._seen: Recent[Digest, Sighting] = Recent(REMEMBERED)
        self._offered: Recent[Digest, Digest] = Recent(REMEMBERED)
        self._relayed: Recent[Digest, None] = Recent(REMEMBERED)
        self._drafts: Recent[Digest, Address] = Recent(REMEMBERED)
        self._served: Recent[tuple[Address, Digest], int] = Recent(REMEMBERED)
        self._assemblies: dict[Digest, Assembly] = {}
        self._wanted: dict[Digest, list[tuple[Transaction, tuple[Receipt, ...]]]] = {}
        self.ready = not settings.neighbours

    # --- time and links

    def on_opened(self, _: Opened, now: Now) -> Iterator[Effect]:
        yield from self._links.greet(now)
        self._set_wake(now)

    def on_subscribed(self, _: Subscribed, now: Now) -> Iterator[Effect]:
        yield self._announce(Beat())

    def on_tick(self, _: Tick, now: Now) -> Iterator[Effect]:
        yield from self._links.greet(now)
        yield from self._links.ask_again()
        for assembly in list(self._assemblies.values()):
            if now.mono >= assembly.progress + self.settings.fetch_timeout:
                lost = assembly.ask_again(now.mono)
                if lost is None:
                    yield from self._next_source(assembly, "fetch_timeout", now)
                else:
                    yield Send(assembly.source, Fetch(model=assembly.model, first=lost[0], count=lost[1]))
        yield self._announce(Beat())
        self._set_wake(now)

    def _set_wake(self, now: Now) -> None:
        self.wake = now.mono + (self.settings.heartbeat if self._links.complete() else min(100, self.settings.heartbeat))

    def on_started(self, _: Started, now: Now) -> Iterator[Effect]:
        yield self._announce(Beat())

    # --- from our own node

    def on_trained(self, message: Trained, now: Now) -> Iterator[Effect]:
        transaction = message.transaction
        identity = digest(transaction)
        self._seen.put(identity, Sighting(transaction, None))
        self._offered.put(transaction.model, identity)
        yield self._announce(TransactionNews(transaction=transaction, receipts=()))
        yield Tell(Announced(transaction=transaction))
        yield Note(events.Announced(tx=identity))

    def on_lacking(self, message: Lacking, now: Now) -> Iterator[Effect]:
        """As if it had just been trained; who has answered already answers again with the same receipt."""
        identity = digest(message.transaction)
        if self._models.size(message.transaction.model) is None:
            return
        if identity not in self._seen:
            self._seen.put(identity, Sighting(message.transaction, None))
        self._offered.put(message.transaction.model, identity)
        yield self._announce(TransactionNews(transaction=message.transaction, receipts=()))

    def on_witnessed(self, message: Witnessed, now: Now) -> Iterator[Effect]:
        """Our receipt goes to all neighbours; with it the transaction, while its ttl allows."""
        receipt = message.receipt
        self._relayed.put(digest(receipt), None)
        if receipt.received_at_ttl == 0:
            yield self._announce(ReceiptNews(receipt=receipt))
            return
        sighting = self._seen.get(receipt.transaction)
        if sighting is not None:
            sighting.forwarded = True
        self._offered.put(message.transaction.model, receipt.transaction)
        path = (other for other in message.receipts if other.creator != receipt.creator)
        yield self._announce(TransactionNews(transaction=message.transaction, receipts=(*path, receipt)))

    def on_drafted(self, message: Drafted, now: Now) -> Iterator[Effect]:
        self._drafts.put(digest(message.draft), self.settings.address)
        yield self._announce(DraftNews(draft=message.draft))

    def on_confirmed(self, message: Confirmed, now: Now) -> Iterator[Effect]:
        yield Send(message.sender, ConfirmationsFor(confirmations=message.confirmations))

    def on_finalised(self, message: Finalised, now: Now) -> Iterator[Effect]:
        yield self._announce(BlockNews(generator=message.generator, height=message.height, block=message.block))

    # --- news of neighbours

    def on_heard(self, message: Heard, now: Now) -> Iterator[Effect]:
        fresh = yield from self._links.heard(message, now)
        self.ready = self.ready or self._links.ready()
        if fresh:
            yield from self._news(message.neighbour, message.news, now)

    def _news(self, sender: Address, news: AnyNews, now: Now) -> Iterator[Effect]:
        try:
            if isinstance(news, TransactionNews):
                yield from self._on_transaction(sender, news, now)
            elif isinstance(news, ReceiptNews):
                yield from self._on_receipt(news.receipt)
            elif isinstance(news, DraftNews):
                yield from self._on_draft(sender, news.draft)
        except Refused as error:
            yield refused(error, type(news).__name__, "", sender)

    def _on_transaction(self, sender: Address, news: TransactionNews, now: Now) -> Iterator[Effect]:
        transaction, identity = news.transaction, digest(news.transaction)
        for receipt in news.receipts:
            yield from self._on_receipt(receipt)
        sighting = self._seen.get(identity)
        if sighting is not None:
            yield from self._on_known(sender, sighting)
            return
        self._check_header(sender, news, now)
        self._seen.put(identity, Sighting(transaction, sender))
        if self._models.size(transaction.model) is not None:
            yield Tell(Fetched(transaction=transaction, receipts=news.receipts, sender=sender))
            return
        self._wanted.setdefault(transaction.model, []).append((transaction, news.receipts))
        if transaction.model not in self._assemblies:
            assembly = Assembly(transaction.model, transaction.size, sender, now.mono)
            self._assemblies[transaction.model] = assembly
            yield from self._ask(assembly)

    def _on_known(self, sender: Address, sighting: Sighting) -> Iterator[Effect]:
        """Another neighbour has it too; or its generator announces it again because it lacks receipts, perhaps ours."""
        if sighting.via is None:
            return
        if sender not in sighting.sources:
            sighting.sources.append(sender)
        transaction = sighting.transaction
        if (
            sender == transaction.generator
            and transaction.model not in self._assemblies
            and self._models.size(transaction.model) is not None
        ):
            yield Tell(Fetched(transaction=transaction, receipts=(), sender=sender))

    def _check_header(self, sender: Address, news: TransactionNews, now: Now) -> None:
        """What can be said before the model is here; the validator checks the rest. Codes as in `docs/protocol.md`."""
        transaction = news.transaction
        if transaction.genesis != self.settings.genesis:
            raise Refused("other_genesis", transaction.genesis[:8])
        if transaction.expires <= now.wall:
            raise Refused("expired", f"{now.wall - transaction.expires} ms ago")
        if transaction.size != model_bytes(transaction.codec, self.settings.parameters):
            raise Refused("model_size", f"{transaction.size} bytes")
        if len(self._assemblies) >= MOST_ASSEMBLIES:
            raise Refused("busy", f"{MOST_ASSEMBLIES} models are on their way")
        check_path(transaction, news.receipts, sender, self.settings.address)
        if news.receipts:
            # Before it is remembered as seen: a relay that adds a wrong receipt must not keep us from hearing of it from others.
            check_transaction(transaction, news.receipts, self._verifier)

    def _on_receipt(self, receipt: Receipt) -> Iterator[Effect]:
        """A receipt for us goes to the builder; one for a transaction that we passed on goes back, once."""
        sighting = self._seen.get(receipt.transaction)
        if sighting is None or not sighting.forwarded:
            return
        identity = digest(receipt)
        if identity in self._relayed:
            return
        if sighting.via is None:
            self._relayed.put(identity, None)
            yield Tell(ReceiptArrived(receipt=receipt))
        elif receipt.creator != self.settings.address:
            check_receipt(receipt.transaction, sighting.transaction, receipt, self._verifier)
            self._relayed.put(identity, None)
            yield self._announce(ReceiptNews(receipt=receipt))

    def _on_draft(self, sender: Address, draft: Draft) -> Iterator[Effect]:
        if draft.generator == self.settings.address:
            return
        identity = digest(draft)
        via = self._drafts.get(identity)
        if via is None or sender == draft.generator:
            # The generator's own word is the best way back, whoever was faster with it.
            self._drafts.put(identity, sender)
        elif via != sender:
            return
        yield Tell(DraftArrived(draft=draft, sender=sender))
        if reaches_further(draft, self.settings.address):
            self._verifier.check(draft)
            yield self._announce(DraftNews(draft=draft))

    # --- fetching

    def on_replied(self, message: Replied, now: Now) -> Iterator[Effect]:
        reply, neighbour = message.reply, message.neighbour
        if isinstance(reply, Chunk):
            yield from self._on_chunk(neighbour, reply, message.body, now)
        elif isinstance(reply, Gone):
            assembly = self._assemblies.get(reply.model)
            if assembly is not None and assembly.source == neighbour:
                yield from self._next_source(assembly, "model_gone", now)
        elif isinstance(reply, Resent):
            if self._links.resent(neighbour, reply):
                yield from self._news(neighbour, reply.news, now)
        else:
            yield from self._links.replied(neighbour, reply, now)
            self.ready = self._links.ready()
            if isinstance(reply, Admitted):
                yield from self._fetch_on(neighbour, now)

    def _fetch_on(self, neighbour: Address, now: Now) -> Iterator[Effect]:
        """The link stands again: what was asked for meanwhile was refused, or lost."""
        for assembly in self._assemblies.values():
            lost = assembly.ask_again(now.mono) if assembly.source == neighbour else None
            if lost is not None:
                yield Send(neighbour, Fetch(model=assembly.model, first=lost[0], count=lost[1]))

    def _on_chunk(self, neighbour: Address, chunk: Chunk, body: memoryview | bytes, now: Now) -> Iterator[Effect]:
        assembly = self._assemblies.get(chunk.model)
        if assembly is None or assembly.source != neighbour:
            return
        if not assembly.put(chunk.index, body, now.mono):
            yield from self._next_source(assembly, "chunk", now)
        elif not assembly.complete():
            yield from self._ask(assembly)
        else:
            yield from self._deliver(assembly, now)

    def _deliver(self, assembly: Assembly, now: Now) -> Iterator[Effect]:
        data = assembly.whole()
        if self._hash(data) != assembly.model:
            yield from self._next_source(assembly, "model_digest", now)
            return
        del self._assemblies[assembly.model]
        yield Keep(assembly.model, data)
        for transaction, receipts in self._wanted.pop(assembly.model, []):
            identity = digest(transaction)
            sighting = self._seen.get(identity)
            sender = assembly.source if sighting is None or sighting.via is None else sighting.via
            yield Tell(Fetched(transaction=transaction, receipts=receipts, sender=sender))
            yield Note(events.Fetched(tx=identity, source=assembly.source, ms=now.mono - assembly.begun))

    def _ask(self, assembly: Assembly) -> Iterator[Effect]:
        wanted = assembly.ask()
        if wanted is not None:
            yield Send(assembly.source, Fetch(model=assembly.model, first=wanted[0], count=wanted[1]))

    def _next_source(self, assembly: Assembly, code: str, now: Now) -> Iterator[Effect]:
        """The neighbour did not give the model: ask another that announced it, or leave it until it is announced again."""
        yield refused(Refused(code, f"from {assembly.source[:8]}"), "model", assembly.model, assembly.source)
        wanted = self._wanted.get(assembly.model, [])
        sightings = [sighting for tx, _ in wanted if (sighting := self._seen.get(digest(tx))) is not None]
        for sighting in sightings:
            if assembly.source in sighting.sources:
                sighting.sources.remove(assembly.source)
        sources = [source for sighting in sightings for source in sighting.sources]
        if sources:
            assembly.restart(sources[0], now.mono)
            yield from self._ask(assembly)
            return
        del self._assemblies[assembly.model]
        for transaction, _ in self._wanted.pop(assembly.model, []):
            self._seen.drop(digest(transaction))

    # --- requests of neighbours

    def who(self, peer: bytes) -> Address:
        """The address behind a peer, empty while it has not said."""
        return self._links.who(peer)

    def on_asked(self, message: Asked, now: Now) -> Iterator[Effect]:
        request, peer = message.request, message.peer
        try:
            neighbour = yield from self._links.asked(peer, request)
            if neighbour is None:
                self.ready = self._links.ready()
            elif isinstance(request, Fetch):
                yield from self._serve(peer, neighbour, request)
            elif isinstance(request, Resend):
                for number, news in self._out.repeat(request.epoch, request.first, request.last):
                    yield Answer(peer, Resent(epoch=request.epoch, number=number, news=news))
            elif isinstance(request, ConfirmationsFor):
                yield from self._carry(neighbour, request.confirmations)
        except Refused as error:
            yield refused(error, type(request).__name__, "", self._links.who(peer))
            yield Answer(peer, Refusal(code=error.code, what=type(request).__name__))

    def _serve(self, peer: bytes, neighbour: Address, request: Fetch) -> Iterator[Effect]:
        """Chunks of a model that we announced, and of no other."""
        identity = self._offered.get(request.model)
        size = None if identity is None else self._models.size(request.model)
        if identity is None or size is None:
            yield Answer(peer, Gone(model=request.model))
            return
        last = min(request.first + request.count, chunk_count(size))
        self._check_served(neighbour, request, last - request.first, size)
        if request.first < last:
            yield Serve(peer, request.model, request.first, last)
        if request.first < last == chunk_count(size):
            self.count("served")
            yield Note(events.ModelSent(tx=identity, to=neighbour, bytes=size))

    def _check_served(self, neighbour: Address, request: Fetch, chunks: int, size: int) -> None:
        """A neighbour gets a model once, and again what was lost on the way. Raises `Refused` with code `fetched_often`."""
        served = self._served.get((neighbour, request.model)) or 0
        if served >= MOST_SERVED * chunk_count(size):
            raise Refused("fetched_often", f"{served} chunks of {request.model[:8]}")
        self._served.put((neighbour, request.model), served + max(1, chunks))

    def _carry(self, neighbour: Address, confirmations: tuple[Confirmation, ...]) -> Iterator[Effect]:
        """Confirmations of our own draft go to the builder, those of another's the way the draft came."""
        for via in dict.fromkeys(self._drafts.get(confirmation.draft) for confirmation in confirmations):
            group = tuple(confirmation for confirmation in confirmations if self._drafts.get(confirmation.draft) == via)
            if via is None:
                raise Refused("other_draft", f"from {neighbour[:8]}")
            if via == self.settings.address:
                yield Tell(ConfirmationsArrived(confirmations=group))
            else:
                yield Send(via, ConfirmationsFor(confirmations=group))

    def _announce(self, news: AnyNews) -> Announce:
        number = self._out.add(news)
        return Announce(self._out.epoch, number, news)


def task_of(message: Message) -> str:
    """The paper's task for which a message between nodes is handled."""
    if isinstance(message, Heard):
        return "generate_block" if isinstance(message.news, DraftNews | ReceiptNews | BlockNews) else "receive_transaction"
    if isinstance(message, Asked):
        return "generate_block" if isinstance(message.request, ConfirmationsFor) else "generate_transaction"
    return "receive_transaction"
