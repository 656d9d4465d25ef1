"""Settings for every test: examples that Hypothesis draws are the same in each run, and a failure prints how to repeat it."""

import os
import resource
import shutil
import signal
import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.order import spread

# A shell that runs the tests in its background has Ctrl-C ignored, in them and in every command they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("repeatable", derandomize=True, print_blob=True, deadline=None)
settings.load_profile("repeatable")


ROOM = 2 << 30
"""Bytes that the files of all tests at once leave room in."""


def pytest_configure(config: pytest.Config) -> None:
    """A disk that fills up meanwhile fails tests by hundreds, and none of them says why."""
    place = tempfile.gettempdir()
    free = shutil.disk_usage(place).free
    if free < ROOM and not hasattr(config, "workerinput"):
        raise pytest.UsageError(
            f"{place} has {free / 2**30:.1f} GiB left, and the tests need {ROOM >> 30}: make room, or set TMPDIR to a folder that has it"
        )


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
