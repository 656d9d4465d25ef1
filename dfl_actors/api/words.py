"""Errors in the words of whoever hears them: what the rest of the program says of options, a script hears of parameters.

Below, errors name the options of the command line ("choose another --out"). The functions that scripts call are `in_parameters`: the
outermost of them, unless the command line has called it, puts the names of its parameters there.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import ParamSpec, TypeVar

from dfl_actors.errors import DflError

P = ParamSpec("P")
R = TypeVar("R")

PARAMETERS = ("out", "resume", "jobs", "duration", "force", "set", "vary", "seeds", "engine", "address", "insecure")
OTHERWISE = {"set": "overrides"}  # What is called otherwise in scripts.

_COMMAND = re.compile(r"dfl-actors (?:sim|run|sweep) --resume (\S+)")
_OPTION = re.compile(rf"--({'|'.join(PARAMETERS)})\b")

_heard = ContextVar("heard", default=False)  # Whether somebody further out tells the user.


@contextmanager
def in_options() -> Iterator[None]:
    """Errors inside are told as they are, by the command line or by a function of ours further out."""
    before = _heard.set(True)
    try:
        yield
    finally:
        _heard.reset(before)


def in_parameters(function: Callable[P, R]) -> Callable[P, R]:
    """The same function, whose errors name parameters where a script has called it."""

    @wraps(function)
    def told(*args: P.args, **kwargs: P.kwargs) -> R:
        if _heard.get():
            return function(*args, **kwargs)
        try:
            with in_options():
                return function(*args, **kwargs)
        except (DflError, KeyboardInterrupt) as error:
            error.args = tuple(translated(str(text), function.__name__) for text in error.args)
            raise

    return told


def translated(text: str, function: str) -> str:
    """An error's text with parameters in place of options, and a call of the `function` in place of the command that goes on.

    >>> translated("runs/a is not empty: choose another --out", "run")
    'runs/a is not empty: choose another `out`'
    """
    text = _COMMAND.sub(lambda found: f"{function}(resume={found[1]!r})", text)
    return _OPTION.sub(lambda found: f"`{OTHERWISE.get(found[1], found[1])}`", text)
