"""What the fork server of a run imports, so that every child starts with it: no TensorFlow operation, no socket, no open store."""

import tempfile
from contextlib import suppress
from pathlib import Path

import dfl_actors.learning.models
import dfl_actors.runtime.actor_process
import dfl_actors.runtime.evaluator  # noqa: F401
from dfl_actors.core import codec
from dfl_actors.core.control import FROM_SUPERVISOR
from dfl_actors.core.keys import KeyPair, verify
from dfl_actors.core.messages import EVENT, LETTER, REPLY, REQUEST, AnyNews
from dfl_actors.errors import Refused, StoreError
from dfl_actors.runtime.stores import Journal, ModelStore


def first_use() -> None:
    """Sign, check, decode and store something once: what libraries set up at their first use is shared too, 5 MB a child."""
    key = KeyPair(bytes(32))
    verify(key.public, key.sign(b""), b"")
    for union in (LETTER, EVENT, AnyNews, REQUEST, REPLY, FROM_SUPERVISOR):
        with suppress(Refused):
            codec.decode(union, b"{}")
    # Those who need the disk report that it is full.
    with suppress(OSError, StoreError), tempfile.TemporaryDirectory() as folder:
        with Journal(Path(folder, "journal")) as journal:
            journal.commit([(b"key", b"value")])
        with ModelStore(Path(folder, "models"), 1) as models:
            models.put("key", b"value")


first_use()
