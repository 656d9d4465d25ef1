"""The rules between the blocks of one chain. `ChainState` is all a block has to be held against, made of the blocks before it.

Its owner pins it: the builder's journal holds the state at the last final block, written with one commit after the block itself. So a
stored chain may be ahead of its pin, after a crash between the two, and never behind; one that is was cut off, or an older copy
was put back. And what lies before the pin need not be verified again when the node starts.
"""

from typing import Protocol

import msgspec

from dfl_actors.core.checks import WINDOW, Verifier, check_final
from dfl_actors.core.codec import decode, sha256
from dfl_actors.core.objects import Address, Digest, FinalBlock
from dfl_actors.errors import ChainError, Refused

PIN = b"head"  # Where the builder's journal holds the pinned state.
BASE = b"base"  # Where it holds the state from which a chain goes on whose beginning was lost.
LARGEST_BLOCK = 1 << 30


class Stored(Protocol):
    """What is read of a chain on the disk."""

    @property
    def height(self) -> int: ...

    def block(self, height: int) -> bytes | None: ...


class ChainState(msgspec.Struct, frozen=True, kw_only=True):
    """The head of a chain: how many blocks it has, the digest the next one must name, and who makes them.

    `sequence` is the highest sequence number of a transaction so far, `skipped` those below it that have not come: a
    transaction that lacked receipts may come in a later block, but none can come twice.
    """

    height: int
    head: Digest
    generator: Address | None = None
    sequence: int = -1
    skipped: frozenset[int] = frozenset()
    finalised: int = 0


def empty(genesis: Digest) -> ChainState:
    """The state before the first block, which names the genesis digest as its previous."""
    return ChainState(height=0, head=genesis)


def extend(state: ChainState, block: FinalBlock, verifier: Verifier) -> ChainState:
    """The state after `block`.

    Every sequence number comes once in a chain, so no transaction, and with it no receipt, can be counted twice.
    Raises `Refused` with code `height`, `previous`, `other_generator`, `transaction_twice`, `time_backwards`, or as
    `checks.check_final`.
    """
    draft = block.draft
    if draft.height != state.height:
        raise Refused("height", f"{draft.height}, expected {state.height}")
    if draft.previous != state.head:
        raise Refused("previous", f"{draft.previous[:8]}, expected {state.head[:8]}")
    if state.generator not in (None, draft.generator):
        raise Refused("other_generator", draft.generator[:8])
    numbers = frozenset(entry.transaction.sequence for entry in draft.entries)
    if draft.created < state.finalised:
        raise Refused("time_backwards")
    head = check_final(block, verifier)
    return ChainState(
        height=state.height + 1,
        head=head,
        generator=draft.generator,
        sequence=max(state.sequence, *numbers),
        skipped=_skipped(state, numbers),
        finalised=block.finalised,
    )


def _skipped(state: ChainState, numbers: frozenset[int]) -> frozenset[int]:
    """The numbers still free below the newest one, those within the window. Raises `Refused` with code `transaction_twice`."""
    for number in sorted(numbers):
        if number <= state.sequence and number not in state.skipped:
            raise Refused("transaction_twice", f"sequence {number}")
    newest = max(state.sequence, *numbers)
    lowest = newest - WINDOW + 1
    free = state.skipped | frozenset(range(max(state.sequence + 1, lowest), newest))
    return frozenset(number for number in free - numbers if number >= lowest)


def behind(height: int, draft: Digest, generator: Address, sequence: int, created: int) -> ChainState:
    """The state from which a chain goes on whose blocks up to `height` were lost: the next one names the `draft` of the last in the place
    of its final block, which nobody else keeps. No sequence number up to `sequence` may come any more."""
    return ChainState(height=height + 1, head=draft, generator=generator, sequence=sequence, finalised=created)


def encode_pin(state: ChainState) -> bytes:
    """What the journal holds of a state."""
    return msgspec.json.encode(state, order="deterministic")


def decode_pin(raw: bytes | None) -> ChainState | None:
    """The state that a journal pins; None from before there were pins. Raises `Refused` with code `malformed`."""
    try:
        return None if raw is None else msgspec.json.decode(raw, type=ChainState)
    except msgspec.DecodeError as error:
        raise Refused("malformed", f"the pinned head, {error}") from None


def check_pin(pin: ChainState, stored: Stored, base: ChainState | None = None) -> None:
    """Raises `ChainError` when the stored chain does not hold the pinned head; whose chain it is, the caller knows. One that begins behind
    blocks that were lost has none at its `base`."""
    if pin == base:
        return
    height = stored.height
    if height < pin.height:
        missing = f"block {height} is" if pin.height == height + 1 else f"blocks {height} to {pin.height - 1} are"
        raise ChainError(
            f"{missing} missing: its journal pins height {pin.height}, its chain has {height}: put the newer chain back, or begin a new run"
        )
    if pin.height and sha256(stored.block(pin.height - 1) or b"") != pin.head:
        raise ChainError(f"block {pin.height - 1} is not the one that its journal pins: the chain was altered")


def resume(pin: ChainState, stored: Stored, verifier: Verifier) -> ChainState:
    """The state at the end of a stored chain that was verified up to `pin`. Raises `Refused` for what comes after that, as `extend`."""
    state = pin
    while (raw := stored.block(state.height)) is not None:
        state = extend(state, decode(FinalBlock, raw, LARGEST_BLOCK), verifier)
    return state
