"""The limits of real sockets against the table of them in `docs/protocol.md`."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from dfl_actors.core.control import Endpoints
from dfl_actors.runtime import sockets
from dfl_actors.runtime.clock import Clock
from dfl_actors.runtime.mail import Mail
from dfl_actors.runtime.net import Net
from dfl_actors.runtime.tap import Tap
from tests.core import rendered

ANYWHERE = Endpoints(news="tcp://127.0.0.1:*", requests="tcp://127.0.0.1:*")


@pytest.fixture
def made(tmp_path: Path) -> Iterator[dict[str, "zmq.Socket[bytes]"]]:
    """A gossiper's sockets by their names in the table."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    mail, net = Mail(context, tmp_path, "a", "gossiper", 1), Net(context, ANYWHERE, None)
    net.connect({"b": net.endpoints})
    tap = Tap(context, tmp_path, "a", "gossiper", 1, {}, lambda peer: "", Clock())
    yield {
        "events out": mail.publisher,
        "events in": mail.subscriber,
        "mailbox": mail.mailbox,
        "ways to other mailboxes": mail.ways["builder"],
        "tap, for watchers (`docs/tail.md`)": tap.socket,
        "news out": net.publisher,
        "requests in": net.router,
        "news in, one a neighbour": net.subscribers["b"],
        "requests out, one a neighbour": net.dealers["b"],
    }
    net.close()
    context.destroy(linger=0)


def test_sockets_have_the_limits_that_the_document_gives_them(made: dict[str, "zmq.Socket[bytes]"]) -> None:
    rows = rendered.documented("| socket | where | type | frame limit | high-water mark |")
    said = {name: (bytes_of(limit), *marks(high_water)) for name, _, _, limit, high_water in rows}
    assert {name: limits(socket) for name, socket in made.items()} == said


def limits(socket: "zmq.Socket[bytes]") -> tuple[int, int, int]:
    limit, out, coming = (int(socket.getsockopt(option)) for option in (zmq.MAXMSGSIZE, zmq.SNDHWM, zmq.RCVHWM))
    return limit, out, coming


def marks(text: str) -> tuple[int, int]:
    """For what goes out and what comes in: `out 64, in none`, or one number for both."""
    words = text.replace(",", "").replace("none", "0").split()
    numbers = [int(word) for word in words if word.isdigit()]
    return numbers[0], numbers[-1]


def bytes_of(limit: str) -> int:
    number, unit = limit.split()[:2]
    return int(number) * {"bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20}[unit]


def test_a_path_of_a_socket_is_as_long_as_the_document_allows() -> None:
    assert f"at most {sockets.LONGEST_IPC} bytes" in rendered.DOCUMENT.read_text(encoding="utf-8")
