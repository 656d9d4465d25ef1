"""How two gossipers prove to each other who they are: each signs the other's nonce, within the network's genesis.

DEALER                    ROUTER
  | -- Hello(nonce) -------> |
  | <- Welcome(nonce, sig) - |   the ROUTER's side is proved
  | -- Proof(sig) ---------> |   the DEALER's side is proved
  | <- Admitted ------------ |

A link is two ways, each a table of what may follow what (`OURS`, `THEIRS`): ours to the neighbour's ROUTER, and its to ours. A step
that is not in the table is refused.
"""

from enum import Enum, auto

from dfl_actors.core.keys import KeyPair, address_of, verify
from dfl_actors.core.messages import Hello, Nonce, Proof, Welcome
from dfl_actors.core.objects import Address, Digest, PublicKey, domain
from dfl_actors.errors import Refused


class Ours(Enum):
    """Our way to a neighbour."""

    GREETED = auto()  # Our greeting goes out until it is answered.
    PROVED = auto()  # The neighbour has proved who it is, and was sent our proof.
    UP = auto()  # Our requests are served.


class Theirs(Enum):
    """A peer's way to us."""

    STRANGER = auto()
    GREETED = auto()
    ADMITTED = auto()


class Step(Enum):
    """What changes a way, or is refused on it."""

    WELCOME = auto()
    ADMITTED = auto()
    LOST = auto()  # The other side no longer knows us, or was started anew.
    HELLO = auto()  # A greeting other than the one before; the same one changes nothing.
    PROOF = auto()
    REQUEST = auto()


OURS: dict[Ours, dict[Step, Ours]] = {
    Ours.GREETED: {Step.WELCOME: Ours.PROVED, Step.LOST: Ours.GREETED},
    Ours.PROVED: {Step.WELCOME: Ours.PROVED, Step.LOST: Ours.PROVED, Step.ADMITTED: Ours.UP},
    Ours.UP: {Step.WELCOME: Ours.UP, Step.LOST: Ours.GREETED, Step.ADMITTED: Ours.UP},
}

THEIRS: dict[Theirs, dict[Step, Theirs]] = {
    Theirs.STRANGER: {Step.HELLO: Theirs.GREETED},
    Theirs.GREETED: {Step.HELLO: Theirs.GREETED, Step.PROOF: Theirs.ADMITTED},
    Theirs.ADMITTED: {Step.HELLO: Theirs.GREETED, Step.PROOF: Theirs.ADMITTED, Step.REQUEST: Theirs.ADMITTED},
}


def ours_after(way: Ours, step: Step) -> Ours:
    """Raises `Refused` with code `wrong_neighbour` for a step that cannot come now."""
    if step not in OURS[way]:
        raise Refused("wrong_neighbour", f"{step.name.lower()} before it proved who it is")
    return OURS[way][step]


def theirs_after(way: Theirs, step: Step) -> Theirs:
    """Raises `Refused` with code `not_admitted` for a step that cannot come now."""
    if step not in THEIRS[way]:
        raise Refused("not_admitted")
    return THEIRS[way][step]


def greeting_bytes(kind: str, genesis: Digest, speaker: Address, listener: Address, nonce: Nonce) -> bytes:
    """What is signed: `speaker` answers `nonce`, which `listener` chose."""
    return domain(kind) + f"{genesis}\n{speaker}\n{listener}\n{nonce}".encode()


def check_hello(hello: Hello, genesis: Digest, allowed: tuple[Address, ...]) -> None:
    """Raises `Refused` with code `other_genesis`, `address_mismatch` or `stranger`."""
    if hello.genesis != genesis:
        raise Refused("other_genesis", f"network {hello.genesis[:8]}")
    if address_of(hello.public_key) != hello.address:
        raise Refused("address_mismatch", hello.address[:8])
    if hello.address not in allowed:
        raise Refused("stranger", hello.address[:8])


def welcome(hello: Hello, key: KeyPair, genesis: Digest, nonce: Nonce) -> Welcome:
    """The answer to a right `Hello`."""
    signature = key.sign(greeting_bytes("welcome", genesis, key.address, hello.address, hello.nonce))
    return Welcome(address=key.address, public_key=key.public, nonce=nonce, signature=signature)


def check_welcome(reply: Welcome, neighbour: Address, me: Address, genesis: Digest, nonce: Nonce) -> None:
    """Raises `Refused` with code `wrong_neighbour` or `bad_signature`."""
    if reply.address != neighbour or address_of(reply.public_key) != neighbour:
        raise Refused("wrong_neighbour", f"{reply.address[:8]}, expected {neighbour[:8]}")
    if not verify(reply.public_key, reply.signature, greeting_bytes("welcome", genesis, neighbour, me, nonce)):
        raise Refused("bad_signature", "welcome")


def proof(reply: Welcome, key: KeyPair, genesis: Digest) -> Proof:
    """The answer to a right `Welcome`."""
    return Proof(signature=key.sign(greeting_bytes("proof", genesis, key.address, reply.address, reply.nonce)))


def check_proof(message: Proof, public_key: PublicKey, address: Address, me: Address, genesis: Digest, nonce: Nonce) -> None:
    """Raises `Refused` with code `bad_signature`."""
    if not verify(public_key, message.signature, greeting_bytes("proof", genesis, address, me, nonce)):
        raise Refused("bad_signature", "proof")
