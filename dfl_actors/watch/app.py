"""The server's pages and their addresses: a Starlette application over some runs.

    /                       the run, or where there are several: all of them side by side
    /run/KEY/               one of several
    .../node/NAME           one of its nodes
    .../events              Server-Sent Events: the number of the newest version; `end` when the server ends
    .../update?near=A B     what changed, for a page that shows the sections A and B
    /metrics                the figures of all runs, for Prometheus
    /assets/...             the pages' scripts and styles

Everything else does not exist: no path leads to a file.
"""

import asyncio
import hashlib
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from html import escape
from typing import NamedTuple
from urllib.parse import quote

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from dfl_actors.report.page.page import PLOTLY, style
from dfl_actors.report.page.page import resource as report_resource
from dfl_actors.report.page.parts import tag
from dfl_actors.watch.exposition import KIND, exposed
from dfl_actors.watch.node import NodeView
from dfl_actors.watch.overview import Overview
from dfl_actors.watch.views import Place, RunView, View, resource

EVERY = 1.0  # Seconds between two looks at the files, while somebody watches.
STILL = 15.0  # Seconds after which a stream says that it is still there, so that one whose reader is gone ends.
MOST_ANSWERS = 8  # Of one version that are kept: as many as open pages that show different parts of it.
FAREWELL = 3.0  # Seconds that open pages have to fetch the last state, once the server is to end.

NOT_KEPT = {"cache-control": "no-store"}


class Ending(asyncio.Event):
    """That the server is to end; until then, all `views` there are, and which of them somebody follows."""

    def __init__(self) -> None:
        super().__init__()
        self.views: list[View] = []
        self.followed = Counter[View]()

    async def settle(self, seconds: float) -> None:
        """Let those read on that are followed, until nothing is being read any more, or so many seconds are over. A page that has only
        just been opened follows nothing yet, and has begun to read."""
        deadline = time.monotonic() + seconds
        for view in list(+self.followed):
            await run_in_threadpool(view.advance)
        while time.monotonic() < deadline and not all(view.settled for view in self.views):  # noqa: ASYNC110
            await asyncio.sleep(0.05)  # threads read, which set no event of ours


class News:
    """Who waits for something new of a view, and what looks after it: nothing does while nobody waits."""

    def __init__(self, view: View, ending: Ending) -> None:
        self._view, self._ending, self._readers = view, ending, 0
        ending.views.append(view)
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def stream(self) -> AsyncIterator[str]:
        """The newest version whenever there is one, and that the server ends."""
        self._readers += 1
        self._ending.followed[self._view] += 1
        self._task = self._task or asyncio.create_task(self._look())
        told = -1
        try:
            yield "retry: 2000\n\n"
            while not self._ending.is_set():
                if self._view.version != told:
                    told = self._view.version
                    yield f"data: {told}\n\n"
                elif not await _comes(self._changed, STILL):
                    yield ": still here\n\n"
            yield f"event: end\ndata: {self._view.version}\n\n"
        finally:
            self._readers -= 1
            self._ending.followed[self._view] -= 1

    async def _look(self) -> None:
        """What is found out beside (stores, chains) makes a new version too, between two looks."""
        known = -1
        while self._readers and not self._ending.is_set():
            await run_in_threadpool(self._view.advance)
            if self._view.version != known:
                known = self._view.version
                self._changed.set()
                self._changed = asyncio.Event()
            await _comes(self._ending, EVERY)
        if self._ending.is_set():
            await run_in_threadpool(self._view.advance)
            self._changed.set()
        self._task = None


async def _comes(event: asyncio.Event, seconds: float) -> bool:
    """Whether it is set within so many seconds."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True


class Answers:
    """What is sent of a view: its page, and what changed in it. Who asks for the same is given the same: what many readers cost is about
    what one does."""

    def __init__(self, view: View, place: Place) -> None:
        self._view, self._place, self._lock = view, place, threading.Lock()
        self._version, self._made = -1, dict[frozenset[str] | None, bytes]()

    def page(self) -> bytes:
        """As it is now."""
        self._view.advance()
        return self._once(None, lambda: self._view.page(self._place).encode())

    def update(self, near: frozenset[str]) -> bytes:
        """For a page that shows these sections."""
        return self._once(near, lambda: msgspec.json.encode(self._view.update(near, self._place)))

    def _once(self, what: frozenset[str] | None, make: Callable[[], bytes]) -> bytes:
        """Made once of each version."""
        with self._lock:
            if self._view.version != self._version:
                self._version = self._view.version
                self._made.clear()
            if what not in self._made:
                for oldest in list(self._made)[: len(self._made) - MOST_ANSWERS + 1]:
                    del self._made[oldest]
                self._made[what] = make()
            return self._made[what]


class Found(NamedTuple):
    """What an address means: who waits for news of a view, and what they are answered."""

    news: News
    answers: Answers

    @classmethod
    def of(cls, view: View, place: Place, ending: Ending) -> "Found":
        return cls(News(view, ending), Answers(view, place))


class Addresses:
    """The addresses of a run below `at`: its page, and those of its nodes, which are made when they are asked for."""

    def __init__(self, view: RunView, at: str, above: str, ending: Ending) -> None:
        self._view, self._at, self._above, self._ending = view, at, above, ending
        place = Place(events=f"{at}events", update=f"{at}update", nodes=f"{at}node/", links=above)
        self._run = Found.of(view, place, ending)
        self._nodes: dict[str, Found] = {}

    def routes(self) -> Iterator[BaseRoute]:
        """One page, one stream and one answer of what changed, for the run and for its nodes."""
        yield from _three((self._at, f"{self._at}events", f"{self._at}update"), lambda request: self._run)
        yield from _three([f"{self._at}{word}node/{{name:path}}" for word in ("", "events/", "update/")], self._node)

    def _node(self, request: Request) -> Found | None:
        name, followed = request.path_params["name"], self._view.followed
        if followed is None or name not in followed.run.nodes:
            return None
        if name not in self._nodes:
            link = self._above + tag("a", escape(followed.run.name), href=self._at)
            path = f"node/{quote(name, '')}"
            place = Place(events=f"{self._at}events/{path}", update=f"{self._at}update/{path}", links=link)
            self._nodes[name] = Found.of(NodeView(self._view, name), place, self._ending)
        return self._nodes[name]


Which = Callable[[Request], Found | None]
Answered = Callable[[Request, Found], Awaitable[Response]]


def _three(paths: Sequence[str], which: Which) -> Iterator[BaseRoute]:
    """The addresses of a page, of its stream and of what changed."""
    for path, answered in zip(paths, (page, events, update), strict=True):
        yield Route(path, partial(_for, which, answered))


async def _for(which: Which, answered: Answered, request: Request) -> Response:
    found = which(request)
    return Response("there is no such page\n", 404, media_type="text/plain") if found is None else await answered(request, found)


async def page(request: Request, found: Found) -> Response:
    return HTMLResponse(await run_in_threadpool(found.answers.page), headers=NOT_KEPT)


async def events(request: Request, found: Found) -> Response:
    if request.method == "HEAD":  # who asks for it waits for no news
        return Response(media_type="text/event-stream", headers=NOT_KEPT)
    return StreamingResponse(found.news.stream(), media_type="text/event-stream", headers=NOT_KEPT)


async def update(request: Request, found: Found) -> Response:
    near = frozenset(request.query_params.get("near", "").split(" "))
    return Response(await run_in_threadpool(found.answers.update, near), media_type="application/json", headers=NOT_KEPT)


def assets() -> Iterator[BaseRoute]:
    """What all pages load."""
    made: dict[str, tuple[str, Callable[[], str]]] = {
        "page.css": ("text/css", lambda: style() + resource("live.css")),
        "plotly.js": ("text/javascript", lambda: report_resource(PLOTLY)),
        "page.js": ("text/javascript", lambda: report_resource("page.js")),
        "live.js": ("text/javascript", lambda: resource("live.js")),
    }
    for name, (kind, make) in made.items():
        yield Route(f"/assets/{name}", _asset(make(), kind))


def _asset(text: str, kind: str) -> Callable[[Request], Response]:
    body = text.encode()
    headers = {"cache-control": "no-cache", "etag": f'"{hashlib.sha256(body).hexdigest()[:32]}"'}

    def asset(request: Request) -> Response:
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        return Response(body, media_type=kind, headers=headers)

    return asset


def application(views: Sequence[RunView], ending: Ending) -> Starlette:
    """The pages of these runs."""
    routes: list[BaseRoute] = [*assets(), Route("/metrics", _metrics(views))]
    if len(views) == 1:
        return _starlette([*routes, *Addresses(views[0], "/", "", ending).routes()])
    all_runs = Found.of(Overview(views), Place(events="/events", update="/update"), ending)
    routes += _three(("/", "/events", "/update"), lambda request: all_runs)
    for view in views:
        routes += Addresses(view, f"/run/{view.key}/", tag("a", "all runs", href="/"), ending).routes()
    return _starlette(routes)


def _starlette(routes: Sequence[BaseRoute]) -> Starlette:
    return Starlette(routes=routes, exception_handlers={Exception: failed})


def _metrics(views: Sequence[RunView]) -> Callable[[Request], Response]:
    """Runs in a thread of its own, as everything does that is no coroutine."""

    def metrics(request: Request) -> Response:
        for view in views:
            view.advance()
        with ExitStack() as held:
            for view in views:
                held.enter_context(view.lock)
            return Response(exposed(views, time.time_ns() // 1_000_000), headers={**NOT_KEPT, "content-type": KIND})

    return metrics


async def failed(request: Request, error: Exception) -> Response:
    """An error of the program: one line here and one there."""
    sys.stderr.write(f"error: {request.url.path} could not be answered ({error!r}): please report it\n")
    return Response(f"this could not be answered ({error!r}): please report it\n", 500, media_type="text/plain")
