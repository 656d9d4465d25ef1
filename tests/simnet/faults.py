"""What befalls a simulated network, as data: a schedule of such faults can be written down, replayed and shrunk.

Times are in milliseconds since the network began, `lasts` in milliseconds from there on. A fault whose victim is gone already does nothing.
"""

from collections import defaultdict
from dataclasses import dataclass

import msgspec

from dfl_actors.core.delivery import Step
from dfl_actors.core.events import snake
from tests.simnet.mischief import Culprit
from tests.simnet.network import SimNetwork
from tests.simnet.process import Process
from tests.simnet.wires import Way, Weather


class Plot:
    """Which crashes are to come: what `SimNetwork` asks of every batch."""

    def __init__(self) -> None:
        self._armed: defaultdict[tuple[str, str], list[tuple[Crash, int]]] = defaultdict(list)

    def arm(self, process: Process, crash: "Crash", life: int) -> None:
        """From that life of the process on."""
        self._armed[process.node.name, process.name].append((crash, life))

    def disarm(self) -> None:
        self._armed.clear()

    def __call__(self, process: Process, steps: list[Step]) -> int | None:
        armed = self._armed[process.node.name, process.name]
        for entry in armed:
            crash, life = entry
            place = crash.place(process, steps) if process.starts >= life else None
            if place is not None:
                armed.remove(entry)
                process.down = crash.down
                return place
        return None


@dataclass
class Scene:
    """Where faults happen: the network, the crashes that are to come, and the neighbour that breaks the rules, if there is one."""

    network: SimNetwork
    plot: Plot
    culprit: Culprit | None = None


class Fault(msgspec.Struct, frozen=True, kw_only=True, tag=snake, tag_field="do", omit_defaults=True):
    """Base of all faults."""

    at: int

    def befall(self, scene: Scene) -> None:
        """Let it happen."""
        raise NotImplementedError


class Storm(Fault, frozen=True, kw_only=True):
    """One way has weather of its own: delays up to `delay` ms, so many of a hundred messages lost and repeated, and they may overtake."""

    way: Way
    lasts: int
    delay: int = 10
    loss: int = 0
    repeat: int = 0
    overtake: bool = False

    def befall(self, scene: Scene) -> None:
        network = scene.network
        weather = Weather((1, self.delay), self.loss / 100, self.repeat / 100, self.overtake)
        network.wires.over[self.way] = weather
        network.after(self.lasts, lambda: self._over(network, weather))

    def _over(self, network: SimNetwork, weather: Weather) -> None:
        if network.wires.over.get(self.way) is weather:
            del network.wires.over[self.way]


class Cut(Fault, frozen=True, kw_only=True):
    """Nothing passes one way; then the two connect anew."""

    way: Way
    lasts: int

    def befall(self, scene: Scene) -> None:
        network = scene.network
        network.wires.part(self.way)
        network.after(self.lasts, lambda: self._over(network))

    def _over(self, network: SimNetwork) -> None:
        network.wires.cut.discard(self.way)
        network.reconnect(*self.way)


class Stall(Fault, frozen=True, kw_only=True):
    """One way holds back what would pass, and gives it in the end. Several that begin one by one and end in another order are a swizzle."""

    way: Way
    lasts: int

    def befall(self, scene: Scene) -> None:
        network = scene.network
        network.wires.hold(self.way)
        network.after(self.lasts, lambda: network.wires.release(self.way))


class ClockSet(Fault, frozen=True, kw_only=True):
    """The clock of a node's machine is set so far ahead of the right time, or behind it: seen at once, gone by after the next power cut."""

    node: str
    ms: int

    def befall(self, scene: Scene) -> None:
        network = scene.network
        network.saw("a clock is set forward" if self.ms > 0 else "a clock is set back")
        network.set_clock(self.ms, self.node)


class Freeze(Fault, frozen=True, kw_only=True):
    """One process gets no time."""

    node: str
    actor: str
    lasts: int

    def befall(self, scene: Scene) -> None:
        network = scene.network
        process = network.nodes[self.node].processes[self.actor]
        if process.actor is not None:
            network.saw(f"a {self.actor} stands still")
            process.stalled = network.now + self.lasts


class Crash(Fault, frozen=True, kw_only=True):
    """One process falls, in the first batch from then on that has a step of kind `around` (any batch, without one): just before the first
    of its kind, or `step` steps further on. With `again` it waits for the next life, and falls in its batch `again`: during recovery."""

    node: str
    actor: str
    step: int = 0
    around: str = ""
    again: int = 0
    down: int = 300

    def befall(self, scene: Scene) -> None:
        process = scene.network.nodes[self.node].processes[self.actor]
        scene.plot.arm(process, self, process.starts + (self.again > 0))

    def place(self, process: Process, steps: list[Step]) -> int | None:
        """The step before which it falls; None if not in this batch."""
        if self.again and process.lived + 1 < self.again:
            return None
        if not self.around:
            return self.step % (len(steps) + 1)
        first = next((number for number, step in enumerate(steps) if type(step).__name__ == self.around), None)
        return None if first is None else min(first + self.step, len(steps))


class PowerCut(Fault, frozen=True, kw_only=True):
    """Nodes fall whole and begin again. Of each model store, which is never synced, the last `loses` models are gone, and the one before
    them is there with half of its bytes if it `tears`."""

    nodes: tuple[str, ...]
    lasts: int
    loses: int = 0
    tears: bool = False

    def befall(self, scene: Scene) -> None:
        network = scene.network
        if len(self.nodes) == len(network.nodes):
            network.saw("the power of all nodes is cut")
        for name in self.nodes:
            node = network.nodes[name]
            if node.running and all(process.actor is None or process.lived <= 1 for process in node.processes.values()):
                network.saw("the power is cut during recovery")
            node.power_cut()
            if node.models.lose(self.loses):
                network.saw("a power cut costs models")
            if self.tears and node.models.tear():
                network.saw("a power cut tears a model")
        network.saw("the power of a node is cut")
        network.after(self.lasts, lambda: network.start(*self.nodes))


class Loss(Fault, frozen=True, kw_only=True):
    """A node loses its directory with its machine, and goes on with its key alone (`--adopt`)."""

    node: str
    lasts: int

    def befall(self, scene: Scene) -> None:
        scene.network.nodes[self.node].lose()
        scene.network.saw("a node loses its directory")
        scene.network.after(self.lasts, lambda: scene.network.start(self.node))


class DiskFull(Fault, frozen=True, kw_only=True):
    """The disk of a node takes nothing: whoever writes falls, and falls again when it begins anew."""

    node: str
    lasts: int

    def befall(self, scene: Scene) -> None:
        network = scene.network
        network.nodes[self.node].full = True
        network.after(self.lasts, lambda: self._over(network))

    def _over(self, network: SimNetwork) -> None:
        network.nodes[self.node].full = False


class Mischief(Fault, frozen=True, kw_only=True):
    """The neighbour that breaks the rules does one of its acts, so many times."""

    act: str
    times: int = 1

    def befall(self, scene: Scene) -> None:
        if scene.culprit is not None:
            scene.culprit.perform(self.act, self.times)
