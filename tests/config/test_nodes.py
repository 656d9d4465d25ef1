"""Defaults, and each node filled in from the sections and its own options."""

import pytest

from dfl_actors.config import override, parse_topology
from dfl_actors.core.objects import MAX_MEMO, MAX_RECEIPTS, MAX_TRANSACTIONS, MAX_TTL
from dfl_actors.errors import ConfigError
from tests.config.made import parse, refusal


def test_an_empty_file_is_the_default_network() -> None:
    config = parse("")
    assert config.network.name == "net"
    assert [node.name for node in config.nodes] == ["0", "1", "2", "3"]
    assert len(config.links) == 6
    node = config.node("1")
    assert (node.role, node.neighbours, node.rate, node.steps_per_transaction) == ("normal", ("0", "2", "3"), 8.0, 1)
    assert (node.buffer, node.algorithm, node.parameters, node.listen, node.label_weights) == (4, "steady", {}, None, None)
    assert (node.public_key, node.curve_key) == (None, None)


def test_a_node_differs_only_where_it_says_so() -> None:
    config = parse(
        """
        [update]
        algorithm = "reputation"
        parameters = { penalty = 0.1 }
        [node.2]
        role = "observer"
        rate = 0
        buffer = 8
        steps_per_transaction = 3
        [node.3]
        algorithm = "fedavg"
        [node.1]
        parameters = { penalty = 0.2 }
        """
    )
    two = config.node("2")
    assert (two.role, two.rate, two.buffer, two.steps_per_transaction) == ("observer", 0.0, 8, 3)
    assert (two.algorithm, two.parameters) == ("reputation", {"penalty": 0.1})
    assert (config.node("3").algorithm, config.node("3").parameters) == ("fedavg", {})
    assert config.node("1").parameters == {"penalty": 0.2}


def test_an_unknown_node_is_refused_with_the_nearest() -> None:
    config = parse('[network]\nnodes = ["anna", "ben"]')
    with pytest.raises(ConfigError, match='no node "ana"; did you mean "anna"'):
        config.node("ana")


@pytest.mark.parametrize(
    ("given", "weights"), [('{ "2" = 1, "0" = 0.5 }', {"2": (1.0, 1.0), "0": (0.5, 0.5)}), ("[0, 1]", ((0.0, 0.0), (1.0, 1.0)))]
)
def test_label_weights_are_one_number_a_label(given: str, weights: object) -> None:
    config = parse(f'[network]\nnodes = 2\n[data]\npartition = "weights"\n[node.0]\nlabel_weights = {given}\n[node.1]\nlabel_weights = [1]')
    assert config.node("0").label_weights == weights


def test_ports_are_counted_from_the_first_and_a_nodes_own_address_goes_first() -> None:
    config = parse('[network]\nnodes = 3\n[transport]\nport = 7000\n[node.1]\nlisten = "tcp://10.0.0.7:9000"')
    assert [node.listen for node in config.nodes] == ["tcp://127.0.0.1:7000", "tcp://10.0.0.7:9000", "tcp://127.0.0.1:7004"]


@pytest.mark.parametrize(
    ("text", "on"),
    [
        ("", False),
        ('[transport]\ncurve = "on"', True),
        ('[transport]\nhost = "10.0.0.1"', True),
        ('[transport]\nhost = "10.0.0.1"\ncurve = "off"', False),
        ('[node.0]\nlisten = "tcp://lab:7000"', True),
        ('[node.0]\nlisten = "tcp://localhost:7000"', False),
    ],
)
def test_links_are_encrypted_as_soon_as_one_leaves_the_machine(text: str, on: bool) -> None:
    assert parse(text).curve is on


def test_a_node_that_runs_alone_encrypts_on_this_machine_too() -> None:
    assert parse("").alone().curve and not parse('[transport]\ncurve = "off"').alone().curve


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("", ""),
        ('[transport]\ncurve = "off"', ""),
        ('[transport]\nhost = "10.0.0.1"', ""),
        ('[transport]\nhost = "10.0.0.1"\ncurve = "off"', "nodes 0, 1"),
        ('[transport]\ncurve = "off"\n[node.1]\nlisten = "tcp://lab:7000"', "node 1"),
    ],
)
def test_links_that_leave_the_machine_unencrypted_are_told(text: str, who: str) -> None:
    exposed = parse(f"[network]\nnodes = 2\n{text}").exposed
    assert bool(exposed) is bool(who) and who in exposed


def test_the_limits_are_those_of_the_protocol() -> None:
    assert parse(f"[gossip]\nttl = {MAX_TTL}\n[block]\ntransactions = {MAX_TRANSACTIONS}\nmemo = '{'m' * MAX_MEMO}'")
    assert f"from 1 to {MAX_TTL}" in refusal(f"[gossip]\nttl = {MAX_TTL + 1}")
    assert f"from 1 to {MAX_TRANSACTIONS}" in refusal(f"[block]\ntransactions = {MAX_TRANSACTIONS + 1}")
    assert f"from 1 to {MAX_RECEIPTS}" in refusal(f"[block]\nreceipts = {MAX_RECEIPTS + 1}")
    assert f"to {MAX_MEMO} characters" in refusal(f"[block]\nmemo = '{'m' * (MAX_MEMO + 1)}'")


def test_a_store_is_sized_to_its_node_unless_the_file_says_otherwise() -> None:
    line = parse_topology('[network]\nnodes = 3\nlinks = "line"\n[update]\nbuffer = 5\n', where="net.toml", name="net")
    assert [line.models_kept(name) for name in ("0", "1", "2")] == [5 + 17] * 3
    assert override(line, ["store.models=50"]).models_kept("1") == 50
    star = parse_topology('[network]\nnodes = 9\nlinks = "star"\n[node.1]\nattack = "sign_flip"\n', where="net.toml", name="net")
    assert [star.models_kept(name) for name in ("0", "1", "2")] == [4 + 8 + 3 * 8, 4 + 17 + 4, 4 + 17]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('inlet = "tcp://10.0.0.1"', '"tcp://10.0.0.1" is no address; write tcp://host:port'),
        ('listen = "tcp://10.0.0.1:7000"\ninlet = "tcp://10.0.0.1:7001"', "10.0.0.1:7001 is taken; give a port of its own"),
        (f'feeders = ["{"a" * 40}"]', "nobody can feed it; give inlet, where samples come in, or remove this"),
        ('inlet = "tcp://10.0.0.1:7001"\nfeeders = ["a"]', "does not fit; give a list"),
    ],
)
def test_an_inlet_that_nobody_could_use_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse(f"[node.0]\n{text}\n")
    assert problem in str(raised.value) and "\n" not in str(raised.value)
