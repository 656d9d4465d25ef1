"""`dfl-actors model`: a run's models for others, and how good one is."""

import json as text_of
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dfl_actors.cli.groups import Sentences
from dfl_actors.errors import ConfigError, ModelError, StoreError
from dfl_actors.files import check_free, whole
from dfl_actors.learning.weights import LAST, Kept

if TYPE_CHECKING:
    from dfl_actors.config import Config
    from dfl_actors.learning.models import Learner

app = typer.Typer(cls=Sentences, help="Export the models of a run, and measure one.", no_args_is_help=True)

Run = Annotated[Path, typer.Argument(metavar="RUN", help="The run directory; the run may still be under way.")]
NodeName = Annotated[str | None, typer.Option("--node", help="Whose model [default: the first node's].")]
At = Annotated[int | None, typer.Option("--at", min=0, metavar="HEIGHT", help="The model in the block of this height [default: newest].")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="name.keras, name.safetensors, or a folder [default: NODE.keras].")]
KINDS = (".keras", ".safetensors", "")


@app.command()
def export(
    run: Run,
    node: NodeName = None,
    at: At = None,
    out: Out = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
) -> None:
    """Write a node's model as others use it: it takes samples as the data's source holds them, and answers in the data's labels."""
    from dfl_actors.api.models import found_models, learner_for

    found = found_models(run)
    name = found.names[0] if node is None else node
    if name not in found.names:
        raise ConfigError(f"{run}: no node {name!r}; this run has {', '.join(found.names)}")
    path = Path(f"{name}.keras") if out is None else out
    if path.suffix not in KINDS:
        raise ConfigError(f"{path}: a model is written as name.keras, name.safetensors, or into a folder; give such a name")
    if path.suffix or not path.is_dir():
        check_free(path, force)
    else:
        raise StoreError(f"{path} is there already: choose another name, or remove it")
    kept = found.model(name, at)
    _write(learner_for(found), found.config, name, kept, path)
    which = "its last model" if kept.sequence == LAST else f"transaction {kept.sequence}" if at is None else f"block {at}"
    typer.echo(f"{path}: node {name}, {which}, model {kept.digest[:8]}")


def _write(learner: "Learner", config: "Config", name: str, kept: "Kept", path: Path) -> None:
    from dfl_actors.learning.export import contract_of

    if kept.layers not in (None, learner.parameters.layers) or kept.weights.shape != (learner.parameters.size,):
        raise ModelError(f"training.model {config.training.model!r} is not the one that the run began with: put that one back")
    origin = {"network": config.network.name, "node": name, "model": kept.digest}
    contract = contract_of(learner.form, config.data, origin)
    with whole(path) as draft:
        try:
            learner.save(kept.weights, draft, contract, path.suffix)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)  # Of a folder; a file `whole` removes.
            raise


@app.command()
def evaluate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .keras file: of a run directory, or exported.")],
    data: Annotated[str, typer.Argument(metavar="DATA", help="A source as [data] source names it; its test samples count.")],
    json: Annotated[bool, typer.Option("--json", help="JSON instead of text.")] = False,
) -> None:
    """Measure a model on the test samples of a source, as the nodes of its network were measured."""
    from dfl_actors.learning.evaluate import measured

    score = measured(file, data)
    word = score.word
    if json:
        typer.echo(text_of.dumps({word: score.value, "correct": score.correct, "tested": score.tested, "samples": score.samples}))
    else:
        counted = f"{score.correct} of {score.tested} test samples" if word == "accuracy" else f"R2 of {score.samples} test samples"
        typer.echo(f"{word} {score.value:.4f}: {counted}")
