"""The paper's simulations: their names and options, what is run again, the figures worked out from the tables, and one of them for real."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Set as AbstractSet
from pathlib import Path

import numpy as np
import orjson
import psutil
import pytest
from paper_cells import CELLS, PAPER, Cell, chosen
from paper_experiments import jobs_of, main
from paper_figures import rows_of
from paper_results import Curves, Result, first_at, markdown, results_in, row, share, tick
from paper_runs import Job, Refused, State, held, state, tick_of

from dfl_actors.config import load_topology

ROOT = Path(__file__).parents[2]
BY_NAME = {cell.name: cell for cell in CELLS}
SMALL = """
[network]
nodes = 2
[training]
model = "small.py:build"
batch = 8
[update]
buffer = 1
[sim]
ticks = 21
check_every = 10
"""
MODEL = """
import keras
def build(shape, labels):
    layers = [keras.layers.Reshape((*shape, 1)), keras.layers.MaxPooling2D(4), keras.layers.Flatten(), keras.layers.Dense(labels)]
    return keras.Sequential([keras.Input(shape), *layers])
"""


# --- the cells


def test_figure_9_has_24_cells_and_the_ratios_six() -> None:
    assert Counter(cell.figure for cell in CELLS) == {"figure_9": 24, "figure_10": 3, "figure_11": 3}
    assert len(BY_NAME) == len(CELLS)


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (["half_fedavg/none/iid"], ["half_fedavg/none/iid"]),
        (["reputation/*/iid"], ["reputation/none/iid", "reputation/random_data/iid", "reputation/random_model/iid"]),
        (["figure_10"], ["ratio/4-1/iid", "ratio/1-1/iid", "ratio/1-4/iid"]),
        (["ratio/1-1/iid", "*/none/two_labels"], ["half_fedavg/none/two_labels", "reputation/none/two_labels", "ratio/1-1/iid"]),
        ([], list(BY_NAME)),
    ],
)
def test_patterns_choose_cells_in_the_papers_order(patterns: list[str], names: list[str]) -> None:
    assert [cell.name for cell in chosen(patterns)] == names


def test_a_pattern_that_stands_for_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no cell fedavg"):
        chosen(["ratio/*", "fedavg/*"])


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_the_options_of_every_cell_fit_its_topology(cell: Cell) -> None:
    config = load_topology(cell.topology, cell.options)
    assert config.sim.ticks == 4001 and config.sim.exchange == "weights" and not config.sim.measure_biases
    assert len(config.nodes) == 10 and config.training.init == "independent"
    assert [node.name for node in config.nodes if node.attack] == list(cell.attackers)
    assert config.sim.share_test_models == (cell.partition != "iid" and config.update.algorithm == "reputation")


def test_the_network_of_figure_9_is_the_papers() -> None:
    config = load_topology(PAPER / "figure_9.toml")
    degrees = [len(node.neighbours) for node in config.nodes]
    assert len(config.links) == 19 and degrees == [3, 4, 2, 4, 5, 6, 3, 4, 4, 3], "nineteen links; each node chose two, some the same"


def test_cells_differ_by_what_their_names_say() -> None:
    config = load_topology(PAPER / "figure_9.toml", BY_NAME["reputation/random_model/dirichlet_0.1"].options)
    assert (config.update.algorithm, config.update.parameters, config.data.partition, config.data.alpha) == (
        "reputation",
        {"penalty": 0.05, "every_model": True},
        "dirichlet",
        0.1,
    )
    assert (config.node("0").attack, config.node("0").attack_parameters) == ("random_model", {"high": 0.001})
    assert load_topology(PAPER / "figure_9.toml", BY_NAME["half_fedavg/none/two_labels"].options).data.partition == "labels"


@pytest.mark.parametrize(("name", "buffer"), [("4-1", 2), ("1-1", 8), ("1-4", 32), ("1-32", 256)])
def test_a_ratio_is_a_buffer_of_so_many_models_of_eight_senders(name: str, buffer: int) -> None:
    updates, trainings = map(int, name.split("-"))
    config = load_topology(PAPER / "figure_10.toml", BY_NAME[f"ratio/{name}/iid"].options)
    assert {node.buffer for node in config.nodes} == {buffer} == {8 * trainings // updates}
    assert [node.role for node in config.nodes] == ["observer"] + ["normal"] * 9


def test_figure_9_stands_as_table_ix_does() -> None:
    rows = rows_of("figure_9")
    assert [len(line) for line in rows] == [4] * 6
    assert rows[3][1].name == "reputation/none/dirichlet_1", "subplot 13"
    assert [[cell.name for cell in line] for line in rows_of("figure_11")] == [
        ["ratio/1-32/iid", "ratio/1-32/dirichlet_1", "ratio/1-32/dirichlet_0.1"]
    ]


# --- the runs


@pytest.mark.parametrize(
    ("seeds", "draws", "found"), [([], None, [1, 1, 2, 3]), ([], 2, [1, 2, 1, 2]), ([7], None, [7, 7]), ([7, 5], 1, [7, 5, 7, 5])]
)
def test_a_draw_is_a_seed(seeds: list[int], draws: int | None, found: list[int]) -> None:
    cells = [BY_NAME["half_fedavg/none/iid"], BY_NAME["half_fedavg/none/dirichlet_1"]]
    jobs = jobs_of(cells, Path("out"), seeds, draws, ["sim.ticks=9"])
    assert [job.options[-1] for job in jobs] == [f"network.seed={seed}" for seed in found]
    assert jobs[0].folder == Path("out", cells[0].name, f"seed-{found[0]}") and len({job.folder for job in jobs}) == len(jobs)
    assert jobs[0].config().sim.ticks == 9


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A simulation of which nothing is there."""
    (tmp_path / "net.toml").write_text(SMALL)
    return Job("small", tmp_path / "run", tmp_path / "net.toml", ("network.seed=3",))


def leave(job: Job, *names: str, options: tuple[str, ...] = ()) -> None:
    """What a run of the job would have left."""
    job.folder.mkdir(parents=True)
    (job.folder / "config.toml").write_text(load_topology(job.topology, [*job.options, *options]).resolved())
    for name in names:
        (job.folder / name).write_text("tick,0\n0,0.1\n20,0.2\n")


def test_only_what_came_to_its_end_is_not_run_again(job: Job) -> None:
    assert state(job) is State.NEW
    leave(job, "accuracy.csv")
    assert state(job) is State.BROKEN_OFF
    (job.folder / "checkpoint").mkdir()
    (job.folder / "checkpoint" / "state.json").touch()
    assert state(job) is State.INTERRUPTED
    (job.folder / "accuracy.png").touch()
    assert state(job) is State.DONE


@pytest.mark.parametrize("option", ["sim.ticks=99", "network.seed=4"])
def test_a_run_of_other_options_is_neither_taken_nor_removed(job: Job, option: str) -> None:
    leave(job, "accuracy.csv", "accuracy.png", options=(option,))
    with pytest.raises(Refused, match="another simulation"):
        state(job)
    assert (job.folder / "accuracy.csv").exists()


def test_a_directory_of_something_else_is_left_alone(job: Job) -> None:
    job.folder.mkdir()
    (job.folder / "thesis.txt").touch()
    with pytest.raises(Refused, match="remove it, or give another --out"):
        state(job)


def test_how_far_a_run_is_is_its_last_row(job: Job) -> None:
    assert tick_of(job.folder) == 0
    leave(job, "accuracy.csv")
    assert tick_of(job.folder) == 20
    (job.folder / "accuracy.csv").write_text("tick,0\n")
    assert tick_of(job.folder) == 0


def test_two_calls_do_not_share_a_directory(tmp_path: Path) -> None:
    with held(tmp_path), pytest.raises(Refused, match="in use"), held(tmp_path):
        pass
    with held(tmp_path):
        pass


# --- the figures of the table


def curves(accuracies: list[list[float]], attackers: AbstractSet[str] = frozenset()) -> Curves:
    """A run with a column of accuracies for each node, a row every 20 ticks."""
    columns = np.array(accuracies).T
    names = tuple(map(str, range(columns.shape[1])))
    return Curves(Path("seed-1"), np.arange(len(columns), dtype=np.float64) * 20, names, columns, frozenset(attackers))


def test_the_final_accuracy_is_of_the_honest_and_the_last_twenty_measurements() -> None:
    run = curves([[0.0] * 30, [0.1] * 10 + [0.8] * 20, [0.1] * 10 + [0.6] * 20], {"0"})
    assert run.final == pytest.approx(0.7)
    assert first_at(run.ticks, run.honest, 0.5) == 200 and first_at(run.ticks, run.honest, 0.9) is None


def test_a_cell_is_the_mean_of_its_runs_with_their_spread_beside_the_published() -> None:
    cell = BY_NAME["half_fedavg/none/dirichlet_1"]
    result = Result(cell, (curves([[0.4] * 5 + [0.90] * 20]), curves([[0.6] * 5 + [0.96] * 20])))
    assert row(result) == [cell.name, "2", ".930", ".042", ".940", "-.010", "0", "100"]
    assert result.as_json()["runs"]["seed-1"]["nodes"] == {"0": pytest.approx(0.96)}


def test_a_cell_of_one_run_has_no_spread() -> None:
    result = Result(BY_NAME["ratio/1-32/dirichlet_1"], (curves([[0.3] * 20]),))
    assert row(result)[2:] == [".300", "-", ".895", "-.595", "never", "never"]


@pytest.mark.parametrize(
    ("value", "sign", "text"), [(0.953, False, ".953"), (1.0, False, "1.000"), (-0.02, True, "-.020"), (0.5, True, "+.500")]
)
def test_shares_are_written_as_in_the_paper(value: float, sign: bool, text: str) -> None:
    assert share(value, sign=sign) == text


def test_the_table_as_markdown() -> None:
    assert markdown(("cell", "ours"), [("a", tick(None))]) == "| cell | ours |\n| --- | ---: |\n| a | never |\n"


# --- the command


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nothing/*"], 2, "no cell nothing/*"),
        (["--jobs", "0"], 2, "--jobs is 0"),
        (["--draws", "0"], 2, "--draws is 0"),
        (["--seeds", "-1"], 2, "--seeds"),
        (["--set", "update.unheard=1", "figure_10"], 1, "update.unheard"),
        (["--reference", "nowhere"], 1, "nowhere has no simulator_config.json"),
        (["--out", "/proc/nowhere"], 1, "/proc/nowhere cannot be written"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], code: int, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(arguments)
    said = capsys.readouterr().err
    assert end.value.code == code and words in said and said.count("\n") == 1


def experiments(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """The tool, on a cell whose model is small."""
    (folder / "small.py").write_text(MODEL)
    command = [
        sys.executable,
        str(ROOT / "tools" / "paper_experiments.py"),
        "half_fedavg/random_model/iid",
        "--set",
        "training.model=small.py:build",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [*command, *arguments], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_what_was_broken_off_is_run_for_real_and_not_twice(tmp_path: Path) -> None:
    broken_off(tmp_path / "out" / "half_fedavg" / "random_model" / "iid" / "seed-1", tmp_path / "small.py")
    first, _ = (process := experiments(tmp_path, "--ticks", "41", "--out", "out")).communicate(timeout=240)
    assert process.returncode == 0 and "[1/1] half_fedavg/random_model/iid seed 1: ." in first
    out = tmp_path / "out"
    (result,) = results_in(out, CELLS)
    assert len(result.runs) == 1 and list(result.ticks) == [0, 20, 40] and result.runs[0].attackers == {"0"}
    assert orjson.loads((out / "results.json").read_bytes())["half_fedavg/random_model/iid"]["last_tick"] == 40
    assert "| half_fedavg/random_model/iid | 1 |" in (out / "results.md").read_text()
    assert (out / "figure_9.png").read_bytes().startswith(b"\x89PNG") and not (out / "figure_10.png").exists()
    written = (result.runs[0].folder / "accuracy.csv").stat().st_mtime_ns
    again, _ = (process := experiments(tmp_path, "--ticks", "41", "--out", "out")).communicate(timeout=240)
    assert process.returncode == 0 and "1 of 1 runs are there already" in again
    assert (result.runs[0].folder / "accuracy.csv").stat().st_mtime_ns == written


def broken_off(folder: Path, model: Path) -> None:
    """What a run of 41 ticks would have left that was killed after its first row."""
    cell = BY_NAME["half_fedavg/random_model/iid"]
    options = (*cell.options, f"training.model={model}:build", "sim.ticks=41", "network.seed=1")
    leave(Job(cell.name, folder, cell.topology, options), "accuracy.csv")


def test_an_interruption_leaves_no_process(tmp_path: Path) -> None:
    process = experiments(tmp_path, "--ticks", "400000", "--out", "out")
    table = tmp_path / "out" / "half_fedavg" / "random_model" / "iid" / "seed-1" / "accuracy.csv"
    give_up = time.monotonic() + 240
    while not tick_of(table.parent):
        assert process.poll() is None and time.monotonic() < give_up
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 130 and "interrupted" in said and "Traceback" not in said
    ours = [one for one in psutil.process_iter(["cmdline"]) if str(table.parent) in " ".join(one.info["cmdline"] or ())]
    assert not ours and table.exists(), "nobody computes any more, and what was written stays"
