"""The reference program's `simulator_config.json`: what is in it, checked. `docs/topo.md` says what becomes of each key."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import orjson
from msgspec import Meta, Struct

from dfl_actors.errors import ConfigError
from dfl_actors.files import read_bytes

Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Fraction = Annotated[float, Meta(ge=0, le=1)]
Label = Annotated[int, Meta(ge=0, le=255)]
Weight = Annotated[float, Meta(ge=0, le=1e9)]
Range = tuple[Weight, Weight]


class ReferenceNode(Struct, frozen=True):
    """One of `nodes`."""

    name: str
    training_interval_tick: Annotated[tuple[Count, ...], Meta(min_length=1)]
    buffer_size: Annotated[int, Meta(ge=1, le=1000)]
    node_type: str = "normal"
    dataset_mode: Literal["default", "iid", "non-iid"] = "default"
    non_iid_distribution: dict[str, Range] = {}
    model_generation_type: Literal["normal", "compressed"] = "normal"

    @property
    def interval(self) -> float:
        """Mean ticks from one training step to the next; each is drawn from the list."""
        return sum(self.training_interval_tick) / len(self.training_interval_tick)


class Service(Struct, frozen=True):
    """One of `services`; what else it holds is its own."""

    enable: bool = False
    interval: Count = 1


class Broadcast(Struct, frozen=True):
    """Every so many ticks all nodes get the mean of the models of all."""

    enable: bool = False
    broadcast_interval: Count | None = None

    def __post_init__(self) -> None:
        if self.enable and self.broadcast_interval is None:
            raise ValueError("broadcast_interval is missing")


class PeerControl(Struct, frozen=True):
    """Nodes find their receivers as they learn."""

    enable: bool = False
    accuracy_threshold_high: Fraction = 0.8
    accuracy_threshold_low: Fraction = 0.2
    fedavg_buffer_size: Literal["linear", "static"] = "linear"
    least_peer_change_interval: Count = 50

    def __post_init__(self) -> None:
        if self.enable and self.accuracy_threshold_low >= self.accuracy_threshold_high:
            raise ValueError("accuracy_threshold_low is not below accuracy_threshold_high")


class Services(Struct, frozen=True):
    """Those of `services` that have a counterpart."""

    accuracy: Service = Service()
    weights_diff: Service = Service()
    force_broadcast_average: Broadcast = Broadcast()
    peer_control_service: PeerControl = PeerControl()


class Reference(Struct, frozen=True):
    """The whole file. Keys that are not here have no counterpart in a topology."""

    nodes: Annotated[tuple[ReferenceNode, ...], Meta(min_length=2, max_length=1000)]
    node_topology: tuple[str, ...]
    ml_max_tick: Annotated[int, Meta(ge=1, le=999_999)]
    ml_reputation_dll_path: str
    ml_solver_proto: str = "lenet"
    ml_train_dataset: str = "MNIST"
    ml_train_batch_size: Annotated[int, Meta(ge=1, le=65536)] = 64
    ml_test_batch_size: Annotated[int, Meta(ge=1, le=100_000)] = 100
    ml_dataset_all_possible_labels: Annotated[tuple[Label, ...], Meta(min_length=1)] = tuple(range(10))
    ml_non_iid_normal_weight: Range = (10.0, 15.0)
    services: Services = Services()


def read_reference(path: Path) -> tuple[Reference, dict[str, object]]:
    """The file, checked, and as it is. Raises ConfigError naming line or key."""
    remedy = "give the reference program's simulator_config.json"
    try:
        raw = orjson.loads(read_bytes(path))
        return msgspec.convert(raw, Reference), raw
    except OSError as problem:
        raise ConfigError(f"{path}: cannot be read ({problem.strerror}); {remedy}") from problem
    except orjson.JSONDecodeError as problem:
        raise ConfigError(f"{path}:{problem.lineno}: damaged JSON, {problem.msg}; mend that line, or copy the file again") from problem
    except msgspec.ValidationError as problem:
        what, _, key = str(problem).partition(" - at `$")
        raise ConfigError(f"{path}: {key.strip('.`') or 'the file'}: {what[:1].lower()}{what[1:]}; {remedy}") from problem
