"""Two clocks, never mixed. Whatever waits, paces or times out goes by the monotonic one; the wall clock stands in what is signed, in
metrics, and in the check of what others have signed.

Nobody here reads a clock: a driver does, and hands both to its actor as one `Now`.
"""

import msgspec

FOREVER = 1 << 62  # Milliseconds that never pass.


class Now(msgspec.Struct, frozen=True, gc=False):
    """One moment on both clocks, in whole milliseconds. `mono` has no meaning outside this machine, and none after it was started anew."""

    mono: int
    wall: int


def since(written: int, now: Now, longest: int = FOREVER) -> int:
    """The monotonic time of a moment that was written down in wall time, perhaps before a restart.

    It is never after `now`, nor more than `longest` ms before it, wherever the wall clock was set meanwhile: what waits from
    that moment on waits no longer than it would have.
    """
    return now.mono - min(max(0, now.wall - written), longest)


APART = 1_000  # Milliseconds between two looks at a neighbour's clock that count as two.
STEP = 1_000  # Milliseconds by which a machine's clock must be set forward or back to be worth a word.


class _Look(msgspec.Struct):
    """What was seen of one neighbour: its last two differences, of moments apart, and what was reported of it."""

    sequence: int = -1
    at: int = -FOREVER
    ahead: int = 0
    before: int | None = None
    reported: int = 0


class Skews:
    """How far the clocks of neighbours are from ours, as the signed times of their own transactions show, accepted or refused.

    A delay makes a clock look slow, and never fast: of transactions that come together (a link that was cut and heals) only the
    newest counts, two moments must agree before a difference is reported, and no clock counts as slower than the neighbour said when
    it was asked. One that was is reported again when it has changed by more than `skew`, and when it is gone.
    """

    def __init__(self, skew: int) -> None:
        self._skew = skew
        self._looks: dict[str, _Look] = {}

    def reported(self) -> dict[str, int]:
        """What was reported of each neighbour: milliseconds ahead of us, 0 when it is right again."""
        return {neighbour: look.reported for neighbour, look in self._looks.items() if look.before is not None}

    def saw(self, neighbour: str, sequence: int, created: int, now: Now, said: int | None = None) -> int | None:
        """A transaction came straight from its generator: what is to be reported of its clock, if anything. `said` is how far that was
        ahead when the neighbour was asked last."""
        look = self._looks.setdefault(neighbour, _Look())
        if sequence <= look.sequence:
            return None
        ahead, look.sequence = created - now.wall, sequence
        if said is not None:
            ahead = max(ahead, min(said, 0))
        if look.at > -FOREVER and now.mono - look.at < APART:
            look.ahead = max(look.ahead, ahead)
        else:
            look.before = None if look.at == -FOREVER else look.ahead
            look.ahead, look.at = ahead, now.mono
        if look.before is None or abs(look.ahead - look.before) > self._skew:
            return None
        return self._changed(look)

    def _changed(self, look: _Look) -> int | None:
        # Whoever was reported is right again only well within the bound, so that one at the bound is not reported again and again.
        off = look.ahead if abs(look.ahead) > (self._skew // 2 if look.reported else self._skew) else 0
        if off == look.reported or (off and look.reported and abs(off - look.reported) <= self._skew):
            return None
        look.reported = off
        return off


class Steps:
    """Whether the machine's clock was set since the run began; each time is reported once."""

    def __init__(self) -> None:
        self.reported = 0

    def saw(self, step: int) -> int | None:
        """How far (ms) the clock is from where it would be, if that is to be reported: 0 when it is set back to that."""
        if abs(step - self.reported) <= STEP:
            return None
        self.reported = step if abs(step) > STEP else 0
        return self.reported
