"""The links: how two gossipers prove themselves to each other, and how lost news are asked for."""

from contextlib import nullcontext
from itertools import count, pairwise
from typing import Any

import pytest

from dfl_actors.actors.base import Settings
from dfl_actors.actors.links import ATTEMPTS, LONGEST_PAUSE, MOST_SESSIONS, PAUSE, QUICK, Links, pause
from dfl_actors.core.clock import Now
from dfl_actors.core.effects import Answer, Effect, Note, Send
from dfl_actors.core.messages import Admitted, Beat, BlockNews, Hello, Proof, Refusal, Resend, Resent, Welcome
from dfl_actors.core.words import Heard
from dfl_actors.errors import Refused
from tests.actors import bench
from tests.actors.bench import KEYS

PEER = b"peer"
G = KEYS["g"].address
NEWS = BlockNews(generator=G, height=0, block="1" * 64)


MINUTES = count(1)


def later() -> Now:
    """A moment long after the one before, at which every link that is down is due."""
    return bench.at(bench.NOW + 60_000 * next(MINUTES))


def links(me: str, *neighbours: str) -> Links:
    numbers = count()
    return Links(bench.settings(Settings, me, neighbours), KEYS[me], lambda: f"{next(numbers):064x}")


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


def asked(side: Links, request: Hello | Proof, peer: bytes = PEER) -> Any:
    return said(list(side.hello(peer, request) if isinstance(request, Hello) else side.prove(peer, request)))


def replied(side: Links, reply: Welcome | Admitted | Refusal) -> list[Effect]:
    match reply:
        case Welcome():
            return list(side.welcomed(G, reply))
        case Admitted():
            side.admitted(G)
            return []
        case Refusal():
            return list(side.refused(G, reply))


def greeting(name: str) -> Any:
    return said(list(links(name, "me" if name == "g" else "g").greet(later())))


def shaken(mine: Links, theirs: Links, peer: bytes = PEER) -> None:
    """We prove ourselves to the other side, as `peer`."""
    welcome = asked(theirs, said(list(mine.greet(later()))), peer)
    assert isinstance(asked(theirs, said(replied(mine, welcome)), peer), Admitted)
    (replied(mine, Admitted()))


def heard(number: int, epoch: int = 5, news: Any = NEWS) -> Heard:
    return Heard(neighbour=G, epoch=epoch, number=number, news=news)


def resent(number: int, epoch: int = 5) -> Resent:
    return Resent(epoch=epoch, number=number, news=NEWS)


def test_both_sides_prove_themselves() -> None:
    mine, theirs = links("me", "g"), links("g", "me")
    hello = said(list(mine.greet(later())))
    proof = said(replied(mine, asked(theirs, hello)))
    assert isinstance(proof, Proof) and theirs.who(PEER) == KEYS["me"].address
    assert isinstance(asked(theirs, proof), Admitted)
    assert (replied(mine, Admitted())) == [] and list(mine.greet(later())) == []
    assert theirs.neighbour(PEER) == KEYS["me"].address


def test_a_greeting_repeated_before_the_answer_does_not_undo_it() -> None:
    mine, theirs = links("me", "g"), links("g", "me")
    first, second = said(list(mine.greet(later()))), said(list(mine.greet(later())))
    assert first == second
    welcome = asked(theirs, first)
    assert asked(theirs, second) == welcome
    assert isinstance(asked(theirs, said(replied(mine, welcome))), Admitted)


@pytest.mark.parametrize(
    ("change", "code"),
    [({"signature": "0" * 128}, "bad_signature"), ({"address": KEYS["h"].address}, "wrong_neighbour"), ({"nonce": "1" * 64}, None)],
)
def test_a_welcome_is_checked(change: dict[str, Any], code: str | None) -> None:
    mine, theirs = links("me", "g"), links("g", "me")
    right = asked(theirs, said(list(mine.greet(later()))))
    wrong = Welcome(**{**{name: getattr(right, name) for name in right.__struct_fields__}, **change})
    with pytest.raises(Refused, match=code) if code else nullcontext():
        assert isinstance(said(replied(mine, wrong)), Proof)


def test_who_admits_us_before_its_proof_is_refused() -> None:
    mine = links("me", "g")
    list(mine.greet(later()))
    with pytest.raises(Refused, match="wrong_neighbour"):
        replied(mine, Admitted())
    assert list(mine.greet(later())), "the link is still down"


def test_nothing_is_given_before_the_proof() -> None:
    theirs = links("g", "me")
    with pytest.raises(Refused, match="not_admitted"):
        theirs.neighbour(PEER)
    with pytest.raises(Refused, match="not_admitted"):
        asked(theirs, Proof(signature="0" * 128))
    asked(theirs, said(list(links("me", "g").greet(later()))))
    with pytest.raises(Refused, match="not_admitted"):
        theirs.neighbour(PEER)
    with pytest.raises(Refused, match="bad_signature"):
        asked(theirs, Proof(signature="0" * 128))


def test_greetings_without_proof_do_not_push_out_who_has_proved_itself() -> None:
    """Anyone can greet in the name of a neighbour."""
    theirs = links("g", "me", "h")
    shaken(links("me", "g"), theirs)
    first = greeting("h")
    asked(theirs, first, b"first")
    for number in range(MOST_SESSIONS):
        asked(theirs, greeting("me"), b"%d" % number)
    assert theirs.neighbour(PEER) == KEYS["me"].address == theirs.who(PEER)
    assert theirs.who(b"first") == "", "of those who only greet the oldest is forgotten"
    with pytest.raises(Refused, match="not_admitted"):
        theirs.neighbour(b"%d" % (MOST_SESSIONS - 1))


def test_of_those_who_have_proved_themselves_the_oldest_is_forgotten() -> None:
    """A neighbour that connects again and again."""
    theirs = links("g", "me")
    for number in range(MOST_SESSIONS + 1):
        shaken(links("me", "g"), theirs, b"%d" % number)
    assert theirs.who(b"0") == "" != theirs.who(b"1")


def test_who_greets_anew_has_to_prove_itself_anew() -> None:
    mine, theirs = links("me", "g"), links("g", "me")
    shaken(mine, theirs)
    _, hello = replied(mine, Refusal(code="not_admitted", what="Fetch"))
    assert isinstance(hello, Send) and isinstance(hello.message, Hello)
    welcome = asked(theirs, hello.message)
    with pytest.raises(Refused, match="not_admitted"):
        theirs.neighbour(PEER)
    asked(theirs, said(replied(mine, welcome)))
    assert theirs.neighbour(PEER) == KEYS["me"].address


def test_an_answer_that_comes_late_to_an_earlier_greeting_is_left_and_blames_nobody() -> None:
    mine, theirs = links("me", "g"), links("g", "me")
    first = said(list(mine.greet(later())))
    welcome = asked(theirs, first)
    late_proof = said(replied(mine, welcome))
    asked(theirs, late_proof)
    replied(mine, Admitted())
    _, hello = replied(mine, Refusal(code="not_admitted", what="Fetch"))
    assert isinstance(hello, Send) and isinstance(hello.message, Hello)
    assert replied(mine, welcome) == [], "it answers the first greeting"
    asked(theirs, hello.message)
    assert list(theirs.prove(PEER, late_proof)) == []
    with pytest.raises(Refused, match="not_admitted"):
        theirs.neighbour(PEER)
    with pytest.raises(Refused, match="bad_signature"):
        asked(theirs, Proof(signature="0" * 128))


def test_a_stranger_is_refused() -> None:
    hello = said(list(links("x", "g").greet(later())))
    with pytest.raises(Refused, match="stranger"):
        asked(links("g", "me"), hello)


def test_a_neighbour_that_forgot_us_is_greeted_again_with_a_new_nonce() -> None:
    mine, theirs = links("me", "g"), links("g", "me")
    first = said(list(mine.greet(later())))
    asked(theirs, said(replied(mine, asked(theirs, first))))
    (replied(mine, Admitted()))
    note, hello = replied(mine, Refusal(code="not_admitted", what="Fetch"))
    assert isinstance(note, Note) and isinstance(hello, Send) and isinstance(hello.message, Hello)
    assert hello.message.nonce != first.nonce


def test_a_gap_is_asked_for_until_it_is_filled() -> None:
    mine = links("me", "g")
    assert run(mine.heard(heard(3))) == ([], True)
    effects, fresh = run(mine.heard(heard(6)))
    assert fresh and said(effects) == Resend(epoch=5, first=4, last=5)
    assert said(list(mine.ask_again())) == Resend(epoch=5, first=4, last=5)
    assert mine.resent(G, resent(4))
    assert not mine.resent(G, resent(4)), "a repeat of it is not new"
    assert run(mine.heard(heard(6)))[1] is False
    for _ in range(ATTEMPTS):
        list(mine.ask_again())
    assert list(mine.ask_again()) == []
    assert mine.resent(G, resent(5)), "what comes late is still taken"


def test_a_beat_shows_a_loss_at_the_end() -> None:
    mine = links("me", "g")
    run(mine.heard(heard(1)))
    effects, fresh = run(mine.heard(heard(2, news=Beat())))
    assert not fresh and said(effects) == Resend(epoch=5, first=2, last=2)


def test_a_restarted_neighbour_is_greeted_and_asked_for_all_it_said() -> None:
    mine = links("me", "g")
    run(mine.heard(heard(9)))
    effects, fresh = run(mine.heard(heard(3, epoch=6)))
    assert fresh
    kinds = [effect.message for effect in effects if isinstance(effect, Send)]
    assert isinstance(kinds[0], Hello) and kinds[1] == Resend(epoch=6, first=1, last=2)


def test_a_repetition_that_was_not_asked_for_is_left() -> None:
    mine = links("me", "g")
    run(mine.heard(heard(3)))
    assert not mine.resent(G, resent(99))
    assert not mine.resent(G, resent(2, epoch=4))


def test_a_link_that_is_down_on_purpose_is_neither_wanted_nor_greeted_and_comes_back_from_the_beginning() -> None:
    side = links("me", "g", "h")
    side.part([G])
    assert [effect.neighbour for effect in side.greet(later()) if isinstance(effect, Send)] == [KEYS["h"].address]
    assert (side.standing(), len(side.parted)) == (0, 1)
    side.part([])
    greetings = {effect.neighbour: effect.message for effect in side.greet(later()) if isinstance(effect, Send)}
    assert greetings.keys() == {G, KEYS["h"].address}
    assert greetings[G] != said(list(links("me", "g").greet(later()))), "with another nonce"


def test_a_neighbour_that_does_not_answer_is_greeted_less_and_less_often_and_never_less_than_every_two_seconds() -> None:
    mine, greetings = links("me", "g"), []
    for ms in range(0, 60_000, 50):
        greetings += [ms for _ in mine.greet(bench.at(bench.NOW + ms))]
    gaps = [after - before for before, after in pairwise(greetings)]
    assert gaps[:QUICK] == [PAUSE] * QUICK and gaps == sorted(gaps) and set(gaps[10:]) == {LONGEST_PAUSE}
    assert [pause(tries) for tries in (0, QUICK, QUICK + 1, 1_000)] == [PAUSE, PAUSE, 2 * PAUSE, LONGEST_PAUSE]


def test_a_neighbour_that_connects_is_greeted_soon_again() -> None:
    mine = links("me", "g")
    for _ in range(20):
        list(mine.greet(later()))
    now = bench.at(bench.NOW)
    mine.hurry(now)
    due = mine.due()
    assert due is not None and due <= now.mono + PAUSE


def test_who_says_that_it_does_not_serve_us_is_greeted_anew_if_we_thought_it_did() -> None:
    mine, theirs = links("me", "g"), links("g", "me")
    assert list(mine.lost(G)) == [], "it is greeted anyway"
    shaken(mine, theirs)
    assert theirs.serves(PEER) and not theirs.serves(b"other")
    assert isinstance(said(list(mine.lost(G))), Hello)
