"""Whole messages, in order, and neither end waits for the other."""

import socket
import threading
from collections.abc import Iterator

import pytest

from dfl_actors.processes.channel import Channel

Ends = tuple[Channel, Channel]


@pytest.fixture
def ends() -> Iterator[Ends]:
    one, other = map(Channel, socket.socketpair())
    yield one, other
    one.close()
    other.close()


def test_messages_arrive_whole_and_in_order(ends: Ends) -> None:
    one, other = ends
    assert list(other.receive()) == [] and not other.ended
    for body in (b"a", b"", b"\0" * 5):
        one.send(body)
    assert list(other.receive()) == [b"a", b"", b"\0" * 5]
    other.send(b"back")
    assert one.wait(0) and one.next() == b"back"


def test_what_the_other_end_does_not_take_waits_and_is_said_later(ends: Ends) -> None:
    one, other = ends
    words = [number.to_bytes(4, "big") * 1000 for number in range(1000)]
    for word in words:
        one.send(word)
    assert one.waiting
    heard: list[bytes] = []
    while len(heard) < len(words):
        heard += other.receive()
        one.flush()
    assert heard == words and not one.waiting


def test_to_an_end_that_is_gone_nothing_is_sent_and_what_it_said_before_is_heard(ends: Ends) -> None:
    one, other = ends
    other.send(b"last word")
    other.close()
    one.send(b"who hears this?")
    assert list(one.receive()) == [b"last word"]
    assert one.ended and not one.waiting and one.next() is None


def test_a_message_that_is_cut_off_is_none(ends: Ends) -> None:
    one, other = ends
    other.connection()._send(b"\0\0\0\5abc")  # type: ignore[attr-defined]
    other.close()
    assert one.next() is None or one.ended


def test_a_large_message_is_waited_for(ends: Ends) -> None:
    one, other = ends
    body = bytes(range(256)) * 40_000
    one.send(body)
    sender = threading.Thread(target=one.finish)
    sender.start()
    assert other.next() == body
    sender.join()


def test_a_connection_speaks_the_same(ends: Ends) -> None:
    one, other = ends
    with one.connection() as connection:
        connection.send_bytes(b"hello")
        assert other.next() == b"hello"
        other.send(b"you")
        assert connection.recv_bytes() == b"you"


def test_what_has_come_with_another_message_is_not_waited_for(ends: Ends) -> None:
    one, other = ends
    for word in (b"a", b"b"):
        one.send(word)
    assert other.next() == b"a" and other.wait(0) and other.next() == b"b" and not other.wait(0)
