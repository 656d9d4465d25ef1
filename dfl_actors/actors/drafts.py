"""The ways of drafts: from a neighbour to the validator, from there on to witnesses further away, and confirmations back.

Where a draft came from is remembered when the validator has found it right, and not before: so nobody fills our memory, nor has us pass
on, what was not checked.
"""

from collections.abc import Iterator

from dfl_actors.actors.base import Settings
from dfl_actors.actors.handing import Brought, Handing, size_of
from dfl_actors.core.checks import Verifier
from dfl_actors.core.clock import Now
from dfl_actors.core.codec import digest
from dfl_actors.core.effects import Effect, Send, Tell
from dfl_actors.core.gossip import reaches_further
from dfl_actors.core.messages import MOST_SENT, Confirmations, ConfirmationsArrived, ConfirmationsFor, Confirmed, DraftArrived
from dfl_actors.core.objects import Address, Digest, Draft
from dfl_actors.core.recent import Recent
from dfl_actors.errors import Refused

REMEMBERED = 8192  # Drafts whose way back is known.


class Drafts:
    """`handing` are those of neighbours on their way to the validator."""

    def __init__(self, settings: Settings, verifier: Verifier, handing: Handing) -> None:
        self._me, self._verifier, self._handing = settings.address, verifier, handing
        self._ways: Recent[Digest, Address] = Recent(REMEMBERED)

    def ours(self, draft: Draft) -> None:
        """Confirmations of it are for this node's builder."""
        self._ways.put(digest(draft), self._me)

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
        if isinstance(letter, DraftArrived) and reaches_further(letter.draft, self._me):
            yield letter.draft

    def confirmations(self, neighbour: Address, given: Confirmations) -> Iterator[Effect]:
        """Those of our own draft go to the builder, those of another's the way the draft came, when their signatures are right.
        Raises `Refused`."""
        for via in dict.fromkeys(self._ways.get(one.draft) for one in given):
            group = tuple(one for one in given if self._ways.get(one.draft) == via)
            if via is None:
                raise Refused("other_draft", f"from {neighbour[:8]}")
            if via == self._me:
                yield Tell(ConfirmationsArrived(confirmations=group, sender=neighbour))
            else:
                for one in group:
                    self._verifier.check(one)
                yield from confirming(via, group)


def confirming(to: Address, confirmations: Confirmations) -> Iterator[Effect]:
    """The requests that hand confirmations to a neighbour: so many at a time as fit into one."""
    for first in range(0, len(confirmations), MOST_SENT):
        yield Send(to, ConfirmationsFor(confirmations=confirmations[first : first + MOST_SENT]))
