"""Hold the share of branches that the tests take, a package at a time, against what it has to be; exit code 1 if one has less.

python tools/coverage_gate.py FILE      # FILE: what `coverage json` wrote
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

GATES = {"actors": 95, "core": 95, "runtime": 85, "sdk": 95}
"""Per cent of the branches of a package."""


def shares(report: Mapping[str, Any]) -> dict[str, float]:
    """Per cent of the branches taken in each package that has a gate."""
    found = {}
    for package in GATES:
        parts = [each["summary"] for name, each in report["files"].items() if f"dfl_actors/{package}/" in name]
        every = sum(part["num_branches"] for part in parts)
        found[package] = 100 * sum(part["covered_branches"] for part in parts) / every if every else 0.0
    return found


def main(path: Path) -> int:
    measured = shares(orjson.loads(path.read_bytes()))
    for package, share in measured.items():
        print(f"{package:8} {share:6.1f} % of the branches, at least {GATES[package]} wanted")
    return 0 if all(share >= GATES[package] for package, share in measured.items()) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
