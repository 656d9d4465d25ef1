"""Shut out: what it takes, what it costs, that it outlives a restart, and how it ends; and one verdict for every frame."""

from typing import Any

from dfl_actors.actors.handing import PLACES
from dfl_actors.actors.transfers import MOST_ASSEMBLIES
from dfl_actors.core import events
from dfl_actors.core.codec import digest
from dfl_actors.core.effects import Effect
from dfl_actors.core.messages import Chunk, Fetch, Fetched, Holding, Judged, Probed, Refusal, TransactionNews, Witnessed
from dfl_actors.core.pulse import pulse
from dfl_actors.core.score import HALF_LIFE
from dfl_actors.core.words import Asked, Garbled, Stopping, Tick
from tests.actors.bench import GENESIS, KEYS, NOW, Bench, notes, receipt, told, transaction
from tests.actors.gossiping import DATA, MODEL, PEER, admit, answers, built, codes, hear, news, reply, sent
from tests.objects import unsigned


def bad(number: int, **fields: Any) -> TransactionNews:
    return news(unsigned(transaction("g", number, **fields)))


def shut_out() -> Bench:
    made = built()
    for number in range(4):
        assert codes(hear(made, "g", bad(number))) == ["bad_signature", *["shut_out"] * (number == 3)]
    return made


def test_after_four_bad_messages_a_neighbour_is_heard_no_more_and_its_requests_are_refused_but_for_what_keeps_a_link() -> None:
    made = shut_out()
    assert hear(made, "g", news(transaction("g", 9))) == [], "what it says costs nothing more, not even a line"
    assert answers(made.give(Asked(peer=PEER, request=Fetch(model=MODEL, first=0, count=1)))) == [Refusal(code="shut_out", what="Fetch")]
    assert not answers(made.give(Asked(peer=PEER, request=Holding())))
    assert sent(hear(made, "h", news(transaction("h", 0)))), "others are heard as ever"


def test_it_outlives_a_restart_and_a_new_connection_and_ends_by_itself() -> None:
    made = shut_out()
    made.give(crash=0)
    admit(made, "g", b"another peer")
    assert hear(made, "g", news(transaction("g", 9)), now=NOW + 1_000) == []
    later = NOW + HALF_LIFE + 1_000
    one = transaction("g", 9, created=later, expires=later + 1_000)
    assert sent(hear(made, "g", news(one), now=later)), "it is heard again"
    hear(made, "g", bad(10, created=later, expires=later + 1_000), now=later)
    assert codes(hear(made, "g", bad(11, created=later, expires=later + 1_000), now=later))[-1] == "shut_out", "and has less to spare"


def test_what_the_validator_finds_counts_against_who_brought_it_and_a_relay_is_not_blamed_for_another_s_number() -> None:
    made = built()
    made.models.put(MODEL, DATA)
    for number in range(4):
        one = transaction("g", number, ttl=2)
        hear(made, "h", news(one, receipt("h", one)))
        assert not codes(made.give(Judged(what=digest(one), code="sequence_reused")))
    for number in range(4, 8):
        hear(made, "g", news(transaction("g", number)))
        last = made.give(Judged(what=digest(transaction("g", number)), code="sequence_reused"))
    assert codes(last) == ["shut_out"]


def test_of_who_is_shut_out_nothing_more_goes_to_the_validator() -> None:
    made = built()
    made.models.put(MODEL, DATA)
    for number in range(PLACES + 4):
        hear(made, "g", news(transaction("g", number)))
    hear(made, "h", news(transaction("h", 0)))
    said = [effect for number in range(4) for effect in made.give(Judged(what=digest(transaction("g", number)), code="bad_signature"))]
    assert [letter.transaction.generator == KEYS["h"].address for letter in told(said, Fetched)].count(True) == 1
    assert len(told(said, Fetched)) <= 4 and not told(made.give(Judged(what=digest(transaction("g", 5)), code="")), Fetched)


def test_bytes_that_are_no_message_count_too() -> None:
    made = built()
    said: list[Effect] = []
    for _ in range(4):
        said = made.give(Garbled(neighbour=KEYS["h"].address, code="malformed"))
    assert codes(said) == ["shut_out"] and hear(made, "h", news(transaction("h", 0))) == []


def probed(made: Bench, name: str, now: int) -> list[Effect]:
    """The neighbour answers the last probe."""
    nonces = [message.nonce for _, message in sent(made.said) if type(message).__name__ == "Probe"]
    facts: dict[str, Any] = {"sent": now, "since": 1, "height": 0, "steps": 0, "score": 0, "serves": 1, "refused": (), "known": "0" * 64}
    said = pulse(KEYS[name], GENESIS, listener=KEYS["me"].address, nonce=nonces[-1], settings=(), **facts)
    return made.give(reply(name, Probed(pulse=said)), now=now)


def test_promised_models_that_never_come_shut_out_a_neighbour_that_is_there_and_not_one_that_is_away() -> None:
    for there in (True, False):
        made = built()
        for number in range(MOST_ASSEMBLIES // 2):
            hear(made, "g", news(transaction("g", number, number.to_bytes(32, "big"))))
        for now in range(NOW + 2_000, NOW + 21_000, 2_000):
            made.give(Tick(), now=now)
            if there:
                probed(made, "g", now)
        assert ("shut_out" in codes(made.said)) is there


def test_a_neighbour_that_has_shut_us_out_breaks_no_promise() -> None:
    """A key that is used twice, or a bad link, may have it believe that we lie: what follows is not its fault, and names nobody."""
    made = built()
    for number in range(MOST_ASSEMBLIES // 2):
        hear(made, "g", news(transaction("g", number, number.to_bytes(32, "big"))))
    made.give(reply("g", Refusal(code="shut_out", what="Fetch")))
    for now in range(NOW + 2_000, NOW + 21_000, 2_000):
        made.give(Tick(), now=now)
        probed(made, "g", now)
    assert "model_gone" in codes(made.said) and not {"shut_out", "fetch_timeout"} & set(codes(made.said))


def test_every_frame_gets_one_verdict() -> None:
    made = built()
    one, gone = transaction("g", 0), transaction("g", 1, b"\1" * 32)
    hear(made, "g", news(one))
    made.give(reply("g", Chunk(model=MODEL, index=0), DATA))
    made.give(Witnessed(transaction=one, receipts=(), receipt=receipt("me", one)))
    hear(made, "g", news(gone))
    hear(made, "g", bad(2))
    late = transaction("g", 3, created=NOW - 2, expires=NOW - 1)
    hear(made, "g", news(late))
    for now in (NOW + 10_000, NOW + 20_000):
        made.give(Tick(), now=now)
    frames = {note.by: note for note in notes(made.give(Stopping()), events.Frames)}[KEYS["g"].address]
    handshake = 3  # a greeting, of which nothing is proved yet, counts for nobody; a proof, the first beat
    assert frames.refused == {"bad_signature": 1} and frames.ignored == {"expired": 1, "model_gone": 1}
    assert 2 <= frames.accepted <= 2 + handshake
