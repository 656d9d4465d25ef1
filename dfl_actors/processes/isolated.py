"""A function called in a process of its own, so that a damaged store, which ends whoever reads it, does not end us."""

import pickle
from collections.abc import Callable
from signal import SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGXCPU, Signals
from typing import TypeVar, cast

from dfl_actors.errors import StoreError
from dfl_actors.processes import faults
from dfl_actors.processes.channel import Channel
from dfl_actors.processes.child import FAILED, STDERR, interpreter

T = TypeVar("T")
DAMAGE = (SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGXCPU)  # Of what a damaged store lets its reader die.


class ReaderDied(StoreError):
    """A signal ended the process that read a store."""


def in_child(function: Callable[..., T], *arguments: object) -> T:
    """`function(*arguments)` in a new process.

    The function is a module's own, its arguments and its answer can be pickled, and the first argument names the store in messages.
    Raises the DflError that the function raised; `ReaderDied` when a signal ended the child; RuntimeError when it failed in another way,
    its traceback being on the standard error.
    """
    process, channel = interpreter("reader", _answer, function, arguments, errors=STDERR)
    try:
        answer = channel.next()
        code = process.wait()
    finally:
        process.kill()
        process.wait()
        channel.close()
    if code == FAILED and answer is not None:
        raise faults.read(answer)
    if code or answer is None:
        raise _died(code, str(arguments[0]) if arguments else function.__name__)
    return cast("T", pickle.loads(answer))


def _answer(parent: Channel, function: Callable[..., object], arguments: tuple[object, ...]) -> None:
    parent.send(pickle.dumps(function(*arguments)))
    parent.finish()


def _died(code: int, subject: str) -> Exception:
    if code >= 0:
        return RuntimeError(f"{subject}: the child process ended with exit code {code} and without an answer")
    number = Signals(-code)
    if number in DAMAGE:
        return ReaderDied(f"{subject} is damaged (the reader died of {number.name}): put a copy in its place")
    return ReaderDied(f"{subject} was not read to its end (the reader died of {number.name}): try again")
