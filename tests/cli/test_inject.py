"""Where `dfl-actors inject` finds a node, and what it says when there is none to feed."""

from pathlib import Path

import pytest

from dfl_actors.cli.inject import elsewhere, here
from dfl_actors.errors import DflError
from dfl_actors.runtime.keyfiles import curve_keys, new_key
from tests.report.made_run import ready, write_run

INLET = '[node.1]\ninlet = "tcp://10.0.0.5:7010"\n'


def refused(problem: str, topology: Path, node: str = "1", keys: Path | None = None) -> None:
    with pytest.raises(DflError) as raised:
        elsewhere(str(topology), node, keys)
    assert problem in str(raised.value) and "\n" not in str(raised.value)


def test_a_node_elsewhere_is_reached_with_its_key_and_ours(tmp_path: Path) -> None:
    its, ours = new_key(tmp_path / "its"), new_key(tmp_path / "ours")
    file = tmp_path / "net.toml"
    file.write_text("")
    refused("node.1.inlet is missing: the node and whoever feeds it from elsewhere must know it", file)
    refused('no node "9"', file, node="9")
    file.write_text(INLET)
    refused("node.1.curve_key is missing", file)
    file.write_text(f'{INLET}curve_key = "{curve_keys(its)[0].decode()}"\n')
    refused("--keys is missing: give the directory of a key that the node admits", file)
    refused("does not exist: make a key, or correct the directory", file, keys=tmp_path / "none")
    _, place, secure = elsewhere(str(file), "1", tmp_path / "ours")
    assert (place, secure) == ("tcp://10.0.0.5:7010", (curve_keys(its)[0], *curve_keys(ours)))


def test_a_run_that_is_over_or_has_no_such_node_takes_nothing(tmp_path: Path) -> None:
    run = write_run(tmp_path / "net", "ab", [ready()])
    (run / "config.toml").write_text("")
    for node, problem in (
        ("a", "does not run: start it again with --resume, then inject"),
        ("c", 'no node "c" runs there; its nodes are a, b'),
    ):
        with pytest.raises(DflError) as raised:
            here(run, node)
        assert problem in str(raised.value) and "\n" not in str(raised.value)
