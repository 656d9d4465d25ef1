"""What a start waits for, in words."""

from types import SimpleNamespace
from typing import cast

import pytest

from dfl_actors.core.control import Neighbour, Status
from dfl_actors.core.family import ACTORS
from dfl_actors.runtime.children import Child
from dfl_actors.runtime.evaluation import Evaluation
from dfl_actors.runtime.plan import NodePlan
from dfl_actors.runtime.scene import Scene, waits
from tests.config.made import parse

A, B = "a" * 64, "b" * 64


def child(node: str, actor: str, neighbours: dict[str, Neighbour] | None = None, whole: bool = True) -> Child:
    settings, itself = SimpleNamespace(neighbours=(A, B)), SimpleNamespace(name=node, neighbours=("leiden", "utrecht"))
    plan = SimpleNamespace(whole_network=whole, settings=settings, node=itself)
    status = None if neighbours is None else Status(counts={}, neighbours=neighbours)
    return cast("Child", SimpleNamespace(node=node, actor=actor, plan=plan, listened=True, status=status))


def test_a_node_on_a_host_of_its_own_calls_its_neighbours_by_their_names() -> None:
    config = parse('[network]\nnodes = ["delft", "leiden", "utrecht"]')
    settings = SimpleNamespace(neighbours=(A, B))
    plan = cast("NodePlan", SimpleNamespace(config=config, node=config.node("delft"), settings=settings, starts=0))
    actors = {f"delft/{actor}": Child.__new__(Child) for actor in ACTORS}
    for name, one in actors.items():
        one.name, one.node, one.actor, one.process, one.crashes = name, "delft", name.partition("/")[2], None, 0
        one.status, one.incarnation, one._reported, one._before = Status(counts={}, reputations={A: 0.5, B: 1.0}), 0, 0, {}
    (row,) = Scene([plan], actors, {}, Evaluation(["delft"], 0.0, lambda order: None)).picture(1.0, "running", 1.0, [], ()).nodes
    assert row.reputations == {"leiden": 0.5, "utrecht": 1.0}


@pytest.mark.parametrize(
    ("waiting", "said"),
    [
        ([], ""),
        (["x/trainer"], "11 of 12 actors are ready, not yet trainer of node x"),
        (["x/trainer", "y/trainer", "x/keeper"], "9 of 12 actors are ready, not yet trainer of every node; keeper of node x"),
        ([f"{node}/{actor}" for node in "xy" for actor in ACTORS], f"0 of 12 actors are ready, not yet {', '.join(ACTORS)} of every node"),
    ],
)
def test_who_is_not_ready_is_told_by_actor(waiting: list[str], said: str) -> None:
    actors = {f"{node}/{actor}": child(node, actor) for node in "xy" for actor in ACTORS}
    assert waits(actors, waiting) == said


@pytest.mark.parametrize(
    ("known", "missing"),
    [
        (None, "leiden, utrecht"),
        ({}, "leiden, utrecht"),
        ({A: Neighbour(linked=5)}, "utrecht"),
        ({A: Neighbour(linked=5), B: Neighbour()}, "utrecht"),
    ],
)
def test_of_a_node_on_a_host_of_its_own_the_links_are_told_that_are_missing(known: dict[str, Neighbour] | None, missing: str) -> None:
    actors = {f"delft/{actor}": child("delft", actor, known, whole=False) for actor in ACTORS}
    assert waits(actors, ["delft/gossiper"]) == f"5 of 6 actors are ready, not yet gossiper of node delft (no link to {missing})"
