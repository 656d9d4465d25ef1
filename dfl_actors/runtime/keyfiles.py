"""A node's key on the disk: `key`, which is secret, and `key.pub`, which is for the neighbours' configuration.

`key` is one line of heading and the Ed25519 seed in hexadecimal. The CURVE key of the node's sockets is derived from the same
seed, so there is one secret to keep. `key.pub` holds `name = value` lines: address, public, curve.
"""

import os
import secrets
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from stat import S_ISREG

import zmq
from zmq.utils import z85

from dfl_actors.core.keys import KeyPair
from dfl_actors.errors import KeyFileError

HEADING = "dfl-actors private key (Ed25519 seed): keep it secret"
CURVE_DOMAIN = b"dfl-actors/curve25519/v1"
LONGEST = 1024  # bytes that are read of a key file


def new_key(directory: Path) -> KeyPair:
    """Make a key pair and write `key` and `key.pub` in `directory` (made with mode 0700). Raises KeyFileError.

    A file that is there is never overwritten: a node's key is its name, and a lost one cannot be had again.
    """
    for path in (directory / "key", directory / "key.pub"):
        if os.path.lexists(path):
            raise _present(path)
    pair = KeyPair(secrets.token_bytes(32))
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_new(directory / "key", f"{HEADING}\n{pair.seed.hex()}\n", 0o600)
        _write_new(directory / "key.pub", public_text(pair), 0o644)
    except OSError as error:
        path = Path(error.filename or directory)
        raise (_present(path) if isinstance(error, FileExistsError) else _unusable(path, "written", error)) from error
    return pair


def load_key(directory: Path) -> KeyPair:
    """The pair in `directory/key`. Raises KeyFileError if it is missing, damaged, not ours, or others may read it."""
    path = directory / "key"
    try:
        text = _read_secret(path)
    except FileNotFoundError as error:
        raise KeyFileError(f"{path} does not exist: make a key, or correct the directory") from error
    except OSError as error:
        raise _unusable(path, "read", error) from error
    heading, _, seed = text.partition("\n")
    try:
        if heading != HEADING:
            raise ValueError
        return KeyPair(bytes.fromhex(seed))
    except ValueError:  # its text could quote the seed, so it is not chained
        raise KeyFileError(f"{path} is damaged or no key of this program: restore it from a copy, or make another") from None


def curve_keys(pair: KeyPair) -> tuple[bytes, bytes]:
    """(public, secret) CURVE key of the node's sockets, 40 bytes of Z85 each."""
    secret = z85.encode(sha256(CURVE_DOMAIN + pair.seed).digest())
    return zmq.curve_public(secret), secret


def public_text(pair: KeyPair) -> str:
    """The text of `key.pub`."""
    return f'address = "{pair.address}"\npublic = "{pair.public}"\ncurve = "{curve_keys(pair)[0].decode()}"\n'


def _write_new(path: Path, text: str, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        with suppress(OSError):  # the first error is the one to report
            path.unlink()
        raise


def _read_secret(path: Path) -> str:
    """The text of a file that only we may read; checked on the open file, so it cannot be exchanged in between."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        status = os.fstat(file.fileno())
        if not S_ISREG(status.st_mode):
            raise KeyFileError(f"{path} is not a file: correct the directory")
        if status.st_uid != os.geteuid():
            raise KeyFileError(f"{path} belongs to user {status.st_uid}, not to us ({os.geteuid()}): chown it or run as that user")
        if status.st_mode & 0o077:
            raise KeyFileError(f"{path} may be read by other users: chmod 600 {path}")
        return file.read(LONGEST).decode("ascii", errors="replace")


def _present(path: Path) -> KeyFileError:
    return KeyFileError(f"{path} exists and is not overwritten: move it away or choose another directory")


def _unusable(path: Path, done: str, error: OSError) -> KeyFileError:
    return KeyFileError(f"{path} cannot be {done} ({error.strerror}): correct the directory or its permissions")
