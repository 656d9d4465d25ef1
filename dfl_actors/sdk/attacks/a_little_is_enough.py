"""A little is enough: it offers a model so little beside the others' that robust rules take it for one of them.

    offered = mean - z * deviation      of the models it knows, coordinate by coordinate
    z_max   = the largest z with Phi(z) < (n - m - s) / (n - m),   s = floor(n / 2 + 1) - m

From Baruch, Baruch and Goldberg, A Little Is Enough (arXiv 1902.06156, algorithm 3), there of gradients at a server. Of n models m are
attackers'. With the s honest ones that lie further from the mean than z deviations they make a majority, so that a rule that goes by the
majority keeps what they offer. Phi is the normal distribution; the variance divides by the number of models. The models that it knows are
the newest of each honest sender that it averaged, and its own; fellow attackers are left out.

Parameters: `z`, 0 to 100: how many deviations; left out, it is z_max, and 0 where z_max is below (then it offers the mean, which harms
nobody: in a small neighbourhood give `z`). `n`, from 2: the models that a victim averages, its own with them; left out, as many as the
attacker knows. `m`: how many of them are attackers'; left out, the largest minority, floor((n - 1) / 2). More than that is refused beside
`n`, and otherwise taken as that. `optimal`, default false, with no other: z is found anew for each offer, by a line search of 16 tries from
0 on for what brings a victim furthest from the mean of its honest models, on the defence that the topology gives it, the victims in turn
(Shejwalkar and Houmansadr, NDSS 2021; Farhadkhani et al., arXiv 2205.12173). `together`, default false: in the simulator it sees what its
fellows see.
While it knows no model but its own, it offers that.
"""

from collections.abc import Sequence
from functools import partial
from statistics import NormalDist
from typing import Annotated

import numpy as np
from msgspec import Meta

from dfl_actors.errors import ConfigError
from dfl_actors.sdk.attack import Attack, View
from dfl_actors.sdk.attacks.inner_product import moved
from dfl_actors.sdk.attacks.known import LARGEST, deviation, honest, mean
from dfl_actors.sdk.interface import Weights
from dfl_actors.sdk.robust import BLOCK


def build(
    z: Annotated[float, Meta(ge=0.0, le=100.0)] | None = None,
    n: Annotated[int, Meta(ge=2, le=100_000)] | None = None,
    m: Annotated[int, Meta(ge=0, le=100_000)] | None = None,
    optimal: bool = False,
    together: bool = False,
) -> Attack:
    """`z` deviations; left out, as many as `n` models with `m` attackers' among them allow, or as harm most. Raises `ConfigError` for no
    minority, and for an optimum that is given."""
    if optimal and (given := [name for name, value in (("z", z), ("n", n), ("m", m)) if value is not None]):
        raise ConfigError(f"optimal finds how many deviations harm most; leave out {' and '.join(given)}, or optimal")
    if n is not None and m is not None and m > minority(n):
        raise ConfigError(f"{m} of {n} models are no minority; m is at most {minority(n)}")
    offer = most_harmful if optimal else partial(offered, z=z, n=n, m=m)
    return Attack(offer=offer, watches=True, rehearses=optimal, together=together)


def offered(view: View, *, z: float | None, n: int | None, m: int | None) -> Weights:
    """mean - z * deviation of the own model and the honest others', float32 [P]; the own one while there are no others."""
    models = honest(view)
    if len(models) == 1:
        return view.own
    return beside(models, deviations(len(models), n, m) if z is None else z)


def most_harmful(view: View) -> Weights:
    """mean - z * deviation with the z that harms the victim on the stage most; the own model while there is none."""
    models = honest(view)
    if view.stage is None:
        return view.own
    middle = mean(models)
    return moved(view, middle, -deviation(models, middle), None)


def deviations(known: int, n: int | None, m: int | None) -> float:
    """z for an attacker that knows so many models, where nobody gave it."""
    n = known if n is None else n
    return z_max(n, minority(n) if m is None else min(m, minority(n)))


def minority(n: int) -> int:
    """The most of `n` models that may be attackers' while the others are a majority."""
    return (n - 1) // 2


def z_max(n: int, m: int) -> float:
    """The paper's z for `n` models with `m` attackers' among them, a minority; 0 where it is below."""
    supporters = n // 2 + 1 - m
    share = (n - m - supporters) / (n - m)
    return max(0.0, NormalDist().inv_cdf(share)) if share > 0 else 0.0


def beside(models: Sequence[Weights], z: float) -> Weights:
    """mean - z * deviation of `models` [P] each, in double precision and within float32."""
    out = np.empty_like(models[0])
    for begin in range(0, len(out), BLOCK):
        place = slice(begin, begin + BLOCK)
        block = np.array([model[place] for model in models], np.float64)
        out[place] = np.clip(block.mean(0) - z * block.std(0), -LARGEST, LARGEST)
    return out
