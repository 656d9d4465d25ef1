"""One clear line for everything that can be wrong in a topology, and every mistake at once."""

from pathlib import Path

import pytest

from dfl_actors.config import examine_topology, load_topology, parse_topology
from dfl_actors.errors import ConfigError
from tests.config.made import parse, refusal

KEY = "ab" * 32

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
    ("[training]\ninit = 'same'", 'training.init: "same" does not fit;', 'give one of "file", "independent", "shared"'),
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
    ("[node.0]\nlabel_weights = [-1]", "node.0.label_weights: [-1] does not fit;", "a number from 0"),
    ("[node.0]\nlisten = 'x:1'", 'net.toml:2: node.0.listen: "x:1" is no address;', "write tcp://host:port"),
    ("[node.0]\nlisten='tcp://h:70'\n[node.1]\nlisten='tcp://h:71'", "net.toml:4: node.1.listen: h:71 is taken", "2 ports of its own"),
    ("[transport]\nport = 65530", "net.toml:2: transport.port: 4 nodes need 8 ports from 65530 up;", "give at most 65528, or 0"),
    ("[transport]\nport = 70000", "transport.port: 70000 does not fit;", "give a whole number from 0 to 65534"),
    ("[transport]\nhost = '0.0.0.0'", "net.toml:2: transport.host:", "give the address they reach this node at"),
    ("[block]\nreceipts = 4", 'net.toml:2: block.receipts: 4 can never come, node "0" reaches 3', "give at most 3, or add links"),
    ("[store]\nmodels = 4", "net.toml:2: store.models: 4 models cannot outlast a buffer of 4;", "give more than 4"),
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


def test_a_block_whose_draft_would_not_fit_into_one_message_is_refused() -> None:
    text = '[network]\nnodes = 200\nlinks = "full"\n[block]\ntransactions = 100\n[store]\nmodels = 64\n'
    with pytest.raises(ConfigError, match=r"net.toml:5: block.transactions: .* do not fit into one message; give at most 28"):
        parse_topology(text, where="net.toml", name="net")
