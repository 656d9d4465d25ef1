"""Pace and repeats: what is decoded of a neighbour's bytes."""

from hypothesis import given
from hypothesis import strategies as st

from dfl_actors.core.intake import BYTES, FRAMES, KEPT, LARGE, MOST_BYTES, MOST_FRAMES, Intake
from dfl_actors.core.rates import Buckets
from dfl_actors.errors import Refused


@given(st.floats(1, 1000), st.floats(1, 1000), st.lists(st.tuples(st.integers(0, 2_000), st.floats(0.1, 50)), max_size=100))
def test_no_more_passes_than_the_rate_allows_and_one_that_keeps_to_it_loses_nothing(
    rate: float, burst: float, asked: list[tuple[int, float]]
) -> None:
    buckets, now, passed = Buckets(rate, burst), 0, 0.0
    for gap, amount in asked:
        now += gap
        passed += amount if buckets.take("a", amount, now) else 0
        assert passed <= burst + rate * now / 1000 + 50 + 1e-6
    slow, now = Buckets(rate, burst), 0
    for _, amount in asked:
        assert slow.take("a", amount, now)
        now += int(1000 * amount / rate) + 1
    assert buckets.take("b", 1, now), "each for itself"


def test_a_large_message_that_comes_again_is_not_decoded_again() -> None:
    intake: Intake[bytes] = Intake()
    decoded: list[bytes] = []

    def decode(body: bytes) -> bytes:
        decoded.append(body)
        return body

    large = [bytes([number]) * LARGE for number in range(KEPT + 1)]
    for body in (large[0], large[0], large[1], large[0], b"small", b"small"):
        assert intake.take("a", body, decode, 0) == body
    assert decoded == [large[0], large[1], b"small", b"small"]
    intake.take("b", large[0], decode, 0)
    assert len(decoded) == 5, "nobody's memory is another's"
    for body in large:
        intake.take("a", body, decode, 0)
    assert len(decoded) == 6, "only the last are known"


def test_what_is_beyond_the_pace_of_a_neighbour_is_left_undecoded_and_that_of_others_is_not() -> None:
    intake: Intake[bytes] = Intake()

    def taken(who: str, size: int, now: int) -> bool:
        try:
            intake.take(who, bytes(size), bytes, now)
        except Refused as error:
            assert error.code == "busy"
            return False
        return True

    assert sum(taken("a", 1, 0) for _ in range(MOST_FRAMES + 9)) == MOST_FRAMES
    assert taken("b", 1, 0) and sum(taken("a", 1, 1_000) for _ in range(FRAMES + 9)) == FRAMES
    assert sum(taken("c", 4 << 20, 0) for _ in range(20)) == MOST_BYTES >> 22
    assert sum(taken("c", 4 << 20, 1_000) for _ in range(20)) == BYTES >> 22
