"""A topology as a person would write it: sections with a remark beside each value, links in rows, a heading that says where it is from."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dfl_actors.config.toml_text import Table, dump_value
from dfl_actors.config.topology import LINK
from dfl_actors.files import check_free, whole

WIDTH = 100
REMARK_AT = 32

REMARKS: Mapping[tuple[str, str], str] = {
    ("network", "seed"): "of the initial weights, the partition and the samples",
    ("training", "batch"): "samples in a training step",
    ("training", "steps_per_transaction"): "training steps before the model is sent",
    ("data", "rate"): "samples a second and node; 0: as fast as it goes",
    ("data", "alpha"): "the smaller, the more one-sided",
    ("data", "test_samples"): "a received model is measured on so many of the node's own",
    ("gossip", "ttl"): "hops a model travels; 1: to the neighbours",
    ("gossip", "expiry_s"): "life of a transaction: longer than it takes to fill a block",
    ("block", "transactions"): "of the node's own, in one block",
    ("block", "receipts"): "that a transaction needs",
    ("block", "confirmations"): "fraction that makes a block final",
    ("update", "buffer"): "received models that start an update",
    ("run", "duration_s"): "ends the run; 0: it goes on until stopped",
    ("run", "evaluate_s"): "between two measurements on the test images",
}


def topology_text(table: Table, heading: Sequence[str]) -> str:
    """The TOML text of `table`; `heading` are lines of a comment at its top. Parsing it gives `table` back."""
    head = "".join(f"# {line}".rstrip() + "\n" for line in "\n".join(heading).splitlines())
    sections = [_section(name, keys) for name, keys in table.items() if name != "node"]
    nodes = [_section(f"node.{name}", keys) for name, keys in table.get("node", {}).items()]
    return "\n".join([head, *sections, *nodes])


def _section(name: str, keys: Table) -> str:
    return f"[{name}]\n" + "".join(_line(name, key, value) for key, value in keys.items())


def _line(section: str, key: str, value: object) -> str:
    line = f"{key} = {dump_value(value)}"
    if isinstance(value, list) and len(line) > WIDTH:
        return f"{key} = [\n{_rows(value)}]\n"
    remark = REMARKS.get((section, key))
    return f"{line:<{REMARK_AT}}  # {remark}\n" if remark else f"{line}\n"


def _rows(values: Sequence[object]) -> str:
    """The items of a list in rows; a row ends where the first node of the links changes, so that a row is a node's."""
    rows: list[str] = []
    last = None
    for value in values:
        item, first = f"{dump_value(value)}, ", link[1] if (link := LINK.fullmatch(str(value))) else ""
        if rows and first == last and len(rows[-1]) + len(item) <= WIDTH:
            rows[-1] += item
        else:
            rows.append(f"    {item}")
        last = first
    return "".join(f"{row.rstrip()}\n" for row in rows)


def save(path: Path, force: bool, write: Callable[[Path], object]) -> None:
    """Have `path` written whole or not at all. Raises StoreError, also when there is one already and `force` is not given."""
    check_free(path, force)
    with whole(path) as draft:
        write(draft)
