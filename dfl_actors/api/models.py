"""The models that a run or a simulation keeps, and what makes them answer."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dfl_actors.config import Config, load_topology

if TYPE_CHECKING:
    from dfl_actors.learning.form import Form
    from dfl_actors.learning.models import Learner
    from dfl_actors.learning.weights import Kept


class Models(NamedTuple):
    """What a directory holds: its configuration, its nodes, the form of its data if it says so, and what reads a node's model: the newest,
    or that in the block of a height."""

    config: Config
    names: tuple[str, ...]
    form: "Form | None"
    model: "Callable[[str, int | None], Kept]"


def found_models(run: Path) -> Models:
    """Those of a run directory, also while it runs, or of a simulation's. Raises `StoreError`; so does reading a model."""
    from dfl_actors.sim.about import is_simulation

    return _simulated(run) if is_simulation(run) else _ran(run)


def _ran(run: Path) -> Models:
    from dfl_actors.runtime.kept import kept_model
    from dfl_actors.runtime.rundir import RunDirectory, read_about

    place = RunDirectory.open(run)
    about, config = read_about(place), load_topology(place.config, deployed=True)
    return Models(config, tuple(about.nodes), about.form, lambda name, at: kept_model(place, name, config.gossip.codec, at))


def _simulated(run: Path) -> Models:
    from dfl_actors.sim.about import load_about
    from dfl_actors.sim.kept import kept_model

    config = load_topology(run / "config.toml")
    return Models(config, tuple(node.name for node in config.nodes), load_about(run).form, lambda name, at: kept_model(run, name, at))


def learner_for(found: Models) -> "Learner":
    """The learner of these models. Raises `ModelError`; `DataError` where only the data could say what their samples are."""
    from dfl_actors.learning import models
    from dfl_actors.learning.data import load_datasets

    form = next(iter(load_datasets(found.config, names=found.names).values())).form if found.form is None else found.form
    return models.learner_of(found.config, form)
