"""Neighbours ask each other how they are."""

from itertools import count
from typing import Any

import pytest

from dfl_actors.actors.base import Settings
from dfl_actors.actors.pulses import ANSWERED_APART, AWAY, PROBE_EVERY, TOLD_FOR, Pulses
from dfl_actors.core.clock import Now
from dfl_actors.core.control import Facts, Refusals
from dfl_actors.core.effects import Answer, Send
from dfl_actors.core.messages import Probe, Probed
from dfl_actors.errors import Refused
from tests.actors import bench
from tests.actors.bench import KEYS, NOW, at

G, ME = KEYS["g"].address, KEYS["me"].address


class Side(Pulses):
    def __init__(self, me: str, other: str, stated: dict[str, str], genesis: str = bench.GENESIS) -> None:
        numbers, expected = count(), {KEYS[other].address: {"data.rate": "9"}}
        settings = bench.settings(Settings, me, (other,), genesis=genesis)
        super().__init__(settings, KEYS[me], lambda: f"{next(numbers):064x}", stated, expected, NOW - 5)


def probe(side: Side, now: Now) -> Probe:
    (effect,) = side.ask(now)
    assert isinstance(effect, Send) and isinstance(effect.message, Probe)
    return effect.message


def answer(side: Side, request: Probe, now: Now, serves: bool = True) -> Probed:
    (effect,) = side.answer(b"peer", request, serves, now)
    assert isinstance(effect, Answer) and isinstance(effect.message, Probed)
    return effect.message


def sides(**stated: str) -> tuple[Side, Side]:
    ours = {"network.seed": "0", "data.rate": "8"}
    return Side("me", "g", ours), Side("g", "me", {**ours, "data.rate": "9", **stated}, "dd" * 32 if stated else bench.GENESIS)


def told(side: Side, now: Now, stands: bool = True) -> Any:
    return side.told(lambda _: stands, (), now)[G]


def test_a_neighbour_says_how_it_is_and_once_what_it_is_configured_as() -> None:
    mine, theirs = sides()
    theirs.learn(Facts(height=7, steps=1, accuracy=0.75, refused=(Refusals(ME, "expired", 4, "late", NOW), Refusals("x", "busy", 1))))
    first = answer(theirs, probe(mine, at()), Now(at().mono, NOW + 300_050))
    assert mine.arrived(G, first, at(NOW + 100)) and first.pulse.settings
    known = told(mine, at(NOW + 100))
    assert (known.height, known.accuracy, known.offset, known.since, known.differs) == (7, 0.75, 300_000, NOW - 5, {})
    assert [(one.code, one.count, one.detail) for one in known.refused] == [("expired", 4, "late")]
    assert list(mine.ask(at(NOW + PROBE_EVERY - 1))) == [], "not too often"
    second = answer(theirs, probe(mine, at(NOW + PROBE_EVERY)), at(NOW + PROBE_EVERY))
    assert not second.pulse.settings and mine.arrived(G, second, at(NOW + PROBE_EVERY))
    assert told(mine, at(NOW + PROBE_EVERY)).differs == {}


def test_a_neighbour_of_another_network_says_why() -> None:
    mine, theirs = sides(**{"network.seed": "3"})
    mine.arrived(G, answer(theirs, probe(mine, at()), at()), at())
    known = told(mine, at())
    assert known.other_genesis == "dd" * 32 and known.differs == {"network.seed": ("3", "0")}


def test_what_nobody_asked_for_is_left_whatever_it_says() -> None:
    mine, theirs = sides()
    reply = answer(theirs, probe(mine, at()), at(), serves=False)
    later = probe(mine, at(NOW + PROBE_EVERY))
    assert mine.arrived(G, reply, at()) and told(mine, at()).since == 0, "an old answer"
    right = answer(theirs, later, at(NOW + PROBE_EVERY), serves=False)
    assert not mine.arrived(G, right, at()) and told(mine, at()).since
    assert mine.arrived(G, right, at()), "a repeat"


def test_who_answers_for_another_is_refused() -> None:
    mine, other = sides()[0], Side("h", "me", {})
    with pytest.raises(Refused, match="wrong_neighbour"):
        mine.arrived(G, answer(other, probe(mine, at()), at()), at())


def test_strangers_get_no_answer_and_nobody_gets_many() -> None:
    _, theirs = sides()
    with pytest.raises(Refused, match="stranger"):
        list(theirs.answer(b"peer", Probe(address="ab" * 32, nonce="ab" * 32, known="ab" * 32), False, at()))
    request = Probe(address=ME, nonce="ab" * 32, known="ab" * 32)
    answers = [len(list(theirs.answer(b"peer", request, False, at(NOW + ms)))) for ms in range(0, 10 * ANSWERED_APART, 10)]
    assert sum(answers) == 10 and list(theirs.answer(b"another", request, False, at()))


def test_a_neighbour_is_linked_while_it_is_heard_and_what_it_refused_long_ago_is_over() -> None:
    mine, theirs = sides()
    assert not told(mine, at()).linked, "nothing was heard yet"
    mine.heard(G, at())
    assert told(mine, at(NOW + 1)).linked == NOW + 1 == told(mine, at(NOW + 2)).linked
    assert not told(mine, at(NOW + AWAY)).linked and not told(mine, at(NOW + 3), stands=False).linked
    theirs.learn(Facts(refused=(Refusals(ME, "expired", 4, "late", NOW - TOLD_FOR),)))
    assert not answer(theirs, probe(mine, at()), at()).pulse.refused


def test_what_a_neighbour_says_cannot_move_a_cursor_or_invent_reasons() -> None:
    mine, theirs = sides(**{"data.rate": "\x1b[2J8"})
    theirs.learn(Facts(refused=(Refusals(ME, "made up \x1b[2J", 1, "two\nlines", NOW),)))
    mine.arrived(G, answer(theirs, probe(mine, at()), at()), at())
    (one,) = told(mine, at()).refused
    assert (one.code, one.detail) == ("unknown", "two?lines") and told(mine, at()).differs == {"data.rate": ("?[2J8", "9")}
