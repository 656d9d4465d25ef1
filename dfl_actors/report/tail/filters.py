"""Which records are shown: by nodes and actors, by types and kinds, and by an expression."""

from collections.abc import Callable, Iterable, Mapping
from fnmatch import translate
from functools import lru_cache
from re import compile as compiled

from dfl_actors.report.tail.expression import Expression
from dfl_actors.runtime.header import EVERYBODY, Record
from dfl_actors.runtime.recording import Network

BETWEEN_NODES = ("news", "request", "reply")  # Kinds whose listeners are nodes; those of the others are actors of the same node.
QUIET = "acknowledgement"  # A kind that is left out unless it is asked for: it speaks for letters that were shown already.
HIDDEN = ("Injected", "Beat")  # Types that lines leave out unless they are asked for: each is one of thousands, and says that all goes on.


class Filter:
    """Chooses records: by nodes and actors (of the sender or of a listener), by types or kinds, each a list of globs, and by an expression.

    What speaks of no type leaves out what is `QUIET`, and the types in `hidden`.
    """

    def __init__(
        self,
        network: Network,
        nodes: Iterable[str],
        actors: Iterable[str],
        types: Iterable[str],
        expression: Expression | None = None,
        hidden: Iterable[str] = (),
        everything: bool = False,
    ) -> None:
        self._node, self._actor, self._type = matcher(nodes), matcher(actors), matcher(types)
        self._expression, self._hidden = expression, frozenset(hidden)
        self._places = any((*nodes, *actors))
        chosen = any(types) or (expression is not None and bool(expression.fields & {"type", "kind"}))
        self._all_types, self._everything = not any(types), everything or chosen
        self._neighbours = neighbours(network)

    def __call__(self, record: Record) -> bool:
        if self._places and not any(self._node(node) and self._actor(actor) for node, actor in self._ends(record)):
            return False
        if record.kind in ("missed", "restarted"):
            return True
        if not self._everything and (record.kind == QUIET or record.type in self._hidden):
            return False
        if not self._all_types and not (self._type(record.type) or self._type(record.kind)):
            return False
        return self._expression is None or self._expression(record)

    def _ends(self, record: Record) -> Iterable[tuple[str, str]]:
        """The nodes and actors at both ends of a record, the sender first."""
        yield record.node, record.actor
        for name in record.to:
            if record.kind not in BETWEEN_NODES:
                yield record.node, name
            elif name == EVERYBODY:
                yield from ((other, "gossiper") for other in self._neighbours.get(record.node, ()))
            else:
                yield name, "gossiper"


def matcher(globs: Iterable[str]) -> Callable[[str], bool]:
    """Whether a word matches one of the globs; any word does when there are none."""
    patterns = [compiled(translate(glob)) for glob in globs]
    return lru_cache(1024)(lambda word: not patterns or any(pattern.match(word) for pattern in patterns))


def neighbours(network: Network) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for one, other in network.links:
        found.setdefault(one, []).append(other)
        found.setdefault(other, []).append(one)
    return {name: tuple(sorted(others)) for name, others in found.items()}
