"""A tool that is ended ends what it has started: `finally` runs at SIGTERM as it does at Ctrl-C, of which one line is left."""

import signal
import sys
from types import TracebackType


def orderly() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.excepthook = _told


def _told(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        print(str(error) or "interrupted", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)
