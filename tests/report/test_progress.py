"""A simulation's progress: a bar where there is a terminal, lines elsewhere."""

import io

import pytest
from rich.console import Console

from dfl_actors.report.progress import InLog, OnTerminal, shown


def test_without_colours_the_bar_shows_its_end() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120, no_color=True, _environ={"TERM": "xterm"})
    bar = OnTerminal(console)
    bar.begin(100)
    bar.show(25, "ticks, accuracy 0.912")
    bar._bar.refresh()
    bar.end()
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "━" * 10 in text and "─" * 30 in text and "\x1b[3" not in text


@pytest.mark.parametrize(("term", "kind"), [("xterm", OnTerminal), ("dumb", InLog)])
def test_a_dumb_terminal_gets_lines(term: str, kind: type) -> None:
    assert type(shown("auto", Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": term}))) is kind
