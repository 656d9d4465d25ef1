"""The `Network` of the scenarios over the real program: processes, sockets, LMDB and MNIST, with a small model that starts quickly.

Usually one `dfl-actors run` has all nodes. With `apart` each node has a `dfl-actors node` of its own, and its neighbours reach it over
wires that can be cut: so nodes start one by one, and links part.
"""

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dfl_actors.config.toml_text import dump_table
from dfl_actors.core.objects import FinalBlock
from dfl_actors.runtime.keyfiles import curve_keys, load_key, new_key
from tests.network.harness import TINY_MODEL, free_ports
from tests.network.hosts import Host
from tests.network.wires import HOST, Wires
from tests.patience import Stopwatch
from tests.scenarios.interface import SOON, USUAL, Plan

SLOWER = 2
"""A scenario's patience is for an idle machine; here it is so many times as long."""

OPTIONS = {
    "ttl": ("gossip", "ttl"),
    "codec": ("gossip", "codec"),
    "expiry": ("gossip", "expiry_s"),
    "skew": ("gossip", "max_skew_s"),
    "heartbeat": ("gossip", "heartbeat_s"),
    "fetch_timeout": ("gossip", "fetch_timeout_s"),
    "transactions": ("block", "transactions"),
    "receipts": ("block", "receipts"),
    "receipt_wait": ("block", "receipt_wait_s"),
    "confirmations": ("block", "confirmations"),
    "per": ("block", "per"),
    "deadline": ("block", "deadline_s"),
    "memo": ("block", "memo"),
    "batch": ("training", "batch"),
    "steps": ("training", "steps_per_transaction"),
    "rate": ("data", "rate"),
    "tests": ("data", "test_samples"),
    "buffer": ("update", "buffer"),
    "models": ("store", "models"),
}
"""A plan's settings as sections and keys of a topology, whose times are in seconds."""


Tables = dict[str, dict[str, Any]]


def topology(plan: Plan, model: Path) -> Tables:
    """The plan's topology file."""
    assert not plan.by_node, "not over real processes: settings that differ from node to node"
    tables: Tables = {section: {} for section, _ in OPTIONS.values()}
    for name, value in {**USUAL, **plan.settings}.items():
        section, key = OPTIONS[name]
        tables[section][key] = value / 1000 if key.endswith("_s") else value
    tables["network"] = {"name": "scenario", "nodes": list(plan.nodes), "links": [f"{a}--{b}" for a, b in plan.links], "seed": plan.seed}
    tables["training"]["model"] = f"{model}:build"
    tables["run"] = {"evaluate_s": 0}
    tables["node"] = {name: {"role": "observer" if name in plan.observers else "normal"} for name in plan.nodes}
    return tables


class ProcessNetwork:
    """A plan's network in a directory of its own, which `destroy` removes with everything that runs in it."""

    def __init__(self, plan: Plan, apart: bool = False) -> None:
        self.plan, self.place = plan, Path(tempfile.mkdtemp(prefix="scn-"))
        model = self.place / "tiny.py"
        model.write_text(TINY_MODEL)
        self._tables = topology(plan, model)
        self._cut: set[frozenset[str]] = set()
        self._wires = Wires() if apart else None
        self._port = 0
        hosts = [self._together()] if self._wires is None else self._apart(self._wires)
        self._host = {node: host for host in hosts for node in host.nodes}
        self._hosts = hosts

    def _together(self) -> Host:
        file, out = self._write("scenario.toml", self._tables), self.place / "run"
        self._keys = {name: out / "nodes" / name for name in self.plan.nodes}
        return Host(self.place, self.plan.nodes, out, ("run", file, "--out", out), ("run", "--resume", out))

    def _apart(self, wires: Wires) -> list[Host]:
        """Every host has its own topology file, in which the other nodes listen where the wires to them begin."""
        self._keys = {name: self.place / f"key-{name}" for name in self.plan.nodes}
        ports = {name: self._next_port() for name in self.plan.nodes}
        for name, directory in self._keys.items():
            key = new_key(directory)
            self._tables["node"][name] |= {"public_key": key.public, "curve_key": curve_keys(key)[0].decode()}
        hosts = []
        for name in self.plan.nodes:
            places = {other: self._next_port() for other in self.plan.nodes if other != name}
            for other, port in places.items():
                wires.lay(name, other, port, ports[other])
            hosts.append(self._alone(name, places | {name: ports[name]}))
        return hosts

    def _alone(self, name: str, ports: dict[str, int]) -> Host:
        nodes = {other: {**options, "listen": f"tcp://{HOST}:{ports[other]}"} for other, options in self._tables["node"].items()}
        file, out = self._write(f"{name}.toml", {**self._tables, "node": nodes}), self.place / f"run-{name}"
        arguments = ("node", file, "--name", name, "--keys", self._keys[name], "--out", out)
        return Host(self.place, (name,), out, arguments, arguments)

    def _write(self, name: str, tables: Tables) -> Path:
        path = self.place / name
        path.write_text(dump_table(tables))
        return path

    def _next_port(self) -> int:
        self._port = free_ports(self._port + 2 if self._port else 0)
        return self._port

    # --- what a scenario may ask

    @property
    def genesis(self) -> str:
        return self._hosts[0].genesis

    @property
    def now(self) -> int:
        return time.time_ns() // 1_000_000

    def start(self, *nodes: str) -> None:
        names = set(nodes or self.plan.nodes)
        for host in self._hosts:
            if names & set(host.nodes) and not host.running:
                assert names >= set(host.nodes), "only hosts apart start one by one"
                host.start()

    def end(self, *nodes: str) -> None:
        for host in self._hosts:
            if not nodes or set(nodes) & set(host.nodes):
                host.end()

    def kill(self, node: str, actor: str, restart_after: int | None = SOON) -> None:
        host = self._host[node]
        if restart_after is None or restart_after > SOON:
            host.hold(float("inf") if restart_after is None else restart_after / 1000)
        host.kill(node, actor)

    def restart(self, node: str, actor: str) -> None:
        """All that were killed on the node's host come back with it."""
        self._host[node].release()

    def cut(self, a: str, b: str) -> None:
        assert self._wires is not None, "only hosts apart have links that can be cut"
        self._cut.add(frozenset((a, b)))
        self._wires.cut(a, b)

    def heal(self, a: str, b: str) -> None:
        assert self._wires is not None
        self._cut.discard(frozenset((a, b)))
        self._wires.heal(a, b)

    def set_clock(self, ms: int, *nodes: str) -> None:
        for host in self._hosts:
            if not nodes or set(nodes) & set(host.nodes):
                host.clock.set(ms)

    def run(self, until: Callable[[], bool], within: int) -> bool:
        watch = Stopwatch()
        while not until():
            if watch.read() > SLOWER * within / 1000:
                return False
            for host in self._hosts:
                host.tend()
            time.sleep(0.02)
        return True

    def address(self, node: str) -> str:
        return load_key(self._keys[node]).address

    def chain(self, node: str) -> list[FinalBlock]:
        return self._host[node].chain(node)

    def notes(self, event: str, node: str | None = None) -> list[dict[str, Any]]:
        hosts = self._hosts if node is None else [self._host[node]]
        return [note for host in hosts for note in host.notes(event) if node in (None, note["node"])]

    # --- for the tests

    @property
    def whole(self) -> bool:
        """Whether it is as its plan says."""
        return not self._cut and all(host.running and not host.crippled and not host.clock.ahead for host in self._hosts)

    def check(self) -> None:
        for host in self._hosts:
            host.check()

    def screens(self) -> str:
        """All that the commands have shown so far."""
        return "".join(path.read_text() for path in self.place.glob("*.out"))

    def story(self) -> str:
        """For the message of a failed test."""
        stories = [f"--- {host.out.name}: {host.command.story()}" for host in self._hosts if host.running]
        return "\n".join([f"seed {self.plan.seed}, everything lies in {self.place}", *stories])

    def destroy(self, keep: bool = False) -> None:
        """End all processes; remove all files, unless they are wanted."""
        self.end()
        if self._wires is not None:
            self._wires.close()
        if not keep:
            shutil.rmtree(self.place)
