"""The messages: families, who says them, who hears them, and that every one has its bytes."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dfl_actors.core import messages as m
from dfl_actors.core.codec import decode, encode
from dfl_actors.errors import Refused
from tests import objects as made

FAMILIES: dict[str, Any] = {
    name: getattr(m, name) for name in ("Event", "Letter", "AnyNews", "Request", "Reply", "FromActor", "FromSupervisor")
}
D, TX = "22" * 32, made.transaction()
RECEIPT = made.receipt(TX)
DRAFT = made.draft((TX, (RECEIPT,)))
CONFIRMATION = made.confirmation(DRAFT, RECEIPT)
FIELDS: dict[str, Any] = {
    "samples": 3,
    "model": D,
    "applied": 1,
    "transaction": TX,
    "generator": D,
    "codec": "float32",
    "correct": 1,
    "tested": 2,
    "received": {D: (D, "float32")},
    "models": 4,
    "reputations": {D: 1_000_000},
    "receipts": (RECEIPT,),
    "receipt": RECEIPT,
    "sender": D,
    "draft": DRAFT,
    "confirmations": (CONFIRMATION,),
    "height": 1,
    "block": D,
    "delta": D,
    "number": 1,
    "genesis": D,
    "address": D,
    "public_key": D,
    "nonce": D,
    "signature": "33" * 64,
    "first": 0,
    "last": 9,
    "count": 16,
    "index": 5,
    "epoch": 1_700_000_000_000,
    "news": m.BlockNews(generator=D, height=1, block=D),
    "code": "stranger",
    "what": "Hello",
    "where": {D: ("tcp://127.0.0.1:1", "tcp://127.0.0.1:2", "")},
    "counts": {"steps": 1, "own_accuracy": 0.5},
    "text": "one line",
    "exit_code": 9,
    "node": "0",
}
SPECIAL = {
    "Injected": {"samples": (1, 2)},
    "Scored": {"transaction": D},
    "Settled": {"transaction": D},
    "Status": {"reputations": {D: 0.5}, "model": ""},
    "Hatched": {},
}


def made_of(kind: type[m.Message]) -> m.Message:
    """A message with a right value in every field."""
    given = {name: FIELDS[name] for name in kind.__struct_fields__ if name in FIELDS and kind is not m.Hatched}
    return kind(**(given | SPECIAL.get(kind.__name__, {})))


MEMBERS = [(name, kind) for name, family in FAMILIES.items() for kind in family.__args__]
IDS = [f"{name}: {kind.__name__}" for name, kind in MEMBERS]


@pytest.mark.parametrize(("family", "kind"), MEMBERS, ids=IDS)
def test_a_message_decodes_to_itself_in_its_family(family: str, kind: type[m.Message]) -> None:
    value = made_of(kind)
    assert decode(FAMILIES[family], encode(value)) == value
    assert msgspec.json.decode(encode(value))["type"] == kind.__name__


@pytest.mark.parametrize(("family", "kind"), MEMBERS, ids=IDS)
def test_a_message_is_no_message_of_another_family(family: str, kind: type[m.Message]) -> None:
    for other in FAMILIES.values():
        if kind not in other.__args__:
            with pytest.raises(Refused, match="schema"):
                decode(other, encode(made_of(kind)))


def test_every_event_has_a_publisher_and_listeners_and_every_letter_a_sender_and_a_recipient() -> None:
    assert set(m.Event.__args__) == set(m.PUBLISHER) == set(m.LISTENERS)
    assert set(m.Letter.__args__) == set(m.SENDER) == set(m.RECIPIENT)
    named = {*m.PUBLISHER.values(), *m.SENDER.values(), *m.RECIPIENT.values(), *(name for names in m.LISTENERS.values() for name in names)}
    assert named == set(m.ACTORS)


def test_the_comment_of_a_message_says_who_speaks_to_whom() -> None:
    for kind, names in m.LISTENERS.items():
        said = re.match(r"(\w+) -> ([\w, ()]+)\.", kind.__doc__ or "")
        assert said is not None
        assert said[1] == m.PUBLISHER[kind]
        assert tuple(said[2].split(", ")) == (names or ("(watchers)",))
    for kind, name in m.RECIPIENT.items():
        assert re.match(r"(\w+) -> (\w+)\.", kind.__doc__ or "").groups() == (m.SENDER[kind], name)  # type: ignore[union-attr]


def test_no_actor_listens_to_itself() -> None:
    for kind, names in m.LISTENERS.items():
        assert m.PUBLISHER[kind] not in names


def test_an_actor_handles_what_is_said_to_it() -> None:
    """A message without a handler would be lost in silence."""
    folder = Path(m.__file__).parent.parent / "actors"
    for kind, actors in [*m.LISTENERS.items(), *((kind, (name,)) for kind, name in m.RECIPIENT.items())]:
        handler = "on_" + re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()
        for actor in actors:
            assert f"def {handler}(" in (folder / f"{actor}.py").read_text(encoding="utf-8"), f"{actor} does not handle {kind.__name__}"


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        (m.Fetch(model=D, first=0, count=1), True),
        (m.Fetch(model=D, first=0, count=16), True),
        (m.Fetch(model=D, first=0, count=0), False),
        (m.Fetch(model=D, first=0, count=17), False),
        (m.Refusal(code="x" * 64, what="x" * 64), True),
        (m.Refusal(code="x" * 65, what=""), False),
        (m.ConfirmationsFor(confirmations=()), True),
        (m.Resend(epoch=0, first=0, last=2**53), False),
    ],
)
def test_requests_have_limits(value: m.Message, taken: bool) -> None:
    if taken:
        assert decode(m.Request, encode(value)) == value  # type: ignore[type-var]
    else:
        with pytest.raises(Refused, match="schema"):
            decode(m.Request, encode(value))  # type: ignore[type-var]


@pytest.mark.parametrize("many", [256, 257])
def test_a_path_has_a_limit(many: int) -> None:
    data = encode(m.TransactionNews(transaction=TX, receipts=(RECEIPT,) * many))
    if many == 256:
        assert len(decode(m.AnyNews, data).receipts) == 256  # type: ignore[type-var]
    else:
        with pytest.raises(Refused, match="schema"):
            decode(m.AnyNews, data)  # type: ignore[type-var]


@pytest.mark.parametrize("depth", [1, 253, 254, 1_015])
def test_nested_news_in_a_repetition_are_refused_and_no_crash(depth: int) -> None:
    data = b'{"epoch":1,"news":' + b'{"a":' * depth + b"1" + b"}" * depth + b',"number":1,"type":"Resent"}'
    with pytest.raises(Refused, match="schema"):
        decode(m.Reply, data)  # type: ignore[type-var]
