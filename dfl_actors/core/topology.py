"""The graph of a network: names of its nodes, links between them, who is whose neighbour.

A link joins two nodes in both directions and is written `a--b`. Links are given one by one or as a named shape over
the nodes in their order: `full` (everyone with everyone), `ring`, `line`, or `star` (the first node is the centre).
Everything here is a plain value in and a plain value out; a `TopologyError` says `what is wrong; remedy` and leaves it
to the caller to say in which file and under which key.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, pairwise
from typing import TypeVar

NAME = re.compile(r"[A-Za-z0-9_]+(-[A-Za-z0-9_]+)*")
NAME_LENGTH = 32
SHAPES = ("full", "ring", "line", "star")

Link = tuple[str, str]
T = TypeVar("T")
Neighbours = Mapping[str, tuple[str, ...]]


class TopologyError(ValueError):
    """The graph breaks a rule. The text is `what is wrong; remedy`."""


def node_names(nodes: int | Sequence[str]) -> tuple[str, ...]:
    """The names of the nodes: "0", "1", ... for a number, else the list itself, checked. Raises TopologyError."""
    names = tuple(str(number) for number in range(nodes)) if isinstance(nodes, int) else tuple(nodes)
    if len(names) < 2:
        raise TopologyError("a network needs two nodes; give a number from 2 up or a list of two or more names")
    for name in names:
        check_name(name)
    if twice := _first_repeated(names):
        raise TopologyError(f'"{twice}" is there twice; give every node its own name')
    return names


def check_name(name: str) -> None:
    """A name becomes part of a folder, of `a--b` and of a TOML key, so it is short and plain. Raises TopologyError."""
    if len(name) > NAME_LENGTH or not NAME.fullmatch(name):
        raise TopologyError(f"{name[:40]!r} is no name for a node; use 1 to {NAME_LENGTH} letters, digits, _ and single - between them")


def parse_links(names: Sequence[str], links: str | Sequence[str]) -> tuple[Link, ...]:
    """The links as pairs in the order they were given. Raises TopologyError, also when a node cannot reach the others."""
    pairs = _shape(names, links) if isinstance(links, str) else tuple(_parse_link(names, link) for link in links)
    if twice := _first_repeated([tuple(sorted(pair)) for pair in pairs]):
        raise TopologyError(f'"{"--".join(twice)}" is there twice; a link joins both ways, give it once')
    if (lost := separated(names, pairs)) is not None:
        raise TopologyError(f'node "{lost}" cannot be reached from node "{names[0]}"; add a link that joins it')
    return pairs


def neighbours_of(names: Sequence[str], links: Iterable[Link]) -> dict[str, tuple[str, ...]]:
    """For each node its neighbours, in the order of `names`."""
    joined: dict[str, set[str]] = {name: set() for name in names}
    for one, other in links:
        joined[one].add(other)
        joined[other].add(one)
    return {name: tuple(other for other in names if other in joined[name]) for name in names}


def within(neighbours: Neighbours, start: str, hops: int) -> frozenset[str]:
    """The nodes other than `start` that something sent by it reaches in at most `hops` hops."""
    seen = {start}
    edge = {start}
    for _ in range(hops):
        edge = {other for name in edge for other in neighbours[name]} - seen
        seen |= edge
    return frozenset(seen - {start})


def separated(names: Sequence[str], links: Iterable[Link]) -> str | None:
    """The first node that cannot be reached from the first one, or None when the graph is connected."""
    reached = within(neighbours_of(names, links), names[0], len(names))
    return next((name for name in names[1:] if name not in reached), None)


def _shape(names: Sequence[str], shape: str) -> tuple[Link, ...]:
    match shape:
        case "full":
            return tuple(combinations(names, 2))
        case "line":
            return tuple(pairwise(names))
        case "ring":
            # Two nodes in a ring share one link, not two.
            return (*pairwise(names), *([(names[-1], names[0])] if len(names) > 2 else []))
        case "star":
            return tuple((names[0], other) for other in names[1:])
        case _:
            raise TopologyError(f'"{shape}" is no shape; use one of {", ".join(SHAPES)}, or a list of links such as ["0--1"]')


def _parse_link(names: Sequence[str], link: str) -> Link:
    one, arrow, other = link.partition("--")
    if not arrow:
        raise TopologyError(f'"{link}" is no link; write two names joined by two dashes, such as "0--1"')
    for name in (one, other):
        if name not in names:
            raise TopologyError(f'"{link}" names the unknown node "{name}"; the nodes are {", ".join(names)}')
    if one == other:
        raise TopologyError(f'"{link}" joins a node with itself; remove it')
    return one, other


def _first_repeated(items: Iterable[T]) -> T | None:
    seen: set[T] = set()
    for item in items:
        if item in seen:
            return item
        seen.add(item)
    return None
