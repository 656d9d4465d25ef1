"""Settings for every test: examples that Hypothesis draws are the same in each run, and a failure prints how to repeat it."""

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, print_blob=True, deadline=None)
settings.load_profile("repeatable")
