"""A chain for people: its summary, its blocks, and one block whole, at every width."""

import re

import msgspec
import pytest

from dfl_actors.core.codec import digest
from dfl_actors.core.objects import FinalBlock
from dfl_actors.report.chain_text import folded, lines, whole
from dfl_actors.runtime.known import named
from tests import objects

NAMES = {objects.ALICE.address: "amy", objects.BOB.address: "hospital-north-charite-01", objects.CAROL.address: "carol"}


def chain() -> list[FinalBlock]:
    """Two blocks: all three receipts of the first are confirmed but one, nobody confirmed the second."""
    blocks = []
    for height in range(2):
        first, second = (objects.transaction(now=objects.NOW + 1000 * height, sequence=2 * height + at) for at in range(2))
        receipts = [objects.receipt(first), objects.receipt(first, objects.CAROL), objects.receipt(second)]
        draft = objects.draft((first, tuple(receipts[:2])), (second, tuple(receipts[2:])), height=height, memo="a memo")
        given = [objects.confirmation(draft, receipt, key) for receipt, key in zip(receipts[:2], (objects.BOB, objects.CAROL), strict=True)]
        blocks.append(objects.final(draft, *(given if not height else ())))
    return [blocks[0], msgspec.structs.replace(blocks[1], finalised=blocks[0].finalised + 90_000)]


def test_a_chain_begins_with_what_it_comes_to() -> None:
    told = list(lines("amy", chain(), NAMES))
    assert told[0] == "chain of node amy: 2 blocks, 4 transactions"
    assert re.fullmatch(r"  \S+ [\d:.]+ to \S+ [\d:.]+ UTC \(90 s\)", told[1])
    assert told[2] == "  confirmed by 2 witnesses: 1 transaction; by nobody: 3 transactions"
    assert told[3] == "  witnesses: hospital-north-charite-01 1, carol 1"
    assert told[4] == "  1 block abandoned (no confirmation, so no proof): 1"
    assert list(lines("amy", [], NAMES)) == ["chain of node amy: 0 blocks, 0 transactions"]
    assert "  each transaction confirmed by nobody" in list(lines("amy", chain()[1:], NAMES))


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_nothing_breaks_in_the_middle_of_a_word(width: int) -> None:
    told = [*lines("amy", chain(), NAMES), *whole("amy", chain()[0], NAMES)]
    shown = list(folded(told, width))
    assert " ".join(" ".join(shown).split()) == " ".join(" ".join(told).split())
    assert all(len(line) <= width or re.search(r"[0-9a-f]{64}$", line) for line in shown)
    assert all(len(line) <= width for line in shown) or width < 80
    assert not any(re.search(r"\d{4}-\d\d-\d\d$", line) for line in shown if line.startswith("    ")), "a moment stays together"


def test_one_block_is_shown_whole() -> None:
    block = chain()[0]
    text = "\n".join(whole("amy", block, NAMES))
    first, second = block.draft.entries
    known = [digest(block), block.draft.previous, digest(block.draft), digest(first.transaction), first.transaction.model]
    assert all(one in text for one in [*known, *(digest(receipt) for receipt in (*first.receipts, *second.receipts))])
    assert text.startswith("block 0 of node amy: 2 transactions, 2 of 3 receipts confirmed\n") and "memo      'a memo'" in text
    assert text.count("not confirmed") == 1 and "witness carol: accuracy" in text


def test_others_are_named_where_they_are_known() -> None:
    bob = objects.BOB.address
    assert named(f"{bob[:16]} signed two drafts for 3", NAMES) == "node hospital-north-charite-01 signed two drafts for 3"
    assert named(f"{bob} {bob[:7]} {'0' * 16} x{bob[:8]}y", {bob: "bob"}) == f"node bob {bob[:7]} {'0' * 16} x{bob[:8]}y".replace(
        f"x{bob[:8]}y", "xnode boby"
    )
