"""Ed25519 key pairs and addresses. The address of a node is the SHA-256 of its public key (the paper, section IV-A)."""

from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from dfl_actors.core.codec import sha256


class KeyPair:
    """A node's private key and what follows from it. Its text never shows the private part."""

    def __init__(self, seed: bytes) -> None:
        """The pair that belongs to a 32-byte secret seed. Raises `ValueError` for another length."""
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._private.public_key().public_bytes_raw().hex()
        self.address = address_of(self.public)

    @property
    def seed(self) -> bytes:
        """The 32 secret bytes. They belong in a key file with mode 0600 and nowhere else."""
        return self._private.private_bytes_raw()

    def sign(self, data: bytes) -> str:
        """Signature of `data`, 128 hexadecimal digits."""
        return self._private.sign(data).hex()

    def __repr__(self) -> str:
        return f"KeyPair(address={self.address[:8]})"


def address_of(public: str) -> str:
    """Address of the node that holds the public key (64 hexadecimal digits)."""
    return sha256(bytes.fromhex(public))


def verify(public: str, signature: str, data: bytes) -> bool:
    """Whether `signature` is that of `data` under `public`; a malformed key is not an error, only never right."""
    try:
        _public_key(public).verify(bytes.fromhex(signature), data)
    except (InvalidSignature, ValueError):
        return False
    return True


@lru_cache(maxsize=1024)
def _public_key(public: str) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
