"""What a person should know for as long as it holds: clocks that are wrong, handshakes that fail, chains that are older than they were,
and all that is refused.

Told once, and shown beside the figures meanwhile.
"""

from collections.abc import Callable, Mapping, Sequence

from dfl_actors.core.clock import Steps
from dfl_actors.core.control import Neighbour, Refusals
from dfl_actors.core.pulse import differences_text, of_genesis, of_settings
from dfl_actors.runtime.handshakes import KEY
from dfl_actors.runtime.plan import NodePlan
from dfl_actors.runtime.refusals import A_STRANGER, ITSELF, MOST_TOLD, Complaints, refused_by_text, refused_text

Wording = Callable[[str, str, Refusals, str], str]

GIVEN_UP = {
    "abandoned": "node {node}: a block is final without any confirmation, for the witnesses of its draft were away for longer than"
    " block.abandon_s: it proves nothing; start their nodes again, or take them out of the topology",
    "crowded_out": "node {node}: so many transactions wait for a block that the oldest is given up: its witnesses are away, or too slow",
}
"""What is told of what a builder counts."""

SILENT = 60_000  # Milliseconds without a word of a neighbour before that is told.
PATIENT = 10_000  # Milliseconds of refusals for another genesis before they are told without what differs, which a neighbour says in 2 s.


class Remarks:
    """`tell` is called with each remark as it comes up, and when it no longer holds."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._off: dict[tuple[str, str], int] = {}
        self._failing: dict[tuple[str, ...], str] = {}
        self._rewriting: dict[tuple[str, ...], str] = {}
        self._standing: dict[tuple[str, ...], str] = {}
        self._otherwise: dict[tuple[str, str], tuple[str, int]] = {}
        self._given_up: dict[tuple[str, str], tuple[int, int]] = {}
        self._complaints = Complaints(tell)
        self._explained: dict[tuple[str, ...], int] = {}
        self._unexplained: dict[tuple[str, ...], int] = {}
        self._steps = Steps()

    def standing(self, now: int = 0) -> tuple[str, ...]:
        """`now` is wall time."""
        return (*self._standing.values(), *self._complaints.standing(now))

    def refusals(
        self, plan: NodePlan, refused: Sequence[Refusals], refused_by: Sequence[Refusals], neighbours: Mapping[str, Neighbour]
    ) -> None:
        """What all actors of a node refused of others, and others of it. What both refuse of each other for one reason is told once; for
        another genesis nothing is told before it is known what differs."""
        node, both, at = plan.node.name, {(one.by, one.code) for one in refused}, plan.node.name if plan.whole_network else ""
        others = () if plan.whole_network else refused_by  # where all nodes are here, each tells for itself
        for way, text, told in (("refused", refused_text, refused), ("refused by", refused_by_text, others)):
            for one in told:
                if way == "refused" or (one.by, one.code) not in both:
                    self._refusal((node, way), at, one, plan, neighbours.get(one.by, Neighbour()), text)

    def _refusal(self, place: tuple[str, ...], at: str, one: Refusals, plan: NodePlan, known: Neighbour, text: Wording) -> None:
        other = ITSELF if one.by == plan.settings.address else neighbour_names(plan).get(one.by, A_STRANGER)
        cause = genesis_cause(known, plan.settings.genesis) if one.code == "other_genesis" else ""
        if one.code == "other_genesis" and not self._due((*place, one.by), one.at, bool(cause)):
            return
        self._complaints.take(place, one, text(at, other, one, cause or one.detail), one.code + cause)

    def _due(self, key: tuple[str, ...], at: int, explained: bool) -> bool:
        """Whether a refusal for another genesis, the last of them `at` that wall time, is told: with what differs at once, without it only
        when they go on for long. So one whose reason is gone is not told again without it."""
        if explained:
            self._unexplained.pop(key, None)
            self._explained[key] = at
            return True
        return at > self._explained.get(key, 0) and at - self._unexplained.setdefault(key, at) >= PATIENT

    def settings(self, plan: NodePlan, neighbours: Mapping[str, Neighbour]) -> None:
        """Which settings neighbours have otherwise that need not agree."""
        names = neighbour_names(plan)
        for address, known in neighbours.items():
            key, text = (plan.node.name, names[address]), "" if known.other_genesis else differences_text(of_settings(known.differs))
            before, times = self._otherwise.get(key, ("", 0))
            if before != text and times < MOST_TOLD:
                self._otherwise[key] = text, times + 1
                self._tell(settings_text(*key, text))

    def clocks(self, plan: NodePlan, off: Mapping[str, int]) -> None:
        """What a node's gossiper says of its neighbours' clocks: milliseconds ahead of its own, 0 for one that is right again."""
        names = neighbour_names(plan)
        for address, ms in off.items():
            key = (plan.node.name, names.get(address, address[:8]))
            if self._off.get(key, 0) != ms:
                self._off[key] = ms
                self._say(key, off_text(*key, ms), bool(ms))

    def silent(self, plan: NodePlan, neighbours: Mapping[str, Neighbour], now: int) -> None:
        """Which neighbours on other hosts were linked and are not heard any more; `now` is wall time."""
        names = neighbour_names(plan)
        for address, known in neighbours.items() if not plan.whole_network else ():
            gone = 0 < known.heard < now - SILENT and not known.linked and not known.parted
            key = (plan.node.name, names[address], "silent")
            if known.heard and gone != (key in self._standing):
                self._say(key, silent_text(names[address], gone), gone)

    def handshakes(self, plan: NodePlan, failing: Mapping[str, str]) -> None:
        """With which neighbours a node gets no encrypted link, and why."""
        for address, other in zip(plan.settings.neighbours, plan.node.neighbours, strict=True):
            key, why = (plan.node.name, other, "handshake"), failing.get(address, "")
            if self._failing.get(key, "") != why:
                self._failing[key] = why
                self._say(key, handshake_text(plan.node.name, other, why), bool(why))

    def rewritten(self, plan: NodePlan, found: Mapping[str, str], names: Mapping[str, str]) -> None:
        """Who signs otherwise what a node's validator knows of it, and the first of that. `names`: of addresses."""
        known = {**names, **neighbour_names(plan)}
        for address, what in found.items():
            key = (plan.node.name, known.get(address, address[:8]), "rewritten")
            if self._rewriting.get(key, "") != what:
                self._rewriting[key] = what
                self._say(key, rewritten_text(*key[:2], what), bool(what))

    def given_up(self, plan: NodePlan, counts: Mapping[str, int | float]) -> None:
        """What a node's builder has given up since it was looked at before; after a restart it counts anew."""
        for what, text in GIVEN_UP.items():
            count, (before, times) = int(counts.get(what, 0)), self._given_up.get((plan.node.name, what), (0, 0))
            tells = count > before and times < MOST_TOLD
            self._given_up[plan.node.name, what] = count, times + tells
            if tells:
                self._tell(text.format(node=plan.node.name))

    def exposed(self, text: str) -> None:
        """What somebody has allowed, and should not forget."""
        self._say(("exposed",), text, holds=True)

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


def neighbour_names(plan: NodePlan) -> dict[str, str]:
    """By their addresses."""
    return dict(zip(plan.settings.neighbours, plan.node.neighbours, strict=True))


def genesis_cause(known: Neighbour, ours: str) -> str:
    """Why a neighbour has another genesis; nothing as long as it has not said."""
    if not known.other_genesis:
        return ""
    said = differences_text(of_genesis(known.differs))
    return said or f"its genesis is {known.other_genesis[:8]}, ours {ours[:8]}, by another version of dfl-actors"


def settings_text(node: str, other: str, differences: str) -> str:
    """What node `node` says of the configuration of `other`."""
    if not differences:
        return f"{other}: is configured as node {node} is again"
    return f"{other}: is configured otherwise than node {node}, which is no mistake if it is meant: {differences}"


def off_text(node: str, other: str, ms: int) -> str:
    """What node `node` says of the clock of `other`."""
    if not ms:
        return f"the clock of node {other} agrees with that of node {node} again"
    way = "ahead of" if ms > 0 else "behind"
    return (
        f"the clock of node {other} is {abs(ms) / 1000:.0f} s {way} that of node {node}, more than gossip.max_skew_s allows:"
        " set the wrong one right and start its node again"
    )


def silent_text(other: str, gone: bool) -> str:
    """What a person is told of a neighbour that is away, or back."""
    if not gone:
        return f"{other}: is heard again"
    return f"{other}: is away, and measures nothing: start it again or look at the link; if it left for good, take it out of the topology"


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
