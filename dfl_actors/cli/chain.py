"""`dfl-actors chain`: read, verify, export and prune the chains of a run."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from dfl_actors.cli.groups import Sentences
from dfl_actors.config.toml_text import counted
from dfl_actors.core import codec
from dfl_actors.core.chain import LARGEST_BLOCK
from dfl_actors.core.objects import FinalBlock
from dfl_actors.errors import ChainError, ConfigError, Refused
from dfl_actors.files import explained, read_text
from dfl_actors.runtime.known import known_names, named
from dfl_actors.runtime.rundir import RunDirectory, read_about
from dfl_actors.runtime.verify import COPY, Verified, check_genesis, lists_all, prune_all, read_all, verify_all

app = typer.Typer(cls=Sentences, help="Read and check the chains of a run.", no_args_is_help=True)

Run = Annotated[Path, typer.Argument(metavar="DIR", help="The run directory.")]
NodeName = Annotated[str | None, typer.Option("--node", help="Only this node [default: all].")]
Json = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]


@app.command()
def show(
    directory: Run,
    height: Annotated[int | None, typer.Argument(metavar="[HEIGHT]", min=0, help="Only this block, whole.")] = None,
    node: NodeName = None,
    json: Json = False,
) -> None:
    """Print what each chain comes to, and its blocks: who trained what, who measured it, and who confirmed that."""
    run, names = _nodes(directory, node)
    known = known_names(run)
    chains = {name: list(zip(blocks, _decoded(run, name, blocks), strict=True)) for name, blocks in read_all(run, names).items()}
    if height is not None:
        chains = _at(chains, height)
    for name, blocks in chains.items():
        if json:
            for raw, _ in blocks:
                typer.echo(raw)
        else:
            _print(name, [block for _, block in blocks], known, whole=height is not None)


Blocks = list[tuple[str, FinalBlock]]  # Each as it is stored, and decoded.


def _at(chains: dict[str, Blocks], height: int) -> dict[str, Blocks]:
    """The blocks of this height, of the chains that have one. Raises `ConfigError` where none has."""
    found = {name: [one for one in blocks if one[1].draft.height == height] for name, blocks in chains.items()}
    if any(found.values()):
        return {name: blocks for name, blocks in found.items() if blocks}
    has = "; ".join(
        f"node {name} has " + (f"blocks {blocks[0][1].draft.height} to {blocks[-1][1].draft.height}" if blocks else "no blocks yet")
        for name, blocks in chains.items()
    )
    raise ConfigError(f"there is no block {height}: {has}")


def _print(name: str, blocks: list[FinalBlock], known: dict[str, str], *, whole: bool) -> None:
    from dfl_actors.report import chain_text
    from dfl_actors.report.table import uncut_console

    said = chain_text.whole(name, blocks[0], known) if whole else chain_text.lines(name, blocks, known)
    for line in chain_text.folded(said, uncut_console().width):
        typer.echo(line)


@app.command()
def verify(directory: Run, node: NodeName = None, json: Json = False) -> None:
    """Check each chain: genesis, hash chain, every digest and signature, every rule between blocks."""
    run, names = _nodes(directory, node)
    known = known_names(run)
    try:
        found = verify_all(run, names)
    except ChainError as error:
        raise ChainError(named(str(error), known)) from None
    for verified in found:
        if json:
            typer.echo(msgspec.json.encode(verified))
        else:
            typer.echo(f"node {verified.node}: ok, {_blocks(verified)}, {_inside(verified)}, head {verified.head[:16]}")
            for contradiction in verified.contradictions:
                typer.echo(f"node {verified.node}: holds evidence that {named(contradiction, known)}")


def _inside(verified: Verified) -> str:
    kinds = ("transaction", verified.transactions), ("receipt", verified.receipts), ("confirmation", verified.confirmations)
    return f"{', '.join(counted(number, what) for what, number in kinds)}, weights of {counted(verified.weights, 'model')}"


def _blocks(verified: Verified) -> str:
    abandoned = f" ({verified.abandoned} abandoned: no confirmation, so no proof)" if verified.abandoned else ""
    if not verified.first:
        return f"{counted(verified.height, 'block')}{abandoned}"
    return f"blocks {verified.first} to {verified.height - 1}{abandoned}, those before were lost (--adopt)"


@app.command()
def export(directory: Run, node: NodeName = None, json: Annotated[bool, typer.Option("--json", help="JSON, as always.")] = True) -> None:
    """Print each chain as one JSON object a line: its node, its genesis and its blocks, with every signature.

    Where the members are no longer those of the genesis, its later lists of them stand before the blocks.
    """
    run, names = _nodes(directory, node)
    check_genesis(run)
    place = run.path / "genesis.json"
    with explained(f"{place} cannot be read", "name the directory of a run"):
        genesis = read_text(place)
    lists = lists_all(run, names)
    for name, blocks in read_all(run, names).items():
        _decoded(run, name, blocks)
        members = f'"members":[{",".join(lists[name])}],' if lists[name] else ""
        typer.echo(f'{{"node":{msgspec.json.encode(name).decode()},"genesis":{genesis},{members}"blocks":[{",".join(blocks)}]}}')


@app.command()
def prune(directory: Run, node: NodeName = None) -> None:
    """Delete the stored weights. The chains commit to them by digest and still verify."""
    run, names = _nodes(directory, node)
    with run.lock():
        for name, count in prune_all(run, names).items():
            typer.echo(f"node {name}: {counted(count, 'model')} removed")


def _decoded(run: RunDirectory, name: str, blocks: list[str]) -> list[FinalBlock]:
    """The blocks of a chain. Raises `ChainError` for one that is no block, or another node's; `verify` checks more than this."""
    decoded, owner, place = [], read_about(run).nodes[name], run.node(name).chain
    for height, raw in enumerate(blocks):
        try:
            block = codec.decode(FinalBlock, raw.encode(), LARGEST_BLOCK)
        except Refused as error:
            raise ChainError(f"node {name}: block {height} breaks rule {error}: the chain in {place} was altered: {COPY}") from None
        if block.draft.generator != owner:
            who = named(block.draft.generator, known_names(run))
            raise ChainError(f"node {name}: the chain in {place} is one of {who}: put back that of {name}")
        decoded.append(block)
    return decoded


def _nodes(directory: Path, node: str | None) -> tuple[RunDirectory, tuple[str, ...]]:
    run = RunDirectory.open(directory)
    names = tuple(read_about(run).nodes)
    if node is not None and node not in names:
        raise ConfigError(f"{directory}: no node {node!r}; this run has {', '.join(names)}")
    return run, names if node is None else (node,)
