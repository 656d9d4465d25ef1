"""A failing schedule is reduced to the fewest faults with which it still fails in the same way: delta debugging (Zeller and Hildebrandt,
"Simplifying and isolating failure-inducing input", 2002, algorithm `ddmin`), which ends when no single fault may be left out."""

from collections.abc import Callable, Sequence

import msgspec

from tests.simnet.faults import Fault
from tests.simnet.schedules import Schedule
from tests.simnet.trials import Outcome, perform

MOST_TRIALS = 400


def shrunk(schedule: Schedule, trial: Callable[[Schedule], Outcome] = perform) -> Outcome:
    """The outcome of the smallest schedule found; that of the schedule itself if it does not fail."""
    best = trial(schedule)
    left, parts = MOST_TRIALS, 2
    while best.failure and len(best.schedule.faults) > 1 and left > 0:
        faults = best.schedule.faults
        parts, found = min(parts, len(faults)), None
        for part in range(parts):
            left -= 1
            found = _fails_too(best, _without(faults, part, parts), trial)
            if found is not None:
                break
        if found is not None:
            best, parts = found, max(parts - 1, 2)
        elif parts == len(faults):
            break
        else:
            parts *= 2
    return best


def _without(faults: Sequence[Fault], part: int, parts: int) -> tuple[Fault, ...]:
    """All but one of so many parts of equal size."""
    begin, end = (len(faults) * at // parts for at in (part, part + 1))
    return (*faults[:begin], *faults[end:])


def _fails_too(before: Outcome, faults: tuple[Fault, ...], trial: Callable[[Schedule], Outcome]) -> Outcome | None:
    after = trial(msgspec.structs.replace(before.schedule, faults=faults))
    return after if after.failure and after.way == before.way else None
