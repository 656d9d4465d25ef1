"""What a watcher is shown, from what the actors have reported."""

from collections.abc import Container, Mapping
from typing import Any

from dfl_actors.core.control import Facts, Refusals, Status
from dfl_actors.core.family import ACTORS
from dfl_actors.core.objects import Address
from dfl_actors.runtime.children import Child
from dfl_actors.runtime.plan import NodePlan
from dfl_actors.runtime.refusals import merged
from dfl_actors.runtime.status import NodeStatus

COUNTED = {"samples": "trainer", "steps": "trainer", "sent": "trainer", "received": "validator", "receipts": "builder", "height": "builder"}
"""What is counted for a node's row, and by which of its actors."""


def of_node(
    plan: NodePlan,
    actors: Mapping[str, Child],
    waiting: Container[str],
    state: str,
    measured: tuple[float, float] | None,
    names: Mapping[Address, str],
) -> NodeStatus:
    """A node's row; `waiting` are the names of actors that are not ready, `state` is that of the run, `measured` its accuracy on the test
    samples and how many seconds ago that was."""
    own = {actor: actors[f"{plan.node.name}/{actor}"] for actor in ACTORS}
    counts: dict[str, Any] = {what: count_of(plan.node.name, actors, what) for what in COUNTED}
    keeper, ready = own["keeper"].status, sum(child.name not in waiting for child in own.values())
    if state == "starting":
        state = f"{ready} of {len(own)} ready"
    elif not any(child.alive for child in own.values()):
        state = "away" if state == "running" else "stopped"
    elif ready < len(own):
        state = "restarting"
    return NodeStatus(
        name=plan.node.name,
        role=plan.node.role,
        attack=plan.config.attack_of(plan.node.name),
        state=state,
        test_accuracy=None if measured is None else measured[0],
        test_age=None if measured is None else measured[1],
        own_accuracy=own["trainer"].tally().get("own_accuracy"),
        reputations={} if keeper is None else {names.get(who, who[:8]): value for who, value in keeper.reputations.items()},
        restarts=sum(child.crashes for child in own.values()),
        **counts,
    )


def count_of(node: str, actors: Mapping[str, Child], what: str) -> int:
    """What is counted of a node, by whoever counts it."""
    return int(actors[f"{node}/{COUNTED[what]}"].tally().get(what, 0))


def facts(node: str, actors: Mapping[str, Child]) -> Facts:
    """What a node's actors have reported of it."""
    own = {actor: actors[f"{node}/{actor}"] for actor in ACTORS}
    trained = own["trainer"].tally()
    return Facts(
        height=int(own["builder"].tally().get("height", 0)),
        steps=int(trained.get("steps", 0)),
        accuracy=float(trained.get("own_accuracy", 0.0)),
        refused=merged([child.status.refused for child in own.values() if child.status is not None]),
    )


def refused_by(status: Status) -> tuple[Refusals, ...]:
    """What neighbours refuse of a node: as they say themselves, else as their answers said."""
    said = [one for neighbour in status.neighbours.values() for one in neighbour.refused]
    known = {(one.by, one.code) for one in said}
    return (*said, *(one for one in status.refused_by if (one.by, one.code) not in known))
