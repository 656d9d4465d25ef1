"""`docs/protocol.md` against the types: every message with its way and its fields, and every bound of an object's field."""

import re

import msgspec
import pytest

from dfl_actors.core import control, messages, objects
from dfl_actors.core.family import Control, Event, Letter, Message, News, Reply, Request
from tests.core import rendered

HEADS = {
    Event: "| event | way | fields | meaning |",
    Letter: "| letter | way | fields | meaning |",
    News: "| news | fields | meaning |",
    Request: "| request | fields | replies | meaning |",
    Reply: "| reply | fields | meaning |",
    Control: "| control | way | fields | meaning |",
}
OBJECTS = [objects.Genesis, objects.Transaction, objects.Receipt, objects.Draft, objects.FinalBlock]


def test_all_messages_are_known_here() -> None:
    assert messages.Injected.__module__ != control.Listening.__module__
    assert set(HEADS) == set(Message.__subclasses__()) - {messages.FromDriver}


@pytest.mark.parametrize("kind", HEADS, ids=lambda kind: kind.__name__)
def test_the_document_has_every_message_with_its_way_and_its_fields(kind: type[Message]) -> None:
    assert [cells[:-1] for cells in rendered.documented(HEADS[kind])] == rendered.rows(kind)


@pytest.mark.parametrize("kind", OBJECTS, ids=lambda kind: kind.__name__)
def test_the_document_has_the_bounds_of_an_object(kind: type[msgspec.Struct]) -> None:
    said: dict[str, str] = {}
    for names, kinds, _ in rendered.documented("| field | type | meaning |", f"### {kind.__name__} ("):
        bound = re.search(r"(text )?[\d,]+\.\.[\d,]+", kinds)
        said |= {name: bound[0] for name in re.findall(r"`(\w+)`", names) if bound is not None}
    assert said == {name: bound for name, bound in rendered.bounds(kind).items() if bound is not None}
