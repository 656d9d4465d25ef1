"""Who holds no key and reaches the ports of a running node: whatever it sends, the network goes on and says what it refused."""

from collections.abc import Callable
from pathlib import Path

import zmq

from tests.network.harness import Command, free_ports

Start = Callable[..., Command]

SHAPES = ([b"", b""], [b"x"] * 3, [b"x"] * 60, [b"\xff" * 16, b"{}", b"", b""], [b"\x02", b"n"], [b"n", b"n"])


def test_messages_of_any_shape_end_no_actor(start: Start, place: Path) -> None:
    """Six messages of two frames ended a node: its gossiper died of each, five restarts are allowed in a minute."""
    port = free_ports()
    command = start("run", "small.toml", "--out", "run", "-s", f"transport.port={port}", out=place / "run")
    command.ready()
    gossiper = command.actor("0", "gossiper")
    with zmq.Context() as context:
        ways = [(context.socket(zmq.XSUB), port), (context.socket(zmq.DEALER), port + 1)]
        for socket, where in ways:  # Both stay open: what a socket has not sent when it is closed may be lost.
            socket.connect(f"tcp://127.0.0.1:{where}")
            for frames in SHAPES:
                socket.send_multipart(frames)
        refused = 1 + len(SHAPES)  # the publisher disconnects at the first
        command.until(lambda: counted(command, "frames") >= refused, "refusal of each")
        context.destroy(linger=0)
    height = command.height("0")
    command.until(lambda: command.height("0") > height + 1, "two more blocks")
    assert command.actor("0", "gossiper") == gossiper and not command.events("restarted")


def counted(command: Command, code: str) -> int:
    """How often node 0 has refused something for that reason."""
    return sum(event["count"] for event in command.events("refused", "0") if event["code"] == code)
