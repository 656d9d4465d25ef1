"""A schedule is performed: the storm, then everything is made whole, then every node must work again, and nothing may have broken.

**Safety**: what `conditions.check_safe` and `tapped` say holds at any moment of anything, no honest node is refused for what only a liar
does, and nothing raises. **Liveness**: once all is whole, within `BOUND` every node trains, gets receipts of all honest neighbours,
finishes a block and averages.
"""

import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from unittest.mock import patch

from dfl_actors.core.chain import BASE, ChainState, decode_pin, empty
from dfl_actors.core.codec import digest, encode, sha256
from dfl_actors.core.objects import Confirmation, Draft, Receipt, Signed, Transaction, signer_of, signing_bytes
from dfl_actors.core.verdicts import SENDERS, SIGNERS
from tests.scenarios.conditions import check_safe
from tests.scenarios.interface import Plan
from tests.simnet import seals
from tests.simnet.faults import Plot, Scene
from tests.simnet.mischief import NAME, Culprit
from tests.simnet.network import SimNetwork
from tests.simnet.schedules import WORLDS, Schedule
from tests.simnet.seals import SealKeys, sealed
from tests.simnet.sometimes import reached

BOUND = 30_000
"""Milliseconds within which a network that is whole again has to work."""

LOOK = 250
"""Milliseconds between two looks at whether it does."""

MOST_EVENTS = 400_000
"""More than a schedule has: a network that makes more without end stands on the spot."""

LIES = SENDERS | SIGNERS | {"shut_out"}
"""What no honest node is refused for, whatever befell it, and what comes of that."""


@dataclass(frozen=True)
class Outcome:
    """How a schedule ended: `failure` is empty if all went well; `healed` how long (ms) it took to work again; `trace` a digest of all
    that came of it, the same for the same schedule."""

    schedule: Schedule
    failure: str
    reached: frozenset[str]
    healed: int
    trace: str

    @property
    def way(self) -> str:
        """In which way it failed, whatever the nodes are called: what was broken, and where that was seen."""
        kind, place, line = [*self.failure.split(":"), "", ""][:3]
        return kind if kind == "liveness" else f"{kind}:{place}:{line}"


def perform(schedule: Schedule) -> Outcome:
    """Perform a schedule, the same in every process."""
    world = WORLDS[schedule.world]
    with sealed(), patch("dfl_actors.core.score.HALF_LIFE", world.half_life), patch("dfl_actors.core.gossip.CHUNK", world.chunk):
        return _Trial(schedule).outcome()


class _Trial:
    def __init__(self, schedule: Schedule) -> None:
        self._schedule, world = schedule, WORLDS[schedule.world]
        plan = Plan(world.plan.links, world.plan.observers, world.plan.settings, seed=schedule.seed)
        plot = Plot()
        self._network = SimNetwork(plan, crashes=plot, rogues=world.rogues, keys=SealKeys)
        self._scene = Scene(self._network, plot, Culprit(self._network) if NAME in world.rogues else None)
        self._honest = [name for name in plan.nodes if name not in world.rogues]
        self._events = 0

    def outcome(self) -> Outcome:
        failure, healed = "", 0
        try:
            self._storm()
            healed = self._heal()
            self._check()
        except AssertionError as error:
            failure = str(error) if str(error).startswith("liveness") else f"safety: {_place(error)}{error}"
        except Exception as error:  # noqa: BLE001 - whatever an actor raises would end its process
            failure = f"error: {_place(error)}{type(error).__name__}: {error}"
        return Outcome(self._schedule, failure, frozenset(reached(self._network)), healed, self._trace())

    def _storm(self) -> None:
        network = self._network
        network.start()
        for fault in self._schedule.faults:
            network.after(fault.at, partial(fault.befall, self._scene))
        self._run(self._schedule.lasts)

    def _run(self, ms: int) -> None:
        network, before = self._network, self._network.events
        network.run(lambda: network.events - before > MOST_EVENTS, ms)
        assert network.events - before <= MOST_EVENTS, "liveness: the network stands on the spot"

    def _heal(self) -> int:
        """Make everything whole; milliseconds until everybody works again."""
        network = self._network
        make_whole(self._scene)
        since = network.now
        while lacks := list(lacking(network, self._honest, since)):
            if network.now - since >= BOUND:
                break
            self._run(LOOK)
        assert not lacks, f"liveness: after {BOUND // 1000} s {lacks[0]}" + (f", and {len(lacks) - 1} more" if len(lacks) > 1 else "")
        return network.now - since

    def _check(self) -> None:
        network = self._network
        lost = {name: _base(network, name) for name in self._honest if network.nodes[name].lost}
        honest = {network.address(name) for name in self._honest if name not in lost}
        check_safe(network, lost)
        tapped(network, honest)
        for note in network.notes("refused"):
            # Over one connection nothing overtakes, as a greeting must not that is the second after another.
            overtaken = "a message overtakes another" in network.marks and note["what"] in ("Welcome", "Proof")
            assert note["by"] not in honest or note["code"] not in LIES or overtaken, (
                f"{note['node']} refuses an honest node for {note['code']}: {note['what']}, {note.get('detail', '')}"
            )

    def _trace(self) -> str:
        network = self._network
        blocks = [digest(block) for name in self._honest for block in network.chain(name)]
        return sha256(f"{network.now} {network.events} {blocks}".encode())[:16]


def _base(network: SimNetwork, name: str) -> ChainState:
    """The state from which the chain of a node goes on that lost its directory."""
    pin = decode_pin(network.nodes[name].processes["builder"].journal.get(BASE))
    return empty(network.genesis) if pin is None else pin


def _place(error: BaseException) -> str:
    """Where it was raised."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.filename.rpartition('/')[2]}:{last.lineno}: "


def make_whole(scene: Scene) -> None:
    """End all faults: ways pass again, disks have room, clocks are right, and whoever is down begins again."""
    network = scene.network
    scene.plot.disarm()
    network.calm()
    for name, node in network.nodes.items():
        node.full = False
        network.set_clock(0, name)
        if node.clock().wall != network.now:
            network.saw("a node begins with a wrong clock")
            node.power_cut()
    network.start()


def lacking(network: SimNetwork, honest: list[str], since: int) -> Iterator[str]:
    """What an honest node has not done since then that it has to do when all is well."""
    receipts = {(note["tx"], note["creator"]) for note in network.notes("receipt")}
    for name in honest:
        neighbours = [network.address(other) for other in network.plan.neighbours(name) if other in honest]
        if not _since(network, "updated", name, since):
            yield f"{name} has averaged nothing"
        if name in network.plan.observers:
            continue
        trained = [note["tx"] for note in _since(network, "trained", name, since)]
        for who in neighbours:
            if not any((tx, who) in receipts for tx in trained):
                yield f"{name} has no receipt of {network.names[who]} for what it trained since ({len(trained)} transactions)"
        final = {note["height"] for note in network.notes("final", name)}
        if not any(note["height"] in final for note in _since(network, "drafted", name, since)):
            yield f"{name} has finished no block that it began since (height {network.nodes[name].chain.height})"


def _since(network: SimNetwork, event: str, node: str, since: int) -> list[dict[str, object]]:
    return [note for note in network.notes(event, node) if note["t"] > since]


ONE_ONLY: tuple[tuple[type[Receipt | Confirmation | Draft | Transaction], tuple[str, ...]], ...] = (
    (Receipt, ("creator", "transaction")),
    (Confirmation, ("creator", "receipt")),
    (Draft, ("generator", "height")),
    (Transaction, ("generator", "sequence")),
)
"""Of what left the processes there is one for these fields: one receipt a witness and transaction, one draft a height, and so on."""


def _genuine(value: Signed) -> bool:
    return seals.verify(value.public_key, value.signature, signing_bytes(value))


def tapped(network: SimNetwork, honest: set[str]) -> None:
    """What the honest signed contradicts nothing else that they signed."""
    forgers = len(honest) < len(network.nodes)
    for kind, fields in ONE_ONLY:
        seen: dict[tuple[object, ...], bytes] = {}
        for value in network.tap:
            if isinstance(value, kind) and signer_of(value) in honest and (not forgers or _genuine(value)):
                key = tuple(getattr(value, name) for name in fields)
                assert seen.setdefault(key, encode(value)) == encode(value), f"two {kind.__name__}s for {key}"
