"""Signatures for simulations of many schedules: keyed hashes in the place of Ed25519, a hundredth of its time.

Whoever signs in the simulation is known here, so a seal is checked with the secret that made it: nobody who lacks the key can make one.
Everything around a signature (which bytes it covers, who must have signed, when it is checked) is the program's own.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import blake2b
from unittest.mock import patch

from dfl_actors.core import keys

CHECKED_IN = ("dfl_actors.core.objects", "dfl_actors.core.link", "dfl_actors.core.pulse")
"""Where signatures are checked."""

_secrets: dict[str, bytes] = {}


class SealKeys(keys.KeyPair):
    """A key pair that seals."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self.public = blake2b(seed, digest_size=32, person=b"public").hexdigest()
        self.address = keys.address_of(self.public)
        _secrets[self.public] = seed

    @property
    def seed(self) -> bytes:
        return self._seed

    def sign(self, data: bytes) -> str:
        return blake2b(data, key=self._seed).hexdigest()


def verify(public: str, signature: str, data: bytes) -> bool:
    """As `keys.verify`."""
    secret = _secrets.get(public)
    return secret is not None and blake2b(data, key=secret).hexdigest() == signature


@contextmanager
def sealed() -> Iterator[None]:
    """Signatures are checked as seals."""
    with ExitStack() as stack:
        for module in CHECKED_IN:
            stack.enter_context(patch(f"{module}.verify", verify))
        yield
