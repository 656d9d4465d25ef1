"""The four ways to watch a run, and a picture on a terminal whose size changes."""

import io
import json
from collections.abc import Callable

import pytest
from rich.console import Console

from dfl_actors.report.live import plain_line
from dfl_actors.report.watching import Watch
from tests.report.statuses import network
from tests.report.terminals import Attached, Terminal


class Clock:
    """Time that passes only when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def watched(play: Callable[[Watch, Clock], None], terminal: bool = False, quiet: bool = False, json: bool = False) -> str:
    console = Console(file=io.StringIO(), width=60, height=24, force_terminal=terminal, color_system=None)
    clock = Clock()
    watch = Watch(console, quiet=quiet, json=json, clock=clock)
    play(watch, clock)
    watch.close()
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def five_seconds(watch: Watch, clock: Clock) -> None:
    """Ten updates a second, a notice in the middle, and a last update that is held back."""
    for tenth in range(50):
        watch.update(network(elapsed=tenth / 10))
        clock.now += 0.1
        if tenth == 25:
            watch.event("trainer of node 2 crashed (killed by signal 9) and was restarted")


def test_plain_lines_come_every_two_seconds_and_at_the_end() -> None:
    lines = watched(five_seconds).splitlines()
    assert [line.split()[0] for line in lines] == ["0.0", "2.0", "trainer", "4.0", "4.9"]
    assert lines[0] == plain_line(network(elapsed=0.0)), "a line longer than the console is not folded"


def test_a_change_of_state_is_told_at_once() -> None:
    def play(watch: Watch, clock: Clock) -> None:
        for state in ("starting", "starting", "running", "running", "stopping"):
            watch.update(network(state=state))

    assert [("starting" in line, "stopping" in line) for line in watched(play).splitlines()] == [
        (True, False),
        (False, False),
        (False, True),
    ]


def test_json_is_one_object_a_line() -> None:
    objects = [json.loads(line) for line in watched(five_seconds, json=True).splitlines()]
    assert [item["event"] for item in objects] == ["status", "status", "notice", "status", "status"]
    assert objects[0]["nodes"][1]["reputations"] == {"0": 1.0, "2": 0.95, "3": 1.0}
    assert objects[2] == {"event": "notice", "text": "trainer of node 2 crashed (killed by signal 9) and was restarted", "error": False}


def test_json_is_json_on_a_terminal_too() -> None:
    lines = watched(five_seconds, json=True, terminal=True).splitlines()
    assert [json.loads(line)["event"] for line in lines].count("status") == 4


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("as_json", [False, True])
def test_quiet_tells_nothing_but_errors(terminal: bool, as_json: bool) -> None:
    def failing(watch: Watch, clock: Clock) -> None:
        five_seconds(watch, clock)
        watch.event("node 2 stopped", error=True)

    assert watched(five_seconds, quiet=True, terminal=terminal, json=as_json) == ""
    assert watched(failing, quiet=True, terminal=terminal, json=as_json).count("node 2 stopped") == 1


def test_a_terminal_gets_a_table_that_is_taken_away_at_the_end() -> None:
    text = watched(five_seconds, terminal=True)
    assert "fully_connected_4  running" in text
    assert "crashed (killed by signal 9)" in text
    assert "\x1b[?25h" in text[text.rindex("\x1b[?25l") :], "the cursor is given back"


def test_the_address_of_its_page_stands_in_the_picture_from_the_start_and_in_no_log() -> None:
    page = "http://127.0.0.1:8765/"
    for terminal, times in ((True, 2), (False, 0)):
        console = Console(file=io.StringIO(), width=60, height=24, force_terminal=terminal, color_system=None)
        watch = Watch(console, page=page)
        watch.event("preparing the data and the model")
        if watch._live is not None:
            watch._live.refresh()
        watch.update(network())
        watch.close()
        text = console.file.getvalue()  # type: ignore[attr-defined]
        assert text.count(f"page: {page}") >= times and bool(times) == (page in text)


def test_a_watch_closes_twice_and_without_an_update() -> None:
    for terminal in (False, True):
        assert watched(lambda watch, clock: watch.close(), terminal=terminal) == ""
        watched(lambda watch, clock: (watch.update(network()), watch.close(), watch.close())[0], terminal=terminal)


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_dumb_terminal_gets_lines(term: str) -> None:
    console = Console(file=io.StringIO(), width=60, force_terminal=True, color_system=None, _environ={"TERM": term})
    watch = Watch(console, clock=Clock())
    watch.update(network())
    watch.event("node b leaves")
    watch.close()
    assert console.file.getvalue().splitlines() == [plain_line(network()), "node b leaves"]  # type: ignore[attr-defined]


def test_without_colours_the_bar_has_an_end_and_the_table_no_colour() -> None:
    console = Console(file=io.StringIO(), width=80, height=24, force_terminal=True, no_color=True)
    watch = Watch(console)
    watch.update(network(duration=25.0))
    watch.close()
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "━─" in text.replace("\x1b[0m", "").replace("\x1b[2m", "") and "\x1b[3" not in text


def test_a_terminal_whose_size_changes_shows_the_table_once_and_keeps_what_was_told() -> None:
    terminal = Terminal(120, 24)
    watch = Watch(Attached(terminal), page="http://127.0.0.1:8765/")
    try:
        watch.event("preparing the data and the model")
        watch.update(network(duration=90.0, target=0.95))
        live = watch._live
        assert live is not None and live._refresh_thread is not None
        live._refresh_thread.stop()  # from here on the test says when
        live._refresh_thread.join()
        for width, height in ((120, 24), (70, 24), (50, 12), (118, 30), (80, 24)):
            terminal.resize(width, height)
            live.refresh()
            lines = terminal.lines()
            text = "\n".join(lines)
            assert text.count("fully_connected_4  running") == text.count("honest nodes: mean") == 1, (width, text)
            assert lines.count("page: http://127.0.0.1:8765/") == 1, "what is above the table may be gone"
            assert sum(line.startswith("node ") for line in lines) == 1 and lines[0] == "preparing the data and the model"
            assert all(any(line.startswith(f"{node} ") for line in lines) for node in range(4))
        watch.event("node 2 leaves")
        assert terminal.lines()[:2] == ["preparing the data and the model", "node 2 leaves"]
        watch.close()
        assert terminal.lines() == ["preparing the data and the model", "node 2 leaves"], "the summary follows"
    finally:
        watch.close()
        terminal.close()
