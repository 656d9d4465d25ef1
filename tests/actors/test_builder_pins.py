"""Where a builder begins again: at the head that its journal pins, behind a chain that was lost, and not on a chain that was altered."""

import pytest

from dfl_actors.core import chain
from dfl_actors.core.control import Adoption, Holdings
from dfl_actors.core.messages import Drafted
from dfl_actors.core.words import Started
from dfl_actors.errors import ChainError
from tests.actors.bench import NOW, Bench, told
from tests.actors.building import announced, built, confirmed, drafted, final_blocks, receipts


def grown(blocks: int) -> Bench:
    made = built(transactions=1)
    for number in range(blocks):
        made.give(*announced(number), *receipts(number))
        made.give(confirmed(drafted(made)))
    return made


def test_a_start_reads_the_head_of_the_chain_and_nothing_before_it() -> None:
    made = grown(5)
    made.chain.data[:4] = [b"never read"] * 4
    made.give(crash=99)
    assert made.actor.counts["height"] == 5
    made.give(Started())
    assert not told(made.give(*announced(2), *receipts(2)), Drafted), "what the chain holds is known"
    assert told(made.give(*announced(5), *receipts(5)), Drafted)[-1].draft.height == 5


@pytest.mark.parametrize("step", range(6))
def test_a_chain_may_be_one_ahead_of_its_pin_and_never_behind(step: int) -> None:
    made = grown(2)
    made.give(*announced(2), *receipts(2))
    made.give(confirmed(drafted(made)), crash=step)
    pin = chain.decode_pin(made.journal.get(chain.PIN))
    assert pin is not None and pin.height <= len(made.chain.data) <= pin.height + 1
    made.give(Started())
    assert (chain.decode_pin(made.journal.get(chain.PIN)) or pin).height == len(made.chain.data)


def test_a_chain_from_before_there_were_pins_is_verified_and_pinned() -> None:
    made = grown(3)
    pin = made.journal.data.pop(chain.PIN)
    made.give(crash=99)
    assert made.actor.counts["height"] == 3
    made.give(Started())
    assert made.journal.data[chain.PIN] == pin


@pytest.mark.parametrize(("kept", "text"), [(0, "blocks 0 to 2 are missing"), (1, "blocks 1 to 2 are"), (2, "block 2 is missing")])
def test_a_chain_that_ends_before_its_pin_is_not_gone_on_with(kept: int, text: str) -> None:
    made = grown(3)
    del made.chain.data[kept:]
    with pytest.raises(ChainError, match=rf"^{text}.*: put the newer chain back"):
        made.give(crash=99)


def test_a_chain_whose_head_was_altered_is_not_gone_on_with() -> None:
    made = grown(3)
    made.chain.data[2] = made.chain.data[1]
    with pytest.raises(ChainError, match=r"^block 2 is not the one that its journal pins"):
        made.give(crash=99)
    made.journal.data[chain.PIN] = b"{}"
    with pytest.raises(ChainError, match=r"^the chain breaks rule malformed"):
        made.give(crash=99)


def test_a_chain_that_was_lost_goes_on_behind_the_last_draft_that_others_confirmed() -> None:
    made = built(started=False)
    held = Holdings(sequence=-1, height=6, draft="ab" * 32, created=NOW - 5)
    made.give(Started(adoption=Adoption(held=held, at=NOW)), crash=99)
    made.give(Started(adoption=Adoption(held=held, at=NOW)), *announced(0, 1), *receipts(0, 1))
    of = drafted(made)
    assert (of.height, of.previous) == (7, held.draft)
    made.give(confirmed(of), crash=99)
    assert [block.draft.height for block in final_blocks(made)] == [7] and made.actor.counts["height"] == 8
    made.give(Started(), *announced(2, 3), *receipts(2, 3))
    assert drafted(made).height == 8
