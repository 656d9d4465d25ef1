"""A chart's figure as a Plotly specification, {"data": traces, "layout": layout}.

Its colours are names such as "@ink", which the page replaces by those of the scheme it is shown in (`charts/palette.py`). What the page's
own code (`page.js`) needs to know of a trace stands in its "meta":

* "node": the trace is this node's: it has the node's colour while the node is chosen, else it steps back;
* "rows": a node for each entry of the arrays named in "cut": only those of chosen nodes are shown;
* "frames": what takes the place of "z" as the slider moves.

In a layout's "meta", "whole" are the ends of axes that readers may ask for.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from html import escape

from dfl_actors.report.charts.chart import (
    FEW,
    MARK_STYLES,
    MOST_TEXTS,
    SYMBOLS,
    Band,
    Bars,
    Dot,
    Edge,
    Figure,
    Graph,
    Line,
    Look,
    Matrix,
    OverTime,
    Panel,
    cut,
)
from dfl_actors.report.series import Numbers, thinned

Json = dict[str, object]

MOST_KIND, MOST_BESIDE = 16, 10  # Letters of what a node of the graph is, above or below its sign, and of what stands beside one.
MOST_NAMED = 30  # Nodes of a graph that have names beside them: of more, which would hide one another, attackers and observers have.

HOLLOW = dict(zip(SYMBOLS, "○□△◇▽✛✕◁▷☆", strict=True))  # An observer's sign where only letters can stand.

ROOMY = 6  # Nodes of which a matrix has room for large numbers.
MIDDLE = 0.1  # How far from it a node of the graph may be whose name has the whole width.

FEWEST_TICKS = 8  # Below, an axis of whole numbers would have them twice: 0, 1, 1, 2, 2.

MOST_POINTS = 12_000  # Points of all traces of a chart together: what a browser draws and moves without delay.


def specification(figure: Figure) -> Json:
    """What Plotly draws."""
    if isinstance(figure, OverTime):
        return _over_time(figure)
    if isinstance(figure, Bars):
        return _bars(figure)
    return _matrix(figure) if isinstance(figure, Matrix) else _graph(figure)


def thinning_note(figure: Figure | None) -> list[str]:
    """Says that points are left out, if any are."""
    if not isinstance(figure, OverTime):
        return []
    lengths = [len(line.series[0]) for panel in figure.panels for line in panel.lines if line.node]
    longest, most = max(lengths, default=0), _share(figure)
    if longest <= most:
        return []
    return [f"Thinned out: of up to {longest:,} points a line, {most:,} are drawn, the least and the greatest of each stretch."]


def _label(text: str, most: int = 64) -> str:
    """User's text: cut if long, and without what Plotly takes for markup or for a template."""
    return escape(cut(text, most), quote=False).replace("%{", "%&#123;").replace("\n", "<br>")


def _ticks(names: Sequence[str], looks: Sequence[Look | None]) -> Json:
    """Names on an axis, each as its node looks."""
    marked = [_marked(name, its) for name, its in zip(names, looks or [None] * len(names), strict=True)]
    return {"tickmode": "array", "tickvals": [*names], "ticktext": marked}


def _marked(name: str, look: Look | None) -> str:
    """An attacker's red and dashed, an observer's behind its hollow sign."""
    if look is not None and look.attacks:
        return f'<span style="color:{look.colour};text-decoration:underline dashed">{name}</span>'
    if look is not None and look.hollow:
        colour = "@muted" if look.colour == "@crowd" else look.colour
        return f'<span style="color:{colour}">{HOLLOW[look.symbol]}</span> {name}'
    return name


def _axis(title: str = "", **more: object) -> Json:
    """An axis with a light grid."""
    titled = {"text": title, "standoff": 8, "font": {"size": 13, "color": "@muted"}}
    lines = {"gridcolor": "@grid", "linecolor": "@line", "zeroline": False}
    return {"title": titled, "tickfont": {"size": 12}, "automargin": True, "fixedrange": False, **lines, **more}


def _layout(**more: object) -> Json:
    """A layout with room for the tool bar above the drawing; the page adds the fonts and the colours of its scheme."""
    return {"margin": {"l": 8, "r": 12, "t": 30, "b": 8}, "hovermode": "closest", "showlegend": False, **more}


def _rounded(values: Numbers, digits: int) -> list[float | None]:
    """For JSON, which has no NaN."""
    return [None if value != value else value for value in values.round(digits).tolist()]


# --- over time

PLACES: dict[int, dict[str, Json]] = {1: {"y": {}}, 2: {"y": {"domain": [0.38, 1], "nticks": 8}, "y2": {"domain": [0, 0.31], "nticks": 5}}}
"""The axes of so many panels, and where they stand."""


def _share(figure: OverTime) -> int:
    """Points for each line."""
    return max(MOST_POINTS // max(sum(len(panel.lines) for panel in figure.panels), 1), 100)


def _over_time(figure: OverTime) -> Json:
    most, places = _share(figure), PLACES[len(figure.panels)]
    data = [trace for panel, axis in zip(figure.panels, places, strict=True) for trace in _panel(panel, axis, most)]
    drawn = {f"yaxis{axis[1:]}": _value_axis(panel, more) for panel, (axis, more) in zip(figure.panels, places.items(), strict=True)}
    time = _axis(figure.unit, range=[0, round(max(figure.end, 1.0), 3)], anchor=list(places)[-1])
    if figure.marks or figure.targets:
        drawn |= {"yaxis3": {"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True}}
    whole = {f"yaxis{axis[1:]}": list(panel.whole) for panel, axis in zip(figure.panels, places, strict=True) if panel.whole}
    meta = {"meta": {"whole": whole}} if whole else {}
    return {"data": [*data, *_mark_signs(figure)], "layout": _layout(xaxis=time, **drawn, **_mark_lines(figure), **meta)}


def _value_axis(panel: Panel, more: Json) -> Json:
    if panel.log:
        return _axis(panel.title, type="log", exponentformat="power", dtick=1, tickfont={"size": 10}, **more)
    if panel.counts:
        top = max((float(line.series[1][-1]) for line in panel.lines if len(line.series[1])), default=0.0)
        return _axis(panel.title, rangemode="tozero", tickformat="d", **({"dtick": 1} if top < FEWEST_TICKS else {"nticks": 8}), **more)
    return _axis(panel.title, tickformat=".2~f", **({} if panel.reach is None else {"range": list(panel.reach)}), **more)


def _panel(panel: Panel, axis: str, most: int) -> Iterator[Json]:
    """The curves of nodes, the bands above them, and what is made of all nodes on top."""
    yield from (_line(line, panel, axis, most) for line in panel.lines if line.node)
    yield from (_band(band, axis) for band in panel.bands)
    yield from (_line(line, panel, axis, most) for line in panel.lines if not line.node)


def _line(line: Line, panel: Panel, axis: str, most: int) -> Json:
    seconds, values = thinned(line.series, most if line.node else max(most, 400))
    who, width = "node " if line.node else "", 1.2 if line.thin else line.width
    trace: Json = {
        "type": "scatter", "mode": "lines", "name": _label(line.name), "yaxis": axis,
        "x": _rounded(seconds, 3), "y": _rounded(values, 6 if panel.log else 4),
        "line": {"color": line.colour, "width": width, "dash": line.dash, "shape": "hv" if line.stepped else "linear"},
        "hovertemplate": f"{who}<b>%{{fullData.name}}</b>{panel.of}<br>{panel.value} after %{{x:.1f}} s<extra></extra>",
    }  # fmt: skip
    if line.symbol and not line.thin:
        few = 30 if line.node and len(seconds) > 40 else 0
        sign = f"{line.symbol}-open" if line.hollow else line.symbol
        marker = {"symbol": sign, "size": line.symbol_size, "maxdisplayed": few, "color": line.colour}
        trace |= {"mode": "lines+markers", "marker": marker}
    elif len(seconds) == 1:  # No line leads to or from it.
        trace |= {"mode": "markers", "marker": {"size": 0.7 * line.symbol_size, "color": line.colour}}
    return trace if line.node is None else {**trace, "meta": {"node": line.node, "width": line.width}}


def _band(band: Band, axis: str) -> Json:
    there = [*band.seconds, *band.seconds[::-1]]
    return {
        "type": "scatter", "mode": "lines", "name": "span", "x": [round(float(x), 3) for x in there],
        "y": [*_rounded(band.high, 4), *_rounded(band.low[::-1], 4)], "yaxis": axis, "fill": "toself", "fillcolor": band.colour,
        "line": {"width": 0}, "hoverinfo": "skip",
    }  # fmt: skip


def _mark_signs(figure: OverTime) -> Iterator[Json]:
    """A sign for each mark on the upper edge, with what happened."""
    for kind, (name, symbol, colour, _) in MARK_STYLES.items():
        these = [mark for mark in figure.marks if mark.kind == kind]
        if these:
            yield {
                "type": "scatter", "mode": "markers", "name": name, "x": [round(mark.second, 3) for mark in these], "y": [1.0] * len(these),
                "yaxis": "y3", "text": [_label(mark.text, 160) for mark in these], "cliponaxis": False,
                "marker": {"symbol": symbol, "size": 10, "color": colour},
                "hovertemplate": "%{text}<br>after %{x:.1f} s<extra></extra>",
            }  # fmt: skip


def _mark_lines(figure: OverTime) -> Json:
    """A line down through all panels for each mark, and one across the first for each target."""
    shapes: list[Json] = []
    for mark in figure.marks:
        _, _, colour, dash = MARK_STYLES[mark.kind]
        place, look = round(mark.second, 3), {"color": colour, "width": 1, "dash": dash}
        opacity = 0.8 if len(figure.marks) <= 12 else 0.35
        ends = {"xref": "x", "yref": "paper", "x0": place, "x1": place, "y0": 0, "y1": 1}
        shapes.append({"type": "line", **ends, "line": look, "opacity": opacity, "layer": "below"})
    notes: list[Json] = []
    for target in figure.targets:
        ends = {"xref": "paper", "yref": "y", "x0": 0, "x1": 1, "y0": target, "y1": target}
        shapes.append({"type": "line", **ends, "line": {"color": "@muted", "width": 1, "dash": "dash"}, "layer": "below"})
        at = {"xref": "paper", "yref": "y", "x": 0.005, "xanchor": "left", "y": target, "yanchor": "bottom", "showarrow": False}
        notes.append({**at, "text": f"target {target:g}", "font": {"color": "@muted", "size": 12}})
    return {"shapes": shapes, "annotations": notes}


# --- bars


def _bars(figure: Bars) -> Json:
    names = [_label(name) for name in figure.names]
    if figure.details:
        names = [f"<b>{name}</b>" if node is None else name for name, node in zip(names, figure.nodes, strict=True)]
    details = [f"{_label(text)}<br>" if text else "" for text in figure.details]
    along, across = ("x", "y") if figure.flat else ("y", "x")
    meta = {"rows": figure.nodes, "cut": ["x", "y", *(["customdata"] if details else [])]} if figure.cut else {}
    # Names that stand side by side are thinned out where they are many.
    thin = [] if figure.flat else ["xaxis"]
    traces = [
        {
            "type": "bar", "orientation": "h" if figure.flat else "v", "name": part.name, along: part.values, across: names,
            "customdata": details, "hovertemplate": f"{figure.hover}<extra></extra>",
            "marker": {"color": part.colour, "line": {"color": "@ground", "width": 1 if details else 0}}, "meta": {**meta, "thin": thin},
        }
        for part in figure.parts
    ]  # fmt: skip
    values = _axis(figure.unit, rangemode="tozero", side="bottom" if figure.flat else "left")
    lying: Json = {"autorange": "reversed"} if figure.flat else {}
    rows = _axis(figure.side, type="category", showgrid=False, fixedrange=True, **lying, **_ticks(names, figure.looks))
    gap = 0.3 if figure.flat or len(names) > 4 else 0.55
    return {"data": traces, "layout": _layout(barmode="stack", bargap=gap, **{f"{along}axis": values, f"{across}axis": rows})}


# --- matrices


def _matrix(figure: Matrix) -> Json:
    names = [_label(name) for name in figure.labels]
    few = len(names) <= MOST_TEXTS
    frames = [[_rounded(row, 3) for row in frame] for frame in figure.frames]
    bar = {"orientation": "h", "thickness": 10, "outlinewidth": 0, "len": 1, "x": 0.5, "y": -0.03, "yanchor": "top"}
    trace: Json = {
        "type": "heatmap", "x": names, "y": names, "z": frames[-1], "xgap": 2 if few else 0.5, "ygap": 2 if few else 0.5,
        "hoverongaps": False, "textfont": {"size": 12 if len(names) <= ROOMY else 10},
        "colorbar": {**bar, "tickfont": {"size": 11}, "nticks": 6},
        "hovertemplate": f"{figure.hover}<extra></extra>", "colorscale": figure.colours, "zmin": 0, "zmax": figure.most,
        "meta": {
            "rows": figure.nodes, "cut": ["y", "z", *(["customdata"] if figure.details else [])], "thin": ["xaxis", "yaxis"],
            **({"frames": frames} if figure.moments or figure.choices else {}),
        },
        **({"customdata": figure.details} if figure.details else {}),
        **({"texttemplate": f"%{{z:.{figure.decimals}f}}"} if few else {}),
    }  # fmt: skip
    letters = {"size": 12 if few else 10}
    look = {"type": "category", "showgrid": False, "showline": False, "ticks": "", "tickfont": letters, **_ticks(names, figure.looks)}
    rows, columns = figure.sides
    drawn = _layout(
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        xaxis=_axis(columns, side="top", tickangle=0 if max(map(len, names)) <= 3 else -45, **look),
        yaxis=_axis(rows, autorange="reversed", **look),
        plot_bgcolor="@empty",
        dragmode=False,
    )
    return {"data": [trace], "layout": drawn}


# --- the network


def _graph(figure: Graph) -> Json:
    hidden = {"visible": False, "range": [-_reach(figure), _reach(figure)], "fixedrange": False}
    # A square: a circle of nodes stays round.
    drawn = _layout(margin={"l": 4, "r": 4, "t": 4, "b": 4}, xaxis=hidden, yaxis={**hidden, "scaleanchor": "x"})
    dots = [_dot(dot, figure) for dot in figure.dots]
    return {"data": [*_edges(figure), _handles(figure), _under(figure), *_kinds(figure), *dots], "layout": drawn}


def _reach(figure: Graph) -> float:
    """How far the axes go from the middle: as far as names need room."""
    if not figure.names_inside:
        return 1.65 if len(figure.dots) <= MOST_NAMED else 1.4
    return 1.35 if any(dot.group for dot in figure.dots) else 1.16


def _edges(figure: Graph) -> Iterator[Json]:
    """One trace for each width, for a trace has one width; those of quiet links apart. Of each link its points and a gap."""
    alike: dict[tuple[bool, float, str], list[Edge]] = defaultdict(list)
    for edge in figure.edges:
        alike[edge.busy, edge.width, edge.colour].append(edge)
    colour = "@link" if len(figure.edges) <= 200 else "@faint"
    for (busy, width, own), some in sorted(alike.items()):
        x, y = ([at for edge in some for at in (*_rounded(figure.path(edge)[:, way], 4), None)] for way in (0, 1))
        look = {"color": own or colour, "width": width, "dash": "solid" if busy else "dot"}
        yield {"type": "scatter", "mode": "lines", "hoverinfo": "skip", "x": x, "y": y, "line": look}


def _handles(figure: Graph) -> Json:
    """Something to hover over: two invisible points on every link, away from the crossing in its middle."""
    points = [(edge, _along(figure.path(edge), part)) for edge in figure.edges for part in (0.36, 0.64)]
    return {
        "type": "scatter", "mode": "markers", "x": [point[0] for _, point in points], "y": [point[1] for _, point in points],
        "marker": {"size": 16, "opacity": 0, "color": "@link"},
        "text": [_headed(edge.text) for edge, _ in points], "hovertemplate": "%{text}<extra></extra>",
    }  # fmt: skip


def _along(path: Numbers, part: float) -> tuple[float, float]:
    """The point so far along a path."""
    place = part * (len(path) - 1)
    before, rest = path[int(place)], place % 1
    after = path[min(int(place) + 1, len(path) - 1)]
    return round(float(before[0] * (1 - rest) + after[0] * rest), 4), round(float(before[1] * (1 - rest) + after[1] * rest), 4)


def _headed(text: str) -> str:
    """A text whose first line is bold."""
    first, _, rest = text.partition("\n")
    return f"<b>{_label(first)}</b><br>{_label(rest, 400)}"


def _under(figure: Graph) -> Json:
    """The page's ground under every sign: no link is seen through one that is hollow, or that steps back."""
    places = [figure.places[dot.name] for dot in figure.dots]
    return {
        "type": "scatter", "mode": "markers", "hoverinfo": "skip", "cliponaxis": False,
        "x": [round(x, 4) for x, _ in places], "y": [round(y, 4) for _, y in places],
        "marker": {"size": _size(figure), "color": "@ground", "symbol": [_sign(dot, figure) for dot in figure.dots]},
    }  # fmt: skip


def _kinds(figure: Graph) -> Iterator[Json]:
    """What nodes are that are not normal, above or below signs that have the names in them."""
    for dot in figure.dots if figure.names_inside else ():
        if dot.group:
            x, y = figure.places[dot.name]
            yield {
                "type": "scatter", "mode": "markers+text", "hoverinfo": "skip", "cliponaxis": False, "x": [round(x, 4)], "y": [round(y, 4)],
                "marker": {"size": _size(figure), "opacity": 0, "color": dot.colour}, "text": [_label(dot.group, MOST_KIND)],
                "textposition": "top center" if y > 0 else "bottom center", "textfont": {"color": _kind_colour(dot), "size": 11},
            }  # fmt: skip


def _kind_colour(dot: Dot) -> str:
    """Red of an attacker."""
    return dot.colour if dot.colour == "@alarm" else "@muted"


def _size(figure: Graph) -> int:
    few = len(figure.dots) <= FEW
    return (30 if few else 22) if figure.names_inside else (20 if few else 14)


def _sign(dot: Dot, figure: Graph) -> str:
    return "circle" if figure.names_inside else dot.symbol


def _dot(dot: Dot, figure: Graph) -> Json:
    inside, few = figure.names_inside, len(figure.dots) <= FEW
    symbol = f"{_sign(dot, figure)}{'-open' if dot.hollow else ''}"
    marker = {"size": _size(figure), "color": dot.colour, "line": {"color": "@ground", "width": 2}, "symbol": symbol}
    x, y = figure.places[dot.name]
    most, kind = (8, MOST_BESIDE) if abs(x) > MIDDLE or not few else (16, MOST_KIND)  # Above and below the middle there is room.
    beside = [_label(dot.name, most), _label(dot.group, kind)] if len(figure.dots) <= MOST_NAMED or dot.group else []
    text = _label(dot.name, 3) if inside else "<br>".join(filter(None, beside))
    colour = "@onnode" if inside and not dot.hollow else "@ink" if inside or not dot.group else _kind_colour(dot)
    return {
        "type": "scatter", "mode": "markers+text", "x": [round(x, 4)], "y": [round(y, 4)], "cliponaxis": False, "marker": marker,
        "text": [text], "textposition": "middle center" if inside else _beside(x, y),
        "textfont": {"color": colour, "size": 13 if few else 10},
        "hovertemplate": f"{_headed(dot.text)}<extra></extra>",
        **({} if dot.node is None else {"meta": {"node": dot.node, "keep": True}}),
    }  # fmt: skip


def _beside(x: float, y: float) -> str:
    """Beside the sign, on the side away from the middle."""
    if abs(x) > 0.35:
        return "middle right" if x > 0 else "middle left"
    return "top center" if y > 0 else "bottom center"
