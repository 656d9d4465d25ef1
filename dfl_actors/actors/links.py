"""The gossiper's links: who is proved, whose news we follow, and which numbers we still miss.

For each neighbour there are two ways, each proved on its own (`core.link`): ours to its ROUTER, and its to ours.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial

import msgspec

from dfl_actors.actors.base import Settings
from dfl_actors.core import events
from dfl_actors.core.clock import Now
from dfl_actors.core.effects import Answer, Effect, Note, Send
from dfl_actors.core.gossip import Incoming
from dfl_actors.core.keys import KeyPair
from dfl_actors.core.link import Ours, Step, Theirs, check_hello, check_proof, check_welcome, ours_after, proof, theirs_after, welcome
from dfl_actors.core.messages import Admitted, Beat, Hello, Proof, Refusal, Resend, Resent, Welcome
from dfl_actors.core.objects import Address
from dfl_actors.core.recent import Recent
from dfl_actors.core.words import Heard
from dfl_actors.errors import Refused

ATTEMPTS = 3  # How often lost news are asked for.
PAUSE, LONGEST_PAUSE = 100, 2_000  # Milliseconds between two greetings without an answer: in the beginning, and in the end.
QUICK = 5  # Greetings that follow each other by the shorter pause.
MOST_SESSIONS = 1024  # Peers that have greeted, and peers that are admitted; of more the oldest is forgotten.


class Link(msgspec.Struct):
    """Both ways between us and a neighbour, and the numbers of its news. `nonce` is what it has to sign, `former` the one before, which a
    late answer signs; while the link does not stand, the next of our `tries` is `due` at that monotonic time."""

    nonce: str
    former: str = ""
    tries: int = 0
    due: int = 0
    ours: Ours = Ours.GREETED
    theirs: Theirs = Theirs.STRANGER
    incoming: Incoming = msgspec.field(default_factory=Incoming)

    def stands(self) -> bool:
        """Whether requests are served both ways and news of the neighbour arrive."""
        return self.ours is Ours.UP and self.theirs is Theirs.ADMITTED and self.incoming.met


class Session(msgspec.Struct, frozen=True):
    """A peer's way to us: its greeting, what it has to sign (and had to before it greeted anew), and how far it has come."""

    hello: Hello
    nonce: str
    way: Theirs
    former: str = ""


class Sessions:
    """The peers that have greeted and, apart from them, those admitted: strangers who only say hello push out nobody who has proved
    who it is."""

    def __init__(self) -> None:
        self._by_way: dict[Theirs, Recent[bytes, Session]] = {way: Recent(MOST_SESSIONS) for way in (Theirs.GREETED, Theirs.ADMITTED)}

    def get(self, peer: bytes) -> Session | None:
        return next((found for known in self._by_way.values() if (found := known.get(peer)) is not None), None)

    def put(self, peer: bytes, session: Session) -> None:
        for known in self._by_way.values():
            known.pop(peer, None)
        self._by_way[session.way].put(peer, session)


class Links:
    """All links of a node."""

    def __init__(self, settings: Settings, key: KeyPair, nonce: Callable[[], str]) -> None:
        self._settings, self._key, self._nonce = settings, key, nonce
        self._links = {address: Link(nonce()) for address in settings.neighbours}
        self._sessions = Sessions()
        self.parted: frozenset[Address] = frozenset()

    def part(self, neighbours: Iterable[Address]) -> None:
        """The links to these are down on purpose, and those only: whoever was among them is greeted again as if for the first time."""
        for address in self.parted.union(neighbours):
            self._links[address] = Link(self._nonce())
        self.parted = frozenset(neighbours)

    def standing(self) -> int:
        """How many links stand."""
        return sum(link.stands() for link in self._links.values())

    def stands(self, neighbour: Address) -> bool:
        return self._links[neighbour].stands()

    def up(self) -> list[Address]:
        """The neighbours that serve our requests."""
        return [address for address, link in self._links.items() if link.ours is Ours.UP]

    def due(self) -> int | None:
        """When a link that is missing is to be tried again, in monotonic time; None when none is."""
        return min((link.due for link in self._missing().values()), default=None)

    def _missing(self) -> dict[Address, Link]:
        """Links that do not stand, and should."""
        return {address: link for address, link in self._links.items() if not link.stands() and address not in self.parted}

    def who(self, peer: bytes) -> Address:
        """The address behind a peer, empty when it has not said."""
        session = self._sessions.get(peer)
        return "" if session is None else session.hello.address

    def proved(self, peer: bytes) -> Address:
        """The neighbour that a peer has proved to be, empty when it has not: what it only says is no reason to blame anybody."""
        session = self._sessions.get(peer)
        return session.hello.address if session is not None and session.way is Theirs.ADMITTED else ""

    # --- our way to the neighbours

    def greet(self, now: Now) -> Iterator[Effect]:
        """Say hello to the neighbours whose link is down, less and less often as long as nothing comes of it."""
        for address, link in self._links.items():
            if link.stands():
                link.tries = link.due = 0
            elif now.mono >= link.due and address not in self.parted:
                link.tries, link.due = link.tries + 1, now.mono + pause(link.tries)
                if link.ours is not Ours.UP:
                    yield self._hello(address, link)

    def hurry(self, now: Now) -> None:
        """A neighbour has connected: whoever has not answered so far may do so now."""
        for link in self._missing().values():
            link.tries, link.due = 0, min(link.due, now.mono + PAUSE)

    def _hello(self, address: Address, link: Link) -> Send:
        """The greeting, the same again while no answer to it has come."""
        hello = Hello(genesis=self._settings.genesis, address=self._key.address, public_key=self._key.public, nonce=link.nonce)
        return Send(address, hello)

    def _greet_anew(self, address: Address, link: Link) -> Send:
        """The other side does not know us any more: a link that was up begins again, with another nonce."""
        if link.ours is Ours.UP:
            link.former, link.nonce = link.nonce, self._nonce()
        link.ours, link.tries, link.due = ours_after(link.ours, Step.LOST), 0, 0
        return self._hello(address, link)

    def lost(self, neighbour: Address) -> Iterator[Effect]:
        """The neighbour serves our requests no more, though our way was up: its end of the connection is another one."""
        if self._links[neighbour].ours is Ours.UP:
            yield self._greet_anew(neighbour, self._links[neighbour])

    def welcomed(self, neighbour: Address, reply: Welcome) -> Iterator[Effect]:
        """Prove who we are; the answer to a greeting before the last is late, and nobody's fault. Raises `Refused`."""
        link = self._links[neighbour]
        expected = partial(check_welcome, reply, neighbour, self._key.address, self._settings.genesis)
        if not current(expected, link.nonce, link.former):
            return
        link.ours = ours_after(link.ours, Step.WELCOME)
        yield Send(neighbour, proof(reply, self._key, self._settings.genesis))

    def admitted(self, neighbour: Address) -> None:
        """Our way is up. Raises `Refused`."""
        link = self._links[neighbour]
        link.ours = ours_after(link.ours, Step.ADMITTED)

    def refused(self, neighbour: Address, reply: Refusal) -> Iterator[Effect]:
        link = self._links[neighbour]
        yield Note(events.RefusedBy(what=reply.what, code=reply.code, by=neighbour))
        if reply.code == "not_admitted" and link.ours is Ours.UP:
            yield self._greet_anew(neighbour, link)

    def heard(self, message: Heard) -> Generator[Effect, None, bool]:
        """Follow the numbers of a neighbour's news; whether this piece is new."""
        link = self._links.get(message.neighbour)
        if link is None:
            return False
        restarted = link.incoming.met and link.incoming.epoch != message.epoch
        fresh = link.incoming.accept(message.epoch, message.number, isinstance(message.news, Beat))
        if restarted:
            yield self._greet_anew(message.neighbour, link)
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

    def hello(self, peer: bytes, hello: Hello) -> Iterator[Effect]:
        """Answer a greeting, the same one with the same nonce. Raises `Refused`."""
        check_hello(hello, self._settings.genesis, self._settings.neighbours)
        session = self._sessions.get(peer)
        if session is None or session.hello != hello:
            before = Theirs.STRANGER if session is None else session.way
            former = "" if session is None else session.nonce
            session = Session(hello, self._nonce(), theirs_after(before, Step.HELLO), former)
            self._sessions.put(peer, session)
        yield Answer(peer, welcome(hello, self._key, self._settings.genesis, session.nonce))

    def prove(self, peer: bytes, request: Proof) -> Iterator[Effect]:
        """Admit a peer that signed our nonce; a proof for its greeting before the last is late. Raises `Refused`."""
        session = self._known(peer)
        hello = session.hello
        way = theirs_after(session.way, Step.PROOF)
        expected = partial(check_proof, request, hello.public_key, hello.address, self._key.address, self._settings.genesis)
        if not current(expected, session.nonce, session.former):
            return
        self._sessions.put(peer, msgspec.structs.replace(session, way=way))
        self._links[hello.address].theirs = way
        yield Answer(peer, Admitted())

    def serves(self, peer: bytes) -> bool:
        """Whether requests of this peer are served."""
        session = self._sessions.get(peer)
        return session is not None and session.way is Theirs.ADMITTED

    def neighbour(self, peer: bytes) -> Address:
        """The neighbour behind a request. Raises `Refused` with code `not_admitted`."""
        session = self._known(peer)
        theirs_after(session.way, Step.REQUEST)
        return session.hello.address

    def _known(self, peer: bytes) -> Session:
        session = self._sessions.get(peer)
        if session is None:
            raise Refused("not_admitted")
        return session


def pause(tries: int) -> int:
    """Milliseconds until the next greeting, after so many without an answer."""
    return min(LONGEST_PAUSE, PAUSE << max(0, tries - QUICK))


def current(check: Callable[[str], None], nonce: str, former: str) -> bool:
    """Whether what was signed answers `nonce`; False if it answers `former`. Raises `Refused`, as `check`, if neither."""
    try:
        check(nonce)
    except Refused:
        if not former:
            raise
        check(former)
        return False
    return True
