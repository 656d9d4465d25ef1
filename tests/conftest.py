"""Settings for every test: examples that Hypothesis draws are the same in each run, and a failure prints how to repeat it."""

import signal

from hypothesis import settings

# A shell that runs the tests in its background has Ctrl-C ignored, in them and in every command they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("repeatable", derandomize=True, print_blob=True, deadline=None)
settings.load_profile("repeatable")
