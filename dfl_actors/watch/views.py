"""What the server shows: the page of a run, the page of one of its nodes, and several runs side by side.

A view is asked to `advance`, which reads what is new and costs little; then for its whole `page`, or, by a page that is open, for an
`update`: the head, the tables, and those charts that stand near the reader's window.
"""

import threading
from collections.abc import Collection, Mapping, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Protocol
from urllib.parse import quote

import msgspec

from dfl_actors import __version__
from dfl_actors.errors import DflError
from dfl_actors.report.charts import makers
from dfl_actors.report.charts.chart import Chart
from dfl_actors.report.charts.palette import page_palettes
from dfl_actors.report.page import parts
from dfl_actors.report.page.chains import VERIFYING, awaited_section, chains_section, most_blocks, unread_section, wrong_chains
from dfl_actors.report.page.page import data, figures, head, in_script
from dfl_actors.report.page.parts import chart_section, tag
from dfl_actors.report.page.tables import tables_after
from dfl_actors.report.summary import Figures, summarise
from dfl_actors.runtime.examined import Examined, examine_all, has_chains
from dfl_actors.runtime.rundir import RunDirectory
from dfl_actors.sim.about import is_simulation
from dfl_actors.watch.followed import Followed
from dfl_actors.watch.waiting import waits_of


class Update(msgspec.Struct, frozen=True, kw_only=True):
    """What an open page is given. `groups` are sections that belong together, by the id of the first."""

    version: int
    goes_on: bool
    head: str
    groups: Mapping[str, Sequence[str]] = {}
    figures: object = msgspec.field(default_factory=dict)
    sliders: object = msgspec.field(default_factory=dict)
    modes: object = msgspec.field(default_factory=dict)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a page is: the paths of what it asks for, under which its nodes' pages are, and `links` to what is above it, as HTML."""

    events: str
    update: str
    nodes: str = ""
    links: str = ""


class View(Protocol):
    """What can be followed in a page; see `RunView`."""

    @property
    def version(self) -> int: ...

    @property
    def settled(self) -> bool:
        """Whether nothing is being read aside."""

    def advance(self) -> object: ...

    def page(self, place: Place) -> str: ...

    def update(self, near: Collection[str], place: Place) -> Update: ...


class RunView:
    """A run, which need not be there yet. `key` names it in addresses; `version` grows with every change. The methods may be called from
    several threads."""

    def __init__(self, path: Path, key: str, *, awaited: bool = False) -> None:
        """`awaited`: it is no problem that it is not there yet."""
        self.path, self.key, self.problem, self.version = path, key, "", 0
        self.waits = ""  # For what, as its terminal says it.
        self.lock, self._awaited = threading.RLock(), awaited
        self.followed: Followed | None = None
        self._summary: tuple[int, Figures] | None = None
        self._chains: list[Examined] = []
        self._unread = ""  # Why they could not be read.
        self._examiner: threading.Thread | None = None

    @property
    def goes_on(self) -> bool:
        return self.followed is None or self.followed.goes_on

    @property
    def settled(self) -> bool:
        """Whether no chains are being read aside."""
        return self._examiner is None or not self._examiner.is_alive()

    def advance(self) -> bool:
        """Read on; whether anything is new. What is wrong with the files is told on the page (`problem`)."""
        with self.lock:
            try:
                changed = self._advance()
            except Exception as error:  # noqa: BLE001  whatever a file has in it, the page says so and the server goes on
                ours = isinstance(error, DflError | OSError)
                told = str(error) if ours else f"the run cannot be read further ({error!r}): please report it"
                changed, self.problem = self.problem != told, told
            self.version += changed
            self._examine()
            return changed

    def _advance(self) -> bool:
        if self.followed is None and self.awaits:
            return self._wait(starts=True)
        changed = self.followed is None
        if self.followed is None:
            self.followed = Followed(self.path)
        changed |= self.followed.advance()
        changed |= self._wait(starts=self.followed.state == "starting")
        changed, self.problem = changed or bool(self.problem), ""
        return changed

    def _wait(self, starts: bool) -> bool:
        """Whether it waits for something else than before."""
        before, self.waits = self.waits, waits_of(RunDirectory(self.path), starts)
        return before != self.waits

    def _examine(self) -> None:
        """Look at the chains once the run is over: that takes seconds, and is done aside."""
        followed = self.followed
        if followed is None or followed.goes_on:
            self._chains, self._unread, self._examiner = [], "", None
        elif self._examiner is None and not followed.run.simulated and chains_there(followed):
            self._examiner = threading.Thread(target=self._look_at_chains, args=(followed,), daemon=True)
            self._examiner.start()

    def _look_at_chains(self, followed: Followed) -> None:
        names = tuple(followed.run.nodes)
        found, unread = list[Examined](), ""
        try:
            found = examine_all(followed.directory, names, most_blocks(len(names)), VERIFYING)
        except (DflError, OSError, RuntimeError) as error:
            unread = f"They could not be read ({error}): dfl-actors chain verify says more."
        with self.lock:
            if not followed.goes_on:
                self._chains, self._unread = found, unread
                self.version += 1

    def _strips(self, followed: Followed) -> list[str]:
        """The chains of a run that is over; a place for them while they are being read."""
        if self._unread:
            return [unread_section(len(followed.run.nodes), self._unread)]
        if self._chains or self._examiner is None:
            return list(filter(None, [chains_section(followed.run, self._chains)]))
        return [awaited_section(followed.run, followed.run.nodes)]

    @property
    def awaits(self) -> bool:
        """Whether its directory is that of a run only in some time."""
        return self._awaited and not ((self.path / "run.json").is_file() or is_simulation(self.path))

    def summary(self, followed: Followed) -> Figures:
        """The figures of the run as it is."""
        if self._summary is None or self._summary[0] != self.version:
            summary = summarise(followed.run)
            summary["findings"] = [*wrong_chains(self._chains), *summary["findings"]]
            self._summary = self.version, summary
        return self._summary[1]

    def page(self, place: Place) -> str:
        """The whole page; its charts come when they are seen."""
        with self.lock:
            followed = self.followed
            if followed is None:
                return document(self.key, place, self._not_yet())
            run, groups = followed.run, self._groups(followed, None)[0]
            sections = "\n".join(section for group in groups.values() for section in group)
            more = {"version": self.version, "goes_on": followed.goes_on}
            return document(run.name, place, self._head(followed, place), sections, parts.chooser(run), {**data(run), **more})

    def update(self, near: Collection[str], place: Place) -> Update:
        """What has changed, for a page on which these sections can be seen."""
        with self.lock:
            followed = self.followed
            if followed is None:
                return Update(version=self.version, goes_on=True, head=self._not_yet())
            groups, made = self._groups(followed, near)
            found = figures(made)
            return Update(
                version=self.version,
                goes_on=followed.goes_on,
                head=self._head(followed, place),
                groups=groups,
                figures=found["figures"],
                sliders=found["sliders"],
                modes=found["modes"],
            )

    def _groups(self, followed: Followed, near: Collection[str] | None) -> tuple[dict[str, list[str]], list[Chart]]:
        """The sections by the chart to which they belong, and the charts near the window: all where `near` is None. A chart that
        nobody sees is not made."""
        run, summary = followed.run, self.summary(followed)
        groups: dict[str, list[str]] = {}
        made: list[Chart] = []
        for name, make in makers(run, summary).items():
            group = tables_after(name, run, summary)
            if near is None or name in near:
                chart = make()
                made.append(chart)
                group = [chart_section(chart, run), *group]
            groups[name] = [*group, *self._strips(followed)] if name == "chains" else group
        return groups, made

    def _head(self, followed: Followed, place: Place) -> str:
        run = followed.run
        names = "".join(tag("a", parts.node_name(run, name), href=f"{place.nodes}{quote(name, safe='')}") for name in run.nodes)
        nodes = tag("nav", tag("span", "pages of nodes") + names, class_="nodes", aria_label="Pages of nodes")
        return head(run, self.summary(followed), followed.held, self.waits) + nodes + self.trouble

    def _not_yet(self) -> str:
        state = f"starting: {self.waits or 'nothing is written of the run yet'}" if self._awaited else "not there"
        return tag("h1", escape(self.key)) + tag("p", state, class_="state") + self.trouble

    @property
    def trouble(self) -> str:
        """What is wrong with the run's files, as HTML."""
        return tag("p", escape(self.problem), class_="remarks") if self.problem else ""


def chains_there(followed: Followed) -> bool:
    """Whether the run's directory holds any."""
    try:
        return has_chains(followed.directory, followed.run.nodes)
    except (DflError, OSError):
        return False


def document(title: str, place: Place, head: str, sections: str = "", chooser: str = "", data: dict[str, object] | None = None) -> str:
    """A page of the server; `data` is what its code needs besides where it is."""
    empty = {
        "name": "",
        "nodes": [],
        "attackers": [],
        "crowd": False,
        "palettes": page_palettes(),
        "figures": {},
        "sliders": {},
        "modes": {},
    }
    where = {"version": 0, "goes_on": True, "update": place.update, "events": place.events, "nodes_at": place.nodes}
    return Template(resource("watch.html")).substitute(
        version=__version__,
        title=escape(title),
        place=place.links,
        head=head,
        chooser=chooser,
        sections=sections,
        data=in_script({**empty, **where, **(data or {})}),
    )


def resource(name: str) -> str:
    """A file that lies beside this one."""
    return resources.files("dfl_actors.watch").joinpath(name).read_text(encoding="utf-8")
