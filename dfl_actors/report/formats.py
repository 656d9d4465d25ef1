"""Tables as text, for a terminal and for documents: plain, Markdown, LaTeX, and CSV. Whoever has a table to give away gives it here."""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from textwrap import wrap
from typing import Literal, get_args
from unicodedata import normalize

import msgspec
from rich.cells import cell_len

from dfl_actors.errors import ConfigError
from dfl_actors.report.table import Column, fit

Format = Literal["text", "markdown", "latex", "csv"]
FORMATS: tuple[Format, ...] = get_args(Format)
LATIN = r"\x00-\u0125\u0128-\u0137\u0139-\u013e\u0141-\u0148\u014a-\u0165\u0168-\u017e"
KNOWN = re.compile(rf"[{LATIN}\u2013\u2014\u2018-\u201e\u2020-\u2022\u2026\u2030\u2039\u203a\u20ac\u2122]")
"""What pdfLaTeX prints as it is, with the encoding T1."""


def format_named(said: str, formats: Sequence[Format] = FORMATS) -> Format:
    """The format of that name. Raises `ConfigError` where it is none of `formats`."""
    for one in formats:
        if one == said:
            return one
    raise ConfigError(f"unknown format {said!r}: choose {', '.join(formats)}")


class Sheet(msgspec.Struct, frozen=True):
    """A table whose cells are text, and in a line what it shows. Columns of less importance than 9 give way on a narrow terminal."""

    title: str
    columns: tuple[Column, ...]

    def lines(self) -> list[list[str]]:
        """The cells row by row, the head first."""
        return [[column.header for column in self.columns], *map(list, zip(*(column.cells for column in self.columns), strict=True))]

    def text(self, width: int = 10_000) -> str:
        """For a terminal so wide."""
        kept, gap = fit(self.columns, width)
        sheet = Sheet(self.title, tuple(kept))
        rows = ((" " * gap).join(map(_padded, line, kept)).rstrip() for line in sheet.lines())
        return "\n".join([*wrap(self.title, width), "", *rows])

    def markdown(self) -> str:
        """For a document."""
        head, *rows = ([part.replace("|", "\\|").replace("\n", " ") for part in line] for line in self.lines())
        rule = ["---" if column.left else "---:" for column in self.columns]
        return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *rows)) + f"\n\n{self.title}"

    def latex(self) -> str:
        """For a paper, with the package booktabs."""
        head, *rows = ([_tex(part) for part in line] for line in self.lines())
        body = [f"{' & '.join(line)} \\\\" for line in rows]
        sides = "".join("l" if column.left else "r" for column in self.columns)
        start = [f"\\begin{{tabular}}{{{sides}}}", "\\toprule", f"{' & '.join(head)} \\\\", "\\midrule"]
        said = [f"% {_line(self.title)}", *_wanted({letter for line in self.lines() for text in line for letter in _line(text)} - set(TEX))]
        return "\n".join([*said, *start, *body, "\\bottomrule", "\\end{tabular}"])

    def csv(self) -> str:
        """For other programs."""
        head, *rows = self.lines()
        return csv_text([dict(zip(head, row, strict=True)) for row in rows])

    def as_text(self, format: Format = "text", width: int = 10_000) -> str:
        """In one of the formats, without a newline at the end."""
        return self.text(width) if format == "text" else {"markdown": self.markdown, "latex": self.latex, "csv": self.csv}[format]()


def _padded(cell: str, column: Column) -> str:
    blank = " " * (column.width - cell_len(cell))
    return cell + blank if column.left else blank + cell


TEX = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    '"': r"\char34{}",  # which some languages give a meaning of their own
    "±": r"$\pm$",
}


def _tex(text: str) -> str:
    """What a user named, as LaTeX prints it: its own signs, signs that run into one another, and what an end of a row would take for its
    argument are none any more."""
    said = "".join(TEX.get(letter, letter) for letter in _line(text))
    apart = re.sub(r"([-',])(?=\1)", r"\1{}", said)
    minus = re.sub(r"(?<![\w}-])-(?=\.?\d)", "$-$", apart)
    return f"{{}}{minus}" if minus.startswith(("[", "*")) else minus


def _line(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in normalize("NFC", text)).split())


def _wanted(letters: set[str]) -> list[str]:
    """What a document must have for a table with these letters."""
    unknown = sorted(letter for letter in letters if not KNOWN.match(letter))
    encoding = [] if all(map(str.isascii, letters)) or unknown else ["% \\usepackage[T1]{fontenc}"]
    engine = [f"% for LuaLaTeX or XeLaTeX, with a font that has {' '.join(unknown[:10])}"] if unknown else []
    return ["% \\usepackage{booktabs}", *encoding, *engine]


def mean_text(mean: tuple[float, float | None] | None, decimals: int) -> str:
    """A mean with its standard deviation, where there is one: "0.941 ± 0.003"."""
    if mean is None:
        return "-"
    value, std = mean
    return f"{value:.{decimals}f}" + ("" if std is None else f" ± {std:.{decimals}f}")


def csv_text(rows: Iterable[Mapping[str, object]]) -> str:
    """Rows that have the same keys as CSV, the keys as its head; without a newline at the end, and empty where there is no row."""
    given, text = list(rows), StringIO()
    if not given:
        return ""
    writer = csv.DictWriter(text, list(given[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(given)
    return text.getvalue().removesuffix("\n")
