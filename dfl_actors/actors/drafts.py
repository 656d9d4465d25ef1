"""The ways of drafts: from a neighbour to the validator, from there on to witnesses further away, and confirmations back.

Where a draft came from is remembered when the validator has found it right, and not before: so nobody fills our memory, nor has us pass
on, what was not checked. Its receipts are remembered with it, so that of confirmations only right ones are passed on, and each once until
the draft is announced again: those that were lost on the way come again then.
"""

from collections.abc import Iterator

import msgspec

from dfl_actors.actors.base import Settings
from dfl_actors.actors.handing import Brought, Handing, size_of
from dfl_actors.core.checks import Verifier, check_confirmation, receipts_of
from dfl_actors.core.clock import Now
from dfl_actors.core.codec import digest
from dfl_actors.core.effects import Effect, Send, Tell
from dfl_actors.core.gossip import reaches_further
from dfl_actors.core.messages import MOST_SENT, Confirmations, ConfirmationsArrived, ConfirmationsFor, Confirmed, DraftArrived
from dfl_actors.core.objects import Address, Confirmation, Digest, Draft, Receipt
from dfl_actors.core.recent import Recent
from dfl_actors.errors import Refused

REMEMBERED = 8192  # Drafts whose way back is known.
MOST_RECEIPTS = 32_768  # Receipts, some 1 KiB each, of others' open drafts; when there are more the largest draft is left.


class Open(msgspec.Struct):
    """The newest draft of a generator, and which of its receipts were confirmed here since it was announced last."""

    generator: Address
    height: int
    receipts: dict[Digest, Receipt]
    passed: set[Digest]


class Drafts:
    """`handing` are those of neighbours on their way to the validator."""

    def __init__(self, settings: Settings, verifier: Verifier, handing: Handing) -> None:
        self._me, self._verifier, self._handing = settings.address, verifier, handing
        self._ways: Recent[Digest, Address] = Recent(REMEMBERED)
        self._open: dict[Digest, Open] = {}

    def ours(self, draft: Draft) -> None:
        """Confirmations of it are for this node's builder."""
        self._ways.put(digest(draft), self._me)
        self._remember(draft)

    def heard(self, draft: Draft, sender: Address, now: Now) -> Iterator[Effect]:
        """A neighbour's, or one that it passes on. Raises `Refused`."""
        if draft.generator == self._me:
            return
        self._verifier.check_member(draft)
        identity = digest(draft)
        # The generator's own word is the best way back, whoever was faster with it.
        if self._ways.get(identity, sender) == sender or sender == draft.generator:
            letter = DraftArrived(draft=draft, sender=sender)
            self._handing.check_room(sender, size_of(letter))
            yield from self._handing.hand(identity, letter, now)

    def confirmed(self, message: Confirmed, letter: Brought | None) -> Iterator[Draft]:
        """Our validator has found it right: the draft, if it is to be passed on."""
        self._ways.put(message.confirmations[0].draft, message.sender)
        if isinstance(letter, DraftArrived):
            self._remember(letter.draft)
            if reaches_further(letter.draft, self._me):
                yield letter.draft

    def _remember(self, draft: Draft) -> None:
        """It was announced: its confirmations are passed on, those too that were before. Of each generator one draft is open."""
        identity = digest(draft)
        if identity in self._open:
            self._open[identity].passed.clear()
            return
        before = next((known for known, one in self._open.items() if one.generator == draft.generator), "")
        if before and draft.generator != self._me and self._open[before].height > draft.height:
            return
        self._open.pop(before, None)
        self._open[identity] = Open(draft.generator, draft.height, receipts_of(draft), set())
        self._make_room()

    def _make_room(self) -> None:
        others = {identity: len(one.receipts) for identity, one in self._open.items() if one.generator != self._me}
        while sum(others.values()) > MOST_RECEIPTS:
            largest = max(others, key=others.__getitem__)
            del self._open[largest], others[largest]

    def confirmations(self, neighbour: Address, given: Confirmations) -> Iterator[Effect]:
        """Those of our own draft go to the builder, those of another's the way the draft came, when all keep the rules; none goes twice.
        Raises `Refused`, and then none goes on."""
        fresh = {(one.draft, one.receipt): one for one in given if self._fresh(neighbour, one)}
        for one in fresh.values():
            self._open[one.draft].passed.add(one.receipt)
        for via in dict.fromkeys(self._ways[one.draft] for one in fresh.values()):
            group = tuple(one for one in fresh.values() if self._ways[one.draft] == via)
            if via == self._me:
                yield Tell(ConfirmationsArrived(confirmations=group, sender=neighbour))
            else:
                yield from confirming(via, group)

    def _fresh(self, neighbour: Address, one: Confirmation) -> bool:
        """Whether it is right and new. One of a draft that is no longer open comes too late, and is nobody's fault. Raises `Refused`."""
        if one.draft not in self._ways:
            raise Refused("other_draft", f"from {neighbour[:8]}")
        known = self._open.get(one.draft)
        if known is None:
            return False
        check_confirmation(one, one.draft, known.receipts, self._verifier)
        return one.receipt not in known.passed


def confirming(to: Address, confirmations: Confirmations) -> Iterator[Effect]:
    """The requests that hand confirmations to a neighbour: so many at a time as fit into one."""
    for first in range(0, len(confirmations), MOST_SENT):
        yield Send(to, ConfirmationsFor(confirmations=confirmations[first : first + MOST_SENT]))
