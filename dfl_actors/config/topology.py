"""The graph of a network: names of its nodes, links between them, who is whose neighbour.

A link joins two nodes in both directions and is written `a--b`, or leads from the first to the second alone and is written `a->b`;
`a->b` and `b->a` together are `a--b`. Links are given one by one or as a named shape over the nodes in their order: `full`
(everyone with everyone), `ring`, `line`, or `star` (the first node is the centre). Neighbours are those that a link joins, whichever
way it leads; whom a node sends to are its receivers, whom it hears its senders. Without one-way links all three are the same.

Everything here is a plain value in and a plain value out; a `TopologyError` says `what is wrong; remedy` of
everything that is wrong and leaves it to the caller to say in which file and under which key.
"""

import re
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from typing import NamedTuple

from dfl_actors.config.toml_text import listed

NAME = re.compile(r"[A-Za-z0-9_]+(-[A-Za-z0-9_]+)*")
NAME_LENGTH = 32
SHAPES = ("full", "ring", "line", "star")
LINK = re.compile(r"(.*?)(--|->)(.*)", re.DOTALL)

Link = tuple[str, str]
Neighbours = Mapping[str, tuple[str, ...]]


class Problem(NamedTuple):
    """A rule that the graph breaks: `what is wrong; remedy`, and which item of the list does it, if one does."""

    text: str
    item: int | None = None


class TopologyError(ValueError):
    """The graph breaks rules, all of which are in `problems`; the text is the first one's."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(problems[0].text)
        self.problems = problems


def node_names(nodes: int | Sequence[str]) -> tuple[str, ...]:
    """The names of the nodes: "0", "1", ... for a number, else the list itself, checked. Raises TopologyError."""
    names = tuple(str(number) for number in range(nodes)) if isinstance(nodes, int) else tuple(nodes)
    problems = [Problem(problem, item) for item, name in enumerate(names) if (problem := name_problem(name))]
    problems += [Problem(f'"{names[item]}" is there twice; give every node its own name', item) for item in _repeated(names)]
    if len(names) < 2:
        problems.append(Problem("a network needs two nodes; give a number from 2 up or a list of two or more names"))
    if problems:
        raise TopologyError(*problems)
    return names


def name_problem(name: str) -> str | None:
    """What is wrong with a name, or None. It becomes part of a folder, of `a--b` and of a TOML key, so it is short and plain."""
    if len(name) <= NAME_LENGTH and NAME.fullmatch(name):
        return None
    return f"{name[:40]!r} is no name for a node; use 1 to {NAME_LENGTH} letters, digits, _ and single - between them"


def parse_links(names: Sequence[str], links: str | Sequence[str]) -> tuple[Link, ...]:
    """The links as pairs in the order they were given, whichever way they lead; `one_way` tells which lead one way.

    Raises TopologyError, also when a node cannot reach the others.
    """
    if isinstance(links, str):
        return _shape(names, links)
    known = set(names)
    problems = [Problem(problem, item) for item, link in enumerate(links) if (problem := _link_problem(link, names, known))]
    problems += [Problem(f'"{text}" is there twice; {remedy}', item) for item, text, remedy in _doubled(links)]
    pairs = _pairs(links)
    # Who is cut off is only said of good links: a wrong one may be what was to join them.
    lost = [] if problems else separated(names, pairs)
    problems += [Problem(f'node "{name}" cannot be reached from node "{names[0]}"; add a link that joins it') for name in lost]
    if problems:
        raise TopologyError(*problems)
    return pairs


def one_way(links: str | Sequence[str]) -> tuple[Link, ...]:
    """Those of checked links that lead from the first node to the second and not back, as pairs in the order they were given."""
    arrows = [] if isinstance(links, str) else [(one, other) for one, arrow, other in map(_parted, links) if arrow == "->"]
    there = set(arrows)
    return tuple((one, other) for one, other in arrows if (other, one) not in there)


def receivers_of(neighbours: Neighbours, arrows: Iterable[Link]) -> dict[str, tuple[str, ...]]:
    """For each node those of its neighbours that it sends to, given the one-way links; the order stays."""
    silent = {(other, one) for one, other in arrows}
    return {name: tuple(other for other in others if (name, other) not in silent) for name, others in neighbours.items()}


def senders_of(neighbours: Neighbours, arrows: Iterable[Link]) -> dict[str, tuple[str, ...]]:
    """For each node those of its neighbours that send to it, given the one-way links; the order stays."""
    return receivers_of(neighbours, [(other, one) for one, other in arrows])


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
        if not edge:
            break
        edge = {other for name in edge for other in neighbours[name]} - seen
        seen |= edge
    return frozenset(seen - {start})


def separated(names: Sequence[str], links: Iterable[Link]) -> list[str]:
    """The first node of each part of the graph that the first node cannot reach; none when the graph is connected."""
    neighbours = neighbours_of(names, links)
    found: list[str] = []
    reached: set[str] = set()
    for name in names:
        if name not in reached:
            found.append(name)
            reached |= within(neighbours, name, len(names)) | {name}
    return found[1:]


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
            shapes = ", ".join(SHAPES)
            raise TopologyError(Problem(f'"{shape}" is no shape; use one of {shapes}, or a list of links such as ["0--1"]'))


def _link_problem(link: str, names: Sequence[str], known: Collection[str]) -> str | None:
    one, arrow, other = _parted(link)
    if not arrow:
        return f'"{link}" is no link; write two names joined by two dashes, such as "0--1"'
    for name in (one, other):
        if name not in known:
            return f'"{link}" names the unknown node "{name}"; the nodes are {listed(names)}'
    return f'"{link}" joins a node with itself; remove it' if one == other else None


def _parted(link: str) -> tuple[str, str, str]:
    """The first node, `--` or `->`, the second node; the arrow is empty when it is no link."""
    parts = LINK.fullmatch(link)
    return (parts[1], parts[2], parts[3]) if parts else (link, "", "")


def _pairs(links: Sequence[str]) -> tuple[Link, ...]:
    """The two nodes of each link, once where one-way links lead to and fro."""
    pairs: dict[frozenset[str], Link] = {}
    for one, _, other in map(_parted, links):
        pairs.setdefault(frozenset((one, other)), (one, other))
    return tuple(pairs.values())


def _doubled(links: Sequence[str]) -> Iterator[tuple[int, str, str]]:
    """The items that say what was said before: place, text, remedy. One-way links to and fro say two things."""
    said: dict[Link, str] = {}
    for item, (one, arrow, other) in enumerate(map(_parted, links)):
        ways = {"->": [(one, other)], "--": [(one, other), (other, one)]}.get(arrow, [])
        arrows = {arrow, *(said[way] for way in ways if way in said)}
        if any(way in said for way in ways):
            text = f"{one}->{other}" if arrows == {"->"} else "--".join(sorted((one, other)))
            yield item, text, "give it once" if "->" in arrows else "a link joins both ways, give it once"
        said |= dict.fromkeys(ways, arrow)


def _repeated(items: Sequence[Hashable]) -> list[int]:
    """Which items were there before."""
    first: dict[Hashable, int] = {}
    return [number for number, item in enumerate(items) if first.setdefault(item, number) != number]
