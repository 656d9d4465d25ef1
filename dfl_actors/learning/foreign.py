"""Code that users bring: algorithms, attacks and models. A file of theirs is loaded here, and what it raises becomes one line.

Whatever such code does, `sys.exit` and endless recursion included, the person reads which plug-in it was and what went wrong; the
traceback stays attached as the cause.
"""

import hashlib
import importlib
import importlib.util
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from dfl_actors.errors import AlgorithmError, DflError, Interrupted
from dfl_actors.files import unheard

T = TypeVar("T")
NOISE = re.compile(r"\{\{.*?\}\}|\x1b\[[0-9;]*m")  # How TensorFlow names its own operations, and Keras' bold letters.
STACK = re.compile(
    r"Graph execution error:\s+Detected at node.*?most recent call last\):\n.*?\n\n", re.DOTALL
)  # Before TensorFlow's reason.
LONGEST = 300  # Characters of an error's text that are shown: Keras explains itself at length.


def guarded(what: str, action: Callable[[], T], kind: type[DflError] = AlgorithmError) -> T:
    """`action()`; whatever foreign code raises becomes a `kind` of one line, `what` first. Our own errors pass, and so does Ctrl-C.

    Code that changes the current folder does so for itself: relative paths of ours go on meaning what they meant."""
    try:
        with _same_folder():
            return action()
    except (DflError, Interrupted):
        raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
            raise
        raise kind(f"{what}: {one_line(error)}") from error


@contextmanager
def _same_folder() -> Iterator[None]:
    folder = None
    with suppress(OSError):  # It may have been removed under us, before or meanwhile.
        folder = Path.cwd()
    try:
        yield
    finally:
        with suppress(OSError):
            os.chdir(folder or "")


@contextmanager
def only_python_heard() -> Iterator[None]:
    """What code in Python prints on stderr is heard. What TensorFlow's C++ prints there is not: of errors it also raises exceptions."""
    sys.stderr.flush()
    with os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace") as kept, redirect_stderr(kept), unheard(2):
        yield


def one_line(error: BaseException) -> str:
    """An error's kind and its text."""
    if isinstance(error, SystemExit):
        return f"it ends the program (sys.exit({'' if error.code is None else repr(error.code)})); let it raise an error instead"
    text = STACK.sub("", NOISE.sub("", str(error).partition("Traceback (most recent call last)")[0]))
    return f"{type(error).__name__}: {' '.join(text.split())[:LONGEST]}"


def find_function(key: str, place: str, kind: type[DflError], ways: str = "") -> Callable[..., object]:
    """The function that the topology's `key` names as "package.module:name" or "path/file.py:name", beside other `ways`."""
    module, _, name = place.rpartition(":")
    if not module or not name:
        raise kind(f"{key} {place!r} is not known; give {ways}'package.module:build' or 'path/file.py:build'")
    found: object = guarded(f"{key} {place!r}: {module} cannot be imported", lambda: getattr(module_at(module), name, None), kind)
    if not callable(found):
        raise kind(f"{key} {place!r}: {module} has no function {name!r}")
    return found


def module_at(place: str) -> ModuleType:
    """A module by its name, or by the path of its file."""
    return load_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)


def load_file(path: Path) -> ModuleType:
    """Runs the file as a module under a name of its own: two files called alike must not replace each other."""
    name = f"dfl_actors_plugin_{path.stem}_{hashlib.sha256(bytes(path.resolve())).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    # Keras and dataclasses look their classes' module up while the file runs.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
