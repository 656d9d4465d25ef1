"""Two clocks, never mixed. Whatever waits, paces or times out goes by the monotonic one; the wall clock stands in what is signed, in
metrics, and in the check of what others have signed.

Nobody here reads a clock: a driver does, and hands both to its actor as one `Now`.
"""

import msgspec

FOREVER = 1 << 62
"""Milliseconds that never pass."""


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
