"""Attacks that look at the models of others, against examples by hand."""

from math import sqrt

import numpy as np
import pytest

from dfl_actors.sdk import Scene, Stage, View
from dfl_actors.sdk.attacks import BUILT_IN, checked_offer, load_attack
from dfl_actors.sdk.attacks.search import inside, line_search

Row = list[float]


def array(row: Row) -> np.ndarray:
    return np.array(row, np.float32)


def seen(
    own: Row, scene: Scene | None = None, past: tuple[Row, ...] = (), stage: Stage | None = None, turn: int = 0, **others: Row
) -> View:
    models = {name: array(row) for name, row in others.items()}
    return View(array(own), turn, np.random.default_rng(3), models, tuple(map(array, past)), scene or Scene(), stage)


def offered(name: str, view: View, **parameters: object) -> np.ndarray:
    return checked_offer(load_attack(name, parameters), view)


def scene(fellows: str = "", **hears: str) -> Scene:
    """Whom each node hears, a letter a node; m is the attacker."""
    names = {name: frozenset("me" if letter == "m" else letter for letter in near) for name, near in hears.items()}
    return Scene("me", frozenset(fellows), names)


WATCHING = [name for name, build in BUILT_IN.items() if build().watches]


@pytest.mark.parametrize("name", WATCHING)
def test_alone_or_among_attackers_alone_it_offers_its_own(name: str) -> None:
    assert offered(name, seen([1, -2])).tolist() == [1, -2]
    assert offered(name, seen([1, -2], scene("bc"), b=[7, 7], c=[8, 9])).tolist() == [1, -2]


@pytest.mark.parametrize("name", WATCHING)
def test_the_same_models_in_another_order_and_those_of_fellows_change_nothing(name: str) -> None:
    stage = Stage("a", array([1, 2]), [array([3, 5])], lambda model: (model + array([4, 7])) / 3)
    view = seen([1, -2], scene("cd"), ([0, 0], [1, 1]), stage, a=[1, 2], b=[3, 5], c=[9, 9])
    turned = view._replace(others=dict(reversed(list(view.others.items()))), rng=np.random.default_rng(3))
    fewer = view._replace(others={name: view.others[name] for name in "ab"}, rng=np.random.default_rng(3))
    assert offered(name, view).tolist() == offered(name, turned).tolist() == offered(name, fewer).tolist() != [1, -2]


def test_inner_product_turns_the_mean_or_the_progress_round() -> None:
    """Own (1, -2) and (3, 4): mean (2, 1); the own model was (0, -1) once: progress (1, -1)."""
    view = seen([1, -2], past=([0, -1], [9, 9]), a=[3, 4])
    assert offered("inner_product", view, tau=3.0).tolist() == [-6, -3]
    assert offered("inner_product", view, tau=2.0, of="progress").tolist() == [0, 3]
    assert load_attack("inner_product", {"of": "progress"}).remembers == 10 and not load_attack("inner_product", {}).rehearses


def test_its_optimum_is_searched_on_the_defence() -> None:
    """Mean 2. Of the victim 1 and the honest 3 a rule that takes what lies above -9: tau up to 4.5."""
    stage = Stage("a", array([1]), [array([3])], lambda model: array([(model[0] + 4) / 3 if model[0] > -9 else 2]))
    found = offered("inner_product", seen([1], stage=stage, a=[3]), optimal=True)
    assert -9 < found[0] < -8


def test_mimic_repeats_the_honest_sender_of_its_number() -> None:
    view = seen([0], scene("a"), a=[1], b=[2], c=[3])
    assert [offered("mimic", view, number=number).tolist() for number in (0, 1, 9)] == [[2], [3], [3]]


@pytest.mark.parametrize("deviation", ["sign", "unit", "std"])
def test_min_max_is_as_far_as_two_honest_models_and_min_sum_as_the_outermost(deviation: str) -> None:
    """Along a line: 0, 2, 4 and -2, mean 1. The largest distance is 6: 4 - 6 = -2. Squared distances of 4: 16 + 4 + 36 = 56; those to the
    mean add up to 20: gamma is sqrt(36 / 4) = 3, and the offer 1 - 3."""
    assert offered("min_max", seen([0], a=[2], b=[4], c=[-2]), deviation=deviation) == pytest.approx([-2], rel=1e-6)
    assert offered("min_sum", seen([0], a=[2], b=[4], c=[-2]), deviation=deviation) == pytest.approx([-2], rel=1e-6)


def test_directions_in_the_plane() -> None:
    """(0, 0) and (2, 4): mean (1, 2), sqrt(20) apart, each sqrt(5) from the mean. From the mean sqrt(5) back along the unit vector lies the
    first; the furthest, (2, 4), is then sqrt(5) + gamma away. Signs: |(1 + g, 2 + g)|^2 = 20."""
    view = seen([0, 0], a=[2, 4])
    assert offered("min_max", view, deviation="unit") == pytest.approx([0, 0], abs=1e-6)
    assert offered("min_max", view, deviation="std") == pytest.approx([0, 0], abs=1e-6)
    gamma = (sqrt(39) - 3) / 2
    assert offered("min_max", view, deviation="sign") == pytest.approx([1 - gamma, 2 - gamma], rel=1e-5)
    assert offered("min_sum", view, deviation="sign") == pytest.approx([1 - sqrt(10 / 4), 2 - sqrt(10 / 4)], rel=1e-5)
    assert offered("min_max", seen([3, 3], a=[3, 3])).tolist() == [3, 3]


def test_dissensus_pushes_a_victim_from_those_it_hears() -> None:
    """a hears b and two attackers, b hears a and one: 5 + (5 - 2) / 2, and 2 + (2 - 5)."""
    ring = scene("z", a="bmz", b="am", c="b")
    view = seen([0], ring, a=[5], b=[2], c=[99], z=[7])
    assert offered("dissensus", view).tolist() == [6.5]
    assert offered("dissensus", view._replace(turn=1)).tolist() == [-1]
    assert offered("dissensus", view._replace(turn=2), t=2.0).tolist() == [11]  # a again: c does not hear the attacker
    # Of whom the victim hears nobody is known: the own model and that of c stand in.
    assert offered("dissensus", seen([1], scene(a="bm", c=""), a=[5], c=[3]), t=1.0).tolist() == [5 + 4 + 2]


def test_spectral_cuts_the_graph_where_it_is_thinnest() -> None:
    """The path a - b - c has the Fiedler vector (1, 0, -1) / sqrt(2): of a, t * (x_a - x_c) / 2."""
    path = scene(a="bm", b="acm", c="bm")
    view = seen([0], path, a=[6], b=[5], c=[2])
    assert offered("spectral", view, t=3.0) == pytest.approx([6 + 3 * 4 / 2])
    assert offered("spectral", view._replace(turn=1), t=3.0) == pytest.approx([5], abs=1e-6)
    assert offered("spectral", view) == pytest.approx([7])  # as far as b lies


def test_spectral_without_a_graph_takes_everybody_for_linked() -> None:
    """Of a complete graph all eigenvectors but the first share an eigenvalue: x_i less the mean."""
    assert offered("spectral", seen([0], a=[6], b=[5], c=[1]), t=1.0) == pytest.approx([6 + 2])
    # Of a ring of four two do: of a node and the one opposite, half their difference.
    ring = scene(a="bdm", b="acm", c="bdm", d="acm")
    assert offered("spectral", seen([0], ring, a=[6], b=[5], c=[2], d=[1]), t=1.0) == pytest.approx([6 + 2])


def test_adaptive_stays_just_inside_whatever_bound_the_defence_has() -> None:
    """Own and another at (4, 3), which came from (4, 0): progress (0, 1). Whoever is further than 0.8 from (4, 3) is refused."""
    at = array([4, 3])

    def outcome(model: np.ndarray) -> np.ndarray:
        return (at + model) / 2 if np.linalg.norm(model - at) <= 0.8 else at

    view = seen([4, 3], past=([4, 0],), stage=Stage("a", at, [], outcome), a=[4, 3])
    found = offered("adaptive", view)
    assert found[0] == pytest.approx(4) and 2.2 <= found[1] < 2.21
    assert offered("adaptive", view, r=0.5).tolist() == [4, 0.5]
    noise = offered("adaptive", view._replace(past=()), aim="noise")
    assert np.linalg.norm(noise - at) == pytest.approx(0.8, abs=0.01)


def test_searches_find_a_maximum_and_a_bound() -> None:
    assert line_search(lambda x: -((x - 5) ** 2)) == pytest.approx(6.2), "3, then 7, no better, then 3 + 0.8 * 4, and from there on too far"
    assert line_search(lambda x: -x) == 0.0
    tried: list[float] = []
    assert line_search(lambda x: tried.append(x) or x) == max(tried) == 2.0**15 - 1 and len(tried) == 16
    assert inside(lambda x: x if x <= 0.3 else 0.0) == pytest.approx(0.3, abs=0.005)
    assert 0.3 <= inside(lambda x: min(x, 0.3)) <= 0.6
    assert inside(lambda x: 0.0) == 0.0
