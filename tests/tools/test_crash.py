"""The short form of `tools/crash.py`, on a network of two nodes: a fall at a step, one while that comes back, and a whole node's."""

import random
from collections.abc import Iterator
from pathlib import Path

import crash
import crash_points
import pytest
from crash_stage import Net, made, removed

from dfl_actors.core.effects import Announce, Note, Tell
from dfl_actors.core.events import Stopped
from dfl_actors.core.messages import Drafted, ReceiptArrived
from dfl_actors.runtime.rundir import RunDirectory
from dfl_actors.runtime.verify import verify_all
from tests import objects


@pytest.fixture
def attack() -> Iterator[crash.Attack]:
    place = made()
    net = Net(place, 2, options=("data.rate=96", "block.transactions=2", "run.evaluate_s=0"))
    try:
        net.ready()
        yield crash.Attack(net, random.Random(1), 0.02)
    finally:
        net.destroy()
        removed(place)


def test_a_network_that_falls_at_its_steps_loses_nothing_and_signs_nothing_twice(attack: crash.Attack) -> None:
    for who, point in (("0/builder", "after Commit"), ("1/validator", "before WriteJournal"), ("0/trainer", "after WriteJournal")):
        crash.fall(attack, who, point)
    crash.again(attack, "1/gossiper", "after Owned")
    crash.node(attack)
    attack.check()
    assert not attack.missed and sum(attack.kills.values()) == 6
    attack.net.destroy()
    assert all(chain.height > 2 for chain in verify_all(RunDirectory(attack.net.out), ("0", "1")))
    found = {row.what: row for row in crash.rows(attack, "")}
    assert all(row.met for row in found.values() if row.safe), found
    assert len(attack.times.actors) == len(attack.times.slow) == 2 and len(attack.times.nodes) == 1


def test_what_is_lost_or_signed_twice_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tool itself can fail: what two lives of an actor sign that contradicts is counted."""
    monkeypatch.setattr(crash_points, "STAGE", tmp_path)
    transaction = objects.transaction()
    first, second = (objects.draft((transaction, (objects.receipt(transaction),)), memo=memo) for memo in ("one", "other"))
    for draft in (first, first, second):
        crash_points.Life("0/builder").says(Tell(Drafted(draft=draft)))
    net = Net.__new__(Net)
    net.stage = tmp_path
    assert net.doubled() == {"draft": 1}


def test_points_have_the_names_of_steps_and_messages() -> None:
    receipt = objects.receipt(objects.transaction())
    assert crash_points.name_of(Tell(ReceiptArrived(receipt=receipt, sender=receipt.creator))) == "Tell ReceiptArrived"
    assert crash_points.name_of(Note(Stopped())) == "Note"
    assert not list(crash_points.signed(Note(Stopped())))
    assert Announce in crash_points.SPEECH
