"""A full check of chains on disk, in a child process: a damaged LMDB file ends its reader, and that must not be us."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from dfl_actors.actors.trainer import Checkpoint
from dfl_actors.core import chain, codec
from dfl_actors.core.chain import LARGEST_BLOCK
from dfl_actors.core.checks import Verifier
from dfl_actors.core.codec import reread
from dfl_actors.core.evidence import KEPT, Evidence, check_contradiction
from dfl_actors.core.family import ACTORS
from dfl_actors.core.members import LISTED, Roll
from dfl_actors.core.objects import FinalBlock, Genesis, MemberList
from dfl_actors.errors import ChainError, Refused, StoreError
from dfl_actors.files import read_bytes
from dfl_actors.processes.isolated import ReaderDied, in_child
from dfl_actors.processes.limits import limit_processor
from dfl_actors.runtime.marks import check_marks
from dfl_actors.runtime.rundir import NodeDirectory, RunDirectory, read_about
from dfl_actors.runtime.store_errors import store_error
from dfl_actors.runtime.stores import ChainStore, Journal, ModelStore

T = TypeVar("T")
COPY = "put a copy in its place"
UNDER = {"transaction": "with sequence number", "draft": "at height", "receipt": "for transaction"}
READING, READING_A_MB = 60, 10  # Seconds of work that reading stores may take, and for each MB in them.


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What a chain that verifies holds; `first` is the height of its first block, above 0 when those before it were lost. Nobody
    confirmed any receipt of the `abandoned` ones. `weights` of its transactions' models are still in the node's store."""

    node: str
    height: int
    first: int = 0
    head: str
    genesis: str
    transactions: int = 0
    receipts: int = 0
    confirmations: int = 0
    abandoned: int = 0
    weights: int = 0
    contradictions: tuple[str, ...] = ()
    """Who signed two things where there may be one, as the evidence shows that the node keeps."""


def verify_all(run: RunDirectory, names: tuple[str, ...]) -> list[Verified]:
    """Verify the chains of these nodes. Raises `ChainError` naming node, block and rule, or `StoreError`."""
    check_genesis(run)
    return _isolated(_verify_sound, run, names)


def check_genesis(run: RunDirectory) -> None:
    """That the file from which people read and export the genesis has the one of this run, if it is there. Raises `ChainError`."""
    path, about = run.path / "genesis.json", read_about(run)
    try:
        found = codec.digest(codec.decode(Genesis, read_bytes(path), LARGEST_BLOCK)) if path.exists() else about.genesis
    except Refused as error:
        raise ChainError(f"{path} breaks rule {error}: it was altered: {COPY}") from None
    if found != about.genesis:
        raise ChainError(f"{path} was altered: it is of genesis {found[:8]}, this run is of {about.genesis[:8]}: {COPY}")


def signed_any(run: RunDirectory, names: tuple[str, ...]) -> tuple[bool, frozenset[str]]:
    """Verify the chains of nodes that are to go on; False where none of them ever signed anything that stays, so that there is nothing to
    verify, and the directory may begin in another network. Also, whose models are damaged, which can be had again. Raises as `verify_all`.

    The journal of a node that pins no head yet gets one, so that its builder need not verify the chain once more.
    """
    try:
        with _pinpointed(run, names):
            return in_child(_signed_any, run.path, names, names)
    except ReaderDied:  # of models, nobody knows whose
        with _pinpointed(run, names):
            return in_child(_signed_any, run.path, names)[0], frozenset(names)


def lists_all(run: RunDirectory, names: tuple[str, ...]) -> dict[str, list[str]]:
    """The lists of members of these nodes' chains as canonical JSON text, none where the genesis alone names them. Raises `StoreError`."""
    return dict(zip(names, _isolated(_lists, run, names), strict=True))


def read_all(run: RunDirectory, names: tuple[str, ...]) -> dict[str, list[str]]:
    """The blocks of these nodes' chains as canonical JSON text. Raises `ChainError` for a chain without a genesis, `StoreError`."""
    return dict(zip(names, _isolated(_read, run, names), strict=True))


def prune_all(run: RunDirectory, names: tuple[str, ...]) -> dict[str, int]:
    """Remove the stored models of these nodes; how many there were. Raises `StoreError`."""
    return dict(zip(names, _isolated(_prune, run, names), strict=True))


def _isolated(function: Callable[..., T], run: RunDirectory, names: tuple[str, ...], *more: object) -> list[T]:
    """`function(run, name, *more)` of each name, called in a child process."""
    with _pinpointed(run, names):
        return in_child(_each, run.path, function, names, more)


def _each(path: Path, function: Callable[..., T], names: tuple[str, ...], more: tuple[object, ...]) -> list[T]:
    nodes = [RunDirectory(path).node(name) for name in names]
    _bound(store for node in nodes for store in (*_stores(node), node.models))
    return [function(RunDirectory(path), name, *more) for name in names]


def verify(run: RunDirectory, name: str, pin: bool = False, weights: bool = True) -> Verified:
    """Verify one chain in this process: genesis, hash chain, every digest, every signature, every rule between blocks, and the pin, which a
    chain without one gets with `pin`; with `weights` the models too that are still stored."""
    node, about = run.node(name), read_about(run)
    with _named(name):
        pinned, base = _pinned(node), _pinned(node, chain.BASE)  # before the chain is read, which may grow meanwhile
    with ChainStore(node.chain, readonly=True) as store:
        genesis = _genesis(store.genesis, node)
        with _named(name):
            if (digest := codec.digest(genesis)) != about.genesis:
                raise ChainError(f"the chain in {node.chain} is of another genesis, {digest[:8]}, this run's is {about.genesis[:8]}")
            state, blocks = _blocks(store, genesis, node, about.nodes.get(name), pinned, base)
    if pin and pinned is None:
        with Journal(node.journal("builder")) as journal:
            journal.commit([(chain.PIN, chain.encode_pin(state))])
    entries = [entry for block in blocks for entry in block.draft.entries]
    with _named(name):
        found = _count_weights(node.models, {entry.transaction.model for entry in entries}) if weights else 0
    return Verified(
        contradictions=tuple(_contradictions(node, digest)),
        node=name,
        height=state.height,
        first=0 if base is None else base.height,
        head=state.head,
        genesis=digest,
        transactions=len(entries),
        receipts=sum(len(entry.receipts) for entry in entries),
        confirmations=sum(len(block.confirmations) for block in blocks),
        abandoned=sum(not block.confirmations for block in blocks),
        weights=found,
    )


def _contradictions(node: NodeDirectory, genesis: str) -> Iterator[str]:
    """What the evidence in its gossiper's journal shows, each checked. Raises `ChainError`."""
    verifier, path = Verifier(genesis), node.journal("gossiper")
    for key, raw in _entries(path):
        if not key.startswith(KEPT):
            continue
        try:
            kind, signer, where = check_contradiction(codec.decode(Evidence, raw, LARGEST_BLOCK), verifier)
        except Refused as error:
            raise ChainError(f"evidence in {path} breaks rule {error}: the journal was altered: {COPY}") from None
        yield f"{signer[:16]} signed two {kind}s {UNDER[kind]} {where[:16]}"


@contextmanager
def _pinpointed(run: RunDirectory, names: tuple[str, ...]) -> Iterator[None]:
    """Where the reader of all stores died inside, the one that it died of is named. Raises `StoreError`."""
    try:
        yield
    except ReaderDied:
        for name in names:
            for path in (*_stores(run.node(name)), *filter(Path.exists, [run.node(name).models])):
                in_child(_check_bounded, path)
        raise


def _stores(node: NodeDirectory) -> list[Path]:
    """Those that hold what cannot be had again."""
    return [path for path in (node.chain, *map(node.journal, ACTORS)) if path.exists()]


def _bound(stores: Iterable[Path]) -> None:
    """A damaged store may have no end: reading these and checking what is in them gets far more time than it needs."""
    size = sum(file.stat().st_size for path in stores if (file := path / "data.mdb").exists())
    limit_processor(READING + READING_A_MB * (size >> 20))


def _check_bounded(path: Path) -> None:
    _bound([path])
    _check_store(path)


def _check_store(path: Path) -> None:
    with Journal(path, readonly=True) as store:
        store.check()


def _verify_sound(run: RunDirectory, name: str) -> Verified:
    for path in _stores(run.node(name)):
        _check_store(path)
    if run.node(name).journals.exists():  # a copy to be verified need not have them
        check_marks(run, name)
    return verify(run, name)


def _signed_any(path: Path, names: tuple[str, ...], models: tuple[str, ...] = ()) -> tuple[bool, frozenset[str]]:
    run = RunDirectory(path)
    _bound(store for node in map(run.node, names) for store in (*_stores(node), node.models))
    for name in names:
        for store in _stores(run.node(name)):
            _check_store(store)
        check_marks(run, name)
    signed = not all(_unsigned(run.node(name)) for name in names)
    for name in names if signed else ():
        verify(run, name, pin=True, weights=False)
    return signed, frozenset(name for name in models if not _models_sound(run.node(name).models))


def _models_sound(path: Path) -> bool:
    try:
        if path.exists():
            with ModelStore(path) as store:
                store.check()
    except StoreError:
        return False
    return True


def _unsigned(node: NodeDirectory) -> bool:
    """Whether a node has made no step, taken in no sample, and signed no transaction, receipt or draft."""
    if not node.chain.exists() or (node.fed.exists() and any(node.fed.iterdir())):
        return False
    with ChainStore(node.chain, readonly=True) as store:
        if store.genesis is None or store.height:
            return False
    trainer, validator, builder = (dict(_entries(node.journal(actor))) for actor in ("trainer", "validator", "builder"))
    point = reread(Checkpoint, trainer[b"point"]) if b"point" in trainer else None
    trained = b"transaction" in trainer or (point is not None and (point.steps > 0 or point.sequence >= 0))
    pin = _pinned(node)
    return not trained and not validator and builder.keys() <= {chain.PIN} and (pin is None or pin.height == 0)


def _entries(path: Path) -> list[tuple[bytes, bytes]]:
    if not path.exists():
        return []
    with Journal(path, readonly=True) as journal:
        return list(journal.scan(b""))


@contextmanager
def _named(name: str) -> Iterator[None]:
    """A `ChainError` inside is about this node."""
    try:
        yield
    except ChainError as error:
        raise ChainError(f"node {name}: {error}") from None


def _pinned(node: NodeDirectory, key: bytes = chain.PIN) -> chain.ChainState | None:
    """The state that the builder's journal pins, or (`BASE`) from which a chain goes on whose beginning was lost. None without one, as in a
    directory from before there were pins, or without its journal."""
    if not (path := node.journal("builder")).exists():
        return None
    with Journal(path, readonly=True) as journal:
        try:
            return chain.decode_pin(journal.get(key))
        except Refused as error:
            raise ChainError(f"{error}: the journal in {path} was altered: {COPY}") from None


def _roll(genesis: Genesis, node: NodeDirectory, owner: str | None, verifier: Verifier) -> Roll:
    """Who the members are, and since when, as the genesis and the builder's journal say. Raises `ChainError`."""
    roll = Roll(genesis)
    for raw in _listed(node):
        try:
            roll.add(codec.decode(MemberList, raw), owner, verifier)
        except Refused as error:
            raise ChainError(f"a list of members breaks rule {error}: {node.journal('builder')} was altered: {COPY}") from None
    return roll


def _listed(node: NodeDirectory) -> list[bytes]:
    return [raw for key, raw in _entries(node.journal("builder")) if key.startswith(LISTED)]


def _genesis(raw: bytes | None, node: NodeDirectory) -> Genesis:
    """A chain's genesis."""
    if raw is None:
        raise ChainError(f"{node.chain}: the chain has no genesis: it was never begun, or its file is damaged: {COPY}")
    try:
        return codec.decode(Genesis, raw, LARGEST_BLOCK)
    except Refused as error:
        raise ChainError(
            f"{node.chain}: the genesis breaks rule {error}: the chain was altered: {COPY}; or another version of dfl-actors made it"
        ) from None


def _blocks(
    store: ChainStore,
    genesis: Genesis,
    node: NodeDirectory,
    owner: str | None,
    pinned: chain.ChainState | None,
    base: chain.ChainState | None,
) -> tuple[chain.ChainState, list[FinalBlock]]:
    """All blocks, each checked, and the state after them."""
    state, blocks, verifier = base or chain.empty(codec.digest(genesis)), list[FinalBlock](), Verifier(codec.digest(genesis))
    roll, expected = _roll(genesis, node, owner, verifier), store.height
    for height, raw in enumerate(store.blocks(), store.first):
        try:
            block = codec.decode(FinalBlock, raw, LARGEST_BLOCK)
            state = chain.extend(state, block, verifier)
            roll.check(block.draft)
            if block.draft.generator != owner:
                raise Refused("other_generator", f"{block.draft.generator[:8]} is not node {node.path.name}")
        except Refused as error:
            raise ChainError(f"block {height} breaks rule {error}: the chain in {node.chain} was altered: {COPY}") from None
        if pinned is not None and state.height == pinned.height and state != pinned:
            raise ChainError(f"block {height} is not the one that its journal pins: the chain in {node.chain} was altered: {COPY}")
        blocks.append(block)
    if state.height < expected:
        raise ChainError(f"block {state.height} is missing: the chain in {node.chain} was altered: {COPY}")
    if pinned is not None:
        chain.check_pin(pinned, store, base)
    return state, blocks


def _count_weights(path: Path, models: set[str]) -> int:
    """How many of the models are still stored; each must have its digest. Weights may be gone, never wrong."""
    if not path.exists():
        return 0
    found = 0
    with ModelStore(path) as store:
        for model in models:
            with store.view(model) as data:
                if data is not None and codec.model_digest(data) != model:
                    raise ChainError(f"stored weights {model[:8]} do not have their digest: remove them with `chain prune`")
                found += data is not None
    return found


def _read(run: RunDirectory, name: str) -> list[str]:
    node = run.node(name)
    with ChainStore(node.chain, readonly=True) as store:
        _genesis(store.genesis, node)
        return [raw.decode(errors="replace") for raw in store.blocks()]  # damaged bytes are for `decode` to refuse


def _lists(run: RunDirectory, name: str) -> list[str]:
    return [raw.decode(errors="replace") for raw in _listed(run.node(name))]


def _prune(run: RunDirectory, name: str) -> int:
    models = run.node(name).models
    if not models.exists():
        return 0
    if not models.resolve().is_relative_to(run.path.resolve()):
        raise StoreError(f"{models} lies outside the run, in {models.resolve()}: nothing is removed there; make the link a directory")
    with ModelStore(models) as store:
        count = len(store.keys())
    try:
        shutil.rmtree(models)
    except OSError as error:
        raise store_error(models, error) from error
    return count
