"""Other processes that a test talks to over a pipe."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

PATIENCE = 30.0  # seconds that a test waits for another process before it fails
SMALL_MAP = 1 << 20
SEED = 20240611


@contextmanager
def process(target: Callable[..., None], *args: object) -> Iterator[tuple[BaseProcess, Connection]]:
    """A process that runs `target(pipe, *args)`, and our end of its pipe. It does not outlive the `with`."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=target, args=(theirs, *args), daemon=True)
    child.start()
    theirs.close()
    try:
        yield child, ours
    finally:
        child.kill()
        child.join(PATIENCE)
        ours.close()


def heard(pipe: Connection) -> object:
    assert pipe.poll(PATIENCE), "the other process is silent"
    return pipe.recv()


def kill(child: BaseProcess) -> None:
    child.kill()
    child.join(PATIENCE)
    assert child.exitcode is not None


def body(key: str, length: int) -> bytes:
    """Bytes that follow from `key`, so that a reader can tell a whole value from a mixed one."""
    return (sha256(key.encode()).digest() * (length // 32 + 1))[:length]
