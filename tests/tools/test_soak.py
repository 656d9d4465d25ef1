"""What the soak calls flat: a leak is found, and nobody's death hides it or is taken for one."""

import random

import numpy as np
import pytest
from crash_stage import Net
from soak import Disk, Sample, Soak, growth


@pytest.mark.parametrize(("an_hour", "found"), [(0.0, False), (30.0, True), (-30.0, False)])
def test_memory_that_grows_by_more_than_a_twentieth_is_found(an_hour: float, found: bool) -> None:
    seconds = np.arange(600, 1800, 15.0)
    memory = 100 + an_hour * seconds / 3600 + np.random.default_rng(1).normal(0, 1, len(seconds))
    assert (growth(seconds, memory) > 0.05) is found


def test_only_processes_that_lived_all_along_are_added_up() -> None:
    soak = Soak(Net.__new__(Net), random.Random(1), 1)
    for second in range(0, 90, 15):
        killed = 3 if second < 60 else 4
        soak.samples += [Sample(second, who, pid, 10.0, 8.0, 5, 1) for who, pid in (("0/keeper", 1), ("1/keeper", killed), ("3/keeper", 5))]
        soak.disk.append(Disk(second, second, 1000 * second, 100, 100 * second))
    seconds, memory = soak.series("pss")
    assert seconds.tolist() == [30, 45, 60, 75] and memory.tolist() == [10.0] * 4
    rows = {row.what: row for row in soak.disk_rows()}
    assert rows["disk a block, all: kB, growth"].figure == "1.0, +0.0%"
