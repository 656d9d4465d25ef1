"""The model of a node as its run directory keeps it, also while the run goes on. A child process reads: a damaged store ends its reader."""

from contextlib import suppress
from pathlib import Path

import numpy as np

from dfl_actors.actors.trainer import Checkpoint
from dfl_actors.core import codec
from dfl_actors.core.chain import LARGEST_BLOCK
from dfl_actors.core.codec import model_digest, reread
from dfl_actors.core.objects import FinalBlock, Genesis
from dfl_actors.errors import StoreError
from dfl_actors.learning.weights import LAST, Kept, Parameters, decode_model, encode_model
from dfl_actors.processes.isolated import in_child
from dfl_actors.runtime.rundir import NodeDirectory, RunDirectory
from dfl_actors.runtime.stores import ChainStore, Journal, ModelStore


def kept_model(run: RunDirectory, name: str, number: str, at: int | None) -> Kept:
    """The newest model of node `name`, or that of its transaction in block `at`; `number` is the run's codec. Raises `StoreError`."""
    return in_child(_kept_model, run.path, name, number, at)


def _kept_model(path: Path, name: str, number: str, at: int | None) -> Kept:
    node = RunDirectory(path).node(name)
    with ChainStore(node.chain, readonly=True) as chain:
        parameters = Parameters(codec.decode(Genesis, chain.genesis or b"", limit=1 << 24).layers)
        if at is not None:
            return _of_block(chain, node, at, parameters)
    with Journal(node.journal("trainer"), readonly=True) as journal:
        state, saved = journal.get(b"state"), journal.get(b"point")
    point = None if saved is None else reread(Checkpoint, saved)
    if point is not None and point.serving:
        with suppress(StoreError):
            return _stored(node, point.serving, number, LAST if state is not None else point.sequence, parameters)
    if state is not None and point is not None:
        data = encode_model(np.frombuffer(state, "<f4")[: parameters.size], number)
        return Kept(decode_model(data, number, parameters.size).copy(), model_digest(data), LAST, parameters.layers)
    if point is None or not point.model:
        raise StoreError(
            f"node {name} has no model yet: it has one with its first transaction, an observer with its first average; wait for it"
        )
    return _stored(node, point.model, number, point.sequence, parameters)


def _of_block(chain: ChainStore, node: NodeDirectory, at: int, parameters: Parameters) -> Kept:
    """The model of the last of the node's transactions in a block of its chain."""
    block = chain.block(at)
    if block is None:
        heights = f"heights 0 to {chain.height - 1}" if chain.height else "no block yet"
        raise StoreError(f"node {node.path.name} has no block {at}, its chain has {heights}: give another --at")
    entries = codec.decode(FinalBlock, block, limit=LARGEST_BLOCK).draft.entries
    transaction = entries[-1].transaction
    return _stored(node, transaction.model, transaction.codec, transaction.sequence, parameters)


def _stored(node: NodeDirectory, digest: str, number: str, sequence: int, parameters: Parameters) -> Kept:
    with ModelStore(node.models) as models, models.view(digest) as data:
        if data is None or model_digest(data) != digest:
            raise StoreError(f"{node.models} no longer holds model {digest[:8]}: raise store.models, or take a newer block")
        return Kept(decode_model(data, number, parameters.size).copy(), digest, sequence, parameters.layers)
