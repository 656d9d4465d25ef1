"""What simulations and runs work with for the time of one call: a fork server, and Ctrl-C put off until nothing is lost by it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from dfl_actors.processes import signals
from dfl_actors.processes.forkserver import ForkServer, fork_server
from dfl_actors.processes.signals import Stop, deferred


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, or SIGTERM, once everything is put away. The text says how to go on; `told`: closing figures say already that it came."""

    def __init__(self, number: int, text: str, *, told: bool = False) -> None:
        super().__init__(text)
        self.number, self.told = number, told


class Crew(NamedTuple):
    """A fork server whose modules are being imported, and what signals have asked for."""

    server: ForkServer
    stop: Stop


@contextmanager
def crew(modules: Sequence[str], impatient: bool = False) -> Iterator[Crew]:
    """For one call: gone afterwards with all its processes. Raises as `put_off` does."""
    with put_off(impatient) as stop, fork_server(modules) as server:
        yield Crew(server, stop)


@contextmanager
def put_off(impatient: bool = False) -> Iterator[Stop]:
    """Ctrl-C, for one call. Raises `Interrupted`; when `impatient`, at once for a second signal."""
    try:
        with deferred(impatient) as stop:
            yield stop
    except signals.Interrupted as end:
        raise Interrupted(end.number, "stopped before it had begun") from None
