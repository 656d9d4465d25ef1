"""Topologies: defaults, options, nodes filled in, and one clear line for everything that can be wrong."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfl_actors.config import SECTIONS, Config, NodeOptions, examine_topology, load_topology, override, parse_topology, ready_topologies
from dfl_actors.config.toml_text import dump_value
from dfl_actors.core.objects import MAX_MEMO, MAX_RECEIPTS, MAX_TRANSACTIONS, MAX_TTL
from dfl_actors.errors import ConfigError

ROOT = Path(__file__).parent.parent
KEY = "ab" * 32


def parse(text: str, *options: str) -> Config:
    return parse_topology(text, where="net.toml", name="net", options=options)


def refusal(text: str, *options: str) -> str:
    with pytest.raises(ConfigError) as raised:
        parse(text, *options)
    return str(raised.value)


# ---- defaults and nodes


def test_an_empty_file_is_the_default_network() -> None:
    config = parse("")
    assert config.network.name == "net"
    assert [node.name for node in config.nodes] == ["0", "1", "2", "3"]
    assert len(config.links) == 6
    node = config.node("1")
    assert (node.role, node.neighbours, node.rate, node.steps_per_transaction) == ("normal", ("0", "2", "3"), 8.0, 1)
    assert (node.buffer, node.algorithm, node.parameters, node.listen, node.label_weights) == (4, "half_fedavg", {}, None, None)
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
    ("given", "weights"),
    [('{ "2" = 1, "0" = 0.5 }', (0.5, 0.0, 1.0)), ("[0, 1]", (0.0, 1.0))],
)
def test_label_weights_are_one_number_a_label(given: str, weights: tuple[float, ...]) -> None:
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


def test_the_limits_are_those_of_the_protocol() -> None:
    assert parse(f"[gossip]\nttl = {MAX_TTL}\n[block]\ntransactions = {MAX_TRANSACTIONS}\nmemo = '{'m' * MAX_MEMO}'")
    assert f"from 1 to {MAX_TTL}" in refusal(f"[gossip]\nttl = {MAX_TTL + 1}")
    assert f"from 1 to {MAX_TRANSACTIONS}" in refusal(f"[block]\ntransactions = {MAX_TRANSACTIONS + 1}")
    assert f"from 1 to {MAX_RECEIPTS}" in refusal(f"[block]\nreceipts = {MAX_RECEIPTS + 1}")
    assert f"to {MAX_MEMO} characters" in refusal(f"[block]\nmemo = '{'m' * (MAX_MEMO + 1)}'")


# ---- refusals: text of the file -> what the one line says. The line ends with the remedy, after a semicolon.

REFUSED = [
    ("[trainig]", "net.toml:1: trainig: unknown section; did you mean", '"training"?'),
    ("title = 1", "net.toml:1: title: unknown section; known here: network, training", "node"),
    ("[training]\nbach = 3", "net.toml:2: training.bach: unknown key;", 'did you mean "batch"?'),
    ("[training]\nzzz = 3", "net.toml:2: training.zzz: unknown key;", "known here: model, batch"),
    ("training = 3", "net.toml:1: training: is not a table;", "[training]"),
    ("[training]\n# none\nbatch = 0", "net.toml:3: training.batch: 0 does not fit;", "give a whole number from 1 to 65536"),
    ("[training]\nbatch = '64'", 'training.batch: "64" does not fit;', "give a whole number from 1 to 65536"),
    ("[training]\nbatch = true", "training.batch: true does not fit;", "give a whole number"),
    ("[training]\nbatch = 2.5", "training.batch: 2.5 does not fit;", "give a whole number"),
    ("[training]\nbatch = 100000000000000000000000", "training.batch: 1000", "give a whole number from 1 to 65536"),
    ("[training]\nbatch = 2024-01-01", "training.batch: 2024-01-01 does not fit;", "give a whole number"),
    ("[training]\nmomentum = 1.0", "training.momentum: 1.0 does not fit;", "give a number from 0 below 1"),
    ("[training]\nlearning_rate = 0", "training.learning_rate: 0 does not fit;", "give a number above 0 to 1000000"),
    ("[training]\nlearning_rate = nan", "training.learning_rate: nan does not fit;", "give a number above 0"),
    ("[training]\ninit = 'same'", 'training.init: "same" does not fit;', 'give one of "independent", "shared"'),
    ("[training]\nmodel = ''", 'training.model: "" does not fit;', "give a text of 1 to 1024 characters"),
    ("[data]\nrate = -1", "data.rate: -1 does not fit;", "give a number from 0"),
    ("[data]\nrate = inf", "data.rate: inf does not fit;", "give a number from 0"),
    ("[data]\npartition = 'random'", 'data.partition: "random" does not fit;', '"dirichlet"'),
    ("[gossip]\nexpiry_s = 0", "gossip.expiry_s: 0 does not fit;", "give a number above 0 to 10000000"),
    ("[gossip]\ncodec = 'int8'", "gossip.codec:", 'give one of "float16", "float32"'),
    ("[block]\nconfirmations = 1.5", "block.confirmations: 1.5 does not fit;", "give a number from 0 to 1"),
    ("[update]\nbuffer = 0", "net.toml:2: update.buffer: 0 does not fit;", "give a whole number from 1"),
    ("[update]\nparameters = 3", "update.parameters: 3 does not fit;", "give a table"),
    ("[update.parameters]\nx = [[1]]", "update.parameters: {x = [[1]]} does not fit;", "give a table"),
    ("[run]\ntarget = 95", "run.target: 95 does not fit;", "give a number from 0 to 1"),
    ("[run]\ntarget = 0.9\nevaluate_s = 0", "net.toml:2: run.target: nothing measures it", "set evaluate_s, or target = 0"),
    ("[run]\nspeed = 0", "run.speed: 0 does not fit;", "give a number from 0.001 to 10000"),
    ("[network]\nname = 'a/b'", "net.toml:2: network.name:", "give 1 to 64 characters, no slash"),
    ("[network]\nnodes = 1", "net.toml:2: network.nodes: 1 does not fit;", "give a whole number from 2 to 1000 or a list"),
    ("[network]\nnodes = ['a']", "network.nodes: a network needs two nodes;", "two or more names"),
    ("[network]\nnodes = ['a', 'a']", 'network.nodes: "a" is there twice;', "give every node its own name"),
    ("[network]\nnodes = ['a', 'b b']", "network.nodes: 'b b' is no name for a node;", "letters, digits"),
    ("[network]\nnodes = ['a', 3]", 'network.nodes: ["a", 3] does not fit;', "each item a text"),
    ("[network]\nlinks = 'mesh'", 'net.toml:2: network.links: "mesh" does not fit;', '"full"'),
    ("[network]\nlinks = ['0--7']", 'network.links: "0--7" names the unknown node "7";', "the nodes are 0, 1, 2, 3"),
    ("[network]\nlinks = ['0--0']", 'network.links: "0--0" joins a node with itself;', "remove it"),
    ("[network]\nlinks = ['0--1', '1--0']", 'network.links: "0--1" is there twice;', "give it once"),
    ("[network]\nlinks = ['0--1', '2--3']", 'net.toml:2: network.links: node "2" cannot be reached', "add a link that joins it"),
    ("[node.9]\nrate = 1", "net.toml:1: node.9: unknown node;", "known here: 0, 1, 2, 3"),
    ("node = 3", "net.toml:1: node: is not a table;", "[node.NAME]"),
    ("[node]\n0 = 3", "net.toml:2: node.0: is not a table;", "[node.0]"),
    ("[node.0]\nrat = 1", "net.toml:2: node.0.rat: unknown key;", 'did you mean "rate"?'),
    ("[node.0]\nrole = 'spy'", 'node.0.role: "spy" does not fit;', 'give one of "normal", "observer"'),
    ("[node.0]\nbuffer = 0", "net.toml:2: node.0.buffer: 0 does not fit;", "give a whole number from 1"),
    ("[node.0]\npublic_key = 'ab'", 'node.0.public_key: "ab" does not fit;', "give 64 hexadecimal digits"),
    ("[node.0]\ncurve_key = 'ab'", 'node.0.curve_key: "ab" does not fit;', "40 characters"),
    (
        f"[node.0]\npublic_key='{KEY}'\n[node.1]\npublic_key='{KEY}'",
        'net.toml:4: node.1.public_key: is also that of node "0";',
        "its own key",
    ),
    (
        "[network]\nnodes = 2\n[node.0]\nrole='observer'\n[node.1]\nrole='observer'",
        "net.toml:4: node.0.role: every node is an observer, nobody trains;",
        'role = "normal"',
    ),
    ("[node.0]\nrole = 'observer'\nattack = 'sign_flip'", "net.toml:3: node.0.attack: an observer offers nothing", 'role = "normal"'),
    ("[node.0]\nattack_parameters = {}", "net.toml:2: node.0.attack_parameters: there is no attack that takes them", "or remove this"),
    ("[node.0]\nlabel_weights = [1]", "net.toml:2: node.0.label_weights: has no effect with data.partition", "or remove this"),
    ("[data]\npartition = 'weights'", "node.0.label_weights: missing", "give every node a weight for each label"),
    (
        "[network]\nnodes=2\n[data]\npartition='weights'\n[node]\n0={label_weights=[0, 0]}\n1={label_weights=[1]}",
        "net.toml:6: node.0.label_weights: no label has a weight above 0;",
        "one of them above 0",
    ),
    (
        "[network]\nnodes=2\n[data]\npartition='weights'\n[node]\n0={label_weights={one=1}}\n1={label_weights=[1]}",
        'node.0.label_weights: "one" is no label;',
        'write labels as "0" to "255"',
    ),
    ("[node.0]\nlabel_weights = [-1]", "node.0.label_weights: [-1] does not fit;", "a number from 0"),
    ("[node.0]\nlisten = 'x:1'", 'net.toml:2: node.0.listen: "x:1" is no address;', "write tcp://host:port"),
    ("[node.0]\nlisten='tcp://h:70'\n[node.1]\nlisten='tcp://h:71'", "net.toml:4: node.1.listen: h:71 is taken", "2 ports of its own"),
    ("[transport]\nport = 65530", "net.toml:2: transport.port: 4 nodes need 8 ports from 65530 up;", "give at most 65528, or 0"),
    ("[transport]\nport = 70000", "transport.port: 70000 does not fit;", "give a whole number from 0 to 65534"),
    ("[transport]\nhost = '0.0.0.0'", "net.toml:2: transport.host:", "give the address they reach this node at"),
    ("[block]\nreceipts = 4", 'net.toml:2: block.receipts: 4 can never come, node "0" reaches 3', "give at most 3, or add links"),
    ("[store]\nmodels = 4", "net.toml:2: store.models: 4 models do not outlast a buffer of 4;", "give more than 4"),
    ("[training\nbatch = 3", "net.toml:1: not TOML:", "mend that line"),
    ("[training]\nbatch = 3\nbatch = 4", "net.toml:3: not TOML: Cannot overwrite a value;", "mend that line"),
]


@pytest.mark.parametrize(("text", "where_and_what", "remedy"), REFUSED)
def test_what_is_refused_names_place_key_and_remedy(text: str, where_and_what: str, remedy: str) -> None:
    message = refusal(text)
    assert where_and_what in message
    assert remedy in message.rpartition("; ")[2]
    assert "\n" not in message


def test_receipts_count_who_is_reached_within_the_ttl() -> None:
    ring = "[network]\nnodes = 6\nlinks = 'ring'\n[block]\nreceipts = 4\n"
    assert "reaches 2 with gossip.ttl = 1" in refusal(ring)
    assert parse(ring + "[gossip]\nttl = 2").block.receipts == 4


# ---- every mistake at once


def every(text: str, *options: str) -> list[str]:
    path = Path("net.toml")
    path.write_text(text, encoding="utf-8")
    _, mistakes = examine_topology("net.toml", options)
    return [mistake.text.partition(": ")[0].removeprefix("net.toml:") + " " + ".".join(mistake.path) for mistake in mistakes.found]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


ALL_WRONG = """\
[network]
nodes = 5
links = ["0--1", "1--2", "2--3", "3--4", "0--1",
    "1--9"]
sed = 1
[block]
transactions = 0
receipts = 9
[store]
models = 2
[run]
target = 0.9
evaluate_s = 0
[node.1]
listen = "tcp://h:70"
[node.2]
listen = "tcp://h:71"
rate = -1
[node.3]
listen = "nowhere"
attack_parameters = { scale = 1 }
[node.7]
role = "spy"
"""


def test_every_mistake_is_found_in_one_reading(here: None) -> None:
    assert sorted(every(ALL_WRONG)) == sorted(
        [
            "5 network.sed",
            "3 network.links",
            "4 network.links",
            "7 block.transactions",
            "22 node.7",
            "23 node.7.role",
            "18 node.2.rate",
            "17 node.2.listen",
            "20 node.3.listen",
            "12 run.target",
        ]
    )


def test_what_follows_from_a_mistake_is_not_told(here: None) -> None:
    assert every("[network]\nnodes = 1\nlinks = ['0--7']\n[node.7]\nrate = 1\n[block]\nreceipts = 200") == ["2 network.nodes"]
    assert every("[network]\nlinks = ['0--1']\n[block]\nreceipts = 3") == ["2 network.links", "2 network.links"]
    assert every("[data]\npartition = 'wieghts'\n[node.0]\nlabel_weights = [1]") == ["2 data.partition"]
    assert every("[node.0]\nlabel_weights = [0]\n[data]\npartition = 'weights'") == [
        "2 node.0.label_weights",
        "net.toml node.1.label_weights",
    ]


def test_after_a_line_that_is_no_toml_values_are_still_checked(here: None) -> None:
    assert every("[network]\nnodes = \n[training]\nbatch = 0\n[run]\ntarget = 0.9\nevaluate_s = 0") == ["2 ", "4 training.batch"]


def test_missing_label_weights_are_told_once(here: None) -> None:
    with pytest.raises(ConfigError, match=r"node.0.label_weights: missing .*, as are those of 3 other nodes; give every node"):
        parse("[data]\npartition = 'weights'")


def test_the_node_that_reaches_fewest_says_how_many_receipts_there_can_be() -> None:
    assert 'node "1" reaches 1 with gossip.ttl = 1; give at most 1' in refusal("[network]\nlinks = 'star'\n[block]\nreceipts = 2")


def test_run_and_check_find_the_same_first_mistake(here: None) -> None:
    Path("net.toml").write_text(ALL_WRONG, encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        load_topology("net.toml")
    assert str(raised.value) == examine_topology("net.toml")[1].found[0].text


# ---- options


@pytest.mark.parametrize(
    ("option", "path", "value"),
    [
        ("training.batch=32", "training.batch", 32),
        ("training.batch = 32", "training.batch", 32),
        ("network.links=ring", "network.links", "ring"),
        ('network.links=["0--1", "1--2", "2--3"]', "network.links", ("0--1", "1--2", "2--3")),
        ("update.parameters.penalty=0.1", "update.parameters", {"penalty": 0.1}),
        ("training.model=package.module:build", "training.model", "package.module:build"),
        ("block.memo=", "block.memo", ""),
    ],
)
def test_an_option_goes_over_the_file(option: str, path: str, value: Any) -> None:
    config = parse("[training]\nbatch = 8", option)
    section, key = path.split(".")
    assert getattr(getattr(config, section), key) == value


def test_an_option_for_a_node_reaches_it() -> None:
    assert parse("", "node.2.rate=3").node("2").rate == 3.0


def test_the_last_of_two_options_counts() -> None:
    assert parse("", "training.batch=3", "training.batch=5").training.batch == 5


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("training.batch=0", "--set training.batch=0: training.batch: 0 does not fit; give a whole number from 1 to 65536"),
        ("training.bach=1", '--set training.bach=1: training.bach: unknown key; did you mean "batch"?'),
        ("trainig.batch=1", '--set trainig.batch=1: trainig: unknown section; did you mean "training"?'),
        ("batch=1", "--set batch=1: not understood; write section.key=value"),
        ("training.batch", "--set training.batch: not understood; write section.key=value"),
        ("training..batch=1", "--set training..batch=1: not understood;"),
        ("training.batch.size=1", "--set training.batch.size=1: training.batch: is a value and holds no keys;"),
        ("network.links=mesh", '--set network.links=mesh: network.links: "mesh" does not fit;'),
        ("node.7.rate=1", "--set node.7.rate=1: node.7: unknown node; known here: 0, 1, 2, 3"),
    ],
)
def test_a_refused_option_is_named(option: str, message: str) -> None:
    assert refusal("[training]\nbatch = 8", option).startswith(message)


def test_a_checked_config_can_be_overridden_and_is_checked_again() -> None:
    config = parse("[network]\nlinks = 'ring'")
    assert len(override(config, ["network.nodes=6"]).links) == 6
    assert override(config, []) == config
    with pytest.raises(ConfigError, match=r"--set update.buffer=0"):
        override(config, ["update.buffer=0"])


# ---- written back, scaled


FULL = """
[network]
name = "a net"
nodes = ["a", "b-c", "d"]
links = ["a--b-c", "b-c--d"]
[data]
partition = "weights"
[block]
memo = 'quotes " and \\ and ü'
[update]
algorithm = "reputation"
[update.parameters]
penalty = 0.05
names = ["x", 1, true]
[transport]
port = 7000
[run]
speed = 4
[node.a]
label_weights = { "0" = 1, "3" = 0.25 }
[node.b-c]
role = "observer"
label_weights = [0.5, 0.5]
rate = 2
listen = "tcp://[::1]:9000"
[node.d]
label_weights = [1]
parameters = { penalty = 0.5 }
"""


@pytest.mark.parametrize("text", ["", FULL], ids=["empty", "full"])
def test_what_is_written_back_is_the_same_config(text: str) -> None:
    config = parse(text)
    again = parse_topology(config.resolved(), where="config.toml", name="config")
    assert again == config
    assert again.resolved() == config.resolved()


@given(
    st.integers(2, 9),
    st.sampled_from(["full", "ring", "line", "star"]),
    st.floats(0, 1e9, allow_subnormal=True),
    st.text(max_size=MAX_MEMO),
    st.dictionaries(st.text(), st.integers(-(2**62), 2**62) | st.floats(allow_nan=False, allow_infinity=False) | st.text(), max_size=3),
)
def test_any_config_survives_writing(nodes: int, links: str, rate: float, memo: str, parameters: dict[str, Any]) -> None:
    config = parse(f"[network]\nnodes = {nodes}\nlinks = '{links}'\n[data]\nrate = {rate!r}")
    config = msgspec.structs.replace(
        config,
        block=msgspec.structs.replace(config.block, memo=memo),
        update=msgspec.structs.replace(config.update, parameters=parameters),
        nodes=tuple(msgspec.structs.replace(node, parameters=parameters) for node in config.nodes),
    )
    assert parse(config.resolved()) == config


def test_every_key_is_written_back() -> None:
    text = parse("").resolved()
    for section, kind in SECTIONS.items():
        body = text.partition(f"[{section}]\n")[2].partition("\n\n")[0]
        assert [line.split(" = ")[0] for line in body.splitlines()] == [key for key in kind.__struct_fields__ if key != "parameters"]


# ---- files and ready topologies


def test_a_file_is_read_and_named_after_itself(tmp_path: Path) -> None:
    path = tmp_path / "my net.toml"
    path.write_text("[network]\nnodes = 2", encoding="utf-8")
    assert load_topology(path).network.name == "my net"
    assert load_topology(path, ["network.nodes=3"]).links == (("0", "1"), ("0", "2"), ("1", "2"))


def test_plug_in_files_are_found_beside_the_topology_and_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    path = tmp_path / "net.toml"
    path.write_text("[training]\nmodel = 'nets/my.py:build'\n[node.0]\nalgorithm = '/opt/a.py:make'", encoding="utf-8")
    config = load_topology("../net.toml", ["update.algorithm=b.py:make"])
    assert config.training.model == f"{tmp_path}/nets/my.py:build"
    assert config.architecture == "my.py:build"
    assert [node.algorithm for node in config.nodes[:2]] == ["/opt/a.py:make", f"{here}/b.py:make"]
    monkeypatch.chdir(tmp_path)
    assert override(config, []) == config


@pytest.mark.parametrize("name", ["fully_connected_4", "paper_two_node", "paper_four_node", "ring_6_noniid"])
@pytest.mark.parametrize("ending", ["", ".toml"])
def test_a_ready_topology_is_found_by_its_bare_name(name: str, ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()  # a run directory of that name does not stand in the way
    assert load_topology(name + ending).network.name == name


def test_a_topology_that_is_not_there_lists_the_ready_ones(tmp_path: Path) -> None:
    for missing in ("nowhere", str(tmp_path / "fully_connected_4.toml"), str(tmp_path)):
        with pytest.raises(ConfigError) as raised:
            load_topology(missing)
        assert str(raised.value) == f"{missing}: no such topology; give a file or one of the ready ones: {', '.join(ready_topologies())}"


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"cannot be read .* give a readable topology file in UTF-8"):
        load_topology(path)


def test_the_papers_experiments_are_to_the_letter() -> None:
    two, four = load_topology("paper_two_node"), load_topology("paper_four_node")
    for config in (two, four):
        assert (config.training.batch, config.training.steps_per_transaction, config.data.test_samples) == (64, 1, 100)
        assert (config.training.init, config.data.partition, config.gossip.ttl, config.block.confirmations) == (
            "independent",
            "samples",
            1,
            1.0,
        )
        assert all((node.algorithm, node.parameters) == ("reputation", {"penalty": 0.05}) for node in config.nodes)
        period = config.training.batch / config.data.rate * config.block.transactions
        blocks = {2: 24, 4: 9}[len(config.nodes)]
        assert blocks * period <= config.run.duration_s < (blocks + 1) * period
        # A transaction is still valid when the block it goes into is made.
        assert config.gossip.expiry_s > period
    assert (len(two.nodes), two.data.rate, two.block.transactions, two.update.buffer) == (2, 8.0, 4, 4)
    assert (len(four.nodes), len(four.links), four.data.rate, four.block.transactions, four.update.buffer) == (4, 6, 4.0, 12, 8)


# ---- the document


def test_the_document_has_every_key_with_its_default() -> None:
    document = (ROOT / "docs" / "topology-format.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", document, re.MULTILINE)
    described = {section: dict(_rows(document, section)) for section in SECTIONS}
    defaults = parse("")
    for section in SECTIONS:
        values = msgspec.to_builtins(getattr(defaults, section))
        assert list(described[section]) == list(values)
        for key, shown in described[section].items():
            if (section, key) not in {("network", "name"), ("update", "parameters")}:
                assert shown == f"`{dump_value(values[key])}`", f"{section}.{key}"
    assert {key for key, _ in rows} >= set(NodeOptions.__struct_fields__)


def _rows(document: str, section: str) -> list[tuple[str, str]]:
    body = document.partition(f"## [{section}]\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \| (.*?) \|", body, re.MULTILINE)


def test_a_block_whose_draft_would_not_fit_into_one_message_is_refused() -> None:
    text = '[network]\nnodes = 200\nlinks = "full"\n[block]\ntransactions = 100\n[store]\nmodels = 64\n'
    with pytest.raises(ConfigError, match=r"net.toml:5: block.transactions: .* do not fit into one message; give at most 28"):
        parse_topology(text, where="net.toml", name="net")


def test_a_store_is_sized_to_its_node_unless_the_file_says_otherwise() -> None:
    line = parse_topology('[network]\nnodes = 3\nlinks = "line"\n[update]\nbuffer = 5\n', where="net.toml", name="net")
    assert [line.models_kept(name) for name in ("0", "1", "2")] == [5 + 13] * 3
    assert override(line, ["store.models=50"]).models_kept("1") == 50
    star = parse_topology('[network]\nnodes = 9\nlinks = "star"\n[node.1]\nattack = "sign_flip"\n', where="net.toml", name="net")
    assert [star.models_kept(name) for name in ("0", "1", "2")] == [4 + 4 + 3 * 8, 4 + 13 + 4, 4 + 13]
