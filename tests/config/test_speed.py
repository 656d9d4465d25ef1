"""The same network faster: what `run.speed` scales."""

import pytest

from dfl_actors.config import Config, parse_topology, scaled
from dfl_actors.errors import ConfigError


def parse(text: str) -> Config:
    return parse_topology(text, where="net.toml", name="net")


def test_speed_scales_rates_and_the_times_of_the_protocol_only() -> None:
    config = parse("[run]\nspeed = 20\nduration_s = 600\n[node.1]\nrate = 3\n[node.2]\nrate = 0")
    faster = scaled(config)
    assert [node.rate for node in faster.nodes] == [160.0, 60.0, 0.0, 160.0]
    assert (faster.run.duration_s, faster.run.speed) == (30.0, 1.0)
    assert (faster.gossip.expiry_s, faster.gossip.fetch_timeout_s) == (3.0, 0.5)
    assert (faster.block.receipt_wait_s, faster.block.deadline_s) == (0.5, 1.5)
    assert (faster.run.evaluate_s, faster.gossip.heartbeat_s, faster.gossip.max_skew_s) == (2.0, 1.0, 5.0)
    assert scaled(faster) == faster
    assert scaled(parse("[run]\nspeed = 4\n[data]\nrate = 2")).nodes[0].rate == 8.0


def test_a_speed_that_leads_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"net at speed 10000: data\.rate: 10000000000000\.0 does not fit; give a number from 0"):
        scaled(parse("[run]\nspeed = 10000\n[data]\nrate = 1e9"))
