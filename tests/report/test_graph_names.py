"""Names beside a graph's nodes: none over another where there is room, in a paper's column too."""

from itertools import combinations

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from dfl_actors.report.charts.chart import Dot, Edge, Graph
from dfl_actors.report.layout import bends, positions
from dfl_actors.report.paper import STYLE, WIDTHS, panels_of

TWO, SIX = ["hospital-amsterdam", "hospital-utrecht"], ["hospital-amsterdam", "clinic-north", "lab-7", "clinic-south", "delft", "site"]


def drawn(names: list[str], width: float) -> Figure:
    rng = np.random.default_rng(1)
    links = [(names[int(rng.integers(place))], names[place]) for place in range(1, len(names))]
    links += [(names[a], names[b]) for a, b in rng.integers(len(names), size=(len(names), 2)).tolist() if a < b]
    places = positions(names, links)
    bent = bends(places, links)
    graph = Graph(places, [Edge(*pair, 1.0, via=bent.get(pair)) for pair in links], [Dot(name, "@node0", "circle") for name in names])
    with matplotlib.rc_context(STYLE):
        figure = panels_of(graph)[""](width)
        figure.draw_without_rendering()
    return figure


def named(figure: Figure) -> list[Annotation]:
    return [text for text in figure.axes[0].texts if isinstance(text, Annotation)]


@pytest.mark.parametrize("width", WIDTHS.values())
@pytest.mark.parametrize("names", [TWO, SIX, [f"site-{place:02d}" for place in range(30)]], ids=["two", "six", "thirty"])
def test_no_name_is_over_another_or_beyond_the_edge(names: list[str], width: float) -> None:
    figure = drawn(names, width)
    boxes = [text.get_window_extent() for text in named(figure)]
    assert len(boxes) == len(names)
    assert not [1 for one, other in combinations(boxes, 2) if one.overlaps(other)]
    assert all(box.x0 >= -1 and box.x1 <= figure.bbox.width + 1 for box in boxes)


def test_two_nodes_stand_beside_each_other_in_a_low_picture() -> None:
    figure = drawn(TWO, WIDTHS["column"])
    assert figure.get_figheight() < 1.5
    assert len({round(text.xy[1], 6) for text in named(figure)}) == 1


def test_a_crowd_in_a_column_has_no_names_and_more_room() -> None:
    crowd = drawn([f"site-{place:03d}" for place in range(60)], WIDTHS["column"])
    assert not named(crowd) and crowd.axes[0].get_xlim()[1] == pytest.approx(1.08)
