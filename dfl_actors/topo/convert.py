"""From the reference program's configuration to a topology.

That program simulates in ticks and without a chain. The simulator here takes it to the letter; a network of processes learns in
seconds, so one tick becomes one second. What has a counterpart is taken over, what has none is named in a warning, and what the file
leaves open has a topology's default.

Its nodes draw labels by weight: `iid` all labels alike, `default` all samples alike, `non-iid` a weight for each label, drawn anew from
a range for every batch.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from random import Random
from typing import NamedTuple, TypeVar

import msgspec
import numpy as np

from dfl_actors.config.sections import Data
from dfl_actors.config.toml_text import Table, counted, listed
from dfl_actors.config.topology import LINK, Link, Problem, TopologyError, node_names, one_way, parse_links, separated
from dfl_actors.errors import ConfigError
from dfl_actors.learning.data import load_dataset
from dfl_actors.topo.reference import Broadcast, PeerControl, Range, Reference, ReferenceNode, Services, read_reference
from dfl_actors.topo.template import LABELS

T = TypeVar("T")

ALGORITHMS: dict[str, Table] = {
    "libreputation_FedAvg": {"algorithm": "fedavg"},
    "libreputation_HalfFedAvg": {"algorithm": "half_fedavg"},
    "libreputation_api_sample": {"algorithm": "reputation", "parameters": {"penalty": 0.05, "every_model": True}},
    "libreputation_005": {"algorithm": "reputation", "parameters": {"penalty": 0.05, "every_model": True}},
    "libreputation_reputation_005": {"algorithm": "reputation", "parameters": {"penalty": 0.05, "every_model": True}},
    "libreputation_001": {"algorithm": "reputation", "parameters": {"penalty": 0.01, "every_model": True}},
    "libreputation_reputation_001": {"algorithm": "reputation", "parameters": {"penalty": 0.01, "every_model": True}},
}
NODE_TYPES: dict[str, Table] = {
    "normal": {},
    "observer": {"role": "observer"},
    "malicious_model_poisoning_random_model": {"attack": "random_model"},
    "malicious_model_poisoning_random_model_by_turn": {"attack": "random_by_turns"},
    "malicious_model_poisoning_random_model_biased_0_1": {"attack": "biased_model"},
    "malicious_duplication_attack": {"attack": "copy"},
    "malicious_data_poisoning_random_data": {"attack": "random_data", "attack_parameters": {"high": 1}},
    "malicious_data_poisoning_shuffle_label": {"attack": "shuffled_labels", "attack_parameters": {"uniform": True}},
    "malicious_data_poisoning_shuffle_label_biased_1": {"attack": "shifted_labels"},
}
CLUSTERING = "libreputation_hcluster"  # How the names of its libraries begin that cluster.
AVERAGE_DEGREE = "average_degree-"
ATTEMPTS = 20  # So many graphs of one seed are drawn until all nodes are joined, as `dfl-actors topo gen` does.
TRANSACTIONS = 4  # In a block; the reference's simulator has none.

SILENT = {"ml_train_dataset_label", "ml_test_dataset", "ml_test_dataset_label", "nodes.filter_limit"}
"""Keys that say nothing beyond `ml_train_dataset` and `nodes.model_generation_type`."""


class Converted(NamedTuple):
    """A topology as TOML holds it, and what was lost on the way, a line each."""

    table: Table
    lost: list[str]


def convert_reference(path: Path, seed: int = 0, *, simulated: bool = False) -> Converted:
    """The topology of the reference program's configuration at `path`; `seed` draws the links that it leaves to chance.

    `simulated`: it is for the simulator, what only a network of processes loses is left out. Raises ConfigError naming file, line or
    key.
    """
    reference, raw = read_reference(path)
    key = "nodes"
    try:
        names = node_names([node.name for node in reference.nodes])
        key = "node_topology"
        links = _links(reference, names, seed)
        key = "ml_dataset_all_possible_labels"
        weights = _label_weights(reference)
    except TopologyError as problem:
        raise ConfigError(f"{path}: {key}: {problem}") from problem
    table = _table(reference, names, links, seed)
    own = {name: _node(node, table, row) for name, node, row in zip(names, reference.nodes, weights, strict=True)}
    nodes = {name: keys for name, keys in own.items() if keys}
    lost = [*_lost(reference, raw), *([] if simulated else _lost_deployed(reference, links, seed))]
    return Converted(table | ({"node": nodes} if nodes else {}), [f"{path}: {line}" for line in lost])


def _table(reference: Reference, names: tuple[str, ...], links: str | list[str], seed: int) -> Table:
    """Everything but the nodes that differ: what most nodes have is what a section says."""
    slowest = max(node.interval for node in reference.nodes)
    accuracy = reference.services.accuracy
    batch = reference.ml_train_batch_size
    return {
        "network": {"nodes": len(names) if names == node_names(len(names)) else list(names), "links": links, "seed": seed},
        "training": {"model": "lenet", "batch": batch, "steps_per_transaction": 1, "init": "independent"},
        "data": {
            "source": "mnist",
            "partition": _partition(reference),
            "rate": _most_common([batch / node.interval for node in reference.nodes]),
            "test_samples": reference.ml_test_batch_size,
        },
        "gossip": {"ttl": 1, "expiry_s": max(60.0, 2 * TRANSACTIONS * slowest)},
        "block": {"transactions": TRANSACTIONS},
        "update": {**_algorithm(reference), "buffer": _most_common([node.buffer_size for node in reference.nodes])},
        "run": {"duration_s": reference.ml_max_tick, "evaluate_s": accuracy.interval if accuracy.enable else 0},
        "sim": _sim(reference),
    }


def _sim(reference: Reference) -> Table:
    """What the simulator takes to the letter: ticks, services, and the reference's habits."""
    services = reference.services
    return {
        # The reference simulates tick 0 and tick ml_max_tick too.
        "ticks": reference.ml_max_tick + 1,
        "interval": list(_most_common([node.training_interval_tick for node in reference.nodes])),
        "check_every": services.accuracy.interval if services.accuracy.enable else 0,
        "check_samples": reference.ml_test_batch_size,
        "compare_every": services.weights_diff.interval if services.weights_diff.enable else 0,
        "exchange": "weights",
        "measure_biases": False,
        # Its non-iid mode draws test images for so long that all nodes set their test models before any of them measures.
        "share_test_models": all(node.dataset_mode == "non-iid" for node in reference.nodes),
        "ensemble": True,
        **_broadcast(services.force_broadcast_average),
        **_peers(services.peer_control_service),
    }


def _broadcast(service: Broadcast) -> Table:
    return {"broadcast_every": service.broadcast_interval} if service.enable else {}


def _peers(service: PeerControl) -> Table:
    if not service.enable:
        return {}
    return {
        "peer_control": True,
        "peer_interval": service.least_peer_change_interval,
        "peer_high": service.accuracy_threshold_high,
        "peer_low": service.accuracy_threshold_low,
        "peer_buffer": service.fedavg_buffer_size,
    }


def _links(reference: Reference, names: Sequence[str], seed: int) -> str | list[str]:
    """The links in the order of the file, each once; as in the reference, `fully_connect` ends the list. Raises TopologyError.

    What the file leaves to chance is drawn with `seed`, again until all nodes are joined.
    """
    drawn = any(item.startswith(AVERAGE_DEGREE) for item in reference.node_topology)
    random, known = Random(f"links {seed}"), set(names)
    for _ in range(ATTEMPTS if drawn else 1):
        ways = _ways(reference.node_topology, names, random)
        if ways is None:
            return "full"
        links = _as_items(ways)
        if not drawn or not separated(names, [way for way in ways if known.issuperset(way)]):
            break
    else:
        remedy = f"ask for more than the degree in {AVERAGE_DEGREE}N, or change the seed"
        raise TopologyError(Problem(f"none of the {ATTEMPTS} graphs drawn with seed {seed} joins all nodes; {remedy}"))
    parse_links(names, links)
    return links


def _ways(items: Sequence[str], names: Sequence[str], random: Random) -> dict[Link, None] | None:
    """Who sends to whom, in the order of the file; None: everyone to everyone. Raises TopologyError."""
    ways: dict[Link, None] = {}
    for number, item in enumerate(items):
        if item == "fully_connect":
            return None
        if item.startswith(AVERAGE_DEGREE):
            _draw_ways(item, names, ways, random)
        elif link := LINK.fullmatch(item):
            ways[link[1], link[3]] = None
            if link[2] == "--":
                ways.setdefault((link[3], link[1]))
        else:
            known = f'"0--1", "0->1", "{AVERAGE_DEGREE}4" or "fully_connect"'
            raise TopologyError(Problem(f'"{item}" is no link; write {known}', number))
    return ways


def _draw_ways(item: str, names: Sequence[str], ways: dict[Link, None], random: Random) -> None:
    """Have every node, in its turn, send to as many others as the item asks for; they need not send back. Raises TopologyError."""
    count = item.removeprefix(AVERAGE_DEGREE)
    if not count.isdecimal() or not 1 <= int(count) < len(names):
        raise TopologyError(Problem(f'"{item}": a node sends to 1 to {len(names) - 1} others; give such a number'))
    for name in names:
        strangers = [other for other in names if other != name and (name, other) not in ways]
        missing = int(count) - (len(names) - 1 - len(strangers))
        ways |= dict.fromkeys((name, other) for other in random.sample(strangers, max(0, missing)))


def _as_items(ways: Mapping[Link, None]) -> list[str]:
    """The items of `network.links`, each at the place of its first way."""
    items: dict[frozenset[str], str] = {}
    for one, other in ways:
        items.setdefault(frozenset((one, other)), f"{one}--{other}" if (other, one) in ways else f"{one}->{other}")
    return list(items.values())


def _partition(reference: Reference) -> str:
    modes = {node.dataset_mode for node in reference.nodes}
    every = set(reference.ml_dataset_all_possible_labels) == set(range(LABELS))
    return "samples" if modes == {"default"} else "iid" if modes == {"iid"} and every else "weights"


def _label_weights(reference: Reference) -> list[Table | None]:
    """The label weights of each node, None for all of them where the partition has a word for it. Raises TopologyError."""
    labels = sorted(set(reference.ml_dataset_all_possible_labels))
    if labels[-1] >= LABELS:
        raise TopologyError(Problem(f"{labels[-1]} is no label of MNIST; give labels from 0 to {LABELS - 1}"))
    if _partition(reference) != "weights":
        return [None] * len(reference.nodes)
    samples = _samples_by_label() if any(node.dataset_mode == "default" for node in reference.nodes) else {}
    rows: list[Table | None] = []
    for node in reference.nodes:
        ranges = samples if node.dataset_mode == "default" else _ranges(node, reference, labels)
        row = {str(label): low if low == high else [low, high] for label, (low, high) in ranges.items() if high}
        if not row:
            raise TopologyError(Problem(f'node "{node.name}" draws none of them; give one a weight above 0'))
        rows.append(row)
    return rows


def _ranges(node: ReferenceNode, reference: Reference, labels: Sequence[int]) -> dict[int, Range]:
    """The least and the largest weight of each label, whichever stands first in the file."""
    if node.dataset_mode == "iid":
        return dict.fromkeys(labels, (1.0, 1.0))
    given = {label: node.non_iid_distribution.get(str(label), reference.ml_non_iid_normal_weight) for label in labels}
    return {label: (min(pair), max(pair)) for label, pair in given.items()}


def _samples_by_label() -> dict[int, Range]:
    """The weights that draw all samples alike: how many there are of each label. Raises DataError."""
    counts = np.bincount(load_dataset(Data()).y_train, minlength=LABELS)
    return {label: (float(count), float(count)) for label, count in enumerate(counts)}


def _algorithm(reference: Reference) -> Table:
    library = _library(reference)
    return {"algorithm": "clustering"} if library.startswith(CLUSTERING) else ALGORITHMS.get(library, {"algorithm": "half_fedavg"})


def _library(reference: Reference) -> str:
    return PurePosixPath(reference.ml_reputation_dll_path).stem


def _node(node: ReferenceNode, table: Table, weights: Table | None) -> Table:
    """What `[node.NAME]` says: its type, and what differs from the sections."""
    keys = dict(NODE_TYPES.get(node.node_type, {}))
    rate = table["training"]["batch"] / node.interval
    if rate != table["data"]["rate"]:
        keys["rate"] = rate
    if list(node.training_interval_tick) != table["sim"]["interval"]:
        keys["interval"] = list(node.training_interval_tick)
    if node.buffer_size != table["update"]["buffer"]:
        keys["buffer"] = node.buffer_size
    return keys if weights is None else {**keys, "label_weights": weights}


def _lost(reference: Reference, raw: Mapping[str, object]) -> Iterator[str]:
    """What has no counterpart here, neither in the simulator nor in a network of processes."""
    library, nodes = _library(reference), reference.nodes
    if library not in ALGORITHMS and not library.startswith(CLUSTERING):
        yield f'ml_reputation_dll_path: "{library}" has no counterpart; update.algorithm is "half_fedavg"'
    if "lenet" not in reference.ml_solver_proto.lower():
        yield f'ml_solver_proto: "{reference.ml_solver_proto}" is not read; training.model is "lenet"'
    if "mnist" not in reference.ml_train_dataset.lower():
        yield f'ml_train_dataset: "{reference.ml_train_dataset}" is not read; data.source is "mnist"'
    for kind in sorted({node.node_type for node in nodes} - NODE_TYPES.keys()):
        names = listed([node.name for node in nodes if node.node_type == kind])
        yield f'nodes.node_type: "{kind}" has no counterpart; normal instead: {names}'
    if compressed := sum(node.model_generation_type == "compressed" for node in nodes):
        yield f"nodes.model_generation_type: {counted(compressed, 'node')} would send differences; here whole models travel"
    services, raw_nodes = msgspec.convert((raw.get("services", {}), raw["nodes"]), tuple[dict[str, object], list[dict[str, object]]])
    for name, service in services.items():
        if name not in Services.__struct_fields__ and isinstance(service, dict) and service.get("enable"):
            yield f"services.{name}: no counterpart; left out"
    # What is switched off asks for nothing.
    unread = [key for key, value in raw.items() if key not in Reference.__struct_fields__ and value is not False]
    of_nodes = dict.fromkeys(key for node in raw_nodes for key in node if key not in ReferenceNode.__struct_fields__)
    if unread := [key for key in (*unread, *(f"nodes.{key}" for key in of_nodes)) if key not in SILENT]:
        yield f"{listed(unread)}: no meaning here; left out"


def _lost_deployed(reference: Reference, links: str | Sequence[str], seed: int) -> Iterator[str]:
    """What the simulator has a counterpart of, and a network of processes has not."""
    intervals = sorted({tick for node in reference.nodes for tick in node.training_interval_tick})
    yield (
        f"ticks: each is taken as a second, so training_interval_tick ({intervals[0]} to {intervals[-1]}) is a rate of samples a second, "
        f"the mean of its list, and ml_max_tick is run.duration_s"
    )
    for item in reference.node_topology:
        if item.startswith(AVERAGE_DEGREE) and links != "full":
            yield f'node_topology: "{item}" is drawn anew in each run of the reference; here the links of seed {seed} stay'
    if arrows := one_way(links):
        yield f"node_topology: {len(arrows)} of the links lead one way; dfl-actors sim takes them, dfl-actors run does not"
    for name in ("force_broadcast_average", "peer_control_service"):
        if getattr(reference.services, name).enable:
            yield f"services.{name}: dfl-actors sim has it, dfl-actors run has not"


def _most_common(values: Sequence[T]) -> T:
    return Counter(values).most_common(1)[0][0]
