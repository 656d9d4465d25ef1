"""The rules between the blocks of one chain. `ChainState` is all a block has to be held against, made of the blocks before it."""

import msgspec

from dfl_actors.core.checks import Verifier, check_final
from dfl_actors.core.objects import Address, Digest, FinalBlock
from dfl_actors.errors import Refused

WINDOW = 4096
"""How far, in sequence numbers, a transaction may lag behind the newest one of the blocks before."""


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
