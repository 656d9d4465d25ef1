"""Min-sum: as far from the mean as leaves its squared distances to honest models no larger, in sum, than those of the outermost of these.

    offered = mean + gamma * p
    gamma   = the largest with sum_i |offered - y_i|^2 <= max_i sum_j |y_i - y_j|^2
    p       = -sign(mean), -mean / |mean| (unit) or -deviation (std)

From Shejwalkar and Houmansadr, Manipulating the Byzantine (NDSS 2021), as `min_max`, whose models, parameters and directions it shares. The
sum on the left is sum_i |mean - y_i|^2 + n * gamma^2 * |p|^2 for n models, so gamma is solved for.

Parameters: `deviation`, "sign", "unit" (the default) or "std"; `together`, default false: in the simulator it sees what its fellows see.
While it knows no model but its own, it offers that.
"""

from collections.abc import Sequence
from functools import partial
from math import sqrt

from dfl_actors.sdk.attack import Attack
from dfl_actors.sdk.attacks.known import Doubles, square_distance
from dfl_actors.sdk.attacks.min_max import Kind, offered
from dfl_actors.sdk.interface import Weights


def build(deviation: Kind = "unit", together: bool = False) -> Attack:
    """`deviation`: the direction away from the mean."""
    return Attack(offer=partial(offered, kind=deviation, bound=largest), watches=True, together=together)


def largest(models: Sequence[Weights], middle: Doubles, away: Doubles) -> float:
    """gamma; 0 without a direction."""
    square = len(models) * float(away @ away)
    outermost = max(sum(square_distance(one, other) for other in models) for one in models)
    inner = sum(float(gap @ gap) for gap in (middle - model for model in models))
    return sqrt(max(0.0, outermost - inner) / square) if square else 0.0
