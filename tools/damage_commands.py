"""Commands of `dfl-actors`, forked from this process once it has imported what they need: seconds less a command, for hundreds of them."""

import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

import msgspec

from dfl_actors.__main__ import main
from dfl_actors.core import codec
from dfl_actors.core.family import ACTORS
from dfl_actors.core.objects import Genesis
from dfl_actors.processes import forkserver, isolated
from dfl_actors.runtime import launch
from dfl_actors.runtime.assembly import Owned, build
from dfl_actors.runtime.plan import NodePlan
from dfl_actors.runtime.rundir import RunDirectory
from dfl_actors.runtime.stores import ChainStore
from dfl_actors.runtime.supervisor import Outcome

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tests.warm.life import code_of, forked  # noqa: E402

TRAINED = ("trainer", "validator")  # Actors that would start TensorFlow.


class Ended(NamedTuple):
    """How a command ended: its exit code, below 0 the signal, and what it said."""

    code: int
    stdout: str
    stderr: str


def imported() -> None:
    """Import what commands and their fork servers import. No TensorFlow operation runs here, or children would hang."""
    from dfl_actors.cli import run  # noqa: F401
    from dfl_actors.runtime import preload  # noqa: F401


def command(place: Path, *words: str, within: float, dry: bool = False) -> Ended:
    """`dfl-actors WORDS` in a folder, killed with all its processes after so many seconds. A `dry` run ends where its actors would begin to
    speak: their stores are opened, read and written, and nothing is trained."""
    said = [place / name for name in ("stdout", "stderr")]
    pid = os.fork()
    if not pid:
        if dry:
            vars(launch).update(Supervisor=DrySupervisor, _found=_kept_genesis)
        _become(place, words, said)
    code = _waited(pid, time.monotonic() + within)
    return Ended(code, *(path.read_text(errors="replace") for path in said))


def _waited(pid: int, deadline: float) -> int:
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            os.killpg(pid, signal.SIGKILL)
            deadline += 60
        time.sleep(0.01)


def _become(place: Path, words: Sequence[str], said: Sequence[Path]) -> NoReturn:
    os.setsid()
    os.chdir(place)
    os.environ["TMPDIR"] = str(place)
    nowhere = os.open(os.devnull, os.O_RDWR)
    files = [nowhere, *(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) for path in said)]
    for number, file in enumerate(files):
        os.dup2(file, number)
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, signal.SIG_DFL)
    sys.argv = ["dfl-actors", *words]
    for module in (forkserver, isolated):
        vars(module)["interpreter"] = forked
    os._exit(code_of(main))


class DrySupervisor:
    """In the place of a run's: each actor's stores in turn."""

    def __init__(self, plans: Sequence[NodePlan], *_: object) -> None:
        self._plans = plans

    def run(self) -> Outcome:
        for plan in self._plans:
            for actor in ACTORS:
                owned = Owned(plan, actor)
                list(owned.journal.scan(b""))
                if actor not in TRAINED:
                    build(plan, actor, 0, owned)
                owned.journal.commit([(b"~", b"written"), (b"~", None)])
                owned.models.put("~", b"written")
                owned.close()
        return Outcome(reason="duration", elapsed=1.0, ready_seconds=1.0)


def _kept_genesis(*_: object) -> Genesis:
    """What the founder would make once more: as the chain of node 1, which is whole, has it, without its members."""
    with ChainStore(RunDirectory(Path("run")).node("1").chain, readonly=True) as chain:
        return msgspec.structs.replace(codec.decode(Genesis, chain.genesis or b"", limit=1 << 24), members=msgspec.UNSET)
