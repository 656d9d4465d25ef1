"""What a gossiper does with headers of others, how it fetches their models, and how it serves its own."""

from typing import Any

import pytest

from dfl_actors.actors.transfers import MOST_ASSEMBLIES, MOST_FOR_MODEL, MOST_SERVED
from dfl_actors.core import events
from dfl_actors.core.codec import digest
from dfl_actors.core.effects import Effect
from dfl_actors.core.gossip import CHUNK, WINDOW
from dfl_actors.core.messages import Admitted, Chunk, Fetch, Fetched, Gone, Proof, Refusal, Trained
from dfl_actors.core.words import Asked, Replied, Tick
from tests.actors.bench import KEYS, NOW, notes, receipt, told, transaction
from tests.actors.gossiping import DATA, MODEL, PEER, answers, built, codes, hear, news, reply, sent, served
from tests.objects import unsigned

# --- headers


def test_signatures_of_a_header_are_checked_before_its_model_is_asked_for() -> None:
    made = built()
    said = hear(made, "g", news(unsigned(transaction("g", 0, ttl=2))))
    assert codes(said) == ["bad_signature"] and not sent(said)
    by_relay = unsigned(transaction("g", 1, b"\1" * 32, ttl=2))
    assert codes(hear(made, "h", news(by_relay, receipt("h", by_relay)))) == ["bad_signature"]
    right = transaction("g", 2, b"\2" * 32, ttl=2)
    assert codes(hear(made, "h", news(right, unsigned(receipt("h", right))))) == ["bad_signature"]
    assert sent(hear(made, "h", news(right, receipt("h", right)))), "the refused relay does not keep it out"


@pytest.mark.parametrize(
    ("wrong", "code"),
    [({"genesis": "1" * 64}, "other_genesis"), ({"created": NOW - 2, "expires": NOW - 1}, "expired"), ({"size": 28}, "model_size")],
)
def test_a_header_that_cannot_be_right_is_refused_before_its_model_is_asked_for(wrong: dict[str, Any], code: str) -> None:
    said = hear(built(), "g", news(transaction("g", 0, **wrong)))
    assert codes(said) == [code] and not sent(said)


# --- fetching


def test_a_model_is_fetched_once_and_handed_to_the_validator() -> None:
    made, one = built(), transaction("g", 0)
    assert sent(hear(made, "g", news(one))) == [("g", Fetch(model=MODEL, first=0, count=1))]
    assert sent(hear(made, "h", news(one))) == []
    said = made.give(reply("g", Chunk(model=MODEL, index=0), DATA))
    assert told(said, Fetched) == [Fetched(transaction=one, receipts=(), sender=KEYS["g"].address)]
    assert made.models.data == {MODEL: DATA}
    assert made.give(reply("g", Chunk(model=MODEL, index=0), DATA)) == []


def test_a_model_that_is_here_already_is_not_fetched() -> None:
    made = built()
    made.models.put(MODEL, DATA)
    said = hear(made, "g", news(transaction("g", 0)))
    assert told(said, Fetched) and not sent(said)


def test_chunks_are_asked_for_window_by_window() -> None:
    size = (WINDOW + 2) * CHUNK - 8
    made = built(parameters=size // 4)
    data = bytes(size)
    one = transaction("g", 0, data)
    model = one.model
    assert sent(hear(made, "g", news(one))) == [("g", Fetch(model=model, first=0, count=WINDOW))]
    said: list[Effect] = []
    for index in reversed(range(WINDOW)):
        assert not sent(said)
        said = made.give(reply("g", Chunk(model=model, index=index), data[:CHUNK]))
    assert sent(said) == [("g", Fetch(model=model, first=WINDOW, count=2))]
    made.give(reply("g", Chunk(model=model, index=WINDOW), data[:CHUNK]))
    said = made.give(reply("g", Chunk(model=model, index=WINDOW + 1), data[: CHUNK - 8]))
    assert told(said, Fetched) and len(made.models.data[model]) == size


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (reply("g", Gone(model=MODEL)), "model_gone"),
        (reply("g", Chunk(model=MODEL, index=0), b"short"), "chunk"),
        (reply("g", Chunk(model=MODEL, index=1), DATA), "chunk"),
        (reply("g", Chunk(model=MODEL, index=0), b"\1" * 32), "model_digest"),
    ],
)
def test_a_neighbour_that_does_not_give_the_model_is_left_for_another(wrong: Replied, code: str) -> None:
    made, one = built(ttl=2), transaction("g", 0, ttl=2)
    hear(made, "g", news(one))
    hear(made, "h", news(one, receipt("h", one)))
    said = made.give(wrong)
    assert codes(said) == [code] and sent(said) == [("h", Fetch(model=MODEL, first=0, count=1))]
    (fetched,) = told(made.give(reply("h", Chunk(model=MODEL, index=0), DATA)), Fetched)
    assert fetched.sender == KEYS["g"].address, "it is from whom we heard first that the ttl is counted"


def test_a_model_that_nobody_gives_is_left_until_it_is_announced_again() -> None:
    made, one = built(), transaction("g", 0)
    hear(made, "g", news(one))
    made.give(reply("g", Gone(model=MODEL)))
    assert sent(hear(made, "g", news(one))) == [("g", Fetch(model=MODEL, first=0, count=1))]


def test_what_was_lost_is_asked_for_once_more_before_a_source_is_left() -> None:
    made, one = built(), transaction("g", 0)
    hear(made, "g", news(one))
    fetch = ("g", Fetch(model=MODEL, first=0, count=1))
    assert fetch not in sent(made.give(Tick(), now=NOW + 9_999))
    assert fetch in sent(made.give(Tick(), now=NOW + 10_000))
    assert codes(made.give(Tick(), now=NOW + 20_000)) == ["fetch_timeout"]


def test_a_neighbour_that_announces_models_without_end_has_its_share_of_the_places_and_no_more() -> None:
    """The others are fetched from as ever; whoever takes over a delivery gives no place of its own for it."""
    made = built()
    for number in range(MOST_ASSEMBLIES):
        said = hear(made, "g", news(transaction("g", number, number.to_bytes(32, "big"))))
        assert codes(said) == ([] if number < MOST_ASSEMBLIES // 2 else ["busy"])
    first = transaction("g", 0, bytes(32), ttl=2)
    hear(made, "h", news(first, receipt("h", first)))
    for number in range(MOST_ASSEMBLIES // 2):
        said = hear(made, "h", news(transaction("h", number, b"h" + number.to_bytes(31, "big"))))
        assert not codes(said) and [name for name, _ in sent(said)] == ["h"]


def test_transactions_that_all_name_one_model_wait_for_it_in_small_number() -> None:
    made = built()
    for number in range(9):
        said = hear(made, "g", news(transaction("g", number)))
        assert codes(said) == ([] if number < MOST_FOR_MODEL else ["busy"])
    assert not codes(hear(made, "h", news(transaction("h", 0)))), "each neighbour for itself"
    assert len(told(made.give(reply("g", Chunk(model=MODEL, index=0), DATA)), Fetched)) == MOST_FOR_MODEL + 1


# --- serving


def test_an_announced_model_is_served_in_chunks_and_no_other() -> None:
    made = built()
    made.models.put(MODEL, DATA)
    fetch = Asked(peer=PEER, request=Fetch(model=MODEL, first=0, count=1))
    assert answers(made.give(fetch)) == [Gone(model=MODEL)]
    made.give(Trained(transaction=transaction("me", 0)))
    said = made.give(fetch)
    assert served(said) == [(MODEL, 0, 1)]
    assert notes(said, events.ModelSent) == [events.ModelSent(tx=digest(transaction("me", 0)), to=KEYS["g"].address, bytes=32)]
    for _ in range(MOST_SERVED - 1):
        made.give(fetch)
    assert answers(made.give(fetch)) == [Refusal(code="fetched_often", what="Fetch")]


def test_no_more_chunks_are_served_than_the_model_has() -> None:
    size = CHUNK + 8
    made, one = built(parameters=size // 4), transaction("me", 0, bytes(size))
    made.models.put(one.model, bytes(size))
    made.give(Trained(transaction=one))
    assert served(made.give(Asked(peer=PEER, request=Fetch(model=one.model, first=0, count=16)))) == [(one.model, 0, 2)]
    assert served(made.give(Asked(peer=PEER, request=Fetch(model=one.model, first=1, count=16)))) == [(one.model, 1, 2)]
    assert served(made.give(Asked(peer=PEER, request=Fetch(model=one.model, first=2, count=16)))) == []


def test_a_peer_that_has_proved_nothing_is_refused() -> None:
    said = built().give(Asked(peer=b"other", request=Fetch(model=MODEL, first=0, count=1)))
    assert codes(said) == ["not_admitted"] and answers(said) == [Refusal(code="not_admitted", what="Fetch")]


def test_a_wrong_proof_is_refused() -> None:
    said = built().give(Asked(peer=PEER, request=Proof(signature="0" * 128)))
    assert codes(said) == ["bad_signature"] and Admitted() not in answers(said)
