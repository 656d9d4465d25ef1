"""The picture of a topology: what is drawn for whom, readable from four nodes to hundreds, the same bytes each time."""

from functools import cache
from itertools import combinations, pairwise
from pathlib import Path

import msgspec
import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import FancyArrowPatch, Rectangle
from matplotlib.quiver import Quiver
from numpy.typing import NDArray

from dfl_actors.config import Config, parse_topology
from dfl_actors.config.sections import Data
from dfl_actors.errors import ConfigError
from dfl_actors.learning.data import Dataset, load_dataset
from dfl_actors.report.charts.palette import PICTURE
from dfl_actors.report.layout import MOST_SPRINGS, POINTS, Positions, node_area, positions
from dfl_actors.report.picture_files import picture_format, save
from dfl_actors.report.topology import LOOKS, draw_topology, graph_of, rows_for, summary
from dfl_actors.report.topology import alike as alike_data
from dfl_actors.topo.describe import Description, describe
from dfl_actors.topo.generate import draw
from dfl_actors.topo.kinds import Request
from dfl_actors.topo.template import generated_table
from dfl_actors.topo.write import topology_text
from tests.learning.forms import alike


@cache
def mnist() -> Dataset:
    return load_dataset(Data())


def of_mnist(config: Config) -> Description:
    return describe(config, alike(config, mnist()))


def described(request: Request, *roles: str, partition: str = "dirichlet:0.1") -> Description:
    text = topology_text(generated_table(draw(request), list(roles), partition), [])
    return of_mnist(parse_topology(text, where="made", name="made"))


def points(places: Positions) -> dict[str, NDArray[np.float64]]:
    return {name: np.array(place) for name, place in places.items()}


def texts(figure: Figure) -> set[str]:
    return {text.get_text() for axes in figure.axes for text in axes.texts}


@pytest.mark.parametrize("count", [4, 10, 50])
def test_every_node_is_there_with_its_role_its_name_and_its_bars(count: int) -> None:
    about = described(Request(nodes=count, degree=2), "observer=1", "attacker=1")
    figure = draw_topology(about)
    graph, data = figure.axes
    spots = {each.get_label(): len(np.asarray(each.get_offsets())) for each in graph.collections if isinstance(each, PathCollection)}
    assert spots == {f"{count - 2} normal": count - 2, "1 observer": 1, "1 attacker: sign_flip": 1}
    legend = graph.get_legend()
    assert legend is not None and [text.get_text() for text in legend.get_texts()] == list(spots)
    (links,) = [each for each in graph.collections if isinstance(each, LineCollection)]
    assert len(links.get_segments()) == about.links
    assert {text.get_text() for text in graph.texts} == {node.name for node in about.nodes}
    assert len(data.patches) == 10 * count
    colours = {node.name: PICTURE[LOOKS[node.kind][0][1:]] for node in about.nodes}
    named = {text.get_text(): text.get_color() for text in data.texts if text.get_fontweight() == "bold"}
    assert named == colours


def test_a_one_way_link_is_an_arrow_towards_its_receiver() -> None:
    text = "[network]\nlinks = ['0->1', '2->1', '2--3', '3->0']"
    about = of_mnist(parse_topology(text, where="made", name="made"))
    graph = draw_topology(about).axes[0]
    (links,) = [each for each in graph.collections if isinstance(each, LineCollection)]
    (arrows,) = [each for each in graph.collections if isinstance(each, Quiver)]
    places = points(graph_of(about).places)
    assert len(links.get_segments()) == 1
    ends = [("0", "1"), ("2", "1"), ("3", "0")]
    along_all, up_all = np.asarray(arrows.U), np.asarray(arrows.V)
    for begin, along, up, (one, other) in zip(np.asarray(arrows.XY), along_all, up_all, ends, strict=True):
        assert tuple(begin) == pytest.approx(tuple(places[one]))
        way = places[other] - places[one]
        # It points there and ends at the rim of the node.
        assert 0.7 * np.linalg.norm(way) < np.hypot(along, up) < np.linalg.norm(way)
        assert np.arctan2(up, along) == pytest.approx(np.arctan2(way[1], way[0]))
    assert summary(about).startswith("4 nodes, 4 links (3 one way), ")


def bars_of(figure: Figure) -> list[float]:
    return [bar.get_height() for bar in figure.axes[1].patches if isinstance(bar, Rectangle)]


def test_bars_are_as_high_as_the_shares(tmp_path: Path) -> None:
    about = described(Request(nodes=4, kind="full"), partition="labels:2")
    shares = [share for node in about.nodes for share in node.labels]
    assert np.allclose(np.array(bars_of(draw_topology(about))) / 0.62 * 0.5, shares)


def test_nodes_with_equal_data_share_one_chart_whose_bars_are_not_full() -> None:
    figure = draw_topology(described(Request(nodes=16, kind="full"), "attacker=1", partition="iid"))
    assert np.allclose(np.array(bars_of(figure)) / 0.62 * 0.2, [0.1] * 10)
    assert "all 16 nodes alike" in texts(figure)
    some = described(Request(nodes=3, kind="full"), partition="iid")
    other = msgspec.structs.replace(some.nodes[2], labels=(1.0, *[0.0] * 9))
    groups = alike_data(msgspec.structs.replace(some, nodes=(*some.nodes[:2], other)))
    assert [group.title for group in groups] == ["2 nodes alike: 0, 1", "2"]


@pytest.mark.parametrize(
    "request_",
    [
        Request(nodes=10, degree=2),
        Request(nodes=50, degree=2),
        Request(nodes=12, kind="scale-free"),
        Request(rows=4, cols=5, kind="torus"),
        Request(rows=10, cols=10, kind="torus"),
        Request(rows=2, cols=7, kind="grid"),
        Request(nodes=30, kind="star"),
        Request(nodes=30, kind="full"),
    ],
    ids=lambda request: f"{request.kind}-{request.nodes}",
)
def test_no_link_passes_through_a_node_that_is_not_its_end(request_: Request) -> None:
    graph = graph_of(described(request_, partition="iid"))
    places, radius = points(graph.places), np.sqrt(node_area(len(graph.dots))) / 2 / POINTS
    for edge in graph.edges:
        way = np.concatenate([np.linspace(one, other, 20) for one, other in pairwise(graph.path(edge))])
        others = np.array([place for name, place in places.items() if name not in (edge.one, edge.other)])
        nearest = np.linalg.norm(way[:, None] - others[None], axis=2).min()
        assert nearest > radius, (edge.one, edge.other)


def test_a_bent_link_one_way_has_a_bent_arrow() -> None:
    ends = [*pairwise("abcdefghij"), ("j", "a")]
    links = ", ".join(f"'{one}--{other}'" for one, other in ends)
    text = f"[network]\nnodes = [{', '.join(map(repr, 'abcdefghijkl'))}]\nlinks = [{links}, 'k--a', 'k--l', 'l--f', 'a->f']"
    graph = graph_of(of_mnist(parse_topology(text, where="made", name="made")))
    bent = [edge for edge in graph.edges if edge.via is not None]
    figure = draw_topology(of_mnist(parse_topology(text, where="made", name="made")))
    curved = [patch for patch in figure.axes[0].patches if isinstance(patch, FancyArrowPatch)]
    assert len(curved) == sum(edge.arrow for edge in bent)


def test_roles_differ_in_colour_and_in_shape() -> None:
    assert len({colour for colour, _ in LOOKS.values()}) == len({symbol for _, symbol in LOOKS.values()}) == len(LOOKS) == 3


def test_beyond_sixty_nodes_the_data_are_shades() -> None:
    figure = draw_topology(described(Request(nodes=61, kind="ring")))
    (image,) = [each for each in figure.axes[1].get_children() if isinstance(each, AxesImage)]
    assert np.asarray(image.get_array()).shape == (61, 10)


@pytest.mark.parametrize(
    "request_",
    [
        Request(nodes=10, kind="star"),
        Request(nodes=10, degree=2),
        Request(nodes=50, degree=2),
        Request(nodes=50, kind="scale-free"),
        Request(nodes=50, kind="line"),
        Request(nodes=25, kind="torus"),
        Request(nodes=5, kind="line"),
    ],
    ids=lambda request: f"{request.kind}-{request.nodes}",
)
def test_no_node_hides_another(request_: Request) -> None:
    places = points(graph_of(described(request_, partition="iid")).places)
    # Two nodes touch when they are as far apart as one is wide.
    touching = np.sqrt(node_area(len(places))) / POINTS
    assert min(np.linalg.norm(one - other) for one, other in combinations(places.values(), 2)) > 0.9 * touching
    assert np.abs(np.array(list(places.values()))).max() <= 1 + 1e-9


def test_a_crowd_stands_in_a_circle() -> None:
    names = [str(number) for number in range(MOST_SPRINGS + 1)]
    places = points(positions(names, list(pairwise(names))))
    assert np.allclose([np.linalg.norm(place) for place in places.values()], 1)


@pytest.mark.parametrize(("count", "rows"), [(2, 2), (4, 4), (5, 5), (10, 5), (20, 10), (50, 10), (60, 10)])
def test_bar_charts_stand_in_columns_of_at_most_ten(count: int, rows: int) -> None:
    assert rows_for(count) == rows


def test_names_with_a_dollar_and_long_names_are_drawn_as_they_are() -> None:
    text = '[network]\nname = "a$b$"\nnodes = ["somebody_far_away", "somebody_near_by"]'
    figure = draw_topology(of_mnist(parse_topology(text, where="net.toml", name="net")))
    assert figure.get_suptitle().startswith(r"a\$b\$: 2 nodes")
    assert "somebody_near_by" in texts(figure)


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_a_picture_is_a_file_of_its_kind_and_always_the_same(kind: str, tmp_path: Path) -> None:
    about = described(Request(nodes=10, degree=2), "attacker=1")
    for name in ("one", "two"):
        save(draw_topology(about), tmp_path / name, kind)
    content = (tmp_path / "one").read_bytes()
    assert content == (tmp_path / "two").read_bytes()
    assert content.startswith(b"\x89PNG" if kind == "png" else b"<?xml")
    assert kind == "png" or b"1 attacker: sign_flip" in content


@pytest.mark.parametrize(("name", "kind"), [("a.png", "png"), ("a.b.SVG", "svg"), ("a.pdf", "pdf")])
def test_the_name_of_a_picture_says_its_kind(name: str, kind: str) -> None:
    assert picture_format(Path(name)) == kind


@pytest.mark.parametrize("name", ["a", "a.eps", "a.toml", ".png"])
def test_another_kind_of_picture_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"a plot is a PNG, an SVG or a PDF; give a name that ends in \.png, \.svg or \.pdf"):
        picture_format(Path(name))
