"""The keys of `[sim]`: what is taken, and what is refused with file, line and key."""

import pytest

from dfl_actors.config import parse_topology
from dfl_actors.config.sections import Sim
from dfl_actors.errors import ConfigError


def parse(text: str) -> Sim:
    return parse_topology(f"[sim]\n{text}", where="net.toml", name="net").sim


def test_by_default_nothing_is_late_or_lost_and_no_peer_changes() -> None:
    sim = parse("")
    assert (sim.delay, sim.loss, sim.broadcast_every, sim.peer_control) == ((0,), 0.0, 0, False)


def test_every_key_is_taken() -> None:
    sim = parse(
        "delay = [0, 3, 10000]\nloss = 1\nbroadcast_every = 100\nensemble = true\npeer_control = true\n"
        "peer_interval = 10\npeer_high = 0.6\npeer_low = 0.5\npeer_buffer = 'static'"
    )
    assert (sim.delay, sim.loss, sim.broadcast_every, sim.ensemble) == ((0, 3, 10000), 1.0, 100, True)
    assert (sim.peer_control, sim.peer_interval, sim.peer_high, sim.peer_low, sim.peer_buffer) == (True, 10, 0.6, 0.5, "static")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("delay = []", "2: sim.delay: [] does not fit; give a list of 1 to 1000 items, each item a whole number from 0 to 10000"),
        ("delay = [-1]", "2: sim.delay: [-1] does not fit; give a list"),
        ("delay = [10001]", "2: sim.delay: [10001] does not fit; give a list"),
        ("delay = [0.5]", "2: sim.delay: [0.5] does not fit; give a list"),
        ("delay = 3", "2: sim.delay: 3 does not fit; give a list"),
        ("loss = 1.5", "2: sim.loss: 1.5 does not fit; give a number from 0 to 1"),
        ("loss = nan", "2: sim.loss: nan does not fit; give a number from 0 to 1"),
        ("broadcast_every = -1", "2: sim.broadcast_every: -1 does not fit; give a whole number from 0 to 1000000"),
        ("peer_interval = 0", "2: sim.peer_interval: 0 does not fit; give a whole number from 1 to 1000000"),
        ("peer_buffer = 'liner'", '2: sim.peer_buffer: "liner" does not fit; give one of "linear", "static"'),
        ("ticks = 5\npeer_low = 0.9", "3: sim.peer_low: peer_low = 0.9 is not below peer_high = 0.8; give peer_low a smaller number"),
        ("ticks = 5\npeer_high = 0.2", "3: sim.peer_high: peer_low = 0.2 is not below peer_high = 0.2; give peer_low a smaller number"),
        ("peer_high = 0.5\npeer_low = 0.5", "3: sim.peer_low: peer_low = 0.5 is not below peer_high = 0.5; "),
        ("peer_contrl = true", '2: sim.peer_contrl: unknown key; did you mean "peer_control"?'),
    ],
)
def test_what_is_refused_names_file_line_and_key(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse(text)
    assert str(raised.value).startswith(f"net.toml:{problem}") and "\n" not in str(raised.value)
