"""What is varied: each axis has points, each point sets keys of the topology, and every combination with every seed is a cell."""

import hashlib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path

import msgspec

from dfl_actors.api.topology import Overrides, Topology, options_of, topology_of
from dfl_actors.api.words import in_options
from dfl_actors.config import Config
from dfl_actors.config.toml_text import NONE, Mistakes, Source, check_known, nearest
from dfl_actors.errors import ConfigError
from dfl_actors.files import read_text

Vary = Mapping[str, Sequence[object] | Mapping[str, Overrides]]
"""What is varied: values of a key, `{"update.algorithm": ["krum", "median"]}`, or named points that set several keys each,
`{"attack": {"none": {}, "noise": {"node.0.attack": "noise", "node.1.attack": "noise"}}}`."""

SEED = "network.seed"
KEYS = ("base", "set", "vary", "seeds")  # Of a sweep's file.
MOST_CELLS = 100_000
SEEDS = "seed"  # What the seeds are called where a part of a sweep is asked for.
SHORT = 80  # Characters of a cell's name that say what it is.


class Axis(msgspec.Struct, frozen=True):
    """What is varied, by name, and its points: what each sets, by name, as options."""

    name: str
    points: dict[str, tuple[str, ...]]


class Plan(msgspec.Struct, frozen=True):
    """A sweep: the topology's source with options over it, the axes, the seeds."""

    source: str
    options: tuple[str, ...]
    axes: tuple[Axis, ...]
    seeds: tuple[int, ...]

    @property
    def size(self) -> int:
        size = len(self.seeds)
        for axis in self.axes:
            size *= len(axis.points)
        return size


class Cell(msgspec.Struct, frozen=True):
    """One simulation of a sweep: its point on each axis, its seed, and its whole configuration as TOML; `source` is what its data is.

    `name` names its directory.
    """

    name: str
    values: dict[str, str]
    seed: int
    config: str
    source: str


def plan_of(base: Topology | str | Path, vary: Vary, seeds: Sequence[int] | str, overrides: Overrides = ()) -> Plan:
    """The sweep of a topology, or that of a sweep's file, whose axes and seeds may be replaced. Raises `ConfigError`."""
    if not isinstance(base, Topology) and (given := _file(Path(base))) is not None:
        source, options, file_axes, file_seeds = given
        axes = {axis.name: axis for axis in file_axes} | {axis.name: axis for axis in axes_of(vary)}
        chosen = seeds_of(seeds) or file_seeds
        return _checked(Plan(source, (*options, *options_of(overrides)), tuple(axes.values()), chosen), overrides)
    topology = topology_of(base, overrides)
    if topology.text is not None:
        raise ConfigError(f"{topology.source} is a text: save it as a file, for a sweep that is resumed reads it again")
    source = str(Path(topology.source).resolve()) if Path(topology.source).is_file() else topology.source
    return _checked(Plan(source, topology.options, axes_of(vary), seeds_of(seeds)), overrides)


def _checked(plan: Plan, overrides: Overrides) -> Plan:
    """Raises `ConfigError` for a sweep of nothing, or of too much, and for a key that is varied and also set for all cells, or by seeds."""
    varied = {_key(option): axis.name for axis in plan.axes for point in axis.points.values() for option in point}
    for key in map(_key, options_of(overrides)):
        if key in varied:
            raise ConfigError(f"{key} is set for all cells, and varied by {varied[key]}: do one of them")
    if SEED in varied:
        raise ConfigError(f"{varied[SEED]} varies {SEED}, which is what the seeds are for: say --seeds 1-5, or seeds in the sweep's file")
    if not plan.seeds:
        plan = msgspec.structs.replace(plan, seeds=(Topology(plan.source, plan.options).config.network.seed,))
    if plan.size > MOST_CELLS:
        raise ConfigError(f"{plan.size:,} simulations are more than {MOST_CELLS:,}: vary less, or in several sweeps")
    return plan


def _key(option: str) -> str:
    return option.partition("=")[0].strip()


def _file(path: Path) -> tuple[str, tuple[str, ...], tuple[Axis, ...], tuple[int, ...]] | None:
    """What a sweep's file says; None if the path is none. Raises `ConfigError`."""
    if path.suffix != ".toml" or not path.is_file():
        return None
    try:
        table = tomllib.loads(read_text(path))
    except (OSError, ValueError):
        return None  # said where it is read as a topology
    if "base" not in table:
        return None
    mistakes = Mistakes(Source(str(path), read_text(path)))
    check_known(table, KEYS, (), mistakes)
    mistakes.raise_first()
    base = str(table["base"])
    source = str((path.parent / base).resolve()) if (path.parent / base).is_file() else base
    try:
        return source, options_of(_table(table, "set")), axes_of(_table(table, "vary")), seeds_of(table.get("seeds", ()))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _table(table: Mapping[str, object], key: str) -> Mapping[str, Sequence[object]]:
    found = table.get(key, {})
    if not isinstance(found, dict):
        raise ConfigError(f"{key} is not a table; write it as a section [{key}]")
    return found


def axes_of(vary: Vary) -> tuple[Axis, ...]:
    """The axes of a mapping. Raises `ConfigError`."""
    return tuple(Axis(name, _points(name, given)) for name, given in vary.items())


def _points(name: str, given: Sequence[object] | Mapping[str, Overrides]) -> dict[str, tuple[str, ...]]:
    if isinstance(given, Mapping):
        points = {point: options_of(overrides) for point, overrides in given.items()}
    elif isinstance(given, str) or not isinstance(given, Iterable):
        raise ConfigError(f"{name} varies over {given!r}: give a list of values, or a table of named points")
    else:
        points = {_word(value): options_of({name: value}) for value in given}
        if len(points) < len(given):
            raise ConfigError(f"{name} varies over a value twice: name each once")
    if not points:
        raise ConfigError(f"{name} varies over nothing: give at least one value")
    return points


def _word(value: object) -> str:
    """A value as tables show it."""
    return NONE if value is None else value if isinstance(value, str) else str(value)


def parse_vary(texts: Sequence[str], option: str = "--vary") -> dict[str, list[str]]:
    """The axes of `KEY=VALUE,VALUE`; commas inside brackets, braces and quotes do not part. Raises `ConfigError` that names the option."""
    axes: dict[str, list[str]] = {}
    for text in texts:
        key, equals, values = text.partition("=")
        if not equals or not key.strip() or not values.strip():
            raise ConfigError(f"{option} {text}: not understood; write section.key=value,value, such as update.algorithm=krum,median")
        if key.strip() in axes:
            raise ConfigError(f"{option} {text}: {key.strip()} stands there already; give all its values at once")
        axes[key.strip()] = [part.strip() for part in _parts(values)]
    return axes


def _parts(text: str) -> Iterator[str]:
    depth, quote, begun = 0, "", 0
    for place, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter in "[{":
            depth += 1
        elif letter in "]}":
            depth -= 1
        elif letter == "," and not depth:
            yield text[begun:place]
            begun = place + 1
    yield text[begun:]


def axes_of_texts(texts: Sequence[str]) -> dict[str, dict[str, tuple[str, ...]]]:
    """The axes of the command line: each value is TOML where it is TOML, and text otherwise. Raises `ConfigError`."""
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for key, values in parse_vary(texts).items():
        if len(set(values)) < len(values):
            raise ConfigError(f"--vary {key}: a value stands there twice; name each once")
        found[key] = {value: (f"{key}={value}",) for value in values}
    return found


def seeds_of(given: Sequence[int] | str) -> tuple[int, ...]:
    """The seeds of `1-5`, `1,3,7-9` or a sequence. Raises `ConfigError`."""
    if isinstance(given, str):
        parts = [re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part) for part in given.split(",")] if given else []
        if None in parts:
            raise ConfigError(f"seeds {given}: not understood; write 1-5, or 1,3,7")
        ranges = [range(int(part[1]), int(part[2] or part[1]) + 1) for part in parts if part]
        if not all(ranges) or sum(one.stop - one.start for one in ranges) > MOST_CELLS:
            raise ConfigError(f"seeds {given}: a range goes from the least to the greatest, and has at most {MOST_CELLS:,} seeds")
        seeds = tuple(seed for one in ranges for seed in one)
    else:
        seeds = tuple(given)
    if len(set(seeds)) < len(seeds):
        raise ConfigError("a seed stands there twice: name each once")
    return seeds


def cells_of(plan: Plan) -> list[Cell]:
    """Every cell, all combinations with the first seed before any with the second. Raises `ConfigError` for one that cannot be."""
    base = Topology(plan.source, plan.options)
    return [_cell(base, plan.axes, points, seed) for seed in plan.seeds for points in product(*(axis.points for axis in plan.axes))]


def _cell(base: Topology, axes: Sequence[Axis], points: Sequence[str], seed: int) -> Cell:
    values = dict(zip((axis.name for axis in axes), points, strict=True))
    options = [option for axis, point in zip(axes, points, strict=True) for option in axis.points[point]]
    try:
        with in_options():
            config: Config = base.override([*options, f"{SEED}={seed}"]).config
    except ConfigError as error:
        if not any(str(error).startswith(f"--set {option}:") for option in options):
            raise
        raise ConfigError(f"--vary{str(error).removeprefix('--set')}") from error
    text = config.resolved()
    short = re.sub(r"[^A-Za-z0-9._-]+", "-", "_".join([*values.values(), f"seed-{seed}"]))[-SHORT:].strip("-.")
    digest = hashlib.sha256("\n".join([text, *(f"{name}={value}" for name, value in values.items())]).encode()).hexdigest()[:10]
    return Cell(f"{short}-{digest}", values, seed, text, sources_of(config))


def sources_of(config: Config) -> str:
    """What the data of a configuration are, by which cells with the same data are known."""
    return " ".join(dict.fromkeys(node.source for node in config.nodes))


def narrowed(plan: Plan, only: Mapping[str, Sequence[object]]) -> Plan:
    """The part of a sweep that has these points on these axes, of which `seed` is one. Raises `ConfigError` for what is not in it."""
    axes, seeds = {axis.name: axis for axis in plan.axes}, plan.seeds
    for name, given in only.items():
        points = [_word(point) for point in given]
        if name == SEEDS:
            seeds = tuple(int(_among(point, name, [str(seed) for seed in plan.seeds])) for point in points)
        else:
            axis = axis_named(plan, name)
            axes[name] = Axis(name, {point: axis.points[_among(point, name, list(axis.points))] for point in points})
    return msgspec.structs.replace(plan, axes=tuple(axes.values()), seeds=seeds)


def _among(point: str, name: str, known: Sequence[str]) -> str:
    if point not in known:
        raise ConfigError(f"only {name}={point}: there is no such point; {nearest(point, known)}")
    return point


def axis_named(plan: Plan, name: str) -> Axis:
    """The axis of that name. Raises `ConfigError`."""
    for axis in plan.axes:
        if axis.name == name:
            return axis
    raise ConfigError(f"nothing called {name!r} is varied; {nearest(name, [axis.name for axis in plan.axes])}")
