"""`dfl-actors sdk`: what a person sees, and the exit codes."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dfl_actors.cli import app
from dfl_actors.errors import AlgorithmError, ConfigError
from dfl_actors.sdk.attacks import ATTACKS
from dfl_actors.sdk.describe import EITHER
from dfl_actors.sdk.loader import ALGORITHMS
from tests.cli.conftest import Cli

PLUGIN = '''"""Greedy: takes the first."""
from dfl_actors.sdk import Algorithm, Result
def build(share: float, least=0.5):
    return Algorithm("greedy", lambda context: None, lambda s, o, r, p: Result(s, r[0].weights.copy(), p, {}))
def neither():
    return 3
'''


def said(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["sdk", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "greedy.py").write_text(PLUGIN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_list_has_a_line_for_each() -> None:
    lines = said("list").splitlines()
    for name in EITHER.built_in:
        assert len([line for line in lines if line.startswith(f"  {name} ")]) == 1
    rows = json.loads(said("list", "--json"))
    assert {row["name"] for row in rows} >= set(EITHER.built_in)
    assert len({row["summary"] for row in rows} - {""}) == len(rows), "each has a line of its own"
    assert {row["kind"] for row in rows} == {"algorithm", "attack", "optimiser"}


def test_show_tells_formula_source_and_parameters() -> None:
    shown = said("show", "trimmed_mean")
    assert "arXiv 1803.01498" in shown and "k = floor(beta * (N + 1))" in shown
    assert "beta: number, at least 0, below 0.5; default 0.2" in shown
    assert "tau: number, at least 0, at most 1e+30; may be left out" in said("show", "scclip")
    assert "scale: number, above 0" in said("show", "sign_flip") and "no parameters" in said("show", "median")


def test_show_of_an_attack_that_shares_its_file_tells_of_it_alone() -> None:
    shown = said("show", "shifted_labels")
    assert shown.startswith("shifted_labels (attack)\n\nShifted labels: it trains on a label further on, around the end.\n")
    assert shown.endswith("\n\nparameters\n  by: whole number, at least 1, at most 255; default 1\n") and shown.count(": ") == 2


@pytest.mark.parametrize("name", sorted({*ALGORITHMS.built_in, *ATTACKS.built_in} - {"local", "silent"}))
def test_each_built_in_that_is_more_than_a_yardstick_has_a_formula_and_a_source(name: str) -> None:
    shown = said("show", name)
    assert re.search(r"^    .*\S", shown, re.MULTILINE), "a formula stands apart"
    assert re.search(r"arXiv \d{4}\.\d{5}|\w \d{4}[),]|github\.com|Made here", shown)


def test_show_of_a_file_tells_its_functions_parameters(here: Path) -> None:
    shown = said("show", "greedy.py:build")
    assert "Greedy: takes the first." in shown and "share: number; must be given" in shown and "least: anything; default 0.5" in shown
    assert shown.startswith("greedy.py:build (algorithm, attack or optimiser)\n")
    for says, kind in (("Algorithm", "algorithm"), ('"sdk.Attack"', "attack"), ("Optimiser", "optimiser")):
        (here / "says.py").write_text(f"from dfl_actors.sdk import Algorithm, Attack, Optimiser\ndef build() -> {says}:\n    ...\n")
        assert said("show", "says.py:build").startswith(f"says.py:build ({kind})\n")
    assert json.loads(said("show", "greedy.py:build", "--json"))["parameters"][1] == {"name": "least", "values": "", "default": "0.5"}


@pytest.mark.parametrize("name", EITHER.built_in)
def test_every_parameter_of_a_built_in_is_shown(name: str) -> None:
    assert all(one["values"] and one["default"] for one in json.loads(said("show", name, "--json"))["parameters"])


def test_check_says_what_holds() -> None:
    lines = said("check", "krum", "--set", "f=2").splitlines()
    assert len(lines) == 8 and all(line.startswith("holds") for line in lines)
    assert all(one["failure"] == "" for one in json.loads(said("check", "sign_flip", "--json")))


def test_check_says_what_fails_and_ends_with_10(here: Path) -> None:
    result = CliRunner().invoke(app, ["sdk", "check", "greedy.py:build", "-s", "share=0.5"])
    assert "FAILS      order of senders irrelevant  five senders: weights differ" in result.output
    assert isinstance(result.exception, AlgorithmError) and result.exception.exit_code == 10
    assert "greedy.py:build breaks its contract: order of senders irrelevant" in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        (["check", "krum", "-s", "f=-1"], ConfigError, "algorithm krum, parameters"),
        (["check", "krum", "-s", "f"], ConfigError, "KEY=VALUE"),
        (["check", "krumm"], AlgorithmError, "'krumm' is not known; did you mean \"krum\"?"),
        (["show", "greedy.py:nix"], AlgorithmError, "its functions are build, neither"),
        (["check", "greedy.py:neither"], AlgorithmError, "must return an Algorithm or an Attack"),
        (["check", "greedy.py:build"], ConfigError, "share"),
    ],
)
def test_mistakes_are_one_line(here: Path, arguments: list[str], kind: type[Exception], words: str) -> None:
    result = CliRunner().invoke(app, ["sdk", *arguments])
    assert isinstance(result.exception, kind) and words in str(result.exception) and "\n" not in str(result.exception)


@pytest.mark.parametrize("command", ["check", "show"])
@pytest.mark.parametrize("text", ["raise SystemExit", "import sys\nsys.exit(0)", "def build():\n    raise SystemExit(0)\n"])
def test_a_plug_in_that_ends_the_program_is_told_and_ends_with_10(here: Path, command: str, text: str, cli: Cli) -> None:
    (here / "quits.py").write_text(text)
    ended = cli("sdk", command, "quits.py:build")
    if command == "show" and "def build" in text:
        assert ended.code == 0 and "no parameters" in ended.out
    else:
        assert ended.code == 10 and ended.err.count("\n") == 1
        assert "quits.py" in ended.err and "it ends the program (sys.exit" in ended.err
