"""What happens in which tick: the order within a tick, who receives what, and the same again from a seed."""

from itertools import pairwise

import numpy as np

from dfl_actors.sim.timeline import Check, Compare, Indices, Job, Measure, Member, Timeline, Train, Update


class Numbered:
    """Draws that tell how many there were."""

    def __init__(self) -> None:
        self.drawn = 0

    def _next(self, *shape: int) -> Indices:
        self.drawn += 1
        return np.full(shape, self.drawn, np.uint32)

    def batch(self) -> Indices:
        return self._next(2)

    def tests(self, models: int) -> Indices:
        return self._next(models, 3)

    def check(self) -> Indices:
        return self._next(4)


def line(buffer: int = 2, observer: bool = False, measures: bool = False, intervals: tuple[int, ...] = (2,)) -> list[Member]:
    """Three nodes in a line: 0 - 1 - 2."""
    return [
        Member("a", (1,), intervals, buffer, measures=measures),
        Member("b", (0, 2), intervals, buffer, offers=not observer, measures=measures),
        Member("c", (1,), intervals, buffer, measures=measures),
    ]


def jobs(members: list[Member], ticks: int, seed: int = 0, check_every: int = 0, compare_every: int = 0) -> list[list[Job]]:
    rng = np.random.default_rng(seed)
    timeline = Timeline(members, [Numbered() for _ in members], rng, check_every=check_every, compare_every=compare_every)
    return [list(timeline.tick(tick)) for tick in range(ticks)]


def kinds(tick: list[Job]) -> list[tuple[str, int]]:
    return [(type(job).__name__, getattr(job, "node", -1)) for job in tick]


def test_a_tick_is_training_then_averaging_then_looking() -> None:
    first, second, third = jobs(line(), 3, check_every=2, compare_every=2)
    trained = [("Train", 0), ("Train", 1), ("Train", 2)]
    assert kinds(first) == [*trained, ("Update", 1), ("Check", 0), ("Check", 1), ("Check", 2), ("Compare", -1)]
    assert kinds(second) == []
    assert kinds(third)[:6] == [*trained, ("Update", 0), ("Update", 1), ("Update", 2)]


def test_a_full_buffer_holds_what_the_neighbours_sent_in_order_and_is_emptied() -> None:
    updates = [job for tick in jobs(line(), 5) for job in tick if isinstance(job, Update)]
    assert [[(one.model, one.sender) for one in job.received] for job in updates if job.node == 1] == [
        [(0, 0), (2, 2)], [(3, 0), (5, 2)], [(6, 0), (8, 2)],
    ]  # fmt: skip
    assert [[one.model for one in job.received] for job in updates if job.node == 0] == [[1, 4]]


def test_models_are_measured_before_they_are_averaged_each_on_its_own_samples() -> None:
    (tick,) = jobs(line(measures=True), 1)
    measure, update = tick[-2:]
    assert isinstance(measure, Measure) and isinstance(update, Update) and update.measured
    assert measure.models == tuple(one.model for one in update.received) and measure.samples.shape == (2, 3)


def test_an_observer_receives_and_averages_but_never_trains() -> None:
    found = [job for tick in jobs(line(observer=True), 9) for job in tick]
    assert not [job for job in found if isinstance(job, Train) and job.node == 1]
    assert [job for job in found if isinstance(job, Update) and job.node == 1]
    assert not [job for job in found if isinstance(job, Update) and job.node == 0], "its neighbours get nothing"


def test_intervals_are_drawn_from_the_list() -> None:
    found = jobs(line(buffer=99, intervals=(3, 5)), 400)
    ticks = [job.tick for tick in found for job in tick if isinstance(job, Train) and job.node == 0]
    gaps = {after - before for before, after in pairwise(ticks)}
    assert ticks[0] == 0 and gaps == {3, 5}


def test_the_same_seed_gives_the_same_jobs_and_another_gives_others() -> None:
    def told(seed: int) -> list[list[tuple[str, int]]]:
        return [kinds(tick) for tick in jobs(line(intervals=(3, 4, 5)), 60, seed)]

    assert told(4) == told(4) != told(5)


def test_services_that_are_off_say_nothing() -> None:
    assert not [job for tick in jobs(line(), 30) for job in tick if isinstance(job, Check | Compare)]
