"""The reference program's configuration as a topology: what is taken over, what is named as lost, what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfl_actors.config import Config, parse_topology
from dfl_actors.config.sections import Data
from dfl_actors.errors import ConfigError
from dfl_actors.learning.data import load_dataset
from dfl_actors.sdk.attacks import load_attack
from dfl_actors.sdk.loader import ALGORITHMS as KNOWN_ALGORITHMS
from dfl_actors.sdk.loader import load_algorithm
from dfl_actors.topo.convert import ALGORITHMS, NODE_TYPES, convert_reference
from dfl_actors.topo.reference import Reference
from dfl_actors.topo.write import topology_text
from tests.topo.made import node, reference, saved

ALL_ALIKE = {str(label): (1.0, 1.0) for label in range(10)}


def converted(folder: Path, seed: int = 0, simulated: bool = False, **changes: Any) -> tuple[Config, list[str]]:
    path = saved(folder / "simulator_config.json", **changes)
    table, lost = convert_reference(path, seed, simulated=simulated)
    assert all(line.startswith(f"{path}: ") for line in lost)
    config = parse_topology(topology_text(table, ["imported"]), where="imported", name="imported")
    return config, [line.removeprefix(f"{path}: ") for line in lost]


def nodes(**changes: list[Any]) -> list[dict[str, Any]]:
    """Four nodes, the key of each change with a value for each."""
    return [node(name) | {key: values[number] for key, values in changes.items()} for number, name in enumerate("0123")]


def test_what_has_a_counterpart_is_taken_over(tmp_path: Path) -> None:
    config, _ = converted(tmp_path)
    assert [node.name for node in config.nodes] == ["0", "1", "2", "3"]
    assert config.links == (("0", "1"), ("1", "2"), ("2", "3"), ("3", "0")), "the link that is there twice is one"
    assert (config.training.batch, config.training.steps_per_transaction, config.training.init) == (64, 1, "independent")
    assert (config.data.partition, config.data.rate, config.data.test_samples) == ("iid", 6.4, 100)
    assert (config.update.algorithm, config.update.buffer) == ("half_fedavg", 4)
    assert (config.run.duration_s, config.run.evaluate_s, config.gossip.ttl) == (4000, 20, 1)
    assert config.node_options == {}
    # A block is full after four transactions, ten seconds each: they must live longer than that.
    assert config.gossip.expiry_s > 4 * 10


def test_the_simulator_takes_ticks_services_and_biases_to_the_letter(tmp_path: Path) -> None:
    services = {"accuracy": {"enable": True, "interval": 30}, "weights_diff": {"enable": True, "interval": 40}}
    intervals = [[8, 9], [8, 9], [20], [8, 9]]
    config, _ = converted(tmp_path, nodes=nodes(training_interval_tick=intervals), services=services, ml_max_tick=77)
    sim = config.sim
    # From tick 0 to tick 77.
    assert (sim.ticks, sim.check_every, sim.compare_every, sim.check_samples) == (78, 30, 40, 100)
    assert (sim.broadcast_every, sim.peer_control) == (0, False)
    assert (sim.exchange, sim.measure_biases, sim.ensemble) == ("weights", False, True)
    assert not sim.share_test_models
    skewed, _ = converted(tmp_path, nodes=nodes(dataset_mode=["non-iid"] * 4))
    assert skewed.sim.share_test_models
    assert [list(node.interval) for node in config.nodes] == intervals


def test_the_simulator_takes_the_services_that_change_models_and_links(tmp_path: Path) -> None:
    peers = {
        "enable": True,
        "accuracy_threshold_high": 0.7,
        "accuracy_threshold_low": 0.3,
        "fedavg_buffer_size": "static",
        "least_peer_change_interval": 20,
    }
    services = {"force_broadcast_average": {"enable": True, "broadcast_interval": 150}, "peer_control_service": peers}
    config, lost = converted(tmp_path, services=services, simulated=True)
    sim = config.sim
    assert (sim.broadcast_every, sim.check_every, sim.compare_every) == (150, 0, 0)
    assert (sim.peer_control, sim.peer_high, sim.peer_low, sim.peer_buffer, sim.peer_interval) == (True, 0.7, 0.3, "static", 20)
    assert not any("services" in line for line in lost)
    _, lost = converted(tmp_path, services=services)
    assert [line for line in lost if line.startswith("services")] == [
        "services.force_broadcast_average: dfl-actors sim has it, dfl-actors run has not",
        "services.peer_control_service: dfl-actors sim has it, dfl-actors run has not",
    ]


def test_a_service_that_is_switched_off_says_nothing(tmp_path: Path) -> None:
    off = {"enable": False, "accuracy_threshold_high": 0.1, "accuracy_threshold_low": 0.9}
    config, lost = converted(tmp_path, services={"peer_control_service": off, "force_broadcast_average": {"enable": False}, "x": {}})
    assert not config.sim.peer_control and not any("services" in line for line in lost)


def test_ticks_and_what_means_nothing_are_all_that_an_ordinary_file_loses(tmp_path: Path) -> None:
    meaningless = "report_time_remaining_per_tick_elapsed: no meaning here; left out"
    _, lost = converted(tmp_path)
    assert lost[0] == meaningless
    assert len(lost) == 2 and lost[1].startswith("ticks: each is taken as a second, so training_interval_tick (8 to 12)")
    assert converted(tmp_path, simulated=True)[1] == [meaningless]
    assert converted(tmp_path, simulated=True, ml_delayed_test_accuracy=True)[1] == [f"ml_delayed_test_accuracy, {meaningless}"]


@pytest.mark.parametrize(
    ("library", "algorithm", "parameters"),
    [
        ("../libreputation_HalfFedAvg.so", "half_fedavg", {}),
        ("libreputation_FedAvg.so", "fedavg", {}),
        ("/x/libreputation_api_sample.so", "reputation", {"penalty": 0.05, "every_model": True}),
        ("libreputation_reputation_005.so", "reputation", {"penalty": 0.05, "every_model": True}),
        ("libreputation_reputation_001.so", "reputation", {"penalty": 0.01, "every_model": True}),
        ("../libreputation_hcluster.so", "clustering", {}),
    ],
)
def test_the_library_names_the_algorithm(library: str, algorithm: str, parameters: dict[str, float], tmp_path: Path) -> None:
    config, lost = converted(tmp_path, ml_reputation_dll_path=library)
    assert (config.update.algorithm, config.update.parameters) == (algorithm, parameters)
    assert len(lost) == 2


def test_everything_named_exists() -> None:
    for table in ALGORITHMS.values():
        assert table["algorithm"] in KNOWN_ALGORITHMS.names()
        load_algorithm(table["algorithm"], table.get("parameters", {}))
    for keys in NODE_TYPES.values():
        if "attack" in keys:
            load_attack(keys["attack"], keys.get("attack_parameters", {}))


def test_types_of_nodes_become_roles_and_attacks(tmp_path: Path) -> None:
    types = ["observer", "malicious_model_poisoning_random_model", "normal", "pontificator"]
    config, lost = converted(tmp_path, nodes=nodes(node_type=types))
    assert [(node.role, node.attack) for node in config.nodes] == [
        ("observer", None),
        ("normal", "random_model"),
        ("normal", None),
        ("normal", None),
    ]
    assert 'nodes.node_type: "pontificator" has no counterpart; normal instead: 3' in lost


def test_what_most_nodes_have_is_the_sections_and_others_say_so(tmp_path: Path) -> None:
    config, _ = converted(tmp_path, nodes=nodes(buffer_size=[4, 8, 4, 4], training_interval_tick=[[10], [10], [10], [20]]))
    assert (config.update.buffer, config.data.rate) == (4, 6.4)
    assert [node.buffer for node in config.nodes] == [4, 8, 4, 4]
    assert [node.rate for node in config.nodes] == [6.4, 6.4, 6.4, 3.2]
    assert set(config.node_options) == {"1", "3"}
    assert config.gossip.expiry_s > 4 * 20


def test_a_long_list_of_intervals_is_written_in_rows(tmp_path: Path) -> None:
    intervals = list(range(100, 200))
    config, _ = converted(tmp_path, nodes=nodes(training_interval_tick=[intervals] * 4))
    assert config.sim.interval == tuple(intervals)


# ---- data


def test_nodes_that_draw_all_samples_alike_have_the_partition_samples(tmp_path: Path) -> None:
    config, lost = converted(tmp_path, nodes=nodes(dataset_mode=["default"] * 4))
    assert config.data.partition == "samples" and len(lost) == 2


def test_two_labels_a_node_become_label_weights(tmp_path: Path) -> None:
    spread = [{str(label): [100.0 * (label in (number, number + 1))] * 2 for label in range(10)} for number in range(4)]
    config, lost = converted(tmp_path, nodes=nodes(dataset_mode=["non-iid"] * 4, non_iid_distribution=spread))
    assert config.data.partition == "weights" and len(lost) == 2
    assert [node.label_weights for node in config.nodes] == [
        dict.fromkeys((str(number), str(number + 1)), (100.0, 100.0)) for number in range(4)
    ]


def test_a_range_stays_one_and_a_label_that_is_left_out_has_the_usual_range(tmp_path: Path) -> None:
    modes, spread = ["non-iid", "iid", "iid", "iid"], [{"1": [1.0, 2.0], "3": [3.0, 2.0], "4": [0, 0], "5": [4, 4]}] * 4
    config, lost = converted(tmp_path, nodes=nodes(dataset_mode=modes, non_iid_distribution=spread))
    assert config.data.partition == "weights" and len(lost) == 2
    usual = (10.0, 15.0)
    ranges = (usual, (1.0, 2.0), usual, (2.0, 3.0), None, (4.0, 4.0), *[usual] * 4)
    assert config.node("0").label_weights == {str(label): pair for label, pair in enumerate(ranges) if pair}
    assert config.node("1").label_weights == ALL_ALIKE


def test_all_samples_alike_among_other_nodes_are_the_weights_that_the_data_set_has(tmp_path: Path) -> None:
    config, lost = converted(tmp_path, nodes=nodes(dataset_mode=["default", "iid", "iid", "iid"]))
    assert config.data.partition == "weights" and len(lost) == 2
    assert config.node("0").label_weights == {str(label): (n, n) for label, n in enumerate(np.bincount(load_dataset(Data()).y_train))}
    assert config.node("1").label_weights == ALL_ALIKE


def test_fewer_labels_are_weights_of_those(tmp_path: Path) -> None:
    config, _ = converted(tmp_path, ml_dataset_all_possible_labels=[3, 0])
    assert config.data.partition == "weights"
    assert all(node.label_weights == {"0": (1.0, 1.0), "3": (1.0, 1.0)} for node in config.nodes)


# ---- links


def test_fully_connected_ends_the_list(tmp_path: Path) -> None:
    config, lost = converted(tmp_path, node_topology=["0--1", "fully_connect", "nonsense"])
    assert config.network.links == "full" and len(lost) == 2


def test_links_that_lead_one_way_stay_so_and_for_a_network_of_processes_that_is_said(tmp_path: Path) -> None:
    items = ["0->1", "1->0", "1->2", "3--2", "2->3", "0->3"]
    config, lost = converted(tmp_path, node_topology=items)
    assert config.network.links == ("0--1", "1->2", "3--2", "0->3")
    assert config.arrows == (("1", "2"), ("0", "3"))
    assert "node_topology: 2 of the links lead one way; dfl-actors sim takes them, dfl-actors run does not" in lost
    assert not any("node_topology" in line for line in converted(tmp_path, node_topology=items, simulated=True)[1])


@given(degree=st.integers(1, 11), count=st.integers(12, 20), seed=st.integers(0, 2**32 - 1))
def test_an_average_degree_gives_every_node_as_many_receivers(
    degree: int, count: int, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    names = [str(number) for number in range(count)]
    ring = [f"{one}->{other}" for one, other in zip(names, [*names[1:], names[0]], strict=True)]
    path = tmp_path_factory.getbasetemp() / "average.json"
    saved(path, nodes=[node(name) for name in names], node_topology=[*ring, f"average_degree-{degree}"])
    table, lost = convert_reference(path, seed)
    config = parse_topology(topology_text(table, []), where="made", name="made")
    assert all(len(node.receivers) == degree for node in config.nodes)
    assert all(config.nodes[(number + 1) % count].name in node.receivers for number, node in enumerate(config.nodes))
    assert convert_reference(path, seed) == (table, lost)
    assert f'"average_degree-{degree}" is drawn anew in each run of the reference; here the links of seed {seed} stay' in " ".join(lost)


def test_the_seed_draws_the_links_and_links_both_ways_count(tmp_path: Path) -> None:
    items = ["0--1", "2--3", "average_degree-2"]
    drawn = {converted(tmp_path, seed, node_topology=items)[0].arrows for seed in range(10)}
    assert len(drawn) > 1
    for seed in range(10):
        config, lost = converted(tmp_path, seed, True, node_topology=items)
        assert {len(node.receivers) for node in config.nodes} == {2} and len(lost) == 1
        assert config.network.seed == seed


def test_a_draw_that_does_not_join_all_nodes_is_drawn_again(tmp_path: Path) -> None:
    # One receiver each leaves twelve nodes in parts more often than not.
    twelve = [node(str(number)) for number in range(12)]
    for seed in range(20):
        config, _ = converted(tmp_path, seed, nodes=twelve, node_topology=["average_degree-1"])
        assert all(len(node.receivers) == 1 for node in config.nodes)


def test_draws_that_never_join_all_nodes_end_with_a_remedy(tmp_path: Path) -> None:
    path = saved(tmp_path / "c.json", node_topology=["0--1", "2--3", "average_degree-1"])
    with pytest.raises(ConfigError, match=r"node_topology: none of the 20 graphs drawn with seed 3 joins all nodes; ask for more than"):
        convert_reference(path, 3)


# ---- what is lost


def test_services_and_files_without_a_counterpart_are_named(tmp_path: Path) -> None:
    services = {"accuracy": {"enable": False}, "weights_diff": {"enable": True, "interval": 20}, "mine": {"enable": True}}
    config, lost = converted(
        tmp_path,
        services=services,
        ml_solver_proto="cifar.prototxt",
        ml_train_dataset="cifar.bin",
        ml_reputation_dll_path="libmine.so",
        nodes=nodes(model_generation_type=["compressed", "normal", "compressed", "normal"]),
        unheard_of=1,
    )
    assert config.run.evaluate_s == 0
    assert [line.partition(":")[0] for line in lost] == [
        "ml_reputation_dll_path",
        "ml_solver_proto",
        "ml_train_dataset",
        "nodes.model_generation_type",
        "services.mine",
        "report_time_remaining_per_tick_elapsed, unheard_of",
        "ticks",
    ]


# ---- what is refused


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"nodes": []}, "nodes: expected `array` of length >= 2; give the reference program's simulator_config.json"),
    ({"nodes": nodes(buffer_size=["x", 4, 4, 4])}, "nodes[0].buffer_size: expected `int`, got `str`; give"),
    ({"nodes": nodes(training_interval_tick=[[1], [1], [], [1]])}, "nodes[2].training_interval_tick: expected `array` of length >= 1"),
    ({"nodes": nodes(dataset_mode=["iid", "iid", "odd", "iid"])}, "nodes[2].dataset_mode: invalid enum value 'odd'"),
    ({"nodes": nodes(name=["0", "1", "1", "3"])}, 'nodes: "1" is there twice; give every node its own name'),
    ({"nodes": nodes(name=["0", "1", "a b", "3"])}, "nodes: 'a b' is no name for a node; "),
    ({"ml_max_tick": 0}, "ml_max_tick: expected `int` >= 1"),
    ({"ml_max_tick": 1_000_000}, "ml_max_tick: expected `int` <= 999999"),
    ({"node_topology": ["0->9"]}, 'node_topology: "0->9" names the unknown node "9"; the nodes are 0, 1, 2, 3'),
    ({"services": {"accuracy": {"interval": 0}}}, "services.accuracy.interval: expected `int` >= 1"),
    ({"services": {"force_broadcast_average": {"enable": True}}}, "services.force_broadcast_average: broadcast_interval is missing; give"),
    (
        {"services": {"peer_control_service": {"accuracy_threshold_low": 2}}},
        "services.peer_control_service.accuracy_threshold_low: expected",
    ),
    (
        {"services": {"peer_control_service": {"enable": True, "accuracy_threshold_low": 0.8}}},
        "services.peer_control_service: accuracy_threshold_low is not below accuracy_threshold_high; give",
    ),
    ({"node_topology": ["0--9"]}, 'node_topology: "0--9" names the unknown node "9"; the nodes are 0, 1, 2, 3'),
    ({"node_topology": ["0=1"]}, 'node_topology: "0=1" is no link; write "0--1", "0->1", "average_degree-4" or "fully_connect"'),
    ({"node_topology": ["0--1"]}, 'node_topology: node "2" cannot be reached from node "0"; add a link that joins it'),
    ({"node_topology": ["0--0"]}, 'node_topology: "0--0" joins a node with itself; remove it'),
    ({"node_topology": ["average_degree-4"]}, 'node_topology: "average_degree-4": a node sends to 1 to 3 others; '),
    ({"node_topology": ["average_degree-x"]}, 'node_topology: "average_degree-x": a node sends to 1 to 3 others; '),
    ({"ml_dataset_all_possible_labels": [0, 10]}, "ml_dataset_all_possible_labels: 10 is no label of MNIST; give labels from 0 to 9"),
    (
        {"nodes": nodes(dataset_mode=["non-iid"] * 4, non_iid_distribution=[{str(label): [0, 0] for label in range(10)}] * 4)},
        'node "0" draws none of them; give one a weight above 0',
    ),
]


@pytest.mark.parametrize(("changes", "words"), REFUSED, ids=[words[:40] for _, words in REFUSED])
def test_what_is_refused_names_file_key_and_remedy(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "simulator_config.json", **changes)
    with pytest.raises(ConfigError) as raised:
        convert_reference(path)
    assert str(raised.value).startswith(f"{path}: ") and words in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize("cut", [0, 1, 200, 1000])
def test_a_damaged_file_is_named_with_its_line(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "simulator_config.json"
    text = json.dumps(reference(), indent=4)[:cut]
    path.write_text(text)
    with pytest.raises(ConfigError, match=rf"simulator_config.json:{text.count(chr(10)) + 1}: damaged JSON, .*; mend that line, or copy"):
        convert_reference(path)


def test_a_list_and_a_missing_file_are_none(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(ConfigError, match=r"list.json: the file: expected `object`, got `array`; give the reference"):
        convert_reference(tmp_path / "list.json")
    with pytest.raises(ConfigError, match=r"none.json: cannot be read \(No such file or directory\)"):
        convert_reference(tmp_path / "none.json")


def test_every_key_that_is_read_is_in_the_file_that_the_tests_make() -> None:
    assert set(Reference.__struct_fields__) <= set(reference())
