"""What `dfl-actors tail` does: records out of a network or a file, through the filters, into a view.

A view shows records: as lines, as JSON, as the table of rates, or as the tree of one transaction. All of them work on a running network
and on a recording alike. `show` takes a record, `turn` says that all that has come so far was shown, and `end` that nothing more comes
(it may raise a `DflError`); `done` is whether there is nothing more to wait for, and `numbers` follow what the view is shown.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import msgspec
from rich.console import Console, RenderableType

import dfl_actors.core.messages  # noqa: F401 - without it no kind has members
from dfl_actors import __version__
from dfl_actors.config.toml_text import counted, nearest
from dfl_actors.core.events import Stopped
from dfl_actors.core.family import ACTORS, Event, Letter, News, Reply, Request, members
from dfl_actors.errors import ConfigError, StoreError
from dfl_actors.report.load import load_run
from dfl_actors.report.table import uncut_console
from dfl_actors.report.tail.by_node import NodeStats
from dfl_actors.report.tail.expression import Expression
from dfl_actors.report.tail.filters import HIDDEN, Filter, matcher
from dfl_actors.report.tail.lines import COLOURS, Lines
from dfl_actors.report.tail.stats import Stats
from dfl_actors.report.tail.tree import as_object, checked_prefix, chosen, hear, tree
from dfl_actors.report.trace import Trace, Traces, traces
from dfl_actors.report.watching import Redrawn, draws
from dfl_actors.runtime.header import HELD_BACK, UNREADABLE, Record, read_record
from dfl_actors.runtime.recording import Network, Recorder, Recording
from dfl_actors.runtime.rundir import About, RunDirectory, read_about
from dfl_actors.runtime.tail import RUNS, Numbers, Watch, network_of, newest, running

REFRESH = 0.5  # Seconds between two pictures of a live table.
FRAME = 4  # Lines of a table on the screen that are not types: its head, the names of the columns, the sums, and the cursor's.
LINGER = 0.5  # Seconds in which what other nodes say of a transaction may still come once its block is final.
REFUSABLE = ("bytes", "transaction", "receipt", "draft", "confirmation", "model", "Acknowledgement", "expired", "lost")
TYPES = (
    *(message.__name__ for kind in (Event, Letter, News, Request, Reply) for message in members(kind)),
    *REFUSABLE,
    HELD_BACK,
    *COLOURS,
)
"""What `--type` may match: the types of messages, what else may be refused, and the kinds."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    directory: Path | None = None
    nodes: Sequence[str] = ()
    actors: Sequence[str] = ()
    types: Sequence[str] = ()
    expression: str | None = None
    all: bool = False
    json: bool = False
    count: int | None = None
    seconds: float | None = None
    stats: bool = False
    by: str = "type"
    bodies: bool = False
    save: Path | None = None
    force: bool = False
    file: Path | None = None
    follow: str | None = None


Known = Callable[[], Mapping[str, Trace]]  # Reads what the metrics of a running network tell of its transactions.


def tail_run(order: Order) -> None:
    """Do what was asked. Raises `DflError`; `KeyboardInterrupt` and `BrokenPipeError` once all is closed."""
    if order.file is not None:
        _replay(order, order.file)
        return
    prefix = None if order.follow is None else checked_prefix(order.follow)
    run = _run_of(order)
    about = read_about(run)
    if prefix is not None and not running(run, about):
        if order.save is not None:
            raise ConfigError("--save records what moves, and this run is over: leave it out")
        _show_trace(chosen(traces(load_run(run.path)), prefix, str(run.path)), order.json)
        return
    _watch(order, run, about, prefix)


def _run_of(order: Order) -> RunDirectory:
    if order.directory is not None:
        return RunDirectory.open(order.directory)
    found = newest() or (newest(only_running=False) if order.follow else None)
    if found is None:
        raise StoreError(f"no network is running under {RUNS}/: start one with `dfl-actors run`, or name the directory of a run")
    return found


# --- sources


def _watch(order: Order, run: RunDirectory, about: About, prefix: str | None) -> None:
    """Show what moves in a running network until it ends, or enough has been shown."""
    network = network_of(about)
    _check(order, network)
    with ExitStack() as open_until_the_end:
        watch = open_until_the_end.enter_context(closing(Watch(run, about)))
        recorder = None if order.save is None else Recorder(order.save, network, __version__, order.force)
        if recorder is not None:
            open_until_the_end.enter_context(closing(recorder))
        view = _view(order, network, prefix, lambda: traces(load_run(run.path)))
        say(f"watching {counted(len(network.nodes), 'node')} of {run.path}")
        if _show(order, network, view, _live(watch, recorder, order.seconds)) and not view.done:
            stops = load_run(run.path, (Stopped,)).of(Stopped)
            say(f"the network has ended{f' ({stops[-1].reason})' if stops else ''}", always=True)


def _live(watch: Watch, recorder: Recorder | None, seconds: float | None) -> Iterator[list[Record] | None]:
    """The records of each turn; None at the end when the time was over."""
    deadline = None if seconds is None else time.monotonic() + seconds
    unknown = 0
    for batch in watch.turns():
        records = []
        for raw in batch:
            try:
                records.append(read_record(raw))
            except UNREADABLE:
                unknown += 1
                continue
            if recorder is not None:
                recorder.write(raw)
        if recorder is not None:
            recorder.flush()
        yield records
        if deadline is not None and time.monotonic() >= deadline:
            yield None
            break
    if unknown:
        say(f"{unknown} records were not understood: another version of the program runs the network", always=True)


def _replay(order: Order, path: Path) -> None:
    """Show a recording."""
    with closing(Recording(path)) as recording:
        _check(order, recording.network)
        prefix = None if order.follow is None else checked_prefix(order.follow)
        view = _view(order, recording.network, prefix, None, str(path))
        _show(order, recording.network, view, _recorded(recording, order.seconds))


def _recorded(recording: Recording, seconds: float | None) -> Iterator[list[Record] | None]:
    """The records one by one; None when the time, by the records' own clock, is over."""
    first: int | None = None
    for _, record in recording.records():
        first = record.t if first is None else first
        if seconds is not None and record.t - first > seconds * 1e6:
            yield None
            return
        yield [record]
    if recording.cut_short:
        say(f"the recording was cut short: it is whole up to record {recording.read}", always=True)


def _show(order: Order, network: Network, view: "View", source: Iterable[list[Record] | None]) -> bool:
    """Show the records that are wanted, and end the view even when interrupted. Returns whether the source ended of itself."""
    wanted, left = _filter(order, network), order.count
    try:
        for batch in source:
            if batch is None:
                return False
            for record in sorted((shown for one in batch for shown in view.numbers.follow(one)), key=lambda one: one.t):
                if not wanted(record):
                    continue
                view.show(record)
                if left is not None and record.kind not in ("missed", "restarted"):
                    left -= 1
                    if left == 0:
                        return False
            view.turn()
            if view.done:
                return False
        return True
    finally:
        _end(view)


def _filter(order: Order, network: Network) -> Filter:
    """Raises `ConfigError` for an expression that is none. A table counts what lines leave out as well."""
    expression = None if order.expression is None else Expression(order.expression, _known(network))
    hidden = () if order.stats or order.follow is not None else HIDDEN
    return Filter(network, order.nodes, order.actors, order.types, expression, hidden, order.all)


def _known(network: Network) -> dict[str, Sequence[str]]:
    """What a network has of the words by which one may ask."""
    nodes = sorted({*network.nodes, *(name for link in network.links for name in link)})
    return {"node": nodes, "actor": ACTORS, "type": TYPES, "kind": tuple(COLOURS)}


def _end(view: "View") -> None:
    """End a view. An error of its own is raised only when no other exception is on its way."""
    interrupted = sys.exc_info()[0] is not None
    try:
        view.end()
    except (ConfigError, BrokenPipeError):
        if not interrupted:
            raise


def _check(order: Order, network: Network) -> None:
    """Raises `ConfigError` for a glob that nothing in the network can match."""
    words = _known(network)
    _filter(order, network)
    for option, globs in (("node", order.nodes), ("actor", order.actors), ("type", order.types)):
        known = words[option]
        for glob in globs:
            if not any(map(matcher([glob]), known)):
                raise ConfigError(f"--{option} {glob[:40]}: there is none of that name; {nearest(glob, known)}")


def say(text: str, always: bool = False) -> None:
    """A line on standard error: at a terminal only, unless `always`."""
    if always or sys.stderr.isatty():
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


# --- views


def _view(order: Order, network: Network, prefix: str | None, known: Known | None, where: str = "the network") -> "View":
    console = Console()
    if prefix is not None:
        return Following(prefix, known, console, order.json, where)
    if order.stats:
        return Table(NodeStats(network) if order.by == "node" else Stats(network), console, order.json, live=order.file is None)
    if order.json:
        return Text(lambda record: msgspec.json.encode(record).decode())
    colour = draws(console) and not console.no_color
    return Text(Lines(network, colour, order.bodies, console.width if console.is_terminal else None).line)


class Text:
    """A line a message, as `line` writes it."""

    done = False

    def __init__(self, line: Callable[[Record], str]) -> None:
        self._line, self.numbers = line, Numbers()

    def show(self, record: Record) -> None:
        sys.stdout.write(self._line(record) + "\n")

    def turn(self) -> None:
        sys.stdout.flush()

    end = turn


class Table:
    """Rates, bytes and drops by type: live on a terminal, once at the end elsewhere and of recordings."""

    done = False

    def __init__(self, stats: Stats, console: Console, json: bool, live: bool) -> None:
        self._stats, self._console, self._json, self.numbers = stats, console, json, Numbers()
        self._shown = 0.0
        self._live = _live_on(console, live and not json)

    def show(self, record: Record) -> None:
        self._stats.count(record)

    def turn(self) -> None:
        now = time.monotonic()
        if self._live is not None and now - self._shown >= REFRESH:
            self._shown = now
            self._stats.mark(time.time_ns() // 1000)
            self._live.update(self._picture(max(1, self._console.height - FRAME)), refresh=True)

    def end(self) -> None:
        if self._live is not None:
            self._live.update(self._picture(), refresh=True)
            self._live.stop()
        elif self._json:
            summary = self._stats.summary(self.numbers.missed, self.numbers.missed_by_type)
            sys.stdout.write(msgspec.json.encode(summary).decode() + "\n")
        else:
            self._console.print(self._picture())

    def _picture(self, most: int | None = None) -> RenderableType:
        return self._stats.render(self._console.width, self.numbers.missed, self.numbers.missed_by_type, most)


class Following:
    """The trace of one transaction: live on a terminal, at its end elsewhere.

    Of a running network the metrics (`known`) tell what was before us, and at the end what we missed.
    """

    def __init__(self, prefix: str, known: Known | None, console: Console, json: bool, where: str) -> None:
        self._prefix, self._known, self._json, self._where, self.numbers = prefix, known, json, where, Numbers()
        self._heard = Traces("" if known is None else prefix)
        self._over_at: float | None = None
        self._changed = True
        if known is not None:
            self._heard.merge(known().values())
            if not self._heard.found():
                say(f"no transaction begins with {prefix} yet: waiting for one")
        self._live = _live_on(console, known is not None and not json)

    @property
    def done(self) -> bool:
        """A while after the end of a running network's transaction; a recording is read to its end."""
        return self._known is not None and self._over_at is not None and time.monotonic() >= self._over_at + LINGER

    def show(self, record: Record) -> None:
        self._changed |= hear(self._heard, record)

    def turn(self) -> None:
        found = self._heard.found() if self._known is not None and self._changed else {}
        self._changed = False
        if not found:
            return
        trace = chosen(found, self._prefix, self._where)
        if trace.over and self._over_at is None:
            self._over_at = time.monotonic()
        if self._live is not None:
            self._live.update(tree(trace), refresh=True)

    def end(self) -> None:
        every = {} if self._known is None else self._known()
        self._heard.merge(every.values())
        try:
            trace = chosen(self._heard.found() or every, self._prefix, self._where)
            if self._live is not None:
                self._live.update(tree(trace), refresh=True)
        finally:
            if self._live is not None:
                self._live.stop()
        if self._live is None:
            _show_trace(trace, self._json)


View = Text | Table | Following


def _live_on(console: Console, wanted: bool) -> Redrawn | None:
    """A live picture, begun, where there is a terminal for one."""
    if not wanted or not draws(console):
        return None
    live = Redrawn(console, auto_refresh=False)
    live.start()
    return live


def _show_trace(trace: Trace, json: bool) -> None:
    if json:
        sys.stdout.write(msgspec.json.encode(as_object(trace)).decode() + "\n")
    else:
        uncut_console().print(tree(trace))
    sys.stdout.flush()
