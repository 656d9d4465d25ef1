"""Nodes on hosts of their own: two commands that know of each other only what the topology says, over encrypted links."""

import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.request import urlopen

from dfl_actors.core.keys import KeyPair
from dfl_actors.runtime.keyfiles import curve_keys, load_key
from dfl_actors.runtime.rundir import RunDirectory
from dfl_actors.runtime.verify import verify_all
from tests.network.harness import NOISE, PATIENCE, SMALL, Command, free_ports, metrics, one_line

Start = Callable[..., Command]

WITHIN = 5.0 + NOISE
TOLD = {
    "unknown": "node a fails: compare node.b.curve_key in the topology of node a with `dfl-actors keys show` on this host",
    "wrong": "node a fails: compare node.a.curve_key in this topology with `dfl-actors keys show` on the host of node a",
}


def waits(stranger: Command) -> bool:
    return "5 of 6 ready" in stranger.stdout


def topology(ports: dict[str, int], publics: dict[str, str], curves: dict[str, str]) -> str:
    """The file that every host has."""
    text = SMALL.replace("nodes = 2", 'name = "far"\nnodes = ["a", "b"]') + '\n[transport]\ncurve = "on"\n'
    for name, port in ports.items():
        text += f'\n[node.{name}]\nlisten = "tcp://127.0.0.1:{port}"\npublic_key = "{publics[name]}"\ncurve_key = "{curves[name]}"\n'
    return text


def curve(key: KeyPair) -> str:
    return curve_keys(key)[0].decode()


def node(start: Start, place: Path, file: str, name: str, keys: str, out: str, *more: str) -> Command:
    return start("node", file, "--name", name, "--keys", keys, "--out", out, *more, out=place / out)


def test_two_nodes_work_together_and_strangers_get_nowhere(start: Start, place: Path) -> None:
    keys: dict[str, KeyPair] = {}
    for name in ("a", "b", "stranger"):
        start("keys", "new", f"key-{name}").ended(0)
        keys[name] = load_key(place / f"key-{name}")
    first = free_ports()
    ports = {"a": first, "b": free_ports(first + 2)}
    publics, curves = {name: keys[name].public for name in "ab"}, {name: curve(keys[name]) for name in "ab"}
    (place / "far.toml").write_text(topology(ports, publics, curves))
    a = node(start, place, "far.toml", "a", "key-a", "run-a", "--watch")
    b = node(start, place, "far.toml", "b", "key-b", "run-b")
    a.ready()
    b.ready()
    address = a.stderr.removeprefix("page: ").strip()
    assert 'href="/node/a"' in urlopen(address, timeout=60).read().decode()  # noqa: S310

    # Two that would take b's place: one with a key that a does not know, one that has a wrong transport key for a besides.
    key = keys["stranger"]
    elsewhere = {"a": ports["a"], "b": free_ports(ports["b"] + 2)}
    as_b = publics | {"b": key.public}
    (place / "unknown.toml").write_text(topology(elsewhere, as_b, curves | {"b": curve(key)}))
    (place / "wrong.toml").write_text(topology(elsewhere | {"b": free_ports(elsewhere["b"] + 2)}, as_b, {"a": curve(key), "b": curve(key)}))
    strangers = [node(start, place, f"{name}.toml", "b", "key-stranger", f"run-{name}", "--json") for name in ("unknown", "wrong")]
    for stranger in strangers:
        # All but the gossiper, which waits for its first neighbour.
        stranger.until(partial(waits, stranger), "wait of a stranger")
    strangers[0].until(lambda: TOLD["unknown"] in strangers[0].stdout, "name of the node that does not know its key", WITHIN)
    strangers[1].until(lambda: TOLD["wrong"] in strangers[1].stdout, "name of the node with another key", WITHIN)
    heights = a.height("a"), b.height("b")
    a.until(lambda: a.height("a") >= heights[0] + 5, "blocks of a")
    b.until(lambda: b.height("b") >= heights[1] + 5, "blocks of b")
    for stranger in strangers:
        assert stranger.out is not None and list(metrics(stranger.out)) == [], "nobody let it in"
        stranger.signal(signal.SIGINT, group=True)
        stranger.ended(130)
    assert {event["generator"] for event in a.events("scored")} == {keys["b"].address}

    well = start("status", "run-a")
    well.ended(0)
    assert "all is well" in well.stdout

    b = lost_and_adopted(start, place, a, b)

    for command in (a, b):
        command.signal(signal.SIGINT, group=True)
    for command in (a, b):
        command.ended(130)
        assert command.stderr == (f"page: {address}\n" if command is a else "")
    for name in ("a", "again-b"):
        (chain,) = verify_all(RunDirectory(place / f"run-{name}"), (name[-1],))
        assert chain.receipts == chain.transactions > 0
    shown = start("chain", "verify", "run-again-b")
    shown.ended(0)
    assert shown.stdout.startswith("node b: ok, blocks ") and "those before were lost" in shown.stdout


def lost_and_adopted(start: Start, place: Path, a: Command, b: Command) -> Command:
    """b loses its directory; is started with a wrong seed, then without its directory, then with `--adopt`. a is never touched."""
    b.signal(signal.SIGTERM)
    b.ended(143)
    (place / "seed.toml").write_text((place / "far.toml").read_text().replace("seed = 3", "seed = 4"))
    wrong = node(start, place, "seed.toml", "b", "key-b", "run-seed")
    for command, other, said in ((a, "b", "its seed is 4, ours 3"), (wrong, "a", "its seed is 3, ours 4")):
        command.until(partial(tells, command, f"{other}: refused", f"other_genesis: {said}"), f"line with {said}")

    def ill() -> bool:
        """The status file is written once a second, and may be from before the line on the screen, when all was well still."""
        status = start("status", "run-a", "--json")
        if status.process.wait(PATIENCE) == 0:
            return False
        status.ended(1)
        return "its seed is 4, ours 3" in status.stdout

    a.until(ill, "status with its cause")
    wrong.signal(signal.SIGINT, group=True)
    wrong.ended(130)

    stopped = node(start, place, "far.toml", "b", "key-b", "run-again-b")
    stopped.ended(8)
    assert "of this key that this directory lacks" in one_line(stopped.stderr) and not (place / "run-again-b").exists()
    height = a.height("a")
    b = node(start, place, "far.toml", "b", "key-b", "run-again-b", "--adopt")
    b.until(lambda: b.height("b"), "block of b behind what it lost")
    assert "node b goes on behind them" in b.stdout
    a.until(lambda: a.height("a") >= height + 3, "blocks of a with b's directory lost")
    return b


def tells(command: Command, *words: str) -> bool:
    return any(all(word in line for word in words) for line in command.stdout.splitlines())
