"""Delayed: it offers the model that it had some offers ago, as a straggler does, or one that replays what was true once.

    offered at turn t = own model at turn max(0, t - by)

Parameter `by`, 1 to 100, default 10: how many offers ago; a node keeps as many of its models in memory, of LeNet 1.7 MB each. In the
network the past is not stored: an attacker that is restarted begins anew, with the first model that it then offers.
"""

from typing import Annotated

from msgspec import Meta

from dfl_actors.sdk.attack import MOST_REMEMBERED, Attack, View
from dfl_actors.sdk.interface import Weights


def build(by: Annotated[int, Meta(ge=1, le=MOST_REMEMBERED)] = 10) -> Attack:
    """`by`: how many offers ago."""
    return Attack(offer=offered, remembers=by)


def offered(view: View) -> Weights:
    """The oldest model that is remembered; at the first turn the own one."""
    return view.past[0] if view.past else view.own
