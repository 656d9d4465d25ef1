"""Frames that somebody hostile may send: right messages with something changed, and what never was one."""

import random
from collections.abc import Iterator, Sequence

from dfl_actors.core.codec import encode
from dfl_actors.core.keys import KeyPair
from dfl_actors.core.messages import Beat, Fetch, Hello, Holding, Probe, Proof, Resend

KEY = KeyPair(bytes(32))
NONCE = "7" * 64


def seeds(genesis: str) -> list[bytes]:
    """One right message of each kind that costs nothing to make."""
    made = (
        Hello(genesis=genesis, address=KEY.address, public_key=KEY.public, nonce=NONCE),
        Proof(signature="0" * 128),
        Probe(address=KEY.address, nonce=NONCE, known=NONCE),
        Fetch(model=NONCE, first=0, count=1),
        Resend(epoch=1, first=0, last=99),
        Holding(),
        Beat(),
    )
    return [encode(one) for one in made]


def mutated(body: bytes, rng: random.Random) -> bytes:
    """One of: a flipped byte, a cut, a doubled part, bytes put in, a number blown up, brackets without end, noise."""
    at = rng.randrange(len(body) + 1)
    match rng.randrange(7):
        case 0:
            return body[:at] + bytes([rng.randrange(256)]) + body[at + 1 :]
        case 1:
            return body[:at]
        case 2:
            return body[:at] + body
        case 3:
            return body[:at] + rng.randbytes(rng.randrange(1, 40)) + body[at:]
        case 4:
            return body.replace(b"1", b"1" + b"0" * rng.randrange(1, 400))
        case 5:
            return rng.choice((b"[", b'{"a":', b"\xff\xfe", b'"')) * rng.randrange(1, 400)
        case _:
            return rng.randbytes(rng.randrange(300))


def hostile(genesis: str, rng: random.Random, count: int) -> Iterator[Sequence[bytes]]:
    """So many messages of one to five frames."""
    right = seeds(genesis)
    for _ in range(count):
        frames = [mutated(rng.choice(right), rng) for _ in range(rng.choice((1, 1, 1, 2, 3, 5)))]
        yield [rng.choice((b"n", b"\x01n", b"\x00n", b"\x01", b"")), *frames] if rng.random() < 0.3 else frames
