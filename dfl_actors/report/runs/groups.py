"""Any number of runs, in groups that differ in the seed alone: what each comes to, mean and standard deviation over a group, as a table.

Figures are of the honest nodes. Mean and worst of a simulation are over its last measurements, as `dfl-actors sim` closes with them; those
of a run, whose nodes are measured in one round at its end, are of that alone. CPU until an accuracy is the whole run's by the share of
its training steps that were done by then, for a run says what it used only at its end.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from pathlib import Path
from statistics import fmean, stdev

import msgspec

from dfl_actors.config.toml_text import NONE, counted, listed
from dfl_actors.core.events import Cpu, Evaluated, Ready, Stopped, Trained
from dfl_actors.errors import StoreError
from dfl_actors.learning.score import Measure
from dfl_actors.report.charts.chart import cut
from dfl_actors.report.formats import Format, Sheet, csv_text, mean_text
from dfl_actors.report.kinds import attack_text
from dfl_actors.report.load import Run, load_run
from dfl_actors.report.roles import attackers_alone, honest_of
from dfl_actors.report.runs.compare import USUAL_TARGET, WIDEST, settings_of, steps_by, time_kind
from dfl_actors.report.runs.listing import held_since, runs_below, state_of
from dfl_actors.report.series import Series, accuracies, of_trainers
from dfl_actors.report.simulation import closing, first_at
from dfl_actors.report.summary import WATCHERS, Figures
from dfl_actors.report.table import Column
from dfl_actors.runtime.rundir import RunDirectory, read_about
from dfl_actors.sim.about import load_about

NEEDED = (Ready, Stopped, Evaluated, Trained, Cpu)
SEED, NAME, ALGORITHM, KIND, ATTACK = "network.seed", "network.name", "update.algorithm", "kind", "attack"
OF_RUNS = ("mean", "worst", "last_mean", "last_worst", "time_to_goal", "cpu_to_goal", "cpu_seconds")
"""The figures of a run, of which a group has mean and standard deviation."""
WIDE, NARROW = 100, 16  # Columns of a terminal that has room for whole keys, and letters of their values where it has not.
PLACE = re.compile(r"^/.*/(?=[^/]+\.py:\w+$)")  # Where a file lies that a plug-in comes from.
UNDER_WAY = ("starting", "running", "died", "interrupted", "terminated", "failed")


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One run. `mean` and `worst` are of the last measurements that `closing` speaks of, of a run of the last one alone; `time_to_goal` is
    in `unit`s; `curves` are those of the honest nodes over time, `stepped` the same over training steps. All of it is None or empty where
    only attackers ran here, and none is `honest`. `genesis` is that of a run's network, `names` are those of its nodes that ran here."""

    path: Path
    genesis: str
    names: tuple[str, ...]
    honest: bool
    seed: int
    state: str
    unit: str
    score: Measure
    settings: dict[str, str]
    nodes: int
    attackers: int
    measured: int
    mean: float | None
    worst: float | None
    last_mean: float | None
    last_worst: float | None
    time_to_goal: float | None
    cpu_to_goal: float | None
    cpu_seconds: float | None
    curves: tuple[Series, ...]
    stepped: tuple[Series, ...]

    @property
    def simulated(self) -> bool:
        return self.unit == "ticks"

    def row(self) -> Figures:
        """Its figures for a table of runs."""
        said = ("state", "unit", "nodes", "attackers", "measured", *OF_RUNS)
        return {"run": str(self.path), "seed": self.seed, **{name: getattr(self, name) for name in said}}


class Stat(msgspec.Struct, frozen=True):
    """Mean and standard deviation (divided by one less than their number) of what `count` runs have; None of none, and of one alone."""

    mean: float | None
    std: float | None
    count: int


class Group(msgspec.Struct, frozen=True):
    """Runs that differ in the seed alone; `values` are those of the keys that tell the groups apart."""

    label: str
    values: dict[str, str]
    members: tuple[Member, ...]

    def stat(self, figure: str) -> Stat:
        """Over its runs, of one of `OF_RUNS`."""
        known = [value for member in self.members if (value := getattr(member, figure)) is not None]
        return Stat(fmean(known) if known else None, stdev(known) if len(known) > 1 else None, len(known))

    @property
    def unit(self) -> str:
        return self.members[0].unit


class Comparison(msgspec.Struct, frozen=True):
    """The groups, the accuracy whose time is asked for, and in `notes` what a reader should know besides."""

    groups: tuple[Group, ...]
    goal: float
    notes: tuple[str, ...] = ()

    @property
    def members(self) -> list[Member]:
        return [member for group in self.groups for member in group.members]

    @property
    def score(self) -> str:
        """What models are measured by, in a word that is right of all."""
        words = {member.score for member in self.members}
        return words.pop() if len(words) == 1 else "score"

    @property
    def keys(self) -> list[str]:
        """What tells the groups apart."""
        return list(self.groups[0].values)


# --- the runs


def load_groups(named: Iterable[Path], goal: float | None = None) -> Comparison:
    """Runs by their directories or by those that hold them; in these, what is not over is left out, and a note says so.

    Raises `StoreError`.
    """
    goal = USUAL_TARGET if goal is None else goal
    members: dict[Path, Member] = {}
    notes = []
    names = list(named)
    asked = {name.resolve() for name in names}
    there = [path for name in names for path in runs_below(name)]
    _check_several({path.resolve() for path in there})
    for path in there:
        try:
            member = load_member(path, goal)
        except StoreError as error:
            if path.resolve() in asked:
                raise
            notes.append(f"left out: {error}")
            continue
        if path.resolve() not in asked and member.state in UNDER_WAY:
            notes.append(f"left out: {path} ({member.state}): name it to have it in")
        else:
            members.setdefault(path.resolve(), member)
    _check_several(members, notes)
    return grouped(list(members.values()), goal, notes)


def _check_several(found: Sized, notes: Sequence[str] = ()) -> None:
    """Raises `StoreError` for less than two."""
    if len(found) < 2:
        because = f" ({notes[0]}{', ...' if len(notes) > 1 else ''})" if notes else ""
        raise StoreError(f"{counted(len(found), 'run')} to compare{because}: name two or more, or a directory of several")


def load_member(path: Path, goal: float) -> Member:
    """One run, with what it comes to. Raises `StoreError`."""
    run, settings = load_run(path, NEEDED), settings_of(path)
    if not run.of(Evaluated):
        raise StoreError(f"{path} has measured nothing yet: leave it out")
    if settings is None:
        raise StoreError(f"{path / 'config.toml'} cannot be read, and says what a run is grouped by: leave that run out")
    measured, figures = accuracies(run, run.of(Evaluated)), closing(run)
    if figures is None:
        raise StoreError(f"{path} has measured no node: leave it out")
    honest = not attackers_alone(run)
    curves = honest_of(run, measured) if honest else []
    reached = first_at(curves, goal) if curves else None
    spent = cpu_seconds(run)
    return Member(
        path=path,
        genesis="" if run.simulated else read_about(RunDirectory(path)).genesis,
        names=tuple(run.nodes),
        honest=honest,
        seed=run.seed,
        state=state_of(run, held_since(RunDirectory(path)))[0],
        unit=time_kind(run),
        score=run.score,
        settings={**settings, KIND: "simulation" if run.simulated else "run", ATTACK: _attacks(run)},
        nodes=len(run.nodes),
        attackers=sum(name in run.attacks for name in run.nodes),
        measured=len(measured),
        mean=None if not honest else figures.mean if run.simulated else figures.last_mean,
        worst=None if not honest else figures.worst if run.simulated else figures.last_worst,
        last_mean=figures.last_mean if honest else None,
        last_worst=figures.last_worst if honest else None,
        time_to_goal=reached,
        cpu_to_goal=None if reached is None or spent is None else spent * _share(run, reached),
        cpu_seconds=spent,
        curves=tuple(curves),
        stepped=tuple(honest_of(run, of_trainers(run, measured)) if honest else ()),
    )


def _attacks(run: Run) -> str:
    """Who attacks of those that ran here, whatever they are called: "sign_flip, 2 delayed"."""
    kinds = Counter(attack_text(attack) for name, attack in run.attacks.items() if name in run.nodes)
    return ", ".join(kind if count == 1 else f"{count} {kind}" for kind, count in sorted(kinds.items())) or NONE


def cpu_seconds(run: Run) -> float | None:
    """CPU seconds of a simulation, or of a run's nodes, which say so when they end."""
    if run.simulated:
        return load_about(run.path).cpu or None
    spent = [event.total for event in run.of(Cpu) if event.actor not in WATCHERS]
    return sum(spent) if spent else None


def _share(run: Run, moment: float) -> float:
    """The share of its training that was done by then."""
    steps = steps_by(run, float("inf"))
    return steps_by(run, moment) / steps if steps else 1.0


# --- the groups


def grouped(members: Sequence[Member], goal: float, notes: Sequence[str] = ()) -> Comparison:
    """The runs by all that they have in common but the seed, in the order in which they come; within a group by seed."""
    alike: dict[tuple[tuple[str, str], ...], list[Member]] = {}
    for member in members:
        alike.setdefault(tuple(sorted(_common(member).items())), []).append(member)
    found = [sorted(group, key=lambda member: member.seed) for group in alike.values()]
    settings = [_common(group[0]) for group in found]
    keys, others = telling(settings)
    words = {key: _words([its.get(key, NONE) for its in settings]) for key in keys or [NAME]}
    groups = []
    for place, group in enumerate(found):
        values = {key: words[key][place] for key in keys or [NAME]}
        groups.append(Group(", ".join(_said(key, value) for key, value in values.items()), values, tuple(group)))
    also = [f"the groups differ in {listed(others)} as well"] if others else []
    return Comparison(tuple(groups), goal, (*notes, *also, *_twice(groups), *_apart(members)))


def _common(member: Member) -> dict[str, str]:
    return {key: value for key, value in member.settings.items() if key != SEED}


def telling(settings: Sequence[Mapping[str, str]]) -> tuple[list[str], list[str]]:
    """The fewest keys that tell configurations apart, the algorithm first and the network's name only where nothing else does; and the
    others in which they differ."""

    def told(keys: Sequence[str]) -> int:
        return len({tuple(its.get(key) for key in keys) for its in settings})

    varied = [key for key in dict.fromkeys(key for its in settings for key in its) if told([key]) > 1]
    unnamed = sorted((key for key in varied if key != NAME), key=lambda key: (key != ATTACK, not _is_attack(key), key != KIND))
    rest = unnamed if told(unnamed) == len(settings) else varied
    keys = [key for key in rest if key == ALGORITHM]
    while told(keys) < len(settings):
        keys.append(max(rest, key=lambda key: told([*keys, key])))
    return keys, [key for key in varied if key not in keys and key != NAME]


def _is_attack(key: str) -> bool:
    return key.rpartition(".")[2] == "attack"


def _said(key: str, value: str) -> str:
    """A value where its key does not stand over it: algorithms, attacks and names speak for themselves."""
    return value if key in (ALGORITHM, NAME, KIND) or _is_attack(key) else f"{key.rpartition('.')[2]}={value}"


def _words(values: Sequence[str]) -> list[str]:
    """Values of a key as people read them: of files that hold plug-ins their names, where these tell them apart."""
    short = [PLACE.sub("", value) for value in values]
    return [shown(value) for value in (short if len(set(short)) == len(set(values)) else values)]


def shown(text: str) -> str:
    """What users named, on a line and not too long."""
    return cut("".join(letter if letter.isprintable() else "?" for letter in text), WIDEST)


def _twice(groups: Iterable[Group]) -> list[str]:
    """Simulations of one seed are equal: to count one twice makes a deviation small that is not."""
    said = []
    for group in groups:
        seeds = [member.seed for member in group.members if member.simulated]
        if len(set(seeds)) < len(seeds):
            said.append(f"{group.label}: some simulations have the same seed, and count as often as they are named")
    return said


def _apart(members: Sequence[Member]) -> Iterator[str]:
    """Runs that are not a run each: those of one network on several hosts, and those of attackers alone."""
    hosts: dict[str, list[Member]] = {}
    for member in members:
        if member.genesis:
            hosts.setdefault(member.genesis, []).append(member)
        if not member.honest:
            yield f"{member.path}: only attackers ran there, which counts for no mean"
    for group in hosts.values():
        names = [name for member in group for name in member.names]
        if len(group) > 1 and len(set(names)) == len(names):
            yield f"{listed([str(member.path) for member in group])} are hosts of one network, and count as a run each"


# --- the table


def sheet(found: Comparison, width: int = WIDE) -> Sheet:
    """A row a group, for people; where it is narrow, keys and their values are short."""
    groups = found.groups
    units = {group.unit for group in groups}
    unit = units.pop() if len(units) == 1 else ""
    alone = all(len(group.members) == 1 for group in groups)
    columns = (
        *([Column("run", [group.members[0].path.name for group in groups], left=True)] if alone else ()),
        *(_key_column(key, [group.values[key] for group in groups], width) for key in found.keys),
        Column("runs", [str(len(group.members)) for group in groups], 5),
        Column("mean", [_cell(group, "mean", 3) for group in groups]),
        Column("worst node", [_cell(group, "worst", 3) for group in groups], 8),
        Column(f"{unit or 'time'} to {found.goal:g}", [_time(group, "" if unit else f" {group.unit}") for group in groups], 7),
        Column(f"CPU s to {found.goal:g}", [_cell(group, "cpu_to_goal", 1) for group in groups], 6),
    )
    return Sheet(_title(found), columns)


def _key_column(key: str, values: Sequence[str], width: int) -> Column:
    if width >= WIDE:
        return Column(key, values, left=True)
    return Column(key.rpartition(".")[2], [cut(value, NARROW) for value in values], left=True)


def _title(found: Comparison) -> str:
    counts = {len(group.members) for group in found.groups}
    over = f"over {counted(max(counts), 'seed')}" if len(counts) == 1 else "over the seeds"
    kinds = {member.simulated for member in found.members}
    of_runs = "" if len(kinds) == 1 else " (of runs in the last one)"
    when = f"in the last measurements{of_runs}" if True in kinds else "at the last measurement"
    spread = "" if counts == {1} else f", ± standard deviation {over}"
    return f"{found.score} of the honest nodes {when}: mean and worst node{spread}; time until their mean stood at {found.goal:g}"


def _cell(group: Group, figure: str, decimals: int) -> str:
    stat = group.stat(figure)
    return mean_text(None if stat.mean is None else (stat.mean, stat.std), decimals)


def _time(group: Group, unit: str) -> str:
    """The mean over the runs that came so far, and how many did where not all."""
    stat, runs = group.stat("time_to_goal"), len(group.members)
    if not stat.count:
        return "never"
    of = f" ({stat.count} of {runs})" if stat.count < runs else ""
    return _cell(group, "time_to_goal", 0 if group.unit == "ticks" else 1) + unit + of


def rows(found: Comparison) -> list[Figures]:
    """A row a group, for programs: its keys, its runs, and mean and standard deviation of each figure."""
    return [
        {
            **group.values,
            "runs": len(group.members),
            "paths": os.pathsep.join(str(member.path) for member in group.members),
            "goal": found.goal,
            "reached": group.stat("time_to_goal").count,
            "unit": group.unit,
            **{name + end: value for name in OF_RUNS for end, value in _both(group.stat(name))},
        }
        for group in found.groups
    ]


def _both(stat: Stat) -> tuple[tuple[str, float | None], tuple[str, float | None]]:
    return ("", stat.mean), ("_std", stat.std)


def run_rows(found: Comparison) -> list[Figures]:
    """A row a run."""
    return [{**group.values, **member.row()} for group in found.groups for member in group.members]


def as_text(found: Comparison, format: Format, width: int) -> str:
    """The table in one of the formats; CSV has every figure as a number of its own."""
    shown = width if format == "text" else WIDE
    return csv_text(rows(found)) if format == "csv" else sheet(found, shown).as_text(format, width)


def as_json(found: Comparison) -> Figures:
    """The groups with their runs, for programs."""
    groups = [
        {
            "label": group.label,
            "values": group.values,
            "unit": group.unit,
            **{name: msgspec.to_builtins(group.stat(name)) for name in OF_RUNS},
            "runs": [member.row() for member in group.members],
        }
        for group in found.groups
    ]
    return {"goal": found.goal, "measured_by": found.score, "keys": found.keys, "groups": groups, "notes": list(found.notes)}
