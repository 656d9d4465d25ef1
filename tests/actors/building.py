"""A builder on the bench, its own transactions, and what its witnesses answer."""

from typing import Any

from dfl_actors.actors.builder import Builder, BuilderSettings
from dfl_actors.core.codec import decode
from dfl_actors.core.family import Message
from dfl_actors.core.messages import Announced, ConfirmationsArrived, Drafted, ReceiptArrived
from dfl_actors.core.objects import Draft, FinalBlock
from dfl_actors.core.words import Started
from tests.actors import bench
from tests.actors.bench import KEYS, Bench, confirmation, receipt, told, transaction

WITNESSES = ("g", "h")
WAIT, DEADLINE, ABANDON = 10_000, 30_000, 300_000
OWN = [transaction("me", number) for number in range(6)]


def built(started: bool = True, **fields: Any) -> Bench:
    made = Bench(lambda one: Builder(bench.settings(BuilderSettings, **fields), KEYS["me"], one.chain, one.journal, bench.at()))
    if started:
        made.give(Started())
    return made


def announced(*numbers: int) -> list[Message]:
    return [Announced(transaction=OWN[number]) for number in numbers]


def receipts(*numbers: int, by: tuple[str, ...] = WITNESSES) -> list[Message]:
    return [ReceiptArrived(sender=KEYS["g"].address, receipt=receipt(name, OWN[number])) for number in numbers for name in by]


def confirmed(of: Draft, by: tuple[str, ...] = WITNESSES) -> ConfirmationsArrived:
    found = [(name, one) for entry in of.entries for one in entry.receipts for name in by if one.creator == KEYS[name].address]
    return ConfirmationsArrived(sender=KEYS["g"].address, confirmations=tuple(confirmation(name, of, one) for name, one in found))


def drafted(made: Bench) -> Draft:
    return told(made.said, Drafted)[-1].draft


def final_blocks(made: Bench) -> list[FinalBlock]:
    return [decode(FinalBlock, raw) for raw in made.chain.data]
