"""Copy: it never trains, and offers what it has averaged from others as if it were its own work (the free rider)."""

from dfl_actors.sdk.attack import Attack


def build() -> Attack:
    """Takes no parameters."""
    return Attack(trains=False)
