"""Topologies in a test's own words."""

import pytest

from dfl_actors.config import Config, parse_topology
from dfl_actors.errors import ConfigError


def parse(text: str, *options: str) -> Config:
    return parse_topology(text, where="net.toml", name="net", options=options)


def refusal(text: str, *options: str) -> str:
    with pytest.raises(ConfigError) as raised:
        parse(text, *options)
    return str(raised.value)
