"""Label weights, the sample stream over real MNIST, and the ring of received samples."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfl_actors.config import parse_topology
from dfl_actors.config.sections import Data
from dfl_actors.errors import ConfigError
from dfl_actors.learning.data import load_dataset
from dfl_actors.learning.partition import Received, SampleStream, label_rows, shares, stock, stocked, weights_by_node
from tests.learning.forms import image_data, image_form

SEED = 20_260


@pytest.fixture(scope="module")
def y_train() -> Any:
    return load_dataset(Data()).y_train


def rng(seed: int = SEED) -> np.random.Generator:
    return np.random.default_rng(seed)


def table(data: str, nodes: int = 10, y_train: Sequence[int] = range(10)) -> np.ndarray:
    """The rows of weights for nodes over a data set of these labels; `data` is what the topology says of them."""
    config = parse_topology(f"[network]\nnodes = {nodes}\nseed = {SEED}\n[data]\n{data}", where="net.toml", name="net")
    weights = weights_by_node(config, image_data(y_train, y_train))
    assert list(weights) == [node.name for node in config.nodes]
    return np.array(list(weights.values()))


def given_weights(*rows: str) -> str:
    """The partition ``weights`` with these of the nodes."""
    return "partition = 'weights'\n" + "".join(f"[node.{place}]\nlabel_weights = {row}\n" for place, row in enumerate(rows))


@pytest.mark.parametrize(
    "data", ["", *(f"partition = '{kind}'\nalpha = 0.1" for kind in ("samples", "dirichlet", "labels")), given_weights(*["[3, 0, 1]"] * 7)]
)
def test_rows_are_distributions_of_float64(data: str) -> None:
    rows = table(data, 7, [0, 1, 1, 4])
    assert rows.shape == (7, 5) and rows.dtype == np.float64
    assert (rows >= 0).all()
    np.testing.assert_allclose(rows.sum(axis=1), 1.0, atol=1e-12)


def test_iid_gives_every_label_the_same_weight() -> None:
    np.testing.assert_array_equal(table("partition = 'iid'", 3, range(4)), np.full((3, 4), 0.25))


def test_samples_are_the_frequencies_of_the_data_set(y_train: Any) -> None:
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    np.testing.assert_allclose(table("partition = 'samples'", 2, y_train), np.tile(np.array(counts) / 60_000, (2, 1)))


def test_two_labels_a_node_go_round_the_labels() -> None:
    expected = [[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]]
    assert table("partition = 'labels'", 4, range(3)).tolist() == expected


def test_all_labels_a_node_is_iid() -> None:
    np.testing.assert_allclose(table("partition = 'labels'\nlabels_per_node = 3", 4, range(3)), table("", 4, range(3)))


@pytest.mark.parametrize("alpha", [0.1, 1.0, 100.0])
def test_dirichlet_is_drawn_from_the_networks_seed(alpha: float) -> None:
    expected = np.random.default_rng([SEED, 1]).dirichlet(np.full(10, alpha), size=30)
    np.testing.assert_allclose(table(f"partition = 'dirichlet'\nalpha = {alpha}", 30), expected)


def test_weights_are_scaled_and_filled_up_with_zeros() -> None:
    assert table(given_weights("[1, 0, 3]", "[0, 2]"), 2, range(3)).tolist() == [[0.25, 0.0, 0.75], [0.0, 1.0, 0.0]]
    assert table(given_weights(*["[1e9, 1e9]"] * 2), 2, range(2)).tolist() == [[0.5, 0.5]] * 2


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("partition = 'labels'\nlabels_per_node = 4", "data.labels_per_node is 4; use 1 to 3"),
        (given_weights("[1, 2, 3]", "[1, 2, 3, 4]"), "node.1.label_weights: goes up to label 3, and the data have labels 0 to 2"),
    ],
)
def test_a_key_that_does_not_fit_the_data_is_named(data: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        table(data, 2, range(3))


def test_labels_go_by_the_names_that_the_data_give_them_then_by_number() -> None:
    form = msgspec.structs.replace(image_form(), labels=("cat", "1", "dog"))

    def ranges(weights: str) -> np.ndarray:
        config = parse_topology(f"[network]\nnodes = 2\n[data]\n{given_weights(weights, '[1]')}", where="net.toml", name="net")
        return label_rows(config.nodes[0].label_weights, form)

    assert ranges('{dog = [1, 3], "0" = 2}').tolist() == [[2, 2], [0, 0], [1, 3]]
    assert ranges('{"1" = 4}').tolist() == [[0, 0], [4, 4], [0, 0]]
    for wrong, said in (
        ("{dgo = 1}", '"dgo" is no label of the data; did you mean "dog"?'),
        ('{dog = 1, "2" = 1}', "gives a label two weights"),
        ('{"3" = 1}', "goes up to label 3"),
    ):
        with pytest.raises(ConfigError, match=re.escape(said)):
            ranges(wrong)


@pytest.mark.parametrize("weights", [[0.1] * 10, [0, 0, 0.5, 0, 0, 0, 0, 0.5, 0, 0], [0.05] * 8 + [0.6, 0.0]])
def test_a_stream_draws_labels_by_weight(y_train: Any, weights: list[float]) -> None:
    drawn = SampleStream(y_train, np.array(weights), rng()).draw(100_000)
    assert drawn.dtype == np.uint32
    shares = np.bincount(y_train[drawn], minlength=10) / 100_000
    np.testing.assert_allclose(shares, weights, atol=0.008)
    assert (shares[np.array(weights) == 0] == 0).all()


def test_a_stream_draws_every_sample_of_a_label_equally(y_train: Any) -> None:
    drawn = SampleStream(y_train, np.eye(10)[9], rng()).draw(400_000)
    counts = np.bincount(drawn, minlength=len(y_train))
    assert (counts[y_train != 9] == 0).all()
    nines = counts[y_train == 9]
    # 67 draws of each expected: a sample never drawn, or one drawn twice as often, would be a wrong bound.
    assert nines.min() > 25 and nines.max() < 120
    np.testing.assert_allclose(nines.mean(), 400_000 / 5949)


def test_a_stream_is_decided_by_its_seed_and_not_by_the_cuts(y_train: Any) -> None:
    weights = np.full(10, 0.1)
    whole = SampleStream(y_train, weights, rng(5)).draw(64)
    cut = SampleStream(y_train, weights, rng(5))
    np.testing.assert_array_equal(whole, np.concatenate([cut.draw(n) for n in (0, 1, 3, 60)]))
    assert not np.array_equal(whole, SampleStream(y_train, weights, rng(6)).draw(64))


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30), st.lists(st.floats(0, 1e6), min_size=5, max_size=5), st.integers(0, 2**32))
def test_a_stream_never_leaves_the_labels_with_weight(labels: list[int], weights: list[float], seed: int) -> None:
    y = np.array(labels, dtype=np.uint8)
    stocked = np.where(np.isin(np.arange(5), y), weights, 0.0)
    if stocked.max() <= 0:
        return
    drawn = SampleStream(y, stocked, rng(seed)).draw(200)
    assert (drawn < len(y)).all()
    assert (stocked[y[drawn]] > 0).all()


class Fixed:
    """A generator that always draws `chance`."""

    def __init__(self, chance: float) -> None:
        self.chance = chance

    def random(self, shape: tuple[int, ...]) -> Any:
        return np.full(shape, self.chance)


@pytest.mark.parametrize(("chance", "sample"), [(0.0, 1), (np.nextafter(1.0, 0.0), 2)])
def test_the_ends_of_the_unit_interval_fall_on_labels_with_weight(chance: float, sample: int) -> None:
    fixed: Any = Fixed(chance)
    stream = SampleStream(np.array([0, 1, 2, 3], dtype=np.uint8), np.array([0.0, 0.3, 0.7, 0.0]), fixed)
    assert stream.draw(2).tolist() == [sample, sample]


def test_a_stream_refuses_a_label_without_samples() -> None:
    with pytest.raises(ConfigError, match="label_weights: label 1 has weight but the data set has no sample"):
        SampleStream(np.array([0, 2], dtype=np.uint8), np.full(3, 1 / 3), rng())
    # Without weight the empty label does not matter.
    assert SampleStream(np.array([0, 2], dtype=np.uint8), np.array([0.0, 0.0, 1.0]), rng()).draw(3).tolist() == [1, 1, 1]


@pytest.mark.parametrize("weights", [[0.0, 0.0], [1.0, -0.5], [1.0, float("nan")], [1.0]])
def test_a_stream_refuses_weights_that_are_none(weights: list[float]) -> None:
    with pytest.raises(ConfigError, match="label_weights"):
        SampleStream(np.array([0, 1], dtype=np.uint8), np.array(weights), rng())


def test_received_draws_without_repeating_when_it_holds_enough() -> None:
    received = Received()
    received.add(np.arange(100, 200, dtype=np.uint32))
    assert len(received) == 100
    drawn = received.draw(100, rng())
    assert sorted(drawn.tolist()) == list(range(100, 200))
    assert len(set(received.draw(40, rng()).tolist())) == 40
    assert drawn.dtype == np.uint32


def test_received_repeats_samples_when_it_holds_too_few() -> None:
    received = Received()
    assert received.draw(5, rng()).tolist() == []
    received.add(np.array([7, 8], dtype=np.uint32))
    drawn = received.draw(50, rng())
    assert len(drawn) == 50 and set(drawn.tolist()) == {7, 8}


def test_received_draws_are_decided_by_the_generator() -> None:
    received = Received()
    received.add(np.arange(1000, dtype=np.uint32))
    np.testing.assert_array_equal(received.draw(100, rng(1)), received.draw(100, rng(1)))
    assert not np.array_equal(received.draw(100, rng(1)), received.draw(100, rng(2)))


@given(st.integers(1, 12), st.lists(st.integers(0, 30), max_size=10))
def test_received_keeps_exactly_the_newest(capacity: int, sizes: list[int]) -> None:
    received, given_ = Received(capacity), np.arange(sum(sizes), dtype=np.uint32)
    for chunk in np.split(given_, np.cumsum(sizes)[:-1]) if sizes else []:
        received.add(chunk)
    newest = given_[-capacity:].tolist()
    assert len(received) == len(newest)
    assert sorted(received.draw(len(newest), rng()).tolist()) == newest


def test_own_data_are_drawn_from_each_sample_alike() -> None:
    config = parse_topology("[network]\nnodes = ['a', 'b']\n[data]\npartition = 'own'", where="net.toml", name="net")
    data = {"a": image_data([0, 0, 0, 2], [0, 1, 2]), "b": image_data([1, 1, 2, 2], [0, 1, 2])}
    assert {name: row.tolist() for name, row in shares(config, data).items()} == {"a": [0.75, 0, 0.25], "b": [0, 0.5, 0.5]}
    assert [stock(data[name], row) for name, row in shares(config, data).items()] == [4, 4]


def test_a_label_without_samples_is_drawn_by_nobody_where_all_are_drawn_alike() -> None:
    assert table("partition = 'iid'", 2, [0, 0, 2, 2]).tolist() == [[0.5, 0, 0.5]] * 2


def test_a_row_is_kept_to_what_there_is() -> None:
    weights, kinds = np.array([0.5, 0.25, 0.25]), np.array([1, 1, 2])
    assert stocked(weights, kinds).tolist() == [0, 0.25, 0.25] and stocked(weights, np.array([0, 1, 2])).tolist() == weights.tolist()
    assert stocked(np.array([1.0, 0, 0]), kinds).tolist() == [0, 2 / 3, 1 / 3]
    assert stock(image_data([0, 0, 1], [2]), np.array([0.5, 0, 0.5])) == 2
