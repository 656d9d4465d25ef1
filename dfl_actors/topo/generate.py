"""From a request to a connected graph, always the same one for the same request.

A random graph may fall apart; then the next one is drawn with the same generator, up to `ATTEMPTS` of them, and after that the
command says what would help. Nothing depends on the order of a set or on the process.
"""

import shlex
from random import Random
from typing import NamedTuple

import msgspec

from dfl_actors.config.toml_text import nearest
from dfl_actors.config.topology import SHAPES, Link, node_names, parse_links, separated
from dfl_actors.errors import ConfigError
from dfl_actors.topo.edges import read_edges
from dfl_actors.topo.kinds import KINDS, Kind, Request

ATTEMPTS = 20
MOST_NODES = 1000
LARGEST_SEED = 2**32 - 1
OPTIONS = tuple(name for name in Request.__struct_fields__ if name not in ("kind", "seed"))
MISSING = {"nodes": "how many there are to be, such as --nodes 10", "edges": "the file that holds the links, such as --edges links.txt"}


class Drawn(NamedTuple):
    """A connected graph, the request that gives it with every default filled in, and what there is to be said about it."""

    request: Request
    names: tuple[str, ...]
    links: tuple[Link, ...]
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> str | None:
        """The word that a topology has for these links, if it has one."""
        return self.request.kind if self.request.kind in SHAPES else None


def draw(request: Request) -> Drawn:
    """The graph of a request. Raises ConfigError when there is none, or no connected one was drawn."""
    if request.kind not in KINDS:
        raise ConfigError(f"--kind {request.kind}: no such kind; {nearest(request.kind, KINDS)}")
    kind = KINDS[request.kind]
    request = _settled(request, kind)
    if request.edges is not None:
        names, links, more_columns = read_edges(request.edges, MOST_NODES)
        return Drawn(request, names, links, (f"{request.edges}: only the first two columns were read",) if more_columns else ())
    assert request.nodes is not None
    names = node_names(request.nodes)
    if kind.draw is None:
        return Drawn(request, names, parse_links(names, request.kind))
    random = Random(request.seed)
    for _ in range(ATTEMPTS):
        links = tuple((names[one], names[other]) for one, other in kind.draw(request, random))
        if not separated(names, links):
            return Drawn(request, names, links)
    raise ConfigError(
        f"{as_options(request)}: none of the {ATTEMPTS} graphs drawn joins all nodes; {kind.remedy(request)}, or change --seed"
    )


def as_options(request: Request) -> str:
    """The request as options of the command, always in the same order, so that it can be given again."""
    values = {name: getattr(request, name) for name in KINDS[request.kind].options}
    words = [f"--{name} {shlex.quote(f'{value}')}" for name, value in values.items() if value is not None]
    return " ".join([f"--kind {request.kind}", *words, f"--seed {request.seed}"])


def _settled(request: Request, kind: Kind) -> Request:
    given = [name for name in OPTIONS if getattr(request, name) is not None]
    for name in given:
        if name not in kind.options:
            others = ", ".join(other for other, row in KINDS.items() if name in row.options)
            raise ConfigError(f"--{name}: --kind {request.kind} takes no such option; leave it out, or choose a kind that does: {others}")
    for name in kind.needs:
        if name not in given:
            raise ConfigError(f"--kind {request.kind}: --{name} is missing; give {MISSING[name]}")
    if not 0 <= request.seed <= LARGEST_SEED:
        raise ConfigError(f"--seed {request.seed}: give a whole number from 0 to {LARGEST_SEED}")
    _check_nodes(request, "--nodes")
    settled = kind.settle(msgspec.structs.replace(request, **{key: value for key, value in kind.takes.items() if key not in given}))
    _check_nodes(settled, "--rows times --cols,")
    return settled


def _check_nodes(request: Request, what: str) -> None:
    if request.nodes is not None and not 2 <= request.nodes <= MOST_NODES:
        raise ConfigError(f"{what} {request.nodes}: a network has 2 to {MOST_NODES} nodes; give such a number")
