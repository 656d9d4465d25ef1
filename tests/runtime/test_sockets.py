"""Sending and receiving over real sockets: messages come whole and in order, and nothing waits."""

from collections.abc import Iterator

import pytest
import zmq

from dfl_actors.runtime import sockets

Pair = tuple["zmq.Socket[bytes]", "zmq.Socket[bytes]"]


@pytest.fixture
def pair() -> Iterator[Pair]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    ours, theirs = (sockets.make(context, zmq.PAIR, sockets.WIRE_LIMIT, 8) for _ in range(2))
    ours.bind("inproc://pair")
    theirs.connect("inproc://pair")
    yield ours, theirs
    context.destroy(linger=0)


def arrived(socket: "zmq.Socket[bytes]", most: int) -> list[list[bytes]]:
    return [[frame.bytes for frame in frames] for frames in sockets.arrived(socket, most)]


def test_messages_arrive_whole_and_in_order(pair: Pair) -> None:
    messages = [[b"one"], [b"two", b""], [b"", b"three", b"x" * 100_000]]
    for frames in messages:
        sockets.send(pair[0], *frames)
    assert arrived(pair[1], 64) == messages
    assert arrived(pair[1], 64) == []


def test_no_more_messages_are_taken_than_wanted(pair: Pair) -> None:
    for number in range(5):
        sockets.send(pair[0], b"%d" % number)
    assert [arrived(pair[1], 2) for _ in range(3)] == [[[b"0"], [b"1"]], [[b"2"], [b"3"]], [[b"4"]]]


def test_what_is_sent_while_messages_are_taken_is_taken_too(pair: Pair) -> None:
    sockets.send(pair[0], b"first")
    taken = []
    for frames in sockets.arrived(pair[1], 3):
        taken.append(frames[0].bytes)
        sockets.send(pair[0], b"after %d" % len(taken))
    assert taken == [b"first", b"after 1", b"after 2"]


def test_one_frame_serves_several_messages_and_is_a_copy(pair: Pair) -> None:
    source = bytearray(b"a" * 100_000)
    frame = zmq.Frame(memoryview(source), copy=True)
    sockets.send(pair[0], b"to one", frame)
    source[:] = bytes(len(source))
    sockets.send(pair[0], b"to another", frame)
    assert arrived(pair[1], 64) == [[b"to one", b"a" * 100_000], [b"to another", b"a" * 100_000]]


def test_a_full_socket_takes_nothing_of_a_message(pair: Pair) -> None:
    sent = 0
    with pytest.raises(zmq.Again):
        while sent < 1000:
            sockets.send(pair[0], b"head", b"body")
            sent += 1
    assert 0 < sent < 1000
    assert arrived(pair[1], 1000) == [[b"head", b"body"]] * sent
    assert pair[0].poll(10_000, zmq.POLLOUT)
    sockets.send(pair[0], b"again", b"room")
    assert arrived(pair[1], 1) == [[b"again", b"room"]]
