"""What a watcher is told of a node: a snapshot, made by the supervisor from what the actors count."""

import msgspec


class NodeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the live table. Accuracies are fractions in 0..1, or None while nothing was measured."""

    name: str
    role: str = "normal"
    state: str = "starting"
    samples: int = 0
    steps: int = 0
    sent: int = 0
    received: int = 0
    receipts: int = 0
    height: int = 0
    test_accuracy: float | None = None
    own_accuracy: float | None = None
    reputations: dict[str, float] = {}
    restarts: int = 0


class NetworkStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The whole network at one moment. `elapsed` is in seconds since all actors were ready; `remarks` are for the person who watches."""

    name: str
    state: str
    elapsed: float
    duration: float | None = None
    target: float | None = None
    nodes: tuple[NodeStatus, ...] = ()
    remarks: tuple[str, ...] = ()
