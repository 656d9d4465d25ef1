"""A deployment as its folders say: two hosts, then one taken out, one moved and one added, each on a loopback address of its own."""

import shlex
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from dfl_actors.runtime.keyfiles import load_key
from dfl_actors.runtime.rundir import RunDirectory
from dfl_actors.runtime.verify import verify_all
from tests.network.conftest import Start
from tests.network.harness import SMALL, Command, free_ports


def network(hosts: dict[str, str]) -> str:
    nodes = ", ".join(f'"{name}"' for name in hosts)
    text = SMALL.replace("nodes = 2", f'name = "deployed"\nnodes = [{nodes}]') + '\n[transport]\ncurve = "on"\n'
    return text + "".join(f'\n[node.{name}]\nlisten = "tcp://{host}:{free_ports()}"\n' for name, host in hosts.items())


class Hosts:
    """Plays systemd on every host: starts what the unit says in the folder that was copied, and ends it with SIGTERM."""

    def __init__(self) -> None:
        self.commands: list[Command] = []

    def start(self, folder: Path, name: str) -> Command:
        lines = (folder / f"dfl-actors-{name}.service").read_text().splitlines()
        (execute,) = [line.removeprefix("ExecStart=") for line in lines if line.startswith("ExecStart=")]
        self.commands.append(Command(folder, *shlex.split(execute)[1:], out=folder / "run"))
        return self.commands[-1]

    def stop(self) -> None:
        for command in self.commands:
            command.signal(signal.SIGTERM)
        for command in self.commands:
            command.ended(143)
        self.commands.clear()


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    made = Hosts()
    yield made
    for command in made.commands:
        command.destroy()


def test_from_empty_hosts_to_verified_chains_and_on_with_other_hosts(start: Start, place: Path, hosts: Hosts) -> None:
    (place / "net.toml").write_text(network({"a": "127.0.0.2", "b": "127.0.0.3"}))
    start("deploy", "net.toml", "--out", "hosts").ended(0)
    folders = {name: place / "hosts" / name for name in "abc"}
    for name in "ab":
        hosts.start(folders[name], name)
    first, second = hosts.commands
    first.until(lambda: first.height("a") >= 2 <= second.height("b"), "two blocks of each")
    key = load_key(folders["a"]).public
    hosts.stop()

    (place / "net.toml").write_text(network({"a": "127.0.0.4", "c": "127.0.0.5"}))
    start("deploy", "net.toml", "--out", "hosts").ended(0)
    assert load_key(folders["a"]).public == key
    a, c = hosts.start(folders["a"], "a"), hosts.start(folders["c"], "c")
    a.until(lambda: any(event["creator"] == load_key(folders["c"]).address for event in a.events("receipt")), "receipt of the new node")
    c.until(lambda: c.height("c") >= 1, "block of the new node")
    hosts.stop()
    for name in "ac":
        (chain,) = verify_all(RunDirectory(folders[name] / "run"), (name,))
        assert chain.transactions > 0
