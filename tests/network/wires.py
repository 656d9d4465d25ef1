"""TCP between nodes that can be cut: a wire is two ports of this machine, and what comes to them goes on to two others.

While a link is cut its connections stay open and are silent, as over a dead line, and what was under way is lost: when it heals they
are closed, and both ends have to connect anew.
"""

import asyncio
from collections import defaultdict
from collections.abc import Coroutine
from functools import partial
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")
HOST = "127.0.0.1"
AT_ONCE = 1 << 16
"""Bytes that are carried at once."""


class Link:
    """Whether a link is whole, and its connections."""

    def __init__(self) -> None:
        self.whole = asyncio.Event()
        self.whole.set()
        self.connections: set[asyncio.Task[None]] = set()

    def connected(self, target: int, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._join(target, near, back))
        self.connections.add(task)
        task.add_done_callback(self.connections.discard)

    async def _join(self, target: int, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        """Carry bytes both ways until one end closes the connection; close it at once if nobody listens at the target."""
        ends = [back]
        try:
            await self.whole.wait()
            far, on = await asyncio.open_connection(HOST, target)
            ends.append(on)
            await asyncio.gather(self._carry(near, on), self._carry(far, back))
        except (OSError, EOFError):
            return
        finally:
            for end in ends:
                end.transport.abort()

    async def _carry(self, source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        """Raises EOFError at the end, so that the other way ends too."""
        while data := await source.read(AT_ONCE):
            await self.whole.wait()
            to.write(data)
            await to.drain()
        raise EOFError


class Wires:
    """All wires of a network, in a thread of their own. Each belongs to a link, by the names of its nodes, and is cut with it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._links: defaultdict[frozenset[str], Link] = defaultdict(Link)
        self._servers: list[asyncio.Server] = []
        self._thread = Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def lay(self, a: str, b: str, port: int, target: int) -> None:
        """From `port` and the one after it to `target` and the one after that."""
        self._do(self._lay(self._links[frozenset((a, b))], port, target))

    def cut(self, a: str, b: str) -> None:
        self._do(self._cut(self._links[frozenset((a, b))]))

    def heal(self, a: str, b: str) -> None:
        self._do(self._heal(self._links[frozenset((a, b))]))

    def close(self) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    # --- in the thread

    async def _lay(self, link: Link, port: int, target: int) -> None:
        for number in (0, 1):
            self._servers.append(await asyncio.start_server(partial(link.connected, target + number), HOST, port + number))

    async def _cut(self, link: Link) -> None:
        link.whole.clear()

    async def _heal(self, link: Link) -> None:
        for connection in link.connections:
            connection.cancel()
        link.whole.set()

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        connections = [connection for link in self._links.values() for connection in link.connections]
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
