"""An algorithm, an attack or an optimiser in words: its documentation and its parameters."""

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dfl_actors.errors import DflError
from dfl_actors.learning import momentum
from dfl_actors.learning.foreign import guarded
from dfl_actors.learning.momentum import OPTIMISERS, Optimiser
from dfl_actors.sdk.attack import Attack
from dfl_actors.sdk.attacks import ATTACKS, simple
from dfl_actors.sdk.interface import Algorithm
from dfl_actors.sdk.loader import ALGORITHMS
from dfl_actors.sdk.parameters import Parameter, described_parameters
from dfl_actors.sdk.plugins import Registry

OPTIMIZERS: Registry[Optimiser] = Registry("optimiser", "dfl_actors.optimisers", OPTIMISERS, (Optimiser,))
KINDS = (ALGORITHMS, ATTACKS, OPTIMIZERS)

EITHER: Registry[Algorithm | Attack | Optimiser] = Registry(
    "algorithm, attack or optimiser",
    ALGORITHMS.group,
    {**ALGORITHMS.built_in, **ATTACKS.built_in, **OPTIMISERS},
    (Algorithm, Attack, Optimiser),
)


@dataclass(frozen=True, slots=True)
class Description:
    """`kind` is algorithm, attack, optimiser or any of them; `text` the documentation of the module; of the function where its module has
    none, or holds several."""

    name: str
    kind: str
    text: str
    parameters: tuple[Parameter, ...]


def known_names() -> list[tuple[str, str]]:
    """Kind and name of everything that can be named without a file or a module."""
    return [(registry.kind, name) for registry in KINDS for name in registry.names()]


def described(name: str, base: Path) -> Description:
    """What the plug-in `name` says of itself, without building it. Raises `AlgorithmError` when there is none."""
    registry = registry_of(name)
    build, what = registry.find(name, base), f"{registry.kind} {name!r} cannot be described"
    return guarded(what, lambda: Description(name, _kind(registry.kind, build), _text(build), described_parameters(build)))


def briefly(kind: str, name: str) -> str:
    """The first line about something installed, or why there is none."""
    try:
        return described(name, Path()).text.partition("\n")[0]
    except DflError as error:
        return f"cannot be used: {error}"


def registry_of(name: str) -> Registry[Algorithm] | Registry[Attack] | Registry[Optimiser] | Registry[Algorithm | Attack | Optimiser]:
    """Where to look for a plug-in of which nobody said what it is. What is installed is looked for last: that takes a tenth of a second."""
    for registry in KINDS:
        if name in registry.built_in:
            return registry
    return EITHER if ":" in name else next((registry for registry in KINDS if name in registry.names()), EITHER)


def _kind(known: str, build: Callable[..., object]) -> str:
    """What a function says that it returns, else what is `known` of it."""
    made = inspect.signature(build).return_annotation
    name = made if isinstance(made, str) else getattr(made, "__name__", "")
    return next((registry.kind for registry in KINDS if registry.values[0].__name__ == name.rpartition(".")[2]), known)


def _text(build: Callable[..., object]) -> str:
    module = sys.modules.get(getattr(build, "__module__", ""))
    of_module = module is not None and module not in (simple, momentum) and module.__doc__
    return (inspect.getdoc(module if of_module else build) or "").strip()
