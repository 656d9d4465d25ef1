"""Whose receipts a chain may hold: of the members that the genesis names, and from the date of each later list on of those in it.

A later list is signed by the generator of the chain, and stands in its builder's journal. The witnesses that confirmed a block went by
lists of their own, so a generator gains nothing by one that it made up.
"""

from msgspec import UNSET

from dfl_actors.core.checks import Verifier
from dfl_actors.core.objects import Address, Draft, Genesis, MemberList, PublicKey
from dfl_actors.errors import Refused

LISTED = b"m/"  # Where the builder's journal holds its lists, each behind its number.


def list_key(one: MemberList) -> bytes:
    """Where a list stands in the journal."""
    return LISTED + b"%016d" % one.number


class Roll:
    """The lists of one chain, in their order. Of a genesis that names nobody anybody is a member."""

    def __init__(self, genesis: Genesis) -> None:
        first = None if genesis.members is UNSET else frozenset(genesis.members)
        self._lists: list[tuple[int, frozenset[PublicKey] | None]] = [(0, first)]

    def add(self, one: MemberList, owner: Address | None, verifier: Verifier) -> None:
        """The next list of the chain of `owner`. Raises `Refused` with code `list_order`, `other_generator`, or as `Verifier.check`."""
        if one.number != len(self._lists) or one.created < self._lists[-1][0]:
            raise Refused("list_order", f"{one.number}, expected {len(self._lists)}")
        if one.generator != owner:
            raise Refused("other_generator", one.generator[:8])
        verifier.check(one)
        self._lists.append((one.created, frozenset(one.keys)))

    def check(self, draft: Draft) -> None:
        """Raises `Refused` with code `not_a_member` for a draft, or a receipt in it, of who was none when it was made."""
        members = next(keys for since, keys in reversed(self._lists) if since <= draft.created)
        for signed in (draft, *(receipt for entry in draft.entries for receipt in entry.receipts)):
            if members is not None and signed.public_key not in members:
                raise Refused("not_a_member", f"{signed.kind} with key {signed.public_key[:8]}")
