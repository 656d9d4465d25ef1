"""A neighbour with a key, made by hand: it shakes hands, answers probes and serves models as others do, and says whatever an attack wants.

Nothing happens but in `turn`, so that an attack is one thread, and what it sends is counted: `sent` is every message that the victim got.
"""

import secrets
import time
from collections import defaultdict
from contextlib import suppress
from typing import Any

import msgspec
import zmq
from hostile_stage import wall

from dfl_actors.core import codec
from dfl_actors.core import messages as m
from dfl_actors.core.codec import digest, encode, model_digest
from dfl_actors.core.gossip import CHUNK, chunk_count
from dfl_actors.core.keys import KeyPair
from dfl_actors.core.letters import NUMBERS
from dfl_actors.core.link import proof, welcome
from dfl_actors.core.objects import Address, Confirmation, Draft, Entry, Receipt, Transaction, issue
from dfl_actors.core.pulse import pulse
from dfl_actors.errors import Refused

BEAT = 0.5
PATIENCE = 60.0
LIMIT = 1 << 24


class Neighbour:
    """`keys` are its own, under `m`, and those of its accomplices; `victim` is the node at `port`, and `own` where it listens itself."""

    def __init__(self, keys: dict[str, KeyPair], genesis: str, victim: Address, port: int, own: int, parameters: int) -> None:
        self.keys, self.key, self.genesis, self.victim, self.parameters = keys, keys["m"], genesis, victim, parameters
        self.models: dict[str, bytes] = {}
        self.heard: defaultdict[type[Any], list[Any]] = defaultdict(list)
        self.sent, self.admitted, self.probed = 0, False, 0
        self._epoch, self._number, self._sequence, self._beat = wall(), 0, 0, 0.0
        self._asked_for = 0
        self._peer, self._subscribed, self._context = b"", False, zmq.Context()
        self.publisher, self._router = self._socket(zmq.XPUB), self._socket(zmq.ROUTER)
        self._dealer, self._subscriber = self._socket(zmq.DEALER), self._socket(zmq.SUB)
        self._subscriber.setsockopt(zmq.SUBSCRIBE, b"n")
        for socket, place in ((self.publisher, own), (self._router, own + 1)):
            socket.bind(f"tcp://127.0.0.1:{place}")
        for socket, place in ((self._subscriber, port), (self._dealer, port + 1)):
            socket.connect(f"tcp://127.0.0.1:{place}")
        self._poller = zmq.Poller()
        for socket in (self.publisher, self._router, self._dealer, self._subscriber):
            self._poller.register(socket, zmq.POLLIN)

    def _socket(self, kind: int) -> "zmq.Socket[bytes]":
        """Without marks: what is sent is to arrive."""
        socket: zmq.Socket[bytes] = self._context.socket(kind)
        for option in (zmq.SNDHWM, zmq.RCVHWM, zmq.LINGER):
            socket.setsockopt(option, 0)
        return socket

    def close(self) -> None:
        self._context.destroy(linger=0)

    # --- as an honest one

    def join(self) -> None:
        """Until both ways stand, and the victim has heard of us. Raises `SystemExit` when it does not let us in."""
        deadline = time.monotonic() + PATIENCE
        while not (self.admitted and self._subscribed and self._peer and self.probed):
            if time.monotonic() > deadline:
                raise SystemExit("the victim does not let its neighbour in")
            if not self.admitted:
                hello = m.Hello(genesis=self.genesis, address=self.key.address, public_key=self.key.public, nonce=secrets.token_hex(32))
                self.ask(hello)
            self.turn(0.2)

    def turn(self, seconds: float) -> None:
        """Answer for so long what comes, and say a beat now and then."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 or self._poller.poll(0):
            if time.monotonic() - self._beat > BEAT:
                self._beat = time.monotonic()
                self.say(m.Beat())
            for socket, _ in self._poller.poll(int(max(0.0, min(left, BEAT)) * 1000)):
                with suppress(Refused):
                    self._arrived(socket, socket.recv_multipart())
            if left <= 0:
                return

    def _arrived(self, socket: "zmq.Socket[bytes]", frames: list[bytes]) -> None:
        if socket is self.publisher:
            self._subscribed = frames[0] == b"\x01n"
        elif socket is self._subscriber:
            news = codec.decode(m.AnyNews, frames[2], LIMIT)
            self.heard[type(news)].append(news)
        elif socket is self._dealer:
            self._replied(codec.decode(m.REPLY, frames[0], LIMIT))
        else:
            self._asked(frames[0], codec.decode(m.REQUEST, frames[1], LIMIT))

    def _replied(self, reply: Any) -> None:
        if isinstance(reply, m.Welcome):
            self.ask(proof(reply, self.key, self.genesis))
        self.admitted = self.admitted or isinstance(reply, m.Admitted)

    def _asked(self, peer: bytes, request: Any) -> None:
        match request:
            case m.Hello():
                self._peer = peer
                self.reply(welcome(request, self.key, self.genesis, secrets.token_hex(32)))
            case m.Proof():
                self.reply(m.Admitted())
            case m.Resend():
                self._asked_for = max(self._asked_for, request.last)
            case m.Holding():
                self.reply(m.Held(transactions=(), drafts=()))
            case m.Probe():
                self.probed += 1
                how = {"height": 0, "steps": 0, "score": 0, "serves": 1, "refused": [], "known": "0" * 64, "settings": []}
                said = {"listener": self.victim, "nonce": request.nonce, "sent": wall(), "since": self._epoch, **how}
                self.reply(m.Probed(pulse=pulse(self.key, self.genesis, **said)))
            case m.Fetch() if request.model in self.models:
                data = self.models[request.model]
                for index in range(request.first, min(request.first + request.count, chunk_count(len(data)))):
                    self.reply(m.Chunk(model=request.model, index=index), data[index * CHUNK : (index + 1) * CHUNK])

    def drained(self) -> bool:
        """Whether the victim has read all news so far: it then asks for one that we leave out now."""
        self._number += 1
        lost, deadline = self._number, time.monotonic() + PATIENCE
        while self._asked_for < lost and time.monotonic() < deadline:
            self.turn(0.2)
        return self._asked_for >= lost

    # --- as it likes

    def say(self, news: Any) -> None:
        """News, as they stand or encoded by now; counted when somebody hears them."""
        body = news if isinstance(news, bytes) else encode(news)
        self._number += not isinstance(news, m.Beat)
        self.tell([b"n", NUMBERS.pack(self._epoch, self._number), body])

    def tell(self, frames: list[bytes]) -> None:
        """To the victim's SUB, whatever it is."""
        self.sent += self._subscribed
        self.publisher.send_multipart(frames)

    def reply(self, reply: Any, *more: bytes) -> None:
        """To the victim's DEALER, asked for or not."""
        self.sent += 1
        self._router.send_multipart([self._peer, reply if isinstance(reply, bytes) else encode(reply), *more])

    def ask(self, request: Any) -> None:
        self.sent += self.admitted  # Before that nobody has proved to have said it.
        self._dealer.send(request if isinstance(request, bytes) else encode(request))

    def transaction(self, data: bytes | None = None, by: str = "m", **fields: Any) -> Transaction:
        """A right one; of a model that it serves, or of one that nobody has."""
        self._sequence += 1
        now, model = wall(), secrets.token_hex(32) if data is None else model_digest(data)
        if data is not None:
            self.models[model] = data
        said = {"sequence": self._sequence, "created": now, "expires": now + 60_000, "ttl": 1, "model": model, "codec": "float32"}
        size = {"size": 4 * self.parameters, "correct": 1, "tested": 2}
        return issue(Transaction, self.keys[by], self.genesis, **{**said, **size, **fields})

    def receipt(self, of: Transaction, by: str = "m", **fields: Any) -> Receipt:
        said = {"transaction": digest(of), "received_at_ttl": 0, "correct": 1, "tested": 2, "created": wall()}
        return issue(Receipt, self.keys[by], self.genesis, **{**said, **fields})

    def draft(self, entries: tuple[Entry, ...], by: str = "m", **fields: Any) -> Draft:
        said = {"height": 0, "previous": self.genesis, "created": wall(), "entries": entries}
        return issue(Draft, self.keys[by], self.genesis, **{**said, **fields})

    def confirmation(self, of: Draft, what: Receipt) -> Confirmation:
        said = {"draft": digest(of), "transaction": what.transaction, "receipt": digest(what)}
        return issue(Confirmation, self.key, self.genesis, **said)

    def large_draft(self, count: int, by: str = "m", **fields: Any) -> Draft:
        """With so many transactions, each with receipts of all accomplices: up to 3 MB."""
        witnesses = [name for name in self.keys if name not in ("0", "1", by)]
        own = [self.transaction(by=by) for _ in range(count)]
        entries = (Entry(transaction=one, receipts=tuple(self.receipt(one, name) for name in witnesses)) for one in own)
        return self.draft(tuple(entries), by, **fields)

    def newest(self) -> Transaction | None:
        """The newest transaction of the victim's own."""
        own = (news.transaction for news in reversed(self.heard[m.TransactionNews]) if news.transaction.generator == self.victim)
        return next(own, None)

    def given(self) -> dict[str, Receipt]:
        """The victim's receipts for our transactions, by their digests."""
        passed = (one for news in self.heard[m.TransactionNews] for one in news.receipts)
        alone = (news.receipt for news in self.heard[m.ReceiptNews])
        return {one.transaction: one for one in (*passed, *alone) if one.creator == self.victim}


def unsigned(value: Any) -> Any:
    """With a signature that is not its own."""
    return msgspec.structs.replace(value, signature="ab" * 64)
