"""The chains on the report's page: a strip of blocks for each node, each of which opens into what is in it.

A block is a `details` element, so that it opens with a click, a finger or the keyboard, and with scripts switched off.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from html import escape

from dfl_actors.config.toml_text import counted
from dfl_actors.core import codec
from dfl_actors.core.chain import LARGEST_BLOCK
from dfl_actors.core.codec import digest
from dfl_actors.core.objects import Entry, FinalBlock
from dfl_actors.errors import Refused
from dfl_actors.learning.score import told
from dfl_actors.report.load import Run
from dfl_actors.report.page.parts import node_name, node_symbol, section, tag
from dfl_actors.report.times import time_text
from dfl_actors.runtime.examined import Examined
from dfl_actors.runtime.known import named

MOST_BLOCKS, MOST_IN_ALL = 40, 240  # Newest blocks of a chain that are shown, and those of all chains together.
VERIFYING = 3.0  # Seconds that verifying the chains of a run may take: larger ones are shown, and not verified.
WRONG_BLOCK = re.compile(r"block (\d+)\b")  # With what the verdict on a chain begins that names a block.
DIGITS = 16  # Of a digest.
ABOUT = (
    " A block opens into its transactions, who measured them and what they found, and who confirmed that. "
    "Dashed: not every receipt is confirmed; dotted: abandoned. Nobody can change a block without changing every one after it."
)


def most_blocks(nodes: int) -> int:
    """How many blocks of each chain are shown in a network of so many nodes."""
    return max(min(MOST_BLOCKS, MOST_IN_ALL // max(nodes, 1)), 1)


def chains_section(run: Run, chains: Sequence[Examined]) -> str:
    """The section; nothing where no chain was looked at."""
    if not chains:
        return ""
    names = {address: name for nodes in (run.elsewhere, run.nodes) for name, address in nodes.items()}
    marked = {address: node_name(run, name) for address, name in names.items()}
    return _section(len(chains), "".join(_chain(run, chain, names, marked) for chain in chains))


def awaited_section(run: Run, names: Collection[str]) -> str:
    """What stands there while the chains of these nodes are being read: as many blocks as are expected, so that nothing moves then."""
    return _section(len(names), "".join(_awaited(run, name, most_blocks(len(names))) for name in names))


def unread_section(chains: int, problem: str) -> str:
    """What stands there if they cannot be read."""
    return _section(chains, tag("p", escape(problem), class_="missing"))


def _section(chains: int, inner: str) -> str:
    title, which = ("The chain", "the chain") if chains == 1 else ("The chains", "each chain")
    return section("chain-strips", f"{title}, block by block", f"The newest blocks of {which}.{ABOUT}", inner)


def wrong_chains(chains: Sequence[Examined]) -> list[str]:
    """What is wrong with chains, for the head of the page."""
    return [f"the chain of node {chain.node} does not verify: {chain.wrong}" for chain in chains if chain.wrong]


def _awaited(run: Run, name: str, most: int) -> str:
    """Words of about as many letters as will stand there."""
    height, transactions = run.tally.chain_of(name).all, run.tally.chain_of(name).transactions
    text = f"reading the chain … ({counted(height, 'block')}, {counted(transactions, 'transaction')})"
    blanks = [tag("div", tag("span", str(number)), class_="blank") for number in range(max(height - most, 0), height)]
    return _strip(run, name, "", text, blanks, height)


def _chain(run: Run, chain: Examined, names: Mapping[str, str], marked: Mapping[str, str]) -> str:
    """`names` by address, as they are, and `marked` as HTML."""
    kind, text = _verdict(run, chain, names)
    bad = WRONG_BLOCK.match(chain.wrong)
    blocks = [_block(raw, marked, chain.node, -1 if bad is None else int(bad[1])) for raw in chain.blocks]
    return _strip(run, chain.node, kind, text, blocks, chain.height)


def _strip(run: Run, node: str, kind: str, text: str, blocks: Sequence[str], height: int) -> str:
    """A node, what is known of its chain, and the newest blocks of those that it has."""
    title = tag("h3", node_symbol(run, node) + node_name(run, node, word="node ", sign=False))
    earlier = f"{counted(height - len(blocks), 'earlier block')} …" if 0 < len(blocks) < height else ""
    shown = [*([tag("span", earlier, class_="earlier")] if earlier else []), *blocks]
    verdict = tag("p", escape(text), class_=f"verdict {kind}".rstrip())
    return tag("div", title + verdict + tag("div", "".join(shown), class_="strip"), class_="chain")


def _verdict(run: Run, chain: Examined, names: Mapping[str, str]) -> tuple[str, str]:
    """What is known of the whole chain: a class of the page's, and the words."""
    if chain.wrong:
        return "wrong", f"does not verify: {chain.wrong}"
    if chain.verified is None:
        return "unknown", f"{counted(chain.height, 'block')}, not verified here: dfl-actors chain verify {run.path}"
    found = chain.verified
    lost = f" from {found.first} on, those before were lost (--adopt)" if found.first else ""
    abandoned = f"; {found.abandoned} abandoned, which prove nothing" if found.abandoned else ""
    contents = f"{counted(found.transactions, 'transaction')}, {counted(found.receipts, 'receipt')}"
    held = "".join(f"; holds evidence that {named(text, names)}" for text in found.contradictions)
    return "right", f"verified, {counted(found.height - found.first, 'block')}{lost}: {contents}{abandoned}{held}"


def _block(raw: bytes, names: Mapping[str, str], node: str, bad: int) -> str:
    """A block of a node's chain; `names` are HTML, `bad` is the height of the one that is wrong."""
    try:
        block = codec.decode(FinalBlock, raw, LARGEST_BLOCK)
    except Refused as error:
        return tag("details", tag("summary", "?") + tag("p", escape(f"This is no block: {error}")), class_="wrong")
    draft, confirmed = block.draft, {one.receipt for one in block.confirmations}
    expected = sum(len(entry.receipts) for entry in draft.entries)
    facts = {
        "digest": tag("code", digest(block)[:DIGITS]),
        "predecessor": tag("code", draft.previous[:DIGITS]) + ("" if draft.height else " (the genesis)"),
        "drafted": _time(draft.created),
        "final": _time(block.finalised),
        "confirmed": f"{len(confirmed)} of {counted(expected, 'receipt')}" if confirmed else "nobody confirmed it: it was abandoned",
        **({"memo": escape(draft.memo)} if draft.memo else {}),
    }
    listed = tag("dl", "".join(tag("div", tag("dt", key) + tag("dd", value)) for key, value in facts.items()))
    label = f"Block {draft.height} of node {node}, {counted(len(draft.entries), 'transaction')}, {facts['confirmed']}"
    summary = tag("summary", str(draft.height), aria_label=label, title=label)
    kind = "wrong" if draft.height == bad else "full" if confirmed and len(confirmed) >= expected else "part" if confirmed else "abandoned"
    return tag("details", summary + tag("div", listed + _entries(draft.entries, confirmed, names), class_="inside"), class_=kind)


def _entries(entries: Iterable[Entry], confirmed: set[str], names: Mapping[str, str]) -> str:
    """A row for each transaction: its own accuracy, and each witness with what it measured, marked where it confirmed that."""
    heads = ("number", "own", "witnesses", "transaction", "model")
    head = tag("tr", "".join(tag("th", text, scope="col", class_="left") for text in heads))
    rows = "".join(tag("tr", "".join(tag("td", cell, class_="left") for cell in _entry(one, confirmed, names))) for one in entries)
    table = tag("table", tag("thead", head) + tag("tbody", rows))
    about = tag("p", "✓ confirmed by the witness, ○ not confirmed", class_="note")
    return tag("div", table, class_="scroll", tabindex="0", role="region", aria_label="Transactions of the block") + about


def _entry(entry: Entry, confirmed: set[str], names: Mapping[str, str]) -> tuple[str, ...]:
    one = entry.transaction
    witnesses = [
        f"{'✓' if digest(receipt) in confirmed else '○'} {names.get(receipt.creator) or escape(receipt.creator[:8])} "
        f"{told(receipt.correct, receipt.tested)}"
        for receipt in entry.receipts
    ]
    codes = (tag("code", value[:DIGITS]) for value in (digest(one), one.model))
    return str(one.sequence), told(one.correct, one.tested), "<br>".join(witnesses) or "nobody", *codes


def _time(milliseconds: int) -> str:
    return f"{time_text(milliseconds, '%Y-%m-%d %H:%M:%S.%f', utc=True)} UTC"
