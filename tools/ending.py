"""A tool that is ended ends what it has started: `finally` runs at SIGTERM as it does at Ctrl-C."""

import signal
import sys


def orderly() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
