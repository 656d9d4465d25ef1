"""A topology that is read and checked: the sections, and the nodes with everything that concerns them filled in."""

import msgspec
from msgspec import Struct

from dfl_actors.config.listen import host_port, is_loopback
from dfl_actors.config.sections import (
    SECTIONS,
    Block,
    Churn,
    Data,
    Event,
    Gossip,
    Network,
    NodeOptions,
    Parameter,
    Role,
    Run,
    Sim,
    Store,
    Training,
    Transport,
    Update,
)
from dfl_actors.config.toml_text import Table, dump_table, listed, nearest
from dfl_actors.config.topology import Link
from dfl_actors.errors import ConfigError

AT_TIMES = "attacks at times"  # What is said of a node that attacks only since an event.


LabelRanges = tuple[tuple[float, float], ...] | dict[str, tuple[float, float]]


class Node(Struct, frozen=True, kw_only=True):
    """One node with everything filled in. `listen` is None where the system is to choose a free port on `transport.host`.

    A node sends its models to its `receivers` and gets those of its `senders`; its `neighbours` are both. `label_weights` are the least
    and the largest weight of each label, from the first label on, or by the names that the data give to labels. `speed` is what events
    have made of its own; so are the label weights of one that has drifted.
    """

    name: str
    role: Role
    neighbours: tuple[str, ...]
    receivers: tuple[str, ...]
    senders: tuple[str, ...]
    source: str
    rate: float
    steps_per_transaction: int
    label_weights: LabelRanges | None
    buffer: int
    algorithm: str
    parameters: dict[str, Parameter]
    interval: tuple[int, ...]
    attack: str | None
    attack_parameters: dict[str, Parameter]
    listen: str | None
    public_key: str | None
    curve_key: str | None
    inlet: str | None = None
    feeders: tuple[str, ...] = ()
    speed: float = 1.0


class Config(Struct, frozen=True, kw_only=True):
    """A checked topology. `nodes` and `links` are worked out from the sections; `node_options` is what the file says of single nodes.

    `events` are those of the file and of the trace that it names, in the order in which they were given.
    `links` are all of them, as pairs of names; `arrows` are those that lead from the first to the second and not back.
    """

    network: Network
    training: Training
    data: Data
    gossip: Gossip
    block: Block
    update: Update
    transport: Transport
    store: Store
    run: Run
    churn: Churn
    sim: Sim
    node_options: dict[str, NodeOptions]
    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    arrows: tuple[Link, ...]
    events: tuple[Event, ...] = ()

    def models_kept(self, name: str) -> int:
        """Models that a node's store holds: those in its buffer, its own that lack receipts, what some averages leave to be taken up and
        answered with, and some of each neighbour on their way."""
        node = self.node(name)
        if self.store.models:
            return self.store.models
        offered = 4 if self.attacks(name) else 0  # an attacker keeps what it offers besides its own
        return node.buffer + offered + max(17, 8 + 3 * len(node.neighbours))

    def node(self, name: str) -> Node:
        """The node of that name. Raises ConfigError."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise ConfigError(f'{self.network.name}: no node "{name}"; {nearest(name, [node.name for node in self.nodes])}')

    def attacks(self, name: str) -> bool:
        """Whether the node attacks, at the beginning or later."""
        return bool(self.attack_of(name))

    def attack_of(self, name: str) -> str:
        """What it does at the beginning, or that it attacks later; empty for one that never does."""
        later = any(event.do == "attack" and event.node == name for event in self.events)
        return self.node(name).attack or (AT_TIMES if later else "")

    def data_of(self, name: str) -> Data:
        """What is said of the data of a node. Raises ConfigError."""
        return msgspec.structs.replace(self.data, source=self.node(name).source)

    @property
    def curve(self) -> bool:
        """Whether the links between nodes are encrypted: `auto` does so as soon as one node listens beyond this machine, and for a node
        that runs alone (`alone`)."""
        return self.transport.curve == "on" or (self.transport.curve == "auto" and bool(self._beyond()))

    def _beyond(self) -> list[str]:
        """The nodes that listen beyond this machine."""
        hosts = ((node.name, host_port(node.listen)[0] if node.listen else self.transport.host) for node in self.nodes)
        return [name for name, host in hosts if not is_loopback(host)]

    @property
    def exposed(self) -> str:
        """What is to be told of links that leave the machine and are not encrypted; empty where there is none."""
        beyond = self._beyond()
        if self.curve or not beyond:
            return ""
        who = f"node {beyond[0]} listens" if len(beyond) == 1 else f"nodes {listed(beyond)} listen"
        return f"INSECURE: links are not encrypted (transport.curve is off), and {who} beyond this machine"

    def alone(self) -> "Config":
        """For one node of a network, whose neighbours run elsewhere: `auto` encrypts the links, on this machine too."""
        if self.transport.curve != "auto":
            return self
        return msgspec.structs.replace(self, transport=msgspec.structs.replace(self.transport, curve="on"))

    @property
    def architecture(self) -> str:
        """The model's name as the genesis has it: of a `file.py:build` only the file's name, as folders differ from host to host."""
        return self.training.model.rpartition("/")[2]

    def resolved(self) -> str:
        """The whole configuration as TOML, every key of every section; reading it back gives an equal Config."""
        return dump_table(self.table())

    def table(self) -> Table:
        """The configuration as a topology file has it, every key of every section that has a value."""
        sections: Table = {name: _given(msgspec.to_builtins(getattr(self, name))) for name in SECTIONS}
        given = {name: msgspec.to_builtins(options) for name, options in self.node_options.items()}
        nodes = {name: _given(table) for name, table in given.items()}
        events = [_given(msgspec.to_builtins(event)) for event in self.events]
        return ({"event": events} if events else {}) | sections | ({"node": nodes} if nodes else {})


def _given(table: Table) -> Table:
    """What of a table is given."""
    return {key: value for key, value in table.items() if value is not None}
