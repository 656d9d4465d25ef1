"""Who holds no key and reaches the ports of a running node: whatever it sends, the network goes on and says what it refused.

The short form of `tools/hostile.py`: all its attacks on one network, a small part of each.
"""

import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

import hostile
from hostile_stage import stage
from hostile_wire import Peer

SCALE = 0.004
SHAPES = ([b"", b""], [b"x"] * 3, [b"x"] * 60, [b"\xff" * 16, b"{}", b"", b""], [b"\x02", b"n"], [b"n", b"n"], [b"\x02", b"\x01n"])


def test_whatever_strangers_send_ends_no_actor_and_is_told() -> None:
    """Six messages of two frames to its news ended a node: its gossiper died of each, and five restarts are allowed in a minute."""
    with stage() as on:
        gossiper = on.gossiper()
        for frames in SHAPES:
            for port, kind in ((on.port, "SUB"), (on.port + 1, "DEALER")):
                with Peer(port, kind) as peer:
                    peer.say([frames])
                    assert peer.closed() or kind == "DEALER", "the news' server disconnects"
        on.until(lambda: on.refused()["frames"] >= 2 * len(SHAPES), "refusal of each")
        for part in hostile.PARTS.values():
            for row in part(hostile.Attack(on, random.Random(1), SCALE)):
                assert row.met, row
        heights = len(on.events("final"))
        on.until(lambda: len(on.events("final")) > heights + 4, "further blocks")
        assert on.gossiper() == gossiper and not on.crashes() and not on.errors()
