"""The gossiper's links: who is proved, whose news we follow, and which numbers we still miss.

For each neighbour there are two ways, each proved on its own: ours to its ROUTER (`Link`), and its to ours (`Session`).
"""

from collections.abc import Callable, Generator, Iterator

import msgspec

from dfl_actors.actors.base import Settings, refused
from dfl_actors.core import events
from dfl_actors.core.clock import Now
from dfl_actors.core.effects import Answer, Effect, Note, Send
from dfl_actors.core.gossip import Incoming, Recent
from dfl_actors.core.keys import KeyPair
from dfl_actors.core.link import check_hello, check_proof, check_welcome, proof, welcome
from dfl_actors.core.messages import (
    Admitted,
    Beat,
    Heard,
    Hello,
    Message,
    Proof,
    Refusal,
    Resend,
    Resent,
    Welcome,
)
from dfl_actors.core.objects import Address
from dfl_actors.errors import Refused

ATTEMPTS = 3
"""How often lost news are asked for."""

MOST_SESSIONS = 1024
"""Peers that may be in the middle of a handshake or admitted; the oldest is forgotten first."""


class Link:
    """Our way to a neighbour."""

    def __init__(self) -> None:
        self.up = False
        self.heard = False
        self.proved = False
        self.nonce = ""
        self.incoming = Incoming()


class Session(msgspec.Struct):
    """A peer's way to us. `admitted` once it has proved that it is the neighbour it says."""

    hello: Hello
    nonce: str
    admitted: bool = False


class Links:
    """All links of a node."""

    def __init__(self, settings: Settings, key: KeyPair, nonce: Callable[[], str]) -> None:
        self._settings, self._key, self._nonce = settings, key, nonce
        self._links = {address: Link() for address in settings.neighbours}
        # Apart, so that strangers who only say hello cannot push out those who have proved who they are.
        self._greeted: Recent[bytes, Session] = Recent(MOST_SESSIONS)
        self._sessions: Recent[bytes, Session] = Recent(MOST_SESSIONS)
        self._admitted: set[Address] = set()

    def complete(self) -> bool:
        """Whether every link stands both ways and news of every neighbour arrives."""
        return all(link.up and link.heard for link in self._links.values()) and len(self._admitted) == len(self._links)

    def ready(self) -> bool:
        """Whether work may begin: every link stands, or one where the nodes are not started together."""
        if self._settings.together:
            return self.complete()
        return any(link.up and link.heard and address in self._admitted for address, link in self._links.items())

    def who(self, peer: bytes) -> Address:
        """The address behind a peer, empty when it has not said."""
        session = self._session(peer)
        return "" if session is None else session.hello.address

    def _session(self, peer: bytes) -> Session | None:
        return self._greeted.get(peer) or self._sessions.get(peer)

    # --- our way to the neighbours

    def greet(self, now: Now) -> Iterator[Effect]:
        """Say hello to every neighbour whose link is down."""
        for address, link in self._links.items():
            if not link.up:
                yield self._hello(address, link)

    def _hello(self, address: Address, link: Link) -> Send:
        """A new greeting, or the same again while no answer to it has come."""
        if link.up or not link.nonce:
            link.up, link.proved, link.nonce = False, False, self._nonce()
        hello = Hello(genesis=self._settings.genesis, address=self._key.address, public_key=self._key.public, nonce=link.nonce)
        return Send(address, hello)

    def replied(self, neighbour: Address, reply: Message, now: Now) -> Iterator[Effect]:
        """The handshake's replies, and refusals."""
        link = self._links[neighbour]
        try:
            if isinstance(reply, Welcome):
                check_welcome(reply, neighbour, self._key.address, self._settings.genesis, link.nonce)
                link.proved = True
                yield Send(neighbour, proof(reply, self._key, self._settings.genesis))
            elif isinstance(reply, Admitted):
                if not link.proved:
                    raise Refused("wrong_neighbour", "admitted us before it proved who it is")
                link.up = True
            elif isinstance(reply, Refusal):
                yield from self._on_refusal(neighbour, link, reply)
        except Refused as error:
            yield refused(error, type(reply).__name__, "", neighbour)

    def _on_refusal(self, neighbour: Address, link: Link, reply: Refusal) -> Iterator[Effect]:
        yield Note(events.RefusedBy(what=reply.what, code=reply.code, by=neighbour))
        if reply.code == "not_admitted" and link.up:
            yield self._hello(neighbour, link)

    def heard(self, message: Heard, now: Now) -> Generator[Effect, None, bool]:
        """Follow the numbers of a neighbour's news; whether this piece is new."""
        link = self._links.get(message.neighbour)
        if link is None:
            return False
        restarted = link.heard and link.incoming.epoch != message.epoch
        link.heard = True
        fresh = link.incoming.accept(message.epoch, message.number, isinstance(message.news, Beat))
        if restarted:
            yield self._hello(message.neighbour, link)
        if link.incoming.missing:
            yield from self._ask_for_missing(message.neighbour, link)
        return fresh

    def ask_again(self) -> Iterator[Effect]:
        """Ask once more for news that are still missing."""
        for address, link in self._links.items():
            yield from self._ask_for_missing(address, link)

    def _ask_for_missing(self, address: Address, link: Link) -> Iterator[Effect]:
        wanted = link.incoming.wanted(ATTEMPTS)
        if wanted is not None:
            yield Send(address, Resend(epoch=link.incoming.epoch, first=wanted[0], last=wanted[1]))

    def resent(self, neighbour: Address, reply: Resent) -> bool:
        """Whether repeated news were still missing."""
        incoming = self._links[neighbour].incoming
        return reply.epoch == incoming.epoch and reply.number in incoming.missing and incoming.accept(reply.epoch, reply.number, False)

    # --- the neighbours' way to us

    def asked(self, peer: bytes, request: Message) -> Generator[Effect, None, Address | None]:
        """The neighbour who asks, or None when the request was part of the handshake.

        Raises `Refused` with code `not_admitted`, or as the checks of `core.link`.
        """
        session = self._session(peer)
        if isinstance(request, Hello):
            check_hello(request, self._settings.genesis, self._settings.neighbours)
            if session is None or session.hello != request:
                session = Session(request, self._nonce())
                self._greeted.put(peer, session)
            yield Answer(peer, welcome(request, self._key, self._settings.genesis, session.nonce))
            return None
        if session is None:
            raise Refused("not_admitted")
        if isinstance(request, Proof):
            hello = session.hello
            check_proof(request, hello.public_key, hello.address, self._key.address, self._settings.genesis, session.nonce)
            session.admitted = True
            self._admitted.add(hello.address)
            self._greeted.drop(peer)
            self._sessions.put(peer, session)
            yield Answer(peer, Admitted())
            return None
        if not session.admitted:
            raise Refused("not_admitted")
        return session.hello.address
