"""TOML -> frozen objects: every default and every check of a topology lives here.

A topology file has the sections of `sections.py` and, where a node differs from the rest, `[node.NAME]`. `load_topology` reads
it, puts the `--set` options over it, lets msgspec check each value on its own, then checks what values mean together
(`checks.py`). The result is a `Config`: the sections, and the nodes with everything that concerns them filled in.

An error is one line, `FILE:LINE: section.key: what is wrong; remedy`. `docs/topology-format.md` describes every key.
"""

from dfl_actors.config.config import Config, Node
from dfl_actors.config.load import examine_table, examine_topology, load_topology, override, parse_topology, scaled

__all__ = ["Config", "Node", "examine_table", "examine_topology", "load_topology", "override", "parse_topology", "scaled"]
