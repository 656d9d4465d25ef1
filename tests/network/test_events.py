"""Events of a topology over real processes: a node leaves and is back with what it had, a link is cut and heals, a node turns malicious."""

import signal
from pathlib import Path

from dfl_actors.runtime.rundir import RunDirectory
from dfl_actors.runtime.verify import verify_all
from tests.network.conftest import Start

EVENTS = """
[[event]]
at_s = 1
do = "leave"
node = "1"
[[event]]
at_s = 2
do = "join"
node = "1"
[[event]]
at_s = 1.5
do = "attack"
node = "0"
attack = "sign_flip"
[[event]]
at_s = 4
do = "unlink"
link = "1--0"
[[event]]
at_s = 6
do = "link"
link = "0--1"
"""


def test_a_network_goes_on_through_its_events_and_its_chains_verify(start: Start, place: Path) -> None:
    (place / "small.toml").write_text((place / "small.toml").read_text() + EVENTS)
    command = start(
        "run", "small.toml", "--out", "run", "--set", "block.deadline_s=1", "--set", "block.receipt_wait_s=1", out=place / "run"
    )

    def last(node: str) -> int:
        return max((event["t"] for event in command.events("scored", node)), default=0)

    def happened(do: str) -> int:
        return next((event["t"] for event in command.events("happened") if event["do"] == do), 0)

    command.until(lambda: happened("link") and min(map(last, "01")) > happened("link"), "measurement over the healed link")
    command.signal(signal.SIGTERM)
    command.ended(143)
    down, up = happened("unlink") + 500, happened("link")
    assert not [event for node in "01" for event in command.events("fetched", node) if down < event["t"] < up]
    sequences = [event["sequence"] for event in command.events("trained", "1")]
    assert sequences == list(range(len(sequences))), "it went on where it had stopped"
    away = [event["t"] for event in command.events("trained", "1") if happened("leave") + 1500 < event["t"] < happened("join")]
    assert not away and not command.events("restarted")
    assert [event["do"] for event in command.events("happened")] == ["leave", "attack", "join", "unlink", "link"]
    verify_all(RunDirectory(place / "run"), ("0", "1"))
