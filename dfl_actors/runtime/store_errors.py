"""What the operating system or LMDB refuses, as the user's error: one line with the cause and the remedy."""

import errno
from pathlib import Path

import lmdb

from dfl_actors.errors import StoreError

MDB_INVALID, MDB_VERSION_MISMATCH = -30793, -30794
MDB_PANIC, MDB_CORRUPTED, MDB_PAGE_NOTFOUND = -30795, -30796, -30797

_CAUSES = {
    errno.ENOENT: "does not exist, or holds no data.mdb: check the path, or put a copy in its place",
    **dict.fromkeys((errno.ENOTDIR, errno.EEXIST), "is not a directory: choose another path"),
    **dict.fromkeys((errno.EACCES, errno.EPERM), "may not be used by this user: correct its owner or its permissions"),
    errno.EROFS: "is on a read-only file system: choose another path",
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "cannot be written, the disk is full: free some space and start again"),
    errno.EFBIG: "cannot be written, its file would become larger than this user may write: raise the limit and start again",
    # LMDB reports a write that was cut short as EIO, which is how most full disks look from here.
    errno.EIO: "cannot be written, the disk is full or failing: free some space and start again",
    errno.EBADF: "is damaged, its file is empty: put a copy in its place",  # LMDB would make it new, and may only read
    MDB_INVALID: "is not a store, or is damaged: put a copy in its place, or choose another path",
    MDB_VERSION_MISMATCH: "was written by another version of LMDB: put a copy in its place, or choose another path",
    **dict.fromkeys((MDB_PANIC, MDB_CORRUPTED, MDB_PAGE_NOTFOUND), "is damaged: put a copy in its place"),
}


def store_error(path: Path, error: OSError | lmdb.Error) -> StoreError:
    """The user's error for a failure at `path`: one line with the cause and the remedy."""
    code = error.errno if isinstance(error, OSError) else error.code
    return StoreError(f"{path} {_CAUSES[code]}" if code in _CAUSES else f"{path} cannot be used: {error}")
