"""The names of nodes for their addresses, in what is told of chains."""

import re
from collections.abc import Mapping

from dfl_actors.config import load_topology
from dfl_actors.core.keys import address_of
from dfl_actors.core.objects import Address
from dfl_actors.errors import DflError
from dfl_actors.runtime.rundir import RunDirectory, read_about

LEAST = 8  # Digits of an address by which it is called.
DIGITS = re.compile(rf"(?<![0-9a-f])[0-9a-f]{{{LEAST},64}}(?![0-9a-f])")


def known_names(run: RunDirectory) -> dict[Address, str]:
    """By address: the nodes that ran here, and those of other hosts whose keys the topology has. Raises `StoreError` for what is no run."""
    names = {address: name for name, address in read_about(run).nodes.items()}
    try:
        config = load_topology(run.config, deployed=True)
    except DflError:  # it is gone, or was altered: it only adds to what is known
        return names
    return {address_of(node.public_key): node.name for node in config.nodes if node.public_key} | names


def named(text: str, names: Mapping[Address, str]) -> str:
    """The text with the names of nodes for the beginnings of their addresses."""

    def name(found: re.Match[str]) -> str:
        return next((f"node {name}" for address, name in names.items() if address.startswith(found[0])), found[0])

    return DIGITS.sub(name, text)
