"""What the fork server of a run that is to be killed loads besides (`crash_points`)."""

from crash_points import set_clock, wrap

set_clock()
wrap()
