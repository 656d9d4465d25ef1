"""What is refused is told: once, with how often and what to do, and again only when it changes."""

import pytest

from dfl_actors.core import events
from dfl_actors.core.control import Refusals
from dfl_actors.runtime.refusals import (
    AGAIN,
    EACH,
    MOST,
    MOST_TOLD,
    OFTEN,
    QUIET,
    Complaints,
    Gathering,
    Tally,
    merged,
    refused_by_text,
    refused_text,
)

B = "bb" * 32


def test_every_process_counts_what_it_notes_by_neighbour_and_reason() -> None:
    tally = Tally()
    for at in (1, 2, 3):
        tally.noted(events.Refused(what="Hello", code="other_genesis", detail=f"network {at}", by=B), at)
    tally.noted(events.Refused(what="bytes", code="frames"), 4)
    tally.noted(events.RefusedBy(what="Hello", code="stranger", by=B), 5)
    tally.noted(events.Announced(tx="aa"), 6)
    assert tally.refused() == (Refusals(B, "other_genesis", 3, "network 3", 3), Refusals("", "frames", 1, "", 4))
    assert tally.refused_by() == (Refusals(B, "stranger", 1, "Hello", 5),)


def test_a_stranger_with_ever_new_reasons_does_not_fill_the_memory() -> None:
    tally = Tally((B,))
    for number in range(2 * MOST):
        tally.noted(events.Refused(code="frames", by=str(number)), number)
    assert len(tally.refused()) == MOST + 1 and tally.refused()[-1] == Refusals("", "frames", MOST, "", 2 * MOST - 1), "none is lost"
    tally.noted(events.Refused(code="expired", by=B), 1)
    assert tally.refused()[-1] == Refusals(B, "expired", 1, "", 1), "a neighbour's always has room"


def test_refusals_of_one_code_and_node_are_one_line_after_the_tenth() -> None:
    gathering = Gathering((B,))
    lines = [events.Refused(code="schema", detail=str(number)) for number in range(100)]
    written = [event for event in lines if gathering.passes(event)]
    assert written == lines[:EACH] and gathering.passes(events.Refused(code="schema", by=B)), "another node is counted by itself"
    assert gathering.passes(events.RefusedBy(code="schema")) and gathering.passes(events.Announced(tx="aa"))
    (rest,) = gathering.flush()
    assert isinstance(rest, events.Refused) and (rest.count, rest.detail) == (90, "99")
    assert gathering.flush() == () and gathering.passes(lines[0]), "the next second begins anew"


def test_invented_names_and_codes_fill_no_disk() -> None:
    gathering = Gathering((B,))
    names = [events.Refused(code="bad_signature", by=f"{number:064x}") for number in range(100)]
    codes = [events.RefusedBy(code=f"made up {number}", by=B) for number in range(100)]
    assert [sum(map(gathering.passes, invented)) for invented in (names, codes)] == [EACH, EACH]
    assert [event.count for event in gathering.flush()] == [90, 90]


def test_what_the_actors_of_a_node_have_counted_is_one_number() -> None:
    gossiper, validator = Refusals(B, "expired", 2, "old", 5), Refusals(B, "expired", 3, "older", 4)
    assert merged([(gossiper,), (validator,), ()]) == (Refusals(B, "expired", 5, "old", 5),)


FIRST = 1_000_000
TOLD_AGAIN = [
    ("another count", 1, "x", False),
    ("another reason in it", 2, "y", True),
    ("back soon", QUIET, "x", False),
    ("back after long", AGAIN, "x", True),
]


@pytest.mark.parametrize(("later", "essence", "again"), [row[1:] for row in TOLD_AGAIN], ids=[row[0] for row in TOLD_AGAIN])
def test_a_reason_is_told_again_only_when_it_changes_or_comes_back(later: int, essence: str, again: bool) -> None:
    told: list[str] = []
    complaints = Complaints(told.append)
    for at, what in ((FIRST, "x"), (FIRST + later, essence)):
        complaints.take(("a",), Refusals(B, "expired", at, "", at), f"{at} times", what)
    assert told == [f"{FIRST} times", *([f"{FIRST + later} times"] if again else [])]
    assert complaints.standing(FIRST + later) == (f"{FIRST + later} times",)
    assert complaints.standing(FIRST + later + QUIET) == ()


def test_what_passes_by_itself_is_told_once_it_comes_again_and_again() -> None:
    told: list[str] = []
    complaints = Complaints(told.append)
    for count in range(1, OFTEN + 1):
        assert told == [] and complaints.standing(FIRST) == ()
        complaints.take(("a",), Refusals(B, "not_admitted", count, "Fetch", FIRST), f"{count} times", "x")
    assert told == [f"{OFTEN} times"] == [*complaints.standing(FIRST)]


def test_a_line_says_who_how_often_why_and_what_to_do() -> None:
    refusals = Refusals(B, "other_genesis", 41, "", 1)
    assert refused_text("", "utrecht", refusals, "its seed is 3, ours 0") == (
        "utrecht: refused 41 times, other_genesis: its seed is 3, ours 0; make these keys the same in both topologies,"
        " and start the node with the wrong one again"
    )
    assert refused_by_text("delft", "utrecht", Refusals(B, "stranger", 1, "Hello", 1), "Hello").startswith(
        "node delft: utrecht: refuses what this node says, once, stranger: Hello; "
    )


def test_who_changes_without_end_is_told_no_more() -> None:
    told: list[str] = []
    complaints = Complaints(told.append)
    for number in range(10 * MOST_TOLD):
        complaints.take(("a",), Refusals(B, "other_genesis", number, "", number), "line", str(number))
    assert len(told) == MOST_TOLD
