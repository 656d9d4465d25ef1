"""Who refused what of whom, and why."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from dfl_actors.core.events import Dropped, Lost
from dfl_actors.report.charts.chart import MOST_TEXTS, Bars, Chart, Matrix, Part, short_names
from dfl_actors.report.load import Run
from dfl_actors.report.refusals import FAULT, NOBODY, Refusal, by_verdict, refusals, refused_text, words_of
from dfl_actors.report.roles import labels, looks_of
from dfl_actors.report.series import Numbers

ABOUT = "How often each node (row) refused something of each other, whose fault that was, and why."
HARMLESS = " What is nobody's fault comes of clocks, pace, loss or restarts, and does no harm."
MOST_CODES = 12  # That have a choice and a bar each.


def refused(run: Run) -> Chart:
    """Refuser by refused: all of it, by whose fault it was, and by reason. Of many nodes those alone that had to do with it."""
    found = refusals(run)
    faults, ignored = by_verdict(_by_code(found))
    return Chart(
        id="refusals",
        title="Refused: who, of whom, and why",
        about=ABOUT + (f" {refused_text(faults, ignored)}.".capitalize() + HARMLESS * bool(ignored) if found else ""),
        source="`refused`, `refused_by`",
        missing="Nobody refused anything of anybody.",
        height=0,
        figure=_matrix(run, found) if found else None,
    )


def _by_code(found: Sequence[Refusal]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for one in found:
        counts[one.code] += one.count
    return counts


def _matrix(run: Run, found: Sequence[Refusal]) -> Matrix:
    named = dict.fromkeys(name for one in found for name in (one.refuser, one.refused))
    here = [name for name in run.nodes if name in named or len(run.nodes) <= MOST_TEXTS]
    others = [name for name in named if name not in run.nodes]
    names, shown = [*here, *others], dict(zip(run.nodes, labels(run), strict=True))
    counts = _by_code(found)
    codes = [code for code, _ in counts.most_common(MOST_CODES)]
    faults = {one.code for one in found if one.fault}
    views = {words_of(code): {code} for code in reversed(codes)} if len(counts) > 1 else {}
    views |= {NOBODY: counts.keys() - faults, FAULT: faults} if faults and counts.keys() - faults else {}
    views["all"] = {*counts}
    frames = np.array([_counted(names, [one for one in found if one.code in kept]) for kept in views.values()])
    return Matrix(
        nodes=[*here, *([None] * len(others))], labels=[*(shown[name] for name in here), *short_names(others)],
        looks=looks_of(run, names), frames=frames, moments=(), choices=tuple(views) if len(views) > 1 else (),
        sides=("who refused", "whose"), colours="@scale", most=int(np.nanmax(frames[-1])),
        decimals=0, hover="<b>%{y}</b> refused <b>%{x}</b>'s<br>how often: %{z}%{customdata}", details=_details(names, found),
        below=_reasons(found, codes, _lost(run)),
    )  # fmt: skip


def _counted(names: Sequence[str], found: Sequence[Refusal]) -> Numbers:
    """How often, [N, N]; NaN for never."""
    places, counts = {name: place for place, name in enumerate(names)}, np.zeros((len(names), len(names)))
    for one in found:
        counts[places[one.refuser], places[one.refused]] += one.count
    return np.where(counts > 0, counts, np.nan)


def _details(names: Sequence[str], found: Sequence[Refusal]) -> list[list[str]]:
    """All reasons of each pair."""
    said: dict[tuple[str, str], list[str]] = {}
    for one in found:
        said.setdefault((one.refuser, one.refused), []).append(f"{one.count:,} {one.code}: {one.words} ({FAULT if one.fault else NOBODY})")
    return [["".join(f"<br>{text}" for text in said.get((refuser, refused), [])) for refused in names] for refuser in names]


def _lost(run: Run) -> dict[str, int]:
    """What got lost or was too late, beside what was refused."""
    counts = {
        "own transactions that expired": run.tally.expired.total(),
        "messages that could not leave their node": sum(event.messages for event in run.of(Dropped)),
        "models that were no longer in the store": len(run.of(Lost)),
    }
    return {text: count for text, count in counts.items() if count}


def _reasons(found: Sequence[Refusal], codes: Sequence[str], lost: Mapping[str, int]) -> Bars:
    """How often for each reason, in words, and below what got lost."""
    counts = _by_code(found)
    faults, none = {one.code for one in found if one.fault}, [0.0] * len(lost)
    parts = [
        Part(FAULT, "@alarm", [*(float(counts[code] * (code in faults)) for code in codes), *none]),
        Part(NOBODY, "@rest", [*(float(counts[code] * (code not in faults)) for code in codes), *none]),
        Part("lost or too late", "@link", [*(0.0 for _ in codes), *map(float, lost.values())]),
    ]
    kept = [part for part in parts if any(part.values)]
    return Bars(names=[*map(words_of, codes), *lost], nodes=[], parts=kept, unit="times", hover="", cut=False)
