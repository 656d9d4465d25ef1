"""Tables for terminals, and the texts of figures.

A table is a list of `Column`s that already hold their text. `fit` makes them fit a width: first the gaps shrink, then the
least important column takes its short form or goes. So the same rule serves 80 and 200 columns, the live table and
the closing summary.
"""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dfl_actors.report.kinds import kinds_told

NAME_WIDTH = 16  # What a longer name is cut to, in the middle, where nothing else can give way.
BLOCKS = "▁▂▃▄▅▆▇█"


class Column(msgspec.Struct, frozen=True):
    """A column of a table. `importance` 9 never goes; `short`, below the header `brief` if it has one, stands in for `cells` before the
    column goes. `nodes` are those whose names the cells are, uncut: a page marks what they are."""

    header: str
    cells: Sequence[str]
    importance: int = 9
    left: bool = False
    style: str = ""
    short: Sequence[str] | None = None
    brief: str = ""
    nodes: Sequence[str] = ()

    @property
    def width(self) -> int:
        return max(cell_len(text) for text in (self.header, *self.cells))


def fit(columns: Iterable[Column], width: int) -> tuple[list[Column], int]:
    """The columns that fit in `width` and the gap between them. What can never fit is left for the terminal to cut."""
    kept = list(columns)
    while True:
        for gap in (2, 1):
            if sum(column.width for column in kept) + gap * (len(kept) - 1) <= width:
                return kept, gap
        least = min(range(len(kept)), key=lambda index: (kept[index].importance, -index))
        if kept[least].importance >= 9:
            return kept, 1
        column = kept.pop(least)
        if column.short is not None:  # which counts as more important: others go before it
            shorter = msgspec.structs.replace(column, header=column.brief or column.header, cells=column.short, short=None)
            kept.insert(least, msgspec.structs.replace(shorter, importance=column.importance + 2))


def grid(columns: Iterable[Column], width: int, *, footer: bool = False, alarm: Sequence[bool] = ()) -> Table:
    """A borderless table of `columns`, at most `width` wide. With `footer`, the last row is set apart; rows marked in `alarm` are red."""
    kept, gap = fit(columns, width)
    table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False, header_style="bold")
    for column in kept:
        table.add_column(Text(column.header), justify="left" if column.left else "right", style=column.style, no_wrap=True)
    rows = list(zip(*(column.cells for column in kept), strict=True))
    for number, row in enumerate(rows):
        bad = number < len(alarm) and alarm[number]
        table.add_row(*(Text(cell, "red" if bad else "") for cell in row), style="bold" if footer and number == len(rows) - 1 else "")
    return table


def uncut_console() -> Console:
    """As wide as the terminal; where there is none, a program or a file gets all of it."""
    return Console(width=None if sys.stdout.isatty() else 10_000)


def broken(text: str, width: int, indent: str = "") -> str:
    """Lines of at most `width` columns, broken between words, and between the parts of a key; `indent` stands before all but the first.

    >>> broken("training.steps_per_transaction", 24, "  ").splitlines()
    ['training.steps_per_', '  transaction']
    """
    lines = [""]
    for part in re.split(r"(?<=[\s._,])", text):
        if lines[-1].strip() and cell_len(lines[-1] + part.rstrip()) > width:
            lines.append(indent)
        lines[-1] += part
        while cell_len(lines[-1].rstrip()) > width:
            lines[-1:] = [lines[-1][:width], indent + lines[-1][width:]]
    return "\n".join(map(str.rstrip, lines))


def tell(console: Console, text: str, style: str = "") -> None:
    """A sentence: on a terminal broken between its words, elsewhere a whole line."""
    console.print(Text(text, style), soft_wrap=not console.is_terminal)


def accuracy_text(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def size_text(size: float) -> str:
    """Bytes for people, in powers of ten: "740 B", "1.72 MB", "229 MB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.4g} TB"


def range_text(values: Iterable[float | None], digits: int) -> str:
    """The span of what is known: "0.912..0.934", "0.912" if all are equal, "-" if nothing is known."""
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    low, high = f"{min(known):.{digits}f}", f"{max(known):.{digits}f}"
    return low if low == high else f"{low}..{high}"


def name_text(name: str, width: int = NAME_WIDTH) -> str:
    """The name in so many columns: it is cut in the middle, for names of one network often differ at their ends alone."""
    if cell_len(name) <= width:
        return name
    end = (width - 2) // 2
    return f"{name[: width - 2 - end]}..{name[-end:]}"


def short_names(names: Sequence[str]) -> list[str]:
    """The names, each cut as far as all of them stay different."""
    width, longest = NAME_WIDTH, max(map(cell_len, names), default=0)
    while width < longest and len({name_text(name, width) for name in names}) < len(set(names)):
        width += 2
    return [name_text(name, width) for name in names]


def names_column(names: Iterable[str]) -> Column:
    """The nodes, each at the head of its row. Names give way last."""
    whole = list(names)
    short = short_names(whole)
    return Column("node", whole, 8 if short != whole else 9, left=True, style="cyan", short=short, nodes=whole)


def reputations_column(nodes: Sequence[Mapping[str, float]], importance: int) -> Column:
    """ "1:1.00 2:0.95" for a few neighbours, their span for more than four, or where that has no room."""
    short = [range_text(reputations.values(), 2) for reputations in nodes]
    texts = [" ".join(f"{name}:{value:.2f}" for name, value in reputations.items()) or "-" for reputations in nodes]
    cells = [text if len(of) <= 4 else span for text, span, of in zip(texts, short, nodes, strict=True)]
    return Column("reputations", cells, importance, left=True, short=short)


def troubles_column(header: str, counts: Sequence[int]) -> list[Column]:
    """What should not be: no column where there is none of it."""
    return [Column(header, [str(count) if count else "" for count in counts], 7, style="red")] if any(counts) else []


def kind_column(kinds: Sequence[str], importance: int = 9) -> list[Column]:
    """What the nodes are, by `roles.kind_text`; no column where all are normal."""
    return [Column("kind", kinds, importance, left=True)] if kinds_told(kinds) else []


def sparkline(values: Sequence[float], low: float, high: float) -> str:
    """The values as bars between `low` and `high`.

    >>> sparkline([0.1, 0.5, 0.9, 1.0], 0.0, 1.0)
    '▁▄▇█'
    """
    span = high - low
    return "".join(BLOCKS[min(int((value - low) / span * len(BLOCKS)), len(BLOCKS) - 1)] if span > 0 else BLOCKS[0] for value in values)


def bar(done: float, width: int, ascii_only: bool = False) -> Text:
    """How much of 0..1 is done, with an end that is seen without colours too."""
    full, rest = ("=", "-") if ascii_only else ("━", "─")
    filled = int(done * width)
    return Text.assemble((full * filled, "green"), (rest * (width - filled), "dim"))
