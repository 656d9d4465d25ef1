"""A simulation with noise says what it claims, or why nothing."""

from pathlib import Path

import orjson
import pytest

from dfl_actors.learning.privacy import can_account
from tests.sim.conftest import Sim
from tests.sim.small import SMALL


@pytest.mark.skipif(not can_account(), reason="needs dp-accounting")
@pytest.mark.parametrize(("algorithm", "claims"), [("", True), ("'ubar'", False)], ids=["default", "ubar"])
def test_something_is_claimed_with_the_default_algorithm_and_nothing_with_one_that_measures(
    tmp_path: Path, sim: Sim, algorithm: str, claims: bool
) -> None:
    (tmp_path / "small.py").write_text(SMALL)
    chosen = f"[update]\nalgorithm = {algorithm}\n" if algorithm else ""
    (tmp_path / "net.toml").write_text(
        "[network]\nnodes = 2\n[training]\nmodel = 'small.py:build'\nbatch = 8\nnoise = 1\nclip = 1\n" + chosen
    )
    assert sim(tmp_path, "net.toml", "--ticks", "40", "-j", "1", "--out", "out").exit_code == 0
    privacy = orjson.loads((tmp_path / "out" / "summary.json").read_bytes())["privacy"]
    assert {its["epsilon"] is not None for its in privacy.values()} == {claims}
