"""Makes a folder for each host of a network: the topology with everybody's public keys, the host's own key, a systemd unit, and what to do.

    DIR/NAME/topology.toml  public/OTHER.pub  key  key.pub  dfl-actors-NAME.service  README.txt  and plug-ins of one's own

A network that began with other nodes than it has now is told who began it (`network.founders`): so its genesis stays, and its chains go on.
Keys that are there are used again and never replaced, so that the same command adds a node or moves one. A node whose `public_key` the
topology has already keeps its key where it is, and so does one of which only `key.pub` is left in the folder.
"""

import os
import re
import shutil
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from dfl_actors.config import Config, Node, examine_table, load_topology
from dfl_actors.config.listen import host_port
from dfl_actors.config.toml_text import Mistakes, Source, Table, dump_table, put_options
from dfl_actors.core.keys import KeyPair, address_of
from dfl_actors.errors import ConfigError, KeyFileError, StoreError
from dfl_actors.files import REMEDY, explained, read_text, whole
from dfl_actors.runtime.keyfiles import curve_keys, load_key, new_key
from dfl_actors.runtime.policies import check_secure

PLUGIN = re.compile(r"(?P<file>[^:]+\.py):(?P<function>\w+)")
FILES = {("training", "model"), ("churn", "trace")}  # Keys whose value may be a file that all hosts need.

UNIT = """\
# Made by `dfl-actors deploy`.
[Unit]
Description=dfl-actors: node {name} of {network}
Wants=network-online.target
After=network-online.target time-sync.target

[Service]
Type=exec
User={user}
WorkingDirectory={place}
ExecStart={program} node topology.toml --name {name} --keys . --out run --quiet{insecure}
# 143 is how a node ends that was asked to (SIGTERM), 11 that its target was not reached in time.
SuccessExitStatus=143
# What a person must mend first: configuration, key, data, model, a chain that does not verify, algorithm, target.
RestartPreventExitStatus=2 3 4 5 8 10 11 12
Restart=on-failure
RestartSec=5
KillMode=mixed
TimeoutStopSec=20
UMask=0077
NoNewPrivileges=yes
ProtectSystem=full

[Install]
WantedBy=multi-user.target
"""

README = """\
Node {name} of the network {network}: what its host ({host}) needs, and nothing of any other host that is secret.

1. Copy this folder, with its modes:

       rsync -a {folder}/ root@{host}:{place}/

2. On the host, where dfl-actors is installed as {program}: give the folder to its user, and start the node, now and after every boot.

       useradd --system --no-create-home {user}; chown -R {user}: {place} && systemctl enable --now {place}/{unit}

3. When every host has done so: how are this node and its neighbours, and does the chain verify?

       {program} status {place}/run; {program} chain verify {place}/run

Ports {port} and {next_port} (TCP) must be reachable from: {neighbours}.{inlet}
{key}{data}
"""
HAS_DATA = "\nIts data, {source}, are not in this folder: put them there, beside the topology."
NO_PUBLIC = "is damaged or of no key: put back what `dfl-actors keys show` prints on its host, or move it away for a new key"
HAS_KEY = (
    "`key` is this node's name and must stay secret: keep a copy of it in a safe place, and remove it here once the host has it"
    " (`key.pub` stays)."
)
NO_KEY = "Only the public part of this node's key is known here: its host has the secret part, the file `key` (mode 0600) in {place}."


class Wishes(NamedTuple):
    """Where things are on the hosts: the folder ({network} stands for the network's name), the program, and the user that runs it.
    `insecure`: links between hosts need not be encrypted."""

    place: str
    program: str
    user: str
    insecure: bool = False


class Public(NamedTuple):
    """What the others must know of a node; `secret` says whether its key lies in its folder."""

    key: str
    curve: str
    secret: bool

    def text(self) -> str:
        """As in `key.pub`."""
        return f'address = "{address_of(self.key)}"\npublic = "{self.key}"\ncurve = "{self.curve}"\n'


def deploy(topology: str, options: Sequence[str], out: Path, wishes: Wishes) -> dict[str, Path]:
    """Make the folders in `out`; returns them by node. Raises `DflError`; keys that were made by then stay."""
    config = load_topology(topology, options, deployed=True)
    check_secure(config, wishes.insecure)
    _check_places(config, topology)
    _check_words(config, wishes)
    if out.exists() and not out.is_dir():
        raise StoreError(f"{out} is a file: name a directory with --out")
    folders = {node.name: out / node.name for node in config.nodes}
    with explained(f"{out} cannot be written", REMEDY):
        for folder in (out, *folders.values(), *(folder / "public" for folder in folders.values())):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
    public = {node.name: _public(node, folders[node.name], config.transport.curve != "off", topology) for node in config.nodes}
    table, files = _table(topology, options, public)
    _keep_founders(out, table["network"], sorted(keys.key for keys in public.values()))
    examine_table(_copied(table), Mistakes(Source(topology)), config.network.name)[1].raise_first()
    wishes = wishes._replace(place=wishes.place.replace("{network}", config.network.name.replace(" ", "_")))
    for node in config.nodes:
        _fill(folders[node.name], config, node, public, dump_table(table), files, wishes, _data_beside(config, node, table))
    return folders


def _check_places(config: Config, topology: str) -> None:
    for node in config.nodes:
        if node.listen is None:
            raise ConfigError(f'{topology}: node.{node.name}.listen is missing: give where its neighbours reach it, "tcp://host:port"')


def _check_words(config: Config, wishes: Wishes) -> None:
    """What stands in a unit file must be one plain word there."""
    for what, word in (("place", wishes.place), ("program", wishes.program), ("user", wishes.user)):
        if not re.fullmatch(r"[\w./{}@+-]+", word) or (what != "user" and not word.startswith("/")):
            kind = "a user's name" if what == "user" else "an absolute path without spaces"
            raise ConfigError(f"--{what} {word}: give {kind}, as it is on the hosts")
    if not re.fullmatch(r"[\w .+-]+", config.network.name):
        raise ConfigError(f"network.name is {config.network.name!r}: a unit takes letters, digits, spaces and . _ + - only")


def _public(node: Node, folder: Path, curve: bool, topology: str) -> Public:
    """The public keys of a node: of the key in its folder, made now unless the topology knows another. Raises `DflError`."""
    there = os.path.lexists(folder / "key")
    if node.public_key and not there:
        if curve and not node.curve_key:
            raise ConfigError(f"{topology}: node.{node.name}.curve_key is missing beside its public_key (`dfl-actors keys show`)")
        return Public(node.public_key, node.curve_key or "", secret=False)
    if not there and (folder / "key.pub").exists():
        return _kept(folder / "key.pub")
    pair = load_key(folder) if there else new_key(folder)
    if node.public_key not in (None, pair.public):
        raise KeyFileError(
            f"{folder / 'key'} is not the key of node.{node.name}.public_key in {topology}: correct one of them; no key is replaced"
        )
    return _of(pair)


def _kept(path: Path) -> Public:
    """What `key.pub` says of a key that only its host has by now. Raises `DflError`."""
    try:
        said = tomllib.loads(read_text(path))
        public = Public(said["public"], said["curve"], secret=False)
        if said == tomllib.loads(public.text()):
            return public
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read ({error.strerror}): correct its permissions") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise KeyFileError(f"{path} {NO_PUBLIC}") from error
    raise KeyFileError(f"{path} {NO_PUBLIC}")


def _of(pair: KeyPair) -> Public:
    return Public(pair.public, curve_keys(pair)[0].decode(), secret=True)


def _table(topology: str, options: Sequence[str], public: Mapping[str, Public]) -> tuple[Table, dict[str, Path]]:
    """The topology as the hosts get it, and the files that it names, by the name that they have there. Raises `ConfigError`."""
    table = tomllib.loads(read_text(Path(topology)))
    put_options(table, options)
    table.setdefault("network", {}).setdefault("name", Path(topology).stem)
    nodes = table.setdefault("node", {})
    for name, keys in public.items():
        nodes.setdefault(name, {}).update(public_key=keys.key, **({"curve_key": keys.curve} if keys.curve else {}))
    files: dict[str, Path] = {}
    for holder, key, path, rest in _named_files(table, Path(topology).resolve().parent):
        if files.setdefault(path.name, path) != path:
            raise ConfigError(f"{topology}: {files[path.name]} and {path} would have one name on the hosts: rename one of them")
        holder[key] = path.name + rest
    return table, files


def _keep_founders(out: Path, network: Table, keys: list[str]) -> None:
    """Who began the network, if it has other members now, stands in an earlier topology of these folders. Raises `ConfigError`."""
    earlier = sorted(out.glob("*/topology.toml"))
    if "founders" in network or not earlier:
        return
    try:
        table = tomllib.loads(read_text(earlier[0]))
        nodes: Mapping[str, Mapping[str, str]] = table.get("node", {})
        founders = table["network"].get("founders", sorted(node["public_key"] for node in nodes.values()))
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise ConfigError(f"{earlier[0]} does not say who began the network: put it back, or give network.founders") from error
    if founders != keys:
        network["founders"] = founders


def _named_files(table: Table, folder: Path) -> Iterator[tuple[Table, str, Path, str]]:
    """Each value that names a file all hosts need: what holds it, its key, the file, and what follows its name."""
    for section, holder in _tables(table):
        for key, value in list(holder.items()):
            if not isinstance(value, str):
                continue
            plugin = PLUGIN.fullmatch(value)
            path = folder / Path(plugin["file"] if plugin else value).expanduser()
            if (plugin or (section, key) in FILES) and path.is_file():
                yield holder, key, path, f":{plugin['function']}" if plugin else ""


def _data_beside(config: Config, node: Node, table: Table) -> str:
    """What a host is told of data that are looked for beside its topology."""
    given = table["node"][node.name].get("source") or table.get("data", {}).get("source", "")
    beside = given and not Path(given).expanduser().is_absolute() and Path(config.data_of(node.name).source).is_absolute()
    return HAS_DATA.format(source=given) if beside else ""


def _tables(table: Table) -> Iterator[tuple[str, Table]]:
    """The tables that hold keys, with their sections."""
    for name, value in table.items():
        several: Iterable[object] = value.values() if name == "node" else value if isinstance(value, list) else [value]
        yield from ((name, holder) for holder in several if isinstance(holder, dict))


def _copied(table: Table) -> Table:
    return tomllib.loads(dump_table(table))


def _fill(
    folder: Path,
    config: Config,
    node: Node,
    public: Mapping[str, Public],
    topology: str,
    files: Mapping[str, Path],
    wishes: Wishes,
    data: str,
) -> None:
    """Everything of a host but its key. Raises `StoreError`."""
    unit = f"dfl-actors-{node.name}.service"
    host, port = host_port(node.listen or "")
    hosts = sorted({host_port(config.node(other).listen or "")[0] for other in node.neighbours})
    words = {"name": node.name, "network": config.network.name, "host": host, "folder": folder, "unit": unit, **wishes._asdict()}
    words["insecure"] = " --insecure" if wishes.insecure else ""
    inlet = "" if node.inlet is None else f"\nWhat others feed it comes to {node.inlet}, which they must reach."
    key = (HAS_KEY if public[node.name].secret else NO_KEY).format(**words)
    _write(folder / "topology.toml", topology)
    _write(folder / unit, UNIT.format(**words))
    _write(
        folder / "README.txt",
        README.format(port=port, next_port=port + 1, neighbours=", ".join(hosts), inlet=inlet, key=key, data=data, **words),
    )
    for old in (folder / "public").glob("*.pub"):
        if old.stem not in public:
            old.unlink()  # of a node that has been taken out
    for other, keys in public.items():
        _write(folder / "public" / f"{other}.pub", keys.text())
    for name, path in files.items():
        with whole(folder / name) as draft:
            shutil.copyfile(path, draft)
            draft.chmod(0o600)


def _write(path: Path, text: str) -> None:
    with whole(path) as draft:
        draft.touch(mode=0o600)
        draft.chmod(0o600)
        draft.write_text(text, encoding="utf-8")
