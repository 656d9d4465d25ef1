"""A chain in readable lines."""

from collections.abc import Iterable, Iterator, Mapping

from dfl_actors.core.codec import digest
from dfl_actors.core.objects import Address, Entry, FinalBlock
from dfl_actors.learning.form import MILLION
from dfl_actors.learning.score import told
from dfl_actors.report.times import time_text


def lines(node: str, blocks: Iterable[FinalBlock], names: Mapping[Address, str]) -> Iterator[str]:
    """The chain of `node`, a block after the other; `names` gives the names of addresses that are known."""
    yield f"chain of node {node}"
    for block in blocks:
        yield from _block(block, names)


def _block(block: FinalBlock, names: Mapping[Address, str]) -> Iterator[str]:
    draft = block.draft
    expected = sum(len(entry.receipts) for entry in draft.entries)
    given = f"{len(block.confirmations)} of {expected} receipts confirmed" if block.confirmations else "abandoned: nobody confirmed it"
    yield (
        f"  block {draft.height}  {digest(block)[:16]}  after {draft.previous[:16]}  {_time(block.finalised)}  "
        f"{len(draft.entries)} transactions, {given}" + (f"  memo {draft.memo!r}" if draft.memo else "")
    )
    confirmed = {confirmation.receipt for confirmation in block.confirmations}
    for entry in draft.entries:
        yield from _entry(entry, confirmed, names)


def _entry(entry: Entry, confirmed: set[str], names: Mapping[Address, str]) -> Iterator[str]:
    transaction = entry.transaction
    yield (
        f"    transaction {transaction.sequence}  {digest(transaction)[:16]}  model {transaction.model[:16]}  "
        f"{_time(transaction.created)}  own {_score(transaction.correct, transaction.tested)}"
    )
    for receipt in entry.receipts:
        word = "confirmed" if digest(receipt) in confirmed else "not confirmed"
        who = names.get(receipt.creator, receipt.creator[:16])
        yield f"      witness {who}: {_score(receipt.correct, receipt.tested)}, at ttl {receipt.received_at_ttl}, {word}"


def _score(correct: int, tested: int) -> str:
    return f"{'score' if tested >= MILLION else 'accuracy'} {told(correct, tested)}"


def _time(milliseconds: int) -> str:
    return time_text(milliseconds, "%Y-%m-%d %H:%M:%S.%f", utc=True)
