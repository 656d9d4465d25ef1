"""What the robust algorithms share: one vote a sender, distances, values in order, and a mean with a fixed share for the own model.

Several models of one sender may lie in one buffer. A robust rule counts on so many of its inputs being honest, so an attacker that sends
twice must not count twice, nor support itself by a near-identical pair: only the newest model of each sender is used. They are taken in the
order of the senders' names, so that neither a tie nor rounding depends on who came first. In a node no model that is not finite comes this
far (a validator refuses it); one that does, in a script, is left out, for it is at no distance from any other.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from dfl_actors.learning.weights import all_finite
from dfl_actors.sdk.interface import ReceivedModel, Weights, weighted_mean

BLOCK = 16_384  # Weights that are looked at together: some ten models' worth of them stay in the processor's cache.

NETWORK_UP_TO = 24
"""Models up to which a sorting network is faster than a sort, five times with 8 (0.2 ms a block for 1.0), alike with 24. Its time is
square in their number: a block of 300 models takes it 10 times as long."""


def newest(received: Sequence[ReceivedModel]) -> list[ReceivedModel]:
    """The newest model of each sender, by the senders' names; `received` is in order of arrival."""
    last = {model.sender: model for model in received if all_finite(model.weights)}
    return [last[sender] for sender in sorted(last)]


def square_distance(one: Weights, other: Weights) -> float:
    """|one - other|^2 of two [P]. Infinite when a block's sum exceeds float32 (3.4e38): such a model is as good as infinitely far away."""
    total = 0.0
    with np.errstate(over="ignore"):
        for begin in range(0, len(one), BLOCK):
            difference = one[begin : begin + BLOCK] - other[begin : begin + BLOCK]
            total += float(difference @ difference)
    return total


def square_distances(models: Sequence[Weights]) -> np.ndarray:
    """|model_i - model_j|^2 of all pairs, float64 [n, n]; infinite as `square_distance` is."""
    squares = np.zeros((len(models), len(models)))
    for row in range(len(models)):
        for column in range(row):
            squares[row, column] = squares[column, row] = square_distance(models[row], models[column])
    return squares


def distance(one: Weights, other: Weights) -> float:
    """|one - other| of two [P]; infinite as `square_distance` is."""
    return float(np.sqrt(square_distance(one, other)))


def length(difference: Weights) -> float:
    """Of a difference of two [P] that is there already: what `distance` gives of the two, bit by bit."""
    with np.errstate(over="ignore"):
        parts = (difference[begin : begin + BLOCK] for begin in range(0, len(difference), BLOCK))
        return float(np.sqrt(sum(float(part @ part) for part in parts)))


def sorted_blocks(models: Sequence[Weights]) -> Iterator[tuple[slice, Sequence[Weights]]]:
    """For each stretch of the vectors its values in ascending order, coordinate by coordinate: one array for each rank."""
    in_order = by_network if len(models) <= NETWORK_UP_TO else by_sorting
    for begin in range(0, len(models[0]), BLOCK):
        place = slice(begin, begin + BLOCK)
        yield place, in_order([model[place].astype(np.float32) for model in models])


def by_network(rows: list[Weights]) -> list[Weights]:
    """Odd-even transposition sort, whole arrays at a time: no sorting is needed within them."""
    for turn in range(len(rows)):
        for low in range(turn % 2, len(rows) - 1, 2):
            smaller = np.minimum(rows[low], rows[low + 1])
            np.maximum(rows[low], rows[low + 1], out=rows[low + 1])
            rows[low] = smaller
    return rows


def by_sorting(rows: list[Weights]) -> list[Weights]:
    """numpy's sort, of each coordinate's values side by side."""
    values = np.ascontiguousarray(np.transpose(rows))
    values.sort(axis=1)
    return list(np.ascontiguousarray(values.T))


def mixed(own: Weights, models: Sequence[Weights], alpha: float) -> Weights:
    """alpha * own + (1 - alpha) * mean of `models`, float32 [P]; a copy of `own` when there are no models."""
    if not models:
        return own.copy()
    return weighted_mean([own, *models], [alpha, *[(1.0 - alpha) / len(models)] * len(models)])


def measured(model: ReceivedModel) -> float:
    """The accuracy of a received model. Raises `ValueError` when nobody measured it."""
    if model.accuracy is None:
        raise ValueError(f"the model of {model.sender} was not measured; an algorithm that asks must have needs = {{'accuracy'}}")
    return model.accuracy
