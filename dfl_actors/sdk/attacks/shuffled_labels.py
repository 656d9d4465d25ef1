"""Shuffled labels: it trains on the labels of its batch in another order, so that they say nothing of the samples.

Parameter `uniform`, default false: instead, every label is drawn from all there are, each as likely, whatever the batch holds. That is
what the authors' program does under this name; the two differ where a node has few labels.
"""

import numpy as np

from dfl_actors.sdk.attack import Attack, Labels


def build(uniform: bool = False) -> Attack:
    """`uniform`: labels are drawn from all there are."""
    return Attack(teach=drawn if uniform else shuffled)


def shuffled(labels: Labels, count: int, rng: np.random.Generator) -> Labels:
    """The same labels in another order, over the whole batch."""
    return rng.permuted(labels)


def drawn(labels: Labels, count: int, rng: np.random.Generator) -> Labels:
    """As many labels, uniform in 0 to `count` - 1."""
    return rng.integers(0, count, labels.shape).astype(labels.dtype)
