"""The colours of the page in its light and its dark scheme. Paper takes the light one.

The nodes' colours, after Okabe and Ito and Paul Tol, differ in lightness as well as in hue, so that the colour-blind can tell them
apart, and stand at least 3 : 1 against the ground; each node has a symbol besides. Scales run from what is near the ground to
what stands out from it; that of trust has a hue for distrust too, for a node that nobody trusts must not look like an empty cell.
"""

Palette = dict[str, str | list[list[float | str]]]

NODES_LIGHT = ("#0072B2", "#D55E00", "#008060", "#B8479A", "#A67400", "#2B93CF", "#1B1B1B", "#882255", "#7F7F1F", "#332288")
NODES_DARK = ("#4AA8F0", "#FF8A3D", "#2FC79A", "#F08CC8", "#E8B93A", "#A5DBFF", "#F4F4F4", "#E0658F", "#C9CC5B", "#A99BFF")

STEPS = ("#404688", "#33638D", "#26828E", "#1F9E89", "#3FBC73", "#84D44B", "#D8E219")
"""Viridis, from dark to light in the order of the steps."""


def _scale(*colours: str) -> list[list[float | str]]:
    return [[place / (len(colours) - 1), colour] for place, colour in enumerate(colours)]


LIGHT: Palette = {
    "ground": "#FFFFFF",
    "ink": "#1A1D21",
    "muted": "#5B6470",
    "grid": "#E6E9ED",
    "line": "#B4BBC4",
    "faint": "#C3C9D1",
    "crowd": "#0072B2",
    "crowdfaint": "rgba(0,114,178,0.3)",
    "band": "rgba(0,114,178,0.14)",
    "own": "#D55E00",
    "ownfaint": "rgba(213,94,0,0.3)",
    "ownband": "rgba(213,94,0,0.13)",
    "alarm": "#B00020",
    "learning": "#0072B2",
    "blockchain": "#D55E00",
    "network": "#008060",
    "rest": "#8A929C",
    "link": "#6B7C93",
    "onnode": "#FFFFFF",
    "empty": "#F4F6F8",
    "scale": _scale("#D3E2F1", "#A6C8E4", "#6BA6D3", "#3580BD", "#115699", "#08306B"),
    "trust": _scale("#8C2D04", "#D9662A", "#F0B98F", "#B9CFE4", "#4F8FC4", "#0B4F8F"),
    **{f"node{number}": colour for number, colour in enumerate(NODES_LIGHT)},
    **{f"step{number}": colour for number, colour in enumerate(STEPS)},
}

DARK: Palette = {
    "ground": "#1B1F24",
    "ink": "#E8EBEE",
    "muted": "#A2ABB6",
    "grid": "#2D333B",
    "line": "#4C5560",
    "faint": "#4C5560",
    "crowd": "#4AA8F0",
    "crowdfaint": "rgba(74,168,240,0.32)",
    "band": "rgba(74,168,240,0.18)",
    "own": "#FF8A3D",
    "ownfaint": "rgba(255,138,61,0.32)",
    "ownband": "rgba(255,138,61,0.16)",
    "alarm": "#FF6B7A",
    "learning": "#4AA8F0",
    "blockchain": "#FF8A3D",
    "network": "#2FC79A",
    "rest": "#808A96",
    "link": "#8796AB",
    "onnode": "#14171A",
    "empty": "#14181C",
    "scale": _scale("#24384D", "#24527C", "#2468A2", "#3F8FD0", "#7DB9EA", "#D2E9FF"),
    "trust": _scale("#FFB27A", "#E0702B", "#7A4423", "#2F4C68", "#2F78B7", "#7FC0F5"),
    **{f"node{number}": colour for number, colour in enumerate(NODES_DARK)},
    **{f"step{number}": colour for number, colour in enumerate(STEPS)},
}


def as_css() -> str:
    """The single colours as custom properties: "@ink" of a figure is var(--at-ink) of the page."""
    light, dark = (";".join(f"--at-{name}:{colour}" for name, colour in its.items() if isinstance(colour, str)) for its in (LIGHT, DARK))
    return f":root{{{light}}}\n@media screen and (prefers-color-scheme: dark){{:root{{{dark}}}}}"
