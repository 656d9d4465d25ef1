"""A dictionary with a bound: which entries it forgets, and that this costs the same however many it holds."""

import time

from dfl_actors.core.recent import Recent


def test_the_oldest_is_forgotten() -> None:
    recent: Recent[str, int] = Recent(2)
    for number, key in enumerate("abc"):
        recent.put(key, number)
    assert ["a" in recent, recent.get("a"), recent.get("b"), recent.get("c"), len(recent)] == [False, None, 1, 2, 2]
    recent.put("b", 7)
    assert list(recent.items()) == [("b", 7), ("c", 2)], "one that is there already stays in its place"


def test_forgetting_takes_no_longer_however_much_is_remembered() -> None:
    """A plain dictionary took eighty times as long at 65,536 entries as at few."""

    def spent(capacity: int) -> float:
        recent: Recent[int, None] = Recent(capacity)
        for number in range(capacity):
            recent.put(number, None)
        begun = time.process_time()
        for number in range(20_000):
            recent.put(capacity + number, None)
        return time.process_time() - begun

    few, many = min(spent(16) for _ in range(3)), min(spent(65_536) for _ in range(3))
    assert many < 10 * few, (few, many)
