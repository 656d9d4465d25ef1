"""Inner product manipulation: what it offers points against what honest nodes offer, so that a mean loses its direction.

    offered = -tau * mean                           of = "models"
    offered = mean - tau * (own - own of old)       of = "progress"

From Xie, Koyejo and Gupta, Fall of Empires (arXiv 1903.03936), there of gradients at a server. The mean is over the newest model of each
honest sender that it averaged, and its own; fellow attackers are left out. A model is no gradient: turned round it is far from all others,
and any rule sees that. What a gradient is there, progress is here: what became of the attacker's own model, which learns honestly, in its
last 10 offers.

Parameters: `tau`, 0 to 1e6, default 1; `of`, "models" (the default) or "progress"; `optimal`, default false, with no tau: it is found
anew for each offer, by a line search of 16 tries from 0 on for what brings a victim furthest from the mean of its honest models (Shejwalkar
and Houmansadr, NDSS 2021; Farhadkhani et al., arXiv 2205.12173), on the defence that the topology gives it, the victims in turn;
`together`, default false: in the simulator it sees what its fellows see.
While it knows no model but its own, it offers that; with "progress" as well at the first offer.
"""

from functools import partial
from typing import Annotated, Literal

from msgspec import Meta

from dfl_actors.errors import ConfigError
from dfl_actors.sdk.attack import Attack, View
from dfl_actors.sdk.attacks.known import Doubles, heard, honest, mean, progress, within
from dfl_actors.sdk.attacks.search import damage, line_search
from dfl_actors.sdk.interface import Weights

Of = Literal["models", "progress"]

OFFERS = 10  # Over which progress is measured.


def build(
    tau: Annotated[float, Meta(ge=0.0, le=1e6)] | None = None, of: Of = "models", optimal: bool = False, together: bool = False
) -> Attack:
    """`tau` times against the mean, or against its `progress`; `optimal`: as strong as harms a victim most. Raises `ConfigError`."""
    if optimal and tau is not None:
        raise ConfigError("optimal finds how strong harms most; leave out tau, or optimal")
    offer = partial(offered, tau=None if optimal else 1.0 if tau is None else tau, of=of)
    return Attack(offer=offer, watches=True, remembers=OFFERS if of == "progress" else 0, rehearses=optimal, together=together)


def offered(view: View, *, tau: float | None, of: Of) -> Weights:
    """The manipulated mean, float32 [P]; `tau` None: the one that harms most."""
    if not heard(view) or (tau is None and view.stage is None):
        return view.own
    middle = mean(honest(view))
    base, against = (0.0 * middle, middle) if of == "models" else (middle, progress(view))
    return moved(view, base, -against, tau)


def moved(view: View, base: Doubles, direction: Doubles, strength: float | None) -> Weights:
    """base + strength * direction, with the strength that harms the victim on the stage most where none is given."""
    stage = view.stage
    if strength is None:
        strength = 0.0 if stage is None else line_search(lambda tried: damage(stage, within(base + tried * direction)))
    return within(base + strength * direction)
