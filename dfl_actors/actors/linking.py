"""The part of the gossiper that keeps its links: greetings and proofs, how the neighbours are, and what they hold of this node.

Of none of it anything depends on what a neighbour's score is: who is shut out is still linked, and may be let in again.
"""

from collections.abc import Callable, Iterator

import msgspec

from dfl_actors.actors.base import Settings
from dfl_actors.actors.holdings import ANSWERED_APART, Asking
from dfl_actors.actors.links import Links
from dfl_actors.actors.pulses import Pulses
from dfl_actors.actors.transfers import Fetching
from dfl_actors.core import messages as m
from dfl_actors.core.checks import Verifier
from dfl_actors.core.clock import Now
from dfl_actors.core.control import Holdings, Neighbour
from dfl_actors.core.effects import Announce, Answer, Effect, Tell
from dfl_actors.core.keys import KeyPair
from dfl_actors.core.objects import Address
from dfl_actors.core.words import Known, Opened, Subscribed

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


class Linking:
    """What the handlers below need of the gossiper that they belong to."""

    settings: GossiperSettings
    wake: int | None
    ready: bool
    _fetching: Fetching

    def _announce(self, news: m.AnyNews) -> Announce:
        raise NotImplementedError

    def _make_links(self, key: KeyPair, nonce: Callable[[], str], epoch: int, verifier: Verifier) -> None:
        settings = self.settings
        self._links = Links(settings, key, nonce)
        self.who, self.proved, self.serves = self._links.who, self._links.proved, self._links.serves
        self._pulses = Pulses(settings, key, nonce, settings.stated, settings.expected, epoch)
        self._asking = Asking(settings.address, settings.neighbours, verifier, settings.asks)
        self._askers: dict[Address, tuple[bytes, int]] = {}

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

    def _set_wake(self, now: Now) -> None:
        beat, due = now.mono + self.settings.heartbeat, self._links.due()
        soon = now.mono + SOON if self._asking.urgent else beat
        self.wake = min(beat, soon, beat if due is None else max(due, now.mono + 1))

    def _enough(self) -> bool:
        return self._links.standing() + len(self._links.parted) >= self.settings.links and self._asking.done

    def on_known(self, message: Known, now: Now) -> None:
        self._pulses.learn(message.facts)

    def neighbours(self, now: Now) -> dict[Address, Neighbour]:
        """How they are."""
        return self._pulses.told(self._links.stands, self._links.parted, now)

    def on_welcome(self, reply: m.Welcome, neighbour: Address, _: Body, now: Now) -> Iterator[Effect]:
        yield from self._links.welcomed(neighbour, reply)

    def on_admitted(self, _reply: m.Admitted, neighbour: Address, _: Body, now: Now) -> Iterator[Effect]:
        self._links.admitted(neighbour)
        yield from self._asking.ask(self._links.up(), now)
        self.ready = self._enough()
        yield from self._fetching.go_on(neighbour, now)

    def on_refusal(self, reply: m.Refusal, neighbour: Address, _: Body, now: Now) -> Iterator[Effect]:
        yield from self._links.refused(neighbour, reply)
        if reply.code == "shut_out":
            yield from self._fetching.denied(neighbour, now)
        self.ready = self._enough()

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
        """A gossiper that has begun again since does not know who asked, who asks again."""
        if message.sender in self._askers:
            yield Answer(self._askers[message.sender][0], m.Held(transactions=message.transactions, drafts=message.drafts))
