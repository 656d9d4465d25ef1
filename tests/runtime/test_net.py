"""The sockets between nodes: what cannot leave is counted, never lost in silence, and what a stranger sends is refused and counted."""

import time
from collections.abc import Callable, Iterator

import pytest
import zmq

from dfl_actors.core.codec import encode
from dfl_actors.core.control import Endpoints
from dfl_actors.core.family import Message
from dfl_actors.core.messages import Beat, Fetch, Gone
from dfl_actors.core.words import Asked, Heard, Replied, Subscribed
from dfl_actors.errors import Refused
from dfl_actors.runtime.net import TOPIC, Net

PATIENCE = 30.0
LOOPBACK = Endpoints(news="tcp://127.0.0.1:*", requests="tcp://127.0.0.1:*")
NEIGHBOUR = "ab" * 32
FETCH, GONE = Fetch(model="ab" * 32, first=0, count=1), Gone(model="ab" * 32)
NUMBERS = (5).to_bytes(8, "big") + (1).to_bytes(8, "big")
SHAPES = ([b"", b""], [b"x"] * 3, [b"x"] * 60, [b"\xff" * 16, b"{}", b"", b""])


@pytest.fixture
def net(context: "zmq.Context[zmq.Socket[bytes]]") -> Iterator[Net]:
    net = Net(context, LOOPBACK, None)
    yield net
    net.close()


def until(source: Callable[[], Iterator[Message | Refused | None]], count: int) -> list[Message | Refused]:
    """What comes, until there are so many messages and refusals."""
    found: list[Message | Refused] = []
    deadline = time.monotonic() + PATIENCE
    while len(found) < count:
        assert time.monotonic() < deadline, found
        found += [one for one in source() if one is not None]
        time.sleep(0.001)
    return found


def codes(found: list[Message | Refused]) -> list[str]:
    return [one.code if isinstance(one, Refused) else type(one).__name__ for one in found]


def test_requests_that_nobody_takes_and_replies_to_peers_that_are_gone_are_counted_once(net: Net) -> None:
    net.connect({NEIGHBOUR: Endpoints(news="tcp://127.0.0.1:9", requests="tcp://127.0.0.1:9")})
    assert net.send(NEIGHBOUR, FETCH) == net.send("cd" * 32, FETCH) == net.answer(b"nobody", GONE, None) == 0


def test_whatever_a_stranger_sends_to_the_publisher_is_refused_and_counted(net: Net, context: "zmq.Context[zmq.Socket[bytes]]") -> None:
    """An XSUB may send what it likes: two frames ended the gossiper, and six times that the node."""
    stranger = context.socket(zmq.XSUB)
    stranger.connect(net.endpoints.news)
    for frames in SHAPES:
        stranger.send_multipart(frames)
    for frame in (b"", b"\x00", b"text", b"\x01other", b"\x01" + TOPIC):
        stranger.send(frame)
    found = until(net.subscriptions, len(SHAPES) + 1)
    assert codes(found) == ["frames"] * len(SHAPES) + ["Subscribed"] and isinstance(found[-1], Subscribed)


def test_whatever_a_stranger_sends_to_the_router_is_refused_and_counted(net: Net, context: "zmq.Context[zmq.Socket[bytes]]") -> None:
    stranger = context.socket(zmq.DEALER)
    stranger.connect(net.endpoints.requests)
    for frames in SHAPES:
        stranger.send_multipart(frames)
    for body in (b"", b"{", b"\xff\xfe", b"[" * 10_000, b'{"type":"Fetch"}', encode(FETCH)):
        stranger.send(body)
    found = until(net.requests, len(SHAPES) + 6)
    assert codes(found) == ["frames"] * len(SHAPES) + ["malformed"] * 4 + ["schema", "Asked"]
    assert isinstance(found[-1], Asked) and found[-1].request == FETCH


def test_whatever_a_neighbour_says_in_a_wrong_shape_is_refused_and_counted(net: Net, context: "zmq.Context[zmq.Socket[bytes]]") -> None:
    publisher, router = context.socket(zmq.XPUB), context.socket(zmq.ROUTER)
    for socket in (publisher, router):
        socket.bind("tcp://127.0.0.1:*")
    places = [socket.getsockopt_string(zmq.LAST_ENDPOINT) for socket in (publisher, router)]
    assert net.connect({NEIGHBOUR: Endpoints(news=places[0], requests=places[1])}) == [NEIGHBOUR]
    assert net.connect({NEIGHBOUR: Endpoints(news=places[0], requests=places[1])}) == [], "known already"
    assert publisher.poll(int(1000 * PATIENCE)) and publisher.recv() == b"\x01" + TOPIC
    beat = encode(Beat())
    for frames in (
        [TOPIC],
        [TOPIC, beat],
        [TOPIC, b"short", beat],
        [TOPIC, NUMBERS, beat, b""],
        [TOPIC, NUMBERS, b"{"],
        [TOPIC, NUMBERS, beat],
    ):
        publisher.send_multipart(frames)
    found = until(lambda: net.news(NEIGHBOUR), 6)
    assert codes(found) == ["frames"] * 4 + ["malformed", "Heard"] and isinstance(found[-1], Heard)

    deadline = time.monotonic() + PATIENCE
    while not net.send(NEIGHBOUR, FETCH):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    assert router.poll(int(1000 * PATIENCE))
    peer, _ = router.recv_multipart()
    for frames in ([b"", b"", b""], [b"{"], [encode(GONE)]):
        router.send_multipart([peer, *frames])
    found = until(lambda: net.replies(NEIGHBOUR), 3)
    assert codes(found) == ["frames", "malformed", "Replied"] and isinstance(found[-1], Replied)


def test_ways_that_are_given_up_carry_nothing_and_can_be_opened_again(net: Net, context: "zmq.Context[zmq.Socket[bytes]]") -> None:
    other = Net(context, LOOPBACK, None)
    where = {NEIGHBOUR: other.endpoints}
    assert net.connect(where) == [NEIGHBOUR] and net.connect(where) == []
    assert net.part(where) == []
    given_up = net.part({})
    assert len(given_up) == 2 and net.send(NEIGHBOUR, FETCH) == 0
    for socket in given_up:
        socket.close(linger=0)
    assert net.connect(where) == [NEIGHBOUR] and net.dealers[NEIGHBOUR].poll(int(1000 * PATIENCE), zmq.POLLOUT)
    assert net.send(NEIGHBOUR, FETCH) > 0
    assert codes(until(other.requests, 1)) == ["Asked"]
    other.close()
