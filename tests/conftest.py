"""Settings for every test: examples that Hypothesis draws are the same in each run, and a failure prints how to repeat it."""

import os
import resource
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.order import spread

# A shell that runs the tests in its background has Ctrl-C ignored, in them and in every command they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("repeatable", derandomize=True, print_blob=True, deadline=None)
settings.load_profile("repeatable")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if (workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))) > 1:
        items[:] = spread(items, workers)


@pytest.fixture(autouse=True)
def _worker_may_work_on() -> Iterator[None]:
    """A limit of processor time that a test leaves behind ends its worker later, in the middle of another test."""
    before = resource.getrlimit(resource.RLIMIT_CPU)
    yield
    assert resource.getrlimit(resource.RLIMIT_CPU) == before, "who reads damaged stores limits its process: call it in a child"
