"""The signed beat, and what two nodes find that they configured differently."""

from contextlib import nullcontext
from typing import Any

import msgspec
import pytest

from dfl_actors.core.codec import decode, encode
from dfl_actors.core.pulse import MOST_SETTINGS, Pulse, check_pulse, differences_text, differing, of_genesis, of_settings, table
from dfl_actors.errors import Refused
from tests.objects import ALICE, BOB, CAROL, pulse

OURS = {
    "genesis.initial": "aa",
    "genesis.layers": "[1]",
    "genesis.model": "lenet",
    "genesis.labels": "10",
    "network.seed": "0",
    "training.learning_rate": "0.01",
    "genesis.members": "aa",
    "member.a": "11",
    "member.b": "22",
}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, None),
        ({"genesis": "dd" * 32}, None),
        ({"node": CAROL.address}, "wrong_neighbour"),
        ({"listener": CAROL}, "wrong_neighbour"),
        ({"public_key": CAROL.public}, "wrong_neighbour"),
    ],
    ids=["right", "of another network", "of another node", "for another", "with another key"],
)
def test_a_pulse_is_its_nodes_own_and_for_us(fields: dict[str, Any], code: str | None) -> None:
    with pytest.raises(Refused, match=code) if code else nullcontext():
        check_pulse(decode(Pulse, encode(pulse(ALICE, **{"listener": BOB, **fields}))), ALICE.address, BOB.address)


@pytest.mark.parametrize("change", [{"height": 4}, {"nonce": "ba" * 32}, {"genesis": "dd" * 32}, {"sent": 0}])
def test_all_of_it_is_signed(change: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="bad_signature"):
        check_pulse(msgspec.structs.replace(pulse(ALICE, BOB), **change), ALICE.address, BOB.address)


@pytest.mark.parametrize(
    ("theirs", "genesis", "settings"),
    [
        ({}, "", ""),
        ({"network.seed": "3", "genesis.initial": "bb"}, "its seed is 3, ours 0", ""),
        ({"genesis.initial": "bb"}, "its initial is bb, ours aa", ""),
        ({"genesis.model": "x", "genesis.layers": "[2]", "genesis.initial": "bb"}, "its model is x, ours lenet", ""),
        (
            {"genesis.labels": "5", "genesis.layers": "[2]", "genesis.initial": "bb", "network.seed": "3"},
            "its labels is 5, ours 10, and its seed is 3, ours 0",
            "",
        ),
        ({"network.seed": "3"}, "", "its seed is 3, ours 0"),
        ({"training.learning_rate": "0.1"}, "", "its training.learning_rate is 0.1, ours 0.01"),
        ({"training.new": "1"}, "", ""),
        ({"member.c": "33", "genesis.members": "bb"}, "its key of node c is 33, ours none", ""),
        ({"member.b": "23", "genesis.members": "bb"}, "its key of node b is 23, ours 22", ""),
        ({"member.b": "23"}, "", "its key of node b is 23, ours 22"),
        ({"genesis.members": "bb"}, "its members is bb, ours aa", ""),
    ],
)
def test_what_differs_is_named_with_both_values_and_without_what_follows_from_it(
    theirs: dict[str, str], genesis: str, settings: str
) -> None:
    pairs = differing({**OURS, **theirs}, OURS)
    assert (differences_text(of_genesis(pairs)), differences_text(of_settings(pairs))) == (genesis, settings)


def test_a_neighbour_that_names_no_members_is_of_another_version_and_of_many_differences_the_first_are_told() -> None:
    theirs = {key: value for key, value in OURS.items() if not key.startswith("member.")}
    assert differing(theirs, OURS) == {} and differing(OURS, theirs) == {}
    assert differing({"member.b": "22"}, OURS) == {"member.a": ("none", "11")}
    text = differences_text({f"member.{number}": ("none", "11") for number in range(15)})
    assert text.startswith("its key of node 0 is none, ours 11, and its key of node 1 ") and text.endswith("ours 11, and 3 more")


def test_settings_of_any_number_and_length_fit_and_differ_if_they_differ() -> None:
    long = {f"section.{number:0300d}": "x" * 10_000 for number in range(2 * MOST_SETTINGS)}
    listed, known = table(long)
    assert decode(Pulse, encode(pulse(settings=listed, known=known))).settings == listed and len(listed) == MOST_SETTINGS
    assert table({"a": "x" * 10_000})[1] != table({"a": "x" * 9_999 + "y"})[1]


def test_values_too_long_to_state_differ_only_if_they_differ() -> None:
    ours = {"genesis.layers": "x" * 10_000}
    heard = {setting.key: setting.value for setting in table(ours)[0]}
    assert differing(heard, ours) == {}
    ((theirs, own),) = differing(heard, {"genesis.layers": "x" * 9_999 + "y"}).values()
    assert theirs != own and len(theirs) == len(own) <= 128
