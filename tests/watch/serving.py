"""The server of `dfl-actors watch` in a thread, and what it answers."""

import asyncio
import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from dfl_actors.watch.command import Server, keys_of, listening
from dfl_actors.watch.views import RunView

PATIENCE = 60.0  # Seconds that something may take on a busy machine.


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


class Served(NamedTuple):
    port: int
    views: list[RunView]
    end: Callable[[], object]
    """Let open pages be given the last state, and that this was it."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def get(self, path: str = "/", method: str = "GET", **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        answer = Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
        connection.close()
        return answer


@contextmanager
def served(*paths: Path) -> Iterator[Served]:
    """The pages of these runs, on a free port."""
    socket = listening("127.0.0.1", 0)
    views = [RunView(path, key) for path, key in zip(paths, keys_of(paths), strict=True)]
    for view in views:
        view.advance()
    server = Server(views, "127.0.0.1")
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        await server.serve(sockets=[socket])

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    deadline = time.monotonic() + PATIENCE
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    try:
        yield Served(socket.getsockname()[1], views, lambda: asyncio.run_coroutine_threadsafe(server.farewell(), loops[0]))
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        socket.close()
