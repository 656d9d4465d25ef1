"""`dfl-actors topo`: generate, show, check and take over topologies."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from dfl_actors.cli.groups import Sentences
from dfl_actors.cli.plots import Paper, check_plot, write_plot
from dfl_actors.cli.run import Sets, warn
from dfl_actors.config import load_topology, parse_topology
from dfl_actors.config.toml_text import Table, counted
from dfl_actors.errors import ConfigError
from dfl_actors.files import check_free
from dfl_actors.topo.kinds import KINDS, Request
from dfl_actors.topo.template import PARTITIONS, ROLES
from dfl_actors.topo.write import save, topology_text

app = typer.Typer(cls=Sentences, help="Generate, show, check and import topologies.", no_args_is_help=True)

File = Annotated[str, typer.Argument(metavar="FILE", help="A topology file, or the bare name of a ready one.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Write this file [default: print it].")]
Force = Annotated[bool, typer.Option("--force", help="Replace the file if there is one.")]
Json = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]
Seed = Annotated[int, typer.Option(help="Of all that is drawn at random, here and when the network runs.")]


@app.command()
def gen(
    nodes: Annotated[int | None, typer.Option("--nodes", "-n", help="How many nodes, 2 to 1000.")] = None,
    degree: Annotated[int | None, typer.Option("--degree", "-d", help="Links of a node; what exactly, the kind says.")] = None,
    kind: Annotated[str, typer.Option("--kind", "-k", help=f"One of {', '.join(KINDS)}.")] = "connect",
    seed: Seed = 0,
    role: Annotated[list[str], typer.Option(metavar="ROLE=COUNT", help=f"{' or '.join(ROLES)}; may be repeated.")] = [],  # noqa: B006
    partition: Annotated[str, typer.Option(help=f"Who has which data: {', '.join(PARTITIONS)}.")] = "iid",
    probability: Annotated[float | None, typer.Option(help="random: of each link.")] = None,
    rewire: Annotated[float | None, typer.Option(help="small-world: probability that a link is moved.")] = None,
    rows: Annotated[int | None, typer.Option(help="grid, torus: rows.")] = None,
    cols: Annotated[int | None, typer.Option(help="grid, torus: columns.")] = None,
    edges: Annotated[Path | None, typer.Option(help="edges: a file with two names a line.")] = None,
    out: Out = None,
    force: Force = False,
) -> None:
    """Generate a topology; the same options give the same bytes.

    Kinds are described in docs/topo.md. The default, connect, is the paper's generator: every node actively connects to --degree
    others and is connected to by as many, so it has about twice as many neighbours.
    """
    from dfl_actors.topo.generate import draw
    from dfl_actors.topo.template import generated_table, heading

    if out is not None:
        check_free(out, force)
    if edges is not None and kind == "connect":
        kind = "edges"
    asked = locals()
    drawn = draw(Request(**{name: asked[name] for name in Request.__struct_fields__}))
    warn(*drawn.notes)
    deliver(generated_table(drawn, role, partition), heading(drawn, role, partition), out, force)


@app.command()
def show(
    topology: File,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the graph with roles and data as .png, .svg or .pdf.")] = None,
    paper: Paper = False,
    force: Force = False,
    sets: Sets = [],  # noqa: B006
    json: Json = False,
) -> None:
    """Show nodes, links, degrees, diameter, spectral gap, and the data of each node by label."""
    import msgspec

    from dfl_actors.learning.data import load_datasets
    from dfl_actors.report.table import uncut_console
    from dfl_actors.report.topology import draw_topology, paper_panels, render
    from dfl_actors.topo.describe import describe

    check_plot(plot, paper, force)
    config = load_topology(topology, sets)
    description = describe(config, load_datasets(config))
    if plot is not None:
        write_plot(plot, lambda: draw_topology(description), lambda: paper_panels(description), paper, force)
    if json:
        typer.echo(msgspec.json.encode(description))
    else:
        render(description, uncut_console())


@app.command()
def check(topology: File, sets: Sets = [], json: Json = False) -> None:  # noqa: B006
    """Explain every mistake of a topology at once, with its line. Exit code 2 if there is one; a label nobody draws is a warning."""
    import msgspec

    from dfl_actors.topo.check import check_topology

    config, mistakes, warnings = check_topology(topology, sets)
    warn(*warnings)
    if json:
        typer.echo(msgspec.json.encode(mistakes))
    elif mistakes:
        for mistake in mistakes:
            typer.echo(mistake.text)
    else:
        one_way = f" ({len(config.arrows)} one way: for dfl-actors sim alone)" if config.arrows else ""
        typer.echo(f"{topology}: fine: {len(config.nodes)} nodes, {counted(len(config.links), 'link')}{one_way}")
    if mistakes:
        raise typer.Exit(ConfigError.exit_code)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The reference program's simulator_config.json.")],
    seed: Seed = 0,
    out: Out = None,
    force: Force = False,
) -> None:
    """Turn the reference program's configuration into a topology; a warning names what is lost."""
    from dfl_actors.topo.convert import convert_reference

    if out is not None:
        check_free(out, force)
    table, lost = convert_reference(file, seed)
    warn(*lost)
    head = [
        f"Taken over from {file.name}, the configuration of the reference program, by dfl-actors topo import.",
        "A tick of its simulator is a second here; dfl-actors run --speed 5 shows five of them in one.",
    ]
    deliver(table, head, out, force)


def deliver(table: Table, head: Sequence[str], out: Path | None, force: bool) -> None:
    """Print the topology, or write it and say so. What leaves here is known to load."""
    text = topology_text(table, head)
    config = parse_topology(text, where=str(out or "the topology"), name="generated")
    if out is None:
        typer.echo(text, nl=False)
    else:
        save(out, force, lambda draft: draft.write_text(text, encoding="utf-8", newline="\n"))
        typer.echo(f"{out}: written; dfl-actors {'sim' if config.arrows else 'run'} {out}", err=True)
