"""Clients that send nothing, or no end of it, are given up; streams are not."""

import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

from dfl_actors.watch import connections
from tests.report.made_run import ready, write_run
from tests.watch.serving import PATIENCE, Served, served

HEAD = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"
SHORT = 0.3  # Seconds in the place of `HEAD_S`.


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(connections, "HEAD_S", SHORT)
    monkeypatch.setattr(connections, "MOST_OPEN", 8)
    with served(write_run(tmp_path / "net", ["a"], [ready()])) as made:
        yield made


def connected(server: Served) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)


def given_up(made: socket.socket, drip: bytes = b"") -> bool:
    """Whether the server closes a connection, of its own accord, that sends this now and then."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with suppress(ConnectionError):
            if drip:
                made.sendall(drip)
            if not select.select([made], [], [], 0.02 if drip else PATIENCE)[0]:
                continue
            if made.recv(1 << 16):
                continue
        return True
    return False


@pytest.mark.parametrize(
    ("begun", "drip"),
    [
        (b"", b""),
        (HEAD, b""),
        (HEAD, b"X-More: 1\r\n"),
        (HEAD + b"\r\n" + HEAD, b""),  # a second request without an end, after an answer
        (HEAD + b"Content-Length: 1000000\r\n\r\n", b"x"),  # a body that nobody asked for, and that has no end
    ],
)
def test_who_does_not_say_what_is_wanted_is_given_up(server: Served, begun: bytes, drip: bytes) -> None:
    with closing(connected(server)) as made:
        made.sendall(begun)
        assert given_up(made, drip)
    assert server.get("/").status == 200


def test_a_stream_outlives_the_limit(server: Served) -> None:
    with closing(connected(server)) as stream, closing(stream.makefile("rb")) as lines:
        stream.sendall(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        while not lines.readline().startswith(b"data: "):
            pass
        for _ in range(3):  # each as long as the limit
            with closing(connected(server)) as silent:
                assert given_up(silent)
        server.views[0].version += 1
        while not lines.readline().startswith(b"data: "):
            pass


def test_connections_beyond_the_most_are_closed_unheard_and_room_comes_again(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_S", PATIENCE)
    with ExitStack() as open_:
        for _ in range(8):
            open_.enter_context(closing(connected(server)))
        with closing(connected(server)) as more:
            begun = time.monotonic()
            assert given_up(more) and time.monotonic() - begun < PATIENCE / 2
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with suppress(OSError):
            if server.get("/").status == 200:
                return
    pytest.fail("there was no room again")
