"""The tables of the report's page: those of the closing summary, and the paper's tables IV and VI with a row a node."""

from collections.abc import Sequence
from functools import cache
from html import escape

from dfl_actors.config.toml_text import counted
from dfl_actors.report.judged import MOST_ROWS, judged_columns, judged_in
from dfl_actors.report.load import Run
from dfl_actors.report.page.parts import node_name, section, tag
from dfl_actors.report.refusals import MOST_ROWS as MOST_REFUSED
from dfl_actors.report.refusals import refusal_columns
from dfl_actors.report.summary import WORK, Figures, block_columns, cpu_columns, lost_columns, node_columns, refusals_in
from dfl_actors.report.table import Column, names_column

PAPER_TASKS = ("generate_transaction", "receive_transaction", "update_model", "generate_block")


NO_CHAIN = ("sent", "received", "receipts", "own")  # Columns of the nodes' table that a simulation has nothing for.


def tables_after(chart: str, run: Run, summary: Figures) -> list[str]:
    """The tables that follow a chart of the page."""
    cpu = summary["cpu"]
    if chart == "accuracy":
        about = f"What each node did, and where it stands. Test: {run.score} on the test samples"
        about += "." if run.simulated else "; own: on the samples it received."
        columns = [column for column in node_columns(list(summary["nodes"].items())) if not run.simulated or column.header not in NO_CHAIN]
        return [table_section("nodes", "Nodes", about, columns, run)]
    if chart == "chains":
        about = "Transactions and confirmations in a block, in the mean; peers are its neighbours (tables V and VII of the paper)."
        return [table_section("blocks", "Chain statistics", about, block_columns(list(summary["blocks"].items())), run)]
    if chart == "standing":
        return _judged(run, summary)
    if chart == "refusals":
        return _refused(run, summary)
    if chart != "cpu-nodes" or not cpu["network"]["total"]:
        return []
    about = "Of all nodes together by task (tables IV and VI of the paper), of the processes beside them, and in all."
    return [table_section("cpu", "CPU seconds by task", about, cpu_columns(cpu), total=True), _cpu_by_node(run, cpu["nodes"])]


def _refused(run: Run, summary: Figures) -> list[str]:
    """Each refusal in words, and beside it what got lost or was too late."""
    found, made = refusals_in(summary), []
    if found:
        about = f"Those that are somebody's fault first; at most {MOST_REFUSED}, summary.json has all."
        made.append(table_section("refused", "Why it was refused", about, refusal_columns(found), run))
    columns = lost_columns(list(summary["nodes"].items()))
    if len(columns) > 1:
        about = "What each node refused as the sender's fault or ignored as nobody's, its own transactions that expired, messages that "
        about += "could not leave it, and models that were no longer in its store when they were asked for."
        made.append(table_section("lost", "Refused, lost and expired", about, columns, run))
    return made


def _judged(run: Run, summary: Figures) -> list[str]:
    """What was taken of whom, where the algorithm says so; a sentence where everything was taken whole."""
    by, title = judged_in(summary["nodes"]), "What was taken of whom"
    columns = judged_columns(by)
    if columns and not any(its["rejected"] or its["in_part"] for senders in by.values() for its in senders.values()):
        updates = sum(int(its["updates"]) for senders in by.values() for its in senders.values())
        return [section("judged", title, f"Every model was taken whole, {counted(updates, 'time')}.", "")]
    about = "In how many of a node's updates it had a model of the sender, rejected it, or took it in part, and why at last: those first of"
    about += f" whom most was held back, at most {MOST_ROWS}; summary.json has all."
    return [table_section("judged", title, about, columns, run)] if columns else []


def _cpu_by_node(run: Run, nodes: Figures) -> str:
    columns = [names_column(nodes)]
    for task in PAPER_TASKS:
        columns += [Column(work, [f"{node['tasks'][task][work]:.2f}" for node in nodes.values()]) for work in WORK]
    columns.append(Column("all", [f"{node['total']:.2f}" for node in nodes.values()]))
    groups = [("", 1), *((task.replace("_", " "), len(WORK)) for task in PAPER_TASKS), ("", 1)]
    about = "By task and kind of work (tables IV and VI of the paper). The last column holds all that a node used, other tasks included."
    return table_section("cpu-by-node", "CPU seconds of each node", about, columns, run, groups=groups)


def table_section(
    name: str,
    title: str,
    about: str,
    columns: Sequence[Column],
    run: Run | None = None,
    *,
    total: bool = False,
    groups: Sequence[tuple[str, int]] = (),
) -> str:
    """A table that scrolls by itself where it is too large; nodes of `run` are marked as what they are. `total`: the last row is a sum;
    `groups`: (title, columns) above."""
    head = tag("tr", "".join(_group(title, span) for title, span in groups)) if groups else ""
    head += tag("tr", "".join(tag("th", escape(column.header), scope="col", class_=_side(column)) for column in columns))
    kind = all(column.header != "kind" for column in columns)
    shown = cache(lambda name: escape(name) if run is None else node_name(run, name, kind=kind))
    filled = [[*map(shown, column.nodes)] if column.nodes else [*map(escape, column.cells)] for column in columns]
    rows = list(zip(*filled, strict=True))
    body = "".join(_row(columns, row, "sum" if total and place == len(rows) else None) for place, row in enumerate(rows, 1))
    table = tag("table", tag("thead", head) + tag("tbody", body))
    return section(name, title, about, tag("div", table, class_="scroll", tabindex="0", role="region", aria_label=title))


def _group(title: str, span: int) -> str:
    """The title of a group of columns; a column of no group has an empty cell above it."""
    return tag("th", title, scope="colgroup", colspan=str(span)) if title else tag("td", "", colspan=str(span))


def _row(columns: Sequence[Column], cells: Sequence[str], kind: str | None) -> str:
    inner = "".join(tag("td", cell, class_=_side(column)) for column, cell in zip(columns, cells, strict=True))
    return tag("tr", inner, class_=kind)


def _side(column: Column) -> str | None:
    return "left" if column.left else None
