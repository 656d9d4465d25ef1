"""A full check of chains on disk, in a child process: a damaged LMDB file ends its reader, and that must not be us."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from dfl_actors.core import chain, codec
from dfl_actors.core.chain import LARGEST_BLOCK
from dfl_actors.core.checks import Verifier
from dfl_actors.core.objects import FinalBlock, Genesis
from dfl_actors.errors import ChainError, Refused
from dfl_actors.processes.isolated import in_child
from dfl_actors.runtime.rundir import NodeDirectory, RunDirectory, read_about
from dfl_actors.runtime.store_errors import store_error
from dfl_actors.runtime.stores import ChainStore, Journal, ModelStore


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What a chain that verifies holds. `weights` of its transactions' models are still in the node's store."""

    node: str
    height: int
    head: str
    genesis: str
    transactions: int = 0
    receipts: int = 0
    confirmations: int = 0
    weights: int = 0


def verify_all(run: RunDirectory, names: tuple[str, ...], pin: bool = False) -> list[Verified]:
    """Verify the chains of these nodes. Raises `ChainError` naming node, block and rule, or `StoreError`.

    `pin`: the journal of a node that has none yet gets one, so that its builder need not verify the chain once more.
    """
    return in_child(_verify_all, run.path, names, pin)


def _verify_all(path: Path, names: tuple[str, ...], pin: bool) -> list[Verified]:
    return [verify(RunDirectory(path), name, pin) for name in names]


def verify(run: RunDirectory, name: str, pin: bool = False) -> Verified:
    """Verify one chain in this process: genesis, hash chain, every digest, every signature, every rule between blocks, and the pin."""
    node, about = run.node(name), read_about(run)
    pinned = _pinned(node, name)  # before the chain is read, which may grow meanwhile
    with ChainStore(node.chain, readonly=True) as store:
        genesis = _check_genesis(node, name, store.genesis, about.genesis)
        state, blocks = chain.empty(genesis), []
        for block, state in _check_blocks(store, genesis, node, name, about.nodes.get(name)):
            blocks.append(block)
            if pinned is not None and state.height == pinned.height and state != pinned:
                raise ChainError(
                    f"node {name}: block {pinned.height - 1} is not the one that its journal pins: the chain in {node.chain} was altered"
                )
        if pinned is not None:
            _check_pin(pinned, store, name)
    if pin and pinned is None:
        with Journal(node.journal("builder")) as journal:
            journal.commit([(chain.PIN, chain.encode_pin(state))])
    return _verified(run, name, genesis, state, blocks)


def _check_pin(pinned: chain.ChainState, store: ChainStore, name: str) -> None:
    try:
        chain.check_pin(pinned, store)
    except ChainError as error:
        raise ChainError(f"node {name}: {error}") from None


def _pinned(node: NodeDirectory, name: str) -> chain.ChainState | None:
    """The state that the builder's journal pins; None in a directory from before there were pins, or without its journal."""
    if not (path := node.journal("builder")).exists():
        return None
    with Journal(path, readonly=True) as journal:
        try:
            return chain.decode_pin(journal.get(chain.PIN))
        except Refused as error:
            raise ChainError(f"node {name}: {error}: the journal in {path} was altered") from None


def _check_genesis(node: NodeDirectory, name: str, raw: bytes | None, expected: str) -> str:
    if raw is None:
        raise ChainError(f"{node.chain}: the chain has no genesis: it was never begun")
    genesis = _genesis(raw, str(node.chain))
    if genesis != expected:
        raise ChainError(f"node {name}: the chain in {node.chain} is of another genesis, {genesis[:8]}, this run's is {expected[:8]}")
    return genesis


def _check_blocks(
    store: ChainStore, genesis: str, node: NodeDirectory, name: str, owner: str | None
) -> Iterator[tuple[FinalBlock, chain.ChainState]]:
    """Each block with the state after it."""
    state, verifier, expected = chain.empty(genesis), Verifier(genesis), store.height
    for height, raw in enumerate(store.blocks()):
        try:
            block = codec.decode(FinalBlock, raw, LARGEST_BLOCK)
            state = chain.extend(state, block, verifier)
            if block.draft.generator != owner:
                raise Refused("other_generator", f"{block.draft.generator[:8]} is not node {name}")
        except Refused as error:
            raise ChainError(f"node {name}: block {height} breaks rule {error}: the chain in {node.chain} was altered") from None
        yield block, state
    if state.height < expected:
        raise ChainError(f"node {name}: block {state.height} is missing: the chain in {node.chain} was altered")


def _verified(run: RunDirectory, name: str, genesis: str, state: chain.ChainState, blocks: Sequence[FinalBlock]) -> Verified:
    entries = [entry for block in blocks for entry in block.draft.entries]
    return Verified(
        node=name,
        height=state.height,
        head=state.head,
        genesis=genesis,
        transactions=len(entries),
        receipts=sum(len(entry.receipts) for entry in entries),
        confirmations=sum(len(block.confirmations) for block in blocks),
        weights=_check_weights(run, name, {entry.transaction.model for entry in entries}),
    )


def _genesis(raw: bytes, where: str) -> str:
    try:
        return codec.digest(codec.decode(Genesis, raw, LARGEST_BLOCK))
    except Refused as error:
        raise ChainError(
            f"{where}: the genesis breaks rule {error}: the chain was altered, or another version of dfl-actors made it"
        ) from None


def _check_weights(run: RunDirectory, name: str, models: set[str]) -> int:
    """How many of the models are still stored; each must have its digest. Weights may be gone, never wrong."""
    path = run.node(name).models
    if not path.exists():
        return 0
    found = 0
    with ModelStore(path) as store:
        for model in models:
            with store.view(model) as data:
                if data is not None and codec.model_digest(data) != model:
                    raise ChainError(f"node {name}: stored weights {model[:8]} do not have their digest: remove them with `chain prune`")
                found += data is not None
    return found


def read_all(run: RunDirectory, names: tuple[str, ...]) -> dict[str, list[str]]:
    """The blocks of these nodes' chains as canonical JSON text. Raises `StoreError`."""
    return in_child(_read_all, run.path, names)


def _read_all(path: Path, names: tuple[str, ...]) -> dict[str, list[str]]:
    run = RunDirectory(path)
    blocks = {}
    for name in names:
        with ChainStore(run.node(name).chain, readonly=True) as store:
            # Damaged bytes are for `decode` to refuse.
            blocks[name] = [raw.decode(errors="replace") for raw in store.blocks()]
    return blocks


def prune_all(run: RunDirectory, names: tuple[str, ...]) -> dict[str, int]:
    """Remove the stored models of these nodes; how many there were. Raises `StoreError`."""
    return in_child(_prune_all, run.path, names)


def _prune_all(path: Path, names: tuple[str, ...]) -> dict[str, int]:
    run = RunDirectory(path)
    removed = {}
    for name in names:
        models = run.node(name).models
        if not models.exists():
            removed[name] = 0
            continue
        with ModelStore(models) as store:
            removed[name] = len(store.keys())
        try:
            shutil.rmtree(models)
        except OSError as error:
            raise store_error(models, error) from error
    return removed
