"""`docs/protocol.md` against the types: every message with its way and its fields, and every bound of an object's field."""

import re
from importlib import import_module
from typing import Any

import msgspec
import pytest

from dfl_actors.config.checks import RECEIPT_BYTES, TRANSACTION_BYTES
from dfl_actors.core import control, messages, objects
from dfl_actors.core.codec import encode
from dfl_actors.core.family import Control, Event, FromDriver, Letter, Message, News, Reply, Request
from dfl_actors.core.pulse import Pulse
from tests import objects as made
from tests.core import rendered

HEADS = {
    Event: "| event | way | fields | meaning |",
    Letter: "| letter | way | fields | meaning |",
    News: "| news | fields | meaning |",
    Request: "| request | fields | replies | meaning |",
    Reply: "| reply | fields | meaning |",
    Control: "| control | way | fields | meaning |",
}
OBJECTS = [objects.Genesis, objects.Transaction, objects.Receipt, objects.Draft, objects.FinalBlock, Pulse]


def test_all_messages_are_known_here() -> None:
    assert messages.Injected.__module__ != control.Listening.__module__
    assert set(HEADS) == set(Message.__subclasses__()) - {FromDriver}


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


# --- limits ---------------------------------------------------------------------------------------------------------------

LIMITS = rendered.documented("| what | limit | defined in |")
UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
ELSEWHERE = {"`orjson`", "configuration"}


@pytest.mark.parametrize("row", LIMITS, ids=lambda row: row[0])
def test_the_document_has_the_limits_of_the_code(row: list[str]) -> None:
    _, limit, place = row
    if place in ELSEWHERE:
        return
    module, *names = re.findall(r"`([\w./]+)`", place)
    constants = vars(import_module("dfl_actors." + module.removesuffix(".py").replace("/", ".")))
    said = re.findall(r"([\d,]*\d)(?: (KiB|MiB|GiB|ms|s)\b)?", re.sub(r"`.*?`", "", limit))
    assert len(said) == len(names) > 0
    for (number, unit), name in zip(said, names, strict=True):
        value = int(number.replace(",", "")) * UNITS.get(unit, 1)
        assert constants[name] in ((value, 1000 * value) if unit == "s" else (value,)), f"{name} is {constants[name]}"


def test_a_draft_is_reckoned_with_the_largest_transaction_and_receipt_that_there_can_be() -> None:
    most = 2**53 - 1
    largest: dict[str, Any] = {
        "sequence": most,
        "created": most,
        "expires": most,
        "size": 2**31 - 1,
        "correct": most,
        "tested": most,
        "ttl": 16,
    }
    transaction = made.transaction(**largest)
    receipt = made.receipt(transaction, received_at_ttl=16, correct=most, tested=most, created=most)
    alone, witnessed, two = (len(encode(made.draft(*((transaction, path),) * n))) for path, n in (((), 1), ((receipt,), 1), ((), 2)))
    assert two - alone <= TRANSACTION_BYTES and witnessed - alone <= RECEIPT_BYTES


@pytest.mark.parametrize("name", ["architecture.md", "protocol.md"])
def test_the_files_that_a_document_names_are_there(name: str) -> None:
    text = rendered.DOCUMENT.with_name(name).read_text(encoding="utf-8")
    root = rendered.DOCUMENT.parent.parent
    named = set(re.findall(r"`((?:\w+/)+\w+\.py)`", text))
    assert {path for path in named if not (root / "dfl_actors" / path).is_file() and not (root / path).is_file()} == set()
