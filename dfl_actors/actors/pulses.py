"""What a gossiper knows of its neighbours besides their objects: whether they are there, and what they say of themselves when asked.

It asks each every `PROBE_EVERY`, whether or not the link stands (`core.pulse`): of a neighbour in another network, too, one can know why.
"""

from collections.abc import Callable, Container, Iterator, Mapping

import msgspec

from dfl_actors.actors.base import Settings
from dfl_actors.core.clock import Now
from dfl_actors.core.control import Facts, Neighbour, Refusals
from dfl_actors.core.effects import Answer, Effect, Send
from dfl_actors.core.keys import KeyPair
from dfl_actors.core.messages import Probe, Probed
from dfl_actors.core.objects import Address, Digest
from dfl_actors.core.pulse import MILLION, MOST_COMPLAINTS, UNKNOWN, Complaint, Pulse, check_pulse, differing, pulse, table
from dfl_actors.core.recent import Recent
from dfl_actors.errors import Refused, known_code, plain

PROBE_EVERY = 2_000  # Milliseconds between two probes of a neighbour.
ANSWERED_APART = 200  # Milliseconds between two answers to one peer; what it asks in between is left.
MOST_ASKERS = 1024  # Peers whose last answer is remembered.
SILENT = 2_500  # Milliseconds of silence after which a neighbour may have been away.
AWAY = 6_000  # Milliseconds of silence after which a neighbour is not there.
TOLD_FOR = 600_000  # Milliseconds for which a refusal is told to whom it concerns.


class _Peer(msgspec.Struct):
    """One neighbour. `asked` is when its probe with `nonce` left; `settings` are those with the digest `known`."""

    nonce: str = ""
    asked: Now | None = None
    pulse: Pulse | None = None
    known: Digest = UNKNOWN
    settings: dict[str, str] = {}
    offset: int | None = None
    heard: Now | None = None
    linked: int = 0
    refused: tuple[Refusals, ...] = ()
    probes: int = 0
    answers: int = 0


class Pulses:
    """Asks the neighbours and answers them. `stated` is what our own configuration says of us, `expected` what it says of them where that
    is something else; `since` is when we started, in wall time."""

    def __init__(
        self,
        settings: Settings,
        key: KeyPair,
        nonce: Callable[[], str],
        stated: Mapping[str, str],
        expected: Mapping[Address, Mapping[str, str]],
        since: int,
    ) -> None:
        self._settings, self._key, self._nonce, self._since = settings, key, nonce, since
        self._stated, self._expected = stated, expected
        self._table, self._known = table(stated)
        self._peers = {address: _Peer() for address in settings.neighbours}
        self._answered: Recent[bytes, int] = Recent(MOST_ASKERS)
        self._facts = Facts()

    def learn(self, facts: Facts) -> None:
        """What the node's other actors know of it."""
        self._facts = facts

    def heard(self, neighbour: Address, now: Now) -> None:
        """Something came from it."""
        if neighbour in self._peers:
            self._peers[neighbour].heard = now

    def offset(self, neighbour: Address) -> int | None:
        """Milliseconds that its clock was ahead of ours when it answered last; None if it never did."""
        return self._peers[neighbour].offset if neighbour in self._peers else None

    def tally(self, neighbour: Address) -> tuple[int, int]:
        """How often it was probed, and how often it answered."""
        peer = self._peers[neighbour]
        return peer.probes, peer.answers

    # --- asking

    def hurry(self, now: Now) -> None:
        """A neighbour has connected: those that were silent for a while are asked soon."""
        for peer in self._peers.values():
            if peer.heard is None or now.mono - peer.heard.mono > SILENT:
                peer.asked = None

    def ask(self, now: Now, parted: Container[Address] = ()) -> Iterator[Effect]:
        """Probe the neighbours whose turn it is, but none from which we are parted on purpose."""
        for address, peer in self._peers.items():
            if address in parted:
                continue
            if peer.asked is None or now.mono - peer.asked.mono >= PROBE_EVERY:
                peer.nonce, peer.asked, peer.probes = self._nonce(), now, peer.probes + 1
                yield Send(address, Probe(address=self._key.address, nonce=peer.nonce, known=peer.known))

    def arrived(self, neighbour: Address, reply: Probed, now: Now) -> bool:
        """Take what a neighbour says of itself; whether it serves our requests. What nobody asked for is left. Raises `Refused`."""
        peer, said = self._peers[neighbour], reply.pulse
        if said.nonce != peer.nonce or peer.asked is None:
            return True
        check_pulse(said, neighbour, self._key.address)
        peer.nonce, peer.answers = "", peer.answers + 1
        peer.pulse, peer.offset = said, said.sent - (peer.asked.wall + now.wall) // 2
        if said.settings:
            peer.settings, peer.known = {plain(one.key): plain(one.value) for one in said.settings}, said.known
        peer.refused = tuple(_refusals(neighbour, one, now) for one in said.refused)
        return bool(said.serves)

    # --- answering

    def answer(self, asker: bytes, request: Probe, serves: bool, now: Now) -> Iterator[Effect]:
        """Say how we are, to a neighbour. Raises `Refused`."""
        if request.address not in self._peers:
            raise Refused("stranger", request.address[:8])
        if now.mono - self._answered.get(asker, -ANSWERED_APART) < ANSWERED_APART:
            return
        self._answered.put(asker, now.mono)
        yield Answer(asker, Probed(pulse=self._pulse(request, serves, now)))

    def _pulse(self, request: Probe, serves: bool, now: Now) -> Pulse:
        facts = self._facts
        return pulse(
            self._key,
            self._settings.genesis,
            listener=request.address,
            nonce=request.nonce,
            sent=now.wall,
            since=self._since,
            height=facts.height,
            steps=facts.steps,
            score=round(MILLION * facts.accuracy),
            serves=int(serves),
            refused=[msgspec.to_builtins(complaint) for complaint in self._complaints(request.address, now)],
            known=self._known,
            settings=[] if request.known == self._known else [msgspec.to_builtins(one) for one in self._table],
        )

    def _complaints(self, of: Address, now: Now) -> list[Complaint]:
        fresh = [one for one in self._facts.refused if one.by == of and now.wall - one.at < TOLD_FOR]
        fresh.sort(key=lambda one: -one.at)
        return [
            Complaint(code=one.code, count=one.count, ago=max(0, now.wall - one.at), detail=one.detail) for one in fresh[:MOST_COMPLAINTS]
        ]

    # --- for the person who asks

    def told(self, stands: Callable[[Address], bool], parted: Container[Address], now: Now) -> dict[Address, Neighbour]:
        """How the neighbours are; `stands` is whether the link with one does."""
        return {
            address: msgspec.structs.replace(self._told(address, peer, stands(address), now), parted=address in parted)
            for address, peer in self._peers.items()
        }

    def _told(self, address: Address, peer: _Peer, stands: bool, now: Now) -> Neighbour:
        there = stands and peer.heard is not None and now.mono - peer.heard.mono < AWAY
        peer.linked = (peer.linked or now.wall) if there else 0
        known = Neighbour(
            linked=peer.linked,
            heard=0 if peer.heard is None else peer.heard.wall,
            refused=peer.refused,
            differs=differing(peer.settings, {**self._stated, **self._expected.get(address, {})}),
        )
        return known if peer.pulse is None else self._with(known, peer.pulse, peer.offset)

    def _with(self, known: Neighbour, said: Pulse, offset: int | None) -> Neighbour:
        return msgspec.structs.replace(
            known,
            since=said.since,
            offset=offset,
            height=said.height,
            accuracy=said.score / MILLION if said.steps else None,
            other_genesis=said.genesis if said.genesis != self._settings.genesis else "",
        )


def _refusals(neighbour: Address, one: Complaint, now: Now) -> Refusals:
    return Refusals(neighbour, known_code(one.code), one.count, plain(one.detail), now.wall - one.ago)
