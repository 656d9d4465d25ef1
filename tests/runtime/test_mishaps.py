"""An exception that no rule foresees costs the message that it came of: it is logged once, counted every time, and ends nobody."""

import io
from collections.abc import Callable
from contextlib import redirect_stderr

import pytest
import zmq

from dfl_actors.errors import LONGEST_DETAIL, Refused, StoreError
from dfl_actors.runtime import mishaps, sockets

PATIENCE = 30_000


def received(context: "zmq.Context[zmq.Socket[bytes]]", decode: Callable[..., object], times: int = 1) -> list[object]:
    puller, pusher = context.socket(zmq.PULL), context.socket(zmq.PUSH)
    puller.bind("inproc://mishaps")
    pusher.connect("inproc://mishaps")
    for _ in range(times):
        pusher.send(b"x")
    assert puller.poll(PATIENCE)
    found = list(sockets.read(puller, range(1, 2), decode))
    puller.unbind("inproc://mishaps")
    return found


def test_a_decoder_that_fails_costs_the_message_and_says_why_once(context: "zmq.Context[zmq.Socket[bytes]]") -> None:
    def decode(frame: zmq.Frame) -> None:
        raise KeyError(frame.bytes)

    mishaps._logged.clear()
    with redirect_stderr(io.StringIO()) as log:
        found = received(context, decode, times=3)
    assert [(one.code, one.detail) for one in found if isinstance(one, Refused)] == [("unexpected", "KeyError in message")] * 3
    assert log.getvalue().count("KeyError: b'x'") == 1, "once, with its cause"


@pytest.mark.parametrize("error", [StoreError("the disk is full"), MemoryError()])
def test_what_is_the_users_or_the_end_of_a_process_is_no_mishap(context: "zmq.Context[zmq.Socket[bytes]]", error: Exception) -> None:
    def decode(frame: zmq.Frame) -> None:
        raise error

    with pytest.raises(type(error)):
        received(context, decode)


@pytest.mark.parametrize("text", ["k" * 4_000_000, "\N{GRINNING FACE}" * 1_000_000])
def test_whatever_was_sent_a_refusal_is_short(text: str) -> None:
    error = Refused("schema", f"Object contains unknown field `{text}`")
    assert len(error.detail.encode()) <= LONGEST_DETAIL and len(str(error)) < 2 * LONGEST_DETAIL
    assert error.detail.startswith("Object contains unknown field")
