"""Several runs side by side: what each has come to, with a link to its page, and their accuracies over each other."""

from collections.abc import Collection, Iterator, Sequence
from html import escape
from typing import NamedTuple

import numpy as np

from dfl_actors.core.events import Evaluated
from dfl_actors.report.charts.chart import FEW, WHOLE, Chart, Line, OverTime, Panel, cut
from dfl_actors.report.load import Run
from dfl_actors.report.page.page import figures
from dfl_actors.report.page.parts import chart_section, section, tag
from dfl_actors.report.roles import attackers_alone, honest_of
from dfl_actors.report.runs.listing import duration_text
from dfl_actors.report.series import Series, accuracies, of_trainers, span_of
from dfl_actors.watch.views import Place, RunView, Update, document

HEADERS = ("run", "state", "network", "nodes", "ran", "how it stands")
SEEN = 0.1  # A part of the chart that is empty is seen, and said why, from so much of its width on.


class Overview:
    """The page of these runs."""

    def __init__(self, views: Sequence[RunView]) -> None:
        self._views = views

    @property
    def version(self) -> int:
        """Grows with every change of any run."""
        return sum(view.version for view in self._views)

    @property
    def settled(self) -> bool:
        """Nothing of this page is read aside."""
        return True

    def advance(self) -> None:
        """Read all of them on."""
        for view in self._views:
            view.advance()

    def page(self, place: Place) -> str:
        """The whole page."""
        more: dict[str, object] = {"version": self.version, "goes_on": any(view.goes_on for view in self._views)}
        title = f"{len(self._views)} runs"
        return document(title, place, tag("h1", title), "\n".join([self._table(), chart_section(self._accuracy())]), data=more)

    def update(self, near: Collection[str], place: Place) -> Update:
        """All of it: it is short."""
        chart = self._accuracy()
        found = figures([chart])
        return Update(
            version=self.version,
            goes_on=any(view.goes_on for view in self._views),
            head=tag("h1", f"{len(self._views)} runs"),
            groups={"runs": [self._table(), chart_section(chart)]},
            figures=found["figures"],
        )

    def _table(self) -> str:
        head = tag("tr", "".join(tag("th", name, scope="col", class_=None if name in ("nodes", "ran") else "left") for name in HEADERS))
        table = tag("table", tag("thead", head) + tag("tbody", "".join(map(_row, self._views))))
        about = "Accuracies are those of the honest nodes on the test samples."
        return section("runs", "Runs", about, tag("div", table, class_="scroll", tabindex="0", role="region", aria_label="Runs"))

    def _accuracy(self) -> Chart:
        """The mean of the honest nodes of each run; over training steps where some are simulations and some are not."""
        runs = {view.key: view.followed.run for view in self._views if view.followed is not None}
        steps = len({run.unit for run in runs.values()}) > 1
        found = {key: mean for key, run in runs.items() if (mean := _mean(run, steps=steps)) is not None}
        colours = {view.key: f"@node{place % FEW}" for place, view in enumerate(self._views)}
        unit = "training steps" if steps else next((run.axis for run in runs.values()), "")
        end = max((float(mean.whole[0][-1]) for mean in found.values()), default=1.0)
        lines = [line for key, mean in found.items() for line in _lines(key, mean, colours[key])]
        panel = Panel(title="mean of the honest nodes", lines=lines, whole=WHOLE)
        return Chart(
            id="accuracy",
            title="Accuracy of the runs",
            about="The mean of the honest nodes on the test samples; dotted, of those measured so far, until each of them was.",
            source="`evaluated`; `trained`" if steps else "`evaluated`",
            wide=True,
            height=460,
            missing="No honest node was measured in these runs yet.",
            figure=OverTime(panels=[panel], end=end, unit=unit) if lines else None,
            notes=tuple(note for key, mean in found.items() for note in _notes(key, mean, end, "step" if steps else runs[key].unit)),
        )


class Mean(NamedTuple):
    """A run's mean: of its honest nodes that were `measured` at all, of so many. Before `since` not each of those had been, and `whole`
    is of fewer."""

    whole: Series
    since: float
    measured: int
    nodes: int

    @property
    def parts(self) -> tuple[Series, Series]:
        """Before and from then on; they meet."""
        (x, y), place = self.whole, int(np.searchsorted(self.whole[0], self.since))
        return (x[: place + 1], y[: place + 1]), (x[place:], y[place:])


def _mean(run: Run, *, steps: bool) -> Mean | None:
    if attackers_alone(run):
        return None
    measured = accuracies(run, run.of(Evaluated))
    honest = honest_of(run, of_trainers(run, measured) if steps else measured)
    if not honest:
        return None
    seconds, mean, _, _ = span_of(honest)
    counts = len(honest_of(run, measured)), len(honest_of(run, run.nodes))  # also of those that train nothing
    return Mean((seconds, mean), max(x[0] for x, _ in honest), *counts)


def _lines(key: str, mean: Mean, colour: str) -> Iterator[Line]:
    before, since = mean.parts
    yield Line(name=key, series=since, colour=colour, label=cut(key, 40))
    if len(before[0]) > 1:
        yield Line(name=f"{key}, of those measured so far", series=before, colour=colour, dash="dot", width=1.5, thin=True)


def _notes(key: str, mean: Mean, end: float, unit: str) -> Iterator[str]:
    """Why a curve does not go from one side of the chart to the other, where that is seen."""
    first, last = float(mean.whole[0][0]), float(mean.whole[0][-1])
    said = []
    if mean.measured < mean.nodes:
        said.append(f"{mean.measured} of {mean.nodes} honest nodes were measured")
    if mean.since > SEEN * end:
        last_too = f", the last at {_at(mean.since, unit)}" if mean.since > first else ""
        said.append(f"the first of its nodes was measured at {_at(first, unit)}{last_too}")
    if last < (1 - SEEN) * end:
        said.append(f"its curve ends at {_at(last, unit)}")
    if said:
        yield f"{cut(key, 40)}: {'; '.join(said)}."


def _at(place: float, unit: str) -> str:
    return f"{place:,.0f} s" if unit == "seconds" else f"{unit} {place:,.0f}"


def _row(view: RunView) -> str:
    link = tag("a", escape(cut(view.key, 60)), href=f"/run/{view.key}/")
    followed = view.followed
    if followed is None:
        return tag(
            "tr",
            tag("td", link, class_="left")
            + tag("td", escape(view.problem or ": ".join(filter(None, ["starting", view.waits]))), class_="left", colspan="5"),
        )
    run = followed.run
    ran = f"tick {run.elapsed:,.0f}{run.of_ticks}" if run.simulated else duration_text(run.elapsed)
    cells = (followed.state, cut(run.name, 40), str(len(run.nodes)), ran)
    rest = "".join(tag("td", escape(cell), class_=kind) for cell, kind in zip(cells, ("left", "left", None, None), strict=True))
    begins = view.waits if followed.state == "starting" else ""
    stands = escape(begins or view.summary(followed)["headline"]["text"]) + view.trouble
    return tag("tr", tag("td", link, class_="left") + rest + tag("td", stands, class_="left long"))
