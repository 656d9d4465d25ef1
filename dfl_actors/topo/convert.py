"""From the reference program's configuration to a topology.

That program simulates in ticks and without a chain; here a node learns in seconds, so one tick becomes one second. What has a
counterpart is taken over, what has none is named in a warning, and what the file leaves open has a topology's default.

Its nodes draw labels by weight: `iid` all labels alike, `default` all samples alike, `non-iid` a weight for each label, drawn anew from
a range for every batch. A range of one number is exact here; the middle stands in for a wider one.
"""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from random import Random
from typing import Any, NamedTuple

from dfl_actors.core.toml_text import Table, listed
from dfl_actors.core.topology import Problem, TopologyError, node_names, parse_links
from dfl_actors.errors import ConfigError
from dfl_actors.topo.reference import Reference, ReferenceNode, Service, read_reference
from dfl_actors.topo.template import LABELS

ALGORITHMS: dict[str, Table] = {
    "libreputation_FedAvg": {"algorithm": "fedavg"},
    "libreputation_HalfFedAvg": {"algorithm": "half_fedavg"},
    "libreputation_api_sample": {"algorithm": "reputation", "parameters": {"penalty": 0.05}},
    "libreputation_005": {"algorithm": "reputation", "parameters": {"penalty": 0.05}},
    "libreputation_001": {"algorithm": "reputation", "parameters": {"penalty": 0.01}},
}
NODE_TYPES: dict[str, Table] = {
    "normal": {},
    "observer": {"role": "observer"},
    "malicious_model_poisoning_random_model": {"attack": "random_model"},
    "malicious_model_poisoning_random_model_by_turn": {"attack": "random_by_turns"},
    "malicious_model_poisoning_random_model_biased_0_1": {"attack": "biased_model"},
    "malicious_duplication_attack": {"attack": "copy"},
    "malicious_data_poisoning_random_data": {"attack": "random_data"},
    "malicious_data_poisoning_shuffle_label": {"attack": "shuffled_labels"},
    "malicious_data_poisoning_shuffle_label_biased_1": {"attack": "shifted_labels"},
}
AVERAGE_DEGREE = "average_degree-"
LINK = re.compile(r"(.+?)(--|->)(.+)")
TRANSACTIONS = 4
"""In a block; the reference's simulator has none."""

SILENT = {"ml_train_dataset_label", "ml_test_dataset", "ml_test_dataset_label"}
"""Keys that say nothing beyond `ml_train_dataset`."""


class Converted(NamedTuple):
    """A topology as TOML holds it, and what was lost on the way, a line each."""

    table: Table
    lost: list[str]


def convert_reference(path: Path, seed: int = 0) -> Converted:
    """The topology of the reference program's configuration at `path`. Raises ConfigError naming file, line or key."""
    reference, raw = read_reference(path)
    lost: list[str] = []
    key = "nodes"
    try:
        names = node_names([node.name for node in reference.nodes])
        key = "node_topology"
        links = _links(reference, seed, lost)
        parse_links(names, links)
        key = "ml_dataset_all_possible_labels"
        weights = _label_weights(reference, lost)
    except TopologyError as problem:
        raise ConfigError(f"{path}: {key}: {problem}") from problem
    table = _table(reference, names, links, seed, lost)
    own = {name: _node(node, table, row) for name, node, row in zip(names, reference.nodes, weights, strict=True)}
    nodes = {name: keys for name, keys in own.items() if keys}
    _say_what_else_is_lost(reference, raw, lost)
    return Converted(table | ({"node": nodes} if nodes else {}), [f"{path}: {line}" for line in lost])


def _table(reference: Reference, names: tuple[str, ...], links: str | list[str], seed: int, lost: list[str]) -> Table:
    """Everything but the nodes that differ: what most nodes have is what a section says."""
    slowest = max(node.interval for node in reference.nodes)
    accuracy = reference.services.get("accuracy", Service())
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
        "update": {**_algorithm(reference, lost), "buffer": _most_common([node.buffer_size for node in reference.nodes])},
        "run": {"duration_s": reference.ml_max_tick, "evaluate_s": accuracy.interval if accuracy.enable else 0},
        "sim": _sim(reference, accuracy),
    }


def _sim(reference: Reference, accuracy: Service) -> Table:
    """What the simulator takes to the letter: its ticks, and the reference's habit of leaving biases at home."""
    difference = reference.services.get("weights_diff", Service())
    return {
        "ticks": reference.ml_max_tick,
        "interval": list(_most_common([node.training_interval_tick for node in reference.nodes])),
        "check_every": accuracy.interval if accuracy.enable else 0,
        "check_samples": reference.ml_test_batch_size,
        "compare_every": difference.interval if difference.enable else 0,
        "exchange": "weights",
        "measure_biases": False,
    }


def _links(reference: Reference, seed: int, lost: list[str]) -> str | list[str]:
    """The links in the order of the file, each once; as in the reference, `fully_connect` ends the list. Raises TopologyError."""
    names = [node.name for node in reference.nodes]
    arrows: dict[tuple[str, str], str] = {}
    for number, item in enumerate(reference.node_topology):
        if item == "fully_connect":
            return "full"
        if item.startswith(AVERAGE_DEGREE):
            arrows |= _drawn_links(item, names, set(arrows), seed)
            lost.append(f'node_topology: "{item}" is drawn anew in each run of the reference; here the links of seed {seed} stay')
        elif link := LINK.fullmatch(item):
            arrows[link[1], link[3]] = link[2]
        else:
            known = f'"0--1", "0->1", "{AVERAGE_DEGREE}4" or "fully_connect"'
            raise TopologyError(Problem(f'"{item}" is no link; write {known}', number))
    one_way = sum(arrow == "->" and (other, one) not in arrows for (one, other), arrow in arrows.items())
    if one_way:
        lost.append(f"node_topology: {one_way} of the links lead one way; here models travel both ways")
    order = {pair: number for number, pair in enumerate(arrows)}
    return [f"{one}--{other}" for one, other in arrows if order.get((other, one), len(order)) >= order[one, other]]


def _drawn_links(item: str, names: Sequence[str], there: set[tuple[str, str]], seed: int) -> dict[tuple[str, str], str]:
    """Links until every node, in its turn, has as many neighbours as the item asks for. Raises TopologyError."""
    count = item.removeprefix(AVERAGE_DEGREE)
    if not count.isdecimal() or not 1 <= int(count) < len(names):
        raise TopologyError(Problem(f'"{item}": a node has 1 to {len(names) - 1} neighbours; give such a number'))
    random = Random(f"{item} {seed}")
    joined: dict[str, set[str]] = {name: set() for name in names}
    for one, other in there:
        joined.setdefault(one, set()).add(other)
        joined.setdefault(other, set()).add(one)
    drawn: dict[tuple[str, str], str] = {}
    for name in names:
        strangers = [other for other in names if other != name and other not in joined[name]]
        for other in random.sample(strangers, max(0, int(count) - len(joined[name]))):
            drawn[name, other] = "--"
            joined[name].add(other)
            joined[other].add(name)
    return drawn


def _partition(reference: Reference) -> str:
    modes = {node.dataset_mode for node in reference.nodes}
    every = set(reference.ml_dataset_all_possible_labels) == set(range(LABELS))
    return "samples" if modes == {"default"} else "iid" if modes == {"iid"} and every else "weights"


def _label_weights(reference: Reference, lost: list[str]) -> list[Table | None]:
    """The label weights of each node, None for all of them where the partition has a word for it. Raises TopologyError."""
    labels = sorted(set(reference.ml_dataset_all_possible_labels))
    if labels[-1] >= LABELS:
        raise TopologyError(Problem(f"{labels[-1]} is no label of MNIST; give labels from 0 to {LABELS - 1}"))
    if _partition(reference) != "weights":
        return [None] * len(reference.nodes)
    modes = Counter(node.dataset_mode for node in reference.nodes)
    if modes["default"]:
        lost.append(f'nodes.dataset_mode: {modes["default"]} nodes have "default", but not all; they get all labels alike')
    ranged = sum(
        low != high for node in reference.nodes if node.dataset_mode == "non-iid" for low, high in _ranges(node, reference, labels)
    )
    if ranged:
        lost.append(f"nodes.non_iid_distribution: {ranged} weights are drawn from a range for every batch; here its middle stays")
    rows: list[Table | None] = []
    for node in reference.nodes:
        middles = [(low + high) / 2 for low, high in _ranges(node, reference, labels)]
        if not any(middles):
            raise TopologyError(Problem(f'node "{node.name}" draws none of them; give one a weight above 0'))
        rows.append({str(label): middle for label, middle in zip(labels, middles, strict=True) if middle})
    return rows


def _ranges(node: ReferenceNode, reference: Reference, labels: Sequence[int]) -> list[tuple[float, float]]:
    if node.dataset_mode != "non-iid":
        return [(1.0, 1.0)] * len(labels)
    return [node.non_iid_distribution.get(str(label), reference.ml_non_iid_normal_weight) for label in labels]


def _algorithm(reference: Reference, lost: list[str]) -> Table:
    library = PurePosixPath(reference.ml_reputation_dll_path).stem
    if library not in ALGORITHMS:
        lost.append(f'ml_reputation_dll_path: "{library}" has no counterpart; update.algorithm is "half_fedavg"')
    return ALGORITHMS.get(library, {"algorithm": "half_fedavg"})


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


def _say_what_else_is_lost(reference: Reference, raw: dict[str, Any], lost: list[str]) -> None:
    intervals = sorted({tick for node in reference.nodes for tick in node.training_interval_tick})
    lost.append(
        f"ticks: each is taken as a second, so training_interval_tick ({intervals[0]} to {intervals[-1]}) is a rate of samples a second, "
        f"the mean of its list, and ml_max_tick is run.duration_s"
    )
    if "lenet" not in reference.ml_solver_proto.lower():
        lost.append(f'ml_solver_proto: "{reference.ml_solver_proto}" is not read; training.model is "lenet"')
    if "mnist" not in reference.ml_train_dataset.lower():
        lost.append(f'ml_train_dataset: "{reference.ml_train_dataset}" is not read; data.source is "mnist"')
    for kind in sorted({node.node_type for node in reference.nodes} - NODE_TYPES.keys()):
        names = listed([node.name for node in reference.nodes if node.node_type == kind])
        lost.append(f'nodes.node_type: "{kind}" has no counterpart; normal instead: {names}')
    compressed = sum(node.model_generation_type == "compressed" for node in reference.nodes)
    if compressed:
        lost.append(f"nodes.model_generation_type: {compressed} nodes send differences; here whole models travel")
    for name, service in reference.services.items():
        if service.enable and name not in ("accuracy", "weights_diff"):
            lost.append(f"services.{name}: no counterpart; left out")
    unread = [key for key in raw if key not in Reference.__struct_fields__ and key not in SILENT]
    unread += [f"nodes.{key}" for key in {key: None for node in raw["nodes"] for key in node} if key not in ReferenceNode.__struct_fields__]
    if unread:
        lost.append(f"{listed(unread)}: no meaning here; left out")


def _most_common(values: Sequence[Any]) -> Any:
    return Counter(values).most_common(1)[0][0]
