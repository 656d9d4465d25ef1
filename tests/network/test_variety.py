"""Runs that differ: own models and algorithms, observers, codecs, partitions, several hops."""

from collections.abc import Callable
from pathlib import Path

import orjson

from dfl_actors.runtime.rundir import RunDirectory
from dfl_actors.runtime.verify import verify_all
from tests.network.harness import Command

Start = Callable[..., Command]

ALGORITHM = '''
import numpy
from dfl_actors.sdk.interface import Algorithm, Result


def make(share=0.5):
    """Go a part of the way to the mean; count the updates."""

    def apply(state, own, received, reputations):
        mean = numpy.mean([model.weights for model in received], axis=0, dtype=numpy.float32)
        weights = (own + numpy.float32(share) * (mean - own)).astype(numpy.float32)
        return Result(state + 1, weights, {model.sender: share for model in received}, {"updates": state + 1})

    return Algorithm("mine", lambda context: 0, apply)
'''


def test_a_line_of_three_with_an_observer_and_everything_of_ones_own(start: Start, place: Path) -> None:
    """Node b only observes and relays: with ttl 2 the models of a and c reach each other through it."""
    (place / "mine.py").write_text(ALGORITHM)
    topology = (place / "small.toml").read_text().replace("nodes = 2", 'nodes = ["a", "b", "c"]\nlinks = "line"')
    topology = topology.replace("batch = 16", 'batch = 16\ninit = "independent"').replace("rate = 64", 'partition = "labels"\nrate = 64')
    topology = topology.replace("transactions = 2", "transactions = 2\nreceipts = 2").replace(
        "buffer = 2", 'buffer = 2\nalgorithm = "mine.py:make"\nparameters = { share = 0.25 }'
    )
    (place / "line.toml").write_text(topology + '\n[gossip]\nttl = 2\ncodec = "float16"\n\n[node.b]\nrole = "observer"\n')
    out = place / "run"
    run = start("run", "line.toml", "--out", "run", out=out)
    run.until(lambda: min(run.height("a"), run.height("c")) >= 3 and run.events("updated", "b"), "three blocks of both ends")
    run.signal(2)
    run.ended(130)
    chains = {chain.node: chain for chain in verify_all(RunDirectory(out), ("a", "b", "c"))}
    assert chains["b"].height == 0
    for name, other in (("a", "c"), ("c", "a")):
        assert chains[name].receipts >= 2 * chains[name].transactions - 2
        assert chains[name].confirmations > chains[name].transactions, "the far end confirms too"
        addresses = orjson.loads((out / "run.json").read_bytes())["nodes"]
        scored = {(event["generator"], event["ttl"]) for event in run.events("scored", name)}
        assert (addresses[other], 0) in scored, "what came over two hops has ttl 0"
        updated = run.events("updated", name)
        assert updated and all(set(event["reputations"].values()) == {0.25} for event in updated)
    assert not run.events("trained", "b")
    assert run.events("scored", "b")
    summary = orjson.loads((out / "summary.json").read_bytes())
    assert all(link["repeated"] == 0 for link in summary["links"].values())
    sizes = {event["bytes"] for event in run.events("sent")}
    assert sizes == {2 * 7850}, "float16 takes two bytes a parameter"


def test_a_run_at_a_speed_ends_when_every_node_has_reached_the_target(start: Start, place: Path) -> None:
    """At speed 10 eight samples a second come as eighty; `tests/network/test_stop.py` scales a duration."""
    arguments = ("--speed", "10", "-s", "data.rate=8", "--target", "0.3", "-s", "run.blocks=2", "-s", "run.evaluate_s=0.5")
    run = start(
        "run", "small.toml", "--out", "run", *arguments, "-s", "run.evaluate_samples=300", "-s", "data.partition=dirichlet",
        "-s", "data.alpha=5", "-s", "update.algorithm=reputation", "--seed", "9", "--duration", "1000", out=place / "run",
    )  # fmt: skip
    run.ended(0)
    summary = orjson.loads((place / "run/summary.json").read_bytes())
    assert summary["stopped"] == "target" and summary["target"]["accuracy"] == 0.3
    for name, node in summary["nodes"].items():
        assert node["test_accuracy"] > 0.2 and summary["blocks"][name]["blocks"] >= 2
        assert 8 * summary["elapsed"] * 1.5 < node["samples"] <= 80 * summary["elapsed"] * 1.2
    assert orjson.loads((place / "run/run.json").read_bytes())["seed"] == 9
