"""A module that is still being imported when its importer's parent dies."""

import sys
import time

print("importing", file=sys.stderr, flush=True)  # noqa: T201 - into the fork server's log
time.sleep(1000)
