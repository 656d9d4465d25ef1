"""Event files, which TensorBoard reads: a directory a node, so that TensorBoard draws the nodes as curves of one chart.

What concerns all nodes together, the weight difference, lies beside those directories. The step of a value is the tick of the CSV
export, a millisecond in which the network ran; its wall time is the time of day. TensorBoard's own protobufs and record writer
make the files. Its `EventFileWriter` would do the same, and import TensorFlow to open a file.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from dfl_actors.core.events import Evaluated, Final, ReceiptArrived, Trained, Updated, WeightDifference
from dfl_actors.report.load import Run, by_node

Values = tuple[int, dict[str, float]]  # What became known at a time (ms since the epoch), by tag.


def write_event_files(run: Run, out: Path, tick: Callable[[Run, int], int]) -> dict[str, int]:
    """Write the event files of `run` under `out`. Returns how many values each node has; the network is "". Raises OSError."""
    values: dict[str, list[Values]] = defaultdict(list)
    for node, t, named in scalars(run):
        values[node].append((t, named))
    for node, rows in values.items():
        folder = out / node
        folder.mkdir(exist_ok=True)
        _write(folder / f"events.out.tfevents.{run.started // 1000:010d}.dfl-actors", run, sorted(rows, key=lambda row: row[0]), tick)
    return {node: sum(len(named) for _, named in rows) for node, rows in values.items()}


def scalars(run: Run) -> Iterator[tuple[str, int, dict[str, float]]]:
    """Node, time and values by tag, of everything that is drawn."""
    known = set(run.nodes)
    for event in run.of(Evaluated):
        if event.tested and event.node in known:
            yield event.node, event.t, {f"{run.score}/test": event.correct / event.tested}
    for trained in run.of(Trained):
        if trained.node in known:
            own = {f"{run.score}/own": trained.correct / trained.tested} if trained.tested else {}
            loss = {} if trained.loss is None else {"loss": trained.loss}
            yield trained.node, trained.t, {"steps": trained.steps, "samples": trained.samples, **own, **loss}
    for update in run.of(Updated):
        if update.node in known:
            yield update.node, update.t, {f"reputation/{run.node_named(who)}": value for who, value in update.reputations.items()}
    for difference in run.of(WeightDifference):
        layers = {f"weight_difference/{layer}": value for layer, value in difference.layers.items()}
        yield "", difference.t, {"weight_difference/overall": difference.overall, **layers}
    yield from _counts(run)


def _counts(run: Run) -> Iterator[tuple[str, int, dict[str, float]]]:
    """What only grows: the height of the chain, and the receipts that came, each counted once."""
    for node, blocks in by_node(run.of(Final)).items():
        if node in run.nodes:
            yield from ((node, block.t, {"chain/height": float(block.height + 1)}) for block in blocks)
    for node, receipts in by_node(run.of(ReceiptArrived)).items():
        seen: set[tuple[str, str]] = set()
        for receipt in receipts if node in run.nodes else ():
            seen.add((receipt.tx, receipt.creator))
            yield node, receipt.t, {"receipts": len(seen)}


def _write(path: Path, run: Run, rows: list[Values], tick: Callable[[Run, int], int]) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    with path.open("wb") as file:
        writer = RecordWriter(file)
        writer.write(Event(wall_time=run.started / 1000, file_version="brain.Event:2").SerializeToString())
        for t, named in rows:
            values = [Summary.Value(tag=tag, simple_value=value) for tag, value in named.items()]
            writer.write(Event(wall_time=t / 1000, step=tick(run, t), summary=Summary(value=values)).SerializeToString())
