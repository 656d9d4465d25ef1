"""What a sweep varies, read from the command line, from a file and from Python; and the tables of what came of it."""

from pathlib import Path

import pytest

from dfl_actors.api.sweeps.heat import draw, heats
from dfl_actors.api.sweeps.plan import Axis, Plan, axes_of_texts, cells_of, narrowed, parse_vary, plan_of, seeds_of
from dfl_actors.api.sweeps.sweep import check
from dfl_actors.api.sweeps.table import FIGURES, Row, numbered, pivot
from dfl_actors.config import parse_topology
from dfl_actors.errors import ConfigError, DflError
from dfl_actors.sdk.loader import check_plugins

FILE = """
base = "net.toml"
seeds = "1-2"
[set]
"sim.ticks" = 50
[vary]
"update.algorithm" = ["krum", "median"]
[vary.attack]
none = {}
noise = { "node.0.attack" = "noise", "node.0.attack_parameters" = { scale = 2 } }
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.toml").write_text("[network]\nnodes = 3\n[node.1]\nattack = 'sign_flip'\n", encoding="utf-8")


@pytest.mark.parametrize(("given", "seeds"), [("1-3", (1, 2, 3)), ("7", (7,)), ("1,5-6", (1, 5, 6)), ([4, 2], (4, 2)), ("", ())])
def test_seeds(given: str, seeds: tuple[int, ...]) -> None:
    assert seeds_of(given) == seeds


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("1-", "not understood"),
        ("a", "not understood"),
        ("1,1", "twice"),
        ("1--3", "not understood"),
        ("5-1", "from the least to the greatest"),
        ("1-99999999999", "at most 100,000 seeds"),
    ],
)
def test_seeds_that_are_none(given: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        seeds_of(given)


def test_every_combination_with_every_seed_is_a_cell_once() -> None:
    plan = plan_of("net.toml", axes_of_texts(["update.algorithm=krum,median", "node.1.attack=none,noise,sign_flip"]), "1-5")
    cells = cells_of(plan)
    found = {(cell.values["update.algorithm"], cell.values["node.1.attack"], cell.seed) for cell in cells}
    assert len(cells) == len(found) == len({cell.name for cell in cells}) == plan.size == 2 * 3 * 5
    assert [cell.seed for cell in cells[:6]] == [1] * 6, "all combinations with one seed before any with the next"
    assert cells == cells_of(plan)
    honest = next(cell for cell in cells if cell.values["node.1.attack"] == "none")
    assert "sign_flip" not in honest.config and 'algorithm = "krum"' in honest.config


def test_commas_in_lists_tables_and_texts_do_not_part() -> None:
    axes = axes_of_texts(["sim.interval=[1,2],[3]", "update.parameters={ a = 1, b = 2 },{}", "block.memo='a,b',c"])
    assert [list(points) for points in axes.values()] == [["[1,2]", "[3]"], ["{ a = 1, b = 2 }", "{}"], ["'a,b'", "c"]]


def test_a_file_has_a_base_axes_and_seeds_and_points_that_set_several_keys() -> None:
    Path("sweep.toml").write_text(FILE, encoding="utf-8")
    cells = cells_of(plan_of("sweep.toml", {}, ()))
    assert len(cells) == 8
    noisy = next(cell for cell in cells if cell.values == {"update.algorithm": "median", "attack": "noise"})
    assert ("ticks = 50" in noisy.config and "attack_parameters = {scale = 2}" in noisy.config.replace("{ scale = 2 }", "{scale = 2}")) or (
        "[node.0.attack_parameters]\nscale = 2" in noisy.config
    )
    again = plan_of("sweep.toml", {"update.algorithm": ["fedavg"]}, [9])
    assert [(cell.values["update.algorithm"], cell.seed) for cell in cells_of(again)] == [("fedavg", 9)] * 2
    assert plan_of("net.toml", {"update.algorithm": ["krum", "median"], "node.1.attack": [None, "noise"]}, "3").axes[1] == Axis(
        "node.1.attack", {"none": ("node.1.attack=none",), "noise": ('node.1.attack="noise"',)}
    )


def test_none_takes_a_key_away_in_a_file_as_everywhere_else() -> None:
    """It was an attack that nobody knows, so that a network that is born with attackers could not be swept beside itself without."""
    text = 'base = "net.toml"\n[set]\n"node.1.attack" = "none"\n[vary.attack]\n'
    Path("sweep.toml").write_text(
        text + 'none = { "node.0.attack" = "none" }\nflip = { "node.0.attack" = "sign_flip" }\n', encoding="utf-8"
    )
    assert [("sign_flip" in cell.config, cell.values["attack"]) for cell in cells_of(plan_of("sweep.toml", {}, ()))] == [
        (False, "none"),
        (True, "flip"),
    ]


def test_attackers_that_remain_where_the_attack_is_none_are_told() -> None:
    """The column called none had an attacker."""
    for vary, said in (
        (
            ["update.algorithm=krum,median", "node.0.attack=none,copy"],
            ["where node.0.attack is none, attackers of the topology remain: 1 (sign_flip)"],
        ),
        (["node.0.attack=none,copy", "node.1.attack=none,copy"], []),
        (["node.1.attack=none,sign_flip"], []),
        (["update.algorithm=krum"], []),
    ):
        plan, told = plan_of("net.toml", axes_of_texts(vary), "1"), list[str]()
        check(cells_of(plan), plan, told.append)
        assert told == said


@pytest.mark.parametrize(
    ("texts", "problem"),
    [
        (["update.algorithm"], "not understood"),
        (["update.algorithm=krum,krum"], "twice"),
        (["update.algorithm=krum", "update.algorithm=median"], "stands there already"),
        (["update.algoritm=krum"], 'did you mean "algorithm"'),
        (["sim.ticks=0,5"], "^--vary sim.ticks=0"),
        (["network.seed=1,2"], "varies network.seed, which is what the seeds are for"),
    ],
)
def test_what_cannot_be_varied_is_refused_before_anything_starts(texts: list[str], problem: str) -> None:
    with pytest.raises(DflError, match=problem) as raised:
        cells_of(plan_of("net.toml", axes_of_texts(texts), "1"))
    assert "\n" not in str(raised.value)


def test_an_axis_of_numbers_has_numbers() -> None:
    rows: list[Row] = [{"cell": "1", "training.batch": "16", "scale": value, "kind": "3a", "seed": 1} for value in ("1", "0.5")]
    assert [(row["cell"], row["training.batch"], row["scale"], row["kind"]) for row in numbered(rows)] == [
        ("1", 16, 1.0, "3a"),
        ("1", 16, 0.5, "3a"),
    ]


def test_a_key_is_set_or_varied() -> None:
    with pytest.raises(ConfigError, match=r"sim\.ticks is set for all cells, and varied by sim.ticks"):
        plan_of("net.toml", axes_of_texts(["sim.ticks=5,10"]), "1", ["sim.ticks=7"])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('base = "net.toml"\nvari = 1', 'vari: unknown section; did you mean "vary"'),
        ('base = "net.toml"\n[vary]\n"sim.ticks" = 5', "sim.ticks varies over 5: give a list"),
        ('base = "net.toml"\n[vary]\n"sim.ticks" = []', "sim.ticks varies over nothing"),
        ('base = "net.toml"\nseeds = "x"', "seeds x: not understood"),
        ('base = "net.toml"\nset = 3', "set is not a table"),
    ],
)
def test_a_file_that_is_wrong_names_itself(text: str, problem: str) -> None:
    Path("sweep.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"^sweep.toml:.*" + problem):
        plan_of("sweep.toml", {}, ())


ALGORITHM = Axis("update.algorithm", {"a_b": (), "c": ()})
ATTACK = Axis("node.1.attack", {"none": (), "noise": (), "flip": ()})


def row(algorithm: str, attack: str, seed: int, mean: float | None) -> Row:
    figures: Row = {**dict.fromkeys(FIGURES), "since": 20, "until": 400}
    state = "missing" if mean is None else "over"
    return figures | {"update.algorithm": algorithm, "node.1.attack": attack, "seed": seed, "state": state, "mean": mean}


def test_a_pivot_table_has_mean_and_deviation_over_the_seeds_and_the_worst_attack() -> None:
    rows = [
        row("a_b", "none", 1, 0.9),
        row("a_b", "none", 2, 0.8),
        row("a_b", "noise", 1, 0.5),
        row("a_b", "flip", 1, 0.6),
        row("c", "none", 1, None),
    ]
    plan = Plan("net.toml", (), (ALGORITHM, ATTACK), (1, 2, 3))
    made = pivot(plan, rows, ALGORITHM, ATTACK, "mean")
    assert made.cells[0][0] == pytest.approx((0.85, 0.0707), abs=1e-4) and made.cells[1] == (None, None, None)
    assert made.sheet.lines()[1] == ["a_b", "0.850 ± 0.071", "0.500", "0.600", "0.500 (noise)"]
    assert made.title == "mean of ticks 20 to 400, over 2 seeds (1 cell missing)", "of the third nothing is there"
    assert pivot(plan, rows[:1], ALGORITHM, ATTACK, "last_worst").title == "last worst, over seed 1"
    later = {**row("a_b", "none", 2, 0.8), "until": 420}
    assert pivot(plan, [rows[0], later], ALGORITHM, ATTACK, "mean").title == "mean, over 2 seeds", "not the same of all"
    assert "| a_b | 0.850 ± 0.071 | 0.500 | 0.600 | 0.500 (noise) |" in made.as_text("markdown")
    assert r"a\_b & 0.850 $\pm$ 0.071 & 0.500 & 0.600 & 0.500 (noise) \\" in made.as_text("latex")
    with pytest.raises(ConfigError, match="no figure 'nice'"):
        pivot(plan, rows, ALGORITHM, ATTACK, "nice")


def test_a_cell_of_which_some_runs_have_diverged_says_so_where_it_stands() -> None:
    """The title counted them, and a mean with zeros in it could not be told from one that was measured."""
    rows = [
        row("a_b", "noise", 1, 0.8),
        row("a_b", "noise", 2, 0.0) | {"state": "diverged"},
        row("a_b", "flip", 1, 0.0) | {"state": "diverged"},
        row("c", "noise", 1, 0.5),
        row("c", "flip", 1, None),
    ]
    plan = Plan("net.toml", (), (ALGORITHM, ATTACK), (1, 2))
    first, second = pivot(plan, rows, ALGORITHM, ATTACK, "mean").sheet.lines()[1:]
    assert first == ["a_b", "-", "0.400 ± 0.566 (1 of 2 diverged)", "diverged", "diverged (flip)"]
    assert second == ["c", "-", "0.500", "-", "0.500 (noise)"]
    (shown,) = heats(plan, rows, ALGORITHM, ATTACK, "mean")
    assert dict(zip(shown.rows, shown.numbers(), strict=True)) == {"a_b": ["0.400*", "div.", "div."], "c": ["0.500", "", "0.500"]}
    third = Axis("graph", {"ring": (), "star": ()})
    both = [one | {"graph": name} for one in rows for name in third.points]
    worst, *_ = heats(Plan("net.toml", (), (ALGORITHM, ATTACK, third), (1, 2)), both, ALGORITHM, ATTACK, "mean")
    assert dict(zip(worst.rows, worst.numbers(), strict=True)) == {"a_b": ["div."] * 2, "c": ["0.500"] * 2}
    figure = draw(plan, rows, ALGORITHM, ATTACK, "mean")
    assert figure.get_suptitle().endswith("(2 diverged, as 0; 1 cell missing); *: some diverged")


def test_a_part_of_a_sweep_has_the_same_cells() -> None:
    plan = plan_of("net.toml", axes_of_texts(["update.algorithm=krum,median", "node.1.attack=none,noise,sign_flip"]), "1-3")
    part = narrowed(plan, parse_vary(["update.algorithm=median", "node.1.attack=none,sign_flip", "seed=3,1"], "--only"))
    assert part.size == 4 and {cell.name for cell in cells_of(part)} <= {cell.name for cell in cells_of(plan)}
    assert narrowed(plan, {}) == plan and narrowed(plan, {"node.1.attack": [None], "seed": [2]}).size == 2


@pytest.mark.parametrize(
    ("only", "problem"),
    [
        ("update.algorthm=krum", 'nothing called .update.algorthm. is varied; did you mean "update.algorithm"'),
        ("update.algorithm=krumm", 'only update.algorithm=krumm: there is no such point; did you mean "krum"'),
        ("seed=7", "only seed=7: there is no such point"),
        ("update.algorithm", "--only update.algorithm: not understood"),
    ],
)
def test_a_part_that_is_none_is_named(only: str, problem: str) -> None:
    plan = plan_of("net.toml", axes_of_texts(["update.algorithm=krum,median"]), "1-3")
    with pytest.raises(ConfigError, match=problem):
        narrowed(plan, parse_vary([only], "--only"))


def test_a_heat_map_of_each_combination_and_of_the_worst_attacks_in_them_the_best_row_first_and_what_is_unknown_left_out() -> None:
    axes = [
        Axis("defence", {"weak": (), "strong": (), "new": ()}),
        Axis("attack", {"silent": (), "flip": (), "mimic": (), "copy": ()}),
        Axis("graph", {"a": (), "b": (), "c": ()}),
    ]
    plan = Plan("x.toml", (), tuple(axes), (1,))
    found = {
        ("weak", "a"): (0.5, 0.6, 0.4),
        ("strong", "a"): (0.1, 0.9, 0.8),
        ("weak", "b"): (0.9, 0.3, 0.5),
        ("strong", "b"): (0.9, 0.7, 0.75),
    }
    rows: list[Row] = [
        {"defence": defence, "attack": attack, "graph": graph, "seed": 1, "state": "over", "mean": value, "since": 0, "until": 9}
        for (defence, graph), values in found.items()
        for attack, value in zip(("silent", "flip", "mimic"), values, strict=True)
    ]
    worst, first, second = heats(plan, rows, axes[0], axes[1], "mean")
    assert worst.rows == first.rows == second.rows == ("strong", "weak") and worst.columns == ("a", "b")
    assert worst.values == ((0.8, 0.7), (0.4, 0.3)) and worst.names[0] == ("mimic", "flip")
    assert first.title.endswith(": a") and first.columns == ("silent", "flip", "mimic", "worst") and first.apart == 1
    assert first.values[0] == (0.1, 0.9, 0.8, 0.8) and second.values[1] == (0.9, 0.3, 0.5, 0.3)
    rows.append(
        {"defence": "new", "attack": "flip", "graph": "c", "seed": 1, "state": "missing", "mean": None, "since": None, "until": None}
    )
    assert heats(plan, rows, axes[0], axes[1], "mean") == [worst, first, second]
    rows[-1] |= {"state": "over", "mean": 0.5, "since": 0, "until": 9}
    worst, _, second, third = heats(plan, rows, axes[0], axes[1], "mean")
    assert worst.values[1] == (None, None, 0.5) and second.values[1] == third.values[0] == (None,) * 4, "a row is there in all, or in none"
    lost: list[Row] = [{**row, "state": "missing", "mean": None} for row in rows]
    assert [one.rows for one in heats(plan, lost, axes[0], axes[1], "mean")] == [tuple(axes[0].points)] * 4, "as long as nothing is known"
    rows.pop()
    assert draw(plan, rows, axes[0], axes[1], "mean").axes[0].get_title(loc="left") == "the worst attack"
    (alone,) = heats(Plan("x.toml", (), tuple(axes[::2]), (1,)), rows, axes[0], axes[2], "mean")
    assert alone.rows == ("strong", "weak") and not alone.apart, "by the least of a row where nothing across is an attack"
    with pytest.raises(ConfigError, match="a heat map shows accuracies, and ticks_to_goal is none"):
        draw(plan, rows, axes[0], axes[1], "ticks_to_goal")


@pytest.mark.parametrize("name", ["matrix", "three_of_ten"])
def test_every_point_of_the_matrices_can_be_simulated(name: str) -> None:
    plan = plan_of(Path(__file__).parents[2] / "topologies" / "matrix" / f"{name}.toml", {}, "")
    first = {axis.name: [next(iter(axis.points))] for axis in plan.axes}
    for axis in plan.axes:
        for cell in cells_of(narrowed(plan, {**first, axis.name: list(axis.points), "seed": [1]})):
            config = parse_topology(cell.config, where=cell.name, name=name)
            check_plugins(config, Path())
            assert cell.values["attack"] == "none" or any(node.attack for node in config.nodes)
    assert {"steady", "local"} <= set(plan.axes[0].points) and len(plan.axes[1].points) == {"matrix": 15, "three_of_ten": 18}[name]
