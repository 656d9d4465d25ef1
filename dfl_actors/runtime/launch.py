"""From a configuration to a running network and back: the run directory, the keys, the genesis, the plans, the supervisor."""

import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import msgspec
import orjson

from dfl_actors import __version__
from dfl_actors.actors.base import Settings
from dfl_actors.config import Config, Node, load_topology, scaled
from dfl_actors.config.listen import next_port
from dfl_actors.config.stated import members_stated, stated
from dfl_actors.core import codec
from dfl_actors.core.control import Endpoints
from dfl_actors.core.keys import KeyPair, address_of
from dfl_actors.core.objects import Address, Digest, Genesis
from dfl_actors.errors import ActorError, ConfigError, KeyFileError, Refused, StoreError
from dfl_actors.files import explained, whole
from dfl_actors.learning.coverage import few_samples
from dfl_actors.learning.data import check_unchanged, load_datasets
from dfl_actors.learning.form import Form
from dfl_actors.learning.magnitudes import far_from_one
from dfl_actors.learning.partition import shares, stock
from dfl_actors.learning.weights import Parameters, model_bytes
from dfl_actors.processes import faults
from dfl_actors.processes.child import FAILED
from dfl_actors.processes.forkserver import ForkServer
from dfl_actors.processes.limits import allow_files
from dfl_actors.processes.signals import Stop, at_once
from dfl_actors.runtime.clock import Clock
from dfl_actors.runtime.evaluator import found
from dfl_actors.runtime.keyfiles import curve_keys, load_key, new_key
from dfl_actors.runtime.plan import NodePlan
from dfl_actors.runtime.policies import check_secure
from dfl_actors.runtime.power import put_right
from dfl_actors.runtime.rundir import BEGUN, STARTED, About, RunDirectory, check_space, read_about
from dfl_actors.runtime.stores import ChainStore
from dfl_actors.runtime.supervisor import Outcome, Supervisor, Watcher
from dfl_actors.runtime.verify import signed_any

PRELOAD = ("dfl_actors.runtime.preload",)  # What the fork server of a run imports.

FILES, FILES_A_NODE, FILES_A_NEIGHBOUR = 70, 8, 10
"""Open files: of any process; of the fork server or the supervisor, for each node; of a gossiper, for each link,
whose four sockets have a file or two each."""


class Launch(NamedTuple):
    """What a run is given by whoever starts it. `begun` is the monotonic time of the command, from which readiness is measured; `insecure`:
    links that leave the machine need not be encrypted."""

    server: ForkServer
    stop: Stop
    watcher: Watcher
    begun: float
    insecure: bool = False


def run_network(config: Config, out: Path, launch: Launch) -> Outcome:
    """Run every node of `config` here, in the new directory `out`. Raises `DflError` or `Interrupted`; then `out` is as it was."""
    check_space(out)
    with new_run(out) as run:
        keys = {node.name: new_key(run.node(node.name).path) for node in config.nodes}
        return _first(Ground(config, run, keys, launch).go(), run)


def resume_network(path: Path, options: tuple[str, ...], launch: Launch) -> Outcome:
    """Go on with the run in `path`, with `options` over its configuration. Raises `DflError`."""
    if path.is_dir() and (run := RunDirectory(path)).only_begun() and run.config.is_file():
        return run_network(load_topology(run.config, options, deployed=True), path, launch)
    run = RunDirectory.open(path)
    check_space(path)
    before = read_about(run)
    config = load_topology(run.config, options, deployed=True)
    with run.lock():
        launch, signed, damaged = _verified(run, tuple(before.nodes), launch)
        keys = {node.name: load_key(run.node(node.name).path) for node in config.nodes}
        return Ground(config, run, keys, launch, before, signed=signed, damaged=damaged).go()


def run_node(config: Config, name: str, key_directory: Path, out: Path, launch: Launch, adopt: bool = False) -> Outcome:
    """Run one node of `config` on this host; its neighbours run on theirs. `out` is made, or its run continued. With `adopt` it may begin
    behind what neighbours hold of its key and `out` lacks. Raises `DflError`."""
    config = config.alone()
    keys = {name: load_key(key_directory)}
    _check_deployment(config, config.node(name), keys[name])
    check_space(out)
    if not (out / "run.json").exists():
        with new_run(out) as run:
            return _first(Ground(config, run, keys, launch, key_directory=key_directory, adopt=adopt).go(), run)
    run = RunDirectory.open(out)
    with run.lock():
        _check_owner(run, name, keys[name])
        launch, signed, damaged = _verified(run, (name,), launch)
        return Ground(config, run, keys, launch, read_about(run), key_directory, adopt, signed, damaged).go()


def _check_owner(run: RunDirectory, name: str, key: KeyPair) -> None:
    """Raises `KeyFileError` when the directory was begun with another key: its journals and its chain are that one's."""
    known = read_about(run).nodes.get(name)
    if known is not None and known != key.address:
        raise KeyFileError(
            f"{run.path} was begun by node {name} with the key of address {known[:8]}..., the key file now has {key.address[:8]}...:"
            " put the old key back, or give the new one a directory of its own (--out)"
        )


def _verified(run: RunDirectory, names: tuple[str, ...], launch: Launch) -> tuple[Launch, bool, frozenset[str]]:
    """Its beginning put off by the time that verifying the chains took: a long chain is not late to be ready; whether anything was ever
    signed there, and whose models are damaged. Raises `DflError`."""
    before = time.monotonic()
    launch.watcher.event("verifying the chains")
    signed, damaged = signed_any(run, names)
    return launch._replace(begun=launch.begun + time.monotonic() - before), signed, damaged


@contextmanager
def new_run(out: Path) -> Iterator[RunDirectory]:
    """A new run directory, locked. If an error comes before its run.json, all is as it was. Raises `StoreError`."""
    existed = out.exists()
    run = RunDirectory.create(out)
    try:
        with run.lock():
            if run.only_begun():
                run.forget(BEGUN)
            try:
                yield run
            except BaseException as reason:
                if not run.run.exists():
                    _forget(run, reason)
                raise
    finally:
        if not existed:
            with suppress(OSError):  # it is not empty, or gone already
                out.rmdir()


def _forget(run: RunDirectory, reason: BaseException) -> None:
    """Remove what a start has made that `reason` ended. Raises `StoreError` that names both when that cannot be."""
    try:
        run.forget(BEGUN + STARTED)
    except StoreError as error:
        raise StoreError(f"{reason}; and {error}") from reason


def _first(outcome: Outcome, run: RunDirectory) -> Outcome:
    """The outcome of a new run. Raises what its user must mend before it can begin; then nothing has happened that is worth keeping."""
    if outcome.error is not None and not isinstance(outcome.error, ActorError) and not outcome.ready_seconds:
        run.run.unlink()
        raise outcome.error
    return outcome


def begin_anew(run: RunDirectory, names: Iterable[str], before: Digest) -> str:
    """A directory in which nothing was signed belongs to no network yet: what these nodes know of the one `before` goes. Returns what is to
    be told. Raises `StoreError`."""
    run.marks.unlink(missing_ok=True)
    for name in names:
        node = run.node(name)
        with explained(f"{node.path} cannot be written", "correct its permissions, or choose another --out"):
            node.model.unlink(missing_ok=True)
            node.marks.unlink(missing_ok=True)
            if node.journals.exists():
                shutil.rmtree(node.journals)
    return f"{run.path} was begun in another network ({before[:8]}), and nothing was signed there: it begins anew in this one"


class Ground:
    """What one start of a run stands on."""

    def __init__(
        self,
        config: Config,
        run: RunDirectory,
        keys: Mapping[str, KeyPair],
        launch: Launch,
        before: About | None = None,
        key_directory: Path | None = None,
        adopt: bool = False,
        signed: bool = True,
        damaged: frozenset[str] = frozenset(),
    ) -> None:
        """`keys` are those of the nodes that run here, each from its node's directory unless `key_directory` says from where; `before`
        is what the run's last start has written, `signed` whether anything was signed then, `damaged` whose model stores are."""
        self._config, self._run, self._keys, self._launch, self._key_directory = config, run, keys, launch, key_directory
        self._adopt, self._signed, self._damaged = adopt, signed, damaged
        check_secure(config, launch.insecure)
        self._before = before or About(name=config.network.name, started=0, nodes={}, starts=0)
        self._clock, self._sockets, self._cache = Clock(), launch.server.folder, launch.server.folder / "data"
        self._publics = {node.name: keys[node.name].public if node.name in keys else node.public_key or "" for node in config.nodes}
        self._addresses = {name: address_of(public) for name, public in self._publics.items()}
        self._curves = {node.name: self._curve_key(node) for node in config.nodes}

    def go(self) -> Outcome:
        """Run the nodes until the run ends. Raises `DflError` when it cannot begin."""
        config, launch = self._config, self._launch
        links = max(len(config.node(name).neighbours) for name in self._keys)
        allow_files(FILES + max(FILES_A_NODE * len(self._keys), FILES_A_NEIGHBOUR * links), f"a run of {len(self._keys)} nodes")
        self._cache.mkdir()
        launch.watcher.event("preparing the data and the model")
        with at_once():
            data = load_datasets(config, self._cache, self._keys)
        digest = check_unchanged(data, self._before.data if self._signed else "")
        for line in (*few_samples(config, data), *far_from_one(data)):
            launch.watcher.event(line)
        launch.stop.check()
        genesis = self._founded(_found(config, next(iter(self._keys)), self._cache, launch))
        launch.stop.check()
        if not self._signed and self._before.genesis not in ("", codec.digest(genesis)):
            launch.watcher.event(begin_anew(self._run, self._keys, self._before.genesis))
        running = scaled(config)
        stocks = {name: stock(data[name], weights) for name, weights in shares(config, data).items()}
        plans = [self._plan(running, running.node(name), genesis, stocks[name]) for name in self._keys]
        self._write(genesis, digest, next(iter(data.values())).form)
        self._put_right(largest=model_bytes("float32", Parameters(genesis.layers).size))
        with suppress(OSError):  # of the session before: this one has not said anything yet
            self._run.status.unlink()
        return Supervisor(plans, launch.server, launch.stop, self._elsewhere(), launch.watcher, launch.begun).run()

    def _founded(self, genesis: Genesis) -> Genesis:
        """It names who began the network; one that began before there were such lists goes on as it is. Raises `ConfigError`."""
        if self._signed and self._before.genesis == codec.digest(genesis):
            return genesis
        founders = self._config.network.founders
        everybody = founders is None or len(self._keys) == len(self._config.nodes)
        keys = tuple(sorted(self._publics.values() if everybody else founders or ()))
        named = msgspec.structs.replace(genesis, members=keys or msgspec.UNSET)
        if self._signed and self._before.genesis:
            check_founders(self._run, named, self._publics)
        return named

    def _put_right(self, largest: int) -> None:
        for name in self._keys:
            told = put_right(self._run.node(name), self._config.models_kept(name), largest, name in self._damaged)
            if told:
                self._launch.watcher.event(told)

    def _plan(self, config: Config, node: Node, genesis: Genesis, samples: int) -> NodePlan:
        with ChainStore(self._run.node(node.name).chain) as chain:
            chain.create(codec.encode(genesis), anew=not self._signed)
        neighbours = tuple(self._addresses[other] for other in node.neighbours)
        members = members_stated(self._publics)
        said = {name: stated(config, name, genesis) | members for name in (node.name, *node.neighbours)}
        return NodePlan(
            config=config,
            node=node,
            settings=Settings(
                address=self._addresses[node.name],
                genesis=codec.digest(genesis),
                neighbours=neighbours,
                members=frozenset(self._publics.values()),
            ),
            parameters=Parameters(genesis.layers).size,
            samples=samples,
            whole_network=len(self._keys) == len(config.nodes),
            layers=genesis.layers,
            bind=listening(config, node),
            curve_allowed=frozenset(key for other in node.neighbours if (key := self._curves[other])),
            directory=self._run.path.absolute(),
            keys=(self._key_directory or self._run.node(node.name).path).absolute(),
            sockets=self._sockets,
            cache=self._cache,
            folder=Path.cwd(),
            anchor=self._clock.anchor,
            starts=self._before.starts,
            adopt=self._adopt,
            stated=said[node.name],
            founders=frozenset(genesis.members or ()),
            addresses={node.name: self._addresses[node.name] for node in config.nodes if node.name in self._keys or node.public_key},
            expected={self._addresses[name]: dict(said[name].items() - said[node.name].items()) for name in node.neighbours},
        )

    def _curve_key(self, node: Node) -> str:
        if not self._config.curve:
            return ""
        return curve_keys(self._keys[node.name])[0].decode() if node.name in self._keys else node.curve_key or ""

    def _elsewhere(self) -> dict[Address, Endpoints]:
        """Where the nodes of other hosts listen."""
        return {
            self._addresses[node.name]: Endpoints(
                news=node.listen or "", requests=next_port(node.listen or ":0"), curve=node.curve_key or ""
            )
            for node in self._config.nodes
            if node.name not in self._keys
        }

    def _write(self, genesis: Genesis, data: str, form: Form) -> None:
        config, run = self._config, self._run
        about = About(
            name=config.network.name,
            started=self._before.started or self._clock().wall,
            nodes={name: self._addresses[name] for name in self._keys},
            links=tuple(config.links),
            genesis=codec.digest(genesis),
            seed=config.network.seed,
            version=__version__,
            command=sys.argv,
            target=config.run.target or None,
            starts=self._before.starts + 1,
            sockets=str(self._sockets),
            data=data,
            form=form,
            exposed=config.exposed,
        )
        with whole(run.config) as draft:
            draft.write_text(config.resolved(), encoding="utf-8")
        with whole(run.path / "genesis.json") as draft:
            draft.write_bytes(codec.encode(genesis))
        with whole(run.run) as draft:  # the last, for it makes the directory that of a run
            draft.write_bytes(orjson.dumps(msgspec.to_builtins(about), option=orjson.OPT_INDENT_2))


def _found(config: Config, name: str, cache: Path, launch: Launch) -> Genesis:
    """The network's genesis, made in a process that may load TensorFlow. Raises what is wrong with the model or the data."""
    log = launch.server.folder / "founder.log"
    founder = launch.server.start("founder", found, config, name, cache, log)
    launch.server.wait(founder, launch.stop.check)
    said = founder.channel.next()
    founder.channel.close()
    if founder.exitcode == FAILED and said is not None:
        raise faults.read(said)
    if founder.exitcode or said is None:
        reason = log.read_text(errors="replace").strip().rpartition("\n")[2] or founder.how_it_ended()
        raise ActorError(f"the genesis could not be made: {reason}")
    genesis, _, remark = said.partition(b"\n")
    if remark:
        launch.watcher.event(remark.decode())
    return codec.decode(Genesis, genesis, limit=1 << 24)


def check_founders(run: RunDirectory, genesis: Genesis, publics: Mapping[str, str]) -> None:
    """Raises `ConfigError` when the directory's network differs from that of `genesis` in who began it, and in nothing else."""
    try:
        before = codec.decode(Genesis, (run.path / "genesis.json").read_bytes(), limit=1 << 24)
    except (OSError, Refused):
        return  # the chain says what is wrong
    plain = [msgspec.structs.replace(one, members=msgspec.UNSET) for one in (before, genesis)]
    if before == genesis or plain[0] != plain[1]:
        return
    known = set(before.members or ())
    new = [f"node {name} is new, or has another key" for name, public in publics.items() if public not in known][:3]
    raise ConfigError(
        f"{run.path}: the members are not those that began this network ({', '.join(new) or 'some are gone'}): in every topology"
        f" make network.founders the list `members` of {run.path / 'genesis.json'} (`dfl-actors deploy` does), or begin anew (--out)"
    )


def listening(config: Config, node: Node) -> Endpoints:
    """Where a node binds: its own address and the port after it, or ports that the system chooses."""
    if node.listen is None:
        return Endpoints(news=f"tcp://{config.transport.host}:*", requests=f"tcp://{config.transport.host}:*")
    return Endpoints(news=node.listen, requests=next_port(node.listen))


def _check_deployment(config: Config, node: Node, key: KeyPair) -> None:
    """What a node on a host of its own must find in its topology. Raises `ConfigError`."""
    for other in config.nodes:
        needed = {"listen": other.listen, "public_key": other.public_key, **({"curve_key": other.curve_key} if config.curve else {})}
        for field, value in needed.items():
            if not value:
                raise ConfigError(
                    f"{config.network.name}: node.{other.name}.{field} is missing: all hosts must know it (`dfl-actors keys show`)"
                )
    if node.public_key != key.public:
        raise ConfigError(
            f"{config.network.name}: node.{node.name}.public_key is {(node.public_key or '')[:8]}..., the key file has "
            f"{key.public[:8]}...: correct one of them"
        )
