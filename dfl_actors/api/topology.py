"""A topology with what is set over it: read and checked when it is made, looked at with its data when it is used."""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from dfl_actors.api.words import in_parameters
from dfl_actors.config import Config, examine_table, examine_topology
from dfl_actors.config.load import examine_text
from dfl_actors.config.toml_text import NONE, Mistakes, Source, Table, dump_value, put_options
from dfl_actors.errors import ConfigError
from dfl_actors.processes.signals import at_once

Overrides = Mapping[str, object] | Sequence[str]
"""What is set over the keys of a topology: `{"update.algorithm": "krum", "node.5.attack": None}`, or as on the command line
`["update.algorithm=krum"]`. None, and "none", takes a key away, as if the file had not set it."""

Tell = Callable[[str], None]
"""Takes what a person should know and what is no mistake, a line each."""


def warn(line: str) -> None:
    """As Python's warnings, for scripts."""
    warnings.warn(line, stacklevel=3)


def options_of(overrides: Overrides) -> tuple[str, ...]:
    """The overrides as the command line has them. Raises `ConfigError` for a value that no topology can hold."""
    if isinstance(overrides, Mapping):
        return tuple(f"{key}={_text_of(key, value)}" for key, value in overrides.items())
    if isinstance(overrides, str):
        raise ConfigError(f"overrides are {overrides!r}: give a mapping from keys to values, or a list of section.key=value")
    return tuple(overrides)


def _text_of(key: str, value: object) -> str:
    if value is None or value == NONE:
        return NONE
    if callable(item := getattr(value, "item", None)):  # a number of NumPy's
        value = item()
    try:
        return dump_value(str(value) if isinstance(value, Path) else value)
    except TypeError as error:
        raise ConfigError(f"{key}: {error}; give a number, a text, true or false, a list of them, or a table") from None


class Topology:
    r"""A topology file, the bare name of a ready one, the reference program's `simulator_config.json`, or a topology's own text.

        Topology("ring_6_noniid", {"update.algorithm": "krum", "node.5.attack": "sign_flip"})
        Topology("mine", text="[network]\nnodes = 3")

    Raises `ConfigError` for the first mistake, with its line or its override.
    """

    @in_parameters
    def __init__(self, source: str | Path, overrides: Overrides = (), *, text: str | None = None) -> None:
        self.source, self.text, self.options = str(source), text, options_of(overrides)
        self.config, mistakes, self.lost = self._examined(deployed=False)
        mistakes.raise_first()

    @in_parameters
    def override(self, overrides: Overrides) -> "Topology":
        """The same topology with more set over it. What is drawn with the seed, such as the reference's links, is drawn anew."""
        return Topology(self.source, [*self.options, *options_of(overrides)], text=self.text)

    def toml(self) -> str:
        """The whole configuration as a topology file, every key of every section."""
        return self.config.resolved()

    @in_parameters
    def deployed(self) -> Config:
        """The configuration to run as processes, which lacks what only the simulator can have. Raises `ConfigError`."""
        config, mistakes, _ = self._examined(deployed=True)
        mistakes.raise_first()
        return config

    @in_parameters
    def checked(self, tell: Tell = warn, *, deployed: bool = False) -> Config:
        """The configuration, once its data was looked at too; `deployed`: to run as processes. What is odd is told. Raises `DflError`."""
        config, mistakes, lost = self._examined(deployed)
        mistakes.raise_first()
        for line in (*lost, *_with_its_data(config, mistakes)):
            tell(line)
        return config

    def _examined(self, deployed: bool) -> tuple[Config, Mistakes, list[str]]:
        if self.text is not None:
            name = Path(self.source).stem
            return *examine_text(self.text, self.source, name, Path.cwd(), self.options, deployed=deployed), []
        if self.source.endswith(".json") and not deployed:
            return self._reference()
        return *examine_topology(self.source, self.options, deployed=deployed), []

    def _reference(self) -> tuple[Config, Mistakes, list[str]]:
        """A configuration of the reference program, and what of it is lost. Raises `ConfigError`."""
        from dfl_actors.topo.convert import convert_reference

        path = Path(self.source)
        table, lost = convert_reference(path, _seed_in(self.options), simulated=True)
        return *examine_table(table, Mistakes(Source(self.source)), path.parent.name or path.stem, self.options), lost

    def __repr__(self) -> str:
        config = self.config
        return f"<Topology {config.network.name}: {len(config.nodes)} nodes, {len(config.links)} links, seed {config.network.seed}>"


def topology_of(given: Topology | str | Path, overrides: Overrides = ()) -> Topology:
    """What the functions of this package take for a topology. Raises `ConfigError`."""
    if isinstance(given, Topology):
        return given.override(overrides) if overrides else given
    return Topology(given, overrides)


def _with_its_data(config: Config, mistakes: Mistakes) -> Iterable[str]:
    """What is odd about the labels, which only the data can tell. Raises `DflError`."""
    from dfl_actors.learning.coverage import SELECTIVE, check_labels, coverage_warnings
    from dfl_actors.learning.data import load_datasets

    drifts = any(event.do == "drift" for event in config.events)
    if config.data.partition not in SELECTIVE and not drifts:
        return []
    with at_once():
        data = load_datasets(config)
    check_labels(config, data, mistakes)
    mistakes.raise_first()
    return coverage_warnings(config, next(iter(data.values())), mistakes.source)


def _seed_in(options: Sequence[str]) -> int:
    """The seed that the options set, 0 if none does: the links of the reference's `average_degree-k` are drawn with it too."""
    table: Table = {}
    put_options(table, options)
    network = table.get("network", {})
    seed = network.get("seed", 0) if isinstance(network, dict) else 0
    return seed if isinstance(seed, int) else 0
