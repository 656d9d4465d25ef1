"""The page of one node: how it stands, its newest models, its chain block by block, its stores, what happened lately, and its logs."""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from html import escape

from dfl_actors.config.toml_text import counted
from dfl_actors.core import events
from dfl_actors.core.events import Event, fields_of, name_of
from dfl_actors.report.charts.chart import cut
from dfl_actors.report.kinds import OBSERVER
from dfl_actors.report.load import Run
from dfl_actors.report.page import parts
from dfl_actors.report.page.chains import awaited_section, chains_section, unread_section
from dfl_actors.report.page.parts import section, tag
from dfl_actors.report.page.tables import table_section
from dfl_actors.report.summary import Figures
from dfl_actors.report.table import Column, accuracy_text, size_text
from dfl_actors.watch.followed import Followed
from dfl_actors.watch.inside import Kept, Stores, awaited, logs_of, stores_of
from dfl_actors.watch.views import Place, RunView, Update, document

LOOK_EVERY = 30.0  # Seconds between two looks into the stores of a node whose page is open.
LONGEST = 160  # Letters of what an event says.


class NodeView:
    """The page of the node `name` of a run."""

    def __init__(self, view: RunView, name: str) -> None:
        self._view, self._name = view, name
        self._stores: Stores | None = None
        self._looked, self._at_the_end = 0.0, False  # When the stores were read last, and whether the run was over by then.
        self._looks = 0
        self._looker: threading.Thread | None = None

    @property
    def version(self) -> int:
        """Grows with every change."""
        return self._view.version + self._looks

    @property
    def settled(self) -> bool:
        """Whether its stores are not being read."""
        return self._looker is None or not self._looker.is_alive()

    def advance(self) -> None:
        """Read on, and look into the stores if it is long since that was done."""
        self._view.advance()
        followed = self._view.followed
        if followed is None or (self._looker is not None and self._looker.is_alive()):
            return
        self._at_the_end &= not followed.goes_on
        if self._due(followed):
            self._looker = threading.Thread(target=self._look, args=(followed,), daemon=True)
            self._looker.start()

    def _due(self, followed: Followed) -> bool:
        """Whether the stores are to be read: for the first time, now and then while they grow, and once when the run is over."""
        if self._stores is None:
            return True
        return time.monotonic() - self._looked >= LOOK_EVERY if followed.goes_on else not self._at_the_end

    def _look(self, followed: Followed) -> None:
        over = not followed.goes_on
        self._stores = Stores() if followed.run.simulated else stores_of(followed.directory, self._name, over)
        self._looked, self._at_the_end = time.monotonic(), over
        self._looks += 1

    def page(self, place: Place) -> str:
        """The whole page."""
        with self._view.lock:
            followed = self._view.followed
            assert followed is not None
            sections = "\n".join(self._sections(followed))
            more: dict[str, object] = {"version": self.version, "goes_on": followed.goes_on}
            return document(f"node {self._name}", place, self._head(followed), sections, data=more)

    def update(self, near: Collection[str], place: Place) -> Update:
        """All of it: it is short."""
        with self._view.lock:
            followed = self._view.followed
            assert followed is not None
            groups = {"models": self._sections(followed)}
            return Update(version=self.version, goes_on=followed.goes_on, head=self._head(followed), groups=groups)

    # --- its parts

    def _head(self, followed: Followed) -> str:
        run, name = followed.run, self._name
        title = tag("h1", f"{parts.node_symbol(run, name)} {parts.node_name(run, name, word='node ', sign=False)}")
        state = tag("p", parts.state(run, followed.held), class_="state")
        return title + state + self._view.trouble + tag("dl", "".join(_cards(run, name, self._view.summary(followed))), class_="cards")

    def _sections(self, followed: Followed) -> list[str]:
        run, lately = followed.run, followed.lately(self._name)
        if run.simulated:
            return [_models(run, self._name, lately, Stores()), _lately(run, lately)]
        stores = awaited(followed.directory, self._name) if self._stores is None else self._stores
        logs = _logs(logs_of(followed.directory, self._name))
        return [_models(run, self._name, lately, stores), *_chain(run, self._name, stores), *_journals(stores), _lately(run, lately), logs]


def _cards(run: Run, name: str, summary: Figures) -> Iterator[str]:
    node = summary["nodes"][name]
    yield parts.card(f"{run.score} on the test samples", accuracy_text(node["test_accuracy"]), "as measured last")
    if run.simulated:
        yield parts.card("training steps", f"{node['steps']:,}", counted(node["updates"], "update"))
        return
    yield parts.card(
        f"{run.score} on its own samples", accuracy_text(node["own_accuracy"]), f"{counted(node['samples'], 'sample')} received"
    )
    waiting = run.waits.waiting[name] if run.waits is not None else 0
    yield parts.card("transactions", f"{node['sent']:,}", f"{counted(node['receipts'], 'receipt')}; {waiting} in no final block yet")
    yield parts.card("final blocks", f"{run.tally.chain_of(name).all:,}", f"{counted(node['received'], 'transaction')} of others measured")
    trust = [its["reputations"][name] for its in summary["nodes"].values() if name in its["reputations"]]
    yield parts.card("reputation", f"{sum(trust) / len(trust):.2f}" if trust else "-", f"in the mean, of {counted(len(trust), 'other')}")


def _models(run: Run, name: str, lately: Sequence[Event], stores: Stores) -> str:
    """Its newest transactions: a trained model each; of a simulation its measurements."""
    trained = [event for event in reversed(lately) if isinstance(event, events.Trained)]
    about = "The newest models that it trained, the newest first."
    if stores.reading:
        about += " Its store, of its own models and of others', is being read …"
    elif stores.models:
        about += f" Its store holds {counted(stores.models, 'model')}, its own and others', of {size_text(stores.bytes)}."
    columns = [
        Column(run.unit if run.simulated else "second", [f"{run.seconds(event.t):.1f}" for event in trained]),
        Column("steps", [f"{event.steps:,}" for event in trained]),
        Column("samples", [f"{event.samples:,}" for event in trained]),
        Column("own", [accuracy_text(event.correct / event.tested if event.tested else None) for event in trained]),
        *([] if run.simulated else [Column("transaction", [event.tx[:16] for event in trained], left=True)]),
    ]
    if not trained:
        none = "An observer trains none." if run.roles.get(name) == OBSERVER else "It has trained none yet."
        return section("models", "Models", about, tag("p", none, class_="missing"))
    return table_section("models", "Models", about, columns)


def _chain(run: Run, name: str, stores: Stores) -> list[str]:
    """Its chain; a place for it while that is being read."""
    if stores.reading:
        return [awaited_section(run, [name])]
    if stores.problem:
        return [unread_section(1, stores.problem)]
    return [] if stores.chain is None else [chains_section(run, [stores.chain])]


def _journals(stores: Stores) -> list[str]:
    about = "What each actor must still know after a crash. A journal that has fewer commits than were marked is older than it was."
    if stores.problem:
        return [section("journal", "Journal", about, tag("p", escape(stores.problem), class_="missing"))]
    said: dict[str, Callable[[Kept], str]] = {
        "entries": lambda one: f"{one.entries:,}",
        "size": lambda one: size_text(one.bytes),
        "commits": lambda one: f"{one.commits:,}",
        "marked": lambda one: "-" if one.marked is None else f"{one.marked:,}",
    }
    columns = [Column(header, ["…" if stores.reading else of(one) for one in stores.journals]) for header, of in said.items()]
    actors = Column("actor", [one.actor for one in stores.journals], left=True)
    return [table_section("journal", "Journal", about, [actors, *columns])] if stores.journals else []


def _lately(run: Run, lately: Sequence[Event]) -> str:
    newest = [event for event in reversed(lately) if not isinstance(event, events.Trained)]
    columns = [
        Column(run.unit if run.simulated else "second", [f"{run.seconds(event.t):.1f}" for event in newest]),
        Column("actor", [event.actor or "-" for event in newest], left=True),
        Column("event", [name_of(type(event)).replace("_", " ") for event in newest], left=True),
        Column("what", [cut(_said(run, event), LONGEST) for event in newest], left=True),
    ]
    about = "The newest events of the node in metrics.jsonl but for what it hears and measures of others, the newest first."
    return table_section("lately", "What happened lately", about, columns)


def _said(run: Run, event: Event) -> str:
    """The fields of an event in a line, with names for addresses."""
    return ", ".join(f"{name} {_value(run, value)}" for name, value in fields_of(event).items() if value not in ("", None, {}, (), []))


def _value(run: Run, value: object) -> str:
    if isinstance(value, str):
        return run.node_named(value) if len(value) == 64 and value in {*run.nodes.values(), *run.elsewhere.values()} else cut(value, 40)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_value(run, key)}: {_value(run, one)}" for key, one in value.items()) + "}"
    return f"{value:.3g}" if isinstance(value, float) else f"{len(value)}" if isinstance(value, list | tuple) else str(value)


def _logs(logs: dict[str, list[str]]) -> str:
    """The ends of its log files, those in which something stands."""
    about = "The last lines of what its processes printed: nothing, while all is well."
    shown = {name: lines for name, lines in logs.items() if lines}
    inner = "".join(tag("h3", escape(name)) + _log(name, lines) for name, lines in shown.items())
    return section("logs", "Logs", about, inner or tag("p", f"{len(logs)} log files, all empty.", class_="missing"))


def _log(name: str, lines: Sequence[str]) -> str:
    return tag("pre", escape("\n".join(lines)), class_="log", tabindex="0", role="region", aria_label=f"The end of {name}")
