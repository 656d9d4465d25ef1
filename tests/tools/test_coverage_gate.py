"""The gate that holds the coverage of some packages."""

from pathlib import Path

import orjson
import pytest
from coverage_gate import main, shares


def report(**covered: int) -> dict[str, object]:
    """A hundred branches in each package, of which so many were taken, in two files."""
    return {
        "files": {
            f"dfl_actors/{package}/{name}.py": {"summary": {"num_branches": 50, "covered_branches": part}}
            for package, many in covered.items()
            for name, part in (("one", many // 2), ("two", many - many // 2))
        }
    }


@pytest.mark.parametrize(("runtime", "code"), [(100, 0), (85, 0), (84, 1)])
def test_every_package_has_to_reach_its_own_share(tmp_path: Path, runtime: int, code: int) -> None:
    (tmp_path / "coverage.json").write_bytes(orjson.dumps(report(core=95, actors=100, sdk=99, runtime=runtime, cli=0)))
    assert main(tmp_path / "coverage.json") == code


def test_a_package_that_nothing_measured_has_nothing() -> None:
    assert shares(report(core=95)) == {"core": 95.0, "actors": 0.0, "sdk": 0.0, "runtime": 0.0}
