"""The four ways to watch a run: a table on a terminal, one line now and then elsewhere, JSON for programs, nothing when quiet."""

import time
from collections import deque
from collections.abc import Callable
from typing import Any

import orjson
from rich.console import Console, ConsoleRenderable, Group, RenderableType
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType
from rich.text import Text

from dfl_actors.report.live import json_line, live_table, page_lines, plain_line
from dfl_actors.runtime.status import NetworkStatus

PLAIN_INTERVAL = 2.0  # Seconds between two lines where there is no terminal: a log of ten minutes stays under 300 lines.
REMEMBERED = 50  # Lines above the table that are written again when the terminal's size changes.


def draws(console: Console) -> bool:
    """Whether a picture on it can be drawn over: a dumb terminal knows no way back."""
    return console.is_terminal and not console.is_dumb_terminal


class Redrawn(Live):
    """A live picture that leaves nothing behind when the terminal's size changes.

    Terminals break the lines of before anew, each in its own way, so nobody knows where they are: the screen is cleared, and the lines that
    were written above the picture (`note`) are written again.
    """

    def __init__(self, console: Console, **options: Any) -> None:
        self._drawn_at: tuple[int, int] | None = None
        self._notes: deque[Text] = deque(maxlen=REMEMBERED)
        super().__init__(console=console, **options)

    def note(self, line: Text) -> None:
        """Write a line above the picture."""
        self.console.print(line, soft_wrap=True)
        self._notes.append(line)

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """What is written, after the way back to the beginning of the picture and before the picture."""
        with self._lock:
            size, before = (self.console.width, self.console.height), self._drawn_at
            self._drawn_at = size
            found = super().process_renderables(renderables)
            if before in (None, size):
                return found
            room = max(self.console.height - self._live_render.last_render_height - 1, 0)
            notes = list(self._notes)[-room:] if room else []
            return [Control(ControlType.HOME, ControlType.CLEAR), *notes, *found[1:]]


class Watch:
    """Shows a running network in the way that suits where the output goes. Call `close` at the end, whatever happened.

    On a terminal a table redrawn four times a second; elsewhere a line at most every two seconds and whenever the state
    changes; with `json` the same as JSON objects, {"event": "status" or "notice", ...}; with `quiet` only errors. The table has the address
    of a `page` that follows the run in its head, where nothing takes it away.
    """

    def __init__(
        self, console: Console, quiet: bool = False, json: bool = False, clock: Callable[[], float] = time.monotonic, page: str = ""
    ) -> None:
        self._console, self._quiet, self._json, self._clock, self._page = console, quiet, json, clock, page
        self._status: NetworkStatus | None = None
        self._live: Redrawn | None = None
        self._begun = clock()
        self._printed: NetworkStatus | None = None
        self._printed_at = 0.0

    def update(self, status: NetworkStatus) -> None:
        """Show `status` now, or soon, or not at all if a newer one comes first."""
        self._status = status
        if self._quiet:
            return
        if self._draws:
            self._start_live()
        elif self._due(status):
            self._print(status)

    def event(self, text: str, error: bool = False) -> None:
        """Say something that happened, one line, at once. Errors are shown even when quiet."""
        if self._quiet and not error:
            return
        if self._json:
            self._console.out(orjson.dumps({"event": "notice", "text": text, "error": error}).decode(), highlight=False)
        elif self._draws and not self._quiet:
            self._start_live().note(Text(text, "red" if error else ""))
        else:
            self._console.out(text, style="red" if error else None, highlight=False)

    def close(self) -> None:
        """Take the live table away (the closing summary follows), or print the last status if it was held back."""
        if self._live is not None:
            self._live.stop()
            self._live = None
        elif not self._quiet and self._status is not None and self._status != self._printed:
            self._print(self._status)

    @property
    def _draws(self) -> bool:
        return not self._json and draws(self._console)

    def _start_live(self) -> Redrawn:
        if self._live is None:
            self._live = Redrawn(self._console, get_renderable=self._picture, refresh_per_second=4, transient=True)
            self._live.start()
        return self._live

    def _picture(self) -> RenderableType:
        """The latest status, at the size that the terminal has at this moment; before there is one, for how long that has been."""
        if self._status is None:
            return Group(Text(f"starting  {self._clock() - self._begun:.0f} s", "dim"), *page_lines(self._page))
        ascii_only = not self._console.encoding.startswith("utf")
        return live_table(self._status, self._console.width, self._console.height, ascii_only, self._page)

    def _due(self, status: NetworkStatus) -> bool:
        changed = self._printed is None or self._printed.state != status.state
        return changed or self._clock() - self._printed_at >= PLAIN_INTERVAL

    def _print(self, status: NetworkStatus) -> None:
        self._printed, self._printed_at = status, self._clock()
        self._console.out(json_line(status) if self._json else plain_line(status), highlight=False)
