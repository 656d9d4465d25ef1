"""A simulation's progress: a bar where there is a terminal, lines elsewhere."""

import io

import pytest
from rich.console import Console

from dfl_actors.report.progress import InLog, OnTerminal, Progress, shown
from tests.report.terminals import Attached, Terminal


def test_without_colours_the_bar_shows_its_end() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120, no_color=True, _environ={"TERM": "xterm"})
    bar = OnTerminal(console)
    bar.begin(100)
    bar.show(25, "ticks, accuracy 0.912")
    bar._live.refresh()
    bar.end()
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "━" * 10 in text and "─" * 30 in text and "\x1b[3" not in text


@pytest.mark.parametrize(("term", "kind"), [("xterm", OnTerminal), ("dumb", InLog)])
def test_a_dumb_terminal_gets_lines(term: str, kind: type) -> None:
    assert type(shown("auto", Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": term}))) is kind


def test_before_the_first_tick_it_says_what_it_waits_for() -> None:
    terminal = Terminal(60, 24)
    bar = OnTerminal(Attached(terminal))
    progress = Progress(bar, 2000, [0], print)
    try:
        with progress:
            progress.starting("importing TensorFlow")
            (line,) = terminal.lines()
            assert line.startswith("importing TensorFlow ") and "0/2000 0:00:0" in line
            progress.done(3)
            bar._live.refresh()
            assert terminal.lines()[0].startswith("ticks ")
    finally:
        terminal.close()
    console = Console(file=io.StringIO())
    with Progress(shown("auto", console), 10, [0], print) as progress:
        progress.starting("reading the data")
    assert console.file.getvalue() == "reading the data\n"  # type: ignore[attr-defined]
    with Progress(shown("json", console), 10, [0], print) as progress:
        progress.starting("reading the data")
    assert console.file.getvalue().endswith('{"event":"notice","text":"reading the data"}\n')  # type: ignore[attr-defined]


def test_numbers_and_the_address_of_the_page_are_whole_at_every_width_and_a_resize_leaves_nothing_behind() -> None:
    terminal = Terminal(120, 24)
    bar = OnTerminal(Attached(terminal), "http://127.0.0.1:8765/")
    try:
        bar.begin(2000)
        live = bar._live
        assert live._refresh_thread is not None
        live._refresh_thread.stop()  # from here on the test says when
        live._refresh_thread.join()
        bar.show(1250, "ticks, accuracy 0.912")
        bar.tell("tick 1200: node 2 leaves")
        for width in (120, 80, 60, 50, 200):
            terminal.resize(width, 24)
            live.refresh()
            told, line, page = terminal.lines()
            assert told == "tick 1200: node 2 leaves" and page == "page: http://127.0.0.1:8765/"
            assert line.startswith("ticks, accuracy 0.912 ") and "1250/2000 0:00:0" in line and line.count(":") == 4, (width, line)
            assert width < 60 or "━" in line
    finally:
        bar.end()
        assert terminal.lines() == ["tick 1200: node 2 leaves"]
        terminal.close()
