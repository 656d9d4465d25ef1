"""How an attack finds the strength that harms most, trying it on the defence: so many tries, each an update of a victim."""

from collections.abc import Callable

from dfl_actors.sdk.attack import Stage
from dfl_actors.sdk.attacks.known import mean, norm
from dfl_actors.sdk.interface import Weights

TRIES = 16  # As in the literature: Shejwalkar and Houmansadr (NDSS 2021), Farhadkhani et al. (arXiv 2205.12173).
RATIO = 0.8  # By what the step shrinks once the best lies behind.
FIRST, GAIN = 1e-3, 1e-3
"""The least strength that `inside` tries, and by which share a strength must pull more to count as an improvement."""


def line_search(value: Callable[[float], float], start: float = 0.0, step: float = 1.0, tries: int = TRIES) -> float:
    """The strength, from `start` on, at which `value` is greatest, of so many that are tried.

    Each try goes a step on from the best so far. The step doubles as long as that is better, and from then on shrinks with every try.
    """
    best, most, growing = start, value(start), True
    for _ in range(tries - 1):
        place = best + step
        found = value(place)
        growing = growing and found > most
        step *= 2 if growing else RATIO
        if found > most:
            best, most = place, found
    return best


def damage(stage: Stage, offered: Weights) -> float:
    """How far the victim comes out from the mean of the honest models, its own among them."""
    return norm(stage.outcome(offered) - mean([stage.own, *stage.honest]))


def inside(value: Callable[[float], float], tries: int = TRIES) -> float:
    """The greatest strength that still pulls the more the greater it is: doubled until it does not, then halved in between.

    0 if nothing pulls at all.
    """
    good, bad, most, strength = 0.0, 0.0, 0.0, FIRST
    for _ in range(tries):
        pull = value(strength)
        if pull > most * (1 + GAIN):
            good, most = strength, pull
        else:
            bad = strength
        strength = 2 * strength if not bad else (good + bad) / 2
    return good
