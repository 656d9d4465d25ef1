"""What a machine that lost its power may have left of a model store, which is never synced: models that are half written, or no store at
all. A node that went on with one would train from noise, and would be found a liar by those it serves.

So a node whose machine was started anew since its last run keeps of its models those that have their digest, and no more: what is
missing is fetched again, or trained from the network's first model. Nothing else of a node is concerned, for all the rest is synced.
"""

import shutil
from pathlib import Path

from dfl_actors.config.toml_text import counted
from dfl_actors.core.codec import model_digest
from dfl_actors.errors import StoreError
from dfl_actors.files import explained
from dfl_actors.processes.isolated import in_child
from dfl_actors.runtime.rundir import NodeDirectory
from dfl_actors.runtime.stores import ModelStore

BOOT = Path("/proc/sys/kernel/random/boot_id")
"""Names this start of the machine. Where there is none every start of a run counts as one of the machine."""


def put_right(node: NodeDirectory, capacity: int, largest: int, damaged: bool = False) -> str:
    """Do it if it is due, or the store was found damaged, for one of so many models of at most so many bytes; what is to be told. Raises
    `StoreError`."""
    with explained(f"{node.path} cannot be written", "correct its permissions, or free some space"):
        boot, told = _boot(), ""
        mark = node.models / "boot"
        same = boot and mark.exists() and mark.read_text(encoding="ascii") == boot
        if node.models.exists() and (damaged or not same):
            told = _put_right(node, capacity, largest, damaged)
        node.models.mkdir(mode=0o700, parents=True, exist_ok=True)
        mark.write_text(boot, encoding="ascii")
    return told


def _boot() -> str:
    return BOOT.read_text(encoding="ascii").strip() if BOOT.exists() else ""


def _put_right(node: NodeDirectory, capacity: int, largest: int, damaged: bool) -> str:
    anew = node.models.with_name("models.part")
    shutil.rmtree(anew, ignore_errors=True)
    try:
        kept, left = in_child(_intact, node.models, anew, capacity, largest)
    except StoreError:
        shutil.rmtree(node.models)
        return f"{node.models} was damaged: it begins anew"
    if not left and not damaged:
        shutil.rmtree(anew, ignore_errors=True)
        return ""
    shutil.rmtree(node.models)
    anew.rename(node.models)
    why = "was damaged" if damaged else "may have been cut off with the machine"
    stayed, went = counted(kept, "whole model"), counted(left, "other")
    return f"{node.models} {why}: {stayed} stayed; {went} went (half-written ones, averages on their way)"


def _intact(path: Path, anew: Path, capacity: int, largest: int) -> tuple[int, int]:
    """Copy what has its digest into a new store: how many models that are, and how many entries are left out."""
    kept = left = 0
    with ModelStore(path) as store, ModelStore(anew, capacity, largest) as copy:
        keys, held = store.keys(), store.held()
        for key in keys:
            with store.view(key) as model:
                if model is not None and model_digest(model) == key:
                    copy.put(key, model, key in held)
                    kept += 1
                else:
                    left += 1
    return kept, left
