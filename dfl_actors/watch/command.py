"""What `dfl-actors watch` does: open a socket, serve the runs until Ctrl-C, or until the command beside which it runs has ended."""

import asyncio
import contextlib
import os
import re
import socket
import sys
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path

import uvicorn

from dfl_actors.errors import ConfigError, StoreError, TransportError
from dfl_actors.report.runs.listing import find
from dfl_actors.runtime.tail import RUNS, newest
from dfl_actors.watch.app import FAREWELL, Ending, application
from dfl_actors.watch.connections import MOST, Connection
from dfl_actors.watch.guard import Guard, is_loopback, names_of
from dfl_actors.watch.views import RunView

PORT = 8765
BESIDE = 5  # How much a server beside a run gives way to it (nice).


def chosen(names: Sequence[str]) -> list[Path]:
    """The directories of the runs that are meant; without names the newest that runs, else the newest. Raises `StoreError`."""
    if names:
        paths = [find(name, (RUNS, Path("sims"))) for name in names]
        return list(dict.fromkeys(paths))
    found = newest() or newest(only_running=False)
    if found is None:
        raise StoreError(f"no run under {RUNS}/: start one with `dfl-actors run`, or name the directory of a run or a simulation")
    return [found.path]


def check_host(host: str, insecure: bool) -> None:
    """Raises `ConfigError` for an address that others reach, unless that is said to be meant."""
    if not is_loopback(host) and not insecure:
        raise ConfigError(
            f"--host {host} is reached from other machines, which then read the run without a password and unencrypted: add --insecure "
            "if that is meant, or reach 127.0.0.1 through an SSH tunnel"
        )


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises `TransportError`."""
    try:
        kind, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(kind, socket.SOCK_STREAM)
    except (OSError, OverflowError) as error:
        raise TransportError(f"{host}: no address to listen at ({error}); give one of this machine with --host") from None
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind(address)
        made.listen(128)
    except OSError as error:
        made.close()
        raise TransportError(
            f"port {port} of {host} cannot be listened at ({error.strerror}): choose another with --port, 0 takes a free one"
        ) from None
    return made


def address_of(host: str, made: socket.socket) -> str:
    """Where a browser finds it."""
    shown = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{made.getsockname()[1]}/"


def serve(paths: Sequence[Path], host: str, made: socket.socket, ready: Callable[[], None]) -> None:
    """Serve until Ctrl-C. `ready` is called when a page can be opened. Raises `KeyboardInterrupt`."""
    views = [RunView(path, key) for path, key in zip(paths, keys_of(paths), strict=True)]
    for view in views:
        view.advance()
    asyncio.run(_serve(Server(views, host), made, ready, while_stdin=False))


def serve_beside(paths: Sequence[Path], descriptor: int) -> None:
    """Serve runs that begin at the socket that we were given, until nobody has the other end of the standard input open any more."""
    os.nice(BESIDE)
    made = socket.socket(fileno=descriptor)
    views = [RunView(path, key, awaited=True) for path, key in zip(paths, keys_of(paths), strict=True)]
    asyncio.run(_serve(Server(views, made.getsockname()[0]), made, lambda: None, while_stdin=True))


def keys_of(paths: Sequence[Path]) -> list[str]:
    """A name for each in addresses, all different."""
    whole = [path.resolve() for path in paths]
    ends = [path.name for path in whole]
    # Hosts call theirs alike: then the folder that it is in says which it is.
    told = [path.name if ends.count(path.name) == 1 else f"{path.parent.name}-{path.name}".lstrip("-") for path in whole]
    names = [re.sub(r"[^A-Za-z0-9._-]", "_", name) for name in told]
    return [name if names.count(name) == 1 else f"{name}-{number}" for number, name in enumerate(names, 1)]


class Server(uvicorn.Server):
    """Tells open streams that it is to end, which would keep it for ever. Quiet: the browser tells what goes wrong with a request."""

    def __init__(self, views: Sequence[RunView], host: str) -> None:
        self._ending = Ending()
        config = uvicorn.Config(
            Guard(application(views, self._ending), names_of(host)),
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            lifespan="off",
            http=Connection,
            ws="none",
            timeout_graceful_shutdown=1,
            timeout_keep_alive=2,
            limit_concurrency=MOST,
        )
        super().__init__(config)

    def handle_exit(self, sig: int, frame: object) -> None:
        self._ending.set()
        super().handle_exit(sig, frame)  # type: ignore[arg-type]

    async def farewell(self) -> None:
        """End, once the last state has been read, and open pages have fetched it."""
        await self._ending.settle(FAREWELL)
        self._ending.set()
        for _ in range(round(FAREWELL / 0.05)):
            await asyncio.sleep(0.05)
            if not self.server_state.connections:
                break
        self.should_exit = True


async def _serve(server: Server, made: socket.socket, ready: Callable[[], None], while_stdin: bool) -> None:
    tasks = [asyncio.create_task(_until_stdin_ends(server))] if while_stdin else []
    ready()
    await server.serve(sockets=[made])
    for task in tasks:
        task.cancel()


async def _until_stdin_ends(server: Server) -> None:
    """The command beside which we run holds the other end, and has never to say anything."""
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    with contextlib.suppress(OSError):
        await reader.read()
    await server.farewell()


def open_browser(address: str) -> None:
    """In whatever the person has; without one nothing happens, for the address is printed. Browsers speak to standard error."""
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or sys.platform == "darwin" or os.environ.get("BROWSER"):
        webbrowser.open(address)
