"""Events of a topology, and samples that are fed, over real processes: a node leaves and is back, a link is cut, a node turns malicious."""

import signal
from pathlib import Path

import lmdb
import numpy as np

from dfl_actors.config.sections import Data
from dfl_actors.learning.data import load_dataset
from dfl_actors.runtime.rundir import RunDirectory
from dfl_actors.runtime.verify import verify_all
from tests.network.conftest import Start

FED = 900  # Samples that are fed to node 0, whose trainer begins anew meanwhile.
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


def fed(journal: Path) -> bytes | None:
    """What a trainer's journal says of how many samples that were fed its model has seen."""
    with lmdb.open(str(journal), readonly=True) as environment, environment.begin() as transaction:
        found = transaction.get(b"fed")
        return None if found is None else bytes(found)


def test_a_network_goes_on_through_its_events_and_its_chains_verify(start: Start, place: Path) -> None:
    (place / "small.toml").write_text((place / "small.toml").read_text() + EVENTS)
    command = start(
        "run", "small.toml", "--out", "run", "--set", "block.deadline_s=1", "--set", "block.receipt_wait_s=1", out=place / "run"
    )

    command.ready()
    mnist = load_dataset(Data())
    np.savez(place / "more.npz", x_train=np.asarray(mnist.x_train[:FED]), y_train=mnist.y_train[:FED])
    given = start("inject", "run", "more.npz", "--node", "0")

    def last(node: str) -> int:
        return max((event["t"] for event in command.events("scored", node)), default=0)

    def happened(do: str) -> int:
        return next((event["t"] for event in command.events("happened") if event["do"] == do), 0)

    command.until(lambda: happened("link") and min(map(last, "01")) > happened("link"), "measurement over the healed link")
    given.ended(0)
    # The journal's newest page, beside the trainer that writes it.
    journal = RunDirectory(place / "run").node("0").journal("trainer")
    command.until(lambda: fed(journal) == str(FED).encode(), "every sample that was fed in the model, once")
    assert given.stdout == f"node 0 has taken {FED} samples; it was fed {FED} in all\n"
    command.signal(signal.SIGTERM)
    command.ended(143)
    down, up = happened("unlink") + 500, happened("link")
    assert not [event for node in "01" for event in command.events("fetched", node) if down < event["t"] < up]
    sequences = [event["sequence"] for event in command.events("trained", "1")]
    assert sequences == list(range(len(sequences))), "it went on where it had stopped"
    away = [event["t"] for event in command.events("trained", "1") if happened("leave") + 1500 < event["t"] < happened("join")]
    assert not away
    assert [(event["node"], event["actor"], event["reason"]) for event in command.events("restarted")] == []
    assert [event["do"] for event in command.events("happened")] == ["leave", "attack", "join", "unlink", "link"]
    assert fed(journal) == str(FED).encode()
    verify_all(RunDirectory(place / "run"), ("0", "1"))
