"""Several runs side by side: what each has come to, with a link to its page, and their accuracies over each other."""

from collections.abc import Collection, Sequence
from html import escape

from dfl_actors.core.events import Evaluated
from dfl_actors.report.charts.chart import FEW, Chart, Line, OverTime, Panel, cut
from dfl_actors.report.load import Run
from dfl_actors.report.page.page import figures
from dfl_actors.report.page.parts import chart_section, section, tag
from dfl_actors.report.roles import honest_of
from dfl_actors.report.runs.listing import duration_text
from dfl_actors.report.series import Series, accuracies, over_steps, span_since_all
from dfl_actors.watch.views import Place, RunView, Update, document

HEADERS = ("run", "state", "network", "nodes", "ran", "how it stands")


class Overview:
    """The page of these runs."""

    def __init__(self, views: Sequence[RunView]) -> None:
        self._views = views

    @property
    def version(self) -> int:
        """Grows with every change of any run."""
        return sum(view.version for view in self._views)

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
        runs = [(view.key, view.followed.run) for view in self._views if view.followed is not None]
        units = {run.unit for _, run in runs}
        found = {key: _mean(run, steps=len(units) > 1) for key, run in runs}
        lines = [
            Line(name=key, series=series, colour=f"@node{place % FEW}", label=cut(key, 40))
            for place, (key, series) in enumerate(found.items())
            if series is not None
        ]
        unit = "training steps" if len(units) > 1 else runs[0][1].axis if runs else ""
        end = max((float(line.series[0][-1]) for line in lines), default=1.0)
        panel = Panel(title="mean of the honest nodes", lines=lines, whole=(-0.02, 1.03))
        return Chart(
            id="accuracy",
            title="Accuracy of the runs",
            about="The mean of the honest nodes on the test samples, from when each of them was measured.",
            source="`evaluated`",
            wide=True,
            height=460,
            missing="Nothing was measured in these runs yet.",
            figure=OverTime(panels=[panel], end=end, unit=unit) if lines else None,
        )


def _mean(run: Run, *, steps: bool) -> Series | None:
    measured = accuracies(run, run.of(Evaluated))
    honest = honest_of(run, over_steps(run, measured) if steps else measured)
    if not honest:
        return None
    seconds, mean, _, _ = span_since_all(honest)
    return seconds, mean


def _row(view: RunView) -> str:
    link = tag("a", escape(cut(view.key, 60)), href=f"/run/{view.key}/")
    followed = view.followed
    if followed is None:
        return tag("tr", tag("td", link, class_="left") + tag("td", escape(view.problem or "starting"), class_="left", colspan="5"))
    run = followed.run
    ran = f"tick {run.elapsed:.0f}" if run.simulated else duration_text(run.elapsed)
    cells = (followed.state, cut(run.name, 40), str(len(run.nodes)), ran, view.summary(followed)["headline"]["text"])
    kinds = ("left", "left", None, None, "left long")
    rest = "".join(tag("td", escape(cell), class_=kind) for cell, kind in zip(cells, kinds, strict=True))
    return tag("tr", tag("td", link, class_="left") + rest)
