"""What a deployment writes for each host: whose secrets, with which modes, and what it refuses."""

import shutil
import subprocess
from pathlib import Path

import pytest

from dfl_actors.config import load_topology
from dfl_actors.errors import ConfigError, DflError
from dfl_actors.runtime.deploy import Wishes, deploy
from dfl_actors.runtime.keyfiles import curve_keys, load_key, new_key

WISHES = Wishes("/var/lib/dfl-actors/{network}", "/opt/dfl-actors/bin/dfl-actors", "dfl")
NETWORK = """
[network]
name = "three cities"
nodes = ["amsterdam", "delft", "leiden"]
links = ["amsterdam--delft", "delft--leiden"]
[training]
model = "nets/small.py:build"
[data]
source = "/srv/samples.npz"
[node.amsterdam]
listen = "tcp://10.0.0.5:7000"
[node.delft]
listen = "tcp://10.0.0.6:7000"
attack = "fading.py:build"
inlet = "tcp://10.0.0.6:7010"
[node.leiden]
listen = "tcp://leiden.example.org:7100"
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "net.toml").write_text(NETWORK)
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "small.py").write_text("def build(): ...\n")
    (tmp_path / "fading.py").write_text("def build(): ...\n")
    return tmp_path


def made(place: Path, file: str = "net.toml", *options: str, wishes: Wishes = WISHES) -> dict[str, Path]:
    return deploy(str(place / file), options, place / "out", wishes)


def test_each_host_has_its_own_secret_and_everyones_public_keys(place: Path) -> None:
    folders = made(place)
    assert list(folders) == ["amsterdam", "delft", "leiden"]
    keys = {name: load_key(folder) for name, folder in folders.items()}
    for name, folder in folders.items():
        config = load_topology(folder / "topology.toml", deployed=True)
        assert config.curve and {node.name: node.public_key for node in config.nodes} == {who: key.public for who, key in keys.items()}
        assert [node.curve_key for node in config.nodes] == [curve_keys(key)[0].decode() for key in keys.values()]
        assert config.training.model == str(folder / "small.py:build"), "found beside the topology, wherever the folder is"
        assert config.node("delft").attack == str(folder / "fading.py:build") and (folder / "fading.py").is_file()
        assert config.data.source == "/srv/samples.npz", "each host has its own"
        text = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
        assert [who for who, key in keys.items() if key.seed.hex().encode() in text] == [name]
        assert {path.stem for path in (folder / "public").iterdir()} == set(folders)


def test_links_that_leave_the_machine_unencrypted_must_be_asked_for_and_the_units_then_say_so(place: Path) -> None:
    with pytest.raises(ConfigError, match=r"links are not encrypted .* or give --insecure$"):
        made(place, "net.toml", "transport.curve=off")
    assert not (place / "out").exists()
    folders = made(place, "net.toml", "transport.curve=off", wishes=WISHES._replace(insecure=True))
    assert {(folder / f"dfl-actors-{name}.service").read_text().count(" --insecure\n") for name, folder in folders.items()} == {1}
    assert "--insecure" not in (made(place)["delft"] / "dfl-actors-delft.service").read_text()


def test_who_began_the_network_stays_known_when_nodes_come_and_go(place: Path) -> None:
    began = sorted(load_key(folder).public for folder in made(place).values())
    founders = [load_topology(folder / "topology.toml", deployed=True).network.founders for folder in made(place).values()]
    assert founders == [None] * 3, "as long as it has the nodes that it began with"
    for nodes in ('["amsterdam", "delft"]', '["amsterdam", "delft", "leiden", "gouda"]', '["amsterdam", "delft", "leiden"]'):
        text = NETWORK.replace('["amsterdam", "delft", "leiden"]', nodes).replace('["amsterdam--delft", "delft--leiden"]', '"full"')
        if "leiden" not in nodes:
            text = text.partition("[node.leiden]")[0]
        (place / "net.toml").write_text(text + ('[node.gouda]\nlisten = "tcp://10.0.0.9:7000"\n' if "gouda" in nodes else ""))
        for folder in made(place).values():
            network, nodes_now = (config := load_topology(folder / "topology.toml", deployed=True)).network, config.nodes
            assert sorted(network.founders or [str(node.public_key) for node in nodes_now]) == began
    (place / "out" / "amsterdam" / "topology.toml").write_text("[network]\n[node.a]\n")
    with pytest.raises(ConfigError, match=r"amsterdam/topology.toml does not say who began the network: put it back, or give"):
        made(place)


def test_nobody_else_may_read_or_enter(place: Path) -> None:
    made(place)
    found = {path: path.stat().st_mode & 0o777 for path in [place / "out", *(place / "out").rglob("*")]}
    assert {path: mode for path, mode in found.items() if mode != (0o700 if path.is_dir() else 0o600) and path.name != "key.pub"} == {}


def test_the_unit_and_the_three_commands_say_what_is_so_on_the_host(place: Path) -> None:
    folder = made(place)["delft"]
    unit = dict(line.split("=", 1) for line in (folder / "dfl-actors-delft.service").read_text().splitlines() if line[:1].isalpha())
    home = "/var/lib/dfl-actors/three_cities"
    assert unit["ExecStart"] == "/opt/dfl-actors/bin/dfl-actors node topology.toml --name delft --keys . --out run --quiet"
    assert (unit["WorkingDirectory"], unit["User"], unit["SuccessExitStatus"]) == (home, "dfl", "143")
    read = (folder / "README.txt").read_text()
    assert f"rsync -a {folder}/ root@10.0.0.6:{home}/" in read
    assert f"systemctl enable --now {home}/dfl-actors-delft.service" in read and f"chain verify {home}/run" in read
    assert "What others feed it comes to tcp://10.0.0.6:7010, which they must reach." in read
    assert "Ports 7000 and 7001 (TCP) must be reachable from: 10.0.0.5, leiden.example.org." in read
    assert "Ports 7100 and 7101 (TCP) must be reachable from: 10.0.0.6." in (place / "out" / "leiden" / "README.txt").read_text()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd checks its units")
def test_systemd_has_nothing_to_say_against_the_unit(place: Path) -> None:
    program = shutil.which("true") or "/bin/true"
    folder = made(place, wishes=WISHES._replace(program=program, user="root"))["delft"]
    checked = subprocess.run(
        ["systemd-analyze", "verify", folder / "dfl-actors-delft.service"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert "dfl-actors-delft" not in checked.stdout and checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(
    ("source", "said"), [("/srv/samples.npz", False), ("mnist", False), ("keras:cifar10", False), ("mine/own.npz", True)]
)
def test_data_that_must_be_put_beside_the_topology_are_named(place: Path, source: str, said: bool) -> None:
    read = (made(place, "net.toml", f"data.source={source}")["delft"] / "README.txt").read_text()
    assert (f"Its data, {source}, are not in this folder: put them there" in read) == said


def test_keys_are_kept_when_a_node_is_added_taken_out_or_moved(place: Path) -> None:
    before = {name: load_key(folder).seed for name, folder in made(place).items()}
    other = NETWORK.replace("leiden", "utrecht").replace("10.0.0.5", "10.0.0.9")
    (place / "other.toml").write_text(other)
    after = {name: load_key(folder).seed for name, folder in made(place, "other.toml").items()}
    assert after["amsterdam"] == before["amsterdam"] and after["utrecht"] != before["leiden"]
    assert {path.stem for path in (place / "out" / "delft" / "public").iterdir()} == {"amsterdam", "delft", "utrecht"}
    assert load_key(place / "out" / "leiden").seed == before["leiden"], "nothing that was made is removed"


def test_a_key_that_only_its_host_has_by_now_is_known_by_its_public_part(place: Path) -> None:
    """As README.txt tells: `key` is removed here once the host has it."""
    folder = made(place)["delft"]
    before = load_topology(folder / "topology.toml", deployed=True).node("delft")
    (folder / "key").unlink()
    made(place)
    after = load_topology(folder / "topology.toml", deployed=True).node("delft")
    assert (after.public_key, after.curve_key) == (before.public_key, before.curve_key) and not (folder / "key").exists()
    assert "its host has the secret part" in (folder / "README.txt").read_text()
    (folder / "key.pub").write_text((folder / "key.pub").read_text().replace("public = ", "publik = "))
    with pytest.raises(DflError, match=r"delft/key.pub is damaged or of no key: put back what `dfl-actors keys show` prints"):
        made(place)
    (folder / "key.pub").unlink()
    made(place)
    assert load_topology(folder / "topology.toml", deployed=True).node("delft").public_key != before.public_key, "a new key is another node"


def test_a_key_that_its_host_made_stays_there(place: Path) -> None:
    own = new_key(place / "own")
    (place / "net.toml").write_text(f'{NETWORK}public_key = "{own.public}"\n')
    with pytest.raises(ConfigError, match=r"node\.leiden\.curve_key is missing beside its public_key"):
        made(place)
    (place / "net.toml").write_text(f'{NETWORK}public_key = "{own.public}"\ncurve_key = "{curve_keys(own)[0].decode()}"\n')
    folder = made(place)["leiden"]
    assert not (folder / "key").exists() and "its host has the secret part" in (folder / "README.txt").read_text()
    assert (folder / "public" / "leiden.pub").read_text() == (place / "own" / "key.pub").read_text()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (('listen = "tcp://10.0.0.6:7000"', "rate = 1"), "node.delft.listen is missing: give where its neighbours reach it"),
        (('"amsterdam--delft"', '"amsterdam->delft"'), "leads one way, but receipts must come back"),
        (("three cities", "three; cities"), "network.name is 'three; cities': a unit takes letters"),
        (('"fading.py:build"', '"other/small.py:build"'), "would have one name on the hosts: rename one of them"),
    ],
)
def test_what_cannot_be_deployed_is_one_line(place: Path, change: tuple[str, str], problem: str) -> None:
    (place / "other").mkdir()
    (place / "other" / "small.py").touch()
    (place / "net.toml").write_text(NETWORK.replace(*change))
    with pytest.raises(DflError) as raised:
        made(place)
    assert problem in str(raised.value) and "\n" not in str(raised.value)


def test_a_key_is_never_replaced_nor_taken_for_another(place: Path) -> None:
    made(place)
    (place / "net.toml").write_text(f'{NETWORK}public_key = "{"ab" * 32}"\ncurve_key = "{"a" * 40}"\n')
    with pytest.raises(DflError, match=r"is not the key of node\.leiden\.public_key"):
        made(place)
    (place / "out" / "leiden" / "key").write_text("damaged")
    with pytest.raises(DflError, match="is damaged or no key"):
        made(place)


@pytest.mark.parametrize("wishes", [WISHES._replace(place="srv"), WISHES._replace(program="/opt/my env/x"), WISHES._replace(user="a\nb")])
def test_what_would_break_a_unit_is_refused(place: Path, wishes: Wishes) -> None:
    with pytest.raises(ConfigError, match="as it is on the hosts"):
        made(place, wishes=wishes)
