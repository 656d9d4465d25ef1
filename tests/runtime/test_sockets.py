"""Sending and receiving over real sockets: messages come whole and in order, and nothing waits."""

from collections.abc import Iterator

import pytest
import zmq

from dfl_actors.errors import Refused
from dfl_actors.runtime import sockets

Pair = tuple["zmq.Socket[bytes]", "zmq.Socket[bytes]"]


@pytest.fixture
def pair() -> Iterator[Pair]:
    yield from connected(8)


@pytest.fixture
def large() -> Iterator[Pair]:
    yield from connected(1_000)


def connected(high_water: int) -> Iterator[Pair]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    ours, theirs = (sockets.make(context, zmq.PAIR, sockets.WIRE_LIMIT, high_water) for _ in range(2))
    ours.bind("inproc://pair")
    theirs.connect("inproc://pair")
    yield ours, theirs
    context.destroy(linger=0)


def whole(*frames: zmq.Frame) -> list[bytes]:
    return [frame.bytes for frame in frames]


def arrived(socket: "zmq.Socket[bytes]", frames: range = range(1, 4)) -> list[list[bytes] | Refused]:
    return list(sockets.read(socket, frames, whole))


def test_messages_arrive_whole_and_in_order(pair: Pair) -> None:
    messages = [[b"one"], [b"two", b""], [b"", b"three", b"x" * 100_000]]
    for frames in messages:
        sockets.send(pair[0], *frames)
    assert arrived(pair[1]) == messages
    assert arrived(pair[1]) == []


def test_the_other_sockets_have_their_turn(large: Pair) -> None:
    for number in range(sockets.MOST + 5):
        sockets.send(large[0], b"%d" % number)
    assert [len(arrived(large[1])) for _ in range(3)] == [sockets.MOST, 5, 0]


def test_what_is_sent_while_messages_are_taken_is_taken_too(pair: Pair) -> None:
    sockets.send(pair[0], b"first")
    taken: list[bytes] = []
    for frames in sockets.read(pair[1], range(1, 2), whole):
        assert not isinstance(frames, Refused)
        taken += frames
        if len(taken) < 3:
            sockets.send(pair[0], b"after %d" % len(taken))
    assert taken == [b"first", b"after 1", b"after 2"]


def test_one_frame_serves_several_messages_and_is_a_copy(pair: Pair) -> None:
    source = bytearray(b"a" * 100_000)
    frame = zmq.Frame(memoryview(source), copy=True)
    sockets.send(pair[0], b"to one", frame)
    source[:] = bytes(len(source))
    sockets.send(pair[0], b"to another", frame)
    assert arrived(pair[1]) == [[b"to one", b"a" * 100_000], [b"to another", b"a" * 100_000]]


def test_a_full_socket_takes_nothing_of_a_message(pair: Pair) -> None:
    sent = 0
    with pytest.raises(zmq.Again):
        while sent < 1000:
            sockets.send(pair[0], b"head", b"body")
            sent += 1
    assert 0 < sent < 1000
    assert arrived(pair[1]) == [[b"head", b"body"]] * sent
    assert pair[0].poll(10_000, zmq.POLLOUT)
    sockets.send(pair[0], b"again", b"room")
    assert arrived(pair[1]) == [[b"again", b"room"]]


@pytest.mark.parametrize(("frames", "sent"), [(range(2, 3), 1), (range(2, 3), 3), (range(2, 3), 50), (range(1, 3), 3), (range(1, 2), 2)])
def test_a_message_with_another_number_of_frames_is_refused_and_the_next_is_whole(pair: Pair, frames: range, sent: int) -> None:
    sockets.send(pair[0], *[b"x"] * sent)
    sockets.send(pair[0], *[b"right"] * frames.start)
    refused, right = arrived(pair[1], frames)
    assert isinstance(refused, Refused) and (refused.code, refused.detail) == ("frames", f"a message of {sent} frames")
    assert right == [b"right"] * frames.start


def test_what_cannot_be_decoded_is_refused_and_the_next_is_read(pair: Pair) -> None:
    def decode(frame: zmq.Frame) -> bytes:
        if frame.bytes == b"wrong":
            raise Refused("malformed")
        return frame.bytes

    for body in (b"wrong", b"right"):
        sockets.send(pair[0], body)
    refused, right = sockets.read(pair[1], range(1, 2), decode)
    assert isinstance(refused, Refused) and refused.code == "malformed" and right == b"right"


def test_a_message_that_lacks_its_end_is_refused() -> None:
    """A publisher that has a subscription takes a frame that repeats it out of the middle of a message, and says of the frame before
    that more follow. To read on where nothing is ended an actor."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    publisher, listener = sockets.make(context, zmq.XPUB, sockets.SUBSCRIPTION_LIMIT, 8), context.socket(zmq.XSUB)
    publisher.setsockopt(zmq.XPUB_VERBOSE, 0)
    publisher.bind("inproc://news")
    listener.connect("inproc://news")
    listener.send(b"\x01n")
    assert publisher.poll(5_000) and arrived(publisher) == [[b"\x01n"]]
    listener.send_multipart([b"\x02", b"\x01n"])
    assert publisher.poll(5_000)
    assert [isinstance(one, Refused) and one.code for one in arrived(publisher, range(1, 2))] == ["frames"]
    context.destroy(linger=0)
