"""A whole network in memory and in virtual time, from one seed: delays, loss, repeats, reordering, partitions and crashes.

Inside a node messages are late but in order, as on ipc; between nodes they are whatever `wires.Weather` says. All that crosses is
canonical bytes, decoded on arrival. `tap` holds every signed object that left a process, for the tests' eyes. Chance has dice of its own
for each process and each way, so a fault more or less in one place leaves the others as they were.
"""

import heapq
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any
from unittest import mock

import msgspec
import numpy as np

from dfl_actors.actors.base import Actor
from dfl_actors.actors.builder import Builder, BuilderSettings
from dfl_actors.actors.gossiper import Gossiper
from dfl_actors.actors.injector import Injector, InjectorSettings
from dfl_actors.actors.keeper import Keeper, KeeperSettings
from dfl_actors.actors.linking import GossiperSettings
from dfl_actors.actors.trainer import Trainer, TrainerSettings
from dfl_actors.actors.validator import Validator, ValidatorSettings
from dfl_actors.core import codec, objects
from dfl_actors.core.clock import Steps
from dfl_actors.core.control import Adoption
from dfl_actors.core.delivery import Step
from dfl_actors.core.family import ACTORS, Message
from dfl_actors.core.keys import KeyPair, verify
from dfl_actors.core.messages import REPLY, REQUEST, AnyNews, Chunk
from dfl_actors.core.objects import Draft, FinalBlock, Genesis, Layer, Signed, Transaction
from dfl_actors.core.words import Asked, Garbled, Heard, Replied, Started, Subscribed
from dfl_actors.errors import Refused
from dfl_actors.learning.partition import Received
from dfl_actors.learning.weights import Parameters
from dfl_actors.runtime.adoption import check_adoption
from dfl_actors.runtime.clock import Clock
from dfl_actors.sdk.attack import Attack
from dfl_actors.sdk.attacks import Offering
from dfl_actors.sdk.half_fedavg import build as half_fedavg
from dfl_actors.sdk.interface import Algorithm, Context
from dfl_actors.sdk.loader import checked_apply
from tests.scenarios.interface import SOON, USUAL, Plan
from tests.simnet import parts
from tests.simnet.process import Process
from tests.simnet.rogue import Rogue
from tests.simnet.wires import Weather, Wires

BEGIN = 1_700_000_000_000
Crashes = Callable[[Process, list[Step]], int | None]
"""The one of a batch's steps before which the process has to crash, if it has to."""


REMEMBERING = {verify: lru_cache(1 << 12)(verify)}  # For all nodes, each of which asks for itself; with `seals` nobody asks.


def never(process: Process, steps: list[Step]) -> None:
    """No crashes."""


class Node:
    """One node's stores and processes."""

    def __init__(self, network: "SimNetwork", name: str, known: dict[str, Any], key: KeyPair, rogue: bool) -> None:
        self.name, self.known, self.key = name, known, key
        self.models, self.chain, self._network = parts.Models(known.get("models", 256)), parts.Chain(), network
        self._ahead = 0
        self.off = self.full = self.lost = False
        """Whether the machine has no power, whether its disk takes nothing more, and whether the node once lost its directory."""
        self.boot()
        actors, make = (("gossiper",), partial(Rogue, self)) if rogue else (ACTORS, partial(build, network, self))
        self.processes = {actor: Process(network, self, actor, make) for actor in actors}

    def boot(self) -> None:
        """Begin a run: from here on its clock goes on from what the machine's shows now."""
        network = self._network
        self._asked = False
        self._adoption: Adoption | None = None
        self.clock, self._steps = Clock(mono=lambda: network.mono, wall=lambda: network.now + self._ahead), Steps()

    def set_clock(self, ms: int) -> None:
        self._ahead = ms
        told = self._steps.saw(self.clock.step())
        if self.running and told is not None:
            self._network.note("", "supervisor", "clock_set", {"ms": told})

    def power_cut(self) -> None:
        """Everything falls at once, and is started again by `SimNetwork.start` alone."""
        self.off = True
        for process in self.processes.values():
            process.crash()

    def lose(self) -> None:
        """Its machine is gone with all that it had on its disk."""
        self.power_cut()
        self.lost, self.chain = True, parts.Chain()
        self.models.data.clear()
        for process in self.processes.values():
            process.journal.data.clear()

    def start_word(self) -> Started | None:
        """With what the node's actors are told to begin; None while it is not known yet what neighbours hold of it (`runtime.board`)."""
        if self.lost and not self._asked:
            gossiper, trainer, builder = (self.processes[name].actor for name in ("gossiper", "trainer", "builder"))
            if not isinstance(gossiper, Gossiper) or trainer is None or builder is None or not gossiper.ready:
                return None
            self._asked, held = True, gossiper.held
            if check_adoption(self.name, held, int(trainer.counts.get("sent", 0)), int(builder.counts.get("drafted", 0)), adopt=True):
                heights = {address: known.height for address, known in gossiper.neighbours(self.clock()).items()}
                self._adoption = Adoption(held=held, at=self.clock().wall, heights=heights)
                self._network.saw("a node goes on behind what it lost")
        return Started(adoption=self._adoption)

    @property
    def running(self) -> bool:
        return any(process.actor is not None for process in self.processes.values())

    def event(self, listener: str, body: bytes) -> None:
        if self.processes[listener].actor is not None:
            self.processes[listener].on_event(body)

    def letter(self, sender: str, to: str, header: bytes, body: bytes) -> None:
        if self.processes[to].actor is not None:
            self.processes[to].on_letter(sender, header, body)

    def acknowledged(self, by: str, to: str, header: bytes) -> None:
        if self.processes[to].actor is not None:
            self.processes[to].on_acknowledged(by, header)


def build(network: "SimNetwork", node: Node, process: Process) -> Actor:
    """The state machine of a process, from its stores alone."""
    key, journal, models = node.key, process.journal, node.models
    seed = parts.number(network.plan.seed, node.name, process.name, process.starts)
    rng, first = np.random.default_rng(seed), parts.initial(node.known["parameters"])
    attack = network.attacks.get(node.name)
    if process.name == "injector":
        return Injector(parts.settings(InjectorSettings, node.known), parts.Stream(seed))
    if process.name == "trainer":
        offer = None if attack is None else Offering(attack, rng)
        trained = parts.settings(TrainerSettings, node.known)
        return Trainer(trained, key, network.learner(), first, models, journal, Received(parts.SAMPLES), rng, offer)
    if process.name == "validator":
        measured = parts.settings(ValidatorSettings, node.known)
        return Validator(measured, key, network.learner(), models, journal, Received(parts.SAMPLES), rng)
    if process.name == "builder":
        return Builder(parts.settings(BuilderSettings, node.known), key, node.chain, journal, node.clock())
    if process.name == "gossiper":
        return Gossiper(
            parts.settings(GossiperSettings, {**node.known, "asks": node.lost}),
            key,
            models,
            journal,
            process.epoch,
            lambda: rng.bytes(32).hex(),
            node.clock(),
        )
    algorithm = network.algorithm
    context = Context(key.address, node.known["neighbours"], Parameters(network.genesis_object.layers), rng)
    watched = attack is not None and attack.watches
    return Keeper(
        parts.settings(KeeperSettings, node.known), partial(checked_apply, algorithm), algorithm.init(context), models, journal, watched
    )


class SimNetwork:
    """The `Network` of the scenarios, and what only a simulation can do: weather, planned crashes, the tap."""

    def __init__(
        self,
        plan: Plan,
        weather: Weather | None = None,
        crashes: Crashes = never,
        rogues: tuple[str, ...] = (),
        attacks: Mapping[str, Attack] | None = None,
        keys: Callable[[bytes], KeyPair] = KeyPair,
        learner: Callable[[], parts.Learner] = parts.Learner,
        algorithm: Algorithm | None = None,
    ) -> None:
        """`rogues` break the rules of the network, `attacks` are what nodes do that keep them; `keys` makes a key pair of a seed. All
        nodes have a `learner` of their own, and `algorithm`, which is half_fedavg where none is given."""
        self.plan, self.crashes, self.attacks = plan, crashes, attacks or {}
        self._dice: dict[tuple[object, ...], random.Random] = {}
        self.learner, self.algorithm = learner, algorithm or half_fedavg()
        self.wires = Wires(self, weather or Weather())
        self.now = BEGIN
        self.tap: list[Signed] = []
        self.chunks: list[tuple[str, str, str, int]] = []
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self.events = 0
        self._arrivals: dict[tuple[object, ...], int] = {}
        self.marks: Counter[str] = Counter()
        """States that were seen as they came about, and how often (`sometimes`)."""
        self._connections: Counter[frozenset[str]] = Counter()
        self._notes: defaultdict[tuple[str, str | None], list[dict[str, Any]]] = defaultdict(list)
        parameters = plan.settings.get("parameters", 8)
        self.genesis_object = Genesis(
            network="simnet", protocol=1, model="point", layers=(Layer(name="w", shape=(parameters,)),), dtype="float32", labels=2,
            initial=codec.model_digest(parts.initial(parameters).tobytes()), hash="sha256", model_hash="blake3", signature="ed25519",
        )  # fmt: skip
        self.genesis = codec.digest(self.genesis_object)
        self.make_key = keys
        self.keys = {name: keys(codec.sha256(name.encode()).encode()[:32]) for name in plan.nodes}
        self.names = {key.address: name for name, key in self.keys.items()}
        self.nodes = {name: Node(self, name, self._known(name, parameters), self.keys[name], name in rogues) for name in plan.nodes}

    def _known(self, name: str, parameters: int) -> dict[str, Any]:
        plan = self.plan
        usual: dict[str, Any] = {**USUAL, "parameters": parameters}
        usual["neighbours"] = tuple(self.address(other) for other in plan.neighbours(name))
        usual["role"] = "observer" if name in plan.observers else "normal"
        return {
            **usual,
            "node": name,
            "address": self.address(name),
            "genesis": self.genesis,
            "members": tuple(key.public for key in self.keys.values()),
            **plan.settings,
            **plan.by_node.get(name, {}),
        }

    # --- what a scenario may ask

    def start(self, *nodes: str) -> None:
        for name in nodes or self.plan.nodes:
            self.nodes[name].off = False
            if not self.nodes[name].running:
                self.nodes[name].models.put_right()
                self.nodes[name].boot()
            for process in self.nodes[name].processes.values():
                if process.actor is None:
                    process.start()

    def end(self, *nodes: str) -> None:
        for name in nodes or self.nodes:
            self.nodes[name].power_cut()

    def kill(self, node: str, actor: str, restart_after: int | None = SOON) -> None:
        process = self.nodes[node].processes[actor]
        process.crash()
        if restart_after is not None:
            self.after(restart_after, lambda: process.start() if process.actor is None and not process.node.off else None)

    def restart(self, node: str, actor: str) -> None:
        self.nodes[node].processes[actor].start()

    def cut(self, a: str, b: str) -> None:
        self.wires.part((a, b))
        self.wires.part((b, a))

    def heal(self, a: str, b: str) -> None:
        """What was cut is connected anew, and each side subscribes to the news of the other again."""
        self.wires.cut -= {(a, b), (b, a)}
        self.reconnect(a, b)

    def calm(self) -> None:
        """All ways pass again what they are given, and what they held back."""
        for way in self.wires.calm():
            self.reconnect(*way)

    def reconnect(self, a: str, b: str) -> None:
        self._connections[frozenset((a, b))] += 1
        self._subscribe(a, b)
        self._subscribe(b, a)

    def set_clock(self, ms: int, *nodes: str) -> None:
        for name in nodes or self.plan.nodes:
            self.nodes[name].set_clock(ms)

    def run(self, until: Callable[[], bool], within: int) -> bool:
        end = self.now + within
        with mock.patch.object(objects, "verify", REMEMBERING.get(found := vars(objects)["verify"], found)):
            while not until():
                if not self._queue or self._queue[0][0] > end:
                    self.now = end
                    return False
                self.now, _, action = heapq.heappop(self._queue)
                action()
        return True

    @property
    def mono(self) -> int:
        """The monotonic clock of all machines."""
        return self.now - BEGIN

    def address(self, node: str) -> str:
        return self.keys[node].address

    def chain(self, node: str) -> list[FinalBlock]:
        return [codec.decode(FinalBlock, raw, 1 << 30) for raw in self.nodes[node].chain.blocks()]

    def notes(self, event: str, node: str | None = None) -> list[dict[str, Any]]:
        return [*self._notes[event, node]]

    # --- for the processes

    def after(self, delay: int, action: Callable[[], None]) -> None:
        self.events += 1
        heapq.heappush(self._queue, (self.now + delay, self.events, action))

    def note(self, node: str, actor: str, event: str, fields: dict[str, Any]) -> None:
        note = {"t": self.now, "node": node, "actor": actor, "event": event, **fields}
        for whose in (node, None):
            self._notes[event, whose].append(note)

    def saw(self, mark: str) -> None:
        self.marks[mark] += 1

    def dice(self, *names: object) -> random.Random:
        """The dice of whoever has these names, the same for a seed of the plan."""
        if names not in self._dice:
            self._dice[names] = random.Random(f"{self.plan.seed}/{names}")
        return self._dice[names]

    def inside(self, node: Node, sender: str, to: str, action: Callable[[], None]) -> None:
        self.in_order((node.name, sender, to), self.dice("inside", node.name, sender, to).randint(0, 2), action)

    def opened(self, gossiper: Process) -> None:
        """The news of a gossiper are subscribed to by its neighbours, and it to theirs."""
        for other in self.plan.neighbours(gossiper.node.name):
            if self.nodes[other].processes["gossiper"].actor is not None:
                self._subscribe(gossiper.node.name, other)
                self._subscribe(other, gossiper.node.name)

    def _subscribe(self, to: str, by: str) -> None:
        """Subscriptions cross no better than anything else does."""
        if (by, to) not in self.wires.cut:
            self.after(5, partial(self.nodes[to].processes["gossiper"].take, Subscribed()))

    # --- between nodes

    def announce(self, node: Node, epoch: int, number: int, body: bytes) -> None:
        for other in self.plan.neighbours(node.name):
            make = partial(Heard, neighbour=node.key.address, epoch=epoch, number=number)
            self._cross("news", node.name, other, partial(self._news, make, body))

    def _news(self, make: Callable[..., Heard], body: bytes) -> Heard:
        return make(news=self._decode(AnyNews, body))

    def send(self, node: Node, neighbour: str, body: bytes) -> None:
        peer = self._peer(node.name, self.names[neighbour])
        self._cross("request", node.name, self.names[neighbour], lambda: Asked(peer=peer, request=self._decode(REQUEST, body)))

    def _peer(self, name: str, to: str) -> bytes:
        """What a ROUTER calls the other end of a connection: another name for each life of the peer, and each time it connects."""
        return f"{name}/{self.nodes[name].processes['gossiper'].epoch}/{self._connections[frozenset((name, to))]}".encode()

    def answer(self, node: Node, peer: bytes, head: bytes, body: bytes) -> None:
        """A reply goes by the connection of its request, as long as that stands."""
        name = peer.decode().partition("/")[0]
        stands = partial(self._stands, node.name, name, peer)
        if not stands():
            return
        with suppress(Refused):
            reply = codec.decode(REPLY, head)
            if isinstance(reply, Chunk):
                self.chunks.append((node.name, name, reply.model, reply.index))
        make = partial(Replied, neighbour=node.key.address, body=body)
        self._cross("reply", node.name, name, lambda: make(reply=self._decode(REPLY, head)), stands)

    def _stands(self, node: str, name: str, peer: bytes) -> bool:
        return peer == self._peer(name, node)

    def _cross(self, kind: str, sender: str, to: str, make: Callable[[], Message], stands: Callable[[], bool] = lambda: True) -> None:
        """Deliver what `make` decodes, once, never or twice, if its connection still stands then."""
        process = self.nodes[to].processes["gossiper"]
        self.wires.cross(kind, (sender, to), partial(self._arrive, sender, process, make, stands))

    def _arrive(self, sender: str, process: Process, make: Callable[[], Message], stands: Callable[[], bool]) -> None:
        if process.actor is None or not stands():
            return
        try:
            process.take(make())
        except Refused as error:
            process.refuse(error)
            process.take(Garbled(neighbour=self.address(sender), code=error.code))

    def in_order(self, way: tuple[object, ...], delay: int, action: Callable[[], None]) -> None:
        at = self._arrivals[way] = max(self.now + delay, self._arrivals.get(way, 0))
        self.after(at - self.now, action)

    def _decode(self, kind: Any, body: bytes) -> Any:
        message = codec.decode(kind, body, 4 << 20)
        self.tap.extend(signed_in(message))
        return message


def signed_in(value: object) -> list[Signed]:
    """Every signed object inside a message."""
    found = [value] if isinstance(value, Signed) else []
    if isinstance(value, msgspec.Struct) and not isinstance(value, Transaction):
        found += [one for name in value.__struct_fields__ for one in signed_in(getattr(value, name))]
    elif isinstance(value, tuple):
        found += [one for item in value for one in signed_in(item)]
    return found


def drafts(network: SimNetwork) -> list[Draft]:
    return [one for one in network.tap if isinstance(one, Draft)]
