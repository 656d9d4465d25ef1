"""The messages: kinds, who says them, who hears them, and that every one has its bytes."""

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import msgspec
import pytest

from dfl_actors.actors.base import Actor, Settings
from dfl_actors.core import messages as m
from dfl_actors.core.clock import Now
from dfl_actors.core.codec import decode, encode
from dfl_actors.core.control import Adoption, Endpoints, Facts, Holdings, Listening, Neighbours, Refusals
from dfl_actors.core.effects import Effect
from dfl_actors.core.evidence import evidence
from dfl_actors.core.family import Control, Event, Letter, Message, News, Reply, Request, heard_by, members, said_by, union
from dfl_actors.core.words import Started
from dfl_actors.errors import Refused
from tests import objects as made
from tests.actors import bench

KINDS = (Event, Letter, News, Request, Reply, Control)
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
    "where": {D: Endpoints("tcp://127.0.0.1:1", "tcp://127.0.0.1:2")},
    "counts": {"steps": 1, "own_accuracy": 0.5},
    "text": "one line",
    "exit_code": 9,
    "node": "0",
    "known": D,
    "transactions": (TX,),
    "drafts": (DRAFT,),
    "adoption": Adoption(held=Holdings(sequence=3), at=1, heights={D: 2}),
    "pulse": made.pulse(),
    "facts": Facts(height=1, refused=(Refusals(D, "expired", 2),)),
}
SPECIAL: dict[str, dict[str, Any]] = {
    "Fed": {"upto": 1, "next": 2, "again": 0},
    "Injected": {"samples": (1, 2)},
    "EvidenceNews": {"evidence": evidence(made.transaction(), made.transaction(data=b"\1" * 32))},
    "Judged": {"what": D},
    "Scored": {"transaction": D},
    "Settled": {"transaction": D},
    "Status": {"reputations": {D: 0.5}, "model": ""},
    "Listening": {},
}


def made_of(kind: type[Message]) -> Message:
    """A message with a right value in every field."""
    given = {name: FIELDS[name] for name in kind.__struct_fields__ if name in FIELDS and kind is not Listening}
    return kind(**(given | SPECIAL.get(kind.__name__, {})))


MEMBERS = [(kind, message) for kind in KINDS for message in members(kind)]
IDS = [f"{kind.__name__}: {message.__name__}" for kind, message in MEMBERS]


@pytest.mark.parametrize(("kind", "message"), MEMBERS, ids=IDS)
def test_a_message_decodes_to_itself_in_its_kind_and_in_no_other(kind: type[Message], message: type[Message]) -> None:
    value = made_of(message)
    assert decode(union(members(kind)), encode(value)) == value
    assert msgspec.json.decode(encode(value))["type"] == message.__name__
    for other in KINDS:
        if other is not kind:
            with pytest.raises(Refused, match="schema"):
                decode(union(members(other)), encode(value))


def test_where_a_neighbour_listens_is_one_list() -> None:
    raw = encode(Neighbours(where={D: Endpoints("tcp://a:1", "tcp://a:2", "key")}))
    assert raw == b'{"type":"Neighbours","where":{"%s":["tcp://a:1","tcp://a:2","key"]}}' % D.encode()


# --- the way of a message -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "way", "why"),
    [
        (Letter, {}, "does not state who says"),
        (Event, {"says": "keeper"}, "does not state who says"),
        (Control, {}, "does not state who says"),
        (Control, {"says": "nobody", "hears": ("actor",)}, "from one to others of actor, gossiper, supervisor, evaluator"),
        (Control, {"says": "actor", "hears": ("nonsense",)}, "from one to others of actor, gossiper, supervisor, evaluator"),
        (News, {"says": "trainer", "hears": ("builder",)}, "both must be gossiper"),
        (Reply, {"hears": ("keeper",)}, "both must be gossiper"),
        (Letter, {"says": "keeper", "hears": ()}, "must have one reader"),
        (Letter, {"says": "keeper", "hears": ("trainer", "builder")}, "must have one reader"),
        (Event, {"says": "keeper", "hears": ("keeper",)}, "from one to others of injector, trainer"),
        (Event, {"says": "keeper", "hears": ("nobody",)}, "from one to others of injector, trainer"),
        (Event, {"says": "somebody", "hears": ("keeper",)}, "from one to others of injector, trainer"),
    ],
)
def test_a_message_that_states_no_way_or_a_wrong_one_cannot_be_defined(kind: type[Message], way: dict[str, object], why: str) -> None:
    with pytest.raises(TypeError, match=why):
        make: Any = type(kind)
        make("Made", (kind,), way)
    assert "Made" not in {message.__name__ for message in members(kind)}


def test_what_is_said_is_heard() -> None:
    assert heard_by("keeper", Event) == (m.Versioned, m.Scored) and said_by("keeper", Event) == (m.Updated,)
    assert heard_by("injector", Letter) == (m.Pull, m.Fed) and not heard_by("keeper", Letter)


def actor(name: str, **handlers: object) -> type[Actor]:
    return type("Made", (Actor,), {"name": name, **handlers})


def nothing(self: Actor, message: Message, now: Now) -> Iterator[Effect]:
    yield from ()


def test_an_actor_that_does_not_handle_what_comes_to_it_cannot_be_defined() -> None:
    with pytest.raises(TypeError, match=r"lacks \['on_scored'\]"):
        actor("keeper", on_versioned=nothing)
    assert actor("keeper", on_versioned=nothing, on_scored=nothing)


def test_an_actor_that_handles_what_never_comes_cannot_be_defined() -> None:
    with pytest.raises(TypeError, match=r"\['on_injected'\] never come"):
        actor("keeper", on_versioned=nothing, on_scored=nothing, on_injected=nothing)
    with pytest.raises(TypeError, match=r"\['on_scroed'\] never come"):
        actor("keeper", on_versioned=nothing, on_scored=nothing, on_scroed=nothing)


def test_a_message_that_never_comes_is_not_nothing() -> None:
    keeper = actor("keeper", on_versioned=nothing, on_scored=nothing)(bench.settings(Settings))
    assert keeper.handle(Started(), bench.at()) == []
    with pytest.raises(KeyError):
        keeper.handle(m.Pull(samples=1), bench.at())


# --- limits ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        (m.Fetch(model=D, first=0, count=1), True),
        (m.Fetch(model=D, first=0, count=16), True),
        (m.Fetch(model=D, first=0, count=0), False),
        (m.Fetch(model=D, first=0, count=17), False),
        (m.ConfirmationsFor(confirmations=()), True),
        (m.Resend(epoch=0, first=0, last=2**53), False),
    ],
)
def test_requests_have_limits(value: Message, taken: bool) -> None:
    if taken:
        assert decode(m.REQUEST, encode(value)) == value
    else:
        with pytest.raises(Refused, match="schema"):
            decode(m.REQUEST, encode(value))


@pytest.mark.parametrize("size", [64, 65])
def test_a_refusal_has_a_limit(size: int) -> None:
    value = m.Refusal(code="x" * size, what="")
    with pytest.raises(Refused, match="schema") if size > 64 else nullcontext():
        assert decode(m.REPLY, encode(value)) == value


@pytest.mark.parametrize("many", [256, 257])
def test_a_path_has_a_limit(many: int) -> None:
    data = encode(m.TransactionNews(transaction=TX, receipts=(RECEIPT,) * many))
    if many == 256:
        assert len(decode(m.TransactionNews, data).receipts) == 256
    else:
        with pytest.raises(Refused, match="schema"):
            decode(m.AnyNews, data)


@pytest.mark.parametrize("depth", [1, 253, 254, 1_015])
def test_nested_news_in_a_repetition_are_refused_and_no_crash(depth: int) -> None:
    data = b'{"epoch":1,"news":' + b'{"a":' * depth + b"1" + b"}" * depth + b',"number":1,"type":"Resent"}'
    with pytest.raises(Refused, match="schema"):
        decode(m.REPLY, data)
