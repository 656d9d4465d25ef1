"""Which labels no node learns, what that costs at most, and weights for labels that are not there."""

from functools import cache

import pytest

from dfl_actors.config import Config, parse_topology
from dfl_actors.config.sections import Data
from dfl_actors.config.toml_text import Mistakes, Source
from dfl_actors.errors import ConfigError
from dfl_actors.learning.coverage import check_labels, coverage_warnings, few_samples, undrawn_labels
from dfl_actors.learning.data import Dataset, load_dataset
from tests.learning.forms import image_data

WEIGHTS = "[network]\nnodes = 2\n[data]\npartition = 'weights'\n"


@cache
def mnist() -> Dataset:
    return load_dataset(Data())


def parse(text: str) -> Config:
    return parse_topology(text, where="net.toml", name="net")


@pytest.mark.parametrize("partition", ["iid", "samples", "dirichlet"])
def test_partitions_of_all_labels_leave_none_out(partition: str) -> None:
    config = parse(f"[data]\npartition = '{partition}'")
    assert undrawn_labels(config, mnist()) == ()
    assert coverage_warnings(config, mnist(), Source("net.toml")) == []


@pytest.mark.parametrize(("nodes", "missing"), [(2, (3, 4, 5, 6, 7, 8, 9)), (8, (9,)), (9, ()), (30, ())])
def test_labels_beyond_those_of_the_nodes_are_drawn_by_none(nodes: int, missing: tuple[int, ...]) -> None:
    assert undrawn_labels(parse(f"[network]\nnodes = {nodes}\n[data]\npartition = 'labels'"), mnist()) == missing


def test_a_label_with_some_weight_in_a_range_is_drawn() -> None:
    config = parse(f"{WEIGHTS}[node.0]\nlabel_weights = [1, [0, 0.1], 0]\n[node.1]\nlabel_weights = [[0, 0], 0, 0, [2, 3]]")
    assert undrawn_labels(config, image_data([0, 1, 2, 3], [0, 1, 2, 3])) == (2,)


DRIFT = "[[event]]\ntick = 4\ndo = 'drift'\nnode = '1'\nlabel_weights = "


def test_a_label_that_a_node_drifts_to_is_drawn() -> None:
    config = parse(f"{WEIGHTS}[node.0]\nlabel_weights = [1]\n[node.1]\nlabel_weights = [1]\n{DRIFT}[0, 1]")
    assert undrawn_labels(config, image_data([0, 1, 2], [0, 1, 2])) == (2,)


@pytest.mark.parametrize("partition", ["iid", "own"])
def test_a_drift_to_a_label_that_the_nodes_data_do_not_have_is_refused_before_anything_runs(partition: str) -> None:
    text = f"[network]\nnodes = 2\n[data]\npartition = '{partition}'\n{DRIFT}{{ '2' = 1 }}\n"
    data = {"0": image_data([0, 1, 2], [0, 1, 2]), "1": image_data([0, 1, 0, 3], [0, 1])}
    mistakes, config = Mistakes(Source("net.toml", text)), parse(text)
    check_labels(config, data, mistakes)
    problem = "event.1.label_weights: label 2 has a weight, and 'small' has no sample of it; give it none"
    assert [mistake.text for mistake in mistakes.found] == [f"net.toml:9: {problem}"]
    with pytest.raises(ConfigError) as raised:
        few_samples(config, data)
    assert str(raised.value) == problem
    assert few_samples(config, {"0": data["0"]}) != [], "who has no such data is not asked"


def test_nodes_with_data_of_their_own_have_no_common_set_to_draw_labels_of() -> None:
    config = parse(f"[network]\nnodes = 2\n[data]\npartition = 'own'\n{DRIFT}[1]")
    assert coverage_warnings(config, image_data([0, 1, 3], [0, 1, 3]), Source("net.toml")) == []


def test_a_node_that_will_draw_fewer_samples_than_a_batch_says_so() -> None:
    config = parse(f"[network]\nnodes = 2\n[training]\nbatch = 4\n{DRIFT}[0, 1]")
    data = dict.fromkeys(("0", "1"), image_data([0, 0, 1, 0], [0, 1]))
    assert few_samples(config, data) == [
        "node 1 has 1 sample to train on and 2 to test with; a batch of 4 draws the same ones again and again"
    ]


def test_what_an_observer_draws_nobody_learns() -> None:
    config = parse(f"{WEIGHTS}[node.0]\nlabel_weights = [1, 1]\nrole = 'observer'\n[node.1]\nlabel_weights = [1]")
    assert undrawn_labels(config, image_data([0, 1], [0, 1])) == (1,)


def test_the_warning_tells_what_is_left_of_the_test_set_and_its_line() -> None:
    text = f"{WEIGHTS}[node.0]\nlabel_weights = [1]\n[node.1]\nlabel_weights = [0, 1]\n"
    (warning,) = coverage_warnings(parse(text), image_data([0, 1, 2, 3], [0, 1, 1, 2, 2, 2, 3, 3]), Source("net.toml", text))
    assert warning == (
        "net.toml:4: data.partition: no node draws label 2, 3 to train on; accuracy on the whole test set cannot exceed 0.375"
    )


def test_a_label_that_only_attackers_draw_is_told() -> None:
    text = f"{WEIGHTS}[node.0]\nlabel_weights = [1]\n[node.1]\nlabel_weights = [0, 1]\nattack = 'sign_flip'\n"
    told = coverage_warnings(parse(text), image_data([0, 1, 2], [0, 1, 2]), Source("net.toml", text))
    assert [line.partition(" to train on")[0] for line in told] == [
        "net.toml:4: data.partition: no node draws label 2",
        "net.toml:4: data.partition: only attackers draw label 1",
    ]
    everybody = text.replace("[1]", "[1]\nattack = 'sign_flip'")
    assert len(coverage_warnings(parse(everybody), image_data([0, 1, 2], [0, 1, 2]), Source("net.toml", text))) == 1


@pytest.mark.parametrize(
    ("weights", "problem"),
    [
        ("[1, 0, 1, 0, 1]", "goes up to label 4, and the data have labels 0 to 3; give weights for those alone"),
        ('{"9" = 1}', "goes up to label 9, and the data have labels 0 to 3; give weights for those alone"),
        ("[1, 1, [0, 1]]", "label 2 has a weight, and 'small' has no sample of it; give it none"),
    ],
)
def test_a_weight_of_a_label_that_is_not_there_names_node_and_line(weights: str, problem: str) -> None:
    text = f"{WEIGHTS}[node.0]\nlabel_weights = [1]\n[node.1]\nlabel_weights = {weights}\n"
    mistakes = Mistakes(Source("net.toml", text))
    check_labels(parse(text), dict.fromkeys("01", image_data([0, 1, 3], [0, 1, 3])), mistakes)
    assert [mistake.text for mistake in mistakes.found] == [f"net.toml:8: node.1.label_weights: {problem}"]


def test_weights_of_labels_that_are_there_are_fine() -> None:
    mistakes, data = Mistakes(Source("net.toml")), dict.fromkeys("01", image_data([0, 1, 3], [3]))
    check_labels(parse(f"{WEIGHTS}[node.0]\nlabel_weights = [1, 1, 0, 1]\n[node.1]\nlabel_weights = [1]"), data, mistakes)
    check_labels(parse(""), data, mistakes)
    assert mistakes.found == []


def test_a_node_with_fewer_samples_than_a_batch_says_so() -> None:
    config = parse("[network]\nnodes = ['a', 'b']\n[training]\nbatch = 4\n[data]\npartition = 'own'")
    data = {"a": image_data([0, 1, 0, 1], [0, 1]), "b": image_data([0, 1, 1], [0, 1])}
    assert few_samples(config, data) == [
        "node b has 3 samples to train on and 2 to test with; a batch of 4 draws the same ones again and again"
    ]
