"""The first and the last moments of a child process: its signals, its output, its parent's death, its errors."""

import ctypes
import faulthandler
import gc
import os
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from multiprocessing import parent_process
from multiprocessing.connection import wait
from pathlib import Path

import zmq

from dfl_actors.actors.base import Actor
from dfl_actors.actors.gossiper import Gossiper
from dfl_actors.errors import DflError
from dfl_actors.runtime import sockets
from dfl_actors.runtime.clock import Clock
from dfl_actors.runtime.driver import Driver, fail
from dfl_actors.runtime.hatch import Owned, build, log_path
from dfl_actors.runtime.keyfiles import curve_keys
from dfl_actors.runtime.mail import Mail
from dfl_actors.runtime.metrics import Metrics
from dfl_actors.runtime.net import Curve, Net
from dfl_actors.runtime.plan import SUPERVISOR, NodePlan
from dfl_actors.runtime.rundir import RunDirectory
from dfl_actors.runtime.tap import Tap

CRASHED = 70
"""Exit code of a process that ended by an error of the program."""

FAILED = 71
"""Exit code of a process that told the supervisor why it cannot go on."""

GRACE = 1.5
"""Seconds a child has to end by itself once its parent is gone."""


def run_actor(plan: NodePlan, name: str, incarnation: int) -> None:
    """The whole life of an actor's process."""
    enter(log_path(plan.directory, plan.node.name, name), plan.sockets)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    control = control_socket(context, plan.sockets, f"{plan.node.name}.{name}")
    guarded(control, plan.sockets, lambda: _act(plan, name, incarnation, context, control))


def _act(plan: NodePlan, name: str, incarnation: int, context: zmq.Context[zmq.Socket[bytes]], control: zmq.Socket[bytes]) -> None:
    owned = Owned(plan, name)
    net = network(plan, owned, context) if name == "gossiper" else None
    mail = Mail(context, plan.sockets, plan.node.name, name, incarnation + 1)
    metrics = Metrics(RunDirectory(plan.directory).metrics, plan.node.name, name)
    actor = build(plan, name, incarnation, owned)
    tap = tap_of(plan, actor, incarnation + 1, context, owned.clock)
    settle()
    Driver(actor, owned, mail, net, control, parent_handle(), metrics, tap).run()
    owned.close()
    metrics.close()
    if net is not None:
        net.close()
    context.destroy(linger=0)


def tap_of(plan: NodePlan, actor: Actor, life: int, context: zmq.Context[zmq.Socket[bytes]], clock: Clock) -> Tap:
    """Where watchers hear what the actor does."""
    names = {**dict(zip(plan.settings.neighbours, plan.node.neighbours, strict=True)), plan.settings.address: plan.node.name}
    who = actor.who if isinstance(actor, Gossiper) else lambda peer: ""
    return Tap(context, plan.sockets, plan.node.name, actor.name, life, names, who, clock)


def settle() -> None:
    """What was made by now stays: keep it out of the garbage collector's sight, and give back what making it has left over."""
    gc.collect()
    gc.freeze()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def network(plan: NodePlan, owned: Owned, context: zmq.Context[zmq.Socket[bytes]]) -> Net:
    """The gossiper's network sockets. Raises `TransportError` when the port is in use."""
    curve = None
    if plan.config.curve:
        public, secret = curve_keys(owned.key)
        curve = Curve(public, secret, frozenset(key.encode() for key in plan.curve_allowed))
    return Net(context, plan.bind, curve)


def control_socket(context: zmq.Context[zmq.Socket[bytes]], directory: Path, identity: str) -> zmq.Socket[bytes]:
    """The way to the supervisor."""
    control = sockets.make(context, zmq.DEALER, sockets.LETTER_LIMIT, sockets.HIGH_WATER)
    control.setsockopt(zmq.IMMEDIATE, 0)
    control.setsockopt(zmq.ROUTING_ID, identity.encode())
    control.connect(sockets.ipc(directory, SUPERVISOR, SUPERVISOR, "mail"))
    return control


def enter(log: Path, sockets_directory: Path) -> None:
    """Signals belong to the supervisor, output to a file; without a parent this process ends."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    log.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for stream in (1, 2):
        os.dup2(file, stream)
    os.close(file)
    faulthandler.enable(file=sys.stderr)
    threading.Thread(target=_outlive, args=(sockets_directory,), daemon=True).start()


def _outlive(sockets_directory: Path) -> None:
    """When the supervisor dies, take away the sockets' directory and, should the loop hang, this process."""
    wait([parent_handle()])
    threading.Event().wait(GRACE)
    shutil.rmtree(sockets_directory, ignore_errors=True)
    os._exit(CRASHED)


def parent_handle() -> int:
    """A file descriptor that becomes readable when the supervisor is gone."""
    parent = parent_process()
    assert parent is not None
    return parent.sentinel


def guarded(control: zmq.Socket[bytes], sockets_directory: Path, work: Callable[[], None]) -> None:
    """Run `work` and end the process; the user's errors are told to the supervisor, the program's own go to the log."""
    context = control.context
    code = 0
    try:
        work()
    except DflError as error:
        fail(control, error)
        control.close(linger=1000)
        context.term()
        code = FAILED
    except BaseException:  # noqa: BLE001 - the last to hear of it: written down, and the process ends with its code
        traceback.print_exc()
        code = CRASHED
    sys.stdout.flush()
    sys.stderr.flush()
    if wait([parent_handle()], 0):  # nobody else is left to take it away
        shutil.rmtree(sockets_directory, ignore_errors=True)
    os._exit(code)
