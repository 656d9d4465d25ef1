"""From text to a checked `Config`, with everything that concerns a node filled in.

`load_topology` and `parse_topology` stop at the first mistake, `examine_topology` tells them all: one reading serves both. A
wrong value is noted and its default stands in, so that reading goes on; a check of what values mean together is passed
over when one of the values it reads is wrong already.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from dfl_actors.config.checks import CHECKS, DEPLOYED, Checks, label_ranges
from dfl_actors.config.config import Config, Node
from dfl_actors.config.events import hasten, read_events
from dfl_actors.config.listen import ListenError, listening
from dfl_actors.config.sections import (
    BUNDLED,
    DATA_FILES,
    MODEL_FILES,
    SECTIONS,
    Data,
    Network,
    NodeOptions,
    Sim,
    Training,
    Transport,
    Update,
)
from dfl_actors.config.toml_text import Mistakes, Source, Table, check_known, convert, parse_table, put_options
from dfl_actors.config.topology import (
    Link,
    Neighbours,
    TopologyError,
    neighbours_of,
    node_names,
    one_way,
    parse_links,
    receivers_of,
    senders_of,
)
from dfl_actors.errors import ConfigError
from dfl_actors.files import read_text

GRAPH = ("network.nodes", "network.links")
PROTOCOL_TIMES = {"gossip": ("expiry_s", "fetch_timeout_s"), "block": ("receipt_wait_s", "deadline_s", "abandon_s"), "run": ("duration_s",)}


def load_topology(path_or_name: str | Path, options: Sequence[str] = (), *, deployed: bool = False) -> Config:
    """Read a topology file, or a ready topology by its bare name, with `section.key=value` options over it. Raises ConfigError.

    `deployed`: it is to run as processes, so that what only the simulator can have is refused too.
    """
    config, mistakes = examine_topology(path_or_name, options, deployed=deployed)
    mistakes.raise_first()
    return config


def examine_topology(path_or_name: str | Path, options: Sequence[str] = (), *, deployed: bool = False) -> tuple[Config, Mistakes]:
    """What `load_topology` reads, and everything that is wrong with it; with mistakes, the Config is one to look at, not to run.

    Raises ConfigError when there is nothing to read, or an option is none.
    """
    path = _find(str(path_or_name))
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigError(f"{path_or_name}: cannot be read ({problem}); give a readable topology file in UTF-8") from problem
    return examine_text(text, str(path_or_name), path.stem, path.resolve().parent, options, deployed=deployed)


def parse_topology(text: str, *, where: str, name: str, folder: Path | None = None, options: Sequence[str] = ()) -> Config:
    """The Config of a topology's text. `where` stands in errors, `name` is the network's if the text gives none. Raises ConfigError.

    A plug-in given as `file.py:name` is looked for beside the topology (`folder`), one in an option from where we stand.
    """
    config, mistakes = examine_text(text, where, name, folder or Path.cwd(), options)
    mistakes.raise_first()
    return config


def examine_text(
    text: str, where: str, name: str, folder: Path, options: Sequence[str] = (), *, deployed: bool = False
) -> tuple[Config, Mistakes]:
    """What `parse_topology` reads, and everything that is wrong with it."""
    mistakes = Mistakes(Source(where=where, text=text))
    table = parse_table(text, mistakes)
    _anchor(table, folder)
    config, mistakes = examine_table(table, mistakes, name, options)
    if deployed:
        _check(config, DEPLOYED, mistakes)
    return config, mistakes


def examine_table(table: Table, mistakes: Mistakes, name: str, options: Sequence[str] = ()) -> tuple[Config, Mistakes]:
    """The Config of a table with options over it, and what is wrong beside the `mistakes` found before. Changes the table."""
    mistakes.source = msgspec.structs.replace(mistakes.source, options=put_options(table, options))
    _anchor(table, Path.cwd())
    table.setdefault("network", {})
    if isinstance(table["network"], dict):
        table["network"].setdefault("name", name)
    return _assemble(table, mistakes), mistakes


def override(config: Config, options: Sequence[str]) -> Config:
    """The same configuration with `section.key=value` options over it, checked again. Raises ConfigError."""
    return parse_topology(config.resolved(), where=config.network.name, name=config.network.name, options=options)


def scaled(config: Config) -> Config:
    """The same network at `run.speed`: rates times speed, protocol times and the duration divided by it, speed 1.

    This is what a deployed network runs, so that what only the simulator can have is refused. Not scaled: `evaluate_s`,
    `heartbeat_s` and `max_skew_s`, which belong to the watcher and the machine. Raises ConfigError.
    """
    table, speed = config.table(), config.run.speed
    for holder in (table["data"], *table.get("node", {}).values()):
        if "rate" in holder:
            holder["rate"] *= speed
    for section, keys in PROTOCOL_TIMES.items():
        table[section] |= {key: table[section][key] / speed for key in keys}
    table["run"]["speed"] = 1.0
    hasten(table, speed)
    mistakes = Mistakes(Source(where=f"{config.network.name} at speed {speed:g}"))
    faster = _assemble(table, mistakes)
    _check(faster, DEPLOYED, mistakes)
    mistakes.raise_first()
    return faster


def ready_topologies() -> dict[str, Path]:
    """The topologies that come with the package by name: installed they lie inside it, in a checkout beside it."""
    package = Path(__file__).parents[1]
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


def _anchor(table: Table, folder: Path) -> None:
    """Make `file.py:name` and the files of a data set and of a model absolute in place: a resumed run finds them from any folder."""
    churn = table.get("churn")
    if isinstance(churn, dict) and isinstance(trace := churn.get("trace"), str) and trace:
        churn["trace"] = str(folder / Path(trace).expanduser())
    nodes, events = table.get("node"), table.get("event")
    several = (*(nodes.values() if isinstance(nodes, dict) else ()), *(events if isinstance(events, list) else ()))
    for holder in (table.get("data"), *several):
        if isinstance(holder, dict) and isinstance(source := holder.get("source"), str) and source not in ("", *BUNDLED):
            holder["source"] = _placed(source, folder)
    tables = [table.get("training"), table.get("update"), *several]
    for holder in tables:
        for key in ("model", "optimizer", "loss", "algorithm", "attack"):
            value = holder.get(key) if isinstance(holder, dict) else None
            if isinstance(value, str) and (".py:" in value or (key == "model" and value.endswith(MODEL_FILES))):
                holder[key] = str(folder / value)


def _placed(source: str, folder: Path) -> str:
    """Where a source of data lies, seen from `folder`; names of modules, of Keras' data sets and of Hugging Face's stay as they are."""
    kind, _, name = source.partition(":")
    if kind == "hf" and name:
        return f"hf:{folder / name}" if (folder / name).is_dir() else source
    if kind == "keras" or (name and "/" not in kind and Path(kind).suffix != ".py" and Path(source).suffix not in DATA_FILES):
        return source
    return str(folder / Path(source).expanduser())


def _assemble(table: Table, mistakes: Mistakes) -> Config:
    """Check the table value by value, then as a whole, and fill in the nodes."""
    check_known(table, (*SECTIONS, "node", "event"), (), mistakes)
    sections: dict[str, Any] = {name: convert(kind, table.get(name, {}), (name,), mistakes) for name, kind in SECTIONS.items()}
    names, links = _graph(sections["network"], mistakes)
    arrows = () if mistakes.touch(GRAPH) else one_way(sections["network"].links)
    graph = _Graph(neighbours_of(names, links), arrows)
    given = _node_options(table.get("node", {}), names, mistakes)
    places = _listening(sections["transport"], names, given, mistakes)
    everyone = (sections["training"], sections["data"], sections["update"], sections["sim"])
    filled = [_fill(name, graph, given.get(name, NodeOptions()), places.get(name), *everyone) for name in names]
    config = Config(**sections, node_options=given, nodes=tuple(filled), links=links, arrows=arrows)
    _check(config, CHECKS, mistakes)
    return read_events(table.get("event", []), config, mistakes)


def _check(config: Config, checks: Checks, mistakes: Mistakes) -> None:
    for check, reads in checks.items():
        if not mistakes.touch(reads):
            check(config, mistakes)


def _graph(network: Network, mistakes: Mistakes) -> tuple[tuple[str, ...], tuple[Link, ...]]:
    """Names and links; the defaults stand in for wrong ones."""
    key = "nodes"
    names = node_names(Network().nodes)
    try:
        names = node_names(network.nodes)
        key = "links"
        if not mistakes.touch(GRAPH):
            return names, parse_links(names, network.links)
    except TopologyError as error:
        for problem in error.problems:
            mistakes.add(("network", key), *problem)
    return names, parse_links(names, Network().links)


def _node_options(table: object, names: Sequence[str], mistakes: Mistakes) -> dict[str, NodeOptions]:
    if not isinstance(table, dict):
        mistakes.add(("node",), "is not a table; write a section for a node as [node.NAME]")
        return {}
    if not mistakes.touch(["network.nodes"]):
        check_known(table, names, ("node",), mistakes, "node")
    options = {name: convert(NodeOptions, table[name], ("node", name), mistakes) for name in table}
    return {name: options[name] for name in names if name in options}


class _Graph:
    """Who is linked with whom, and which way."""

    def __init__(self, neighbours: Neighbours, arrows: tuple[Link, ...]) -> None:
        self.neighbours = neighbours
        self.receivers = receivers_of(neighbours, arrows)
        self.senders = senders_of(neighbours, arrows)


def _fill(
    name: str, graph: _Graph, given: NodeOptions, listen: str | None, training: Training, data: Data, update: Update, sim: Sim
) -> Node:
    algorithm = given.algorithm or update.algorithm
    # The network's parameters belong to the network's algorithm: a node with another one starts from that one's defaults.
    inherited = update.parameters if algorithm == update.algorithm else {}
    return Node(
        name=name,
        role=given.role,
        neighbours=graph.neighbours[name],
        receivers=graph.receivers[name],
        senders=graph.senders[name],
        source=data.source if given.source is None else given.source,
        rate=data.rate if given.rate is None else given.rate,
        steps_per_transaction=given.steps_per_transaction or training.steps_per_transaction,
        label_weights=None if given.label_weights is None else label_ranges(given.label_weights),
        buffer=given.buffer or update.buffer,
        algorithm=algorithm,
        parameters=inherited if given.parameters is None else given.parameters,
        interval=given.interval or sim.interval,
        attack=given.attack,
        attack_parameters=given.attack_parameters or {},
        listen=listen,
        public_key=given.public_key,
        curve_key=given.curve_key,
        inlet=given.inlet,
        feeders=given.feeders or (),
    )


def _listening(transport: Transport, names: Sequence[str], given: dict[str, NodeOptions], mistakes: Mistakes) -> dict[str, str | None]:
    """Where each node listens; what is wrong is noted and left out until the rest is right."""
    if mistakes.touch(["network.nodes"]):
        return {}
    own = {name: options.listen for name, options in given.items() if options.listen is not None}
    host, port = transport.host, transport.port
    while True:
        try:
            return listening(names, own, host, port)
        except ListenError as problem:
            mistakes.add(problem.key, str(problem))
            if own.pop(problem.key[1], None) is None:
                host, port = Transport().host, Transport().port
