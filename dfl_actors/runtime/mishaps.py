"""What must not happen and does: an exception that no rule foresees, while something that came from elsewhere is read or handled.

It costs that one message. Where it came from stands in the process's log, once for each place in the program; that it came is counted
like any other refusal, with code `unexpected`. Nobody is restarted for it, so nobody can end a node with it.
"""

import sys
import traceback

from dfl_actors.errors import DflError, Refused

MOST_LOGGED = 64  # Places of which the cause is written down; further ones are counted alone.
OURS: tuple[type[Exception], ...] = (DflError, MemoryError)
"""What is no accident of one message: the user's to mend, or the end of a process that has no room left."""

_logged: set[tuple[str, str, int]] = set()


def mishap(error: Exception, what: str, by: str = "") -> Refused:
    """What the message, of type `what`, is refused for. Call it where the exception is handled."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = (type(error).__name__, last.filename, last.lineno or 0)
    if place not in _logged and len(_logged) < MOST_LOGGED:
        _logged.add(place)
        sys.stderr.write(f"a {what} from elsewhere failed here and was dropped; the program goes on:\n")
        traceback.print_exception(error, file=sys.stderr)
        sys.stderr.flush()
    return Refused("unexpected", f"{type(error).__name__} in {what}", by)
