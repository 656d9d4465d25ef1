"""What the attacks that watch share: the honest models that an attacker knows, figures of them, victims, and what lies around those.

Everything is computed in double precision and by the senders' names, so that rounding does not depend on who came first.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dfl_actors.sdk.attack import View
from dfl_actors.sdk.interface import Weights

Doubles = npt.NDArray[np.float64]

LARGEST = 1e30  # Of a weight that is offered: a mean of such models is within float32.


def heard(view: View) -> dict[str, Weights]:
    """The newest model of each honest sender, by name; those of fellow attackers are left out."""
    return {sender: view.others[sender] for sender in sorted(view.others) if sender not in view.scene.fellows}


def honest(view: View) -> list[Weights]:
    """The models that an honest node would have: the own one, which was trained honestly, and those `heard`."""
    return [view.own, *heard(view).values()]


def mean(models: Sequence[Weights]) -> Doubles:
    """The mean of at least one model [P]."""
    total = models[0].astype(np.float64)
    for model in models[1:]:
        total += model
    return total / len(models)


def deviation(models: Sequence[Weights], middle: Doubles) -> Doubles:
    """The standard deviation around their mean, coordinate by coordinate; the variance divides by their number."""
    total = np.zeros_like(middle)
    for model in models:
        total += (model - middle) ** 2
    return np.sqrt(total / len(models))


def square_distance(one: Weights, other: Weights) -> float:
    """|one - other|^2, which models within float32 do not make infinite here."""
    gap = one.astype(np.float64) - other
    return float(gap @ gap)


def norm(vector: Doubles) -> float:
    return float(np.sqrt(vector @ vector))


def unit(vector: Doubles) -> Doubles:
    """The vector of norm 1 in its direction; zeros stay zeros."""
    length = norm(vector)
    return vector / length if length else vector


def progress(view: View) -> Doubles:
    """Where the network goes: what became of the own model, which learns and averages honestly, since the oldest that is remembered."""
    return view.own.astype(np.float64) - (view.past[0] if view.past else view.own)


def within(vector: Doubles) -> Weights:
    """As float32, numbers of that size at most in the place of larger ones."""
    return np.clip(vector, -LARGEST, LARGEST).astype(np.float32)


def times(own: Weights, factor: float) -> Weights:
    """A model with every weight times `factor`."""
    return within(own.astype(np.float64) * np.float32(factor))


def victims(view: View) -> list[str]:
    """The honest nodes whose model is known and who hear the attacker, by name; where nobody knows who hears whom, all that are known."""
    hears = view.scene.hears
    return [name for name in heard(view) if name not in hears or view.scene.me in hears[name]]


def victim_of(view: View) -> str | None:
    """Whose turn it is; None while nobody's model is known."""
    found = victims(view)
    return found[view.turn % len(found)] if found else None


def around(view: View, victim: str) -> list[Weights]:
    """The models of the honest nodes that the victim hears, as far as they are known; where none is, stand-ins: the own model and those of
    all other honest nodes."""
    others = {name: model for name, model in heard(view).items() if name != victim}
    near = view.scene.hears.get(victim)
    found = [model for name, model in others.items() if near is None or name in near]
    return found or [view.own, *others.values()]


def attackers(view: View, victim: str) -> list[str]:
    """The attackers that a victim hears, the one itself among them, by name."""
    near = view.scene.hears.get(victim)
    return sorted({view.scene.me, *(name for name in view.scene.fellows if near is None or name in near)})
