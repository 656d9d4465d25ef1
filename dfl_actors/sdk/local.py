"""Local: nothing is averaged, every node goes on with its own model. A yardstick: what a node learns alone, whatever others send.

    model_next = model_prev

No parameters; needs nothing.
"""

from collections.abc import Sequence

from dfl_actors.sdk.interface import Algorithm, ReceivedModel, Reputations, Result, Weights


def build() -> Algorithm:
    return Algorithm(apply=apply)


def apply(state: None, own: Weights, received: Sequence[ReceivedModel], reputations: Reputations) -> Result:
    """The own model; reputations stay as they are."""
    return Result(state, own.copy(), dict(reputations), {})
