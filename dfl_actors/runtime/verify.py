"""A full check of chains on disk, in a child process: a damaged LMDB file ends its reader, and that must not be us."""

import shutil
from pathlib import Path

import msgspec

from dfl_actors.core import chain, codec
from dfl_actors.core.checks import Verifier
from dfl_actors.core.objects import FinalBlock, Genesis
from dfl_actors.errors import ChainError, Refused
from dfl_actors.processes.isolated import in_child
from dfl_actors.runtime.rundir import RunDirectory, read_about
from dfl_actors.runtime.stores import ChainStore, ModelStore

LARGEST_BLOCK = 1 << 30


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


def verify_all(run: RunDirectory, names: tuple[str, ...]) -> list[Verified]:
    """Verify the chains of these nodes. Raises `ChainError` naming node, block and rule, or `StoreError`."""
    return in_child(_verify_all, run.path, names)


def _verify_all(path: Path, names: tuple[str, ...]) -> list[Verified]:
    return [verify(RunDirectory(path), name) for name in names]


def verify(run: RunDirectory, name: str) -> Verified:
    """Verify one chain in this process: genesis, hash chain, every digest, every signature, every rule between blocks."""
    node, about = run.node(name), read_about(run)
    with ChainStore(node.chain, readonly=True) as store:
        raw_genesis = store.genesis
        if raw_genesis is None:
            raise ChainError(f"{node.chain}: the chain has no genesis: it was never begun")
        genesis = _genesis(raw_genesis, str(node.chain))
        if genesis != about.genesis:
            raise ChainError(
                f"node {name}: the chain in {node.chain} is of another genesis, {genesis[:8]}, this run's is {about.genesis[:8]}"
            )
        state, blocks = chain.empty(genesis), []
        verifier, expected = Verifier(genesis), store.height
        for height, raw in enumerate(store.blocks()):
            try:
                block = codec.decode(FinalBlock, raw, LARGEST_BLOCK)
                state = chain.extend(state, block, verifier)
                if block.draft.generator != about.nodes.get(name):
                    raise Refused("other_generator", f"{block.draft.generator[:8]} is not node {name}")
            except Refused as error:
                raise ChainError(f"node {name}: block {height} breaks rule {error}: the chain in {node.chain} was altered") from None
            blocks.append(block)
        if state.height < expected:
            raise ChainError(f"node {name}: block {state.height} is missing: the chain in {node.chain} was altered")
    transactions = [entry.transaction for block in blocks for entry in block.draft.entries]
    return Verified(
        node=name,
        height=state.height,
        head=state.head,
        genesis=genesis,
        transactions=len(transactions),
        receipts=sum(len(entry.receipts) for block in blocks for entry in block.draft.entries),
        confirmations=sum(len(block.confirmations) for block in blocks),
        weights=_check_weights(run, name, {transaction.model for transaction in transactions}),
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
        shutil.rmtree(models)
    return removed
