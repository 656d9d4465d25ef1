"""What a tap tells its watchers, over a real socket: every message that moves, briefly, and never at the price of waiting."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from dfl_actors.core import events
from dfl_actors.core import messages as m
from dfl_actors.core.codec import digest
from dfl_actors.core.effects import Announce, Answer, Effect, Note, Publish, Send, Serve, Tell
from dfl_actors.core.family import Event, Letter, News, Reply, Request, members
from dfl_actors.core.objects import MAX_TRANSACTIONS
from dfl_actors.errors import Refused
from dfl_actors.runtime import header
from dfl_actors.runtime.clock import Clock
from dfl_actors.runtime.header import LARGEST, SHORT, Record, encoded, read_record
from dfl_actors.runtime.tap import HIGH_WATER, Tap
from tests import objects as made
from tests.core.test_messages import made_of

PATIENCE = 30.0
NAMES = {made.ALICE.address: "alice", made.BOB.address: "bob", "22" * 32: "carol"}
TX = made.transaction()
RECEIPT = made.receipt(TX)


Context = zmq.Context[zmq.Socket[bytes]]


@pytest.fixture
def tap(context: Context, place: Path) -> Tap:
    return Tap(context, place, "alice", "gossiper", 2, NAMES, lambda peer: made.BOB.address if peer == b"peer" else "", Clock())


def until(tap: Tap, condition: Callable[[], bool]) -> None:
    """Let the tap hear of its watchers until the condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        tap.socket.poll(10)
        list(tap.watchers())


@contextmanager
def watching(tap: Tap, context: Context, high_water: int = 100_000) -> Iterator[Callable[[], list[Record]]]:
    """A watcher of the tap; gives what has come to it."""
    socket = context.socket(zmq.SUB)
    socket.setsockopt(zmq.SUBSCRIBE, b"")
    socket.setsockopt(zmq.RCVHWM, high_water)
    socket.connect(tap.socket.getsockopt_string(zmq.LAST_ENDPOINT))
    until(tap, lambda: tap.watched)

    def come() -> list[Record]:
        raws: list[bytes] = []
        while socket.poll(int(PATIENCE * 1000) if not raws else 50):
            raws.append(socket.recv())
        assert all(len(raw) <= LARGEST for raw in raws)
        return [read_record(raw) for raw in raws]

    yield come
    socket.close(0)


def told(tap: Tap, context: Context, *effects: Effect, size: int = 99) -> list[Record]:
    with watching(tap, context) as come:
        for effect in effects:
            tap.said(effect, size)
        return come()


def test_a_tap_knows_whether_anybody_watches(tap: Tap, context: Context) -> None:
    assert not tap.watched
    with watching(tap, context), watching(tap, context):
        assert tap.watched
    until(tap, lambda: not tap.watched)


def test_a_second_watcher_that_goes_leaves_the_first_one_watching(tap: Tap, context: Context) -> None:
    with watching(tap, context) as come:
        with watching(tap, context):
            pass
        tap.socket.poll(50)
        list(tap.watchers())
        assert tap.watched
        tap.said(Tell(m.Trained(transaction=TX)), 7)
        assert [record.type for record in come()] == ["Trained"]


def test_what_else_is_sent_to_a_tap_is_not_heard(tap: Tap, context: Context) -> None:
    odd = context.socket(zmq.XSUB)
    odd.connect(tap.socket.getsockopt_string(zmq.LAST_ENDPOINT))
    for frames in ([b"\x01other"], [b"\x02", b"two frames"], [b"text"], [b""], [b"\x01"]):
        odd.send_multipart(frames)
    until(tap, lambda: tap.watched)
    odd.send(b"\x00other")
    odd.send(b"\x00")
    until(tap, lambda: not tap.watched)


SPEECH: dict[str, tuple[Any, Callable[[Any], Effect]]] = {
    "event": (Event, Publish),
    "letter": (Letter, Tell),
    "news": (News, lambda message: Announce(3, 8, message)),
    "request": (Request, lambda message: Send(made.BOB.address, message)),
    "reply": (Reply, lambda message: Answer(b"peer", message)),
}


@pytest.mark.parametrize("kind", SPEECH)
def test_every_message_is_told_with_its_listeners_and_its_size(kind: str, tap: Tap, context: Context) -> None:
    family, speak = SPEECH[kind]
    types = members(family)
    records = told(tap, context, *(speak(made_of(one)) for one in types))
    assert [(record.type, record.kind, record.size) for record in records] == [(one.__name__, kind, 99) for one in types]
    assert [record.n for record in records] == list(range(1, len(types) + 1))
    assert {(record.node, record.actor, record.life, record.k, record.dropped) for record in records} == {
        ("alice", "gossiper", 2, 1, False)
    }
    others = {"news": ("*",), "request": ("bob",), "reply": ("bob",)}.get(kind)
    assert [record.to for record in records] == [others or one.hears for one in types]
    now = time.time_ns() // 1000
    assert all(now - 60_000_000 < record.t <= now for record in records)


def test_a_record_names_the_objects_inside(tap: Tap, context: Context) -> None:
    draft = made.draft((TX, (RECEIPT,)))
    confirmation = made.confirmation(draft, RECEIPT)
    trained, witnessed, drafted, confirmed, final, resent = told(
        tap,
        context,
        Tell(m.Trained(transaction=TX)),
        Tell(m.Witnessed(transaction=TX, receipts=(), receipt=RECEIPT)),
        Tell(m.Drafted(draft=draft)),
        Tell(m.Confirmed(sender=made.ALICE.address, confirmations=(confirmation,))),
        Tell(m.Finalised(generator=made.ALICE.address, height=4, block="77" * 32)),
        Answer(b"peer", m.Resent(epoch=1, number=6, news=m.ReceiptNews(receipt=RECEIPT))),
    )
    assert (trained.tx, trained.model, trained.generator, trained.correct, trained.tested) == (digest(TX), TX.model, "alice", 71, 100)
    assert (witnessed.tx, witnessed.receipt, witnessed.witness) == (digest(TX), digest(RECEIPT), "bob")
    assert (witnessed.correct, witnessed.ttl) == (68, RECEIPT.received_at_ttl)
    assert (drafted.draft, drafted.txs, drafted.height) == (digest(draft), (digest(TX)[:SHORT],), draft.height)
    assert (confirmed.draft, confirmed.txs, confirmed.witness, confirmed.sender) == (digest(draft), drafted.txs, "bob", "alice")
    assert (final.generator, final.height, final.block) == ("alice", 4, "77" * 32)
    assert (resent.number, resent.detail, resent.tx, resent.receipt) == (6, "ReceiptNews", digest(TX), digest(RECEIPT))


def test_what_the_socket_did_not_take_is_told_as_dropped(tap: Tap, context: Context) -> None:
    (record,) = told(tap, context, Send(made.BOB.address, m.Fetch(model="22" * 32, first=0, count=7)), size=0)
    assert record.dropped and (record.index, record.count) == (0, 7)


def test_chunks_are_told_one_by_one_and_not_as_a_whole(tap: Tap, context: Context) -> None:
    records = told(tap, context, Serve(b"peer", "22" * 32, 0, 2), *(Answer(b"peer", m.Chunk(model="22" * 32, index=i)) for i in (0, 1)))
    assert [(record.type, record.index) for record in records] == [("Chunk", 0), ("Chunk", 1)]


def test_a_stranger_has_no_name(tap: Tap, context: Context) -> None:
    (record,) = told(tap, context, Answer(b"nobody", m.Refusal(code="not_admitted", what="Fetch")))
    assert (record.to, record.code, record.detail) == (("?",), "not_admitted", "Fetch")


def test_refusals_are_told_with_their_code(tap: Tap, context: Context) -> None:
    with watching(tap, context) as come:
        tap.noted(Note(events.Refused(what="transaction", id="ab" * 32, code="expired", detail="3 ms ago", by=made.BOB.address)))
        tap.noted(Note(events.Refused(what="DraftNews", code="bad_signature", by="99" * 32)))
        tap.noted(Note(events.RefusedBy(what="Fetch", code="fetched_often", by=made.BOB.address)))
        tap.undecodable(Refused("not_canonical", "why"))
        tap.noted(Note(events.Expired(tx="cd" * 32, receipts=0, needed=1)))
        tap.noted(Note(events.Lost(what="delta", id="ef" * 32)))
        for words in ("taken", "rejected: too far"):
            tap.noted(Note(events.Updated(models=2, notes={"senders": {made.BOB.address: words, "22" * 32: "taken"}})))
        tap.noted(Note(events.Scored(tx="cd" * 32)))  # `Scored` and `Witnessed` say it
        records = come()
    seen = [(one.kind, one.type, one.code, one.sender, one.tx or one.model) for one in records]
    assert seen == [
        ("refused", "transaction", "expired", "bob", "ab" * 32),
        ("refused", "DraftNews", "bad_signature", "99" * 8, ""),
        ("refused_by", "Fetch", "fetched_often", "bob", ""),
        ("refused", "bytes", "not_canonical", "", ""),
        ("note", "expired", "expired", "", "cd" * 32),
        ("note", "lost", "lost", "", "ef" * 32),
        ("note", "held back", "bob rejected: too far", "", ""),
    ]
    assert records[0].detail == "3 ms ago"


def test_types_that_a_neighbour_invents_cost_no_memory(tap: Tap, context: Context) -> None:
    with watching(tap, context) as come:
        for number in range(5):
            tap.noted(Note(events.RefusedBy(what=f"made up {number}", code="x", by=made.BOB.address)))
        assert [record.k for record in come()] == [1, 2, 3, 4, 5]


def test_acknowledgements_are_told_by_their_receivers(tap: Tap, context: Context) -> None:
    with watching(tap, context) as come:
        tap.acknowledged([(b"builder", b"h" * 16), (b"validator", b"h" * 16), (b"builder", b"i" * 16)])
        assert [(one.kind, one.to, one.count, one.size) for one in come()] == [
            ("acknowledgement", ("builder",), 2, 16),
            ("acknowledgement", ("validator",), 1, 16),
        ]


def test_the_largest_draft_is_told_in_parts_with_all_its_transactions(tap: Tap, context: Context) -> None:
    entries = tuple((made.transaction(sequence=number, signed=False), ()) for number in range(MAX_TRANSACTIONS))
    draft = made.draft(*entries, signed=False)
    records = told(tap, context, Tell(m.Drafted(draft=draft)), Tell(m.Trained(transaction=TX)), size=3_000_000)
    *parts, after = records
    assert len(parts) > 10 and len(parts) < HIGH_WATER
    assert [tx for part in parts for tx in part.txs] == [digest(entry.transaction)[:SHORT] for entry in draft.entries]
    assert {(part.draft, part.type, part.cut) for part in parts} == {(digest(draft), "Drafted", False)}
    assert [part.part for part in parts] == list(range(len(parts))) and sum(part.size for part in parts) == 3_000_000
    assert [record.n for record in records] == list(range(1, len(records) + 1)) and after.type == "Trained"


def test_a_watcher_that_does_not_read_costs_no_waiting_and_no_memory(tap: Tap, context: Context) -> None:
    effect = Tell(m.Trained(transaction=TX))
    with watching(tap, context, high_water=1) as come:
        tap.said(effect, 1)
        process = psutil.Process()
        before, begun = process.memory_info().rss, time.monotonic()
        for _ in range(20_000):
            tap.said(effect, 1)
        spent, grown = time.monotonic() - begun, process.memory_info().rss - before
        records = come()
    assert spent < 10 and grown < 10_000_000
    numbers = [record.n for record in records]
    assert numbers == sorted(set(numbers)) and len(numbers) < 20_000, "a gap shows what was dropped"


TEXTS = st.text(max_size=200)
COUNTS = st.none() | st.integers(0, 2**53 - 1)
WORDS = dict.fromkeys(("tx", "model", "draft", "receipt", "block", "generator", "witness", "sender", "code", "detail"), TEXTS)
FIGURES = dict.fromkeys(("sequence", "height", "number", "index", "count", "correct", "tested", "ttl"), COUNTS)


@given(
    st.fixed_dictionaries(
        {**WORDS, **FIGURES, "node": TEXTS, "type": TEXTS, "to": st.lists(st.text(max_size=40), max_size=3).map(tuple),
         "txs": st.lists(st.text("0123456789abcdef", min_size=SHORT, max_size=SHORT), max_size=300).map(tuple)}
    )
)  # fmt: skip
def test_no_record_is_too_large_whatever_is_in_it(fields: dict[str, Any]) -> None:
    whole = Record(t=2**53, actor="validator", n=10**9, life=10**4, k=10**9, kind="acknowledgement", size=2**40, **fields)
    raws = list(encoded(whole))
    assert raws and all(len(raw) <= LARGEST for raw in raws)
    parts = [read_record(raw) for raw in raws]
    assert sum(part.size for part in parts) == whole.size and [part.n for part in parts] == [10**9 + i for i in range(len(parts))]
    if parts[0] != whole and not any(part.cut for part in parts):
        assert tuple(tx for part in parts for tx in part.txs) == whole.txs
    if len(msgspec.json.encode(whole)) <= LARGEST:
        assert parts == [whole]


def test_every_field_of_a_message_that_names_an_object_is_read() -> None:
    """A message of a new type is visible with its size at once; a new name for a known object has to be added to `READERS`."""
    silent = {
        "codec",
        "reputations",
        "genesis",
        "public_key",
        "nonce",
        "signature",
        "epoch",
        "pulse",
        "known",
        "transactions",
        "drafts",
    } | {"upto", "next", "again", "serving"}
    fields = {name for kind in (Event, Letter, News, Request, Reply) for message in members(kind) for name in message.__struct_fields__}
    assert fields - silent == set(header.READERS)
