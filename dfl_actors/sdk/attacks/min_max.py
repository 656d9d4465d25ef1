"""Min-max: as far from the mean as is no further from any honest model than two honest ones are from each other.

    offered = mean + gamma * p
    gamma   = the largest with max_i |offered - y_i| <= max_ij |y_i - y_j|
    p       = -sign(mean), -mean / |mean| (unit) or -deviation (std)

From Shejwalkar and Houmansadr, Manipulating the Byzantine (NDSS 2021, the AGR-agnostic attacks), there of gradients at a server. The y are
the newest model of each honest sender that it averaged, and its own; fellow attackers are left out; mean and deviation are theirs, the
variance divided by their number. The paper searches gamma; here it is solved for: each bound is a quadratic equation.

Parameters: `deviation`, "sign", "unit" (the default) or "std": the direction; `together`, default false: in the simulator it sees what its
fellows see.
While it knows no model but its own, it offers that.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations
from math import sqrt
from typing import Literal

import numpy as np

from dfl_actors.sdk.attack import Attack, View
from dfl_actors.sdk.attacks.known import Doubles, deviation, honest, mean, square_distance, unit, within
from dfl_actors.sdk.interface import Weights

Kind = Literal["sign", "unit", "std"]


def build(deviation: Kind = "unit", together: bool = False) -> Attack:
    """`deviation`: the direction away from the mean."""
    return Attack(offer=partial(offered, kind=deviation, bound=largest), watches=True, together=together)


def offered(view: View, *, kind: Kind, bound: Callable[[Sequence[Weights], Doubles, Doubles], float]) -> Weights:
    """mean + gamma * p, float32 [P], with the gamma that `bound` gives for the models, their mean and p."""
    models = honest(view)
    middle = mean(models)
    away = direction(kind, models, middle)
    return within(middle + bound(models, middle, away) * away)


def direction(kind: Kind, models: Sequence[Weights], middle: Doubles) -> Doubles:
    """The paper's p, [P]."""
    match kind:
        case "sign":
            return -np.sign(middle)
        case "unit":
            return -unit(middle)
        case "std":
            return -deviation(models, middle)


def largest(models: Sequence[Weights], middle: Doubles, away: Doubles) -> float:
    """gamma: the least of those at which |middle + gamma * away - y_i| is as large as two models are apart; 0 without a direction."""
    square = float(away @ away)
    farthest = max((square_distance(one, other) for one, other in combinations(models, 2)), default=0.0)
    if not square:
        return 0.0
    return min(_root(square, float(away @ gap), farthest - float(gap @ gap)) for gap in (middle - model for model in models))


def _root(square: float, along: float, room: float) -> float:
    """The positive g of square * g^2 + 2 * along * g = room; 0 where rounding leaves no room."""
    return max(0.0, (sqrt(max(0.0, along**2 + square * room)) - along) / square)
