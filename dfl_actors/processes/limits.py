"""How many files a process may hold open."""

import resource

from dfl_actors.errors import ActorError


def allow_files(count: int, what: str) -> None:
    """Let this process, and those it starts, hold so many files open. Raises `ActorError` when the system lets us have fewer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= count:
        return
    if hard != resource.RLIM_INFINITY and hard < count:
        raise ActorError(f"{what} needs {count} open files in one process, and {hard} are allowed: raise that limit (ulimit -n)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
