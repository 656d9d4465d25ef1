"""Signals set a flag while there is something to clean up; none gets lost."""

import os
import signal
import subprocess
import sys

import pytest

from dfl_actors.processes import signals
from dfl_actors.processes.signals import Interrupted, at_once, deferred


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_sets_a_flag_and_the_old_handler_comes_back(number: signal.Signals, code: int) -> None:
    before = signal.getsignal(number)
    with deferred() as stop:
        stop.check()
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop and stop.number == number
        with pytest.raises(Interrupted) as ended:
            stop.check()
    assert ended.value.code == code
    assert signal.getsignal(number) is before


def test_the_second_signal_ends_at_once_what_is_impatient() -> None:
    with pytest.raises(Interrupted), deferred(impatient=True):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("nothing was raised")


def test_what_may_take_long_and_leaves_nothing_is_ended_by_the_first() -> None:
    with deferred() as stop:
        with pytest.raises(Interrupted), at_once():
            os.kill(os.getpid(), signal.SIGTERM)
            pytest.fail("nothing was raised")
        assert stop.number == signal.SIGTERM
        with pytest.raises(Interrupted), at_once():
            pytest.fail("one that had come before is forgotten")
        os.kill(os.getpid(), signal.SIGTERM)  # deferred again


def test_a_child_is_born_deaf_to_the_terminal_and_stays_so() -> None:
    told = "from dfl_actors.processes import signals; import signal, os; "
    told += "os.kill(os.getpid(), signal.SIGTERM); signals.ignore(); os.kill(os.getpid(), signal.SIGINT); print('alive')"
    with signals.blocked():
        child = subprocess.Popen([sys.executable, "-c", told], stdout=subprocess.PIPE, text=True)
    assert child.communicate()[0] == "alive\n"
