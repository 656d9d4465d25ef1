"""What neighbours hold of a node is asked before it signs anything, and nobody can push its numbers up or keep it from beginning."""

from typing import Any

import pytest

from dfl_actors.actors.holdings import ASK_EVERY, OTHERS_WITHIN, WITHIN, Asking
from dfl_actors.core.checks import Verifier
from dfl_actors.core.codec import digest
from dfl_actors.core.control import Holdings
from dfl_actors.core.effects import Send
from dfl_actors.core.messages import Held
from dfl_actors.core.objects import Entry
from dfl_actors.errors import Refused
from tests.actors.bench import GENESIS, KEYS, NOW, at, draft, receipt, transaction

ME, G, H = (KEYS[name].address for name in ("me", "g", "h"))
LAST = transaction("me", 34)
DRAFT = draft("me", (Entry(transaction=transaction("me", 30), receipts=(receipt("g", transaction("me", 30)),)),), height=7)


def asking(asks: bool = True) -> Asking:
    return Asking(ME, (G, H), Verifier(GENESIS), asks)


def asked(side: Asking, up: tuple[str, ...], ms: int = 0) -> list[str]:
    return [effect.neighbour for effect in side.ask(up, at(NOW + ms)) if isinstance(effect, Send)]


def held(*of: Any) -> Held:
    return Held(transactions=tuple(one for one in of if one is not DRAFT), drafts=tuple(one for one in of if one is DRAFT))


def test_the_most_that_is_proved_counts() -> None:
    side = asking()
    assert asked(side, (G, H)) == [G, H] and asked(side, (G, H), ASK_EVERY - 1) == [] and asked(side, (G, H), ASK_EVERY) == [G, H]
    side.answered(G, held(LAST), at())
    assert not side.done and side.found == Holdings(sequence=34)
    side.answered(H, held(transaction("me", 3), DRAFT), at())
    assert side.done and side.found == Holdings(sequence=34, height=7, draft=digest(DRAFT), created=NOW)


@pytest.mark.parametrize(
    ("proof", "code"),
    [
        (transaction("g", 99), "foreign_transaction"),
        (transaction("me", 99, signature="0" * 128), "bad_signature"),
        (transaction("me", 99, genesis="dd" * 32), "other_genesis"),
    ],
)
def test_what_we_have_not_signed_ourselves_pushes_nothing_up(proof: Any, code: str) -> None:
    if code == "bad_signature":
        proof = type(proof)(**{**{name: getattr(proof, name) for name in proof.__struct_fields__}, "signature": "0" * 128})
    side = asking()
    asked(side, (G,))
    with pytest.raises(Refused, match=code):
        side.answered(G, Held(transactions=(proof,), drafts=()), at())
    assert side.found == Holdings() and not side.done


def test_nobody_keeps_the_node_from_beginning() -> None:
    side = asking()
    asked(side, (), 60_000)
    assert not side.done, "no neighbour is there yet"
    asked(side, (G,))
    asked(side, (G,), WITHIN - 1)
    assert not side.done
    asked(side, (G,), WITHIN)
    assert side.done


def test_one_answer_with_something_in_it_will_do_when_the_others_are_away() -> None:
    """Who holds nothing may never have got a model of ours while others did: that is no reason to begin before they are heard."""
    knowing, empty = asking(), asking()
    for side, answer in ((knowing, held(LAST)), (empty, held())):
        asked(side, (G,))
        side.answered(G, answer, at(NOW + 1))
        assert not side.done, "the other may come"
        asked(side, (G,), OTHERS_WITHIN)
    assert knowing.done and not empty.done
    asked(empty, (G,), WITHIN)
    assert empty.done


def test_a_network_on_one_machine_does_not_ask() -> None:
    side = asking(asks=False)
    assert side.done and asked(side, (G, H)) == []
