"""For which task a message costs, and which work that is."""

from typing import Any

import pytest

from dfl_actors.core import messages as m
from dfl_actors.core.family import ACTORS, Message
from dfl_actors.core.words import Asked, Heard, Replied, Tick
from dfl_actors.runtime.meter import TASKS, task_of, work_of
from tests import objects

D = "0" * 64
ASKED: dict[str, Any] = {"peer": b"p"}
HEARD: dict[str, Any] = {"neighbour": D, "epoch": 1, "number": 1}
TX = objects.transaction()


@pytest.mark.parametrize(
    ("actor", "message", "task", "work"),
    [
        ("trainer", m.Injected(samples=()), "generate_transaction", "blockchain"),
        ("trainer", m.Averaged(delta=D, number=1), "update_model", "learning"),
        ("keeper", m.Versioned(model=D, applied=0), "update_model", "learning"),
        ("injector", Tick(), "inject", "network"),
        ("gossiper", m.Trained(transaction=TX), "generate_transaction", "network"),
        ("gossiper", Heard(**HEARD, news=m.TransactionNews(transaction=TX, receipts=())), "receive_transaction", "network"),
        ("gossiper", Heard(**HEARD, news=m.ReceiptNews(receipt=objects.receipt(TX))), "generate_block", "network"),
        ("gossiper", Asked(**ASKED, request=m.Fetch(model=D, first=0, count=1)), "generate_transaction", "network"),
        ("gossiper", Asked(**ASKED, request=m.ConfirmationsFor(confirmations=())), "generate_block", "network"),
        ("gossiper", Replied(neighbour=D, reply=m.Chunk(model=D, index=0)), "receive_transaction", "blockchain"),
    ],
)
def test_a_message_costs_for_a_task_and_is_some_work(actor: str, message: Message, task: str, work: str) -> None:
    assert (task_of(actor, message), work_of(actor, message)) == (task, work)


def test_every_actor_has_a_task() -> None:
    assert tuple(sorted(TASKS)) == tuple(sorted(ACTORS))
