"""What is performed when: the one order in which a driver performs what its actor wants. It knows no clock, no socket and no store.

In go the effects of the messages handled, the letters that led to them, and the time; out come steps, to be performed one after the
other. A process may fall between any two of them: what was performed stays, all else is gone. The order of one batch is

    models (`Keep`, `Touch`), as they were wanted, then final blocks (`Commit`)
    the journal (`WriteJournal`): one synced commit
    speech: events, letters into their outbox, news, requests, replies
    metrics (`Note`), which tell of what was said
    letters on their way (`Deliver`)
    acknowledgements (`Acknowledge`) of the letters that led to all this

so nothing is said that is not written, and nothing is acknowledged that is not done. A batch that says nothing leaves its journal to
the next that does, or to its acknowledgement: one commit then does for several. Acknowledgements wait a little for others, for the
same reason, and one word to a sender speaks for all its letters; once the end is announced they no longer wait.
"""

from collections.abc import Iterable

import msgspec

from dfl_actors.core.effects import Commit, Effect, Journal, Keep, Note, Touch

ACKNOWLEDGE_WITHIN = 250  # Milliseconds an acknowledgement may wait for others.

Acknowledgement = tuple[bytes, bytes]  # Whose letter it was, and the part of its header that says which.


class WriteJournal(msgspec.Struct, frozen=True):
    """Write all of this into the actor's journal, whole or not at all, and durable when it returns. None deletes."""

    writes: tuple[tuple[bytes, bytes | None], ...]


class Deliver(msgspec.Struct, frozen=True):
    """Put the letters that are due on their way."""


class Acknowledge(msgspec.Struct, frozen=True):
    """Say to their senders that these letters have been dealt with."""

    letters: tuple[Acknowledgement, ...]


Step = Effect | WriteJournal | Deliver | Acknowledge

DELIVER = Deliver()


class Delivery:
    """The order of one actor. `wake` is when `steps` is to be asked next though nothing was handled, None for never."""

    def __init__(self, patience: int = ACKNOWLEDGE_WITHIN) -> None:
        self.patience = patience
        self.wake: int | None = None
        self._wanted: list[Effect] = []
        self._writes: list[tuple[bytes, bytes | None]] = []
        self._owed: list[Acknowledgement] = []

    def handled(self, effects: Iterable[Effect]) -> None:
        """A message was handled, and this is what the actor wants for it."""
        self._wanted += effects

    def owes(self, letter: Acknowledgement) -> None:
        """A letter is to be acknowledged. It is handled before the next `steps`, unless it is a repeat."""
        self._owed.append(letter)

    def hurry(self) -> None:
        """The end was announced: nothing waits any more."""
        self.patience = 0
        self.wake = None if self.wake is None else 0

    def steps(self, now: int, last: bool = False) -> list[Step]:
        """What is to be performed now, in this order; `last` leaves nothing for later."""
        steps = self._batch() if self._wanted else []
        steps.append(DELIVER)
        if self._owed or self._writes:
            self.wake = now + self.patience if self.wake is None else self.wake
            if last or now >= self.wake:
                steps += self._end()
        else:
            self.wake = None
        return steps

    def _batch(self) -> list[Step]:
        wanted, self._wanted = self._wanted, []
        stores: list[Step] = []
        blocks: list[Step] = []
        speech: list[Step] = []
        notes: list[Step] = []
        for effect in wanted:
            match effect:
                case Journal(key, value):
                    self._writes.append((key, value))
                case Note():
                    notes.append(effect)
                case Keep() | Touch():
                    stores.append(effect)
                case Commit():
                    blocks.append(effect)
                case _:
                    speech.append(effect)
        return [*stores, *blocks, *(self._journal() if speech else ()), *speech, *notes]

    def _journal(self) -> list[Step]:
        writes, self._writes = tuple(self._writes), []
        return [WriteJournal(writes)] if writes else []

    def _end(self) -> list[Step]:
        owed, self._owed, self.wake = tuple(self._owed), [], None
        return [*self._journal(), *([Acknowledge(owed)] if owed else ())]
