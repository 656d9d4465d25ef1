"""Figures of a topology: distances and the spectral gap against closed forms and networkx, the data of each node."""

import dataclasses
from functools import cache
from io import StringIO
from math import cos, log, pi

import msgspec
import networkx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from dfl_actors.config import Config, load_topology, override, parse_topology
from dfl_actors.config.sections import Data
from dfl_actors.config.topology import neighbours_of, node_names, parse_links
from dfl_actors.learning.data import Dataset, load_dataset
from dfl_actors.report.topology import render
from dfl_actors.topo.describe import Description, describe, distances, mixing_matrix, spectral_gap
from dfl_actors.topo.generate import draw
from dfl_actors.topo.kinds import Request
from tests.learning.forms import alike, image_data


@cache
def mnist() -> Dataset:
    return load_dataset(Data())


def of_mnist(config: Config) -> Description:
    return describe(config, alike(config, mnist()))


def described(text: str) -> Description:
    return of_mnist(parse_topology(text, where="net.toml", name="net"))


def shaped(shape: str, count: int) -> dict[str, tuple[str, ...]]:
    names = node_names(count)
    return neighbours_of(names, parse_links(names, shape))


@pytest.mark.parametrize("count", [3, 4, 5, 10, 31])
def test_the_gap_of_shapes_that_have_a_formula(count: int) -> None:
    # A ring averages three models in equal shares; its eigenvalues are those of a circulant matrix.
    ring = [1 / 3 + 2 / 3 * cos(2 * pi * k / count) for k in range(1, count)]
    assert spectral_gap(shaped("ring", count)) == pytest.approx(1 - max(map(abs, ring)))
    assert spectral_gap(shaped("full", count)) == pytest.approx(1)
    assert spectral_gap(shaped("star", count)) == pytest.approx(1 / count)


@given(st.integers(4, 16), st.integers(0, 99))
def test_the_mixing_matrix_leads_to_the_mean_as_fast_as_the_gap_says(count: int, seed: int) -> None:
    drawn = draw(Request(nodes=count, degree=2, seed=seed))
    matrix = mixing_matrix(neighbours_of(drawn.names, drawn.links))
    assert np.allclose(matrix, matrix.T) and np.allclose(matrix.sum(axis=1), 1) and (matrix >= 0).all()
    models = np.random.default_rng(seed).normal(size=count)
    apart = np.linalg.norm(models - models.mean())
    gap = spectral_gap(neighbours_of(drawn.names, drawn.links))
    for rounds in range(1, 6):
        models = matrix @ models
        assert np.linalg.norm(models - models.mean()) <= apart * (1 - gap) ** rounds + 1e-12


@given(st.sampled_from(["connect", "scale-free", "ring", "line", "star", "full"]), st.integers(4, 20), st.integers(0, 99))
def test_distances_are_those_of_networkx(kind: str, count: int, seed: int) -> None:
    drawn = draw(Request(kind=kind, nodes=count, seed=seed))
    graph = networkx.Graph(drawn.links)
    farthest, mean = distances(neighbours_of(drawn.names, drawn.links))
    assert farthest == networkx.diameter(graph)
    assert mean == pytest.approx(networkx.average_shortest_path_length(graph))


def test_a_description_holds_the_figures_of_the_graph() -> None:
    about = described("[network]\nnodes = 5\nlinks = 'star'")
    assert (about.name, about.links, about.degrees, about.diameter) == ("net", 4, (1, 1.6, 4), 2)
    assert about.distance == pytest.approx((4 * 1 + 6 * 2) / 10)
    assert about.rounds == pytest.approx(log(0.1) / log(0.8))
    assert described("").rounds == 1.0
    assert about.nodes[0].neighbours == ("1", "2", "3", "4")


ONE_WAY = "[network]\nlinks = ['0->1', '2->1', '2--3', '3->0', '3->1']"


def test_one_way_links_are_counted_out_and_in_and_neighbours_are_both() -> None:
    about = described(ONE_WAY)
    assert (about.links, about.one_way, about.degrees) == (5, 4, (2, 2.5, 3))
    assert (about.out_degrees, about.in_degrees) == ((0, 1.5, 3), (1, 1.5, 3))
    assert [(node.receivers, node.senders) for node in about.nodes] == [
        (("1",), ("3",)),
        ((), ("0", "2", "3")),
        (("1", "3"), ("3",)),
        (("0", "1", "2"), ("2",)),
    ]
    both_ways = described(ONE_WAY.replace("->", "--"))
    assert (about.gap, about.distance, about.diameter) == (both_ways.gap, both_ways.distance, both_ways.diameter)
    assert (both_ways.one_way, both_ways.out_degrees, both_ways.in_degrees) == (0, both_ways.degrees, both_ways.degrees)


def test_kinds_are_counted_and_attacks_named() -> None:
    attacks = "".join(
        f"[node.{name}]\nattack = '{attack}'\n" for name, attack in {2: "sign_flip", 4: "random_model", 5: "sign_flip"}.items()
    )
    about = described(f"[network]\nnodes = 6\n[node.1]\nrole = 'observer'\n{attacks}")
    assert about.kinds() == {"normal": "2 normal", "observer": "1 observer", "attacker": "3 attackers: random_model, sign_flip"}
    assert [node.kind for node in about.nodes] == ["normal", "observer", "attacker", "normal", "attacker", "attacker"]


@pytest.mark.parametrize(
    ("data", "partition", "rows"),
    [
        ("", "iid", [[0.1] * 10] * 2),
        ("partition = 'labels'\nlabels_per_node = 2", "labels:2", [[0.5, 0.5, *[0] * 8], [0, 0.5, 0.5, *[0] * 7]]),
        ("partition = 'samples'", "samples", None),
        ("partition = 'dirichlet'\nalpha = 0.1", "dirichlet:0.1", None),
    ],
)
def test_the_data_of_a_node_are_shares_by_label(data: str, partition: str, rows: list[list[float]] | None) -> None:
    about = described(f"[network]\nnodes = 2\n[data]\n{data}")
    assert about.partition == partition
    assert all(sum(node.labels) == pytest.approx(1) and len(node.labels) == 10 for node in about.nodes)
    if rows is not None:
        assert [list(node.labels) for node in about.nodes] == rows


def test_what_is_shown_is_what_the_nodes_will_draw_from() -> None:
    from dfl_actors.learning.partition import weights_by_node

    config = override(load_topology("ring_6_noniid"), ["network.seed=3"])
    rows = weights_by_node(config, mnist())
    assert {node.name: list(node.labels) for node in of_mnist(config).nodes} == {name: list(row) for name, row in rows.items()}


# ---- in the terminal


def shown(about: Description, width: int = 80) -> list[str]:
    console = Console(width=width, file=StringIO())
    with console.capture() as capture:
        render(about, console)
    return [line.rstrip() for line in capture.get().splitlines()]


def test_the_table_has_a_row_a_node_and_fits_80_columns() -> None:
    lines = shown(described("[network]\nnodes = 10\n[data]\npartition = 'labels'\nrate = 0\n[node.3]\nrole = 'observer'\nrate = 2.5"))
    assert lines[0] == "net: 10 nodes (1 observer), 45 links, mnist, partition labels:2"
    assert "neighbours    9 each" in lines
    assert "spectral gap  1: a tenth of the differences is left after one round" in lines
    assert max(map(len, lines)) <= 80
    rows = [line.split() for line in lines if line[:1].isdigit()]
    assert [row[0] for row in rows] == [str(number) for number in range(10)]
    assert rows[3][1:3] == ["observer", "9"]
    assert rows[3][-11:] == ["2.5", ".", ".", ".", "50", "50", ".", ".", ".", ".", "."]
    assert rows[0][-11] == "max"


@pytest.mark.parametrize(
    ("names", "heading", "legend"),
    [(("cat", "dog"), "cat dog", ""), (("airplane", "a" * 40), "0   1", f": 0 airplane, 1 {'a' * 40}"), (("0", "1"), "0   1", "")],
)
def test_labels_are_known_by_their_names(names: tuple[str, ...], heading: str, legend: str) -> None:
    data = image_data([0, 1, 1], [0, 1])
    named = dataclasses.replace(data, form=msgspec.structs.replace(data.form, labels=names))
    config = parse_topology("[network]\nnodes = 2\n[data]\npartition = 'samples'", where="net.toml", name="net")
    about = describe(config, alike(config, named))
    lines = shown(about, 200)
    assert about.labels == names and lines[-3].endswith(heading) and lines[-2].split()[-2:] == ["33", "67"]
    assert f"rate in samples a second; data by label in percent{legend}" in lines


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_no_number_and_no_short_name_is_cut_at_any_width(width: int) -> None:
    names = ["hospital-of-amsterdam", "hospital-of-utrecht", "amy", "ben"]
    lines = shown(described(f"[network]\nnodes = {names}\n[data]\npartition = 'dirichlet'\nalpha = 0.3"), width)
    assert max(map(len, lines)) <= width and not any("…" in line for line in lines)
    assert {"kind", "links", "neighbours", "rate"} <= set(next(line for line in lines if line.startswith("node ")).split())
    (heads,) = (line.split() for line in lines if line.endswith("   8   9"))
    rows = [line.split()[-10:] for line in lines if line.startswith(("hospital", "amy", "ben")) and line.split()[-1].strip(".").isdigit()]
    assert heads[-10:] == list("0123456789") and len(rows) >= 4
    whole = width >= 120
    assert sum(line.startswith("hospital-of-amsterdam") for line in lines) == whole, "names give way last"
    assert whole or any(line.startswith("hospita..sterdam") for line in lines)


def test_many_neighbours_are_counted_not_listed() -> None:
    lines = shown(described("[network]\nnodes = 30"), 200)
    assert any("1 2 3 4 5 6 7 8 and 21 more" in line for line in lines)


def test_arrows_tell_which_way_links_lead() -> None:
    lines = shown(described(ONE_WAY))
    assert lines[0] == "net: 4 nodes, 5 links (4 one way), mnist, partition iid"
    assert [line.split(maxsplit=2)[:2] for line in lines[1:4]] == [["neighbours", "2"], ["sends", "to"], ["hears", "1"]]
    rows = {line[0]: line.split() for line in lines if line[:1].isdigit()}
    assert rows["0"][:6] == ["0", "normal", "1", "1", "->1", "<-3"]
    assert rows["1"][:7] == ["1", "normal", "0", "3", "<-0", "<-2", "<-3"]
    assert rows["2"][:6] == ["2", "normal", "2", "1", "->1", "3"]
    plain = shown(described(ONE_WAY.replace("->", "--")))
    assert not any("->" in line or "<-" in line or "one way" in line or "hears" in line for line in plain)


def test_a_name_that_looks_like_markup_is_shown_as_it_is() -> None:
    assert shown(described("[network]\nname = '[red]net'"))[0].startswith("[red]net: 4 nodes")
