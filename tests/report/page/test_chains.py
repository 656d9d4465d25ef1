"""The strip of blocks on the page: as text, and opened with the keyboard in a real browser."""

from pathlib import Path

import msgspec
import pytest

from dfl_actors.core.codec import digest, encode
from dfl_actors.core.objects import FinalBlock
from dfl_actors.report.load import Run, load_run
from dfl_actors.report.page.chains import MOST_BLOCKS, awaited_section, chains_section, most_blocks, wrong_chains
from dfl_actors.report.page.page import page
from dfl_actors.report.page.parts import node_symbol
from dfl_actors.runtime.examined import Examined
from dfl_actors.runtime.verify import Verified
from tests import objects
from tests.report.browser import Opened, chromium, serious
from tests.report.made_run import ready, write_run

NODE = "<b>a"


def block(height: int, confirmed: bool = True) -> FinalBlock:
    transaction = objects.transaction(sequence=height)
    receipt = objects.receipt(transaction)
    draft = objects.draft((transaction, (receipt,)), height=height)
    return objects.final(draft, *([objects.confirmation(draft, receipt)] if confirmed else []))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return load_run(write_run(tmp_path / "net", [NODE, "bob"], [ready()]))


def chain(*blocks: FinalBlock, height: int = 0, **more: object) -> Examined:
    return Examined(node=NODE, height=height or len(blocks), blocks=tuple(map(encode, blocks)), **more)  # type: ignore[arg-type]


def test_a_block_shows_what_is_in_it_and_escapes_names(run: Run) -> None:
    one = block(7)
    named = msgspec.structs.replace(run, nodes={NODE: objects.ALICE.address, "<i>bob": objects.BOB.address})
    text = page(named, chains=[chain(one, height=12)])
    assert "11 earlier blocks …" in text and f"<code>{digest(one)[:16]}</code>" in text
    assert f"<code>{one.draft.previous[:16]}</code>" in text and f"<code>{digest(one.draft.entries[0].transaction)[:16]}</code>" in text
    assert "✓ &lt;i&gt;bob " in text and "<i>bob" not in text.split("<main>")[1] and "1 of 1 receipt" in text
    assert f"12 blocks, not verified here: dfl-actors chain verify {run.path}" in text
    abandoned = page(named, chains=[chain(block(0, confirmed=False))])
    assert "nobody confirmed it: it was abandoned" in abandoned and "○ &lt;i&gt;bob" in abandoned


def test_the_verdict_stands_above_the_strip_and_a_wrong_chain_at_the_head(run: Run) -> None:
    verified = Verified(node=NODE, height=2, head="", genesis="", transactions=2, receipts=2)
    assert "verified, 2 blocks: 2 transactions, 2 receipts" in page(run, chains=[chain(block(0), block(1), verified=verified)])
    twice = msgspec.structs.replace(verified, contradictions=(f"{objects.BOB.address[:16]} signed two transactions for 3",))
    known = msgspec.structs.replace(run, nodes={NODE: objects.ALICE.address, "ben": objects.BOB.address})
    assert "holds evidence that node ben signed two transactions for 3" in page(known, chains=[chain(block(0), verified=twice)])
    wrong = [chain(block(0), wrong="block 3 breaks rule <x>")]
    text = page(run, chains=wrong)
    assert wrong_chains(wrong) == [f"the chain of node {NODE} does not verify: block 3 breaks rule <x>"]
    assert text.partition("<main>")[0].count("does not verify: block 3 breaks rule &lt;x&gt;") == 1
    marked = page(run, chains=[chain(block(2), block(3), wrong="block 3 breaks rule <x>")])
    assert marked.count('<details class="wrong">') == 1 and 'class="wrong"><summary aria-label="Block 3 ' in marked
    assert "This is no block" in page(run, chains=[Examined(node=NODE, height=1, blocks=(b"{}",))])
    assert 'id="chain-strips"' not in page(run)


def test_an_attacker_is_marked_at_its_chain_and_as_a_witness(run: Run) -> None:
    bob = {"nodes": {NODE: objects.ALICE.address, "bob": objects.BOB.address}, "attacks": {"bob": "sign_flip"}}
    named = msgspec.structs.replace(run, **bob)
    marked = '<span class="node attacker" title="node bob, sign_flip"><span>{}bob</span><small>sign_flip</small></span>'
    text = page(named, chains=[chain(block(1)), Examined(node="bob", wrong="nothing there")])
    assert f"✓ {marked.format('')} " in text and f"</svg>{marked.format('node ')}</h3>" in text
    assert f"<h3>{node_symbol(named, NODE)}<span>node &lt;b&gt;a</span></h3>" in text


def test_one_chain_is_one_and_has_its_place_before_it_is_read(run: Run) -> None:
    text = chains_section(run, [chain(block(0))])
    assert "<h2>The chain, block by block</h2>" in text and "blocks of the chain." in text
    assert "<h2>The chains, block by block</h2>" in chains_section(run, [chain(), chain()])
    run.tally.sealed[NODE].heights = 0, 42
    waiting = awaited_section(run, [NODE])
    assert "reading the chain …" in waiting and 'id="chain-strips"' in waiting and "3 earlier blocks …" in waiting
    assert waiting.count('class="blank"') == MOST_BLOCKS and "<span>42</span>" in waiting


@pytest.mark.parametrize(("nodes", "most"), [(1, MOST_BLOCKS), (4, MOST_BLOCKS), (30, 8), (1000, 1)])
def test_long_chains_and_large_networks_show_fewer_blocks(nodes: int, most: int) -> None:
    assert most_blocks(nodes) == most


def test_a_block_opens_with_the_keyboard(run: Run, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(page(run, chains=[chain(*map(block, range(30)))]), encoding="utf-8")
    with chromium() as browser:
        opened = Opened(browser, tmp_path / "page.html", width=390, scheme="dark")
        tab = opened.tab
        tab.focus(".strip summary >> nth=2")
        assert not tab.is_visible(".inside >> nth=2")
        tab.keyboard.press("Enter")
        assert tab.is_visible(".inside >> nth=2") and "predecessor" in tab.inner_text(".inside >> nth=2")
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth") and serious(opened) == []
        tab.keyboard.press("Enter")
        assert not tab.is_visible(".inside >> nth=2")
        opened.close()
