"""`dfl-actors topo` as its users meet it: what it writes, shows, says and refuses, and the exit codes."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from dfl_actors.config import load_topology
from dfl_actors.topo.kinds import KINDS
from tests.cli.conftest import Cli
from tests.topo.made import node, saved

ROOT = Path(__file__).parents[2]


Topo = Cli


@pytest.fixture
def topo(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Topo:
    """`dfl-actors topo` on a screen of 100 columns."""
    monkeypatch.setenv("COLUMNS", "100")
    return partial(cli, "topo")


def test_a_generated_file_is_fine_shown_and_loads(topo: Topo) -> None:
    made = topo("gen", "--nodes", 10, "--degree", 2, "--role", "attacker=1", "--partition", "dirichlet:0.1", "-o", "net.toml")
    assert made == (0, "", "net.toml: written; dfl-actors run net.toml\n")
    assert topo("check", "net.toml")[:2] == (0, f"net.toml: fine: 10 nodes, {len(load_topology('net.toml').links)} links\n")
    shown = topo("show", "net.toml")
    assert shown.code == 0 and shown.out.startswith("net: 10 nodes (1 attacker: sign_flip), ")
    assert "spectral gap" in shown.out and len([line for line in shown.out.splitlines() if line[:1].isdigit()]) == 10
    assert load_topology("net.toml").network.name == "net"


def test_what_is_printed_is_what_is_written(topo: Topo) -> None:
    options = ("-n", 12, "--kind", "small-world", "--seed", 4)
    assert topo("gen", *options, "-o", "net.toml").code == 0
    printed = topo("gen", *options)
    assert printed == (0, Path("net.toml").read_text(), "")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_asked_for_and_is_fine(kind: str, topo: Topo) -> None:
    Path("links").write_text("0 1\n1 2\n2 0\n")
    options = {"edges": ["--edges", "links"], "random": ["-n", "12", "--degree", "6"]}.get(kind, ["-n", "12"])
    assert topo("gen", "--kind", kind, *options, "-o", "net.toml").code == 0
    assert len(load_topology("net.toml").nodes) == (3 if kind == "edges" else 12)


def test_edges_alone_say_the_kind_and_more_columns_are_warned_of(topo: Topo) -> None:
    Path("links").write_text("a b 0.5\nb c 0.1\n")
    ended = topo("gen", "--edges", "links")
    assert ended.err == "warning: links: only the first two columns were read\n"
    assert '"a--b", "b--c"' in ended.out


def test_a_picture_is_drawn_and_not_replaced_unasked(topo: Topo) -> None:
    assert topo("show", "fully_connected_4", "--plot", "net.png").code == 0
    assert Path("net.png").read_bytes().startswith(b"\x89PNG")
    assert topo("show", "fully_connected_4", "--plot", "net.png") == (
        6,
        "",
        "error: net.png is there already: replace it with --force, or choose another name\n",
    )
    assert topo("show", "fully_connected_4", "--plot", "net.png", "--force").code == 0
    assert sorted(path.name for path in Path().iterdir()) == ["net.png"]
    assert topo("show", "fully_connected_4", "--plot", "net.pdf", "--paper").code == 0
    names = [f"net-{panel}-{width}.pdf" for panel in ("data", "graph") for width in ("column", "page")]
    assert sorted(path.name for path in Path().iterdir()) == [*names, "net.png"]


def test_show_as_json_holds_every_figure(topo: Topo) -> None:
    shown = json.loads(topo("show", "ring_6_noniid", "--json", "--set", "network.seed=1").out)
    assert (shown["name"], shown["links"], shown["degrees"], shown["diameter"]) == ("ring_6_noniid", 6, [2, 2.0, 2], 3)
    assert shown["gap"] == pytest.approx(1 / 3) and shown["distance"] == pytest.approx(1.8)
    assert [node["name"] for node in shown["nodes"]] == ["anna", "ben", "cleo", "dan", "eva", "finn"]
    assert all(sum(node["labels"]) == pytest.approx(1) for node in shown["nodes"])


def test_check_tells_everything_and_ends_with_2(topo: Topo) -> None:
    Path("net.toml").write_text("[network]\nnodes = 4\nlinks = [\n  '0--9',\n]\n[training]\nbatch = 0\n[node.1]\nattack = 'nix'\n")
    ended = topo("check", "net.toml")
    assert (ended.code, ended.err) == (2, "")
    assert [line.split(": ")[:2] for line in ended.out.splitlines()] == [
        ["net.toml:4", "network.links"],
        ["net.toml:7", "training.batch"],
        ["net.toml:9", "node.1.attack"],
    ]
    listed = topo("check", "net.toml", "--json")
    assert listed.code == 2 and [mistake["line"] for mistake in json.loads(listed.out)] == [4, 7, 9]
    assert json.loads(topo("check", "fully_connected_4", "--json").out) == []


def test_an_imported_file_is_fine_and_its_losses_are_warnings(topo: Topo, tmp_path: Path) -> None:
    saved(tmp_path / "simulator_config.json", nodes=[node("0", node_type="observer"), *(node(name) for name in "123")])
    ended = topo("import", "simulator_config.json", "-o", "net.toml")
    assert (ended.code, ended.out) == (0, "")
    *warnings, written = ended.err.splitlines()
    assert written == "net.toml: written; dfl-actors run net.toml"
    assert len(warnings) == 2 and all(line.startswith("warning: simulator_config.json: ") for line in warnings)
    assert topo("check", "net.toml").code == 0
    printed = topo("import", "simulator_config.json")
    assert printed.out == Path("net.toml").read_text() and len(printed.err.splitlines()) == 2
    assert load_topology("net.toml").node("0").role == "observer"


def test_what_leads_one_way_is_fine_and_for_the_simulator(topo: Topo) -> None:
    saved(Path("simulator_config.json"), node_topology=["0->1", "1--2", "2->3"])
    ended = topo("import", "simulator_config.json", "-o", "net.toml")
    assert ended.code == 0 and ended.err.splitlines()[-1] == "net.toml: written; dfl-actors sim net.toml"
    assert load_topology("net.toml").arrows == (("0", "1"), ("2", "3"))
    assert topo("check", "net.toml") == (0, "net.toml: fine: 4 nodes, 3 links (2 one way: for dfl-actors sim alone)\n", "")
    assert topo("show", "net.toml", "--plot", "net.svg").out.startswith("net: 4 nodes, 3 links (2 one way), ")


def test_the_seed_of_an_import_draws_its_links(topo: Topo) -> None:
    saved(Path("simulator_config.json"), node_topology=["average_degree-2"])
    printed = [topo("import", "simulator_config.json", "--seed", seed).out for seed in (1, 1, 2)]
    assert printed[0] == printed[1] != printed[2] and "seed = 2" in printed[2]


def test_a_label_that_nobody_draws_is_a_warning_and_no_mistake(topo: Topo) -> None:
    Path("net.toml").write_text("[data]\npartition = 'labels'\n")
    code, out, err = topo("check", "net.toml")
    assert (code, out) == (0, "net.toml: fine: 4 nodes, 6 links\n")
    assert err.startswith("warning: net.toml:2: data.partition: no node draws label 5, 6, 7, 8, 9 to train on; ")
    assert topo("check", "net.toml", "-s", "network.nodes=9").err == ""


MISTAKES = [
    (("gen",), 2, "--nodes is missing"),
    (("gen", "-n", "10", "--degree", "10"), 2, "--degree 10: each of 10 nodes has 9 others"),
    (("gen", "-n", "5", "--degree", "3", "--kind", "regular"), 2, "5 x 3 is odd"),
    (("gen", "-n", "5", "--kind", "rign"), 2, 'did you mean "ring"?'),
    (("gen", "-n", "50", "--kind", "random", "--probability", "0.01"), 2, "joins all nodes; raise --probability"),
    (("gen", "-n", "5", "--role", "spy=1"), 2, "--role spy=1: no such role"),
    (("gen", "-n", "5", "--partition", "half"), 2, "--partition half: no such partition"),
    (("gen", "-n", "5", "-o", "full"), 6, "full is there already: replace it with --force"),
    (("gen", "-n", "5", "-o", "nowhere/net.toml"), 6, "nowhere is no directory: make it"),
    (("gen", "-n", "5", "-o", "."), 6, ". is a directory"),
    (("gen", "--edges", "nowhere"), 2, "--edges nowhere: cannot be read"),
    (("show", "nowhere"), 2, "nowhere: no such topology; give a file or one of the ready ones"),
    (("show", "broken.toml"), 2, "broken.toml:1: not TOML"),
    (("show", "fully_connected_4", "--plot", "net.eps"), 2, "give a name that ends in .png, .svg or .pdf"),
    (("show", "fully_connected_4", "--plot", "nowhere/net.png"), 6, "nowhere is no directory"),
    (("show", "fully_connected_4", "-s", "data.source=nowhere.npz"), 4, "nowhere.npz"),
    (("check", "nowhere"), 2, "nowhere: no such topology"),
    (("check", "fully_connected_4", "-s", "nonsense"), 2, "--set nonsense: not understood"),
    (("import", "nowhere.json"), 2, "nowhere.json: cannot be read"),
    (("import", "full"), 2, "full:1: damaged JSON"),
    (("import", "full", "-o", "full"), 6, "full is there already"),
]


@pytest.mark.parametrize(("arguments", "code", "words"), MISTAKES, ids=[" ".join(arguments) for arguments, _, _ in MISTAKES])
def test_a_mistake_is_one_line_and_leaves_everything_as_it_was(arguments: tuple[str, ...], code: int, words: str, topo: Topo) -> None:
    Path("full").write_text("something")
    Path("broken.toml").write_text("[network\n")
    ended = topo(*arguments)
    assert (ended.code, ended.out) == (code, "")
    assert ended.err.startswith("error: ") and len(ended.err.splitlines()) == 1 and words in ended.err
    assert {path.name: path.read_text() for path in Path().iterdir()} == {"full": "something", "broken.toml": "[network\n"}


def command(*arguments: str, seed: str = "0") -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed}
    return subprocess.run(
        [sys.executable, "-m", "dfl_actors", "topo", *arguments], env=environment, check=False, capture_output=True, timeout=60
    )


def test_another_process_writes_the_same_bytes() -> None:
    options = ("gen", "-n", "30", "--degree", "3", "--role", "observer=2", "--role", "attacker=2", "--seed", "7")
    one, two = command(*options, seed="1"), command(*options, seed="2")
    assert one.returncode == 0 and one.stdout == two.stdout and one.stdout.startswith(b"# Generated by")


def test_a_reader_that_goes_away_ends_it_quietly() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "dfl_actors", "topo", "gen", "-n", "1000", "--degree", "100"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    # Whether the last write still went through decides between the codes.
    assert (process.stderr.read(), process.wait(60) in (0, 1, 141)) == (b"", True)


@pytest.mark.parametrize("command", ["gen", "show", "check", "import"])
def test_every_command_helps(command: str, topo: Topo) -> None:
    ended = topo(command, "--help")
    assert ended.code == 0 and ended.out.lstrip().startswith("Usage: ") and ended.err == ""


def test_the_document_has_every_kind_and_every_option(topo: Topo) -> None:
    document = (ROOT / "docs" / "topo.md").read_text(encoding="utf-8")
    assert all(f"`{kind}`" in document for kind in KINDS)
    words = {word.strip("`|,.") for word in document.split()}
    options = [
        word for command in ("gen", "show", "check", "import") for word in topo(command, "--help").out.split() if word.startswith("--")
    ]
    assert {option.strip(",.") for option in options} - {"--help", "--out"} <= words
