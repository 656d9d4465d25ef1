"""Columns that fit a width, and the texts of figures."""

import pytest
from rich.console import Console

from dfl_actors.report.table import Column, bar, fit, grid, name_text, names_column, short_names, size_text, sparkline


def test_fit_shrinks_the_gap_then_shortens_then_drops() -> None:
    a = Column(header="aaaa", cells=["1"])
    b = Column(header="b", cells=["long text"], short=["s"], importance=1)
    c = Column(header="cc", cells=["2"], importance=2)

    def at(width: int) -> tuple[list[tuple[str, int]], int]:
        kept, gap = fit([a, b, c], width)
        return [(column.header, column.width) for column in kept], gap

    assert at(19) == ([("aaaa", 4), ("b", 9), ("cc", 2)], 2)
    assert at(18) == at(17) == ([("aaaa", 4), ("b", 9), ("cc", 2)], 1)
    assert at(16) == at(11) == ([("aaaa", 4), ("b", 1), ("cc", 2)], 2)
    assert at(8) == at(7) == ([("aaaa", 4), ("b", 1)], 2)
    assert at(4) == ([("aaaa", 4)], 2)
    assert at(1) == ([("aaaa", 4)], 1)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"), (999, "999 B"), (1000, "1 kB"), (1_724_320, "1.72 MB"), (999_499, "999 kB"), (999_600, "1 MB"), (228_900_000, "229 MB"),
        (4_614_000_000, "4.61 GB"), (1_500_000_000_000, "1.5 TB"), (1_234_000_000_000_000, "1234 TB"),
    ],
)  # fmt: skip
def test_a_size_in_words(size: float, text: str) -> None:
    assert size_text(size) == text


def test_a_long_name_is_cut_in_the_middle_and_names_stay_different() -> None:
    names = ["hospital-north-charite-01", "hospital-north-charite-02", "ben"]
    assert short_names(names) == ["hospita..rite-01", "hospita..rite-02", "ben"]
    assert name_text("a" * 16) == "a" * 16 and len(name_text("b" * 64)) == 16
    alike = [f"{'a' * 20}{middle}{'b' * 20}" for middle in "xyz"]
    assert len(set(short_names(alike))) == 3


def test_figures_go_before_a_name_is_cut_and_no_figure_is_ever_cut() -> None:
    names = ["hospital-north-charite-01", "hospital-north-charite-02"]
    columns = [names_column(names), Column("test", ["0.912", "0.934"]), Column("sent", ["123", "45"], 6), Column("height", ["12", "9"], 8)]
    shown = {}
    for width in (60, 44, 38, 30):
        console = Console(width=width)
        with console.capture() as capture:
            console.print(grid(columns, width))
        shown[width] = capture.get()
    assert "sent" in shown[60] and names[0] in shown[60]
    assert "sent" not in shown[38] and names[0] in shown[38], "a figure goes, the name is whole"
    assert "hospita..rite-01" in shown[30] and "0.912" in shown[30] and "…" not in "".join(shown.values())


@pytest.mark.parametrize(
    ("values", "low", "high", "line"),
    [([], 0, 1, ""), ([0, 0.5, 0.99, 1], 0, 1, "▁▅██"), ([0.3, 0.3], 0.3, 0.3, "▁▁"), ([0.9], 0.9, 0.95, "▁")],
)
def test_a_course_as_bars(values: list[float], low: float, high: float, line: str) -> None:
    assert sparkline(values, low, high) == line


@pytest.mark.parametrize(("done", "line"), [(0.0, "──────────"), (0.55, "━━━━━─────"), (1.0, "━━━━━━━━━━")])
def test_a_bar_has_an_end_without_colours_too(done: float, line: str) -> None:
    assert bar(done, 10).plain == line
    assert bar(done, 10, ascii_only=True).plain == line.translate({ord("━"): "=", ord("─"): "-"})
