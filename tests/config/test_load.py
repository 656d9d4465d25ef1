"""Options over a file, what is written back, files, ready topologies, and the document of the format."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfl_actors.config import load_topology, override, parse_topology
from dfl_actors.config.load import ready_topologies
from dfl_actors.config.sections import SECTIONS, NodeOptions
from dfl_actors.config.toml_text import dump_value
from dfl_actors.core.objects import MAX_MEMO
from dfl_actors.errors import ConfigError
from tests.config.made import parse, refusal

ROOT = Path(__file__).parents[2]

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


def test_an_attack_that_is_taken_away_takes_its_parameters_along() -> None:
    """It was refused, so that no sweep could vary the attack of a node that has parameters for it."""
    text = "[node.2]\nattack = 'random_model'\nattack_parameters = { high = 0.01 }"
    assert (parse(text, "node.2.attack=none").node("2").attack, parse(text, "node.2.attack=none").node("2").attack_parameters) == (None, {})
    changed = parse(text, "node.2.attack=none", "node.2.attack=sign_flip", "node.2.attack_parameters={ scale = 3 }").node("2")
    assert (changed.attack, changed.attack_parameters) == ("sign_flip", {"scale": 3})


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


LEFT = ("founders", "learning_rate", "momentum", "gamma", "floor", "balance", "clip")  # To the optimizer, where they are not given.
ELSEWHERE = ("parameters", "optimizer_parameters", *LEFT)  # Tables of their own, and keys without a default.


def test_every_key_is_written_back() -> None:
    text = parse("").resolved()
    for section, kind in SECTIONS.items():
        body = text.partition(f"[{section}]\n")[2].partition("\n\n")[0]
        assert [line.split(" = ")[0] for line in body.splitlines()] == [key for key in kind.__struct_fields__ if key not in ELSEWHERE]


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
                assert shown == ("none" if values[key] is None else f"`{dump_value(values[key])}`"), f"{section}.{key}"
    assert {key for key, _ in rows} >= set(NodeOptions.__struct_fields__)


def _rows(document: str, section: str) -> list[tuple[str, str]]:
    body = document.partition(f"## [{section}]\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \| (.*?) \|", body, re.MULTILINE)
