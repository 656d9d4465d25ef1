"""`dfl-actors sdk`: the algorithms, attacks and optimisers there are, what they take, and whether one keeps its contract."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from dfl_actors.cli.groups import Sentences
from dfl_actors.config.toml_text import parse_value
from dfl_actors.errors import AlgorithmError, ConfigError

app = typer.Typer(cls=Sentences, help="List, show and check algorithms, attacks and optimisers.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A name from the list, package.module:function, or file.py:function.")]
Sets = Annotated[list[str], typer.Option("--set", "-s", metavar="KEY=VALUE", help="A parameter; may be repeated.")]
Json = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]


@app.command("list")
def list_all(json: Json = False) -> None:
    """List the algorithms, attacks and optimisers, those of other installed packages too, with a line each."""
    from dfl_actors.sdk.describe import briefly, known_names

    rows = [{"kind": kind, "name": name, "summary": briefly(kind, name)} for kind, name in known_names()]
    if json:
        _print_json(rows)
        return
    width = max(len(row["name"]) for row in rows)
    for kind in dict.fromkeys(row["kind"] for row in rows):
        typer.echo(f"{kind}s")
        for row in rows:
            if row["kind"] == kind:
                typer.echo(f"  {row['name']:<{width}}  {row['summary']}")


@app.command()
def show(name: Name, json: Json = False) -> None:
    """Show what an algorithm, an attack or an optimiser says of itself, and its parameters."""
    from dfl_actors.sdk.describe import described

    found = described(name, Path.cwd())
    if json:
        _print_json(found)
        return
    typer.echo(f"{found.name} ({found.kind})\n")
    typer.echo(f"{found.text or 'It has no documentation.'}\n")
    typer.echo("parameters" if found.parameters else "no parameters")
    for one in found.parameters:
        typer.echo(f"  {one.name}: {one.meaning}")


@app.command()
def check(name: Name, sets: Sets = [], json: Json = False) -> None:  # noqa: B006
    """Try an algorithm, an attack or an optimiser against its contract; exit with 10 when a rule does not hold."""
    from dfl_actors.sdk.contract import check_plugin, load_plugin

    parameters = dict(map(parameter, sets))
    findings = check_plugin(lambda: load_plugin(name, parameters, Path.cwd()))
    if json:
        _print_json(findings)
    width = max(len(one.rule) for one in findings)
    for one in [] if json else findings:
        verdict = "not tried" if not one.tried else "FAILS" if one.failure else "holds"
        typer.echo(f"{verdict:<9}  {one.rule:<{width}}  {one.failure}".rstrip())
    broken = [one.rule for one in findings if one.failure]
    if broken:
        sys.stdout.flush()
        raise AlgorithmError(f"{name} breaks its contract: {', '.join(broken)}; docs/sdk.md says what each rule asks")


def parameter(text: str) -> tuple[str, object]:
    """`key=value` as in a topology: TOML, and text where it is not TOML. Raises `ConfigError`."""
    key, given, value = text.partition("=")
    if not key.strip() or not given:
        raise ConfigError(f"--set {text}: give a parameter as KEY=VALUE")
    return key.strip(), parse_value(value.strip())


def _print_json(value: object) -> None:
    import msgspec

    typer.echo(msgspec.json.encode(value))
