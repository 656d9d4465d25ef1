"""Label flip: it trains on the opposite label, the last for the first and so on: L - 1 - label of L labels (arXiv 1911.11815)."""

from dfl_actors.sdk.attack import Attack


def build() -> Attack:
    """Takes no parameters."""
    return Attack(teach=lambda labels, count, rng: (count - 1 - labels).astype(labels.dtype))
