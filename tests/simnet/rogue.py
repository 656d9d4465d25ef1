"""A node that does what a test wants: it holds a real key, keeps its links as others do, and remembers what it is told.

It stands in the place of a gossiper. Everything it says goes through `say`; what its `Node.models` holds is served to whoever
asks, whether or not the bytes fit their digest.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from dfl_actors.actors.gossiper import Gossiper
from dfl_actors.actors.linking import GossiperSettings
from dfl_actors.actors.trainer import TrainerSettings
from dfl_actors.core.clock import Now
from dfl_actors.core.effects import Announce, Effect, Send, Serve
from dfl_actors.core.family import Letter, Message, Request
from dfl_actors.core.gossip import Outgoing, chunk_count
from dfl_actors.core.messages import Admitted, AnyNews, Beat, ConfirmationsFor, Fetch, Hello, Proof, Refusal, TransactionNews, Welcome
from dfl_actors.core.objects import Confirmation, Draft, Entry, Receipt, Transaction
from dfl_actors.core.words import Asked, Heard, Opened, Replied, Subscribed, Tick
from tests import objects
from tests.simnet import parts

if TYPE_CHECKING:
    from tests.simnet.network import Node
    from tests.simnet.process import Process

ZERO = "0" * 64


class Rogue(Gossiper):
    """`news`, `requests` and `replies` hold what came; the letters of its own node come to nothing."""

    def __init__(self, node: "Node", process: "Process") -> None:
        self._rng = np.random.default_rng(1)
        super().__init__(
            parts.settings(GossiperSettings, node.known),
            node.key,
            node.models,
            process.journal,
            process.epoch,
            lambda: self._rng.bytes(32).hex(),
            node.clock(),
        )
        self.key, self._node, self._process = node.key, node, process
        self.links = self._links
        self.out = Outgoing(process.epoch)
        self.news: list[tuple[str, AnyNews]] = []
        self.requests: list[tuple[bytes, Message]] = []
        self.replies: list[Message] = []

    def handle(self, message: Message, now: Now) -> list[Effect]:
        return [] if isinstance(message, Letter) else super().handle(message, now)

    # --- as an honest one

    def on_opened(self, _: Opened, now: Now) -> Iterator[Effect]:
        yield from self.links.greet(now)
        self.wake = now.mono + 100

    def on_tick(self, _: Tick, now: Now) -> Iterator[Effect]:
        yield from self.links.greet(now)
        yield Announce(self.out.epoch, self.out.add(Beat()), Beat())
        self.wake = now.mono + 500

    def on_subscribed(self, _: Subscribed, now: Now) -> Iterator[Effect]:
        yield Announce(self.out.epoch, self.out.add(Beat()), Beat())

    def on_heard(self, message: Heard, now: Now) -> Iterator[Effect]:
        yield from self.links.heard(message)
        self.news.append((message.neighbour, message.news))

    def on_replied(self, message: Replied, now: Now) -> Iterator[Effect]:
        self.replies.append(message.reply)
        if isinstance(message.reply, Welcome | Admitted | Refusal):
            yield from super().on_replied(message, now)

    def on_asked(self, message: Asked, now: Now) -> Iterator[Effect]:
        self.requests.append((message.peer, message.request))
        if isinstance(message.request, Hello | Proof):
            yield from super().on_asked(message, now)
        elif isinstance(message.request, Fetch) and self.who(message.peer):
            size = self._node.models.size(message.request.model) or 0
            yield Serve(message.peer, message.request.model, 0, chunk_count(size))

    # --- as it likes

    def say(self, news: AnyNews) -> None:
        self._process.perform([Announce(self.out.epoch, self.out.add(news), news)])

    def ask(self, address: str, request: Request) -> None:
        self._process.perform([Send(address, request)])

    def heard(self, kind: type[Message]) -> list[Any]:
        return [news for _, news in self.news if isinstance(news, kind)]

    def transactions_of(self, address: str) -> list[Transaction]:
        return [news.transaction for news in self.heard(TransactionNews) if news.transaction.generator == address]

    def confirmations(self) -> list[Confirmation]:
        return [one for _, asked in self.requests if isinstance(asked, ConfirmationsFor) for one in asked.confirmations]

    def transaction(self, now: int, data: bytes = bytes(32), **fields: Any) -> Transaction:
        """A right transaction, but for `fields`; `data` is what will be served as its model, whatever digest it states."""
        right = {"genesis": self.settings.genesis, "ttl": parts.settings(TrainerSettings, self._node.known).ttl}
        made = objects.transaction(self.key, now=now, data=data, **{**right, **fields})
        self._node.models.put(made.model, data)
        return made

    def receipt(self, of: Transaction, now: int, **fields: Any) -> Receipt:
        return objects.receipt(of, self.key, **{"genesis": self.settings.genesis, "created": now, **fields})

    def draft(self, entries: tuple[Entry, ...], now: int, **fields: Any) -> Draft:
        genesis = self.settings.genesis
        return objects.draft(*entries, key=self.key, **{"genesis": genesis, "previous": genesis, "created": now, **fields})

    def confirmation(self, draft: Draft, receipt: Receipt) -> Confirmation:
        return objects.confirmation(draft, receipt, self.key)
