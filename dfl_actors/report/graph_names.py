"""Names of a graph's nodes beside the nodes: each where it covers neither another name nor a node, if there is such a place.

What is covered is known only once a picture has its size and its letters: `part_names` is called last.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation

HALVES = (0.5, -0.5, 1, -1)
WAYS = ((0, 1), (0, -1), (1, 0), (-1, 0), *((x, y) for y in (1, -1) for x in HALVES), *((x, y) for x in (1, -1) for y in HALVES[:2]))
"""Of a name, from its node: above first."""

ROUNDS = 12  # In which every name chooses its place anew.
BEYOND = 3.0  # How much worse it is to be beyond the edge than to cover something.
GAP, APART = 1.0, 2.0  # Points between a node and its name, and between names.

Boxes = NDArray[np.float64]  # x0, y0, x1, y1 [n, 4], in pixels.


def part_names(axes: "Axes", radius: float) -> None:
    """Move the names of nodes that are so many points large, which stand above them, to where they cover least."""
    from matplotlib.text import Annotation

    names = [text for text in axes.texts if isinstance(text, Annotation)]
    figure = axes.get_figure(root=True)
    if not names or figure is None:
        return
    for name in names:
        name.set_in_layout(False)  # Else the picture would shift when they move.
    figure.draw_without_rendering()
    pixels = figure.dpi / 72
    nodes = axes.transData.transform([name.xy for name in names])
    sizes = np.array([_size(name) for name in names]) + APART * pixels
    around = radius * pixels
    dots = np.hstack([nodes - around, nodes + around])
    (_, low, _, high), (left, _, right, _) = axes.get_window_extent().extents, figure.bbox.extents
    edge = np.array([left, low, right, high])
    offsets = [_offsets(size, around + GAP * pixels) for size in sizes]
    chosen = np.zeros(len(names), int)
    for _ in range(ROUNDS):
        for place in range(len(names)):
            boxes = _boxes(nodes[place] + offsets[place], sizes[place])
            others = np.delete(np.array([_boxes(nodes[n] + offsets[n], sizes[n])[chosen[n]] for n in range(len(names))]), place, axis=0)
            cost = _covered(boxes, others) + _covered(boxes, np.delete(dots, place, axis=0)) + BEYOND * _outside(boxes, edge)
            chosen[place] = int(np.argmin(np.round(cost)))
    for place, name in enumerate(names):
        name.set(position=offsets[place][chosen[place]] / pixels, ha="center", va="center")


def _size(name: "Annotation") -> tuple[float, float]:
    box = name.get_window_extent()
    return box.width, box.height


def _offsets(size: NDArray[np.float64], around: float) -> NDArray[np.float64]:
    """Where the middle of a name of this size may stand, from the middle of its node [n, 2]."""
    ways = np.array(WAYS, float)
    slanted = np.where(np.abs(ways).prod(axis=1, keepdims=True) == 1, 0.7, 1.0)  # The corner of a box is nearer to a round node.
    return ways * (size / 2 + around * slanted)


def _boxes(middles: NDArray[np.float64], size: NDArray[np.float64]) -> Boxes:
    return np.hstack([middles - size / 2, middles + size / 2])


def _covered(boxes: Boxes, others: Boxes) -> NDArray[np.float64]:
    """How much of the others each box covers, in square pixels [n]."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return np.asarray(np.clip(high - low, 0, None).prod(axis=2).sum(axis=1))


def _outside(boxes: Boxes, edge: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much of each box is beyond the edge, in square pixels [n]."""
    whole = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return np.asarray(whole - _covered(boxes, edge[None]))
