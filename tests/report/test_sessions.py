"""The sessions of a run, as its events come."""

import pytest

from dfl_actors.core.events import Event, Ready, Stopped, Trained
from dfl_actors.report.sessions import Session, Timeline, seconds_in

STARTED = 100


def trained(t: int) -> Event:
    return Trained(t=t, node="a", tx="x", correct=1, tested=2)


def ready(t: int) -> Event:
    return Ready(t=t)


def stopped(t: int) -> Event:
    return Stopped(t=t, reason="duration")


@pytest.mark.parametrize(
    ("events", "sessions"),
    [
        ([], [Session(STARTED, STARTED)]),
        ([trained(300)], [Session(STARTED, 300)]),
        ([ready(200), trained(300)], [Session(200, 300)]),
        # What is measured at the end comes after the stop.
        ([ready(200), stopped(400), trained(450)], [Session(200, 400, stopped=True)]),
        # Killed, and resumed.
        ([ready(200), trained(300), ready(1000), trained(1200)], [Session(200, 300), Session(1000, 1200)]),
        ([ready(200), stopped(400), trained(450), ready(1000)], [Session(200, 400, stopped=True), Session(1000, 1000)]),
        # The actor of another process is a little late.
        ([ready(200), trained(350), trained(300), ready(1000), stopped(1100)], [Session(200, 350), Session(1000, 1100, stopped=True)]),
        # The clock was set back between two sessions.
        ([ready(500), trained(900), ready(300), trained(600)], [Session(300, 500), Session(500, 900)]),
    ],
)
def test_a_session_goes_from_ready_to_its_stop_or_its_last_event(events: list[Event], sessions: list[Session]) -> None:
    timeline = Timeline(STARTED)
    for event in events:
        timeline.add(event)
    assert timeline.sessions == tuple(sessions)
    begins = [seconds_in(timeline.sessions, one.start) for one in sessions]
    assert begins == sorted(begins)
