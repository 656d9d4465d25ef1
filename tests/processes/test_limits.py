"""How many files may be open: raised as far as the system lets us, or told in one line beforehand."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import resource, sys
from dfl_actors.errors import DflError
from dfl_actors.processes.limits import allow_files
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
try:
    allow_files(int(sys.argv[3]), "a run of 5 nodes")
except DflError as error:
    print(error)
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""
REFUSED = "a run of 5 nodes needs 300 open files in one process, and 200 are allowed: raise that limit (ulimit -n)"


@pytest.mark.parametrize(
    ("soft", "hard", "needed", "said"),
    [(100, 400, 300, ["300"]), (350, 400, 300, ["350"]), (100, 200, 300, [REFUSED, "100"]), (300, 300, 300, ["300"])],
)
def test_the_soft_limit_is_raised_or_the_hard_one_told(soft: int, hard: int, needed: int, said: list[str]) -> None:
    command = [sys.executable, "-c", PROGRAM, str(soft), str(hard), str(needed)]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines() == said


HUNGRY = """
import sys
from dfl_actors.processes.limits import data_taken, limit_memory
limit_memory(64 << 20)
if data_taken() is None:
    sys.exit("nothing is limited here")
kept = [bytes(1 << 20) for _ in range(32)]
try:
    kept += [bytes(1 << 20) for _ in range(64)]
except MemoryError:
    print(len(kept))
"""


def test_memory_ends_where_it_was_said_to() -> None:
    ended = subprocess.run([sys.executable, "-c", HUNGRY], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.stdout == "32\n" or "nothing is limited" in ended.stderr, ended.stderr
