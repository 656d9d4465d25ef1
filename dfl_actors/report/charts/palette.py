"""The colours of the charts: on the page in its light and its dark scheme (printed in the light one), and in picture files.

The nodes' colours, after Okabe and Ito and Paul Tol, differ in lightness as well as in hue, so that the colour-blind can tell them
apart, and stand at least 3 : 1 against the ground; each node has a symbol besides. Kinds of work and a model's layers have colours that no
node has, so that one colour never means two things. Scales run from what is near the ground to
what stands out from it; that of trust has a hue for distrust too, for a node that nobody trusts must not look like an empty cell.
"""

Palette = dict[str, str]
Scale = list[list[float | str]]

NODES_LIGHT = ("#0072B2", "#D55E00", "#008060", "#B8479A", "#A67400", "#2B93CF", "#1B1B1B", "#882255", "#7F7F1F", "#332288")
NODES_DARK = ("#4AA8F0", "#FF8A3D", "#2FC79A", "#F08CC8", "#E8B93A", "#A5DBFF", "#F4F4F4", "#E0658F", "#C9CC5B", "#A99BFF")

LAYERS_LIGHT = ("#5B3A1E", "#A5622F", "#4F7A28", "#B8865E", "#84637F")
LAYERS_DARK = ("#E3C9A8", "#B98450", "#84A63A", "#8A6B4C", "#9F7C99")
"""Of a model's layers: browns, a green and a mauve that no node has."""

STEPS = ("#404688", "#33638D", "#26828E", "#1F9E89", "#3FBC73", "#84D44B", "#D8E219")
"""Viridis, from dark to light in the order of the steps."""


_BOTH = {
    "ground": ("#FFFFFF", "#1B1F24"),
    "ink": ("#1A1D21", "#E8EBEE"),
    "muted": ("#5B6470", "#A2ABB6"),
    "grid": ("#E6E9ED", "#2D333B"),
    "line": ("#B4BBC4", "#4C5560"),
    "faint": ("#C3C9D1", "#4C5560"),
    "crowd": ("#0072B2", "#4AA8F0"),
    "crowdfaint": ("rgba(0,114,178,0.3)", "rgba(74,168,240,0.32)"),
    "inkband": ("rgba(26,29,33,0.12)", "rgba(232,235,238,0.15)"),
    "alarm": ("#B00020", "#FF6B7A"),
    "learning": ("#44576D", "#8FA3BA"),
    "blockchain": ("#9A85D6", "#7D68C8"),
    "network": ("#2F9A94", "#1F8F8A"),
    "rest": ("#8A929C", "#6A737D"),
    "link": ("#6B7C93", "#8796AB"),
    "onnode": ("#FFFFFF", "#14171A"),
    "empty": ("#F4F6F8", "#14181C"),
    **{f"node{number}": pair for number, pair in enumerate(zip(NODES_LIGHT, NODES_DARK, strict=True))},
    **{f"layer{number}": pair for number, pair in enumerate(zip(LAYERS_LIGHT, LAYERS_DARK, strict=True))},
    **{f"step{number}": (colour, colour) for number, colour in enumerate(STEPS)},
}
LIGHT: Palette = {name: light for name, (light, _) in _BOTH.items()}
DARK: Palette = {name: dark for name, (_, dark) in _BOTH.items()}

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#882255", "#999933", "#332288")
"""The nodes' colours in picture files: Okabe and Ito's without yellow, and three of Paul Tol's "muted"."""

PICTURE: Palette = {
    **LIGHT,
    "ink": "#000000",
    "muted": "#555555",
    "alarm": "#AA0000",
    **{f"node{number}": colour for number, colour in enumerate(COLOURS)},
}

SCALES = {
    "light": {
        "scale": ("#D3E2F1", "#A6C8E4", "#6BA6D3", "#3580BD", "#115699", "#08306B"),
        "trust": ("#8C2D04", "#D9662A", "#F0B98F", "#B9CFE4", "#4F8FC4", "#0B4F8F"),
    },
    "dark": {
        "scale": ("#24384D", "#24527C", "#2468A2", "#3F8FD0", "#7DB9EA", "#D2E9FF"),
        "trust": ("#FFB27A", "#E0702B", "#7A4423", "#2F4C68", "#2F78B7", "#7FC0F5"),
    },
}


def page_palettes() -> dict[str, dict[str, str | Scale]]:
    """The two schemes of the page, with the colour scales as Plotly has them."""
    schemes = {"light": LIGHT, "dark": DARK}
    return {name: {**its, **{scale: _plotly(of) for scale, of in SCALES[name].items()}} for name, its in schemes.items()}


def _plotly(colours: tuple[str, ...]) -> Scale:
    return [[place / (len(colours) - 1), colour] for place, colour in enumerate(colours)]


def as_css() -> str:
    """The colours as custom properties: "@ink" of a figure is var(--at-ink) of the page."""
    light, dark = (";".join(f"--at-{name}:{colour}" for name, colour in its.items()) for its in (LIGHT, DARK))
    return f":root{{{light}}}\n@media screen and (prefers-color-scheme: dark){{:root{{{dark}}}}}"
