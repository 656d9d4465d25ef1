"""Tables as text, Markdown, LaTeX and CSV."""

import pytest

from dfl_actors.errors import ConfigError
from dfl_actors.report.formats import Sheet, csv_text, format_named, mean_text
from dfl_actors.report.table import Column

SHEET = Sheet(
    "what it shows", (Column("name", ["a_b", "c|d", "50 %"], left=True), Column("n", ["1 ± 2", "3", "-"], 5), Column("m", ["4", "5", "6"]))
)


def test_text_is_aligned_and_gives_way_where_it_is_narrow() -> None:
    assert SHEET.text() == "what it shows\n\nname      n  m\na_b   1 ± 2  4\nc|d       3  5\n50 %      -  6"
    assert SHEET.text(width=8) == "what it\nshows\n\nname  m\na_b   4\nc|d   5\n50 %  6"


def test_signs_of_a_format_are_escaped() -> None:
    assert SHEET.as_text("markdown").splitlines()[:4] == [
        "| name | n | m |",
        "| --- | ---: | ---: |",
        "| a_b | 1 ± 2 | 4 |",
        "| c\\|d | 3 | 5 |",
    ]
    latex = SHEET.as_text("latex").splitlines()
    assert latex[:2] == ["% what it shows", "\\begin{tabular}{lrr}"] and latex[-1] == "\\end{tabular}"
    assert latex[5:8] == [r"a\_b & 1 $\pm$ 2 & 4 \\", r"c|d & 3 & 5 \\", r"50 \% & - & 6 \\"]


def test_csv_has_a_head_and_quotes_what_needs_it() -> None:
    assert csv_text([{"a": 'say "x", y', "b": None}, {"a": 1.5, "b": 2}]) == 'a,b\n"say ""x"", y",\n1.5,2'
    assert csv_text([]) == "" and SHEET.as_text("csv").startswith("name,n,m\na_b,")


def test_a_mean_of_one_has_no_deviation() -> None:
    assert (mean_text((0.5, 0.25), 2), mean_text((0.5, None), 1), mean_text(None, 3)) == ("0.50 ± 0.25", "0.5", "-")


def test_another_format_is_refused() -> None:
    assert format_named("csv") == "csv"
    with pytest.raises(ConfigError, match="unknown format 'csv': choose text, latex"):
        format_named("csv", ("text", "latex"))
