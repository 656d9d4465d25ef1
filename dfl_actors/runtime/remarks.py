"""What a person should know for as long as it holds: clocks that are wrong, handshakes that fail, chains that are older than they were,
and all that is refused.

Told once, and shown beside the figures meanwhile.
"""

from collections.abc import Callable, Mapping, Sequence

from dfl_actors.core.clock import Steps
from dfl_actors.core.control import Refusals
from dfl_actors.runtime.handshakes import KEY
from dfl_actors.runtime.plan import NodePlan
from dfl_actors.runtime.refusals import A_STRANGER, Complaints, refused_by_text, refused_text


class Remarks:
    """`tell` is called with each remark as it comes up, and when it no longer holds."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._off: dict[tuple[str, str], int] = {}
        self._failing: dict[tuple[str, ...], str] = {}
        self._rewriting: dict[tuple[str, ...], str] = {}
        self._standing: dict[tuple[str, ...], str] = {}
        self._complaints = Complaints(tell)
        self._steps = Steps()

    def standing(self, now: int = 0) -> tuple[str, ...]:
        """`now` is wall time."""
        return (*self._standing.values(), *self._complaints.standing(now))

    def refusals(self, plan: NodePlan, refused: Sequence[Refusals], refused_by: Sequence[Refusals]) -> None:
        """What all actors of a node refused of others, and others of it. What both refuse of each other for one reason is told once."""
        names = dict(zip(plan.settings.neighbours, plan.node.neighbours, strict=True))
        node, both = plan.node.name, {(one.by, one.code) for one in refused}
        at = node if plan.whole_network else ""
        for one in refused:
            text = refused_text(at, names.get(one.by, A_STRANGER), one, one.detail)
            self._complaints.take((node, "refused"), one, text, one.code)
        for one in refused_by:
            if (one.by, one.code) not in both:
                text = refused_by_text(at, names.get(one.by, A_STRANGER), one, one.detail)
                self._complaints.take((node, "refused by"), one, text, one.code)

    def clocks(self, plan: NodePlan, off: Mapping[str, int]) -> None:
        """What a node's gossiper says of its neighbours' clocks: milliseconds ahead of its own, 0 for one that is right again."""
        names = dict(zip(plan.settings.neighbours, plan.node.neighbours, strict=True))
        for address, ms in off.items():
            key = (plan.node.name, names.get(address, address[:8]))
            if self._off.get(key, 0) != ms:
                self._off[key] = ms
                self._say(key, off_text(*key, ms), bool(ms))

    def handshakes(self, plan: NodePlan, failing: Mapping[str, str]) -> None:
        """With which neighbours a node gets no encrypted link, and why."""
        for address, other in zip(plan.settings.neighbours, plan.node.neighbours, strict=True):
            key, why = (plan.node.name, other, "handshake"), failing.get(address, "")
            if self._failing.get(key, "") != why:
                self._failing[key] = why
                self._say(key, handshake_text(plan.node.name, other, why), bool(why))

    def rewritten(self, plan: NodePlan, found: Mapping[str, str], names: Mapping[str, str]) -> None:
        """Who signs otherwise what a node's validator knows of it, and the first of that. `names`: of addresses."""
        known = {**names, **dict(zip(plan.settings.neighbours, plan.node.neighbours, strict=True))}
        for address, what in found.items():
            key = (plan.node.name, known.get(address, address[:8]), "rewritten")
            if self._rewriting.get(key, "") != what:
                self._rewriting[key] = what
                self._say(key, rewritten_text(*key[:2], what), bool(what))

    def machine(self, step: int) -> int | None:
        """How far this machine's clock was set, if that is news."""
        moved = self._steps.saw(step)
        if moved is not None:
            self._say(("", ""), step_text(moved), bool(moved))
        return moved

    def _say(self, key: tuple[str, ...], text: str, holds: bool) -> None:
        self._tell(text)
        self._standing.pop(key, None)
        if holds:
            self._standing[key] = text


def off_text(node: str, other: str, ms: int) -> str:
    """What node `node` says of the clock of `other`."""
    if not ms:
        return f"the clock of node {other} agrees with that of node {node} again"
    way = "ahead of" if ms > 0 else "behind"
    return (
        f"the clock of node {other} is {abs(ms) / 1000:.0f} s {way} that of node {node}, more than gossip.max_skew_s allows:"
        " set the wrong one right and start its node again"
    )


def handshake_text(node: str, other: str, why: str) -> str:
    """What node `node` says of its handshakes with `other`."""
    if not why:
        return f"the handshake with node {other} succeeds again"
    theirs, ours = f"node.{other}.curve_key in this topology", f"node.{node}.curve_key in the topology of node {other}"
    compare = f"compare {theirs} with" if why == KEY else f"compare {ours} with"
    host = f"the host of node {other}" if why == KEY else "this host"
    return f"the handshake with node {other} fails: {compare} `dfl-actors keys show` on {host}"


def rewritten_text(node: str, other: str, what: str) -> str:
    """What node `node` says of `other`, which signs otherwise what is known of it."""
    if not what:
        return f"node {node} confirms blocks of node {other} again"
    return (
        f"node {node} knows another {what} of node {other}: the directory of node {other} is older than the network knows, or its key is"
        f" used twice; stop node {other} and restore its newer directory"
    )


def step_text(ms: int) -> str:
    """What is said of a machine whose clock was set during a run."""
    if not ms:
        return "this machine's clock was set back to where the run's signed times are"
    return (
        f"this machine's clock was set {'forward' if ms > 0 else 'back'} by {abs(ms) / 1000:.0f} s during the run:"
        " signed times go on by the old one until --resume"
    )
