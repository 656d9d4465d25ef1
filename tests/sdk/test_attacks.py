"""The attacks that come with the program, and what holds an author's to its contract."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfl_actors.errors import AlgorithmError, ConfigError
from dfl_actors.learning.form import Form, Input
from dfl_actors.sdk import Attack, View
from dfl_actors.sdk.attacks import ATTACKS, BUILT_IN, NOBODY, Offering, checked_lesson, checked_offer, load_attack
from dfl_actors.sdk.contract import staged
from tests.learning.forms import image_form, only

OWN = np.array([1.0, -2.0, 0.5], np.float32)
IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 2, 2, 1)
LABELS = np.array([[0, 1, 2], [3, 9, 9]], np.uint8)
OTHERS = {"b": np.array([3.0, 0.0, 0.5], np.float32), "a": np.array([5.0, -1.0, 0.5], np.float32)}


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def view(own: np.ndarray = OWN, turn: int = 0, others: Mapping[str, np.ndarray] = NOBODY, past: Sequence[np.ndarray] = ()) -> View:
    """What an attacker sees."""
    return View(own, turn, rng(), others, past, stage=staged(others))


def lesson_of(attack: Attack, images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What it makes of images of 10 labels."""
    x, y = checked_lesson(attack, images, labels, image_form(), rng())
    return only(x), y


def offered(name: str, **parameters: object) -> np.ndarray:
    return checked_offer(load_attack(name, parameters), view(turn=3))


def taught(name: str, labels: np.ndarray = LABELS, **parameters: object) -> np.ndarray:
    return lesson_of(load_attack(name, parameters), IMAGES, labels)[1]


@pytest.mark.parametrize("name", BUILT_IN)
def test_an_attack_changes_something_leaves_its_input_alone_and_repeats_from_a_seed(name: str) -> None:
    own, labels, past = OWN.copy(), LABELS.copy(), (OWN * 2, OWN * 3)
    attack = load_attack(name, {})
    images = IMAGES.copy()
    model, lesson = checked_offer(attack, view(own, 1, OTHERS, past)), lesson_of(attack, images, labels)
    assert (own == OWN).all() and (labels == LABELS).all() and (images == IMAGES).all()
    assert (model != OWN).any() or (lesson[0] != IMAGES).any() or (lesson[1] != LABELS).any() or not (attack.trains and attack.sends)
    again = lesson_of(attack, images, labels)
    assert (checked_offer(attack, view(own, 1, OTHERS, past)) == model).all() and all(map(np.array_equal, again, lesson))


def test_the_models_that_are_offered() -> None:
    assert offered("sign_flip").tolist() == [-1.0, 2.0, -0.5]
    assert offered("sign_flip", scale=2.0).tolist() == [-2.0, 4.0, -1.0]
    assert offered("scaled_model", factor=-3.0).tolist() == [-3.0, 6.0, -1.5]
    noise = checked_offer(load_attack("gaussian_noise", {"sigma": 0.5}), view(np.zeros(20_000, np.float32)))
    assert abs(noise.mean()) < 0.02 and noise.std() == pytest.approx(0.5, rel=0.02)
    random = checked_offer(load_attack("random_model", {"high": 0.01}), view(np.ones(20_000, np.float32)))
    assert random.min() >= 0 and random.max() < 0.01 and random.mean() == pytest.approx(0.005, rel=0.02)


def test_by_turns_the_first_model_is_honest_and_the_second_is_not() -> None:
    attack = load_attack("random_by_turns", {})
    assert (checked_offer(attack, view()) == OWN).all() and (checked_offer(attack, view(turn=2)) == OWN).all()
    assert checked_offer(attack, view(turn=1)).max() < 0.001
    biased = checked_offer(load_attack("biased_model", {"high": 0.5}), view())
    assert ((biased > OWN - 0.5) & (biased <= OWN)).all()


def test_images_of_noise_have_the_labels_that_were_drawn() -> None:
    big = np.zeros((1, 64, 28, 28, 1), np.uint8)
    images, labels = lesson_of(load_attack("random_data", {}), big, LABELS)
    assert labels is LABELS and images.shape == big.shape and abs(images.mean() - 127.5) < 1
    assert np.unique(images).tolist() == list(range(256))
    with pytest.raises(AlgorithmError, match="attack 'bad'"):
        lesson_of(Attack("bad", imagine=lambda images, rng: images[0]), big, LABELS)
    assert not load_attack("copy", {}).trains


def test_noise_is_as_bright_as_it_is_told_and_no_brighter() -> None:
    dark = lesson_of(load_attack("random_data", {"high": 1}), np.full((1, 64, 28, 28, 1), 9, np.uint8), LABELS)[0]
    assert np.unique(dark).tolist() == [0, 1] and dark.mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("given", [np.linspace(-3, 5, 600, dtype=np.float32), np.arange(600, dtype=np.int32) % 9])
def test_noise_in_the_place_of_other_samples_is_of_their_type_and_range(given: np.ndarray) -> None:
    made = lesson_of(load_attack("random_data", {}), given.reshape(1, 100, 6), LABELS)[0]
    assert made.dtype == given.dtype and made.shape == (1, 100, 6) and not np.array_equal(made.ravel(), given)
    assert given.min() <= made.min() < np.median(given) < made.max() <= given.max()


def test_a_regression_has_no_labels_to_teach_otherwise() -> None:
    form = Form((Input("", (2,), "float32"),), "regression", ("y",))
    with pytest.raises(AlgorithmError, match="teaches other labels, and a regression has none; choose another attack"):
        checked_lesson(load_attack("label_flip", {}), np.zeros((1, 2, 2), np.float32), np.zeros((1, 2, 1), np.float32), form, rng())


def test_uniform_labels_are_drawn_from_all_there_are_not_from_the_batch() -> None:
    batch = np.full((1, 20_000), 3, np.uint8)
    drawn = taught("shuffled_labels", batch, uniform=True)
    assert (np.abs(np.bincount(drawn.flat, minlength=10) - 2_000) < 200).all()
    assert (taught("shuffled_labels", batch) == 3).all()


def test_delayed_offers_its_first_model_until_it_has_one_of_so_many_offers_ago() -> None:
    offer = Offering(load_attack("delayed", {"by": 3}), rng())
    own = np.zeros(2, np.float32)
    offered = []
    for turn in range(7):
        own[:] = turn  # in place: what is remembered is no view of it
        offered.append(float(offer(own, turn)[0]))
    assert offered == [0, 0, 0, 0, 1, 2, 3]


def test_what_is_remembered_is_bounded_and_only_what_was_asked_for() -> None:
    seen: list[int] = []

    def offer(view: View) -> np.ndarray:
        seen.append(len(view.past))
        return view.own

    for remembers in (0, 2):
        offering = Offering(Attack("counts", offer=offer, remembers=remembers), rng())
        for turn in range(4):
            offering(OWN, turn)
    assert seen == [0, 0, 0, 0, 0, 1, 2, 2]


@pytest.mark.parametrize("remembers", [-1, 101])
def test_an_attack_that_remembers_too_much_is_refused(tmp_path: Path, remembers: int) -> None:
    (tmp_path / "long.py").write_text(
        f"from dfl_actors.sdk import Attack\ndef build():\n    return Attack('long', remembers={remembers})\n"
    )
    with pytest.raises(AlgorithmError, match=f"'long.py:build' remembers {remembers} models; it may remember 0 to 100"):
        load_attack("long.py:build", {}, tmp_path)


def test_an_attack_that_rehearses_must_watch(tmp_path: Path) -> None:
    (tmp_path / "blind.py").write_text("from dfl_actors.sdk import Attack\ndef build():\n    return Attack(rehearses=True)\n")
    with pytest.raises(AlgorithmError, match=r"'blind.py:build' rehearses with the models of others and sees none; make it watch as well"):
        load_attack("blind.py:build", {}, tmp_path)


def test_models_of_others_and_of_the_past_are_read_only_and_what_is_offered_is_no_view_of_them() -> None:
    for offer in (lambda view: view.others["a"], lambda view: view.past[0]):
        offered = checked_offer(Attack("replays", offer=offer), view(OWN, 1, OTHERS, (OWN * 2,)))
        assert not np.may_share_memory(offered, OTHERS["a"]) and (offered != OWN).any() and offered.flags.writeable
    for write in (lambda view: view.others["a"].__imul__(2), lambda view: view.past[0].__imul__(2), lambda view: view.others.pop("a")):
        with pytest.raises(AlgorithmError, match="attack 'bad': offer failed"):
            checked_offer(Attack("bad", offer=write), view(OWN, 1, OTHERS, (OWN * 2,)))


def test_the_labels_that_are_learned() -> None:
    assert taught("label_flip").tolist() == [[9, 8, 7], [6, 0, 0]]
    assert taught("shifted_labels").tolist() == [[1, 2, 3], [4, 0, 0]]
    assert taught("shifted_labels", by=250).tolist() == [[0, 1, 2], [3, 9, 9]]
    assert sorted(taught("shuffled_labels").flat) == sorted(LABELS.flat)


@pytest.mark.parametrize(
    ("name", "parameters", "words"),
    [
        ("sign_flip", {"scale": 0}, "attack sign_flip, parameters"),
        ("sign_flip", {"size": 1}, "attack sign_flip, parameters"),
        ("label_flip", {"by": 1}, "attack label_flip, parameters"),
        ("random_data", {"high": 0}, "attack random_data, parameters"),
        ("random_data", {"high": 256}, "attack random_data, parameters"),
        ("shuffled_labels", {"uniform": 1}, "attack shuffled_labels, parameters"),
        ("delayed", {"by": 0}, "attack delayed, parameters"),
        ("delayed", {"by": 101}, "attack delayed, parameters"),
        ("inner_product", {"tau": -1.0}, "attack inner_product, parameters"),
        ("inner_product", {"optimal": True, "tau": 3.0}, "leave out tau, or optimal"),
        ("inner_product", {"of": "gradients"}, "attack inner_product, parameters.*one of models, progress"),
        ("min_max", {"deviation": "variance"}, "attack min_max, parameters.*one of sign, std, unit"),
        ("min_sum", {"gamma": 1}, "attack min_sum, parameters.*deviation"),
        ("mimic", {"number": -1}, "attack mimic, parameters"),
        ("dissensus", {"t": -1.0}, "attack dissensus, parameters"),
        ("spectral", {"t": float("nan")}, "attack spectral, parameters"),
        ("adaptive", {"aim": "harm"}, "attack adaptive, parameters"),
        ("adaptive", {"r": 1001.0}, "attack adaptive, parameters"),
        ("silent", {"long": 1}, "attack silent, parameters"),
    ],
)
def test_wrong_parameters_are_named(name: str, parameters: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_attack(name, parameters)


def test_beside_an_unknown_attack_the_nearest_is_told() -> None:
    with pytest.raises(AlgorithmError, match=r"attack 'sing_flip' is not known; did you mean \"sign_flip\""):
        load_attack("sing_flip", {})
    assert set(BUILT_IN) <= set(ATTACKS.names())


def test_an_attack_of_a_file_gets_its_parameters(tmp_path: Path) -> None:
    (tmp_path / "louder.py").write_text(
        "import numpy as np\nfrom dfl_actors.sdk import Attack\n"
        "def build(factor=2.0):\n    return Attack('louder', offer=lambda view: view.own * np.float32(factor * view.turn))\n"
    )
    attack = load_attack("louder.py:build", {"factor": 3.0}, tmp_path)
    assert checked_offer(attack, view(turn=2)).tolist() == [6.0, -12.0, 3.0]


@pytest.mark.parametrize(
    "offer",
    [
        lambda view: view.own[:1],
        lambda view: view.own.astype(np.float64),
        lambda view: view.own * np.float32("nan"),
        lambda view: None,
        lambda view: view.own.__imul__(2),
    ],
    ids=["shape", "kind", "nan", "nothing", "in place"],
)
def test_an_offer_that_breaks_the_contract_is_named(offer: Callable[[View], np.ndarray]) -> None:
    with pytest.raises(AlgorithmError, match="attack 'bad'"):
        checked_offer(Attack("bad", offer=offer), view())


def test_a_lesson_that_breaks_the_contract_is_named() -> None:
    wrong: tuple[Callable[[Any, int, Any], Any], ...] = (
        lambda labels, _, __: labels + 10,
        lambda labels, _, __: labels[0],
        lambda *_: 1 // 0,
    )
    for teach in wrong:
        with pytest.raises(AlgorithmError, match="attack 'bad'"):
            lesson_of(Attack("bad", teach=teach), IMAGES, LABELS)
