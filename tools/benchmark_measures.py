"""What `benchmark.py` measures: figures by name, from the runs of one repeat, a function for each promise."""

import platform
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from math import inf
from pathlib import Path

from benchmark_runs import BATCH, GOAL, Finished, Runs, bare, dfl, judge, total_memory, workers
from benchmark_table import Unmeasured, Values, cores

from dfl_actors.core.codec import decode, digest
from dfl_actors.core.events import Final, ModelSent, Ready, Scored, Trained
from dfl_actors.core.objects import FinalBlock
from dfl_actors.report.summary import seconds_to_target
from dfl_actors.runtime.rundir import RunDirectory
from dfl_actors.runtime.verify import read_all


def measure_start(runs: Runs) -> Values:
    finished = runs.demo
    ready = finished.run.ready
    if ready is None:
        raise Unmeasured("the network never became ready")
    own = finished.run.of(Ready)[0].seconds
    seconds = ready.t / 1000 - finished.popened
    return {"seconds": seconds, "of them before the command's first line": seconds - own}


def measure_memory(runs: Runs) -> Values:
    if platform.system() != "Linux":
        raise Unmeasured("only Linux tells the PSS of a process")
    samples = runs.watched.memory
    whole = max((sample["processes"] for sample in samples), default=0)
    complete = [sample for sample in samples if sample["processes"] == whole]
    if not complete:
        raise Unmeasured("the run was over before its memory was looked at")
    totals = [total_memory(sample) for sample in complete]
    most = complete[totals.index(max(totals))]
    kinds = {f"MB {kind}": size / 1e6 for kind, size in sorted(most.items()) if kind != "processes"}
    return {"GB": max(totals) / 1e9, "GB at the end": totals[-1] / 1e9, "processes": whole, **kinds}


def measure_demo(runs: Runs) -> Values:
    finished = runs.demo
    seconds = seconds_to_target(finished.run, 0.95)
    blocks = finished.summary["blocks"].values()
    final = finished.run.of(Final)
    return {
        "seconds": inf if seconds is None else seconds,
        "blocks of the node with fewest": min(node["blocks"] for node in blocks),
        "confirmations missing": sum(block.expected - block.confirmations for block in final),
        "chains that do not verify": len(finished.run.nodes) - verified(finished.path),
        "confirmations expected": sum(block.expected for block in final),
        "samples trained": BATCH * finished.count("steps"),
    }


def verified(path: Path) -> int:
    """How many chains `dfl-actors chain verify` finds right; none of them as soon as one is not."""
    done = subprocess.run(dfl("chain", "verify", str(path), "--json"), check=False, capture_output=True, text=True)
    return len(done.stdout.splitlines())


def measure_work(runs: Runs) -> Values:
    """The figures at the moment when every node's newest model is good enough: of the run's CPU, as much as of its samples."""
    finished = runs.work
    trained = sorted(finished.run.of(Trained), key=lambda event: event.t)
    with workers(1) as bench:
        steps = steps_at_goal(trained, list(finished.run.nodes), judge_by(bench, finished))
    if steps is None:
        return {"samples": inf, "CPU s training": inf, "CPU s all else": inf}
    share = steps / finished.count("steps")
    measuring = finished.spent("learning", "receive_transaction")
    each = measuring / max(1, len(finished.run.of(Scored)))
    training = finished.spent("learning", "generate_transaction") - each * len(trained)
    return {
        "samples": BATCH * steps,
        "CPU s training": share * training,
        "CPU s all else": share * (finished.whole - training),
        "of it measuring models": share * (measuring + each * len(trained)),
        "ms a training step": 1000 * training / finished.count("steps"),
        "ms a measurement": 1000 * each,
    }


def steps_at_goal(trained: Sequence[Trained], nodes: Sequence[str], accuracy: Callable[[str], float]) -> int | None:
    """Steps of all nodes together when the newest model of each is first at `GOAL`; `accuracy` judges a transaction's model."""
    newest: dict[str, Trained] = {}
    for event in trained:
        newest[event.node] = event
        if len(newest) == len(nodes) and all(accuracy(newest[node].tx) >= GOAL for node in nodes):
            return sum(one.steps for one in newest.values())
    return None


def judge_by(bench: ProcessPoolExecutor, finished: Finished) -> Callable[[str], float]:
    """The accuracy of a transaction's model on the test images; 0 for one that no block holds. Each is measured once."""
    directory = RunDirectory(finished.path)
    places = {
        digest(entry.transaction): (str(directory.node(node).models), entry.transaction.model, entry.transaction.codec)
        for node, blocks in read_all(directory, tuple(finished.run.nodes)).items()
        for block in blocks
        for entry in decode(FinalBlock, block.encode(), 1 << 30).draft.entries
    }

    @cache
    def accuracy(transaction: str) -> float:
        return bench.submit(judge, *places[transaction]).result() if transaction in places else 0.0

    return accuracy


def measure_efficiency(runs: Runs) -> Values:
    return efficiency(runs.full_speed)


def efficiency(finished: Finished) -> Values:
    """What of the CPU is machine learning, by the same work done without a network."""
    steps, measured = finished.count("steps"), finished.count("sent") + len(finished.run.of(Scored))
    alone = bare([steps], [measured])
    halves = bare([steps // 2, steps - steps // 2], [measured // 2, measured - measured // 2])
    learning = finished.spent("learning")
    return {
        "bare / whole": alone / finished.whole,
        "two bare loops at once / whole": halves / finished.whole,
        "CPU s whole": finished.whole,
        "CPU s learning": learning,
        "CPU s bare": alone,
        "CPU s bare, two at once": halves,
        "training steps": steps,
        "measurements": measured,
        "CPU share of the cores used": finished.whole / (cores() * finished.summary["elapsed"]),
    }


def measure_blockchain(runs: Runs) -> Values:
    return blockchain(runs.full_speed)


def blockchain(finished: Finished) -> Values:
    """CPU of hashing, signing, checking, journalling and chaining."""
    spent = finished.spent("blockchain")
    tasks = {f"ms {task}": 1000 * spent_on / finished.handled for task, spent_on in by_task(finished, "blockchain").items()}
    return {"ms": 1000 * spent / finished.handled, "% of the CPU": 100 * spent / finished.whole, **tasks}


def measure_overhead(runs: Runs) -> Values:
    return overhead(runs.full_speed)


def overhead(finished: Finished) -> Values:
    """CPU of everything but learning."""
    tasks = {f"ms network, {task}": 1000 * spent / finished.handled for task, spent in by_task(finished, "network").items()}
    return {
        "ms": 1000 * (finished.whole - finished.spent("learning")) / finished.handled,
        "ms blockchain": 1000 * finished.spent("blockchain") / finished.handled,
        **tasks,
        "ms supervisor": 1000 * finished.supervisor / finished.handled,
        "transactions handled": finished.handled,
    }


def measure_one_step(runs: Runs) -> Values:
    """The three above with one step a transaction."""
    finished = runs.one_step
    learnt, chained, all_else = efficiency(finished), blockchain(finished), overhead(finished)
    return {
        "bare / whole": learnt["bare / whole"],
        "ms blockchain": chained["ms"],
        "% of the CPU": chained["% of the CPU"],
        "ms all outside learning": all_else["ms"],
        "two bare loops at once / whole": learnt["two bare loops at once / whole"],
        "ms whole": 1000 * finished.whole / finished.handled,
        "ms bare": 1000 * learnt["CPU s bare"] / finished.handled,
        "transactions handled": finished.handled,
    }


def by_task(finished: Finished, work: str) -> Values:
    """CPU s of the nodes for a kind of work in each task that has any."""
    tasks = sorted({task for node in finished.summary["cpu"]["nodes"].values() for task in node["tasks"]})
    return {task: spent for task in tasks if (spent := finished.spent(work, task)) > 0}


def measure_wire(runs: Runs) -> Values:
    finished = runs.full_speed
    crossings = Counter((event.node, event.to, event.tx) for event in finished.run.of(ModelSent))
    bodies = sum(event.bytes for event in finished.run.of(ModelSent))
    if not crossings:
        raise Unmeasured("no model was sent")
    return {
        "crossings": max(crossings.values()),
        "models sent": sum(crossings.values()),
        "MB of models a transaction": bodies / finished.count("sent") / 1e6,
        "MB on the loopback a transaction": finished.loopback / finished.count("sent") / 1e6,
        "loopback / models": finished.loopback / bodies,
    }
