"""Where a run hangs out how it is: the screen, a log that is there when the screen is gone, and `status.json` for who asks from beside.

The file is written anew every second, whole, so a reader needs no key, no socket and no right but to read it (`dfl-actors status`).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

import msgspec

from dfl_actors.core.control import Adoption, Neighbour, Refusals, Status, Told
from dfl_actors.core.objects import Address
from dfl_actors.errors import StoreError
from dfl_actors.files import whole
from dfl_actors.learning.score import IN_JSON, word_for
from dfl_actors.runtime import picture
from dfl_actors.runtime.adoption import check_adoption
from dfl_actors.runtime.children import Child
from dfl_actors.runtime.clock import Clock
from dfl_actors.runtime.marks import leave_marks, read_marks
from dfl_actors.runtime.plan import SUPERVISOR, NodePlan
from dfl_actors.runtime.refusals import LASTING, QUIET, refused_by_text, refused_text
from dfl_actors.runtime.remarks import Remarks, genesis_cause, handshake_text, neighbour_names
from dfl_actors.runtime.rundir import RunDirectory
from dfl_actors.runtime.status import NeighbourStatus, NetworkStatus, NodeStanding, Standing

LEFT_EVERY = 1.0  # Seconds between two writings of the status file.
MOST_SHARE = 50  # The pause after one is at least so many times what it took.


class Board:
    """What the supervisor tells, beside the live table. `tell` shows a line on the screen."""

    def __init__(
        self,
        plans: Sequence[NodePlan],
        actors: Mapping[str, Child],
        names: Mapping[Address, str],
        clock: Clock,
        tell: Callable[[str], None],
    ) -> None:
        self._plans, self._actors, self._names, self._clock, self._tell = plans, actors, names, clock, tell
        run = RunDirectory(plans[0].directory)
        self._log, self._file, self._due = run.node(SUPERVISOR).log("remarks"), run.status, 0.0
        self._run, self._marks = run, {plan.node.name: read_marks(run, plan.node.name) for plan in plans}
        self.remarks = Remarks(self.say)
        if plans[0].config.exposed:
            self.remarks.exposed(plans[0].config.exposed)

    def say(self, text: str) -> None:
        """On the screen and in the log. A disk that is full takes away the log alone."""
        self._tell(text)
        with suppress(OSError):
            self._log.parent.mkdir(parents=True, exist_ok=True)
            with self._log.open("a", encoding="utf-8") as file:
                file.write(f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S%z} {text}\n")

    def take(self, child: Child, status: Status) -> None:
        """What an actor has reported. A gossiper is told in return what its node has to say of itself."""
        self._marks[child.node][child.actor] = status.commits
        self.remarks.clocks(child.plan, status.clocks)
        self.remarks.rewritten(child.plan, status.rewritten, self._names)
        if child.actor == "builder":
            self.remarks.given_up(child.plan, status.counts)
        if child.actor == "gossiper":
            facts = picture.facts(child.node, self._actors)
            child.say(Told(facts=facts))
            self.remarks.handshakes(child.plan, status.handshakes)
            self.remarks.settings(child.plan, status.neighbours)
            self.remarks.silent(child.plan, status.neighbours, self._clock().wall)
            self.remarks.refusals(child.plan, facts.refused, picture.refused_by(status), status.neighbours)

    def adoptions(self) -> dict[str, Adoption]:
        """Of the nodes whose directories lack what neighbours hold of them, told. Raises `ChainError` for one that must not begin."""
        found: dict[str, Adoption] = {}
        for plan in self._plans:
            gossiper, trainer, builder = (self._actors[f"{plan.node.name}/{actor}"] for actor in ("gossiper", "trainer", "builder"))
            report = gossiper.status or Status(counts={})
            sent, drafted = int(trainer.tally().get("sent", 0)), int(builder.tally().get("drafted", 0))
            told = check_adoption(plan.node.name, report.held, sent, drafted, plan.adopt)
            if told:
                self.say(told)
                heights = {address: known.height for address, known in report.neighbours.items()}
                found[plan.node.name] = Adoption(held=report.held, at=self._clock().wall, heights=heights)
        return found

    # --- the status file

    def leave(self, status: NetworkStatus, now: float) -> None:
        """For whoever asks from beside, and for the next start, every second; a network so large that this takes long does it less often.
        A disk that is full leaves the file of before, which says when it was."""
        if now >= self._due:
            begun = time.monotonic()
            with suppress(StoreError, OSError), whole(self._file) as draft:
                draft.write_bytes(msgspec.json.encode(self._standing(status)))
            leave_marks(self._run, self._marks)
            self._due = now + max(LEFT_EVERY, MOST_SHARE * (time.monotonic() - begun))

    def _standing(self, status: NetworkStatus) -> Standing:
        rows = {row.name: row for row in status.nodes}
        nodes = tuple(
            NodeStanding(node=rows[plan.node.name], neighbours=tuple(self._neighbours(plan)))
            for plan in self._plans
            if plan.node.name in rows
        )
        return Standing(
            t=self._clock().wall,
            name=status.name,
            state=status.state,
            elapsed=status.elapsed,
            nodes=nodes,
            waits=status.waits,
            remarks=status.remarks,
            measured_by=IN_JSON[word_for(self._plans[0].config.data.task)],
        )

    def _neighbours(self, plan: NodePlan) -> list[NeighbourStatus]:
        report = self._actors[f"{plan.node.name}/gossiper"].status or Status(counts={})
        here, there = picture.facts(plan.node.name, self._actors).refused, picture.refused_by(report)
        return [self._neighbour(plan, address, name, report, here, there) for address, name in neighbour_names(plan).items()]

    def _neighbour(
        self, plan: NodePlan, address: Address, name: str, report: Status, here: Sequence[Refusals], there: Sequence[Refusals]
    ) -> NeighbourStatus:
        known = report.neighbours.get(address, Neighbour())
        cause = genesis_cause(known, plan.settings.genesis)
        failing = report.handshakes.get(address)
        return NeighbourStatus(
            name=name,
            linked=known.linked,
            heard=known.heard,
            clock_ms=known.offset,
            clock_off=known.offset is not None and abs(known.offset) > 1_000 * plan.config.gossip.max_skew_s,
            height=known.height if known.since else None,
            accuracy=known.accuracy,
            parted=known.parted,
            handshake=handshake_text(plan.node.name, name, failing) if failing else "",
            genesis=cause,
            settings={} if cause else known.differs,
            refused=tuple(refused_text("", name, one, cause or one.detail) for one in self._fresh(here, address, known)),
            refused_by=tuple(refused_by_text("", name, one, cause or one.detail) for one in self._fresh(there, address, known)),
        )

    def _fresh(self, refusals: Sequence[Refusals], by: Address, known: Neighbour) -> list[Refusals]:
        """Those of a neighbour that go on, and do not go by themselves. A link that stands shows that both are of one network."""
        now, over = self._clock().wall, {"other_genesis"} if known.linked and not known.other_genesis else set[str]()
        return [one for one in refusals if one.by == by and now - one.at < QUIET and one.code in LASTING - over]
