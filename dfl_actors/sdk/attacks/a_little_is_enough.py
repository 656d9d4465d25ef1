"""A little is enough: it offers a model so little beside the others' that robust rules take it for one of them.

    offered = mean - z * deviation      of the models it knows, coordinate by coordinate
    z_max   = the largest z with Phi(z) < (n - m - s) / (n - m),   s = floor(n / 2 + 1) - m

From Baruch, Baruch and Goldberg, A Little Is Enough (arXiv 1902.06156, algorithm 3), there of gradients at a server. Of n models m are
attackers'. With the s honest ones that lie further from the mean than z deviations they make a majority, so that a rule that goes by the
majority keeps what they offer. Phi is the normal distribution; the variance divides by the number of models. The models that it knows are
the newest of each sender that it averaged, and its own.

Parameters: `z`, 0 to 100: how many deviations; left out, it is z_max, and 0 where z_max is below (then it offers the mean, which harms
nobody: in a small neighbourhood give `z`). `n`, from 2: the models that a victim averages, its own with them; left out, as many as the
attacker knows. `m`: how many of them are attackers'; left out, the largest minority, floor((n - 1) / 2). More than that is refused beside
`n`, and otherwise taken as that.
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
from dfl_actors.sdk.interface import Weights
from dfl_actors.sdk.robust import BLOCK

LARGEST = float(np.finfo(np.float32).max)


def build(
    z: Annotated[float, Meta(ge=0.0, le=100.0)] | None = None,
    n: Annotated[int, Meta(ge=2, le=100_000)] | None = None,
    m: Annotated[int, Meta(ge=0, le=100_000)] | None = None,
) -> Attack:
    """`z` deviations; left out, as many as `n` models with `m` attackers' among them allow. Raises `ConfigError` for no minority."""
    if n is not None and m is not None and m > minority(n):
        raise ConfigError(f"{m} of {n} models are no minority; m is at most {minority(n)}")
    return Attack(offer=partial(offered, z=z, n=n, m=m), watches=True)


def offered(view: View, *, z: float | None, n: int | None, m: int | None) -> Weights:
    """mean - z * deviation of the own model and the others', float32 [P]; the own one while there are no others."""
    if not view.others:
        return view.own
    # By name, so that rounding does not depend on who came first.
    models = [view.own, *(view.others[sender] for sender in sorted(view.others))]
    return beside(models, deviations(len(models), n, m) if z is None else z)


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
