"""MoNNA and nearest-neighbour mixing with the trimmed mean, clipped gossip and CS+, against sums computed by hand."""

from typing import Any

import numpy as np
import pytest

from dfl_actors.errors import ConfigError
from dfl_actors.sdk import ReceivedModel, Result
from dfl_actors.sdk.loader import checked_apply, load_algorithm

NEW = ("monna", "nnm_trimmed_mean", "clipped_gossip", "cs_plus")
NAN = float("nan")


def applied(name: str, own: float, *rows: tuple[str, float], **parameters: Any) -> tuple[float, Result]:
    received = [ReceivedModel(sender, np.array([value], np.float32)) for sender, value in rows]
    result = checked_apply(load_algorithm(name, parameters), None, np.array([own], np.float32), received, {"a": 0.5})
    return float(result.weights[0]), result


FIVE = (("a", 1.0), ("b", 2.0), ("c", 4.0), ("d", 100.0))  # beside the own model 0


def test_monna_is_the_mean_of_those_nearest_to_the_own_model() -> None:
    found, result = applied("monna", 0.0, *FIVE)
    assert found == pytest.approx(7 / 4) and result.notes["nearest"] == ["a", "b", "c"]
    assert applied("monna", 0.0, *FIVE, f=3)[0] == pytest.approx(1 / 2)
    assert applied("monna", 0.0, *FIVE, f=4)[0] == applied("monna", 0.0, *FIVE, f=9)[0] == 0.0
    assert applied("monna", 0.0, *FIVE, f=0)[0] == pytest.approx(107 / 5)
    assert applied("monna", 0.0, ("b", 1.0), ("a", -1.0), f=1)[0] == -0.5, "of equally near ones the first by name"


def test_models_are_mixed_with_those_nearest_to_them_and_then_trimmed() -> None:
    """With f = 1 each with its three nearest: of 0, 1, 2 and 4 that is 7/4, of 100 it is (100 + 4 + 2 + 1) / 4; one goes at either end."""
    assert applied("nnm_trimmed_mean", 0.0, *FIVE)[0] == pytest.approx(7 / 4)
    # f = 2: 0, 1, 2 -> 1 each; 4 -> (4 + 2 + 1) / 3; 100 -> (100 + 4 + 2) / 3. Two go at either end: the third is left.
    assert applied("nnm_trimmed_mean", 0.0, *FIVE, f=2)[0] == pytest.approx(1.0)
    assert applied("nnm_trimmed_mean", 0.0, *FIVE, f=0)[0] == pytest.approx(107 / 5)
    found, result = applied("nnm_trimmed_mean", 3.0, ("a", 9.0), f=1)
    assert found == 3.0 and result.notes["fallback"]


def test_clipped_gossip_has_the_radius_of_scclip_left_to_itself() -> None:
    """Of 3, 4 and 100 with f = 1 it is sqrt(9 + 16) = 5: 3, 4 and 5, a quarter each."""
    rows = (("a", 3.0), ("b", 100.0), ("c", 4.0))
    assert applied("clipped_gossip", 0.0, *rows)[0] == pytest.approx(3.0) == applied("scclip", 0.0, *rows)[0]
    assert applied("clipped_gossip", 0.0, *rows, f=3)[0] == 0.0 and applied("clipped_gossip", 0.0, *rows, f=0)[0] == pytest.approx(107 / 4)


def test_cs_plus_clips_twice_as_many_to_the_distance_of_the_last_that_it_trusts() -> None:
    """Distances 1, 2, 4, 100. f = 1: the second, 2; so 1 + 2 + 2 + 2 over 5. f = 2: none is left."""
    found, result = applied("cs_plus", 0.0, *FIVE)
    assert found == pytest.approx(7 / 5) and result.notes == {"clipped": 2, "radius": 2.0}
    assert applied("cs_plus", 7.0, *FIVE, f=2)[0] == applied("cs_plus", 7.0, *FIVE, f=1000)[0] == 7.0
    assert applied("cs_plus", 0.0, *FIVE, f=0)[0] == pytest.approx(107 / 5)


@pytest.mark.parametrize("name", NEW)
def test_only_the_newest_model_of_a_sender_counts_and_one_that_is_not_finite_not_at_all(name: str) -> None:
    found, result = applied(name, 0.0, *FIVE)
    again = applied(name, 0.0, ("a", 50.0), ("d", -3.0), ("e", NAN), ("f", float("inf")), *FIVE)
    assert again[0] == found and dict(result.reputations) == {"a": 0.5}


@pytest.mark.parametrize("name", NEW)
@pytest.mark.parametrize("rows", [(), (("a", NAN),), (("a", 3.0), ("b", 3.0)), (("a", 3.0),)], ids=["empty", "nan", "equal", "one"])
def test_nothing_to_mix_or_nothing_but_the_same_leaves_the_own_model(name: str, rows: tuple[tuple[str, float], ...]) -> None:
    assert applied(name, 3.0, *rows)[0] == 3.0


@pytest.mark.parametrize("name", NEW)
@pytest.mark.parametrize("parameters", [{"f": -1}, {"f": 1001}, {"f": 1.5}, {"b": 1}])
def test_wrong_parameters_are_named(name: str, parameters: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=f"algorithm {name}, parameters: .*it takes f "):
        load_algorithm(name, parameters)


def test_local_listens_to_nobody() -> None:
    assert applied("local", 3.0, *FIVE)[0] == 3.0
