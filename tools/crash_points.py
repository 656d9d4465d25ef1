"""What a run that is to be killed has besides: its actors say how far each of their lives has come, and fall where they are told to.

    CRASH_STAGE=FOLDER python tools/crash_command.py run net.toml ...

is `dfl-actors run net.toml ...` whose fork server has wrapped what it forks. The actors are the product's own; wrapped are the steps
that their drivers perform (`core/delivery.py`) and the making of their parts. In the folder lie

    order   where the next process is to fall: an `Order`, replaced as a whole
    lives   a `Line` for each life that is born, has started, works, falls, and for each point at which it is for the first time
    said    what actors signed, a line each: kind, what there may be one of, digest
    clock   nanoseconds by which the machine's wall clock is wrong (8 bytes, little-endian)
"""

import mmap
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from dfl_actors.core import codec, messages
from dfl_actors.core.delivery import Step
from dfl_actors.core.effects import Announce, Answer, Effect, Publish, Send, Tell
from dfl_actors.core.family import Message
from dfl_actors.core.words import Garbled, Known, Opened, Started, Stopping, Subscribed, Tick
from dfl_actors.processes.channel import Channel
from dfl_actors.runtime import actor_process
from dfl_actors.runtime.driver import Driver
from dfl_actors.runtime.plan import NodePlan

T = TypeVar("T")
STAGE = Path(os.environ.get("CRASH_STAGE", "."))
PARTS = ("Owned", "network", "Mail", "build", "tap_of", "Driver")
"""What `runtime/actor_process.py` makes one after the other; a process may fall before and after each."""

SPEECH = (Announce, Answer, Publish, Send, Tell)
ORDERS = (Started, Opened, Known, Tick, Stopping, Subscribed, Garbled)
"""What an actor hears of its own driver: to handle it is no proof that others reach it."""


class Order(msgspec.Struct, frozen=True):
    """The process `who` falls at `point` when it is there for the `nth` time; only one that is born after the monotonic time `after`."""

    number: int
    who: str
    point: str
    nth: int = 1
    after: float = 0.0


class Line(msgspec.Struct, frozen=True):
    """Something of a life, at a monotonic time."""

    who: str
    pid: int
    what: str
    at: float


class Life:
    """The life of this process."""

    def __init__(self, who: str) -> None:
        self.who, self.born, self.started, self.works = who, time.monotonic(), False, False
        self._lives, self._said = (os.open(STAGE / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT) for name in ("lives", "said"))
        self._points: set[str] = set()
        self._written = 0
        self._order: Order | None = None
        self._times = 0
        self.tell("born")

    def tell(self, what: str) -> None:
        os.write(self._lives, msgspec.json.encode(Line(self.who, os.getpid(), what, time.monotonic())) + b"\n")

    def at(self, point: str) -> None:
        """It is at a point; it may fall here."""
        if point not in self._points:
            self._points.add(point)
            self.tell(f"at {point}")
        order = self._ordered()
        if order is None or order.point != point:
            return
        self._times += 1
        if self._times == order.nth and claimed(order.number):
            self.tell("falls")
            os.kill(os.getpid(), signal.SIGKILL)

    def _ordered(self) -> Order | None:
        """The order, if it is for this life."""
        try:
            written = (STAGE / "order").stat().st_mtime_ns
            order = None if written == self._written else msgspec.json.decode((STAGE / "order").read_bytes(), type=Order)
        except FileNotFoundError:  # there is none, or it was withdrawn this moment
            return None
        if order is not None:
            mine = order.who == self.who and self.born > order.after
            self._written, self._times, self._order = written, 0, order if mine else None
        return self._order

    def handled(self, message: Message) -> None:
        if isinstance(message, Started):
            self.started = True
            self.tell("started")
        elif not isinstance(message, ORDERS):
            self.useful()

    def useful(self) -> None:
        """It has done something for others."""
        if self.started and not self.works:
            self.works = True
            self.tell("works")

    def says(self, effect: Effect) -> None:
        for kind, one, value in signed(effect):
            os.write(self._said, f"{kind} {one} {value}\n".encode())


def signed(effect: Effect) -> Iterator[tuple[str, str, str]]:
    """What an actor has signed and says for the first time, maybe again: its kind, what there may be one of, and its digest."""
    match effect:
        case Tell(messages.Witnessed(receipt=receipt)):
            yield "receipt", f"{receipt.creator}/{receipt.transaction}", codec.digest(receipt)
        case Tell(messages.Confirmed(confirmations=confirmations)):
            for one in confirmations:
                yield "confirmation", f"{one.creator}/{one.receipt}", codec.digest(one)
        case Tell(messages.Drafted(draft=draft)):
            yield "draft", f"{draft.generator}/{draft.height}", codec.digest(draft)
        case Tell(messages.Trained(transaction=transaction)):
            yield "transaction", f"{transaction.generator}/{transaction.sequence}", codec.digest(transaction)


def claimed(number: int) -> bool:
    """Whether this process is the first that obeys the order."""
    try:
        os.close(os.open(STAGE / f"order-{number}", os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def name_of(step: Step) -> str:
    """`Commit`, `Tell Drafted`."""
    return (
        f"{type(step).__name__} {type(step.message).__name__}" if isinstance(step, Answer | Publish | Send | Tell) else type(step).__name__
    )


def wrap() -> None:
    """Let every actor that this process forks say how it lives."""
    run_actor, performed, handled = actor_process.run_actor, Driver._step, Driver._handled  # noqa: SLF001
    alive: list[Life] = []

    def lived(parent: Channel, plan: NodePlan, name: str, incarnation: int) -> None:
        alive[:] = [Life(f"{plan.node.name}/{name}")]
        run_actor(parent, plan, name, incarnation)

    def making(part: str, make: Callable[..., T]) -> Callable[..., T]:
        def made(*given: object) -> T:
            alive[0].at(f"before {part}")
            result = make(*given)
            alive[0].at(f"after {part}")
            return result

        return made

    def step(driver: Driver, what: Step) -> None:
        life, point = alive[0], name_of(what)
        life.at(f"before {point}")
        if isinstance(what, Effect):
            life.says(what)
        performed(driver, what)
        if isinstance(what, SPEECH):
            life.useful()
        life.at(f"after {point}")

    def hears(driver: Driver, message: Message) -> list[Effect]:
        effects = handled(driver, message)
        alive[0].handled(message)
        return effects

    for name, made in (("run_actor", lived), *((part, making(part, getattr(actor_process, part))) for part in PARTS)):
        setattr(actor_process, name, made)
    for name, method in (("_step", step), ("_handled", hears)):
        setattr(Driver, name, method)


def set_clock() -> None:
    """Let this process, and what it forks, see the machine's wall clock as `clock` has it."""
    with (STAGE / "clock").open("r+b") as file:
        moved = mmap.mmap(file.fileno(), 8, prot=mmap.PROT_READ)
    right = time.time_ns
    vars(time)["time_ns"] = lambda: right() + int.from_bytes(moved[:8], "little", signed=True)
