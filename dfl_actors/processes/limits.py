"""How many files a process may hold open, how much memory it may take, and how long it may work."""

import resource
from pathlib import Path

from dfl_actors.errors import ActorError

KIB = 1 << 10
STATUS = Path("/proc/self/status")


def allow_files(count: int, what: str) -> None:
    """Let this process, and those it starts, hold so many files open. Raises `ActorError` when the system lets us have fewer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= count:
        return
    if hard != resource.RLIM_INFINITY and hard < count:
        raise ActorError(f"{what} needs {count} open files in one process, and {hard} are allowed: raise that limit (ulimit -n)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def spare_files(more: int) -> None:
    """Let this process hold so many files more open, if the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft + more if hard == resource.RLIM_INFINITY else min(hard, soft + more), hard))


def limit_processor(seconds: int) -> None:
    """Let this process work for so many seconds, and then end by `SIGXCPU`."""
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (seconds if hard == resource.RLIM_INFINITY else min(hard, seconds), hard))


def limit_memory(more: int) -> None:
    """Let this process take so many bytes more than it has now, and end when it wants more still.

    What is limited is data (`RLIMIT_DATA`), not address space: a store that grows maps its file, and that costs no memory. A system that
    does not say what a process has (other than Linux) limits nothing.
    """
    taken = data_taken()
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if taken is not None and (soft == resource.RLIM_INFINITY or soft > taken + more):
        resource.setrlimit(resource.RLIMIT_DATA, (taken + more, hard))


def data_taken() -> int | None:
    """Bytes of data that this process has; None where the system does not say."""
    try:
        lines = STATUS.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((KIB * int(line.split()[1]) for line in lines if line.startswith("VmData:")), None)
