"""Heat maps for papers: every value and every name at both widths, in letters that can be read, told apart in grey."""

from itertools import pairwise

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from dfl_actors.report.heat import Heat, draw_heats, joined
from dfl_actors.report.heat_paper import heat_panels, short
from dfl_actors.report.paper import STYLE, WIDTHS

ATTACKS = ("none", "silent", "a_little_is_enough", "sign_flip", "inner_product", "min_max", "min_sum", "spectral", "noise", "mimic")
DEFENCES = ("steady", "nnm_trimmed_mean", "krum", "c$lustering_#1")


def made(columns: int, title: str, names: bool = False) -> Heat:
    rng = np.random.default_rng(3)
    values = rng.uniform(0.1, 1.0, (len(DEFENCES), columns)).tolist()
    values[1][0] = None
    said = tuple(tuple(ATTACKS[int(rng.integers(2, 9))] for _ in range(columns)) for _ in DEFENCES) if names else ()
    across = tuple(f"{ATTACKS[place % 10]}{place // 10 or ''}" for place in range(columns))
    return Heat(title, across, DEFENCES, tuple(map(tuple, values)), said, apart=int(not names))


WIDE, SUMMARY, UNKNOWN = made(22, "defence / attack: ring"), made(6, "the worst attack", names=True), made(3, "defence / attack: star")
UNKNOWN = Heat(UNKNOWN.title, UNKNOWN.columns, DEFENCES, ((None,) * 3,) * 4)


def drawn(heat: Heat, width: float) -> Figure:
    with matplotlib.rc_context(STYLE):
        (draw,) = heat_panels([heat]).values()
        figure = draw(width)
        figure.draw_without_rendering()
    return figure


def texts(figure: Figure) -> list[Text]:
    return [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text() and text.get_visible()]


@pytest.mark.parametrize("width", WIDTHS.values())
@pytest.mark.parametrize("heat", [WIDE, SUMMARY, made(2, "few")], ids=["wide", "summary", "few"])
def test_every_value_and_name_is_there_in_eight_points_and_within_the_edges(heat: Heat, width: float) -> None:
    figure = drawn(heat, width)
    shown = texts(figure)
    assert figure.get_figwidth() == width and {text.get_fontsize() for text in shown} == {8}
    assert not any(axes.get_title(loc=side) for axes in figure.axes for side in ("left", "center", "right"))
    columns = [text.get_text() for axes in figure.axes for text in axes.get_xticklabels()]
    assert columns == list(heat.columns)
    cells = [text for axes in figure.axes for text in axes.texts if text.get_text()]
    assert len(cells) == sum(value is not None for row in heat.values for value in row)
    box = figure.get_tightbbox()
    assert box.x0 > -0.02 and box.y0 > -0.02 and box.x1 < width + 0.02 and box.y1 < figure.get_figheight() + 0.02


@pytest.mark.parametrize("width", WIDTHS.values())
def test_no_text_runs_into_another(width: float) -> None:
    for heat in (WIDE, SUMMARY):
        figure = drawn(heat, width)
        for axes in figure.axes:
            boxes = [text.get_window_extent() for text in axes.texts if text.get_text()]
            tables = [[one for one in boxes if abs(one.y0 - row) < 2] for row in {round(box.y0) for box in boxes}]
            for row in tables:
                along = sorted(row, key=lambda box: box.x0)
                assert all(one.x1 <= other.x0 for one, other in pairwise(along))
            # Names of rows stand beside the cells, and the parts of a table below each other.
            assert all(label.get_window_extent().x1 <= axes.get_window_extent().x0 for label in axes.get_yticklabels())
        parts = [box for axes in figure.axes if (box := axes.get_tightbbox()) is not None]
        assert all(upper.y0 > lower.y1 for upper, lower in pairwise(parts))


NAMED = made(10, "the worst attack of ten", names=True)


@pytest.mark.parametrize("heat", [WIDE, SUMMARY, NAMED], ids=["wide", "summary", "named"])
def test_what_stands_in_a_cell_touches_none_of_its_edges(heat: Heat) -> None:
    picture = draw_heats([heat], "sweep")
    picture.draw_without_rendering()
    for figure in (picture, *(drawn(heat, width) for width in WIDTHS.values())):
        least = 0.035 * figure.dpi
        for axes in figure.axes:
            for text in axes.texts:
                column, row = text.get_position()
                (left, top), (right, bottom) = axes.transData.transform([(column - 0.5, row - 0.5), (column + 0.5, row + 0.5)])
                box = text.get_window_extent()
                assert not text.get_text() or min(box.x0 - left, right - box.x1, box.y0 - bottom, top - box.y1) >= least, text


def test_a_name_has_a_letter_where_it_has_no_room_and_a_line_explains_them() -> None:
    narrow = [text.get_text() for text in texts(drawn(SUMMARY, WIDTHS["column"]))]
    said = {name for row in SUMMARY.names for name in row}
    key = " ".join(text for text in narrow if ": " in text)
    assert all(f": {name}" in key for name in said) and any(text.endswith(" a") for text in narrow)
    roomy = [text.get_text() for text in texts(drawn(made(2, "few", names=True), WIDTHS["page"]))]
    assert not any(": " in text for text in roomy) and any("\n" in text for text in roomy)


def test_the_more_the_darker_in_grey_too_and_every_number_is_read_on_its_colour() -> None:
    figure = drawn(WIDE, WIDTHS["page"])
    image = figure.axes[0].images[0]
    shades = [np.dot(image.to_rgba(value)[:3], (0.2126, 0.7152, 0.0722)) for value in np.linspace(WIDE.least, 1, 20)]
    assert all(np.diff(shades) < 0)
    for axes in figure.axes:
        values = np.asarray(axes.images[0].get_array(), float)
        for text, value in zip(axes.texts, np.ravel(values), strict=True):
            if text.get_text():
                grounds, inks = (_luminance(tuple(colour[:3])) for colour in (image.to_rgba(value), to_rgb(text.get_color())))
                assert (max(grounds, inks) + 0.05) / (min(grounds, inks) + 0.05) >= 4.5


def _luminance(colour: tuple[float, ...]) -> float:
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


@pytest.mark.parametrize("narrow", [True, False], ids=["narrow", "wide"])
def test_on_a_screen_nothing_is_cut_off_however_long_names_are(narrow: bool) -> None:
    long = "an_algorithm_of_ones_own_with_parameters.py:build"
    columns = ("none",) if narrow else (f"{long}, and another {long}", *ATTACKS)
    values = tuple((0.5,) * len(columns) for _ in DEFENCES)
    picture = draw_heats([Heat(f"update.algorithm / node.0.attack: {long}", columns, (long, *DEFENCES[1:]), values)], f"mean of {long}" * 2)
    picture.draw_without_rendering()
    box = picture.get_tightbbox()
    assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= picture.get_figwidth() and box.y1 <= picture.get_figheight()


def test_each_map_has_a_file_of_its_own_and_one_without_values_none() -> None:
    same = Heat("defence / attack: Ring!", WIDE.columns, WIDE.rows, WIDE.values)
    assert list(heat_panels([SUMMARY, WIDE, same, UNKNOWN])) == ["heat-the-worst-attack", "heat-ring", "heat-ring-2"]
    assert list(heat_panels([WIDE])) == ["heat"] and heat_panels([UNKNOWN]) == {}
    assert draw_heats([SUMMARY, UNKNOWN], "both").axes, "on a screen they stand below each other"


def test_numbers_have_two_decimals_and_on_screens_the_name_below() -> None:
    assert [short(value) for value in (0.912, 1.0, 0.996, 0.0, -0.25, 0.05, 10.0)] == [".91", "1.0", "1.0", ".00", "-.25", ".05", "10.00"]
    assert joined([["0.912", ""]], [["mimic", ""]]) == [["0.912\nmimic", ""]] and joined([["0.912"]], ()) == [["0.912"]]
