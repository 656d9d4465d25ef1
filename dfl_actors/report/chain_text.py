"""A chain in readable lines: a summary, its blocks, and one block whole. Lines are broken between words."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from textwrap import wrap

from dfl_actors.config.toml_text import counted
from dfl_actors.core.codec import digest
from dfl_actors.core.objects import Address, Entry, FinalBlock, Receipt
from dfl_actors.learning.form import MILLION
from dfl_actors.learning.score import told as score_text
from dfl_actors.report.times import time_text

SHORT = 16  # Digits of a digest, where it is one of many.
MOMENT = "%Y-%m-%d %H:%M:%S.%f"


def folded(lines: Iterable[str], width: int | None) -> Iterator[str]:
    """The lines within `width` columns, what goes on below indented further; None is a file, which has room. Where two spaces stand a line
    is broken first."""
    for line in lines:
        if width is None or len(line) <= width:
            yield line
        else:
            yield from _broken(line, max(width, 20))


def _broken(line: str, width: int) -> Iterator[str]:
    indent = len(line) - len(line.lstrip())
    begun, further = " " * indent, " " * (indent + 4)
    for part in filter(None, line.strip().split("  ")):
        if begun.strip() and len(begun) + len(part) + 2 > width:
            yield begun
            begun = further
        lead = begun + "  " * bool(begun.strip())
        *full, begun = wrap(part, width, initial_indent=lead, subsequent_indent=further, break_long_words=False, break_on_hyphens=False)
        yield from full
    yield begun


def lines(node: str, blocks: Sequence[FinalBlock], names: Mapping[Address, str]) -> Iterator[str]:
    """The chain of `node`: what it comes to, and a block after the other; `names` gives the names of addresses that are known."""
    yield from summary(node, blocks, names)
    for block in blocks:
        yield from _block(block, names)


def summary(node: str, blocks: Sequence[FinalBlock], names: Mapping[Address, str]) -> Iterator[str]:
    """How many blocks and transactions there are, of which time, and who confirmed them."""
    entries = [(block, entry) for block in blocks for entry in block.draft.entries]
    yield f"chain of node {node}: {counted(len(blocks), 'block')}, {counted(len(entries), 'transaction')}"
    yield from _span(blocks)
    if not entries:
        return
    by = Counter(len(_confirmed(block, entry)) for block, entry in entries)
    if len(by) == 1:
        yield f"  each transaction confirmed by {_witnesses(next(iter(by)))}"
    else:
        told = (f"by {_witnesses(number)}: {counted(count, 'transaction')}" for number, count in sorted(by.items(), reverse=True))
        yield f"  confirmed {'; '.join(told)}"
    who = Counter(receipt.creator for block, entry in entries for receipt in _confirmed(block, entry))
    if who:
        yield f"  witnesses: {', '.join(f'{_name(address, names)} {count}' for address, count in who.most_common())}"
    if abandoned := [block.draft.height for block in blocks if not block.confirmations]:
        yield f"  {counted(len(abandoned), 'block')} abandoned (no confirmation, so no proof): {_heights(abandoned)}"


def _witnesses(number: int) -> str:
    return "nobody" if not number else "1 witness" if number == 1 else f"{number} witnesses"


def _heights(heights: Sequence[int], most: int = 10) -> str:
    return ", ".join(map(str, heights[:most])) + (", ..." if len(heights) > most else "")


def _span(blocks: Sequence[FinalBlock]) -> Iterator[str]:
    if blocks:
        first, last = blocks[0].finalised, blocks[-1].finalised
        yield f"  {_time(first)} to {_time(last)} UTC ({max(last - first, 0) / 1000:.0f} s)"


def _confirmed(block: FinalBlock, entry: Entry) -> list[Receipt]:
    known = {confirmation.receipt for confirmation in block.confirmations}
    return [receipt for receipt in entry.receipts if digest(receipt) in known]


def _block(block: FinalBlock, names: Mapping[Address, str]) -> Iterator[str]:
    draft = block.draft
    memo = f"  memo {draft.memo!r}" if draft.memo else ""
    yield (
        f"  block {draft.height}  {digest(block)[:SHORT]}  after {draft.previous[:SHORT]}  {_time(block.finalised)}  "
        f"{counted(len(draft.entries), 'transaction')}, {_given(block)}{memo}"
    )
    for entry in draft.entries:
        yield from _entry(block, entry, names)


def _given(block: FinalBlock) -> str:
    expected = sum(len(entry.receipts) for entry in block.draft.entries)
    return f"{len(block.confirmations)} of {expected} receipts confirmed" if block.confirmations else "abandoned: nobody confirmed it"


def _entry(block: FinalBlock, entry: Entry, names: Mapping[Address, str]) -> Iterator[str]:
    transaction, confirmed = entry.transaction, _confirmed(block, entry)
    yield (
        f"    transaction {transaction.sequence}  {digest(transaction)[:SHORT]}  model {transaction.model[:SHORT]}  "
        f"{_time(transaction.created)}  own {_score(transaction.correct, transaction.tested)}"
    )
    for receipt in entry.receipts:
        yield f"      {_receipt(receipt, receipt in confirmed, names)}"


def _receipt(receipt: Receipt, confirmed: bool, names: Mapping[Address, str]) -> str:
    word = "confirmed" if confirmed else "not confirmed"
    return f"witness {_name(receipt.creator, names)}: {_score(receipt.correct, receipt.tested)}, at ttl {receipt.received_at_ttl}, {word}"


def whole(node: str, block: FinalBlock, names: Mapping[Address, str]) -> Iterator[str]:
    """One block with all that is in it but signatures, which `chain export` has."""
    draft = block.draft
    yield f"block {draft.height} of node {node}: {counted(len(draft.entries), 'transaction')}, {_given(block)}"
    yield f"  digest    {digest(block)}"
    yield f"  previous  {draft.previous}"
    yield f"  draft     {digest(draft)}"
    yield f"  drafted   {_time(draft.created)} UTC"
    yield f"  final     {_time(block.finalised)} UTC, {block.finalised - draft.created:,} ms later"
    if draft.memo:
        yield f"  memo      {draft.memo!r}"
    for entry in draft.entries:
        yield from _whole_entry(block, entry, names)


def _whole_entry(block: FinalBlock, entry: Entry, names: Mapping[Address, str]) -> Iterator[str]:
    transaction, confirmed = entry.transaction, _confirmed(block, entry)
    yield ""
    yield f"  transaction {transaction.sequence}, own {_score(transaction.correct, transaction.tested)}"
    yield f"    digest  {digest(transaction)}"
    yield f"    model   {transaction.model}"
    yield f"            {transaction.codec}, {transaction.size:,} bytes"
    yield f"    made    {_time(transaction.created)} UTC, ttl {transaction.ttl}"
    for receipt in entry.receipts:
        yield f"    {_receipt(receipt, receipt in confirmed, names)}"
        yield f"      {digest(receipt)}"


def _name(address: Address, names: Mapping[Address, str]) -> str:
    return names.get(address, address[:SHORT])


def _score(correct: int, tested: int) -> str:
    return f"{'score' if tested >= MILLION else 'accuracy'} {score_text(correct, tested)}"


def _time(milliseconds: int) -> str:
    return time_text(milliseconds, MOMENT, utc=True)
