"""Two runs side by side: what differs in their configuration, and every figure of their summaries with its difference.

The figures are made anew from the metrics, so that runs that still go on and runs that died can be compared too. Times to an accuracy
are those of the whole network (its least accurate node) and asked for both runs, whatever target each of them had. A regression has a
score where a classification has an accuracy.
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dfl_actors.core.events import Trained
from dfl_actors.errors import StoreError
from dfl_actors.files import read_text
from dfl_actors.learning.score import MEASURES
from dfl_actors.report.formats import Sheet
from dfl_actors.report.kinds import NORMAL, kind_text
from dfl_actors.report.load import Run
from dfl_actors.report.runs.listing import held_since, load_measured, state_of
from dfl_actors.report.summary import PER_BLOCK, ROWS, WORK, Figures, seconds_to_target, summarise
from dfl_actors.report.table import Column, broken, name_text, size_text
from dfl_actors.runtime.rundir import RunDirectory

Value = str | int | float | None

USUAL_TARGET = 0.9  # The accuracy that is asked for where neither run had a target; the paper's.
FORMATS: dict[str, str] = {
    "seconds": "{:.1f} s",
    "ticks": "{:.0f} ticks",
    "ms": "{:.2f} ms",
    "ratio": "{:.2f}",
    "count": "{}",
    "accuracy": "{:.4f}",
    "score": "{:.4f}",
}
WIDEST = 40  # Longer texts are cut: a list of links can be very long.
GAP, LEAST_VALUE, LINES = 2, 11, 2  # Columns between two others, those of a value at least, and the lines that one may take.
OF_NODE = " of node "
NODES = tuple(f"{word}{OF_NODE}" for word in MEASURES)  # How the lines of single nodes begin.
OF_A_CHAIN = ("run", "chain", "CPU of the nodes", "traffic", "trouble")  # Groups of which lines that neither side has are left out.


class Figure(msgspec.Struct, frozen=True):
    """One line of the comparison. `kind` is text or one of `FORMATS`, or bytes; None is not known, or never."""

    group: str
    name: str
    kind: str
    a: Value
    b: Value

    @property
    def difference(self) -> float | None:
        """b - a, where both are numbers."""
        if isinstance(self.a, int | float) and isinstance(self.b, int | float):
            return round(self.b - self.a, 9)
        return None


class Side(msgspec.Struct, frozen=True):
    """One of the two runs. `settings` holds its configuration by dotted key, and is None where it cannot be read."""

    run: Run
    summary: Figures
    state: str
    settings: dict[str, str] | None


def load_sides(a: Path, b: Path) -> tuple[Side, Side]:
    """Both runs. Raises StoreError if they are the same, or one has no metrics."""
    if a.samefile(b):
        raise StoreError(f"{a} and {b} are the same run: name two")
    return _load_side(a), _load_side(b)


def _load_side(path: Path) -> Side:
    run, directory = load_measured(path), RunDirectory(path)
    state, reason = state_of(run, held_since(directory))
    return Side(run, summarise(run), f"finished ({reason})" if state == "finished" else state, settings_of(path))


def settings_of(path: Path) -> dict[str, str] | None:
    """The configuration of the run in a directory by dotted key; None where it cannot be read."""
    try:
        return dict(_flat("", tomllib.loads(read_text(RunDirectory(path).config))))
    except (OSError, ValueError):
        return None


def _flat(prefix: str, table: Figures) -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(f"{prefix}{key}.", value)
        else:
            yield f"{prefix}{key}", str(value)


# --- the figures


def compare(a: Side, b: Side, goal: float | None = None) -> list[Figure]:
    """Every figure of both, in the order in which they are shown. `goal` is asked for in the place of their targets."""
    # Both sides are asked for the same, so that their figures stand line by line.
    asked = sorted({side.run.target for side in (a, b) if side.run.target} or {USUAL_TARGET}) if goal is None else [goal]
    # Only who was to reach a target is measured on as many samples as leave no doubt of it: the other by what its samples say.
    goals = {one: a.run.target == b.run.target == one for one in asked}
    nodes = list(dict.fromkeys([*a.run.nodes, *b.run.nodes]))
    codes = sorted({code for side in (a, b) for node in side.summary["nodes"].values() for code in node["refused"]})
    word = a.run.score if a.run.score == b.run.score else "score"
    pairs = zip(*(_lines(side, word, goals, nodes, codes) for side in (a, b)), strict=True)
    figures = [_figure(one, other) for one, other in pairs]
    known = [figure for figure in figures if figure.group not in OF_A_CHAIN or (figure.a, figure.b) != (None, None)]
    return [*_settings_figures(a, b), *known]


def _figure(one: "Line", other: "Line") -> Figure:
    """Two lines as one; times of a run and of a simulation, which cannot be compared, as texts."""
    group, name, kind, a = one
    if kind != other[2]:
        return Figure(group, name, "text", *(value if value is None else text_of(kind, value) for _, _, kind, value in (one, other)))
    return Figure(group, name, kind, a, other[3])


def _settings_figures(a: Side, b: Side) -> Iterator[Figure]:
    """The keys of the configuration that differ."""
    if a.settings is None or b.settings is None:
        found = ["not readable" if side.settings is None else "readable" for side in (a, b)]
        yield Figure("configuration", "config.toml", "text", *found)
        return
    for key in dict.fromkeys([*a.settings, *b.settings]):
        if a.settings.get(key) != b.settings.get(key):
            yield Figure("configuration", key, "text", a.settings.get(key), b.settings.get(key))


Line = tuple[str, str, str, Value]  # Group, name, kind and value of one side's figure.


def _lines(side: Side, word: str, goals: Mapping[float, bool], names: Sequence[str], codes: Sequence[str]) -> Iterator[Line]:
    run = side.run
    yield "run", "name", "text", run.name
    yield "run", "state", "text", side.state
    yield "run", "nodes", "count", len(run.nodes)
    yield "run", "links", "count", len(run.links)
    yield "run", "ready after", "seconds", None if run.simulated else run.ready_seconds
    yield "run", "ran for", time_kind(run), run.elapsed
    yield from _learning(side, word, goals, names)
    for group, name, kind, value in (*_chain(side), *_cost(side.summary), *_trouble(side, codes)):
        yield group, name, kind, None if run.simulated else value


def time_kind(run: Run) -> str:
    """What the run's time is counted in."""
    return "ticks" if run.simulated else "seconds"


def _trouble(side: Side, codes: Sequence[str]) -> "Iterator[Line]":
    nodes = side.summary["nodes"]
    for code in codes:
        yield "trouble", f"refused: {code}", "count", sum(node["refused"].get(code, 0) for node in nodes.values())
    yield "trouble", "refusals", "count", sum(sum(node["refused"].values()) for node in nodes.values())
    yield from _totals("trouble", nodes, {"transactions expired": "expired"})
    yield "trouble", "restarts", "count", sum(side.run.tally.restarts.values())
    yield "trouble", "torn lines of metrics", "count", side.run.skipped


def _learning(side: Side, word: str, goals: Mapping[float, bool], names: Sequence[str]) -> Iterator[Line]:
    for goal, sure in goals.items():
        reached = seconds_to_target(side.run, goal, sure)
        yield "learning", f"every node at {goal:g} after", time_kind(side.run), reached
        yield "learning", "training steps a node by then", "ratio", None if reached is None else steps_by(side.run, reached)
    of, head = {name: node["test_accuracy"] for name, node in side.summary["nodes"].items()}, side.summary["headline"]
    for figure in ("worst", "mean", "spread"):
        yield "learning", f"{word} of honest nodes, {figure}", word, head[figure]
    yield "learning", "attackers, apart", "count", head["attackers"]
    yield "learning", "nodes measured", "count", head["measured"]
    for name in names:
        yield "learning", f"{word}{OF_NODE}{name}", word, of.get(name)
    yield from _totals("learning", side.summary["nodes"], {"samples": "samples", "training steps": "steps", "updates": "updates"})


def steps_by(run: Run, moment: float) -> float:
    """Training steps that a node had done by then, in the mean."""
    steps = {event.node: event.steps for event in run.of(Trained) if run.seconds(event.t) <= moment}
    return sum(steps.values()) / len(run.nodes)


def _chain(side: Side) -> Iterator[Line]:
    sent = {"transactions sent": "sent", "transactions received": "received", "receipts": "receipts"}
    yield from _totals("chain", side.summary["nodes"], sent)
    blocks = list(side.summary["blocks"].values())
    count = sum(node["blocks"] for node in blocks)
    transactions, confirmations = (sum((node[f"{what}_per_block"] or 0) * node["blocks"] for node in blocks) for what in PER_BLOCK[:2])
    yield "chain", "blocks", "count", count
    yield "chain", "transactions a block", "ratio", transactions / count if count else None
    yield "chain", "confirmations", "count", round(confirmations)
    yield "chain", "confirmations a block", "ratio", confirmations / count if count else None
    yield from _totals("chain", side.summary["blocks"], {"blocks fully confirmed": "complete"})


def _cost(summary: Figures) -> Iterator[Line]:
    for kind in (*WORK, "unattributed", "total"):
        yield "CPU of the nodes", kind, "seconds", round(sum(node[kind] for node in summary["cpu"]["nodes"].values()), 6)
    each = summary["cpu"]["network"]["ms_per_transaction"]
    yield "CPU of the nodes", "blockchain, each transaction", "ms", each["blockchain"]
    yield "CPU of the nodes", "not learning, each transaction", "ms", each["outside_learning"]
    yield from _totals("traffic", summary["links"], {"models sent": "models", "bytes of models": "bytes", "sent again": "repeated"})


def _totals(group: str, rows: dict[str, Figures], names: dict[str, str]) -> Iterator[Line]:
    """The sums of what stands under a key in each row."""
    for name, key in names.items():
        yield group, name, "bytes" if key == "bytes" else "count", sum(row[key] for row in rows.values())


# --- shown


def render(a: Side, b: Side, figures: Iterable[Figure], console: Console) -> None:
    """Print the two runs and a line a figure; the last column holds what differs and is empty where nothing does."""
    for letter, side in (("A", a), ("B", b)):
        console.print(Text(f"{letter}  {side.run.path}", style="bold"), soft_wrap=True)
        console.print(Padding(Text(side.summary["headline"]["text"]), (0, 0, 0, 3), expand=False))
    shown = list(_shown(list(figures), _kinds(a.run, b.run)))
    names, values = _widths(shown, console.width)
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    for header in ("A", "B"):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("difference", justify="right", style="yellow", no_wrap=True)
    group = ""
    for figure in shown:
        if figure.group != group:
            group = figure.group
            table.add_row()
            table.add_row(Text(group, style="bold cyan"))
        cells = [broken(text_of(figure.kind, value, LINES * values), values) for value in (figure.a, figure.b)]
        table.add_row(Text(broken(f"  {figure.name}", names, "    ")), *map(Text, [*cells, difference_text(figure)]))
    console.print(table)


def _widths(figures: Sequence[Figure], width: int) -> tuple[int, int]:
    """Columns for the names and for each side's values: what is longest, or where that has no room, as many as are left."""
    names = max((len(figure.name) + 2 for figure in figures), default=0)
    values = max((len(text_of(figure.kind, value)) for figure in figures for value in (figure.a, figure.b)), default=0)
    rest = width - max(len("difference"), *(len(difference_text(figure)) for figure in figures)) - 3 * GAP
    values = min(values, max((rest - names) // 2, LEAST_VALUE))
    return min(names, max(rest - 2 * values, LEAST_VALUE)), values


def _shown(figures: list[Figure], kinds: Mapping[str, str]) -> Iterator[Figure]:
    """All but the rows of the nodes after the first few, which say what the nodes are, by `kinds`."""
    rows = 0
    for figure in figures:
        rows += figure.name.startswith(NODES)
        if not figure.name.startswith(NODES):
            yield figure
        elif rows <= ROWS:
            word, of, name = figure.name.partition(OF_NODE)
            yield msgspec.structs.replace(figure, name=word + of + name_text(name) + kinds.get(name, ""))
        elif rows == ROWS + 1:
            hidden = sum(other.name.startswith(NODES) for other in figures) - ROWS
            yield Figure(figure.group, f"... and {hidden} more nodes with --json", "text", "", "")


def _kinds(a: Run, b: Run) -> dict[str, str]:
    """What nodes are that are not normal on each side that has them: " (sign_flip)", or " (A normal, B sign_flip)"."""
    told = {}
    for name in (*a.nodes, *b.nodes):
        there = {side: run for side, run in (("A", a), ("B", b)) if name in run.nodes}
        sides = {side: kind_text(run.roles.get(name, NORMAL), run.attacks.get(name)) for side, run in there.items()}
        if set(sides.values()) != {NORMAL}:
            same = len(set(sides.values())) == 1
            told[name] = f" ({next(iter(sides.values())) if same else ', '.join(f'{side} {kind}' for side, kind in sides.items())})"
    return told


def text_of(kind: str, value: Value, most: int = WIDEST) -> str:
    """A value as a person reads it; a text in at most so many letters."""
    if value is None:
        return "-"
    if isinstance(value, str):
        most = min(most, WIDEST)
        return value if len(value) <= most else value[: most - 2] + ".."
    return size_text(value) if kind == "bytes" else FORMATS[kind].format(value)


def difference_text(figure: Figure) -> str:
    """How B differs from A, as far as it can be seen: accuracies by their difference, other numbers by their share, the rest in words."""
    if text_of(figure.kind, figure.a) == text_of(figure.kind, figure.b) and (figure.kind != "text" or figure.a == figure.b):
        return ""
    if figure.difference is None:
        return "differs" if None not in (figure.a, figure.b) else "only A" if figure.b is None else "only B"
    if figure.kind in MEASURES:
        return f"{figure.difference:+.4f}"
    return f"{100 * figure.difference / float(figure.a):+.1f} %" if figure.a else f"{figure.difference:+g}"


def sheet(a: Side, b: Side, figures: Iterable[Figure]) -> Sheet:
    """The comparison as a table for documents."""
    shown = list(_shown(list(figures), _kinds(a.run, b.run)))
    columns = (
        Column("", [f"{figure.group}: {figure.name}" for figure in shown], left=True),
        *(Column(letter, [text_of(figure.kind, getattr(figure, letter.lower())) for figure in shown]) for letter in "AB"),
        Column("difference", [difference_text(figure) for figure in shown]),
    )
    return Sheet(f"A: {a.run.path.resolve().name}, B: {b.run.path.resolve().name}", columns)


def rows(figures: Iterable[Figure]) -> list[Figures]:
    """A row a figure, for programs."""
    return [{**msgspec.to_builtins(figure), "difference": figure.difference} for figure in figures]


def as_json(a: Side, b: Side, figures: Iterable[Figure]) -> Figures:
    """The comparison for programs."""
    return {"a": str(a.run.path), "b": str(b.run.path), "figures": rows(figures)}
