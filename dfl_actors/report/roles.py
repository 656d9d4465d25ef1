"""What a node looks like on every screen: the one place for an attacker's or an observer's colour, dashes and sign; `kinds` has the words.

Attackers are dashed and red, with the name of the attack; observers, which train nothing, have hollow signs.
"""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from dfl_actors.config.toml_text import counted
from dfl_actors.report.charts.chart import FEW, SYMBOLS, Line, Look, cut, short_names
from dfl_actors.report.kinds import NORMAL, OBSERVER, attack_text, kind_text
from dfl_actors.report.load import Run
from dfl_actors.report.series import Series

ALARM = "@alarm"  # The colour of attackers.

T = TypeVar("T")


def named(name: str, role: str, attack: str | None, most: int = 16) -> str:
    """A node's name with what it is, where it is not normal: "dan (sign_flip)"."""
    kind = kind_text(role, attack)
    return cut(name, most) if kind == NORMAL else f"{cut(name, most)} ({cut(kind, 24)})"


def called(run: Run, name: str, most: int = 16) -> str:
    """The same of a node of this run."""
    return named(name, run.roles.get(name, NORMAL), run.attacks.get(name), most)


def look_of(run: Run, name: str) -> Look:
    """How a node of this run is drawn: in a colour and with a sign of its own if nodes are few, else as one of a crowd."""
    role, attack, few = run.roles.get(name, NORMAL), run.attacks.get(name), len(run.nodes) <= FEW
    place, kind = list(run.nodes).index(name), kind_text(role, attack)
    colour, symbol = (f"@node{place}", SYMBOLS[place]) if few else ("@crowd", "circle")
    return Look(ALARM if attack else colour, symbol, bool(attack), role == OBSERVER, "" if kind == NORMAL else kind)


def looks_of(run: Run, names: Iterable[str]) -> list[Look | None]:
    """How each is drawn; None of one that did not run here."""
    return [look_of(run, name) if name in run.nodes else None for name in names]


def node_line(
    run: Run, name: str, series: Series, *, width: float = 2.0, crowd: str = "@crowd", sign: bool = False, stepped: bool = False
) -> Line:
    """A node's curve, as `look_of` says; a thin one of the colour `crowd` in a crowd. `sign`: with its sign where nodes are few."""
    its, few = look_of(run, name), len(run.nodes) <= FEW
    return Line(
        name=name,
        series=series,
        colour=its.colour if few or its.attacks else crowd,
        width=width,
        node=name,
        dash=its.dash,
        thin=not few,
        label=called(run, name) if its.said else "",
        symbol=its.symbol if sign and few else "",
        symbol_size=7 if width >= 2 else 5.5,
        hollow=its.hollow,
        stepped=stepped,
    )


def attackers_alone(run: Run) -> bool:
    """Whether no honest node ran here."""
    return set(run.nodes) <= run.attacks.keys()


def honest_of(run: Run, by_name: Mapping[str, T]) -> list[T]:
    """What belongs to nodes that do not attack; everything where there is none."""
    return [one for name, one in by_name.items() if name not in run.attacks] or list(by_name.values())


def attackers_text(run: Run) -> str:
    """All attackers in a legend: "2 attackers: sign_flip, noise"; empty where there is none."""
    kinds = list(dict.fromkeys(map(attack_text, run.attacks.values())))
    shown = ", ".join(cut(kind, 24) for kind in kinds[:3]) + (", ..." if len(kinds) > 3 else "")
    return f"{counted(len(run.attacks), 'attacker')}: {shown}" if kinds else ""


def labels(run: Run) -> list[str]:
    """The nodes on an axis, short, with what they are where they are not normal."""
    short = dict(zip(run.nodes, short_names(list(run.nodes)), strict=True))
    return [named(short[name], run.roles.get(name, NORMAL), run.attacks.get(name), 64) for name in run.nodes]
