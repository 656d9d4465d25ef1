"""A tail on a running network sees every message, an actor's restart and the end, and tells each transaction's life as the metrics do."""

import signal
from pathlib import Path

import orjson
import zmq

from dfl_actors.core.codec import encode
from dfl_actors.core.family import Event, Letter, News, Reply, Request, members
from dfl_actors.core.messages import Proof
from dfl_actors.report.load import load_run
from dfl_actors.report.tail.tree import hear
from dfl_actors.report.trace import Trace, Traces, traces
from dfl_actors.runtime.recording import Recording
from dfl_actors.runtime.tail import Numbers
from tests.network.conftest import Start
from tests.network.harness import PATIENCE, free_ports

LOST = {"Holding", "Held", "HoldingAsked", "HoldingFound"}  # A `node` asks its neighbours what its directory lacks; in a run none can.
RARE = {
    "Begun",
    "Judged",
    "EvidenceNews",
    "Lacking",
    "Resend",
    "Resent",
    "Refusal",
    "Gone",
    "Pull",
    "Fed",
    "Hello",
    "Welcome",
    "Proof",
    "Admitted",
    *LOST,
}
"""Messages that a short, sound run of these settings does not need, or not once it has begun."""


def steps(life: Trace) -> set[tuple[str, str, str]]:
    return {(step.step, step.node, step.other) for step in life.steps}


def types(path: Path) -> set[str]:
    """The types in a recording so far."""
    lines = path.read_bytes().split(b"\n")[1:-1] if path.exists() else []
    return {orjson.loads(line).get("type", "") for line in lines}


def test_every_message_of_a_running_network_is_seen(place: Path, start: Start) -> None:
    out, file = place / "runs" / "run", place / "recording"
    port = free_ports()
    with (place / "small.toml").open("a") as topology:
        topology.write(f'\n[node.0]\nlisten = "tcp://127.0.0.1:{port}"\n')
    run = start("run", "small.toml", "--out", out, out=out)
    run.ready()
    watch = start("tail", "--save", "recording")
    ordinary = {one.__name__ for kind in (Event, Letter, News, Request, Reply) for one in members(kind)} - RARE
    watch.until(lambda: types(file) >= ordinary, "message of every type")
    offend(f"tcp://127.0.0.1:{port + 1}")
    watch.until(lambda: types(file) >= {"bytes", "Proof", "Refusal"}, "refusals")
    height = run.height("0")
    followed = run.events("trained", "0")[-1]["tx"]
    run.until(lambda: run.height("0") > height + 2, "block with that transaction")
    follow = start("tail", out, "--follow", followed[:12], "--json")
    follow.ended(0)
    (line,) = follow.stdout.splitlines()
    assert orjson.loads(line)["over"] and {step["step"] for step in orjson.loads(line)["steps"]} >= {"trained", "measured", "final"}

    before = len(Path(file).read_bytes().splitlines())
    actor = run.actor("1", "validator")
    assert actor is not None
    actor.send_signal(signal.SIGKILL)
    watch.until(lambda: "the validator was restarted (life 2)" in watch.stdout, "restart in the lines")
    run.signal(signal.SIGINT)
    run.ended(130)
    watch.ended(0)
    assert watch.stderr == "the network has ended (interrupted)\n"
    check(file, out, before - 1)


def offend(endpoint: str) -> None:
    """Send a node bytes that are no message, and a request of a stranger; wait for the answer to that."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as stranger:
        stranger.linger = 0
        stranger.connect(endpoint)
        stranger.send(b"garbage")
        stranger.send(encode(Proof(signature="0" * 128)))
        assert stranger.poll(int(1000 * PATIENCE)) and b"not_admitted" in stranger.recv()


def check(file: Path, out: Path, sound: int) -> None:
    """Nothing is missing in the recording, and up to record `sound` it and the metrics tell the same lives."""
    recording, numbers, heard, refused = Recording(file), Numbers(), Traces(), set()
    for number, (_, record) in enumerate(recording.records()):
        if number < sound:
            assert [one.kind for one in numbers.follow(record)] == [record.kind]
            hear(heard, record)
            if record.code:
                refused.add((record.node, record.kind, record.type, record.code, record.to))
    asked = {("0", "refused", "Proof", "not_admitted", ()), ("0", "reply", "Refusal", "not_admitted", ("?",))}
    assert refused == asked | {("0", "refused", "bytes", "malformed", ())}
    assert not recording.cut_short
    written, compared = traces(load_run(out)), 0
    for tx, life in heard.found().items():
        if {step.step for step in life.steps} >= {"trained", "final"}:
            # A confirmation that came when the block was final already is in neither's way.
            assert steps(life) <= steps(written[tx]) and {one for one in steps(written[tx]) - steps(life) if one[0] != "confirmed"} == set()
            compared += 1
    assert compared > 3
