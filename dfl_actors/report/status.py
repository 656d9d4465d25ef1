"""`dfl-actors status`: how the nodes of a run and their neighbours are at this moment, from what the run hangs out (`runtime.board`)."""

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from textwrap import wrap

import msgspec
from rich.console import Group, RenderableType
from rich.text import Text

from dfl_actors.config.toml_text import counted
from dfl_actors.errors import DflError, StoreError
from dfl_actors.files import explained, read_bytes
from dfl_actors.learning.score import IN_JSON
from dfl_actors.report.kinds import NORMAL, kind_text
from dfl_actors.report.live import headline_of, stalled_lines
from dfl_actors.report.table import Column, accuracy_text, grid, short_names
from dfl_actors.runtime.rundir import RunDirectory, read_about
from dfl_actors.runtime.status import NeighbourStatus, NodeStanding, Standing
from dfl_actors.runtime.tail import RUNS, newest

STALE = 15_000  # Milliseconds after which a status that is not renewed says that its writer hangs.
REMEDY = "name a directory that `dfl-actors run` or `dfl-actors node` made"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a run. `why` says what is wrong with it as a whole, `exposed` that its links are not encrypted, `standing` what it
    last said of itself."""

    path: str
    well: bool
    running: bool
    why: str = ""
    exposed: str = ""
    standing: Standing | None = None


def find(name: str) -> RunDirectory:
    """The run that a person means: by its directory, by its bare name under `runs`, by its topology, or none: the newest that runs. Raises
    `StoreError`."""
    if not name:
        found = newest()
        if found is None:
            raise StoreError(f"no network runs under {RUNS}: name its run directory (--out of `dfl-actors node`)")
        return found
    for path in (Path(name), RUNS / name):
        if path.is_dir():
            return RunDirectory.open(path)
    return _of_topology(Path(name))


def _of_topology(path: Path) -> RunDirectory:
    """The newest run of the network that a topology file describes, one that runs before all others. Raises `DflError`."""
    from dfl_actors.config import load_topology

    network = load_topology(str(path)).network.name
    found = []
    for file in RUNS.glob("*/run.json"):
        try:
            run = RunDirectory(file.parent)
            if read_about(run).name == network:
                found.append((run.held(), file.stat().st_mtime_ns, run))
        except (StoreError, OSError):
            continue  # it is not whole, or it has just been removed
    if not found:
        raise StoreError(f"no run of network {network} under {RUNS}: name its run directory (--out of `dfl-actors node`)")
    return max(found, key=lambda entry: entry[:2])[2]


def ask(run: RunDirectory, now: int) -> Answer:
    """How the run is; `now` is wall time. Raises `StoreError` for a directory that is damaged."""
    running, standing = run.held(), _read(run)
    if not running and standing is not None and ended(run):
        why = f"it ended {_ago(now - standing.t)}: read it with `dfl-actors report {run.path}`; {_again(run)} goes on with it"
    elif not running:
        when = "" if standing is None else f", it last said how it was {_ago(now - standing.t)}"
        why = f"not running{when}: {_again(run)} goes on with it"
    elif standing is None:
        why = "starting: nothing is known yet"
    elif now - standing.t > STALE:
        why = f"running, but it has said nothing for {_span(now - standing.t)}: see {run.path}/nodes/*/log"
    else:
        why = ""
    well = not why and standing is not None and standing.well
    exposed = _exposed(run) if standing is None and running else ""
    return Answer(path=str(run.path), well=well, running=running, why=why, exposed=exposed, standing=standing)


def ended(run: RunDirectory) -> bool:
    """Whether its command came to its own end, whose closing figures are newer than what it last said."""
    try:
        return run.summary.stat().st_mtime_ns >= run.status.stat().st_mtime_ns
    except OSError:
        return False


def _again(run: RunDirectory) -> str:
    """`run` keeps the keys of its nodes here; a `node` has its key elsewhere, and is started as before."""
    return f"`dfl-actors run --resume {run.path}`" if any(run.nodes.glob("*/key")) else "its command, with the same --out,"


def _exposed(run: RunDirectory) -> str:
    """What there is to say of links that leave the machine, before the run says so itself."""
    from dfl_actors.config import load_topology

    try:
        return load_topology(str(run.config), deployed=True).exposed
    except DflError:
        return ""  # the start itself says what is wrong with it


def _read(run: RunDirectory) -> Standing | None:
    try:
        with explained(f"{run.status} cannot be read", REMEDY):
            raw = read_bytes(run.status)
        return msgspec.json.decode(raw, type=Standing)
    except StoreError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise
    except msgspec.DecodeError as error:
        raise StoreError(f"{run.status} is damaged ({error}): remove it; a run that goes on writes it anew") from error


# --- for a person


def render(answer: Answer, width: int, now: int) -> RenderableType:
    """A line for each node and for each of its neighbours; below what is wrong, each with what to do."""
    standing = answer.standing
    if standing is None:
        return Group(*folded([f"{answer.path}: {answer.why}"], width, ""), *folded(filter(None, [answer.exposed]), width, "yellow"))
    head = answer.why or ("all is well" if answer.well else "not all is well")
    rows = [row for node in standing.nodes for row in (_rows(node, now) if answer.running else _rows(_over(node), standing.t))]
    state = f"{standing.state}  " if answer.running else ""
    parts: list[RenderableType] = folded([f"{standing.name}  {state}{standing.elapsed:.0f} s  {head}"], width, "bold")
    parts += folded(_said(standing, answer.running), width, "")
    attackers = {one.node.name for one in standing.nodes if one.node.attack}
    columns = _columns(rows, MEASURED if standing.measured_by == IN_JSON["accuracy"] else "score")
    parts.append(grid(columns, width, alarm=[row[0] in attackers or row[1] in attackers for row in rows]))
    parts += folded(stalled_lines([one.node for one in standing.nodes]) if answer.running else [], width, "bold red")
    wrong = [line for node in standing.nodes for line in problems(node)]
    remarks = [line for line in standing.remarks if not any(line in told or told in line for told in wrong)]
    return Group(*parts, *folded([*remarks, *wrong], width, "yellow"))


def folded(lines: Iterable[str], width: int, style: str) -> list[RenderableType]:
    """The lines, broken between words."""
    return [Text(part, style) for line in lines for part in wrap(line, max(width, 20), break_long_words=False, break_on_hyphens=False)]


def _said(standing: Standing, running: bool) -> list[str]:
    """What a start waits for, else the headline; and what a stop waits for, as long as it does."""
    known = [] if standing.state == "starting" or not standing.nodes else [headline_of(one.node for one in standing.nodes)]
    return [*known, *filter(None, [standing.waits if running else ""])]


Row = tuple[str, ...]
ITSELF = "itself"  # In the place of a neighbour, in the row of a node.
MEASURED = "accuracy"  # The column of what models are measured by, and its word unless they do a regression.
HEADERS = ("node", "neighbour", "link", "heard", "clock", "height", MEASURED, "configuration", "refused")
IMPORTANCE = (8, 8, 9, 6, 5, 7, 7, 9, 9)


def _columns(rows: Sequence[Row], word: str) -> list[Column]:
    cells = [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in HEADERS]
    left = ("node", "neighbour", "link", "configuration", "refused")
    return [
        Column(word if header == MEASURED else header, column, importance, left=header in left, short=_short(header, column))
        for header, column, importance in zip(HEADERS, cells, IMPORTANCE, strict=True)
    ]


def _short(header: str, column: Sequence[str]) -> Sequence[str] | None:
    """Names give way last, and stay different; of what a node itself is that alone stays."""
    short = short_names([text.removeprefix(f"{ITSELF}, ") for text in column]) if header in ("node", "neighbour") else column
    return None if short == list(column) else short


def _rows(standing: NodeStanding, now: int) -> Iterator[Row]:
    node = standing.node
    restarts, kind = counted(node.restarts, "restart") if node.restarts else "", kind_text(node.role, node.attack)
    yield (
        node.name,
        ITSELF if kind == NORMAL else f"{ITSELF}, {kind}",
        node.state if node.stalled is None else "STALLED",
        "",
        "",
        str(node.height),
        accuracy_text(node.own_accuracy),
        "",
        restarts,
    )
    for other in standing.neighbours:
        yield ("", other.name, *_cells(other, now))


def _over(standing: NodeStanding) -> NodeStanding:
    """The same, of a run that is over: what it was is not what it is."""
    return msgspec.structs.replace(standing, node=msgspec.structs.replace(standing.node, state="over", stalled=None))


def _cells(other: NeighbourStatus, now: int) -> Row:
    link = "parted" if other.parted else f"linked {_span(now - other.linked)}" if other.linked else "not linked"
    heard = _ago(now - other.heard) if other.heard else "never"
    clock = "-" if other.clock_ms is None else f"{other.clock_ms / 1000:+.1f} s"
    height = "-" if other.height is None else str(other.height)
    return link, heard, clock, height, accuracy_text(other.accuracy), _configuration(other), _refused(other)


def _configuration(other: NeighbourStatus) -> str:
    if other.genesis:
        return "another network"
    if other.height is None:
        return "-"
    count = len(other.settings)
    return "1 key differs" if count == 1 else f"{count} keys differ" if count else "same"


def _refused(other: NeighbourStatus) -> str:
    said = ["by us"] * bool(other.refused) + ["by it"] * bool(other.refused_by) + ["handshake"] * bool(other.handshake)
    return ", ".join(said) or "-"


def problems(standing: NodeStanding) -> Iterator[str]:
    """What is wrong between a node and its neighbours, or only different, a line each."""
    for other in standing.neighbours:
        where = f"node {standing.node.name}: "
        yield from (f"{where}{line}" for line in (other.handshake, *other.refused, *other.refused_by) if line)
        if other.genesis and not other.refused and not other.refused_by:
            yield f"{where}{other.name} is of another network: {other.genesis}"
        if other.clock_off and other.clock_ms is not None:
            by = f"{other.clock_ms / 1000:+.0f} s from ours, more than gossip.max_skew_s"
            yield f"{where}the clock of {other.name} is {by}: set the wrong one right and start its node again"
        if not (other.linked or other.parted or other.heard or other.handshake):
            ports = f"node.{other.name}.listen and the port after it"
            yield f"{where}nothing was ever heard of {other.name}: start it, and open {ports} to this host"
        for key, (theirs, ours) in sorted(other.settings.items()):
            yield f"{where}{other.name} has {key} {theirs}, we have {ours} (no mistake if it is meant)"


def _ago(ms: int) -> str:
    return f"{_span(ms)} ago"


def _span(ms: int) -> str:
    seconds = max(0, ms) / 1000
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def watch(run: RunDirectory) -> Iterator[Answer]:
    """The status, every second, without end."""
    while True:
        begun = time.monotonic()
        yield ask(run, time.time_ns() // 1_000_000)
        time.sleep(max(0.0, 1.0 - (time.monotonic() - begun)))
