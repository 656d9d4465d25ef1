"""How much of a neighbour's is dealt with in a time: token buckets, one for each by itself.

A bucket of `burst` tokens fills with `rate` a second. What comes while there are none is left: nobody's fault, and a loss like any other,
which is asked for again. Something larger than what is there may still pass, and is paid for by waiting.
"""


class Buckets:
    """One for each name, made when it is first seen; the names are known ones."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate / 1000, burst
        self._held: dict[str, tuple[float, int]] = {}

    def take(self, who: str, amount: float, now: int) -> bool:
        """Whether there is something left at `now` (monotonic ms); if so, `amount` is taken."""
        held, at = self._held.get(who, (self._burst, now))
        held = min(self._burst, held + (now - at) * self._rate)
        taken = held > 0
        self._held[who] = held - amount if taken else held, now
        return taken
