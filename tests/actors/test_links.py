"""The links: how two gossipers prove themselves to each other, and how lost news are asked for."""

from itertools import count
from typing import Any

import pytest

from dfl_actors.actors.links import ATTEMPTS, MOST_SESSIONS, Links
from dfl_actors.core import events
from dfl_actors.core.effects import Answer, Effect, Note, Send
from dfl_actors.core.messages import Admitted, Beat, BlockNews, Heard, Hello, Message, Proof, Refusal, Resend, Resent, Welcome
from dfl_actors.errors import Refused
from tests.actors import bench
from tests.actors.bench import KEYS, NOW, notes

PEER = b"peer"
G = KEYS["g"].address
NEWS = BlockNews(generator=G, height=0, block="1" * 64)


def links(me: str, *neighbours: str) -> Links:
    numbers = count()
    return Links(bench.settings(me, neighbours), KEYS[me], lambda: f"{next(numbers):064x}")


def run(generator: Any) -> tuple[list[Effect], Any]:
    """The effects of a generator and what it returns."""
    effects = []
    while True:
        try:
            effects.append(next(generator))
        except StopIteration as end:
            return effects, end.value


def said(effects: list[Effect]) -> Any:
    (effect,) = effects
    assert isinstance(effect, Send | Answer)
    return effect.message


def asked(side: Links, request: Message, peer: bytes = PEER) -> Any:
    return said(run(side.asked(peer, request))[0])


def greeting(name: str) -> Any:
    return said(list(links(name, "me" if name == "g" else "g").greet(NOW)))


def shaken(mine: Links, theirs: Links, peer: bytes = PEER) -> None:
    """We prove ourselves to the other side, as `peer`."""
    welcome = asked(theirs, said(list(mine.greet(NOW))), peer)
    assert isinstance(asked(theirs, said(list(mine.replied(G, welcome, NOW))), peer), Admitted)
    list(mine.replied(G, Admitted(), NOW))


def heard(number: int, epoch: int = 5, news: Any = NEWS) -> Heard:
    return Heard(neighbour=G, epoch=epoch, number=number, news=news)


def resent(number: int, epoch: int = 5) -> Resent:
    return Resent(epoch=epoch, number=number, news=NEWS)


def test_both_sides_prove_themselves() -> None:
    mine, theirs = links("me", "g"), links("g", "me")
    hello = said(list(mine.greet(NOW)))
    proof = said(list(mine.replied(G, asked(theirs, hello), NOW)))
    assert isinstance(proof, Proof) and theirs.who(PEER) == KEYS["me"].address
    assert isinstance(asked(theirs, proof), Admitted)
    assert list(mine.replied(G, Admitted(), NOW)) == [] and list(mine.greet(NOW)) == []
    assert run(theirs.asked(PEER, Resend(epoch=1, first=1, last=1)))[1] == KEYS["me"].address


def test_a_greeting_repeated_before_the_answer_does_not_undo_it() -> None:
    mine, theirs = links("me", "g"), links("g", "me")
    first, second = said(list(mine.greet(NOW))), said(list(mine.greet(NOW)))
    assert first == second
    welcome = asked(theirs, first)
    assert asked(theirs, second) == welcome
    assert isinstance(asked(theirs, said(list(mine.replied(G, welcome, NOW)))), Admitted)


@pytest.mark.parametrize(
    ("change", "code"),
    [({"signature": "0" * 128}, "bad_signature"), ({"address": KEYS["h"].address}, "wrong_neighbour"), ({"nonce": "1" * 64}, None)],
)
def test_a_welcome_is_checked(change: dict[str, Any], code: str | None) -> None:
    mine, theirs = links("me", "g"), links("g", "me")
    right = asked(theirs, said(list(mine.greet(NOW))))
    wrong = Welcome(**{**{name: getattr(right, name) for name in right.__struct_fields__}, **change})
    (effect,) = mine.replied(G, wrong, NOW)
    assert notes([effect], events.Refused)[0].code == code if isinstance(effect, Note) else code is None


def test_who_admits_us_before_its_proof_is_refused() -> None:
    mine = links("me", "g")
    list(mine.greet(NOW))
    (note,) = mine.replied(G, Admitted(), NOW)
    assert [one.code for one in notes([note], events.Refused)] == ["wrong_neighbour"]
    assert list(mine.greet(NOW)), "the link is still down"


@pytest.mark.parametrize("request_", [Proof(signature="0" * 128), Resend(epoch=1, first=1, last=1)])
def test_nothing_is_given_before_the_proof(request_: Message) -> None:
    theirs = links("g", "me")
    with pytest.raises(Refused, match="not_admitted"):
        run(theirs.asked(PEER, request_))
    asked(theirs, said(list(links("me", "g").greet(NOW))))
    with pytest.raises(Refused, match="bad_signature" if isinstance(request_, Proof) else "not_admitted"):
        run(theirs.asked(PEER, request_))


RESEND = Resend(epoch=1, first=1, last=1)


def test_greetings_without_proof_do_not_push_out_who_has_proved_itself() -> None:
    """Anyone can greet in the name of a neighbour."""
    theirs = links("g", "me", "h")
    shaken(links("me", "g"), theirs)
    first = greeting("h")
    asked(theirs, first, b"first")
    for number in range(MOST_SESSIONS):
        asked(theirs, greeting("me"), b"%d" % number)
    assert run(theirs.asked(PEER, RESEND))[1] == KEYS["me"].address == theirs.who(PEER)
    assert theirs.who(b"first") == "", "of those who only greet the oldest is forgotten"
    with pytest.raises(Refused, match="not_admitted"):
        run(theirs.asked(b"%d" % (MOST_SESSIONS - 1), RESEND))


def test_of_those_who_have_proved_themselves_the_oldest_is_forgotten() -> None:
    """A neighbour that connects again and again."""
    theirs = links("g", "me")
    for number in range(MOST_SESSIONS + 1):
        shaken(links("me", "g"), theirs, b"%d" % number)
    assert theirs.who(b"0") == "" != theirs.who(b"1")


def test_who_greets_anew_has_to_prove_itself_anew() -> None:
    mine, theirs = links("me", "g"), links("g", "me")
    shaken(mine, theirs)
    _, hello = mine.replied(G, Refusal(code="not_admitted", what="Fetch"), NOW)
    assert isinstance(hello, Send)
    welcome = asked(theirs, hello.message)
    with pytest.raises(Refused, match="not_admitted"):
        run(theirs.asked(PEER, RESEND))
    asked(theirs, said(list(mine.replied(G, welcome, NOW))))
    assert run(theirs.asked(PEER, RESEND))[1] == KEYS["me"].address


def test_a_stranger_is_refused() -> None:
    hello = said(list(links("x", "g").greet(NOW)))
    with pytest.raises(Refused, match="stranger"):
        run(links("g", "me").asked(PEER, hello))


def test_a_neighbour_that_forgot_us_is_greeted_again_with_a_new_nonce() -> None:
    mine, theirs = links("me", "g"), links("g", "me")
    first = said(list(mine.greet(NOW)))
    asked(theirs, said(list(mine.replied(G, asked(theirs, first), NOW))))
    list(mine.replied(G, Admitted(), NOW))
    note, hello = mine.replied(G, Refusal(code="not_admitted", what="Fetch"), NOW)
    assert isinstance(note, Note) and isinstance(hello, Send) and isinstance(hello.message, Hello)
    assert hello.message.nonce != first.nonce


def test_a_gap_is_asked_for_until_it_is_filled() -> None:
    mine = links("me", "g")
    assert run(mine.heard(heard(3), NOW)) == ([], True)
    effects, fresh = run(mine.heard(heard(6), NOW))
    assert fresh and said(effects) == Resend(epoch=5, first=4, last=5)
    assert said(list(mine.ask_again())) == Resend(epoch=5, first=4, last=5)
    assert mine.resent(G, resent(4))
    assert not mine.resent(G, resent(4)), "a repeat of it is not new"
    assert run(mine.heard(heard(6), NOW))[1] is False
    for _ in range(ATTEMPTS):
        list(mine.ask_again())
    assert list(mine.ask_again()) == []
    assert mine.resent(G, resent(5)), "what comes late is still taken"


def test_a_beat_shows_a_loss_at_the_end() -> None:
    mine = links("me", "g")
    run(mine.heard(heard(1), NOW))
    effects, fresh = run(mine.heard(heard(2, news=Beat()), NOW))
    assert not fresh and said(effects) == Resend(epoch=5, first=2, last=2)


def test_a_restarted_neighbour_is_greeted_and_asked_for_all_it_said() -> None:
    mine = links("me", "g")
    run(mine.heard(heard(9), NOW))
    effects, fresh = run(mine.heard(heard(3, epoch=6), NOW))
    assert fresh
    kinds = [effect.message for effect in effects if isinstance(effect, Send)]
    assert isinstance(kinds[0], Hello) and kinds[1] == Resend(epoch=6, first=1, last=2)


def test_a_repetition_that_was_not_asked_for_is_left() -> None:
    mine = links("me", "g")
    run(mine.heard(heard(3), NOW))
    assert not mine.resent(G, resent(99))
    assert not mine.resent(G, resent(2, epoch=4))
