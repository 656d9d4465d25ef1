"""Signals while a run prepares: none gets lost."""

import contextlib
import os
import signal

import pytest

from dfl_actors.runtime.signals import raised, told_to


def test_a_signal_is_told_to_the_handler_and_the_old_one_comes_back() -> None:
    came: list[int] = []
    before = signal.getsignal(signal.SIGTERM)
    with told_to(came.append):
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
    assert came == [signal.SIGTERM, signal.SIGINT]
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_a_stop_that_foreign_code_swallowed_is_raised_again(number: signal.Signals, error: type[BaseException]) -> None:
    with raised() as check:
        check()
        with contextlib.suppress(error):
            os.kill(os.getpid(), number)
            pytest.fail("nothing was raised at once")
        with pytest.raises(error):
            check()
