"""What the server takes: only GET and HEAD, and only of whoever calls it by a name that is its own.

A page of somebody else's, open in the same browser, could have its name's address changed to ours (DNS rebinding) and read what we serve.
It would ask for its own name: so only addresses in digits, `localhost`, and the names that the person gave are answered. What we send may
load nothing that is not ours, and stands in no frame. Who reads slowly gets it in pieces, and has but one of them in our memory.
"""

import ipaddress
import socket
from collections.abc import Collection, Iterator

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; img-src 'self' data: blob:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
"""Plotly sets styles in elements; nothing else is loaded or run that does not come from here."""

METHODS = ("GET", "HEAD")
PIECE = 1 << 16  # Bytes that are sent at once: the server waits until a connection has room for more.

HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)


def host_in(header: str) -> str:
    """The host of a Host header, without its port.

    >>> host_in("[::1]:8765"), host_in("localhost:8765"), host_in("")
    ('::1', 'localhost', '')
    """
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0].lower().rstrip(".")


def is_ours(header: str, names: Collection[str]) -> bool:
    """Whether a Host header calls us: by an address, or one of our names."""
    host = host_in(header)
    return host in names or is_address(host)


def is_address(host: str) -> bool:
    """Whether it is an address in digits, which nobody can have changed."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    return host == "localhost" or (is_address(host) and ipaddress.ip_address(host).is_loopback)


def names_of(host: str) -> frozenset[str]:
    """The names by which a server that listens at `host` is called; beyond loopback that of the machine too."""
    return frozenset({"localhost", host.lower(), *(() if is_loopback(host) else (socket.gethostname().lower(),))})


class Guard:
    """In front of the application."""

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        self._app, self._names = app, names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
            for piece in pieces(message):
                await send(piece)

        refusal = self._refusal(scope)
        await (self._app if refusal is None else refusal)(scope, receive, guarded)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        if scope["method"] not in METHODS:
            return PlainTextResponse("this server only answers GET and HEAD\n", 405, headers={"allow": ", ".join(METHODS)})
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1 or not is_ours(hosts[0], self._names):
            return PlainTextResponse("this server is not called by that name: use its address, or give the name with --host\n", 421)
        return None


def pieces(message: Message) -> Iterator[Message]:
    """A message; a long body as many short ones."""
    body = message.get("body", b"")
    for start in range(0, len(body) - PIECE, PIECE):
        yield {**message, "body": body[start : start + PIECE], "more_body": True}
    yield {**message, "body": body[-(len(body) % PIECE or PIECE) :]} if len(body) > PIECE else message
