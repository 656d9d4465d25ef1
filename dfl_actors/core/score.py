"""What a neighbour's bad messages add up to, and when it is shut out for them (after gossipsub v1.1, its score of invalid messages).

The penalty is the square of the number of bad messages, each of which counts half as much with every `HALF_LIFE`. From `OUT` on the
neighbour is shut out, until the penalty is below `IN`: the fourth bad message within minutes shuts it out for ten minutes or more, and one
that was let in again has less than two to spare. Whatever small share of its messages is bad: who sends one more often than every five
minutes does not stay.
"""

import msgspec

HALF_LIFE = 600_000  # Milliseconds after which a bad message counts half.
OUT, IN = 10.0, 4.0  # Penalties from which on a neighbour is shut out, and below which it is let in again.
MOST = 8.0  # Bad messages that are counted at most: who floods with them is let in again all the same, after twenty minutes.


class Score(msgspec.Struct, frozen=True):
    """`bad` messages as they counted `at` that moment, in ms, and whether the neighbour is shut out."""

    bad: float = 0.0
    at: int = 0
    out: bool = False

    @property
    def penalty(self) -> float:
        return self.bad**2


def faded(score: Score, now: int) -> Score:
    """The same at a later moment. A clock that was set back does not make it worse."""
    bad = score.bad * 0.5 ** (max(0, now - score.at) / HALF_LIFE)
    return Score(bad, now, score.out and bad**2 >= IN)


def worse(score: Score, now: int) -> Score:
    """After one more bad message."""
    before = faded(score, now)
    bad = min(MOST, before.bad + 1)
    return Score(bad, now, before.out or bad**2 >= OUT)


class Promises(msgspec.Struct, frozen=True):
    """Models that a neighbour announced: how many it gave and how many it did not give though it was there, as bad messages fade."""

    kept: float = 0.0
    broken: float = 0.0
    at: int = 0


SPARED = 3.0  # Promises that may be broken without a word: even an honest one's answers are lost now and then.


def promised(promises: Promises, kept: bool, now: int) -> Promises:
    """After one more."""
    fade = 0.5 ** (max(0, now - promises.at) / HALF_LIFE)
    return Promises(promises.kept * fade + kept, promises.broken * fade + (not kept), now)


def breaks(promises: Promises) -> bool:
    """Whether one more that is broken counts as a bad message: more were broken than kept, and more than can be by chance."""
    return promises.broken > SPARED and promises.broken > promises.kept
