"""Errors on their way from one process to another: the message `Failed`, whose exit code says which error it was."""

import traceback

from dfl_actors.core import codec
from dfl_actors.core.control import Failed
from dfl_actors.errors import AlgorithmError, DflError

ERRORS: list[type[DflError]] = [DflError, *DflError.__subclasses__()]
KINDS = {kind.exit_code: kind for kind in ERRORS}


def failure(error: DflError | SystemExit) -> Failed:
    """The error as a message. Our own code never leaves by `sys.exit`, so that is a plug-in's mistake."""
    if isinstance(error, DflError):
        return Failed(text=str(error), exit_code=error.exit_code)
    place = traceback.extract_tb(error.__traceback__)[-1]
    return Failed(
        text=f"{place.filename}, line {place.lineno}, ended the process (SystemExit: {error}): a plug-in returns, or raises an Exception",
        exit_code=AlgorithmError.exit_code,
    )


def raised(failed: Failed) -> DflError:
    """The error that a message tells."""
    return KINDS.get(failed.exit_code, DflError)(failed.text)


def read(message: bytes) -> DflError:
    """The error that a process has sent as its last word."""
    return raised(codec.convert(Failed, codec.parse(message)))
