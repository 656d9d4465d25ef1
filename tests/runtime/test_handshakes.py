"""Encrypted links that do not come about are told apart, over real sockets."""

import time
from collections.abc import Iterator

import pytest
import zmq
from zmq.auth.thread import ThreadAuthenticator

from dfl_actors.core.control import Endpoints
from dfl_actors.core.messages import Probe
from dfl_actors.runtime.handshakes import DOOR, KEY, Handshakes
from dfl_actors.runtime.net import Curve, Net
from tests.patience import Stopwatch

SERVER, KNOWN, STRANGER = zmq.curve_keypair(), zmq.curve_keypair(), zmq.curve_keypair()
WITHIN = 5.0
"""Seconds in which a failed handshake is named; a second one is waited for, 0.1 s later."""


DEALERS: list["zmq.Socket[bytes]"] = []
"""Kept, for one that nobody refers to is closed."""


class Door:
    def callback(self, domain: str, key: bytes) -> bool:
        return key == KNOWN[0]


@pytest.fixture
def context() -> Iterator["zmq.Context[zmq.Socket[bytes]]"]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    authenticator = ThreadAuthenticator(context)
    authenticator.start()
    authenticator.configure_curve_callback("far", Door())
    yield context
    authenticator.stop()
    context.destroy(linger=0)
    DEALERS.clear()


def far(context: "zmq.Context[zmq.Socket[bytes]]", endpoint: str = "tcp://127.0.0.1:*") -> "tuple[zmq.Socket[bytes], str]":
    router = context.socket(zmq.ROUTER)
    router.curve_server = True
    router.curve_publickey, router.curve_secretkey = SERVER
    router.setsockopt(zmq.ZAP_DOMAIN, b"far")
    router.bind(endpoint)
    return router, router.getsockopt_string(zmq.LAST_ENDPOINT)


def near(context: "zmq.Context[zmq.Socket[bytes]]", expected: bytes, own: tuple[bytes, bytes], endpoint: str) -> Handshakes:
    dealer, handshakes = context.socket(zmq.DEALER), Handshakes()
    dealer.linger = 0
    dealer.curve_serverkey = expected
    dealer.curve_publickey, dealer.curve_secretkey = own
    handshakes.watch("b", dealer)
    DEALERS.append(dealer)
    dealer.connect(endpoint)
    dealer.send(b"hello")
    return handshakes


@pytest.mark.parametrize(
    ("expected", "own", "why"), [(STRANGER[0], KNOWN, KEY), (SERVER[0], STRANGER, DOOR)], ids=["another key", "not known"]
)
def test_who_has_another_key_and_who_does_not_know_ours(
    context: "zmq.Context[zmq.Socket[bytes]]", expected: bytes, own: tuple[bytes, bytes], why: str
) -> None:
    _, endpoint = far(context)
    handshakes = near(context, expected, own, endpoint)
    watch = Stopwatch()
    while not (failing := handshakes.failing()):
        assert watch.read() < WITHIN
        time.sleep(0.01)
    assert failing == {"b": why}


def test_a_link_that_comes_about_is_none_of_them(context: "zmq.Context[zmq.Socket[bytes]]") -> None:
    router, endpoint = far(context)
    handshakes = near(context, SERVER[0], KNOWN, endpoint)
    assert router.poll(int(1000 * WITHIN)) and handshakes.failing() == {}


def keyed(*, knows: frozenset[bytes], own: tuple[bytes, bytes]) -> Curve:
    return Curve(own[0], own[1], knows)


def test_who_was_turned_away_gets_in_once_it_is_known(context: "zmq.Context[zmq.Socket[bytes]]") -> None:
    """A wrong key in a copy of the topology, then corrected: only a restart of the other side helped. It takes two seconds; a handshake
    that was begun while the other side closed may have to be given up first, which ZeroMQ does after ten."""
    loopback = Endpoints(news="tcp://127.0.0.1:*", requests="tcp://127.0.0.1:*")
    ours, theirs = zmq.Context[zmq.Socket[bytes]](), zmq.Context[zmq.Socket[bytes]]()
    near = Net(ours, loopback, keyed(knows=frozenset(), own=KNOWN))
    wrong = Net(theirs, loopback, keyed(knows=frozenset(), own=SERVER))
    place = Endpoints(wrong.endpoints.news, wrong.endpoints.requests, SERVER[0].decode())
    near.connect({"b": place})
    watch, renewed = Stopwatch(), 0
    while renewed < 4:
        assert watch.read() < 6 * WITHIN
        renewed += renew(near)
        time.sleep(0.02)
    assert near.handshakes.failing() == {"b": DOOR}
    wrong.close()
    theirs.destroy(linger=0)
    theirs = zmq.Context()
    right = Net(theirs, place, keyed(knows=frozenset({KNOWN[0]}), own=SERVER))
    watch, asked = Stopwatch(), -1
    heard: set[str] = set()
    while not heard >= {"Subscribed", "Asked"}:
        assert watch.read() < 6 * WITHIN, f"only {heard}"
        renew(near)
        if asked < (asked := int(4 * watch.read())):  # Four a second: what waits meanwhile must not come as a flood.
            near.send("b", Probe(address="ab" * 32, nonce="ab" * 32, known="ab" * 32))
        heard |= {type(one).__name__ for one in (*right.subscriptions(), *right.requests()) if one is not None}
        time.sleep(0.02)
    assert near.handshakes.failing() == {} and not renew(near)
    for net, own in ((near, ours), (right, theirs)):
        net.close()
        own.destroy(linger=0)


def renew(net: Net) -> int:
    anew, over = net.renew(time.monotonic_ns() // 1_000_000)
    for socket in over:
        socket.close(linger=0)
    return len(anew)
