"""Starts processes from one fork server that has TensorFlow imported, and knows when they end."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from signal import SIGKILL, Signals
from typing import Any

from dfl_actors.learning.computing import ENVIRONMENT


def prepare() -> None:
    """Start the fork server now: it imports TensorFlow while we do other things. One compute thread a process."""
    os.environ.update(ENVIRONMENT)
    context = get_context("forkserver")
    context.set_forkserver_preload(["dfl_actors.runtime.preload"])
    from multiprocessing import forkserver

    with _quiet_stderr():
        forkserver.ensure_running()


def end() -> None:
    """Kill the fork server, which may still be importing TensorFlow though nobody needs it any more."""
    from multiprocessing import forkserver

    pid = getattr(forkserver._forkserver, "_forkserver_pid", None)  # noqa: SLF001 - nothing public names it
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, SIGKILL)


def start(name: str, work: Callable[..., None], *arguments: Any) -> ForkServerProcess:
    """A child that runs `work(*arguments)`."""
    process = get_context("forkserver").Process(target=work, args=arguments, name=name, daemon=True)
    with _no_main_module():
        process.start()
    return process


def how_it_ended(process: ForkServerProcess) -> str:
    """In words, for a person."""
    code = process.exitcode
    if code is None:
        return "still running"
    return f"killed by {Signals(-code).name}" if code < 0 else f"exit code {code}"


def kill(process: ForkServerProcess) -> None:
    """At once, and gone when this returns."""
    if process.pid is not None and process.exitcode is None:
        os.kill(process.pid, SIGKILL)
    process.join()


@contextmanager
def _no_main_module() -> Iterator[None]:
    """Children need nothing of the script we were started as; multiprocessing would import it again in each of them."""
    main = sys.modules["__main__"]
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    main.__spec__ = None
    if file is not None:
        del main.__file__
    try:
        yield
    finally:
        main.__spec__ = spec
        if file is not None:
            main.__file__ = file


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """The fork server inherits a stderr that leads nowhere: nothing TensorFlow says on import reaches the user."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
