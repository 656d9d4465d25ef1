"""The tools are scripts beside the package: their modules are found in their folder, as when one of them is run."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
