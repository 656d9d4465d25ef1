"""Finds an algorithm by its name, and holds it to its contract when it runs.

A name is a built-in one, ``package.module:function``, ``file.py:function`` (relative to the topology file), or an entry point of the
group ``dfl_actors.algorithms``. What it names is a function that takes the algorithm's parameters as keywords and returns an `Algorithm`.
An author's mistake ends as one line that names the algorithm and the rule; the traceback stays attached as its cause.
"""

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from math import isfinite
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, TypeVar

import numpy as np

from dfl_actors.errors import AlgorithmError, ConfigError, DflError
from dfl_actors.sdk import fedavg, half_fedavg, reputation
from dfl_actors.sdk.interface import KNOWN_NEEDS, Algorithm, ReceivedModel, Reputations, Result, Weights

GROUP = "dfl_actors.algorithms"

Build = Callable[..., Algorithm]
T = TypeVar("T")

BUILT_IN: Mapping[str, Build] = MappingProxyType(
    {
        fedavg.NAME: fedavg.build,
        half_fedavg.NAME: half_fedavg.build,
        reputation.NAME: reputation.build,
    }
)


def known_names() -> list[str]:
    """The names that need no file or module: built in, then installed as entry points."""
    return [*BUILT_IN, *sorted(point.name for point in entry_points(group=GROUP) if point.name not in BUILT_IN)]


def load_algorithm(name: str, parameters: Mapping[str, object], base: Path | None = None) -> Algorithm:
    """The algorithm `name` built with `parameters`; `base` is the directory that a relative ``file.py`` starts from.

    Raises `AlgorithmError` when it cannot be found or loaded or is no algorithm, `ConfigError` when the parameters do not fit.
    """
    build = _find(name, base)
    _check_keywords(name, build, parameters)
    algorithm = _guarded(f"algorithm {name!r} cannot be built", lambda: build(**parameters))
    return _check_algorithm(name, algorithm)


def checked_apply(algorithm: Algorithm, state: Any, own: Weights, received: Sequence[ReceivedModel], reputations: Reputations) -> Result:
    """`algorithm.apply` on read-only inputs, its result checked; the weights returned share no memory with the inputs.

    Raises `AlgorithmError` naming the algorithm and the rule: weights float32 [P] like `own` and finite, reputations finite in 0..1.
    """
    inputs = [_read_only(own), *(_read_only(model.weights) for model in received)]
    models = [ReceivedModel(model.sender, weights, model.accuracy) for model, weights in zip(received, inputs[1:], strict=True)]
    known = MappingProxyType(dict(reputations))
    result = _guarded(f"algorithm {algorithm.name!r}: apply failed", lambda: algorithm.apply(state, inputs[0], models, known))
    _check_result(algorithm.name, result, own)
    # A stored model may be a view of a store that is about to reuse the memory.
    shared = any(np.may_share_memory(result.weights, weights) for weights in inputs)
    return result._replace(weights=result.weights.copy() if shared else np.ascontiguousarray(result.weights))


def _read_only(weights: Weights) -> Weights:
    view = weights.view()
    view.flags.writeable = False
    return view


def _check_result(name: str, result: object, own: Weights) -> None:
    _require(isinstance(result, Result), name, f"apply must return a Result, not {type(result).__name__}")
    assert isinstance(result, Result)
    _check_weights(name, result.weights, own)
    for key, kind in (("reputations", result.reputations), ("notes", result.notes)):
        _require(isinstance(kind, Mapping), name, f"{key} must be a mapping, not {type(kind).__name__}")
    for sender, value in result.reputations.items():
        sound = isinstance(value, int | float | np.floating) and isfinite(value) and 0.0 <= value <= 1.0
        _require(sound, name, f"reputations must lie in 0..1, but {sender} has {value!r}")


def _check_weights(name: str, weights: object, own: Weights) -> None:
    _require(isinstance(weights, np.ndarray), name, f"weights must be a numpy array, not {type(weights).__name__}")
    assert isinstance(weights, np.ndarray)
    _require(weights.dtype == np.float32, name, f"weights must be float32, not {weights.dtype}")
    _require(weights.shape == own.shape, name, f"weights must keep the shape {own.shape}, not {weights.shape}")
    _require(bool(np.isfinite(weights).all()), name, "weights must be finite, but hold NaN or infinity")


def _require(kept: bool, name: str, rule: str) -> None:
    if not kept:
        raise AlgorithmError(f"algorithm {name!r} broke its contract: {rule}; mend its apply function")


def _find(name: str, base: Path | None) -> Build:
    if name in BUILT_IN:
        return BUILT_IN[name]
    place, colon, function = name.rpartition(":")
    if colon:
        return _function(name, _module(name, place, base), function)
    for point in entry_points(group=GROUP, name=name):
        return _callable(name, _guarded(f"algorithm {name!r}, entry point {point.value!r}, cannot be loaded", point.load))
    raise AlgorithmError(
        f"algorithm {name!r} is not known; use one of {', '.join(known_names())}, 'package.module:function' or 'file.py:function'"
    )


def _module(name: str, place: str, base: Path | None) -> ModuleType:
    if place.endswith(".py"):
        path = ((base or Path()) / place).resolve()
        if not path.is_file():
            raise AlgorithmError(
                f"algorithm {name!r}: there is no file {path}; give its path from the topology file, or a name of "
                f"{', '.join(known_names())}"
            )
        return _guarded(f"algorithm {name!r} cannot be loaded from {path}", lambda: _load_file(path))
    return _guarded(f"algorithm {name!r}: module {place!r} cannot be imported", lambda: importlib.import_module(place))


def _load_file(path: Path) -> ModuleType:
    """Runs the file as a module of its own name: two files called alike must not replace each other."""
    unique = f"dfl_actors_plugin_{path.stem}_{hashlib.sha256(bytes(path)).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(unique, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look up their module by name while the file runs.
    sys.modules[unique] = module
    spec.loader.exec_module(module)
    return module


def _function(name: str, module: ModuleType, function: str) -> Build:
    found = getattr(module, function, None)
    if found is None:
        public = [key for key, value in vars(module).items() if inspect.isfunction(value) and not key.startswith("_")]
        raise AlgorithmError(f"algorithm {name!r}: its module has no {function!r}; its functions are {', '.join(public) or 'none'}")
    return _callable(name, found)


def _callable(name: str, found: object) -> Build:
    if not callable(found):
        raise AlgorithmError(f"algorithm {name!r} is a {type(found).__name__}; name a function that returns an Algorithm")
    return found


def _check_keywords(name: str, build: Build, parameters: Mapping[str, object]) -> None:
    try:
        inspect.signature(build).bind(**parameters)
    except TypeError as error:
        raise ConfigError(f"algorithm {name!r}, parameters: {error}; it takes {inspect.signature(build)}") from error


def _check_algorithm(name: str, algorithm: object) -> Algorithm:
    if not isinstance(algorithm, Algorithm):
        raise AlgorithmError(f"algorithm {name!r}: its function returned {type(algorithm).__name__}; it must return an Algorithm")
    unknown = sorted(set(algorithm.needs) - KNOWN_NEEDS)
    if unknown:
        raise AlgorithmError(f"algorithm {name!r} needs {', '.join(unknown)}, which nobody provides; it may need {', '.join(KNOWN_NEEDS)}")
    return algorithm


def _guarded(what: str, action: Callable[[], T]) -> T:
    """`action()`; an error of foreign code becomes one line, the project's own errors pass."""
    try:
        return action()
    except DflError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        raise AlgorithmError(f"{what}: {type(error).__name__}: {reason}") from error
