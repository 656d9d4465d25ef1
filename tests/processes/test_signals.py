"""Signals set a flag while there is something to clean up; none gets lost."""

import os
import signal
import subprocess
import sys

import pytest

from dfl_actors.processes import signals
from dfl_actors.processes.signals import Interrupted, deferred


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


def test_a_child_is_born_deaf_to_the_terminal_and_stays_so() -> None:
    told = "from dfl_actors.processes import signals; import signal, os; "
    told += "os.kill(os.getpid(), signal.SIGTERM); signals.ignore(); os.kill(os.getpid(), signal.SIGINT); print('alive')"
    with signals.blocked():
        child = subprocess.Popen([sys.executable, "-c", told], stdout=subprocess.PIPE, text=True)
    assert child.communicate()[0] == "alive\n"
