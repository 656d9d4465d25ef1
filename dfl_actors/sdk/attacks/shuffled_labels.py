"""Shuffled labels: it trains on the labels of its batch in another order, so that they say nothing of the samples."""

from dfl_actors.sdk.attack import Attack

NAME = "shuffled_labels"


def build() -> Attack:
    """Takes no parameters."""
    return Attack(NAME, teach=lambda labels, count, rng: rng.permuted(labels))
