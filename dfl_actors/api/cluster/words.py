"""What we and the bridge to Ray say to each other. Each process on the cluster has a number, given by us."""

import msgspec


class Word(msgspec.Struct, frozen=True, tag=True):
    """Base of all."""


class Begin(Word, frozen=True):
    """Start a process: what it does and its arguments, pickled, and how many processors Ray is to keep for it."""

    number: int
    job: bytes
    cpus: float


class Say(Word, frozen=True):
    """To a process, or by it."""

    number: int
    body: bytes


class End(Word, frozen=True):
    """End a process."""

    number: int


class Connected(Word, frozen=True):
    """The cluster is there: its processors, and how many of them are free."""

    cpus: float
    free: float


class Placed(Word, frozen=True):
    """A process has begun on this machine."""

    number: int
    machine: str


class Ended(Word, frozen=True):
    """A process has ended, and how, for a person; `fatal`: so would any other."""

    number: int
    how: str
    fatal: bool = False


TO_BRIDGE = msgspec.msgpack.Decoder(Begin | Say | End)
FROM_BRIDGE = msgspec.msgpack.Decoder(Connected | Placed | Say | Ended)
encode = msgspec.msgpack.encode
