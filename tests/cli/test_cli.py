"""The command line: help, versions, keys, and mistakes that are found before anything starts."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from dfl_actors import __version__
from dfl_actors.cli import app
from dfl_actors.runtime.keyfiles import load_key
from tests.cli.conftest import Cli, Refused

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("arguments", "code", "out", "error"),
    [("--version", 0, f"dfl-actors {__version__}\n", ""), ("chain verify none", 6, "", "error: none does not exist")],
)
def test_as_a_process_of_its_own(arguments: str, code: int, out: str, error: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dfl_actors", *arguments.split()]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    said = subprocess.run(command, cwd=tmp_path, env=environment, check=False, capture_output=True, text=True, timeout=120)
    assert (said.returncode, said.stdout) == (code, out) and said.stderr.startswith(error) and said.stderr.count("\n") == bool(error)


def commands(command: Any, *path: str) -> Iterator[Any]:
    """Every command with its words, groups too."""
    yield pytest.param(path, command, id=" ".join(path) or "-")
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, *path, name)


@pytest.mark.parametrize(("words", "command"), list(commands(get_command(app))))
def test_every_command_helps_and_says_what_each_option_does(words: tuple[str, ...], command: Any) -> None:
    result = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "200"}, prog_name="dfl-actors")
    assert result.exit_code == 0 and result.stderr == ""
    said = " ".join(result.stdout.split())
    assert said.startswith(" ".join(("Usage: dfl-actors", *words)))
    for text in (command.help, *(parameter.help for parameter in command.params if not getattr(parameter, "hidden", False))):
        assert text and " ".join(text.split()) in said


def test_a_list_of_commands_says_each_in_a_whole_sentence() -> None:
    for param in commands(get_command(app)):
        words, group = param.values
        text = CliRunner().invoke(app, [*words, "--help"], prog_name="dfl-actors").stdout
        said = " ".join(text.partition("Commands:")[2].split())
        assert max(map(len, text.splitlines())) <= 80
        for name, command in getattr(group, "commands", {}).items():
            sentence = command.help.strip().split("\n\n")[0].split(". ")[0].rstrip(".")
            assert f"{name} {' '.join(sentence.split())}" in said


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("rn",), "Did you mean 'run'"),
        (("simm", "net.toml"), "Did you mean 'sim'"),
        (("chain", "sow"), "Did you mean 'show'"),
        (("runs", "compar", "a", "b"), "Did you mean 'compare'"),
        (("run", "--durtion", "3"), "--duration"),
    ],
)
def test_what_was_mistyped_gets_a_suggestion(arguments: tuple[str, ...], meant: str, cli: Cli) -> None:
    ended = cli(*arguments)
    assert ended.code == 2 and meant in ended.err


def test_the_options_of_run_are_in_its_help(cli: Cli) -> None:
    text = cli("run", "--help").out
    for option in ("--out", "--duration", "--target", "--seed", "--speed", "--set", "--resume", "--quiet", "--json"):
        assert option in text


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("run",), 2, "which network?"),
        (("run", "no_such"), 2, "no_such: no such topology; give a file or one of the ready ones: fully_connected_4"),
        (("run", "fully_connected_4", "-s", "training.batch=0"), 2, "training.batch"),
        (("run", "fully_connected_4", "-s", "training.bach=1"), 2, "batch"),
        (("run", "fully_connected_4", "-s", "nonsense"), 2, "nonsense"),
        (("run", "fully_connected_4", "-s", "network.links=['0--9']"), 2, "network.links"),
        (("run", "fully_connected_4", "-s", "network.links=['0--1','2--3']"), 2, "network.links"),
        (("run", "fully_connected_4", "-s", "network.nodes=['a','a']"), 2, "network.nodes"),
        (("run", "fully_connected_4", "-s", "network.links=['0--1','1->2','2--3']"), 2, 'network.links: "1->2" leads one way'),
        (("run", "fully_connected_4", "--target", "2"), 2, "run.target"),
        (("run", "fully_connected_4", "--duration", "-1"), 2, "run.duration_s"),
        (("run", "fully_connected_4", "--seed", "-1"), 2, "network.seed"),
        (("run", "fully_connected_4", "--speed", "0"), 2, "run.speed"),
        (("run", "fully_connected_4", "--out", "/proc/run"), 6, "/proc/run"),
        (("run", "fully_connected_4", "--out", "full"), 6, "full is not empty"),
        (("run", "fully_connected_4", "--resume", "full"), 2, "--resume DIR goes on with an earlier run"),
        (("run", "--resume", "none"), 6, "none does not exist"),
        (("run", "--resume", "full"), 6, "there is no run.json"),
        (("chain", "verify", "none"), 6, "none does not exist"),
        (("keys", "show", "none"), 3, "none/key does not exist"),
    ],
)
def test_a_mistake_is_one_line(arguments: tuple[str, ...], code: int, words: str, tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    before = sorted(tmp_path.rglob("*"))
    assert words in refused(code, *arguments)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("text", ["[network", "[network]\nnodes = 1\n", "\xff\xfe"])
def test_a_topology_that_is_none_is_named(text: str, tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "net.toml").write_bytes(text.encode("latin-1"))
    assert "net.toml" in refused(2, "run", "net.toml")


@pytest.mark.parametrize("command", [("run", "net.toml"), ("node", "net.toml", "--name", "0", "--keys", "keys")])
def test_a_network_of_processes_names_the_line_of_a_one_way_link(command: tuple[str, ...], tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "net.toml").write_text('[network]\nnodes = 2\nlinks = ["0->1"]\n', encoding="utf-8")
    assert refused(2, *command) == (
        'error: net.toml:3: network.links: "0->1" leads one way, but receipts must come back; write "0--1", or use dfl-actors sim\n'
    )
    assert [path.name for path in tmp_path.iterdir()] == ["net.toml"]


def test_a_directory_that_may_not_be_written(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "file").touch()
    assert "file/run" in refused(6, "run", "fully_connected_4", "--out", "file/run")


def test_an_option_that_is_not_known_is_a_mistake_of_use(cli: Cli) -> None:
    result = cli("run", "--nonsense")
    assert result.code == 2 and "--nonsense" in result.err and "Traceback" not in result.err


def test_keys_are_made_and_shown(tmp_path: Path, cli: Cli, refused: Refused) -> None:
    made, shown = cli("keys", "new", "a"), cli("keys", "show", "a")
    assert made.code == shown.code == 0
    pair = load_key(tmp_path / "a")
    assert made.out == shown.out == (tmp_path / "a" / "key.pub").read_text()
    assert f'address = "{pair.address}"' in made.out and f'public = "{pair.public}"' in made.out
    assert pair.seed.hex() not in made.out
    assert (tmp_path / "a" / "key").stat().st_mode & 0o777 == 0o600
    assert "exists and is not overwritten" in refused(3, "keys", "new", "a")


def test_a_key_that_others_may_read_is_not_shown(tmp_path: Path, cli: Cli, refused: Refused) -> None:
    cli("keys", "new", "a")
    (tmp_path / "a" / "key").chmod(0o604)
    assert "chmod 600" in refused(3, "keys", "show", "a")
