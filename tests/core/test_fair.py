"""A fair queue: room of one's own, and turns by work done."""

from hypothesis import given
from hypothesis import strategies as st

from dfl_actors.core.fair import THING, FairQueue

NAMES = st.sampled_from("abc")


@given(st.lists(st.tuples(NAMES, st.integers(0, 50)), max_size=60))
def test_everything_comes_out_once_in_the_order_of_who_brought_it(things: list[tuple[str, int]]) -> None:
    queue: FairQueue[tuple[str, int]] = FairQueue(1000, 1 << 20)
    for number, (who, size) in enumerate(things):
        queue.put(who, (who, number), size)
    assert len(queue) == len(list(queue)) == len(things)
    out = [queue.pop() for _ in things]
    assert queue.pop() is None
    for name in "abc":
        assert [one for one in out if one and one[0] == name] == [(who, n) for n, (who, _) in enumerate(things) if who == name]


@given(st.integers(1, 300), st.integers(0, 100), st.integers(0, 4 << 20))
def test_who_brings_little_waits_for_one_thing_of_another_whatever_that_brings(many: int, served: int, size: int) -> None:
    queue: FairQueue[str] = FairQueue(1000, 1 << 40)
    for _ in range(many):
        queue.put("a", "a", size)
    for _ in range(min(served, many - 1)):
        queue.pop()
    queue.put("b", "b", 0)
    assert "b" in [queue.pop(), queue.pop()]


def test_work_is_shared_and_not_the_number_of_things() -> None:
    queue: FairQueue[str] = FairQueue(1000, 1 << 40)
    for _ in range(100):
        queue.put("large", "large", 9 * THING)
        queue.put("small", "small", 0)
    out = [queue.pop() for _ in range(55)]
    assert out.count("large") in (5, 6)


def test_of_who_leaves_nothing_waits_and_the_room_is_free() -> None:
    queue: FairQueue[int] = FairQueue(2, 100)
    for number, who in enumerate("aab"):
        queue.put(who, number, 50)
    assert queue.leave("a") == [0, 1] and queue.leave("c") == [] and queue.room("a", 100)
    assert queue.pop() == 2 and queue.pop() is None


def test_room_is_each_ones_own_in_number_and_in_bytes_and_one_thing_always_has_it() -> None:
    queue: FairQueue[int] = FairQueue(2, 100)
    assert queue.room("a", 1_000)
    queue.put("a", 0, 60)
    assert queue.room("a", 40) and not queue.room("a", 41) and queue.room("b", 1_000)
    queue.put("a", 1, 0)
    assert not queue.room("a", 0)
    queue.pop()
    assert queue.room("a", 0)
