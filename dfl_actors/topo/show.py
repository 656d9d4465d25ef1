"""A topology in the terminal: the figures of its graph, and a row a node with its data by label in percent."""

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from dfl_actors.topo.describe import Described, Description

STYLES = {"normal": "", "observer": "green", "attacker": "red"}
MOST_NAMES = 8


def render(description: Description, console: Console) -> None:
    """Print it. Nothing is cut: a line that does not fit goes on in the next."""
    console.print(Text(headline(description), style="bold"), soft_wrap=True)
    console.print(figures(description))
    console.print()
    console.print(Text("rate in samples a second; data by label in percent", style="dim"))
    console.print(nodes_table(description))


def headline(description: Description) -> str:
    """Name, nodes by kind, links, data."""
    special = "; ".join(words for kind, words in description.kinds().items() if kind != "normal")
    nodes = f"{len(description.nodes)} nodes{f' ({special})' if special else ''}"
    links = f"{description.links} links{f' ({description.one_way} one way)' if description.one_way else ''}"
    return f"{description.name}: {nodes}, {links}, {description.source}, partition {description.partition}"


def figures(description: Description) -> RenderableType:
    """The figures of the graph, each with what it means."""
    rows = {"neighbours": _range(description.degrees)}
    if description.one_way:
        rows |= {"sends to": _range(description.out_degrees), "hears": _range(description.in_degrees)}
    rows |= {
        "distance": f"at most {description.diameter} (the diameter), {description.distance:.2f} on average",
        "spectral gap": f"{description.gap:.4g}: a tenth of the differences is left after {_rounds(description.rounds)}",
    }
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, value in rows.items():
        table.add_row(Text(name), Text(value))
    return table


def _range(degrees: tuple[int, float, int]) -> str:
    low, mean, high = degrees
    return f"{low} to {high}, {mean:.2f} on average" if low != high else f"{low} each"


def _rounds(rounds: float) -> str:
    return "one round" if rounds <= 1 else f"about {rounds:.{0 if rounds >= 10 else 1}f} rounds"


def nodes_table(description: Description) -> Table:
    """A row a node. With one-way links it counts those out and in, and an arrow tells which way a link to a neighbour leads."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("node")
    table.add_column("role", no_wrap=True)
    for count in ("out", "in") if description.one_way else ("links",):
        table.add_column(count, justify="right")
    table.add_column("neighbours", min_width=12)
    table.add_column("rate", justify="right")
    for label in range(len(description.nodes[0].labels)):
        table.add_column(str(label), justify="right", min_width=3, no_wrap=True)
    for node in description.nodes:
        counts = [node.receivers, node.senders] if description.one_way else [node.neighbours]
        cells = [node.name, node.kind, *(str(len(others)) for others in counts), _names(node), f"{node.rate:g}" if node.rate else "max"]
        table.add_row(*map(Text, [*cells, *map(_percent, node.labels)]), style=STYLES[node.kind])
    return table


def _names(node: Described) -> str:
    names = [_way(node, other) + other for other in node.neighbours]
    more = len(names) - MOST_NAMES
    return " ".join(names) if more <= 1 else f"{' '.join(names[:MOST_NAMES])} and {more} more"


def _way(node: Described, other: str) -> str:
    """`->` to one that only hears, `<-` from one that is only heard."""
    return "<-" if other not in node.receivers else "->" if other not in node.senders else ""


def _percent(share: float) -> str:
    return "." if not share else f"{100 * share:.0f}"
