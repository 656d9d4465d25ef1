"""What a start waits for, in words."""

from types import SimpleNamespace
from typing import cast

import pytest

from dfl_actors.core.control import Neighbour, Status
from dfl_actors.core.family import ACTORS
from dfl_actors.runtime.children import Child
from dfl_actors.runtime.scene import waits

A, B = "a" * 64, "b" * 64


def child(node: str, actor: str, neighbours: dict[str, Neighbour] | None = None, whole: bool = True) -> Child:
    settings, itself = SimpleNamespace(neighbours=(A, B)), SimpleNamespace(name=node, neighbours=("leiden", "utrecht"))
    plan = SimpleNamespace(whole_network=whole, settings=settings, node=itself)
    status = None if neighbours is None else Status(counts={}, neighbours=neighbours)
    return cast("Child", SimpleNamespace(node=node, actor=actor, plan=plan, listened=True, status=status))


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
