"""Two commands of one node each, as on two hosts."""

import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

from dfl_actors.errors import ActorError


def run_nodes(topology: Path, out: Path, seconds: float) -> list[Path]:
    """Run the two nodes of a topology for so long, each with a key and a run directory of its own; these directories.

    Raises `ActorError` with what a command said that failed.
    """
    command = [sys.executable, "-m", "dfl_actors"]
    facts = []
    for place, name in enumerate(("0", "1")):
        keys = out.parent / f"keys-{name}"
        made = subprocess.run([*command, "keys", "new", str(keys)], check=True, capture_output=True, text=True).stdout
        words = tomllib.loads(made)
        facts += ["-s", f"node.{name}.public_key={words['public']}", "-s", f"node.{name}.curve_key='{words['curve']}'"]
        facts += ["-s", f"node.{name}.listen=tcp://127.0.0.1:{47_100 + 2 * place}"]
    runs = [out, out.with_name(f"{out.name}-1")]
    started = [
        subprocess.Popen(
            [
                *command,
                "node",
                str(topology),
                "--name",
                name,
                "--keys",
                str(out.parent / f"keys-{name}"),
                "--out",
                str(place),
                "-q",
                *facts,
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        for name, place in zip(("0", "1"), runs, strict=True)
    ]
    begun = 0.0
    try:
        while not begun or time.monotonic() < begun + seconds:
            if any(process.poll() is not None for process in started):
                break
            begun = begun or (time.monotonic() if all(map(_works, runs)) else 0.0)
            time.sleep(0.2)
    finally:
        for process in started:
            process.send_signal(signal.SIGTERM)
    said = [process.communicate()[1] for process in started]
    for process, error in zip(started, said, strict=True):
        if process.returncode != 143:
            raise ActorError(error.strip() or f"exit code {process.returncode}")
    return runs


def _works(directory: Path) -> bool:
    metrics = directory / "metrics.jsonl"
    return metrics.exists() and b'"event":"ready"' in metrics.read_bytes()
