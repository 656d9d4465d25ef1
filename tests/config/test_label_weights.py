"""Label weights as a topology gives them: numbers and ranges, by number or by name, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfl_actors.config import Config, parse_topology
from dfl_actors.errors import ConfigError

HEAD = "[network]\nnodes = 2\n[data]\npartition = 'weights'\n[node.0]\nlabel_weights = "


def parse(weights: str) -> Config:
    return parse_topology(f"{HEAD}{weights}\n[node.1]\nlabel_weights = [1]\n", where="net.toml", name="net")


@pytest.mark.parametrize(
    ("given", "ranges"),
    [
        ('{"0" = 2, "2" = [1, 4]}', {"0": (2.0, 2.0), "2": (1.0, 4.0)}),
        ("{cat = 2, dog = [1, 4]}", {"cat": (2.0, 2.0), "dog": (1.0, 4.0)}),
        ("[1, [0, 3]]", ((1.0, 1.0), (0.0, 3.0))),
        ("[[1, 2], [3, 4]]", ((1.0, 2.0), (3.0, 4.0))),
        ("[1, 2]", ((1.0, 1.0), (2.0, 2.0))),
    ],
)
def test_a_weight_is_known_by_its_ends(given: str, ranges: object) -> None:
    config = parse(given)
    assert config.node("0").label_weights == ranges and config.node("1").label_weights == ((1.0, 1.0),)


@given(st.lists(st.floats(0, 1e9) | st.tuples(st.floats(0, 1e9), st.floats(0, 1e9)).map(sorted), min_size=1, max_size=20))
def test_ranges_survive_writing(weights: list[float | list[float]]) -> None:
    config = parse(str([1.0, *weights]))
    assert parse_topology(config.resolved(), where="config.toml", name="config") == config


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("[[3, 1]]", "the range [3, 1] of label 0 ends below its begin; give the lower number first"),
        ('{"0" = 1, "7" = [2.5, 0]}', "the range [2.5, 0] of label 7 ends below its begin; give the lower number first"),
        ("[0, [0, 0]]", "no label has a weight above 0; give 1 to 256 weights, one of them above 0"),
        ("[]", "no label has a weight above 0; give"),
        ("[[1, 2, 3]]", "[[1, 2, 3]] does not fit; give"),
        ("[[1]]", "[[1]] does not fit; give"),
        ("[[-1, 1]]", "[[-1, 1]] does not fit; give"),
        ("[[1, inf]]", "does not fit; give"),
        ("[nan, 1]", "does not fit; give"),
        ("[['1', 2]]", "does not fit; give a table, each value a number from 0 to 1000000000 or a pair [low, high] of such numbers"),
    ],
)
def test_what_is_refused_names_file_line_and_key(given: str, problem: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse(given)
    assert str(raised.value).startswith("net.toml:6: node.0.label_weights: ") and problem in str(raised.value)
