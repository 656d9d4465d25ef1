"""Configurations of the reference program's simulator, made up for tests."""

import json
from pathlib import Path
from typing import Any


def node(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "node_type": "normal",
        "dataset_mode": "iid",
        "training_interval_tick": [8, 9, 10, 11, 12],
        "buffer_size": 4,
        "model_generation_type": "normal",
        "filter_limit": 0.5,
        "non_iid_distribution": {"1": [1.0, 2.0]},
    } | changes


def reference(**changes: Any) -> dict[str, Any]:
    """Four nodes in a ring; `changes` replace keys of the file."""
    return {
        "ml_solver_proto": "../MNIST/lenet_solver_memory.prototxt",
        "ml_train_dataset": "../MNIST/train-images.idx3-ubyte",
        "ml_train_dataset_label": "../MNIST/train-labels.idx1-ubyte",
        "ml_test_dataset": "../MNIST/t10k-images.idx3-ubyte",
        "ml_test_dataset_label": "../MNIST/t10k-labels.idx1-ubyte",
        "ml_delayed_test_accuracy": False,
        "ml_max_tick": 4000,
        "ml_train_batch_size": 64,
        "ml_test_batch_size": 100,
        "ml_non_iid_normal_weight": [10.0, 15.0],
        "ml_dataset_all_possible_labels": list(range(10)),
        "ml_reputation_dll_path": "../libreputation_HalfFedAvg.so",
        "report_time_remaining_per_tick_elapsed": 100,
        "services": {"accuracy": {"enable": True, "interval": 20}, "force_broadcast_average": {"enable": False, "broadcast_interval": 100}},
        "node_topology": ["0--1", "1--2", "2--3", "3--0", "0--3"],
        "nodes": [node(name) for name in "0123"],
    } | changes


def saved(path: Path, **changes: Any) -> Path:
    path.write_text(json.dumps(reference(**changes), indent=4), encoding="utf-8")
    return path
