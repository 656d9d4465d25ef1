"""A tool that is ended says so in one line."""

import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.mark.parametrize(
    ("raised", "told"), [("KeyboardInterrupt()", "interrupted\n"), ("KeyboardInterrupt('go on with: x')", "go on with: x\n")]
)
def test_ctrl_c_leaves_one_line_and_no_traceback(raised: str, told: str) -> None:
    text = f"import sys; sys.path.insert(0, {str(TOOLS)!r}); import ending; ending.orderly(); raise {raised}"
    ended = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert ended.stderr == told and ended.returncode != 0


def test_a_fault_of_the_tool_itself_keeps_its_traceback() -> None:
    text = f"import sys; sys.path.insert(0, {str(TOOLS)!r}); import ending; ending.orderly(); 1 / 0"
    ended = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert "Traceback" in ended.stderr and ended.returncode == 1
