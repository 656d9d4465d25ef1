"""The paper's simulations: the configurations that the sweeps hold, the figures worked out from the tables, and one cell for real."""

from collections import Counter
from collections.abc import Set as AbstractSet
from functools import cache
from pathlib import Path

import numpy as np
import orjson
import pytest
from paper_cells import CELLS
from paper_figures import rows_of
from paper_results import Curves, Result, first_at, markdown, row, share, tick
from paper_table import main

from dfl_actors import Topology, sweep
from dfl_actors.api.sweeps.plan import cells_of, plan_of
from dfl_actors.config import Config, load_topology

PAPER = Path(__file__).parents[2] / "topologies" / "paper"
BY_NAME = {cell.name: cell for cell in CELLS}
MODEL = """
import keras
def build(shape, labels):
    layers = [keras.layers.Reshape((*shape, 1)), keras.layers.MaxPooling2D(4), keras.layers.Flatten(), keras.layers.Dense(labels)]
    return keras.Sequential([keras.Input(shape), *layers])
"""


# --- the cells


@cache
def configs() -> dict[str, Config]:
    """What the sweeps simulate, by their cells' names."""
    plans = [plan_of(PAPER / name, {}, [1]) for name in ("table_9_sweep.toml", "ratio_sweep.toml")]
    cells = [cell for plan in plans for cell in cells_of(plan)]
    return {"/".join(cell.values.values()): Topology(cell.name, text=cell.config).config for cell in cells}


def test_the_sweeps_hold_every_simulation_of_the_paper() -> None:
    assert Counter(cell.figure for cell in CELLS) == {"figure_9": 24, "figure_10": 3, "figure_11": 3}
    assert BY_NAME.keys() <= configs().keys() and len(BY_NAME) == len(CELLS)


@pytest.mark.parametrize("name", BY_NAME)
def test_every_cell_is_the_papers_network(name: str) -> None:
    config = configs()[name]
    assert config.sim.ticks == 4001 and config.sim.exchange == "weights" and not config.sim.measure_biases
    assert len(config.nodes) == 10 and config.training.init == "independent"
    assert [node.name for node in config.nodes if node.attack] == (["0"] if "random" in name else [])
    assert config.sim.share_test_models == (not name.endswith("iid"))


def test_the_network_of_figure_9_is_the_papers() -> None:
    config = load_topology(PAPER / "figure_9.toml")
    degrees = [len(node.neighbours) for node in config.nodes]
    assert len(config.links) == 19 and degrees == [3, 4, 2, 4, 5, 6, 3, 4, 4, 3], "nineteen links; each node chose two, some the same"


def test_cells_differ_by_what_their_names_say() -> None:
    config = configs()["reputation/random_model/dirichlet_0.1"]
    assert (config.update.algorithm, config.update.parameters, config.data.partition, config.data.alpha) == (
        "reputation",
        {"penalty": 0.05, "every_model": True},
        "dirichlet",
        0.1,
    )
    assert (config.node("0").attack, config.node("0").attack_parameters) == ("random_model", {"high": 0.001})
    assert configs()["half_fedavg/none/two_labels"].data.partition == "labels"


@pytest.mark.parametrize(("name", "buffer"), [("4-1", 2), ("1-1", 8), ("1-4", 32), ("1-32", 256)])
def test_a_ratio_is_a_buffer_of_so_many_models_of_eight_senders(name: str, buffer: int) -> None:
    updates, trainings = map(int, name.split("-"))
    config = configs()[f"{name}/iid"]
    assert {node.buffer for node in config.nodes} == {buffer} == {8 * trainings // updates}
    assert [node.role for node in config.nodes] == ["observer"] + ["normal"] * 9


def test_figure_9_stands_as_table_ix_does() -> None:
    rows = rows_of("figure_9")
    assert [len(line) for line in rows] == [4] * 6
    assert rows[3][1].name == "reputation/none/dirichlet_1", "subplot 13"
    assert [[cell.name for cell in line] for line in rows_of("figure_11")] == [["1-32/iid", "1-32/dirichlet_1", "1-32/dirichlet_0.1"]]


# --- the figures of the table


def curves(accuracies: list[list[float]], attackers: AbstractSet[str] = frozenset()) -> Curves:
    """A run with a column of accuracies for each node, a row every 20 ticks."""
    columns = np.array(accuracies).T
    names = tuple(map(str, range(columns.shape[1])))
    return Curves("seed 1", Path("nowhere"), np.arange(len(columns), dtype=np.float64) * 20, names, columns, frozenset(attackers))


def test_the_final_accuracy_is_of_the_honest_and_the_last_twenty_measurements() -> None:
    run = curves([[0.0] * 30, [0.1] * 10 + [0.8] * 20, [0.1] * 10 + [0.6] * 20], {"0"})
    assert run.final == pytest.approx(0.7)
    assert first_at(run.ticks, run.honest, 0.5) == 200 and first_at(run.ticks, run.honest, 0.9) is None


def test_a_cell_is_the_mean_of_its_runs_with_their_spread_beside_the_published() -> None:
    cell = BY_NAME["half_fedavg/none/dirichlet_1"]
    result = Result(cell, (curves([[0.4] * 5 + [0.90] * 20]), curves([[0.6] * 5 + [0.96] * 20])))
    assert row(result) == [cell.name, "2", ".930", ".042", ".940", "-.010", "0", "100"]
    assert result.as_json()["runs"]["seed 1"]["nodes"] == {"0": pytest.approx(0.96)}


def test_a_cell_of_one_run_has_no_spread() -> None:
    result = Result(BY_NAME["1-32/dirichlet_1"], (curves([[0.3] * 20]),))
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
        ([], 2, "OUT"),
        (["nowhere"], 1, "nowhere is not the directory of a sweep"),
        (["one", "two", "--reference", "there"], 2, "--reference goes with one sweep"),
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


def shown(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    with pytest.raises(SystemExit) as end:
        main(list(map(str, arguments)))
    said = capsys.readouterr()
    assert end.value.code == 0, said.err
    return said.out


def test_a_sweep_stands_beside_the_published(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "small.py").write_text(MODEL)
    only = {"algorithm": ["half_fedavg"], "attack": ["random_model"], "partition": ["iid"]}
    short = {"training.model": f"{tmp_path}/small.py:build", "sim.ticks": 41}
    out = sweep(PAPER / "table_9_sweep.toml", seeds=[1, 2], overrides=short, out=tmp_path / "out", only=only).path
    said = shown(capsys, out)
    assert "half_fedavg/random_model/iid │    2 │" in said and ".101" in said
    found = orjson.loads((out / "paper.json").read_bytes())["half_fedavg/random_model/iid"]
    assert found["last_tick"] == 40 and found["runs"].keys() == {"seed 1", "seed 2"} and found["runs"]["seed 1"]["attackers"] == ["0"]
    assert "| half_fedavg/random_model/iid | 2 |" in (out / "paper.md").read_text()
    assert (out / "figure_9.png").read_bytes().startswith(b"\x89PNG") and not (out / "figure_10.png").exists()
    (tmp_path / "accuracy.csv").write_text("tick,0,1\n0,0.1,0.2\n20,0.9,0.96\n")
    reference = shown(capsys, out, "--reference", tmp_path)
    assert "published │  .580" in reference and "seed 2" in reference, "the attacker is left out, as in ours"
