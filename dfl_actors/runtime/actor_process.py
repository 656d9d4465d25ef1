"""An actor's process: its log, its stores and sockets, its loop."""

import zmq

from dfl_actors.actors.base import Actor
from dfl_actors.actors.gossiper import Gossiper
from dfl_actors.actors.injector import Injector
from dfl_actors.actors.transfers import MOST_ASSEMBLIES
from dfl_actors.learning.weights import model_bytes
from dfl_actors.processes.channel import Channel
from dfl_actors.processes.child import log_to
from dfl_actors.processes.limits import limit_memory, spare_files
from dfl_actors.processes.preload import settle
from dfl_actors.runtime.assembly import Owned, build
from dfl_actors.runtime.clock import Clock
from dfl_actors.runtime.doors import MOST_PROVED, MOST_UNPROVED
from dfl_actors.runtime.driver import Driver
from dfl_actors.runtime.inlet import Asks, Inlet, endpoint
from dfl_actors.runtime.keyfiles import curve_keys
from dfl_actors.runtime.mail import Mail
from dfl_actors.runtime.metrics import Metrics
from dfl_actors.runtime.net import Curve, Net
from dfl_actors.runtime.plan import NodePlan
from dfl_actors.runtime.rundir import RunDirectory
from dfl_actors.runtime.tap import Tap

SPARE = 600 << 20  # Bytes that a gossiper, which strangers reach, may take beyond what it has at the start and models on their way.


def run_actor(parent: Channel, plan: NodePlan, name: str, incarnation: int) -> None:
    """The whole life of an actor's process. Raises `DflError` for what a restart does not mend."""
    run = RunDirectory(plan.directory)
    log_to(run.node(plan.node.name).log(name))
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    owned = Owned(plan, name)
    net = network(plan, owned, context) if name == "gossiper" else None
    mail = Mail(context, plan.sockets, plan.node.name, name, incarnation + 1)
    metrics = Metrics(run.metrics, plan.node.name, name)
    actor = build(plan, name, incarnation, owned)
    tap = tap_of(plan, actor, incarnation + 1, context, owned.clock)
    inlet = inlet_of(plan, actor, owned, context) if isinstance(actor, Injector) else None
    settle()
    if name == "gossiper":
        spare_files(2 * (MOST_UNPROVED + MOST_PROVED))
        limit_memory(SPARE + MOST_ASSEMBLIES * model_bytes("float32", plan.parameters))
    Driver(actor, owned, mail, net, parent, metrics, tap, inlet).run()
    owned.close()
    metrics.close()
    if net is not None:
        net.close()
    if inlet is not None:
        inlet.close()
    context.destroy(linger=0)


def inlet_of(plan: NodePlan, injector: Injector, owned: Owned, context: zmq.Context[zmq.Socket[bytes]]) -> Inlet:
    """Where samples from outside come in."""
    assert owned.stock is not None
    assert owned.form is not None
    asks = Asks(owned.form, owned.stock.kinds)
    inlet = Inlet(context, endpoint(plan.sockets, plan.node.name), owned.stock, asks, lambda: not injector.full)
    if plan.node.inlet is not None:
        public, secret = curve_keys(owned.key)
        known = {*plan.node.feeders, *(node.curve_key for node in plan.config.nodes if node.curve_key)}
        inlet.open(plan.node.inlet, Curve(public, secret, frozenset(key.encode() for key in known)))
    return inlet


def tap_of(plan: NodePlan, actor: Actor, life: int, context: zmq.Context[zmq.Socket[bytes]], clock: Clock) -> Tap:
    """Where watchers hear what the actor does."""
    names = {**dict(zip(plan.settings.neighbours, plan.node.neighbours, strict=True)), plan.settings.address: plan.node.name}
    who = actor.who if isinstance(actor, Gossiper) else lambda peer: ""
    return Tap(context, plan.sockets, plan.node.name, actor.name, life, names, who, clock)


def network(plan: NodePlan, owned: Owned, context: zmq.Context[zmq.Socket[bytes]]) -> Net:
    """The gossiper's network sockets. Raises `TransportError` when the port is in use."""
    curve = None
    if plan.config.curve:
        public, secret = curve_keys(owned.key)
        curve = Curve(public, secret, frozenset(key.encode() for key in plan.curve_allowed))
    return Net(context, plan.bind, curve)
