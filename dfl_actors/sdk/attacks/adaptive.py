"""Adaptive: it knows the defence, and offers what is just still taken: so far from the honest models and no further.

    offered = mean + r * |mean| * d
    d       = -progress / |progress|, or noise of norm 1
    r       = given, or the largest up to which the defence lets a victim be drawn the further the larger it is

The mean is over the newest model of each honest sender that it averaged, and its own; fellow attackers are left out. Progress is what
became of the attacker's own model, which learns honestly, in its last 10 offers. r is found anew for each offer: it is tried on the defence
that the topology gives a victim (the victims take turns), doubled from 0.001 on until the victim is drawn into d no further than before
(the model was refused, trimmed or clipped), and then halved in between, 16 tries in all. So no rule's bound need be known by name.
After the adaptive attacks of Tramer et al. (arXiv 2002.08347, of classifiers) and Shejwalkar and Houmansadr (NDSS 2021).

Parameters: `aim`, "progress" (the default) or "noise"; `r`, 0 to 1000: left out, it is found; `together`, default false: in the simulator
it sees what its fellows see.
While it knows no victim's model, or nothing of progress, it offers its own.
"""

from functools import partial
from typing import Annotated, Literal

from msgspec import Meta

from dfl_actors.sdk.attack import Attack, Stage, View
from dfl_actors.sdk.attacks.inner_product import OFFERS
from dfl_actors.sdk.attacks.known import Doubles, heard, honest, mean, norm, progress, unit, within
from dfl_actors.sdk.attacks.search import inside
from dfl_actors.sdk.interface import Weights

Aim = Literal["progress", "noise"]


def build(aim: Aim = "progress", r: Annotated[float, Meta(ge=0.0, le=1000.0)] | None = None, together: bool = False) -> Attack:
    """`aim`: where it draws to; `r`: how far, in norms of the mean."""
    remembers = OFFERS if aim == "progress" else 0
    return Attack(offer=partial(offered, aim=aim, r=r), watches=True, remembers=remembers, rehearses=r is None, together=together)


def offered(view: View, *, aim: Aim, r: float | None) -> Weights:
    """mean + r * |mean| * d, float32 [P]."""
    d = -unit(progress(view)) if aim == "progress" else unit(view.rng.standard_normal(len(view.own)))
    if not heard(view) or not d.any() or (r is None and view.stage is None):
        return view.own
    middle = mean(honest(view))
    step = norm(middle) * d
    if r is None:
        r = 0.0 if view.stage is None else largest(view.stage, middle, step, d)
    return within(middle + r * step)


def largest(stage: Stage, middle: Doubles, step: Doubles, d: Doubles) -> float:
    """The r up to which the victim is drawn further into d the larger it is."""
    rest = float(stage.outcome(within(middle)) @ d)
    return inside(lambda tried: float(stage.outcome(within(middle + tried * step)) @ d) - rest)
