"""One-way links of a topology: whose receivers and senders they make, and that only the simulator takes them."""

from pathlib import Path

import pytest

from dfl_actors.config import examine_topology, load_topology, override, parse_topology, scaled
from dfl_actors.errors import ConfigError

TEXT = """\
[network]
links = [
    "0--1",
    "1->2",
    "2->3", "3->2",
    "3->0",
]
"""
REFUSAL = 'network.links: "1->2" leads one way, but receipts must come back; write "1--2", or use dfl-actors sim'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "net.toml"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_a_node_sends_and_hears_along_its_links(path: Path) -> None:
    config = load_topology(path)
    assert config.links == (("0", "1"), ("1", "2"), ("2", "3"), ("3", "0"))
    assert config.arrows == (("1", "2"), ("3", "0"))
    assert [node.neighbours for node in config.nodes] == [("1", "3"), ("0", "2"), ("1", "3"), ("0", "2")]
    assert [node.receivers for node in config.nodes] == [("1",), ("0", "2"), ("3",), ("0", "2")]
    assert [node.senders for node in config.nodes] == [("1", "3"), ("0",), ("1", "3"), ("2",)]


def test_without_one_way_links_a_node_sends_to_its_neighbours_and_hears_them() -> None:
    config = parse_topology("[network]\nlinks = 'ring'", where="net.toml", name="net")
    assert config.arrows == ()
    assert all(node.receivers == node.senders == node.neighbours for node in config.nodes)


def test_one_way_links_survive_writing_and_options(path: Path) -> None:
    config = load_topology(path)
    assert parse_topology(config.resolved(), where="config.toml", name="config") == config
    assert override(config, ["network.seed=3"]).arrows == config.arrows
    assert override(config, ["network.links=ring"]).arrows == ()


def test_a_network_of_processes_refuses_them_with_their_line(path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        load_topology(path, deployed=True)
    assert str(raised.value) == f"{path}:4: {REFUSAL}"
    _, mistakes = examine_topology(path, deployed=True)
    assert [mistake.line for mistake in mistakes.found] == [4]


def test_a_network_of_processes_refuses_them_in_an_option(path: Path) -> None:
    path.write_text("")
    with pytest.raises(ConfigError) as raised:
        load_topology(path, ['network.links=["0--1","1->2","2--3"]'], deployed=True)
    assert str(raised.value) == f'--set network.links=["0--1","1->2","2--3"]: {REFUSAL}'


def test_no_deployment_comes_of_them_however_they_were_read(path: Path) -> None:
    with pytest.raises(ConfigError, match="leads one way"):
        scaled(load_topology(path))


def test_ways_to_and_fro_can_be_deployed(path: Path) -> None:
    options = ['network.links=["0->1","1--2","1->0","2--3"]']
    config = load_topology(path, options, deployed=True)
    assert config.links == (("0", "1"), ("1", "2"), ("2", "3")) and scaled(config).arrows == ()


def test_a_wrong_link_is_told_and_not_that_it_leads_one_way(path: Path) -> None:
    _, mistakes = examine_topology(path, ['network.links=["0->9"]'], deployed=True)
    assert len(mistakes.found) == 1 and 'names the unknown node "9"' in mistakes.found[0].text
