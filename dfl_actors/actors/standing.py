"""How the neighbours stand with us: what came of every frame of theirs, their scores, and who is shut out.

A score outlives reconnects, for it is the address's, and restarts, for it is journalled (`score/<address>`).
"""

from collections import Counter
from collections.abc import Iterator

import msgspec

from dfl_actors.actors.base import JournalReader, refused
from dfl_actors.core import events
from dfl_actors.core.clock import Now, since
from dfl_actors.core.effects import Effect, Journal, Note
from dfl_actors.core.objects import Address
from dfl_actors.core.score import HALF_LIFE, Promises, Score, breaks, faded, promised, worse
from dfl_actors.core.verdicts import Verdict, verdict
from dfl_actors.errors import Refused

PREFIX = "score/"
TOLD_EVERY = 60_000  # Milliseconds between two notes of the verdicts.
LONGEST = 10 * HALF_LIFE  # Milliseconds that a score lasts at most.


class Standing:
    """The neighbours of one node."""

    def __init__(self, journal: JournalReader, neighbours: tuple[Address, ...], now: Now) -> None:
        self._scores = dict.fromkeys(neighbours, Score())
        self._promises = dict.fromkeys(neighbours, Promises())
        self._counts: dict[Address, Counter[tuple[Verdict, str]]] = {}
        self._told = now.mono
        for key, value in journal.scan(PREFIX.encode()):
            address, saved = key.decode().removeprefix(PREFIX), msgspec.json.decode(value, type=Score)
            if address in self._scores:
                self._scores[address] = msgspec.structs.replace(saved, at=since(saved.at, now, LONGEST))

    def out(self, neighbour: Address, now: Now) -> bool:
        """Whether it is shut out."""
        score = self._scores.get(neighbour)
        return score is not None and score.out and faded(score, now.mono).out

    def count(self, neighbour: Address, what: Verdict, code: str = "") -> None:
        """A frame came to this end."""
        self._counts.setdefault(neighbour, Counter())[what, code] += 1

    def judge(self, neighbour: Address, code: str, by_signer: bool, now: Now) -> Iterator[Effect]:
        """Count what was refused; if the neighbour is at fault, its score gets worse."""
        found = verdict(code, by_signer)
        self.count(neighbour, found, code)
        if found is Verdict.REFUSE and neighbour in self._scores:
            yield from self._worse(neighbour, now)

    def kept(self, neighbour: Address, now: Now) -> None:
        """It gave a model that it had announced."""
        if neighbour in self._promises:
            self._promises[neighbour] = promised(self._promises[neighbour], True, now.mono)

    def broke(self, neighbour: Address, now: Now) -> Iterator[Effect]:
        """It did not give a model that it had announced, though it answered meanwhile."""
        if neighbour in self._promises:
            promises = self._promises[neighbour] = promised(self._promises[neighbour], False, now.mono)
            if breaks(promises):
                yield from self._worse(neighbour, now)

    def _worse(self, neighbour: Address, now: Now) -> Iterator[Effect]:
        before, score = self.out(neighbour, now), worse(self._scores[neighbour], now.mono)
        self._scores[neighbour] = score
        yield Journal(f"{PREFIX}{neighbour}".encode(), msgspec.json.encode(msgspec.structs.replace(score, at=now.wall)))
        if score.out and not before:
            yield refused(Refused("shut_out", f"{score.bad:.1f} bad messages"), "neighbour", "", neighbour)

    def told(self, now: Now) -> Iterator[Effect]:
        """What came of all frames since the last time, once a minute."""
        if now.mono - self._told >= TOLD_EVERY:
            yield from self.tell(now)

    def tell(self, now: Now) -> Iterator[Effect]:
        counts, self._counts, self._told = self._counts, {}, now.mono
        for neighbour, found in counts.items():
            by = {kind: {code: n for (what, code), n in found.items() if what is kind} for kind in Verdict}
            yield Note(
                events.Frames(
                    by=neighbour, accepted=sum(by[Verdict.ACCEPT].values()), refused=by[Verdict.REFUSE], ignored=by[Verdict.IGNORE]
                )
            )
