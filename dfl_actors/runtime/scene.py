"""What is shown of a run at a moment: every node with what changes in it, and what is waited for."""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence

import msgspec

from dfl_actors.config.toml_text import listed
from dfl_actors.core.family import ACTORS
from dfl_actors.core.objects import Address
from dfl_actors.runtime import picture
from dfl_actors.runtime.children import Child
from dfl_actors.runtime.evaluation import Evaluation
from dfl_actors.runtime.pace import Pace, expected_every
from dfl_actors.runtime.plan import NodePlan
from dfl_actors.runtime.remarks import neighbour_names
from dfl_actors.runtime.status import NetworkStatus, NodeStatus


class Scene:
    """Makes the pictures of the nodes of `plans`."""

    def __init__(
        self, plans: Sequence[NodePlan], actors: Mapping[str, Child], names: Mapping[Address, str], evaluation: Evaluation
    ) -> None:
        self._plans, self._actors, self._names, self._evaluation = plans, actors, names, evaluation
        self._paces = {plan.node.name: Pace(expected_every(plan.config, plan.node)) for plan in plans}

    def counted(self, node: str, now: float) -> None:
        """A node of a network that has begun has said again how many blocks it has."""
        sent, received, height = (picture.count_of(node, self._actors, what) for what in ("sent", "received", "height"))
        self._paces[node].take(now, sent + received, height)

    def picture(self, now: float, state: str, elapsed: float, waiting: Iterable[str], remarks: tuple[str, ...]) -> NetworkStatus:
        """The network; `waiting` are the names of actors that are not ready."""
        config, late = self._plans[0].config, list(waiting)
        return NetworkStatus(
            name=config.network.name,
            state=state,
            elapsed=elapsed,
            duration=config.run.duration_s or None,
            target=config.run.target or None,
            session=1 + self._plans[0].starts,
            every=config.run.evaluate_s,
            waits=waits(self._actors, late) if state == "starting" else self._evaluation.round_text,
            remarks=remarks,
            nodes=tuple(self._row(plan, now, late, state) for plan in self._plans),
        )

    def _row(self, plan: NodePlan, now: float, waiting: Container[str], state: str) -> NodeStatus:
        name, names = plan.node.name, {**self._names, **neighbour_names(plan)}
        row = picture.of_node(plan, self._actors, waiting, state, self._evaluation.measured(name, now), names)
        return changing(row, self._paces[name], self._evaluation.course[name], now)


def changing(row: NodeStatus, pace: Pace, tests: Iterable[float], now: float) -> NodeStatus:
    """The row with what changes in it. Who is away, begins or stops misses nothing."""
    works = row.state in ("running", "restarting")
    if not works:
        pace.rest(now)
    return msgspec.structs.replace(
        row,
        tests=tuple(tests),
        rate=pace.rate if works else None,
        block_age=pace.block_age(now),
        block_every=pace.block_every,
        stalled=pace.waited(now) if works and pace.stalled(now) else None,
    )


def waits(actors: Mapping[str, Child], waiting: Iterable[str]) -> str:
    """What a start waits for: which actors of which nodes are not ready, and to which neighbours on other hosts they have no link."""
    late: dict[str, list[str]] = defaultdict(list)
    for child in (actors[name] for name in waiting):
        late[child.actor].append(child.node + _unlinked(child))
    if not late:
        return ""
    places: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for actor in (actor for actor in ACTORS if actor in late):
        places[tuple(sorted(late[actor]))].append(actor)
    everywhere, count = len(actors) // len(ACTORS), sum(map(len, late.values()))
    said = (f"{listed(who)} of {_places(nodes, everywhere)}" for nodes, who in places.items())
    return f"{len(actors) - count} of {len(actors)} actors are ready, not yet {'; '.join(said)}"


def _places(nodes: Sequence[str], everywhere: int) -> str:
    return "every node" if 1 < len(nodes) == everywhere else f"node {listed(nodes)}"


def _unlinked(child: Child) -> str:
    """Of a gossiper that listens, whose neighbours run elsewhere."""
    if child.actor != "gossiper" or child.plan.whole_network or not child.listened:
        return ""
    known = {} if child.status is None else child.status.neighbours
    missing = [name for address, name in neighbour_names(child.plan).items() if address not in known or not known[address].linked]
    return f" (no link to {listed(missing)})" if missing else ""
