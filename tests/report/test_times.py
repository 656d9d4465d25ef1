"""Times that anybody may have written."""

import pytest

from dfl_actors.report.times import time_text


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (1_700_000_000_007, "2023-11-14 22:13:20.007"),
        (0, "1970-01-01 00:00:00.000"),
        (2**53 - 1, "9007199254740991 ms"),
        (-(2**62), f"{-(2**62)} ms"),
    ],
)
def test_a_time_that_no_calendar_has_is_a_number(milliseconds: int, text: str) -> None:
    assert time_text(milliseconds, "%Y-%m-%d %H:%M:%S.%f", utc=True) == text
