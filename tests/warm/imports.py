"""All that commands import, once for those of a test process: no TensorFlow operation, no socket, no open store."""

import sys
from importlib import import_module
from types import ModuleType
from typing import cast

from dfl_actors import __main__
from dfl_actors.__main__ import main
from dfl_actors.processes.preload import NEEDLESS

__all__ = ["MAIN", "NEEDED", "main"]

MAIN = __main__.__file__

COMPUTING = ("dfl_actors.runtime.preload", "dfl_actors.sim.worker", "dfl_actors.api.sweeps.cells")
TELLING = ("dfl_actors.cli", "dfl_actors.report.page.page", "dfl_actors.report.pictures", "matplotlib.backends.backend_agg")


def needed() -> dict[str, ModuleType]:
    """Import all. Returns what the fork server hides from Keras, and takes away afterwards; a command draws with it."""
    modules = cast("dict[str, ModuleType | None]", sys.modules)
    for name in COMPUTING:
        import_module(name)
    for name in NEEDLESS:
        if modules.get(name, sys) is None:
            del modules[name]
    for name in TELLING:
        import_module(name)
    return {name: module for name in NEEDLESS if (module := modules.setdefault(name, None)) is not None}


NEEDED = needed()
