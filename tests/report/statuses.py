"""Statuses of networks, as a supervisor makes them."""

from typing import Any

from dfl_actors.runtime.status import NetworkStatus, NodeStatus


def network(count: int = 4, state: str = "running", elapsed: float = 12.5, restarts: int = 0, **about: Any) -> NetworkStatus:
    names = [str(number) for number in range(count)]
    nodes = tuple(
        NodeStatus(
            name=name,
            state="training",
            samples=123_456,
            steps=1929,
            sent=120,
            received=361,
            receipts=358,
            height=number + 1,
            test_accuracy=0.912 + 0.02 * number / max(count - 1, 1),
            tests=(0.5, 0.7 + 0.01 * number, 0.912 + 0.02 * number / max(count - 1, 1)),
            rate=12.3,
            block_age=3.0,
            block_every=5.0,
            own_accuracy=0.9 + 0.05 * number / max(count - 1, 1),
            reputations={other: 1.0 - 0.05 * (other == "2") for other in names if other != name},
            restarts=restarts if number == 0 else 0,
        )
        for number, name in enumerate(names)
    )
    return NetworkStatus(name="fully_connected_4", state=state, elapsed=elapsed, nodes=nodes, **about)
