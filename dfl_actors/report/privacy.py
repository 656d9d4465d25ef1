"""What a run or a simulation with noise comes to: an (epsilon, delta) for each node, with what it holds under, or why there is none."""

from dfl_actors.config.toml_text import counted
from dfl_actors.core.events import Noised, Trained
from dfl_actors.learning.privacy import DELTA, can_account, epsilon
from dfl_actors.report.load import Run, by_node

Figures = dict[str, object]

NO_ACCOUNTANT = "the accountant is not installed: pip install 'dfl-actors[privacy]'"
HOLDS = (
    "that is of one training sample, real or empty, in all weights that its node sent, against whoever sees them all; not of the"
    " accuracies in transactions and receipts, of what the samples of a node have in common, nor of a sample that several nodes draw,"
    " whose losses add up; and while seeds, batches and times of steps are the node's secret (docs/privacy.md)"
)


def spent(run: Run) -> dict[str, Figures]:
    """For each node that trains with noise: `noise`, `clip`, `chance`, `steps`, `delta`, `epsilon`, and why that is None (`unclaimed`)."""
    steps = {name: max(event.steps for event in events) for name, events in by_node(run.of(Trained)).items()}
    return {name: _spent(said, max(said[-1].steps, steps.get(name, 0))) for name, said in by_node(run.of(Noised)).items()}


def _spent(said: list[Noised], steps: int) -> Figures:
    """Of all that a node said in its sessions what is worst."""
    noise, chance = min(one.noise for one in said), max(one.chance for one in said)
    why = next((one.unclaimed for one in said if one.unclaimed), "") or ("" if can_account() else NO_ACCOUNTANT)
    delta = min(DELTA, 0.5 / max(1, said[-1].samples))
    found = None if why else epsilon(noise, chance, steps, delta)
    return {
        "noise": noise, "clip": said[-1].clip, "chance": chance, "steps": steps, "delta": delta, "epsilon": found, "unclaimed": why
    }  # fmt: skip


def privacy_lines(nodes: dict[str, Figures]) -> list[str]:
    """The worst of what is claimed, what it holds under, and of whom nothing is claimed."""
    claimed = {name: one for name, one in nodes.items() if one["epsilon"] is not None}
    lines = []
    if claimed:
        name = max(claimed, key=lambda name: float(str(claimed[name]["epsilon"])))
        lines = [f"privacy: {_worst(name, claimed[name], len(claimed))}: {HOLDS}"]
    reasons: dict[str, list[str]] = {}
    for name, one in nodes.items():
        if one["unclaimed"]:
            reasons.setdefault(str(one["unclaimed"]), []).append(name)
    return lines + [f"privacy: nothing is claimed of node {', '.join(names)}: {why}" for why, names in reasons.items()]


def _worst(name: str, its: Figures, count: int) -> str:
    figures = f"epsilon {its['epsilon']:.3g} at delta {its['delta']:.1g}"
    steps = counted(int(str(its["steps"])), "step")
    how = f"{steps}, noise {its['noise']:g}, clip {its['clip']:g}, chance of a sample {its['chance']:.2g} a step"
    return f"{figures}{f', the most of {count} nodes,' if count > 1 else ''} at node {name} ({how})"
