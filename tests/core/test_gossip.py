"""Gossip's bookkeeping: numbered news under loss, models in chunks, what is remembered."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfl_actors.core.gossip import CHUNK, KEPT, MOST_MISSING, WINDOW, Assembly, Incoming, Outgoing, Sighting, chunk_count, reaches_further
from dfl_actors.core.messages import AnyNews, Beat, BlockNews
from tests import objects as made

ATTEMPTS = 3


def news(number: int) -> BlockNews:
    return BlockNews(generator=made.ALICE.address, height=number, block="00" * 32)


# --- what is remembered


@pytest.mark.parametrize(("via", "sources", "forwarded"), [(None, [], True), ("ab" * 32, ["ab" * 32], False)], ids=["own", "another's"])
def test_a_sighting_begins_with_where_it_came_from(via: str | None, sources: list[str], forwarded: bool) -> None:
    found = Sighting(made.transaction(signed=False), via)
    assert (found.sources, found.forwarded) == (sources, forwarded)


# --- numbers


def test_news_are_numbered_from_one_and_a_beat_repeats_the_last_number() -> None:
    out = Outgoing(epoch=5)
    assert [out.add(piece) for piece in (Beat(), news(1), Beat(), Beat(), news(2))] == [0, 1, 1, 1, 2]


@pytest.mark.parametrize(
    ("epoch", "first", "last", "numbers"),
    [
        (5, 1, 4, []),
        (5, 4, 6, [5, 6]),
        (5, 0, 2**53, list(range(5, KEPT + 5))),
        (5, KEPT + 4, KEPT + 100, [KEPT + 4]),
        (5, KEPT + 5, KEPT + 9, []),
        (5, 6, 5, []),
        (4, 5, 6, []),
    ],
    ids=["forgotten", "partly forgotten", "everything", "the last", "not yet", "backwards", "another epoch"],
)
def test_what_is_kept_can_be_repeated(epoch: int, first: int, last: int, numbers: list[int]) -> None:
    out = Outgoing(epoch=5)
    for number in range(1, KEPT + 5):
        out.add(news(number))
    assert list(out.repeat(epoch, first, last)) == [(number, news(number)) for number in numbers]


@pytest.mark.parametrize(
    ("pieces", "fresh", "missing"),
    [
        ([(1, 1)], [True], []),
        ([(1, 1), (1, 2), (1, 2)], [True, True, False], []),
        ([(1, 1), (1, 4)], [True, True], [2, 3]),
        ([(1, 1), (1, 4), (1, 2), (1, 2)], [True, True, True, False], [3]),
        ([(1, 7)], [True], []),
        ([(1, 7), (1, 6)], [True, False], []),
        ([(1, "0"), (1, 1)], [False, True], []),
        ([(1, "0"), (1, "2")], [False, False], [1, 2]),
        ([(1, "2"), (1, 2)], [False, False], []),
        ([(1, 1), (1, "3"), (1, 3), (1, 2)], [True, False, True, True], []),
        ([(1, 5), (2, 1)], [True, True], []),
        ([(1, 5), (2, 3)], [True, True], [1, 2]),
        ([(1, 5), (2, "2")], [True, False], [1, 2]),
        ([(1, 1), (1, 3), (2, "0")], [True, True, False], []),
    ],
    ids=[
        "the first",
        "in order, one twice",
        "a gap",
        "a gap filled, once",
        "from the middle on",
        "before the middle",
        "a beat before all",
        "a beat shows a loss",
        "a beat is no piece",
        "a loss at the end",
        "a restart",
        "a restart with losses",
        "a restart seen by a beat",
        "a restart ends the search",
    ],
)
def test_numbers_show_what_is_new_and_what_is_lost(pieces: list[tuple[int, int | str]], fresh: list[bool], missing: list[int]) -> None:
    """A number in quotes is that of a beat."""
    incoming = Incoming()
    assert [incoming.accept(epoch, int(number), isinstance(number, str)) for epoch, number in pieces] == fresh
    assert list(incoming.missing) == missing


def test_what_is_lost_is_asked_for_so_often_and_no_more() -> None:
    incoming = Incoming()
    incoming.accept(1, 1, beat=False)
    incoming.accept(1, 3, beat=False)
    assert [incoming.wanted(ATTEMPTS) for _ in range(2)] == [(2, 2)] * 2
    incoming.accept(1, 6, beat=False)
    assert [incoming.wanted(ATTEMPTS) for _ in range(5)] == [(2, 5), (4, 5), (4, 5), None, None]


def test_an_answer_that_comes_after_the_last_attempt_is_taken() -> None:
    """Four pieces in one batch use up the attempts before any answer can be there."""
    incoming = Incoming()
    incoming.accept(1, 1, beat=False)
    for number in (3, 4, 5, 6, 7):
        incoming.accept(1, number, beat=False)
        incoming.wanted(ATTEMPTS)
    assert incoming.wanted(ATTEMPTS) is None
    assert [incoming.accept(1, 2, beat=False) for _ in range(2)] == [True, False]


def test_a_neighbour_cannot_fill_our_memory_with_gaps() -> None:
    incoming = Incoming()
    for number in range(0, 50 * MOST_MISSING, MOST_MISSING + 7):
        incoming.accept(1, number, beat=False)
    incoming.accept(1, 2**64 - 1, beat=True)
    assert len(incoming.missing) == MOST_MISSING
    assert max(incoming.missing) == 2**64 - 1


@settings(max_examples=200)
@given(st.data())
def test_no_order_loss_or_duplication_delivers_a_piece_twice(data: st.DataObject) -> None:
    """A publisher that is restarted now and then, a channel that does what it likes, then one that works: nothing comes twice, and
    of what was still kept all comes."""
    delivered: list[tuple[int, int]] = []
    incoming, link = Incoming(), Channel(Outgoing(0))
    link.publish(Beat())
    take(link, incoming, delivered, 0)
    for _ in range(data.draw(st.integers(0, 40), label="steps")):
        match data.draw(st.sampled_from(["publish", "publish", "publish", "beat", "restart", "lose", "take", "take", "again", "ask"])):
            case "publish":
                link.publish(news(link.published + 1))
            case "beat":
                link.publish(Beat())
            case "restart":
                link.restart()
            case "lose" if link.way:
                link.way.pop(data.draw(st.integers(0, len(link.way) - 1), label="lost"))
            case "take" if link.way:
                take(link, incoming, delivered, data.draw(st.integers(0, min(3, len(link.way) - 1)), label="taken"))
            case "again" if link.way:
                link.way.append(link.way[0])
            case "ask":
                link.ask(incoming)
    assert len(delivered) == len(set(delivered))
    link.way.clear()
    link.publish(Beat())
    take(link, incoming, delivered, 0)
    wanted = set(incoming.missing)
    link.ask(incoming, attempts=100)
    while link.way:
        take(link, incoming, delivered, 0)
    assert len(delivered) == len(set(delivered))
    assert not incoming.missing
    assert {(link.out.epoch, number) for number in wanted} <= set(delivered)
    assert {number for epoch, number in delivered if epoch == link.out.epoch} == set(range(1, link.out.number + 1))


class Channel:
    """What is on the way from a publisher to a listener. Only news of the present epoch are asked for, as TCP brings no older."""

    def __init__(self, out: Outgoing) -> None:
        self.out = out
        self.published = 0
        self.way: list[tuple[int, int, AnyNews]] = []

    def publish(self, piece: AnyNews) -> None:
        self.way.append((self.out.epoch, self.out.add(piece), piece))
        self.published += not isinstance(piece, Beat)

    def restart(self) -> None:
        self.out = Outgoing(self.out.epoch + 1)
        self.way.clear()
        self.publish(Beat())

    def ask(self, incoming: Incoming, attempts: int = ATTEMPTS) -> None:
        wanted = incoming.wanted(attempts)
        if wanted is not None:
            self.way += [(self.out.epoch, number, piece) for number, piece in self.out.repeat(incoming.epoch, *wanted)]


def take(link: Channel, incoming: Incoming, delivered: list[tuple[int, int]], place: int) -> None:
    epoch, number, piece = link.way.pop(place)
    if incoming.accept(epoch, number, isinstance(piece, Beat)):
        delivered.append((epoch, number))


# --- models in chunks


@pytest.mark.parametrize(("size", "chunks"), [(1, 1), (CHUNK - 1, 1), (CHUNK, 1), (CHUNK + 1, 2), (10 * CHUNK, 10)])
def test_chunks_of_a_model(size: int, chunks: int) -> None:
    assert chunk_count(size) == chunks


def cut(body: bytes) -> list[bytes]:
    return [body[begin : begin + CHUNK] for begin in range(0, len(body), CHUNK)]


def model(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


@settings(max_examples=25)
@given(st.integers(1, 10 * CHUNK), st.data())
def test_chunks_in_any_order_and_number_make_the_model(size: int, data: st.DataObject) -> None:
    body = model(size)
    chunks, assembly = cut(body), Assembly("22" * 32, size, "ab" * 32, now=0)
    rng = data.draw(st.randoms(use_true_random=False))
    asked = []
    while (wanted := assembly.ask()) is not None:
        asked.append(wanted)
        first, count = wanted
        assert assembly.ask() is None, "the window has not come whole"
        coming = list(range(first, first + count)) + rng.choices(range(first + count), k=3)
        rng.shuffle(coming)
        for index in coming:
            assert assembly.put(index, chunks[index], now=index)
    assert assembly.complete()
    assert assembly.whole() == body
    assert [first for first, _ in asked] == list(range(0, len(chunks), WINDOW))
    assert sum(count for _, count in asked) == len(chunks)
    assert all(count <= WINDOW for _, count in asked)


@pytest.mark.parametrize(
    ("index", "length"),
    [(20, CHUNK), (2**53 - 1, CHUNK), (0, CHUNK - 1), (0, CHUNK + 1), (0, 0)],
    ids=["beyond", "far beyond", "too short", "too long", "empty"],
)
def test_a_chunk_that_the_model_does_not_have_is_refused(index: int, length: int) -> None:
    assembly = Assembly("22" * 32, 20 * CHUNK, "ab" * 32, now=0)
    assembly.ask()
    assert not assembly.put(index, bytes(length), now=1)
    assert (assembly.progress, assembly.complete()) == (0, False)


def test_a_chunk_that_was_not_asked_for_is_late_and_left() -> None:
    assembly = Assembly("22" * 32, 20 * CHUNK, "ab" * 32, now=0)
    assembly.ask()
    assert assembly.put(WINDOW, bytes(CHUNK), now=1)
    assert (assembly.progress, assembly.complete(), assembly.ask()) == (0, False, None)


def test_the_last_chunk_has_its_own_length() -> None:
    assembly = Assembly("22" * 32, CHUNK + 5, "ab" * 32, now=0)
    assert assembly.ask() == (0, 2)
    assert [assembly.put(1, bytes(length), 1) for length in (CHUNK, 4, 6, 5)] == [False, False, False, True]


def test_another_neighbour_is_asked_from_the_start() -> None:
    body = model((WINDOW + 4) * CHUNK)
    assembly = Assembly("22" * 32, len(body), "ab" * 32, now=0)
    assembly.ask()
    assert assembly.put(0, bytes(CHUNK), now=1)
    assembly.restart("cd" * 32, now=9)
    assert (assembly.source, assembly.progress, assembly.ask()) == ("cd" * 32, 9, (0, WINDOW))
    for index, chunk in enumerate(cut(body)):
        if index == WINDOW:
            assembly.ask()
        assert assembly.put(index, chunk, now=10)
    assert assembly.whole() == body


def test_lost_chunks_are_asked_for_once_more() -> None:
    assembly = Assembly("22" * 32, 20 * CHUNK, "ab" * 32, now=0)
    assembly.ask()
    for index in (0, WINDOW - 1):
        assembly.put(index, bytes(CHUNK), now=1)
    assert assembly.ask_again(now=5) == (1, WINDOW - 2)
    assert assembly.ask_again(now=9) is None
    assembly.put(1, bytes(CHUNK), now=10)
    assert assembly.ask_again(now=15) == (2, WINDOW - 3)


def test_a_model_of_one_chunk_is_not_copied() -> None:
    assembly, body = Assembly("22" * 32, 5, "ab" * 32, now=0), b"model"
    assembly.ask()
    assembly.put(0, body, now=1)
    assert assembly.complete() and assembly.whole() is body


# --- where a draft goes


def paths() -> Iterator[tuple[list[tuple[str, int]], bool]]:
    me, near, far = made.BOB.address, made.CAROL.address, made.DAVE.address
    yield [], False
    yield [(me, 1)], False
    yield [(far, 0)], False
    yield [(me, 1), (near, 1)], False
    yield [(me, 1), (near, 2)], False
    yield [(me, 1), (far, 0)], True
    yield [(me, 0), (near, 1)], False


@pytest.mark.parametrize(("witnesses", "further"), list(paths()))
def test_a_draft_goes_on_where_a_witness_lies_behind_us(witnesses: list[tuple[str, int]], further: bool) -> None:
    tx = made.transaction(signed=False)
    receipts = tuple(made.receipt(tx, creator=creator, received_at_ttl=ttl) for creator, ttl in witnesses)
    assert reaches_further(made.draft((tx, receipts), signed=False), made.BOB.address) is further
