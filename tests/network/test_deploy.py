"""A deployment as its folders and docs/deployment.md say: two hosts, then one moved, one with another key and one added.

Each has an address of its own, where the machine allows it in a network of its own behind a firewall.
"""

import shlex
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from dfl_actors.core.codec import decode
from dfl_actors.core.objects import MemberList
from dfl_actors.runtime.keyfiles import load_key
from dfl_actors.runtime.rundir import RunDirectory
from dfl_actors.runtime.verify import lists_all, verify_all
from tests.network.conftest import Start
from tests.network.harness import SMALL, Command, free_ports
from tests.network.places import Loopback, places

FIRST, NEXT = {"a": "one", "b": "two"}, {"a": "three", "b": "two", "c": "four"}  # On which host a node is.


def network(where: Mapping[str, str], net: Loopback, port: int) -> str:
    """Every node listens on a port and the next, and takes samples on the one after."""
    nodes = ", ".join(f'"{name}"' for name in where)
    text = SMALL.replace("nodes = 2", f'name = "deployed"\nnodes = [{nodes}]')
    for name, host in where.items():
        place = f"tcp://{net.address(host)}"
        text += f'\n[node.{name}]\nlisten = "{place}:{port}"\ninlet = "{place}:{port + 2}"\n'
        net.allow(host, [net.address(other) for other in where.values()], f"{port}:{port + 2}")
    return text + '\n[transport]\ncurve = "on"\n'


class Hosts:
    """Plays systemd on every host: starts what the unit says in the folder that was copied, and ends it with SIGTERM."""

    def __init__(self, net: Loopback) -> None:
        self.net, self.commands = net, list[Command]()

    def start(self, folder: Path, name: str, host: str) -> Command:
        lines = (folder / f"dfl-actors-{name}.service").read_text().splitlines()
        (execute,) = [line.removeprefix("ExecStart=") for line in lines if line.startswith("ExecStart=")]
        self.commands.append(Command(folder, *shlex.split(execute)[1:], out=folder / "run", namespace=self.net.namespace(host)))
        return self.commands[-1]

    def stop(self) -> None:
        for command in self.commands:
            command.signal(signal.SIGTERM)
        for command in self.commands:
            command.ended(143)
        self.commands.clear()


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    with places(["one", "two", "three", "four"]) as net:
        made = Hosts(net)
        yield made
        for command in made.commands:
            command.destroy()


def deployed(start: Start, place: Path, text: str) -> None:
    (place / "net.toml").write_text(text)
    start("deploy", "net.toml", "--out", "hosts").ended(0)


def test_from_empty_hosts_to_verified_chains_and_on_with_other_hosts_and_keys(start: Start, place: Path, hosts: Hosts) -> None:
    port, folders = free_ports(), {name: place / "hosts" / name for name in "abc"}
    deployed(start, place, network(FIRST, hosts.net, port))
    a, b = (hosts.start(folders[name], name, host) for name, host in FIRST.items())
    a.until(lambda: a.height("a") >= 1 <= b.height("b"), "a block of each")
    feed(start, place, hosts, b)
    keys = {name: load_key(folders[name]).public for name in "ab"}
    hosts.stop()
    backup = place / "backup"
    (folders["b"] / "run").rename(backup)
    for file in ("key", "key.pub"):
        (folders["b"] / file).unlink()

    deployed(start, place, network(NEXT, hosts.net, port))
    after = {name: load_key(folders[name]).public for name in "abc"}
    assert after["a"] == keys["a"] and after["b"] != keys["b"]
    began = a.height("a")
    moved, anew, added = (hosts.start(folders[name], name, host) for name, host in NEXT.items())
    witnesses = {load_key(folders[name]).address for name in "bc"}
    moved.until(lambda: witnesses <= {event["creator"] for event in moved.events("receipt")}, "receipts of the new key and the new node")
    moved.until(lambda: moved.height("a") > began and anew.height("b") and added.height("c"), "a block of each")
    hosts.stop()
    for name in "abc":
        (chain,) = verify_all(RunDirectory(folders[name] / "run"), (name,))
        assert chain.transactions > 0
    (listed,) = lists_all(RunDirectory(folders["a"] / "run"), ("a",))["a"]
    assert set(decode(MemberList, listed.encode()).keys) == set(after.values()), "who joined and left stands in a signed list"
    (old,) = verify_all(RunDirectory(backup), ("b",))
    assert old.transactions > 0, "the chain of the old key verifies for ever"


def feed(start: Start, place: Path, hosts: Hosts, b: Command) -> None:
    """Host one, which holds the key of a node, feeds the node of host two: over CURVE, through its firewall."""
    images, labels = np.zeros((40, 28, 28), np.uint8), np.arange(40) % 10
    np.savez(place / "more.npz", x_train=images, y_train=labels)
    topology = place / "hosts" / "a" / "topology.toml"
    given = start("inject", topology, "more.npz", "--node", "b", "--keys", "hosts/a", namespace=hosts.net.namespace("one"))
    given.ended(0)
    assert given.stdout == "node b has taken 40 samples; it was fed 40 in all\n"
