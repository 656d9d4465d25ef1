"""How far a simulation is, shown where people and programs look: a bar on a terminal, one in a notebook, lines in a log, JSON."""

import sys
import time
from collections.abc import Callable
from html import escape
from types import TracebackType
from typing import Literal, Protocol, Self, get_args

import orjson
from rich.console import Console, Group, RenderableType
from rich.progress import MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.text import Text

from dfl_actors.config.events import told
from dfl_actors.config.sections import Event
from dfl_actors.errors import ConfigError
from dfl_actors.report.live import page_lines, plain_line
from dfl_actors.report.table import bar
from dfl_actors.report.watching import Redrawn, draws
from dfl_actors.runtime.status import NetworkStatus

How = Literal["auto", "json", "none"]
"""`auto` suits where the output goes, `json` is an object a line, `none` is nothing but warnings."""

EVENTS_TOLD = 50  # Events that are told one by one while a simulation goes: churn draws thousands.
NOTEBOOK_EVERY = 0.25  # Seconds between two pictures in a notebook, which keeps every one that it is sent.


class Shown(Protocol):
    """Shows one count, such as ticks."""

    def begin(self, total: int) -> None: ...

    def show(self, done: float, text: str) -> None:
        """So much of `total` is done; what was counted, and what else there is to say."""

    def wait(self, text: str) -> None:
        """What is waited for, before there is anything to count."""

    def tell(self, text: str) -> None:
        """Something that happened, a line."""

    def end(self) -> None: ...


BAR = 40  # Columns of the bar at most.
CLOCK = 7  # Columns of a time.
GAPS = 4


class BarColumn(ProgressColumn):
    """A bar whose end is seen without colours too. It gives way to what stands beside it."""

    def __init__(self, console: Console) -> None:
        self._console, self._ascii_only = console, not console.encoding.startswith("utf")
        super().__init__()

    def render(self, task: Task) -> Text:
        beside = len(task.description) + 2 * len(f"{task.total or 0:.0f}") + 1 + 2 * CLOCK + GAPS
        room = max(min(self._console.width - beside, BAR), 0)
        return bar(task.completed / task.total if task.total else 0.0, room, self._ascii_only)


class OnTerminal:
    """A bar with the time left, which goes when it is over, and below it the address of a `page` that follows all."""

    def __init__(self, console: Console, page: str = "") -> None:
        times = MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()
        self._bar = Bar(TextColumn("{task.description}"), BarColumn(console), *times, console=console)
        self._task, self._page = self._bar.add_task("starting", total=None), page
        self._live = Redrawn(console, get_renderable=self._picture, refresh_per_second=4, transient=True)

    def begin(self, total: int) -> None:
        self._bar.update(self._task, total=total)
        self._live.start()

    def show(self, done: float, text: str) -> None:
        self._bar.update(self._task, completed=done, description=text)

    def wait(self, text: str) -> None:
        self._bar.update(self._task, description=text)
        self._live.refresh()

    def tell(self, text: str) -> None:
        self._live.note(Text(text))

    def end(self) -> None:
        self._live.stop()

    def _picture(self) -> RenderableType:
        return Group(self._bar, *page_lines(self._page))


class InLog:
    """A line for every tenth."""

    def __init__(self, console: Console) -> None:
        self._console, self._total, self._told = console, 1, 0

    def begin(self, total: int) -> None:
        self._total, self._told = total, 0

    def show(self, done: float, text: str) -> None:
        if done * 10 // self._total > self._told:
            self._told = int(done * 10 // self._total)
            self._console.print(f"{int(done)} of {self._total} {text}", highlight=False, markup=False, soft_wrap=True)

    def wait(self, text: str) -> None:
        self.tell(text)

    def tell(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def end(self) -> None:
        """The last line stays."""


class AsJson:
    """An object a line for every hundredth."""

    def __init__(self, console: Console) -> None:
        self._console, self._total, self._told = console, 1, 0

    def begin(self, total: int) -> None:
        self._total, self._told = total, 0

    def show(self, done: float, text: str) -> None:
        if done * 100 // self._total > self._told:
            self._told = int(done * 100 // self._total)
            line = {"event": "progress", "done": round(done, 2), "of": self._total, "text": text}
            self._console.out(orjson.dumps(line).decode(), highlight=False)

    def wait(self, text: str) -> None:
        self.tell(text)

    def tell(self, text: str) -> None:
        self._console.out(orjson.dumps({"event": "notice", "text": text}).decode(), highlight=False)

    def end(self) -> None:
        """The summary follows."""


class InNotebook:
    """A bar below the cell, always in the same place."""

    def __init__(self) -> None:
        from IPython.display import HTML, display

        self._html, self._total, self._due = HTML, 1, 0.0
        self._handle = display(HTML(""), display_id=True)

    def begin(self, total: int) -> None:
        self._total = total

    def show(self, done: float, text: str) -> None:
        now = time.monotonic()
        if now >= self._due or done >= self._total:
            self._due = now + NOTEBOOK_EVERY
            bar = f'<progress value="{done}" max="{self._total}"></progress>'
            self._handle.update(self._html(f"{bar} {int(done)} of {self._total} {escape(text)}"))

    def wait(self, text: str) -> None:
        self._handle.update(self._html(f"{escape(text)} ..."))

    def tell(self, text: str) -> None:
        print(text)  # noqa: T201  the notebook's

    def end(self) -> None:
        """The bar stays as it is."""


class NotebookWatch:
    """Watches a run: the network on one line below the cell, always in the same place, and what happened after it."""

    def __init__(self) -> None:
        from IPython.display import HTML, display

        self._html, self._due = HTML, 0.0
        self._handle = display(HTML("starting"), display_id=True)

    def update(self, status: NetworkStatus) -> None:
        """Show `status`."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + NOTEBOOK_EVERY
            self._handle.update(self._html(f"<pre>{escape(plain_line(status))}</pre>"))

    def event(self, text: str, error: bool = False) -> None:
        """Tell something that happened."""
        print(text, file=sys.stderr if error else sys.stdout)

    def close(self) -> None:
        """The last line stays."""


class Silent:
    def begin(self, total: int) -> None: ...

    def show(self, done: float, text: str) -> None: ...

    def wait(self, text: str) -> None: ...

    def tell(self, text: str) -> None: ...

    def end(self) -> None: ...


def in_notebook() -> bool:
    """Whether what is displayed goes to a notebook: IPython runs, and in a kernel rather than on a terminal."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


def shown(how: How, console: Console, page: str = "") -> Shown:
    """What suits, on a terminal with the address of a page that follows it. Raises `ConfigError` for a way that is none."""
    if how not in get_args(How):
        raise ConfigError(f"progress is {how!r}: give one of {', '.join(get_args(How))}")
    if how == "none":
        return Silent()
    if how == "json":
        return AsJson(console)
    if in_notebook():
        return InNotebook()
    return OnTerminal(console, page) if draws(console) else InLog(console)


class Progress:
    """Listens to a simulation of so many ticks and shows it; the accuracy is the mean over the nodes at `honest`. `tell` takes warnings.

    `score` is the word for what the models are measured by.
    """

    def __init__(self, shown: Shown, ticks: int, honest: list[int], tell: Callable[[str], None], score: str = "accuracy") -> None:
        self._shown, self._ticks, self._honest, self._tell, self._score = shown, ticks, honest, tell, score
        self._accuracy: float | None = None
        self._events = 0

    def __enter__(self) -> Self:
        self._shown.begin(self._ticks)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._shown.end()

    def measured(self, tick: int, row: list[float]) -> None:
        """A row of accuracies."""
        honest = [row[number] for number in self._honest] or row
        self._accuracy = sum(honest) / len(honest)

    def happened(self, tick: int, event: Event) -> None:
        """An event of the topology; the first of them are told one by one."""
        self._events += 1
        if self._events <= EVENTS_TOLD:
            more = "; further events are in events.csv" if self._events == EVENTS_TOLD else ""
            self._shown.tell(f"tick {tick}: {told(event)}{more}")

    def done(self, ticks: int) -> None:
        """So many ticks are done."""
        self._shown.show(ticks, "ticks" if self._accuracy is None else f"ticks, {self._score} {self._accuracy:.3f}")

    def starting(self, text: str) -> None:
        """What is being waited for, before the first tick is done."""
        self._shown.wait(text)

    def voting(self, done: float) -> None:
        """This part of the measurement of all models together, which follows the last tick, is done."""
        self._shown.show(self._ticks, f"ticks; all models together: {done:.0%}")

    def warn(self, text: str) -> None:
        """Something that a person should know, also when nothing else is shown."""
        self._tell(text)
