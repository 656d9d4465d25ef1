"""Times as people read them."""

from datetime import UTC, datetime


def time_text(milliseconds: int, form: str, utc: bool = False) -> str:
    """A time of the epoch in local time, or UTC, in the form of `strftime`, where `%f` has three digits. It may have been written by
    anybody: one that no calendar has is given as the number that it is."""
    try:
        when = datetime.fromtimestamp(milliseconds // 1000, UTC if utc else None)
    except (ValueError, OverflowError, OSError):
        return f"{milliseconds} ms"
    return when.strftime(form.replace("%f", f"{milliseconds % 1000:03}"))
