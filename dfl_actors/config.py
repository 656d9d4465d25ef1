"""TOML -> frozen objects: every default and every check of a topology lives here.

A topology file has the sections below and, where a node differs from the rest, `[node.NAME]`. `load_topology` reads it,
puts the `--set` options over it, lets msgspec check each value on its own, then checks what values mean together. The
result is a `Config`: the sections, and the nodes with everything that concerns them filled in.

An error is one line, `FILE:LINE: section.key: what is wrong; remedy`. `docs/topology-format.md` describes every key.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from dfl_actors.core.listen import ListenError, host_port, is_loopback, listening
from dfl_actors.core.toml_text import Source, Table, check_known, convert, dump_table, nearest, parse_table, put_options
from dfl_actors.core.topology import Link, TopologyError, neighbours_of, node_names, parse_links, within
from dfl_actors.errors import ConfigError

Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Amount = Annotated[int, Meta(ge=0, le=1_000_000)]
Fraction = Annotated[float, Meta(ge=0, le=1)]
NotNegative = Annotated[float, Meta(ge=0, le=1e9)]
Positive = Annotated[float, Meta(gt=0, le=1e6)]
Seconds = Annotated[float, Meta(gt=0, le=1e7)]
SecondsOrNever = Annotated[float, Meta(ge=0, le=1e7)]
Buffer = Annotated[int, Meta(ge=1, le=1000)]
Name = Annotated[str, Meta(pattern=r"^[^/\\\x00-\x1f\x7f]{1,64}\Z", description="1 to 64 characters, no slash")]
Digits = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z", description="64 hexadecimal digits in lower case")]
Z85 = Annotated[str, Meta(pattern=r"^[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}\Z", description="a CURVE public key of 40 characters")]
Plugin = Annotated[str, Meta(min_length=1, max_length=1024)]
Parameter = bool | int | float | str | list[bool | int | float | str]
Role = Literal["normal", "observer"]


class Section(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file. Times are in seconds, as people write them; the actors turn them into milliseconds."""


class Network(Section, frozen=True):
    name: Name
    nodes: Annotated[int, Meta(ge=2, le=1000)] | tuple[str, ...] = 4
    links: Literal["full", "ring", "line", "star"] | tuple[str, ...] = "full"
    seed: Annotated[int, Meta(ge=0, le=2**32 - 1)] = 0


class Training(Section, frozen=True):
    model: Plugin = "lenet"
    batch: Annotated[int, Meta(ge=1, le=65536)] = 64
    steps_per_transaction: Count = 1
    learning_rate: Positive = 0.01
    momentum: Annotated[float, Meta(ge=0, lt=1)] = 0.9
    weight_decay: Fraction = 5e-4
    gamma: NotNegative = 1e-4
    power: NotNegative = 0.75
    bias_rate: NotNegative = 2.0
    init: Literal["shared", "independent"] = "shared"


class Data(Section, frozen=True):
    source: Plugin = "mnist"
    partition: Literal["iid", "samples", "dirichlet", "labels", "weights"] = "iid"
    alpha: Positive = 1.0
    labels_per_node: Annotated[int, Meta(ge=1, le=256)] = 2
    rate: NotNegative = 8.0  # samples a second; 0: as fast as the trainer takes them
    test_samples: Annotated[int, Meta(ge=1, le=100_000)] = 100


class Gossip(Section, frozen=True):
    ttl: Annotated[int, Meta(ge=1, le=16)] = 1
    expiry_s: Seconds = 60.0
    codec: Literal["float32", "float16"] = "float32"
    fetch_timeout_s: Seconds = 10.0
    heartbeat_s: Seconds = 1.0
    max_skew_s: Seconds = 5.0


class Block(Section, frozen=True):
    transactions: Annotated[int, Meta(ge=1, le=256)] = 4
    receipts: Annotated[int, Meta(ge=1, le=256)] = 1  # the least a transaction needs
    receipt_wait_s: Seconds = 10.0  # how long a transaction waits for the receipts of all neighbours
    confirmations: Fraction = 1.0
    per: Literal["block", "transaction"] = "block"
    deadline_s: Seconds = 30.0
    memo: Annotated[str, Meta(max_length=256)] = ""


class Update(Section, frozen=True):
    algorithm: Plugin = "half_fedavg"
    buffer: Buffer = 4
    parameters: dict[str, Parameter] = {}


class Transport(Section, frozen=True):
    host: Annotated[str, Meta(min_length=1, max_length=255)] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65534)] = 0
    curve: Literal["auto", "on", "off"] = "auto"


class Store(Section, frozen=True):
    models: Annotated[int, Meta(ge=0, le=100_000)] = 0  # 0: as many as the buffer and the neighbours need


class Run(Section, frozen=True):
    duration_s: SecondsOrNever = 0.0
    target: Fraction = 0.0
    blocks: Amount = 0
    evaluate_s: SecondsOrNever = 2.0
    evaluate_samples: Amount = 0
    speed: Annotated[float, Meta(ge=0.001, le=10_000)] = 1.0


class NodeOptions(Section, frozen=True):
    """A `[node.NAME]` table. What is None is as in the sections."""

    role: Role = "normal"
    rate: NotNegative | None = None
    steps_per_transaction: Count | None = None
    label_weights: dict[str, NotNegative] | tuple[NotNegative, ...] | None = None
    buffer: Buffer | None = None
    algorithm: Plugin | None = None
    parameters: dict[str, Parameter] | None = None
    listen: str | None = None
    public_key: Digits | None = None
    curve_key: Z85 | None = None


class Node(Struct, frozen=True, kw_only=True):
    """One node with everything filled in. `listen` is None where the system is to choose a free port on `transport.host`."""

    name: str
    role: Role
    neighbours: tuple[str, ...]
    rate: float
    steps_per_transaction: int
    label_weights: tuple[float, ...] | None
    buffer: int
    algorithm: str
    parameters: dict[str, Parameter]
    listen: str | None
    public_key: str | None
    curve_key: str | None


class Config(Struct, frozen=True, kw_only=True):
    """A checked topology. `nodes` and `links` are worked out from the sections; `node_options` is what the file says of single nodes."""

    network: Network
    training: Training
    data: Data
    gossip: Gossip
    block: Block
    update: Update
    transport: Transport
    store: Store
    run: Run
    node_options: dict[str, NodeOptions]
    nodes: tuple[Node, ...]
    links: tuple[Link, ...]

    def models_kept(self, name: str) -> int:
        """Models that a node's store holds: those in its buffer, its own last ones, and some of each neighbour on their way."""
        node = self.node(name)
        return self.store.models or 4 + node.buffer + 3 * len(node.neighbours)

    def node(self, name: str) -> Node:
        """The node of that name. Raises ConfigError."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise ConfigError(f'{self.network.name}: no node "{name}"; {nearest(name, [node.name for node in self.nodes])}')

    @property
    def curve(self) -> bool:
        """Whether the links between nodes are encrypted: `auto` does so as soon as one node listens beyond this machine."""
        hosts = [host_port(node.listen)[0] if node.listen else self.transport.host for node in self.nodes]
        return self.transport.curve == "on" or (self.transport.curve == "auto" and not all(map(is_loopback, hosts)))

    @property
    def architecture(self) -> str:
        """The model's name as the genesis has it: of a `file.py:build` only the file's name, as folders differ from host to host."""
        return self.training.model.rpartition("/")[2]

    def resolved(self) -> str:
        """The whole configuration as TOML, every key of every section; reading it back gives an equal Config."""
        return dump_table(self._table())

    def scaled(self) -> "Config":
        """The same network at `run.speed`: rates times speed, protocol times and the duration divided by it, speed 1.

        Not scaled: `evaluate_s`, `heartbeat_s` and `max_skew_s`, which belong to the watcher and the machine. Raises ConfigError.
        """
        table, speed = self._table(), self.run.speed
        for holder in (table["data"], *table.get("node", {}).values()):
            holder |= {"rate": holder["rate"] * speed} if "rate" in holder else {}
        for section, keys in PROTOCOL_TIMES.items():
            table[section] |= {key: table[section][key] / speed for key in keys}
        table["run"]["speed"] = 1.0
        return _assemble(table, Source(where=f"{self.network.name} at speed {speed:g}"))

    def _table(self) -> Table:
        sections: Table = {name: msgspec.to_builtins(getattr(self, name)) for name in SECTIONS}
        given = {name: msgspec.to_builtins(options) for name, options in self.node_options.items()}
        nodes = {name: {key: value for key, value in table.items() if value is not None} for name, table in given.items()}
        return sections | ({"node": nodes} if nodes else {})


SECTIONS: Mapping[str, type[Section]] = {
    "network": Network,
    "training": Training,
    "data": Data,
    "gossip": Gossip,
    "block": Block,
    "update": Update,
    "transport": Transport,
    "store": Store,
    "run": Run,
}
PROTOCOL_TIMES = {"gossip": ("expiry_s", "fetch_timeout_s"), "block": ("receipt_wait_s", "deadline_s"), "run": ("duration_s",)}
LARGEST_DRAFT = 3 << 20  # bytes
LABELS = tuple(str(label) for label in range(256))


def load_topology(path_or_name: str | Path, options: Sequence[str] = ()) -> Config:
    """Read a topology file, or a ready topology by its bare name, with `section.key=value` options over it. Raises ConfigError."""
    path = _find(str(path_or_name))
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigError(f"{path_or_name}: cannot be read ({problem}); give a readable topology file in UTF-8") from problem
    return parse_topology(text, where=str(path_or_name), name=path.stem, folder=path.resolve().parent, options=options)


def parse_topology(text: str, *, where: str, name: str, folder: Path | None = None, options: Sequence[str] = ()) -> Config:
    """The Config of a topology's text. `where` stands in errors, `name` is the network's if the text gives none. Raises ConfigError.

    A plug-in given as `file.py:name` is looked for beside the topology (`folder`), one in an option from where we stand.
    """
    table = parse_table(text, where)
    _anchor_plugins(table, folder or Path.cwd())
    given = put_options(table, options)
    _anchor_plugins(table, Path.cwd())
    source = Source(where=where, text=text, options=given)
    table.setdefault("network", {})
    if isinstance(table["network"], dict):
        table["network"].setdefault("name", name)
    return _assemble(table, source)


def override(config: Config, options: Sequence[str]) -> Config:
    """The same configuration with `section.key=value` options over it, checked again. Raises ConfigError."""
    return parse_topology(config.resolved(), where=config.network.name, name=config.network.name, options=options)


def ready_topologies() -> dict[str, Path]:
    """The topologies that come with the package by name: installed they lie inside it, in a checkout beside it."""
    package = Path(__file__).parent
    folders = [folder for folder in (package / "topologies", package.parent / "topologies") if folder.is_dir()]
    return {path.stem: path for path in sorted(folders[0].glob("*.toml"))} if folders else {}


def _find(path_or_name: str) -> Path:
    path, ready = Path(path_or_name), ready_topologies()
    if path.is_file():
        return path
    bare = path.name == path_or_name
    if bare and path_or_name.removesuffix(".toml") in ready:
        return ready[path_or_name.removesuffix(".toml")]
    raise ConfigError(f"{path_or_name}: no such topology; give a file or one of the ready ones: {', '.join(ready)}")


def _anchor_plugins(table: Table, folder: Path) -> None:
    """Make `file.py:name` absolute in place, so that a resumed run finds it from any folder."""
    nodes = table.get("node")
    tables = [table.get("training"), table.get("update"), *(nodes.values() if isinstance(nodes, dict) else ())]
    for holder in tables:
        for key in ("model", "algorithm"):
            value = holder.get(key) if isinstance(holder, dict) else None
            if isinstance(value, str) and ".py:" in value:
                holder[key] = str(folder / value)


def _assemble(table: Table, source: Source) -> Config:
    """Check the table value by value, then as a whole, and fill in the nodes. Raises ConfigError."""
    check_known(table, (*SECTIONS, "node"), (), source)
    sections: dict[str, Any] = {name: convert(kind, table.get(name, {}), (name,), source) for name, kind in SECTIONS.items()}
    nodes, links = _graph(sections["network"], source)
    given = _node_options(table.get("node", {}), tuple(nodes), source)
    places = _listening(sections["transport"], tuple(nodes), given, source)
    everyone = (sections["training"], sections["data"], sections["update"])
    filled = [_fill(name, nodes[name], given.get(name, NodeOptions()), places[name], *everyone) for name in nodes]
    config = Config(**sections, node_options=given, nodes=tuple(filled), links=links)
    for check in CHECKS:
        check(config, source)
    return config


def _graph(network: Network, source: Source) -> tuple[dict[str, tuple[str, ...]], tuple[Link, ...]]:
    key = "nodes"
    try:
        names = node_names(network.nodes)
        key = "links"
        links = parse_links(names, network.links)
    except TopologyError as problem:
        raise source.error(("network", key), str(problem)) from problem
    return neighbours_of(names, links), links


def _node_options(table: Any, names: Sequence[str], source: Source) -> dict[str, NodeOptions]:
    if not isinstance(table, dict):
        raise source.error(("node",), "is not a table; write a section for a node as [node.NAME]")
    check_known(table, names, ("node",), source, "node")
    return {name: convert(NodeOptions, table[name], ("node", name), source) for name in names if name in table}


def _fill(
    name: str, neighbours: tuple[str, ...], given: NodeOptions, listen: str | None, training: Training, data: Data, update: Update
) -> Node:
    algorithm = given.algorithm or update.algorithm
    # The network's parameters belong to the network's algorithm: a node with another one starts from that one's defaults.
    inherited = update.parameters if algorithm == update.algorithm else {}
    return Node(
        name=name,
        role=given.role,
        neighbours=neighbours,
        rate=data.rate if given.rate is None else given.rate,
        steps_per_transaction=given.steps_per_transaction or training.steps_per_transaction,
        label_weights=None if given.label_weights is None else _label_weights(given.label_weights),
        buffer=given.buffer or update.buffer,
        algorithm=algorithm,
        parameters=inherited if given.parameters is None else given.parameters,
        listen=listen,
        public_key=given.public_key,
        curve_key=given.curve_key,
    )


def _label_weights(given: dict[str, float] | tuple[float, ...]) -> tuple[float, ...]:
    """One weight a label, from label 0 on; a label that the table leaves out weighs nothing."""
    if isinstance(given, tuple):
        return given
    weights = {int(label): weight for label, weight in given.items() if label in LABELS}
    return tuple(weights.get(label, 0.0) for label in range(max(weights, default=-1) + 1))


def _listening(transport: Transport, names: Sequence[str], given: Mapping[str, NodeOptions], source: Source) -> dict[str, str | None]:
    own = {name: options.listen for name, options in given.items() if options.listen is not None}
    try:
        return listening(names, own, transport.host, transport.port)
    except ListenError as problem:
        raise source.error(problem.key, str(problem)) from problem


def _check_roles(config: Config, source: Source) -> None:
    if all(node.role == "observer" for node in config.nodes):
        raise source.error(
            ("node", config.nodes[0].name, "role"), 'every node is an observer, nobody trains; make one node role = "normal"'
        )


def _check_label_weights(config: Config, source: Source) -> None:
    explicit = config.data.partition == "weights"
    for node in config.nodes:
        key = ("node", node.name, "label_weights")
        given = config.node_options[node.name].label_weights if node.name in config.node_options else None
        if not explicit and given is not None:
            raise source.error(key, f'has no effect with data.partition = "{config.data.partition}"; set that to "weights", or remove this')
        if explicit and given is None:
            raise source.error(key, 'missing while data.partition = "weights"; give every node a weight for each label')
        if isinstance(given, dict) and (wrong := next((label for label in given if label not in LABELS), None)) is not None:
            raise source.error(key, f'"{wrong}" is no label; write labels as "0" to "{len(LABELS) - 1}"')
        if given is not None and (len(given) > len(LABELS) or not any(node.label_weights or ())):
            raise source.error(key, f"no label has a weight above 0; give 1 to {len(LABELS)} weights, one of them above 0")


def _check_receipts(config: Config, source: Source) -> None:
    neighbours = {node.name: node.neighbours for node in config.nodes}
    for node in config.nodes:
        reached = len(within(neighbours, node.name, config.gossip.ttl))
        if config.block.receipts > reached:
            problem = f'{config.block.receipts} can never come, node "{node.name}" reaches {reached} with gossip.ttl = {config.gossip.ttl}'
            raise source.error(("block", "receipts"), f"{problem}; give at most {reached}, or add links")


def _check_draft(config: Config, source: Source) -> None:
    """A draft is one frame on the wire. A transaction has some 600 bytes, a receipt some 450 (`docs/protocol.md`)."""
    neighbours = {node.name: node.neighbours for node in config.nodes}
    witnesses = max(len(within(neighbours, node.name, config.gossip.ttl)) for node in config.nodes)
    most = LARGEST_DRAFT // (700 + 560 * witnesses)
    if config.block.transactions > most:
        problem = f"{config.block.transactions} transactions with {witnesses} receipts each do not fit into one message"
        raise source.error(("block", "transactions"), f"{problem}; give at most {most}")


def _check_store(config: Config, source: Source) -> None:
    largest = max(node.buffer for node in config.nodes)
    if 0 < config.store.models <= largest:
        raise source.error(
            ("store", "models"), f"{config.store.models} models do not outlast a buffer of {largest}; give more than {largest}"
        )


def _check_target(config: Config, source: Source) -> None:
    if config.run.target and not config.run.evaluate_s:
        raise source.error(("run", "target"), "nothing measures it while run.evaluate_s = 0; set evaluate_s, or target = 0")


def _check_keys(config: Config, source: Source) -> None:
    owner: dict[str, str] = {}
    for node in config.nodes:
        if node.public_key and (other := owner.setdefault(node.public_key, node.name)) != node.name:
            raise source.error(("node", node.name, "public_key"), f'is also that of node "{other}"; every node has its own key')


CHECKS = (_check_roles, _check_label_weights, _check_receipts, _check_draft, _check_store, _check_target, _check_keys)
