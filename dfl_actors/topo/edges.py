"""Edge lists: a link a line, as networkx, spreadsheets and people write them.

Two names a line, parted by blanks, a comma, or `--`; what follows `#` is a comment. A link may be given in both directions. More
columns, such as a weight, are ignored, and the caller learns that there were some.
"""

import re
from pathlib import Path
from typing import NamedTuple

from dfl_actors.config.toml_text import counted
from dfl_actors.config.topology import Link, TopologyError, name_problem, parse_links
from dfl_actors.errors import ConfigError
from dfl_actors.files import read_text

PARTS = re.compile(r"\s*--\s*|\s*[,;]\s*|\s+")


class Edges(NamedTuple):
    """Nodes in the order of their numbers where all are numbers, else as they appear; and the links."""

    names: tuple[str, ...]
    links: tuple[Link, ...]
    more_columns: bool


def read_edges(path: Path, most: int) -> Edges:
    """The graph of an edge list of at most `most` nodes. Raises ConfigError naming file and line."""
    try:
        lines = read_text(path).splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        reason = getattr(problem, "strerror", None) or "not a text file in UTF-8"
        raise ConfigError(f"--edges {path}: cannot be read ({reason}); give a readable file with two names a line") from problem
    found: dict[Link, None] = {}
    more_columns = False
    for number, line in enumerate(lines, start=1):
        words = PARTS.split(line.partition("#")[0].strip())
        if words == [""]:
            continue
        one, other = _link(words, f"{path}:{number}")
        more_columns = more_columns or words[2:] not in ([], ["{}"])
        if (other, one) not in found:
            found[one, other] = None
    return Edges(*_graph(path, tuple(found), most), more_columns)


def _link(words: list[str], where: str) -> Link:
    if len(words) < 2:
        raise ConfigError(f'{where}: "{words[0]}" is half a link; write two names a line, such as "0 1"')
    one, other = words[:2]
    if problem := name_problem(one) or name_problem(other):
        raise ConfigError(f"{where}: {problem}")
    if one == other:
        raise ConfigError(f'{where}: "{one}" is linked with itself; remove that line')
    return one, other


def _graph(path: Path, links: tuple[Link, ...], most: int) -> tuple[tuple[str, ...], tuple[Link, ...]]:
    names = tuple(dict.fromkeys(name for link in links for name in link))
    if all(name.isdecimal() for name in names):
        names = tuple(sorted(names, key=lambda name: (int(name), name)))
    if not 2 <= len(names) <= most:
        raise ConfigError(f"--edges {path}: it links {counted(len(names), 'node')}; a network has 2 to {most}")
    try:
        return names, parse_links(names, [f"{one}--{other}" for one, other in links])
    except TopologyError as problem:
        raise ConfigError(f"--edges {path}: {problem}") from problem
