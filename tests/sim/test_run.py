"""Whole simulations over real worker processes: interrupted and resumed, what is done for all nodes, and what goes wrong."""

import csv
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from dfl_actors.config import Config, load_topology
from dfl_actors.config.sections import Data, Event
from dfl_actors.errors import DataError, DflError, StoreError
from dfl_actors.learning.data import load_dataset
from dfl_actors.processes.forkserver import ForkServer
from dfl_actors.sim import checkpoint, engine, files, run
from dfl_actors.sim.kept import kept_model
from tests.learning.forms import only
from tests.network.harness import Command
from tests.sim.conftest import Sim, refused
from tests.sim.small import SMALL

TOPOLOGY = """
[network]
nodes = 4
links = "ring"
seed = 5
[training]
optimizer = "adam"
model = "small.py:build"
batch = 16
init = "independent"
[data]
test_samples = 20
partition = "dirichlet"
[update]
algorithm = "remember.py:build"
buffer = 2
[sim]
ticks = 61
interval = [3, 4, 5]
delay = [0, 1, 6]
loss = 0.1
check_every = 10
compare_every = 20
[node.3]
attack = "delayed"
attack_parameters = { by = 3 }
[node.1]
attack = "a_little_is_enough"
"""
REMEMBER = """
import numpy as np
from dfl_actors.sdk import Algorithm, Result, weighted_mean
def build(odd=False):
    def apply(state, own, received, reputations):
        if float(state["own"].sum()) != state["sum"]:
            raise ValueError("what an algorithm keeps of its node's model has changed")
        mean = weighted_mean([own, state["last"], *(model.weights for model in received)], [2.0, 1.0, *[1.0] * len(received)])
        noisy = mean + state["rng"].normal(scale=1e-3, size=own.size).astype(np.float32)
        kept = {"own": own, "sum": float(own.sum()), "odd": object() if odd else None}
        said = {model.sender: f"in part: {model.weights[0]:.3f}, not more" for model in received}
        return Result({"last": mean, "rng": state["rng"], **kept}, noisy, reputations, {"senders": said})
    def init(context):
        nothing = np.zeros(context.parameters.size, np.float32)
        return {"last": nothing, "rng": context.rng, "own": nothing, "sum": 0.0, "odd": None}
    return Algorithm("remember", init, apply)
"""


EVENTS = """
[[event]]
tick = 5
do = "leave"
node = "0"
[[event]]
tick = 8
do = "attack"
node = "2"
attack = "random_model"
[[event]]
tick = 9
do = "unlink"
link = "2--1"
[[event]]
at_s = 45
do = "join"
node = "0"
[[event]]
tick = 12
do = "honest"
node = "3"
[[event]]
tick = 30
do = "slow"
node = "3"
factor = 0.5
[[event]]
tick = 20
do = "drift"
node = "2"
label_weights = { "7" = 1 }
[[event]]
tick = 35
do = "link"
link = "1--2"
"""


class Watcher:
    """Listens, and does something after so many ticks."""

    def __init__(self, after: int = -1, then: Callable[[], None] = lambda: None) -> None:
        self.after, self.then = after, then
        self.warnings: list[str] = []
        self.waited: list[str] = []
        self.ticks = 0

    def measured(self, tick: int, row: list[float]) -> None: ...

    def happened(self, tick: int, event: Event) -> None: ...

    def done(self, ticks: int) -> None:
        self.ticks = ticks
        if ticks == self.after:
            self.then()

    def voting(self, done: float) -> None: ...

    def starting(self, text: str) -> None:
        assert self.ticks == 0
        self.waited.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


SERVERS: list[ForkServer] = []


@pytest.fixture(scope="module", autouse=True)
def all_by_one_server(server: ForkServer) -> Iterator[None]:
    SERVERS.append(server)
    yield
    SERVERS.clear()


def simulate(
    config: Config, out: Path, jobs: int, folder: Path, listener: run.Listener, stop: Callable[[], bool], resume: bool = False
) -> None:
    run.simulate(config, out, jobs, folder, listener, stop, SERVERS[0], resume)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    for name, text in (("net.toml", TOPOLOGY), ("small.py", SMALL), ("remember.py", REMEMBER)):
        (folder / name).write_text(text)
    return folder


def config(place: Path, *options: str) -> Config:
    return load_topology(place / "net.toml", options)


def begun(place: Path, name: str) -> Path:
    out = place / name
    out.mkdir()
    return out


def tables(folder: Path) -> dict[str, bytes]:
    """The tables, and the models as they were measured last."""
    files = [path for path in sorted(folder.rglob("*")) if path.suffix in (".csv", ".npy")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint whenever there can be one."""
    monkeypatch.setattr(run, "FIRST_CHECKPOINT_S", 0.0)
    monkeypatch.setattr(run, "CHECKPOINT_SHARE", 1e9)


def never() -> bool:
    return False


@pytest.fixture(scope="module")
def whole(place: Path) -> dict[str, bytes]:
    out = begun(place, "whole")
    simulate(config(place), out, 2, place, Watcher(), never)
    names = ["accuracy.csv", "model_weight_diff.csv", "models", "reasons", "reputation", "sim.json", "steps.csv"]
    assert sorted(path.name for path in out.iterdir()) == names
    kept = [kept_model(out, node.name, None) for node in config(place).nodes]
    assert len({one.digest for one in kept}) == len(kept) and {one.weights.shape for one in kept} == {(500,)}
    return tables(out)


def test_models_are_compared_however_few_may_lie_ready_at_once(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    eight = config(place, "network.nodes=8", "sim.ticks=21")
    simulate(eight, many := begun(place, "shown-many"), 1, place, Watcher(), never)
    monkeypatch.setattr(engine, "SHOWN_AT_ONCE", 2)
    simulate(eight, few := begun(place, "shown-few"), 1, place, Watcher(), never)
    assert tables(few) == tables(many)


def test_stopped_and_gone_on_with_on_another_number_of_workers_it_gives_the_same_bytes(place: Path, whole: dict[str, bytes]) -> None:
    out, watcher = begun(place, "stopped"), Watcher()
    with pytest.raises(run.Stopped) as stopped:
        simulate(config(place), out, 2, place, watcher, lambda: watcher.ticks >= 25)
    assert 25 <= stopped.value.tick == watcher.ticks < 61
    assert tables(out)["accuracy.csv"] != whole["accuracy.csv"]
    simulate(config(place), out, 1, place, Watcher(), never, resume=True)
    assert tables(out) == whole
    with pytest.raises(StoreError, match="no checkpoint"):
        simulate(config(place), out, 1, place, Watcher(), never, resume=True)
    assert watcher.waited == ["reading the data", "importing TensorFlow", "compiling the model"]


def test_events_give_the_same_bytes_interrupted_and_on_another_number_of_workers(place: Path) -> None:
    (place / "eventful.toml").write_text(TOPOLOGY + EVENTS)
    options = ("sim.check_samples=0", "sim.broadcast_every=15", "sim.tick_s=2.5", "churn.up_s=100", "churn.down_s=20")
    eventful = load_topology(place / "eventful.toml", options)
    simulate(eventful, out := begun(place, "events"), 2, place, Watcher(), never)
    happened = [(int(row["tick"]), row["do"], row["node"] or row["link"]) for row in csv.DictReader((out / "events.csv").open())]
    given = [(5, "leave", "0"), (8, "attack", "2"), (9, "unlink", "2--1"), (12, "honest", "3"), (18, "join", "0"), (20, "drift", "2")]
    assert [event for event in happened if event[1] not in ("leave", "join") or event[2] == "0"] == [
        *given, (30, "slow", "3"), (35, "link", "1--2")
    ]  # fmt: skip
    assert {event[2] for event in happened if event[1] == "leave"} > {"0"} and happened == sorted(happened, key=lambda event: event[0])
    accuracy = {int(row["tick"]): row["0"] for row in csv.DictReader((out / "accuracy.csv").open())}
    assert accuracy[0] != accuracy[10] != accuracy[20], "it left in tick 5 and came back in tick 18"
    averaged = [int(row["tick"]) for row in csv.DictReader((out / "reputation" / "0_reputation.csv").open())]
    assert averaged and not [tick for tick in averaged if 5 <= tick < 18]
    watcher, second = Watcher(), begun(place, "events-stopped")
    with pytest.raises(run.Stopped):
        simulate(eventful, second, 1, place, watcher, lambda: watcher.ticks >= 25)
    simulate(eventful, second, 2, place, Watcher(), never, resume=True)
    assert tables(second) == tables(out)


def test_a_data_set_that_has_changed_is_not_gone_on_with(place: Path) -> None:
    def save(images: int) -> None:
        parts = {f"{part}_train": getattr(mnist, f"{part}_train")[:images] for part in "xy"}
        np.savez(place / "data.npz", **parts, x_test=only(mnist.x_test)[:200], y_test=mnist.y_test[:200])

    def own() -> Config:
        return config(place, f"data.source={place / 'data.npz'}")

    mnist = load_dataset(Data())
    save(400)
    out, watcher = begun(place, "data"), Watcher()
    with pytest.raises(run.Stopped):
        simulate(own(), out, 1, place, watcher, lambda: watcher.ticks >= 5)
    shutil.move(place / "data.npz", place / "first.npz")
    save(399)
    before = tables(out)
    with pytest.raises(DataError, match="is not the one that this run began with") as changed:
        simulate(own(), out, 1, place, Watcher(), never, resume=True)
    assert changed.value.exit_code == 4 and tables(out) == before
    shutil.move(place / "first.npz", place / "data.npz")
    simulate(own(), out, 1, place, Watcher(), never, resume=True)


def test_a_crash_costs_what_came_after_the_last_checkpoint(place: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    often(monkeypatch)

    def crash() -> None:
        raise RuntimeError("crash")

    out = begun(place, "crashed")
    with pytest.raises(RuntimeError, match="crash"):
        simulate(config(place), out, 1, place, Watcher(45, crash), never)
    kept = checkpoint.load(checkpoint.find(out))
    assert 0 < kept.tick <= 45
    with (out / "accuracy.csv").open("a") as file:
        file.write("torn")
    monkeypatch.undo()
    resumed = Watcher()
    simulate(config(place), out, 1, place, resumed, never, resume=True)
    assert tables(out) == whole


def test_a_memory_that_no_checkpoint_can_hold_is_told_and_costs_only_the_resuming(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    often(monkeypatch)
    out, watcher = begun(place, "odd"), Watcher()
    simulate(config(place, "update.parameters.odd=true"), out, 1, place, watcher, never)
    (warning,) = watcher.warnings
    assert "algorithm 'remember' remembers an object of type object" in warning
    assert watcher.ticks == 61


def test_a_checkpoint_of_a_damaged_node_is_refused(place: Path, whole: dict[str, bytes]) -> None:
    out, watcher = begun(place, "damaged"), Watcher()
    with pytest.raises(run.Stopped):
        simulate(config(place), out, 1, place, watcher, lambda: watcher.ticks >= 5)
    (out / "checkpoint" / "nodes" / "2.npz").write_bytes(b"no")
    with pytest.raises(StoreError, match=r"2\.npz is damaged"):
        simulate(config(place), out, 1, place, Watcher(), never, resume=True)


def reached(watcher: Watcher, ticks: int) -> bool:
    return watcher.ticks >= ticks


def test_what_is_not_as_it_was_when_the_checkpoint_was_written_is_refused_and_left_alone(place: Path, whole: dict[str, bytes]) -> None:
    """A table that a power cut had shortened was written over; an edited configuration made a hybrid, or was a mistake of ours."""
    out, other = begun(place, "changed"), begun(place, "other")
    for each in (out, other):
        watcher = Watcher()
        with pytest.raises(run.Stopped):
            simulate(config(place), each, 1, place, watcher, partial(reached, watcher, 25))
    table, node = out / "accuracy.csv", out / "checkpoint" / "nodes" / "2.npz"
    rows, held = table.read_bytes(), node.read_bytes()
    for damage, words in (
        (lambda: table.write_bytes(rows[:-9]), r"accuracy\.csv is shorter than when the checkpoint was written: put it back"),
        (table.unlink, r"accuracy\.csv cannot be continued \(No such file"),
        (lambda: shutil.copy(other / "checkpoint" / "nodes" / "2.npz", node), r"2\.npz is none of this checkpoint: put its own back"),
    ):
        damage()
        before = tables(out)
        with pytest.raises(StoreError, match=words):
            simulate(config(place), out, 1, place, Watcher(), never, resume=True)
        assert tables(out) == before
        table.write_bytes(rows)
    node.write_bytes(held)
    with pytest.raises(StoreError, match=r"config\.toml has changed since .*checkpoint was written: put it back"):
        simulate(config(place, "update.buffer=3"), out, 1, place, Watcher(), never, resume=True)
    simulate(config(place), out, 1, place, Watcher(), never, resume=True)
    assert tables(out) == whole


def test_a_mean_forced_on_everybody_leaves_no_difference_and_all_models_vote_together(place: Path) -> None:
    out = begun(place, "mean")
    options = ("sim.broadcast_every=20", "sim.ensemble=true", "sim.loss=0", "sim.delay=[0]", "update.algorithm=half_fedavg")
    simulate(config(place, *options), out, 1, place, Watcher(), never)
    rows = list(csv.DictReader((out / "model_weight_diff.csv").open()))
    difference = {int(row["tick"]): sum(float(value) for key, value in row.items() if key != "tick") for row in rows}
    assert difference[0] > 1 and difference[20] == difference[40] == difference[60] == 0
    votes = {row["set"]: row for row in csv.DictReader((out / "ensemble.csv").open())}
    assert (votes["train"]["tested"], votes["test"]["tested"]) == ("60000", "10000")
    # At tick 60 everybody has the same model, so all together know what each alone knows.
    checks = list(csv.DictReader((out / "accuracy.csv").open()))[-1]
    alone = np.mean([float(checks[name]) for name in "0123"])
    assert abs(float(votes["test"]["accuracy"]) - alone) < 0.15
    assert int(votes["test"]["correct"]) == round(float(votes["test"]["accuracy"]) * 10000)


def test_peer_control_adds_receivers_of_whoever_learns(place: Path) -> None:
    out = begun(place, "peers")
    options = ("sim.peer_control=true", "sim.peer_interval=6", "sim.peer_high=0.01", "sim.peer_low=0", "sim.loss=0")
    simulate(config(place, *options), out, 1, place, Watcher(), never)
    rows = list(csv.DictReader((out / "peers.csv").open()))
    assert {row["node"] for row in rows} == set("0123") and {row["change"] for row in rows if float(row["accuracy"]) > 0} == {"add"}
    assert min(int(row["tick"]) for row in rows) == 6
    assert all(float(row["accuracy"]) >= 0.01 for row in rows if row["change"] == "add")


def test_what_a_plug_in_says_wrong_is_named_with_tick_and_node(place: Path) -> None:
    (place / "wrong.py").write_text(
        "from dfl_actors.sdk import Algorithm, Result\n"
        "def build(how='undefined'):\n"
        "    def apply(state, own, received, reputations):\n"
        "        if how == 'raises': raise ValueError('out of\\nluck')\n"
        "        return Result(state, own * float('nan') if how == 'undefined' else own[1:], reputations, {})\n"
        "    return Algorithm('wrong', lambda context: None, apply)\n"
    )
    for how, words in (("undefined", "must be finite"), ("shape", "must keep the shape"), ("raises", "out of luck")):
        out = begun(place, f"wrong-{how}")
        wrong = config(place, f"update.algorithm={place}/wrong.py:build", f"update.parameters.how={how}")
        with pytest.raises(DflError) as error:
            simulate(wrong, out, 1, place, Watcher(), never)
        text = str(error.value)
        assert "tick " in text and "node " in text and words in text and "\n" not in text
        shutil.rmtree(out)


def test_a_worker_that_dies_is_told(place: Path) -> None:
    (place / "dies.py").write_text(
        "import os\nfrom dfl_actors.sdk import Algorithm\n"
        "def build():\n    return Algorithm('dies', lambda context: None, lambda *given: os._exit(3))\n"
    )
    out = begun(place, "dies")
    with pytest.raises(DflError, match="a worker of the simulation ended unexpectedly"):
        simulate(config(place, f"update.algorithm={place}/dies.py:build"), out, 2, place, Watcher(), never)


def test_ctrl_c_stops_the_command_and_resume_goes_on(place: Path, sim: Sim) -> None:
    long = Command(place, "sim", "net.toml", "--out", "long", "--ticks", "1000000")
    table = place / "long" / "accuracy.csv"
    long.until(lambda: table.exists() and table.read_text().count("\n") > 3, "three measurements")
    long.signal(signal.SIGINT, group=True)  # as a terminal does: the workers get it too
    long.ended(130)
    assert "go on with: dfl-actors sim --resume long" in long.stderr and long.stderr.count("\n") == 1
    stopped = re.search(r"stopped after (\d+) of", long.stderr)
    assert stopped is not None, long.stderr
    ticks = int(stopped[1]) + 20
    settings = (place / "long" / "config.toml").read_text()
    (place / "long" / "config.toml").write_text(settings.replace("ticks = 1000000", f"ticks = {ticks}"))
    resumed = sim(place, "--resume", "long")
    assert resumed.exit_code == 0 and "honest nodes" in resumed.output
    simulate(config(place, f"sim.ticks={ticks}"), unbroken := begun(place, "unbroken"), 2, place, Watcher(), never)
    assert tables(place / "long") == tables(unbroken)
    for name, words in (("nothing", "not the directory of a simulation"), ("long", "no checkpoint")):
        code, line = refused(sim(place, "--resume", name))
        assert code == 6 and words in line


def test_what_cannot_go_on_keeps_what_it_measured_when_it_is_stopped(place: Path) -> None:
    """It was called stopped before it had begun, and all but an empty folder was deleted."""
    long = Command(place, "sim", "net.toml", "--out", "odd-long", "--ticks", "1000000", "--set", "update.parameters.odd=true")
    table = place / "odd-long" / "accuracy.csv"
    long.until(lambda: table.exists() and table.read_text().count("\n") > 3, "three measurements")
    long.signal(signal.SIGINT, group=True)
    long.ended(130)
    assert re.search(r"stopped after \d\d+ of 1000000 ticks, with which it cannot go on; what it measured lies in odd-long\n", long.stderr)
    assert table.read_text().count("\n") > 3 and (place / "odd-long" / "config.toml").exists()


def test_a_disk_that_fills_is_told_and_resumed_from(place: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    out, watcher = begun(place, "full"), Watcher()
    with pytest.raises(run.Stopped):
        simulate(config(place), out, 1, place, watcher, lambda: watcher.ticks >= 5)
    kept = (out / "accuracy.csv").read_bytes()
    (out / "accuracy.csv").unlink()
    (out / "accuracy.csv").symlink_to("/dev/full")
    monkeypatch.setattr(files.Tables, "restore", lambda self, lengths: None)
    with pytest.raises(StoreError, match=r"accuracy\.csv cannot be written \(No space left on device\): free some space"):
        simulate(config(place), out, 1, place, Watcher(), never, resume=True)
    monkeypatch.undo()
    (out / "accuracy.csv").unlink()
    (out / "accuracy.csv").write_bytes(kept)
    simulate(config(place), out, 1, place, Watcher(), never, resume=True)
    assert tables(out) == whole
