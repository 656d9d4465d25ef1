"""What `dfl-actors sim` and `run` read and say before they start: a topology, the reference program's file, and data that is odd."""

from pathlib import Path

import pytest

from dfl_actors import Topology
from dfl_actors.api.words import in_options
from dfl_actors.cli.run import warn
from dfl_actors.config import Config
from dfl_actors.errors import ConfigError
from tests.topo.made import node, saved

WEIGHTS = "[network]\nnodes = 2\n[data]\npartition = 'weights'\n[node.0]\nlabel_weights = [1, 1]\n[node.1]\nlabel_weights = [0, 1, 1]\n"


def loaded(source: str, options: list[str], deployed: bool = False) -> Config:
    return Topology(source, options).checked(warn, deployed=deployed)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_reference_programs_file_is_simulated_without_a_word_but_of_what_means_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    saved(Path("simulator_config.json"), node_topology=["0->1", "average_degree-2"])
    config = loaded("simulator_config.json", ["sim.loss=0.5"])
    assert (config.sim.ticks, config.sim.loss, {len(node.receivers) for node in config.nodes}) == (4001, 0.5, {2})
    meaningless = "warning: simulator_config.json: report_time_remaining_per_tick_elapsed: no meaning here; left out\n"
    assert capsys.readouterr().err == meaningless


def test_the_seed_of_the_command_draws_the_links(tmp_path: Path) -> None:
    saved(Path("net.json"), node_topology=["average_degree-2"])
    links = [loaded("net.json", ["network.seed=4", f"network.seed={seed}"]).network.links for seed in (1, 1, 2)]
    assert links[0] == links[1] != links[2]
    assert loaded("net.json", ["network.seed=2"]).network.seed == 2
    assert loaded("net.json", []).network.links == loaded("net.json", ["network.seed=0"]).network.links
    first = Topology("net.json", {"network.seed": 1})
    repeated = [first.override({"network.seed": seed}).config for seed in (1, 2)]
    assert [config.network.links for config in repeated] == [links[0], links[2]], "those of a repeat too"
    assert [config.network.seed for config in repeated] == [1, 2]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["network.seed=x"], '--set network.seed=x: network.seed: "x" does not fit; give a whole number from 0'),
        (["network=3"], "--set network=3: not understood; write section.key=value"),
        (["network.seed=1", "network.seed.x=1"], "--set network.seed.x=1: network.seed: is a value and holds no keys; set it as a whole"),
        (["sim.delay=[]"], "--set sim.delay=[]: sim.delay: [] does not fit"),
        (["network.nodes=3"], 'net.json: network.links: "2--3" names the unknown node "3"'),
    ],
)
def test_an_option_over_the_reference_programs_file_is_refused_by_its_name(options: list[str], problem: str) -> None:
    saved(Path("net.json"))
    with in_options(), pytest.raises(ConfigError) as raised:
        loaded("net.json", options)
    assert problem in str(raised.value) and "\n" not in str(raised.value)


def test_labels_that_nobody_draws_are_a_warning_with_file_and_line(capsys: pytest.CaptureFixture[str]) -> None:
    Path("net.toml").write_text(WEIGHTS, encoding="utf-8")
    warning = "warning: net.toml:4: data.partition: no node draws label 3, 4, 5, 6, 7, 8, 9 to train on; "
    loaded("net.toml", [])
    simulated = capsys.readouterr()
    loaded("net.toml", [], deployed=True)
    assert simulated == capsys.readouterr()
    assert simulated.out == "" and simulated.err.startswith(warning) and simulated.err.count("\n") == 1


def test_labels_of_the_reference_programs_file_that_nobody_draws_name_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    saved(Path("net.json"), nodes=[node(name, dataset_mode="iid") for name in "0123"], ml_dataset_all_possible_labels=list(range(9)))
    loaded("net.json", [])
    assert "warning: net.json: data.partition: no node draws label 9 to train on; " in capsys.readouterr().err


def test_nothing_is_said_where_all_labels_are_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("", "[network]\nnodes = 9\n[data]\npartition = 'labels'", "[data]\npartition = 'dirichlet'"):
        Path("net.toml").write_text(text, encoding="utf-8")
        loaded("net.toml", [])
    assert capsys.readouterr() == ("", "")


def test_a_weight_of_a_label_that_the_data_set_has_not_names_file_line_and_node() -> None:
    Path("net.toml").write_text(WEIGHTS.replace("[0, 1, 1]", '{ "10" = 1 }'), encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        loaded("net.toml", [])
    problem = "node.1.label_weights: goes up to label 10, and the data have labels 0 to 9; give weights for those alone"
    assert str(raised.value) == f"net.toml:8: {problem}"


def test_a_network_of_observers_is_refused() -> None:
    Path("net.toml").write_text("[network]\nnodes = 2\n[node.0]\nrole = 'observer'\n[node.1]\nrole = 'observer'\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"net.toml:4: node.0.role: every node is an observer, nobody trains; make one"):
        loaded("net.toml", [])
