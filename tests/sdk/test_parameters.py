"""The parameters of a plug-in are the keyword arguments of its `build`: what is checked, what is told, and what the documents say."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from dfl_actors.errors import ConfigError
from dfl_actors.sdk import Meta
from dfl_actors.sdk.attacks import BUILT_IN as ATTACKS
from dfl_actors.sdk.parameters import described_parameters, fitted

FORMAT = Path(__file__).parents[2] / "docs" / "topology-format.md"


class Rule:
    """A type that no topology can give."""


def typed(
    share: Annotated[float, Meta(ge=0, le=1)] = 0.5,
    mode: Literal["sum", "mean"] = "sum",
    most: Annotated[int, Meta(gt=1, lt=9)] | None = None,
    *,
    steps: int,
) -> None: ...


def untyped(least, rule: Rule | None = None, quoted: "Unknown" = 3, *rest) -> None: ...  # type: ignore[no-untyped-def, name-defined]  # noqa: F821, ANN001, ANN002 - what has no type is the point


def old(**parameters: object) -> None: ...


def mixed(share: Annotated[float, Meta(le=1)] = 0.5, **others: object) -> None: ...


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (
            typed,
            {
                "share": "number, at least 0, at most 1; default 0.5",
                "mode": "one of mean, sum; default 'sum'",
                "most": "whole number, above 1, below 9; may be left out",
                "steps": "whole number; must be given",
            },
        ),
        (old, {}),
        (mixed, {"share": "number, at most 1; default 0.5"}),
    ],
)
def test_the_signature_tells_what_there_is_to_say(build: Callable[..., object], words: dict[str, str]) -> None:
    assert {one.name: one.meaning for one in described_parameters(build)} == words


def test_what_has_no_type_or_one_that_no_topology_gives_takes_anything() -> None:
    assert [one.name for one in described_parameters(untyped)] == ["least", "rule", "quoted"]
    given = {"least": [1], "rule": "text", "quoted": {"a": 1}}
    assert fitted("algorithm x", untyped, given) == given


@pytest.mark.parametrize(
    ("build", "given"),
    [
        (typed, {"steps": 3}),
        (typed, {"steps": 3, "share": 1, "mode": "mean", "most": 2}),
        (old, {"anything": [1, 2], "parameters": 3}),
        (mixed, {"share": 0.25, "other": "yes"}),
    ],
)
def test_what_fits_is_passed_on_and_no_default_is_added(build: Callable[..., object], given: dict[str, object]) -> None:
    assert fitted("attack x", build, given) == given


@pytest.mark.parametrize(
    ("build", "given", "words"),
    [
        (typed, {}, "missing required field `steps`; it takes share (number, at least 0, at most 1; default 0.5), mode (one of"),
        (typed, {"steps": 1, "share": 1.5}, "Expected `float` <= 1.0 - at `$.share`"),
        (typed, {"steps": 1.5}, "Expected `int`, got `float` - at `$.steps`"),
        (typed, {"steps": True}, "Expected `int`, got `bool` - at `$.steps`"),
        (typed, {"steps": 1, "mode": "max"}, "Invalid enum value 'max' - at `$.mode`"),
        (typed, {"steps": 1, "most": 9}, "at `$.most`"),
        (typed, {"steps": 1, "stesp": 1}, "unknown field `stesp`"),
        (untyped, {"least": 1, "rest": 1}, "unknown field `rest`"),
        (mixed, {"share": 2, "other": 1}, "at `$.share`"),
        (lambda: None, {"share": 2}, "unknown field `share`; it takes none"),
    ],
)
def test_what_does_not_fit_is_named_with_what_would(build: Callable[..., object], given: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        fitted("attack x", build, given)
    assert str(wrong.value).startswith("attack x, parameters: ") and words in str(wrong.value) and "\n" not in str(wrong.value)


def documented(row: str) -> tuple[str, dict[str, Any]]:
    """A row of the table of attacks: the attack, and its parameters with their defaults, empty for one that may be left out."""
    name, parameters = re.match(r'\| `"(\w+)"` \| ([^|]*)\|', row).groups()  # type: ignore[union-attr]
    return name, dict(re.findall(r"`(\w+)` ?([\w.]*)", parameters))


def test_the_table_of_attacks_holds_their_parameters_and_defaults() -> None:
    rows = re.findall(r'^\| `"\w+"` \| .*$', FORMAT.read_text(encoding="utf-8").partition("### Attacks")[2], re.MULTILINE)
    parameters = {name: {one.name: one.default for one in described_parameters(build)} for name, build in ATTACKS.items()}
    told = {name: {key: value.lower().strip("'").removeprefix("none") for key, value in them.items()} for name, them in parameters.items()}
    assert dict(map(documented, rows)) == told
