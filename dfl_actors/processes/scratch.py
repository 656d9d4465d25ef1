"""A folder that the processes of one command share while they live. One whose processes were all killed is taken away by the next command.

Each of them holds a lock in it, which no death leaves behind.
"""

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

PREFIX, LOCK = "dfl-", "alive"


class Scratch:
    """A new folder `path` of this user's, held by this process until `remove`."""

    def __init__(self) -> None:
        forget()
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
        # Under another name until it is locked: else somebody who begins now would take it for one of the dead.
        part = self.path / "part"
        self._held = os.open(part, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._held, fcntl.LOCK_SH)
        part.rename(self.path / LOCK)

    def remove(self) -> None:
        """With all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._held)


def hold(folder: Path) -> None:
    """From now on the folder of another process is held by this one too, and by those that it forks, as long as one of them lives."""
    with suppress(OSError):  # it may just have gone, with whoever made it
        fcntl.flock(os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC), fcntl.LOCK_SH)


def forget() -> None:
    """Take away the folders of this user that nobody holds any more."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{LOCK}"):
        with suppress(OSError):
            if path.parent.lstat().st_uid == os.geteuid():
                _forget(path)


def _forget(lock: Path) -> None:
    """Raises `OSError` where it is held, or gone."""
    place = os.open(lock, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(lock.parent, ignore_errors=True)
    finally:
        os.close(place)
