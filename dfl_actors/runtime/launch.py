"""From a configuration to a running network and back: the run directory, the keys, the genesis, the plans, the supervisor."""

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
import orjson
import zmq

from dfl_actors import __version__
from dfl_actors.actors.base import Settings
from dfl_actors.config import Config, Node, load_topology, scaled
from dfl_actors.config.listen import next_port
from dfl_actors.core import codec
from dfl_actors.core.control import Failed
from dfl_actors.core.keys import KeyPair, address_of
from dfl_actors.core.objects import Address, Genesis
from dfl_actors.errors import ActorError, ConfigError
from dfl_actors.files import whole
from dfl_actors.learning.data import load_dataset
from dfl_actors.learning.weights import Parameters
from dfl_actors.runtime import children
from dfl_actors.runtime.clock import Clock
from dfl_actors.runtime.evaluator import found
from dfl_actors.runtime.keyfiles import curve_keys, load_key, new_key
from dfl_actors.runtime.net import Endpoints
from dfl_actors.runtime.plan import NodePlan
from dfl_actors.runtime.rundir import About, RunDirectory, check_space, read_about
from dfl_actors.runtime.signals import raised
from dfl_actors.runtime.stores import ChainStore
from dfl_actors.runtime.supervisor import KnownError, Outcome, Supervisor, Watcher, control_server, heard
from dfl_actors.runtime.verify import verify_all


def run_network(config: Config, out: Path, watcher: Watcher, begun: float) -> Outcome:
    """Run every node of `config` on this machine in the new directory `out`. Raises `DflError`; then `out` is as it was.

    `begun` is the monotonic time of the command, from which readiness is measured.
    """
    check_space(out)
    with _begun(out) as run:
        keys = {node.name: new_key(run.node(node.name).path) for node in config.nodes}
        return _first(_run(config, run, keys, watcher, begun, None), run)


def resume_network(path: Path, options: tuple[str, ...], watcher: Watcher, begun: float) -> Outcome:
    """Go on with the run in `path`, with `options` over its configuration. Raises `DflError`."""
    run = RunDirectory.open(path)
    check_space(path)
    before = read_about(run)
    config = load_topology(run.config, options, deployed=True)
    with run.lock():
        begun = _verified(run, tuple(before.nodes), watcher, begun)
        keys = {node.name: load_key(run.node(node.name).path) for node in config.nodes}
        return _run(config, run, keys, watcher, begun, before)


def run_node(config: Config, name: str, key_directory: Path, out: Path, watcher: Watcher, begun: float) -> Outcome:
    """Run one node of `config` on this host; its neighbours run on theirs. `out` is made, or gone on with. Raises `DflError`."""
    node = config.node(name)
    key = load_key(key_directory)
    _check_deployment(config, node, key)
    check_space(out)
    if not (out / "run.json").exists():
        with _begun(out) as run:
            return _first(_run(config, run, {name: key}, watcher, begun, None, key_directory), run)
    run = RunDirectory.open(out)
    with run.lock():
        begun = _verified(run, (name,), watcher, begun)
        return _run(config, run, {name: key}, watcher, begun, read_about(run), key_directory)


def _verified(run: RunDirectory, names: tuple[str, ...], watcher: Watcher, begun: float) -> float:
    """`begun`, put off by the time that verifying the chains took: a long chain is not late to be ready. Raises `DflError`."""
    before = time.monotonic()
    watcher.event("verifying the chains")
    verify_all(run, names, pin=True)
    return begun + time.monotonic() - before


@contextmanager
def _begun(out: Path) -> Iterator[RunDirectory]:
    """A new run directory, locked. If an error comes before its run.json, all is as it was. Raises `StoreError`."""
    existed = out.exists()
    run = RunDirectory.create(out)
    with run.lock():
        try:
            yield run
        except BaseException:
            if not run.run.exists():
                for path in out.iterdir() if existed else (out,):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            raise


def _first(outcome: Outcome, run: RunDirectory) -> Outcome:
    """The outcome of a new run. Raises what its user must mend before it can begin; then nothing has happened that is worth keeping."""
    if isinstance(outcome.error, KnownError) and not outcome.ready_seconds:
        run.run.unlink()
        raise outcome.error
    return outcome


def _run(
    config: Config,
    run: RunDirectory,
    keys: Mapping[str, KeyPair],
    watcher: Watcher,
    begun: float,
    before: About | None,
    key_directory: Path | None = None,
) -> Outcome:
    """`key_directory` is where the keys lie; None: each in its node's directory."""
    with raised() as check_stopped, _sockets_directory() as sockets, _context() as context:
        cache = sockets / "data"
        cache.mkdir()
        control, clock = control_server(context, sockets), Clock()
        watcher.event("preparing the data and the model")
        load_dataset(config.data.source, cache)
        check_stopped()
        genesis = _found(config, cache, sockets, control)
        check_stopped()
        starts = 0 if before is None else before.starts
        plans = _plans(scaled(config), run, keys, genesis, cache, sockets, clock.anchor, starts, key_directory)
        _write(config, run, plans, genesis, sockets, clock().wall, before)
        supervisor = Supervisor(plans, context, control, _elsewhere(config, keys), watcher, begun)
        check_stopped()
        outcome = supervisor.run()
        control.close(0)
        return outcome


def _found(config: Config, cache: Path, sockets: Path, control: zmq.Socket[bytes]) -> Genesis:
    """The network's genesis, made in a process that may load TensorFlow. Raises what is wrong with the model or the data."""
    log = sockets / "founder.log"
    founder = children.start("founder", found, config, cache, sockets, log)
    try:
        founder.join()
    finally:
        children.kill(founder)
    control.poll(200 if founder.exitcode else 0)
    for _, message in heard(control):
        if isinstance(message, Failed):
            raise KnownError(message.text, message.exit_code)
    if founder.exitcode:
        reason = log.read_text(errors="replace").strip().rpartition("\n")[2] or children.how_it_ended(founder)
        raise ActorError(f"the genesis could not be made: {reason}")
    return codec.decode(Genesis, (sockets / "genesis.json").read_bytes(), limit=1 << 24)


def _plans(
    config: Config,
    run: RunDirectory,
    keys: Mapping[str, KeyPair],
    genesis: Genesis,
    cache: Path,
    sockets: Path,
    anchor: int,
    starts: int,
    key_directory: Path | None,
) -> list[NodePlan]:
    identity = codec.digest(genesis)
    together = len(keys) == len(config.nodes)
    addresses = {node.name: _address(node, keys) for node in config.nodes}
    curves = {node.name: _curve_key(config, node, keys) for node in config.nodes}
    plans = []
    for name, key in keys.items():
        node = config.node(name)
        neighbours = tuple(addresses[other] for other in node.neighbours)
        with ChainStore(run.node(name).chain) as chain:
            chain.create(codec.encode(genesis))
        plans.append(
            NodePlan(
                config=config,
                node=node,
                settings=Settings(address=key.address, genesis=identity, neighbours=neighbours),
                parameters=Parameters(genesis.layers).size,
                together=together,
                layers=genesis.layers,
                bind=listening(config, node),
                curve_allowed=frozenset(curves[other] for other in node.neighbours if curves[other]),
                directory=run.path.absolute(),
                keys=(key_directory or run.node(name).path).absolute(),
                sockets=sockets,
                cache=cache,
                folder=Path.cwd(),
                anchor=anchor,
                starts=starts,
            )
        )
    return plans


def listening(config: Config, node: Node) -> Endpoints:
    """Where a node binds: its own address and the port after it, or ports that the system chooses."""
    if node.listen is None:
        return Endpoints(news=f"tcp://{config.transport.host}:*", requests=f"tcp://{config.transport.host}:*")
    return Endpoints(news=node.listen, requests=next_port(node.listen))


def _elsewhere(config: Config, keys: Mapping[str, KeyPair]) -> dict[Address, Endpoints]:
    """Where the nodes of other hosts listen."""
    return {
        _address(node, keys): Endpoints(news=node.listen or "", requests=next_port(node.listen or ":0"), curve=node.curve_key or "")
        for node in config.nodes
        if node.name not in keys
    }


def _address(node: Node, keys: Mapping[str, KeyPair]) -> Address:
    return keys[node.name].address if node.name in keys else address_of(node.public_key or "")


def _curve_key(config: Config, node: Node, keys: Mapping[str, KeyPair]) -> str:
    if not config.curve:
        return ""
    return curve_keys(keys[node.name])[0].decode() if node.name in keys else node.curve_key or ""


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


def _write(
    config: Config, run: RunDirectory, plans: list[NodePlan], genesis: Genesis, sockets: Path, now: int, before: About | None
) -> None:
    about = About(
        name=config.network.name,
        started=now if before is None else before.started,
        nodes={plan.node.name: plan.settings.address for plan in plans},
        links=tuple(config.links),
        genesis=codec.digest(genesis),
        seed=config.network.seed,
        version=__version__,
        command=sys.argv,
        target=config.run.target or None,
        starts=1 if before is None else before.starts + 1,
        sockets=str(sockets),
    )
    with whole(run.config) as draft:
        draft.write_text(config.resolved(), encoding="utf-8")
    with whole(run.path / "genesis.json") as draft:
        draft.write_bytes(codec.encode(genesis))
    with whole(run.run) as draft:  # the last, for it makes the directory that of a run
        draft.write_bytes(orjson.dumps(msgspec.to_builtins(about), option=orjson.OPT_INDENT_2))


@contextmanager
def _sockets_directory() -> Iterator[Path]:
    """A directory for sockets that only we may enter; gone at the end."""
    directory = Path(tempfile.mkdtemp(prefix="dfl-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        yield context
    finally:
        context.destroy(linger=0)


def monotonic() -> float:
    """The clock that `begun` is read from."""
    return time.monotonic()
