"""Tables as text, Markdown, LaTeX and CSV."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import text

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
    assert latex[:3] == ["% what it shows", "% \\usepackage{booktabs}", "\\begin{tabular}{lrr}"] and latex[-1] == "\\end{tabular}"
    assert latex[6:9] == [r"a\_b & 1 $\pm$ 2 & 4 \\", r"c\textbar{}d & 3 & 5 \\", r"50 \% & - & 6 \\"]


def cell(name: str) -> str:
    """A name as it stands in a LaTeX table."""
    _, row = Sheet("t", (Column("", [name], left=True), Column("", ["x"]))).latex().split("\\midrule\n")
    return row.partition(" & x")[0]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("a_b%c&d$e#f", r"a\_b\%c\&d\$e\#f"),
        ("\\{x}~^", r"\textbackslash{}\{x\}\textasciitilde{}\textasciicircum{}"),
        ("<a|b>", r"\textless{}a\textbar{}b\textgreater{}"),
        ('"o`', r"\char34{}o\textasciigrave{}"),
        ("a--b ,,c'' - --- d", "a-{}-b ,{},c'{}' - -{}-{}- d"),
        ("[0.1, 0.2]", "{}[0.1, 0.2]"),
        ("*", "{}*"),
        ("-0.25 ± 1", r"$-$0.25 $\pm$ 1"),
        ("2026-01-02", "2026-01-02"),
        ("krum, -.5", "krum, $-$.5"),
        ("two\n\nlines\x1b[31m", "two lines [31m"),
        ("Zoë Łódź", "Zoë Łódź"),
        ("Zoe\u0308", "Zoë"),
    ],
)
def test_latex_prints_what_users_named_as_it_is(name: str, written: str) -> None:
    assert cell(name) == written


@given(text(alphabet=st.one_of(st.sampled_from("\\{}[]*&%$#_~^<>|`'\"-,.±0a \n"), st.characters()), max_size=30))
def test_no_sign_of_a_name_means_anything_to_latex(name: str) -> None:
    said = cell(name)
    rest = re.sub(
        r"\\[&%$#_{}]|\\(textbackslash|textasciitilde|textasciicircum|textless|textgreater|textbar|textasciigrave|char34)\{\}", "!", said
    )
    rest = re.sub(r"\$(\\pm|-)\$", "!", rest).replace("{}", "!")
    assert not set(rest) & set('\\{}&%$#_~^<>|`"\n') and not rest.startswith(("[", "*"))
    assert not re.search(r"--|''|,,", rest)


def test_letters_that_pdflatex_lacks_are_told_of() -> None:
    table = Sheet("über\nalles", (Column("name", ["\u0443\u0437\u0435\u043b", "Łódź"]),)).latex().splitlines()
    assert table[:3] == [
        "% über alles",
        "% \\usepackage{booktabs}",
        "% for LuaLaTeX or XeLaTeX, with a font that has \u0435 \u0437 \u043b \u0443",
    ]
    assert Sheet("", (Column("Ħ", ()),)).latex().splitlines()[2].endswith("a font that has Ħ")
    assert Sheet("", (Column("Łódź…", ()),)).latex().splitlines()[1:3] == ["% \\usepackage{booktabs}", "% \\usepackage[T1]{fontenc}"]
    assert SHEET.latex().splitlines()[2].startswith("\\begin{tabular}")


def test_csv_has_a_head_and_quotes_what_needs_it() -> None:
    assert csv_text([{"a": 'say "x", y', "b": None}, {"a": 1.5, "b": 2}]) == 'a,b\n"say ""x"", y",\n1.5,2'
    assert csv_text([]) == "" and SHEET.as_text("csv").startswith("name,n,m\na_b,")


def test_a_mean_of_one_has_no_deviation() -> None:
    assert (mean_text((0.5, 0.25), 2), mean_text((0.5, None), 1), mean_text(None, 3)) == ("0.50 ± 0.25", "0.5", "-")


def test_another_format_is_refused() -> None:
    assert format_named("csv") == "csv"
    with pytest.raises(ConfigError, match="unknown format 'csv': choose text, latex"):
        format_named("csv", ("text", "latex"))
