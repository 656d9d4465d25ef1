"""Decentralised federated learning as a ZeroMQ actor system.

What a script or a notebook uses stands in `__all__`; `docs/python.md` tells of it. Each name is imported when it is first asked for, so
that `import dfl_actors` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dfl_actors.api.compare import Compared, compare
    from dfl_actors.api.crew import Interrupted
    from dfl_actors.api.result import Result, load_run
    from dfl_actors.api.running import run
    from dfl_actors.api.simulation import Repeated, repeat, simulate
    from dfl_actors.api.sweeps.sweep import SweepResult, load_sweep, sweep
    from dfl_actors.api.topology import Topology
    from dfl_actors.errors import DflError

__version__ = "0.1.0"

__all__ = [
    "Compared", "DflError", "Interrupted", "Repeated", "Result", "SweepResult", "Topology",
    "compare", "load_run", "load_sweep", "repeat", "run", "simulate", "sweep",
]  # fmt: skip

_PLACES = {
    "Compared": "api.compare",
    "DflError": "errors",
    "Interrupted": "api.crew",
    "Repeated": "api.simulation",
    "Result": "api.result",
    "SweepResult": "api.sweeps.sweep",
    "Topology": "api.topology",
    "compare": "api.compare",
    "load_run": "api.result",
    "load_sweep": "api.sweeps.sweep",
    "repeat": "api.simulation",
    "run": "api.running",
    "simulate": "api.simulation",
    "sweep": "api.sweeps.sweep",
}

if not TYPE_CHECKING:  # where types are checked, a name that is not there is a mistake

    def __getattr__(name: str) -> object:
        if name not in _PLACES:
            raise AttributeError(f"module 'dfl_actors' has no attribute {name!r}")
        return getattr(import_module(f"dfl_actors.{_PLACES[name]}"), name)
