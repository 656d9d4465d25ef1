"""What a node's configuration says that its neighbours may compare with theirs: texts by key.

What makes the genesis stands there too, as `genesis.<field>`. The addresses, paths and attacks of a host are nobody else's business.
"""

from collections.abc import Mapping
from hashlib import sha256

import msgspec
import orjson

from dfl_actors.config.config import Config
from dfl_actors.core.objects import Genesis

SECTIONS = ("network", "training", "data", "gossip", "block", "update")
PRIVATE = frozenset({"network.name", "network.nodes", "network.links", "network.founders", "data.source", "block.memo"})
"""What differs from host to host, is in the genesis, or shows in the links."""

SHOWN = 16  # Digits of a member's key that are stated.


def stated(config: Config, name: str, genesis: Genesis) -> dict[str, str]:
    """What the configuration says of node `name`: with one topology on all hosts everybody states the same of it."""
    node = config.node(name)
    of_sections = {
        f"{section}.{key}": value
        for section in SECTIONS
        for key, value in msgspec.to_builtins(getattr(config, section)).items()
        if f"{section}.{key}" not in PRIVATE
    }
    of_node = {
        "update.algorithm": node.algorithm,
        "update.parameters": node.parameters,
        "update.buffer": node.buffer,
        "data.rate": node.rate,
        "training.steps_per_transaction": node.steps_per_transaction,
        "node.role": node.role,
    }
    return _texts(of_sections | of_node) | _texts({f"genesis.{key}": value for key, value in _of_genesis(genesis).items()})


def _of_genesis(genesis: Genesis) -> dict[str, object]:
    """Its fields; of the many keys that began the network a digest."""
    fields: dict[str, object] = msgspec.to_builtins(genesis)
    if "members" in fields:
        fields["members"] = sha256("".join(genesis.members or ()).encode()).hexdigest()[:SHOWN]
    return fields


def members_stated(publics: Mapping[str, str]) -> dict[str, str]:
    """Who is a member, by the names that the configuration gives them, as `member.<name>`."""
    return {f"member.{name}": public[:SHOWN] for name, public in publics.items()}


def _texts(values: Mapping[str, object]) -> dict[str, str]:
    return {key: _text(value) for key, value in values.items()}


def _text(value: object) -> str:
    """Of a path only the file's name, as folders differ from host to host."""
    if isinstance(value, str):
        return value.rpartition("/")[2]
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
