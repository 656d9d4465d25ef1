"""What is refused between nodes, for the person who watches: how often, for which reason, and what to do about it.

Each process counts what it notes (`Tally`) and reports the counts; `Complaints` makes one line of each reason that is new.
"""

from collections import Counter
from collections.abc import Callable, Iterable

import msgspec

from dfl_actors.core import events
from dfl_actors.core.control import Refusals
from dfl_actors.errors import CODES, known_code, plain

EACH = 10  # Refusals of one code and node that are written one by one, in a second.
MOST = 256  # Reasons of nodes that are no neighbours which a process counts apart; of more it does not say whose they are.
LONGEST_DETAIL = 160  # Characters of what is told of one refusal.
QUIET = 30_000  # Milliseconds without a refusal after which it is over.
MOST_TOLD = 20  # How often one reason is told in a run: who changes its mind without end is told no more.
OFTEN = 10  # Refusals that go by themselves, before they are told.
AGAIN = 600_000  # Milliseconds after which one that was over and comes back is told again.
A_STRANGER = "somebody who is no neighbour"
ITSELF = "what bears this node's own signature"

_VERSION = "run the same version of dfl-actors on both hosts; if no node is there, close this port to it"
_FORGED = "`dfl-actors keys show` on its host must give the key that this topology has; else somebody speaks in its name"
_BROKEN = "it breaks the protocol: run the same version of dfl-actors there, or take the node out of the topology"
_CLOCK = "set the clocks of both hosts right, and start the node whose clock was wrong again"
_LOST = "its directory is older than the network knows, or its key is used twice: stop it, and restore its newer directory or give --adopt"
_OWN_KEY = "this node's key is used twice: stop the other process that has it, or give this node a new key"
_MODEL = "give both hosts the same training.model and gossip.codec"
_NOTHING = "nothing is to be done if it stops by itself"
_ALTERED = "its chain was altered: restore it from a copy"

REMEDIES: dict[str, str] = {
    **dict.fromkeys(("too_large", "malformed", "schema", "not_canonical", "frames", "chunk", "codec_unknown"), _VERSION),
    "other_genesis": "make these keys the same in both topologies, and start the node with the wrong one again",
    **dict.fromkeys(("address_mismatch", "bad_signature"), _FORGED),
    "stranger": "it is no neighbour here: correct network.links, or its public_key, in the topology that is wrong",
    "wrong_neighbour": "another node answers there: correct its listen or public_key in this topology",
    **dict.fromkeys(("not_admitted", "own_transaction", "ttl_exhausted", "busy", "other_draft", "fetched_often"), _NOTHING),
    "not_a_member": "give both hosts the same topology: in this one no node has its public_key",
    "lifetime": "give both hosts the same gossip.expiry_s",
    "from_the_future": _CLOCK,
    "too_late": f"{_CLOCK}; with right clocks it was away for too long, and nothing is to be done",
    "expired": f"{_CLOCK}; with right clocks the link or a host is too slow: raise gossip.expiry_s",
    **dict.fromkeys(
        ("relay_unsigned", "accuracy_range", "receipt_moved", "self_receipt", "receipt_twice", "receipt_ttl", "foreign_transaction"),
        _BROKEN,
    ),
    **dict.fromkeys(("transaction_order", "unknown_receipt", "not_the_witness", "no_receipt", "model_digest"), _BROKEN),
    "receipt_not_issued": "this node's directory lacks what it once signed: restore its newer directory; after --adopt this ends by itself",
    **dict.fromkeys(("sequence_reused", "block_rewritten", "confirmed_elsewhere"), _LOST),
    "unexpected": "this is an error of dfl-actors, whatever was sent: report it with the log of the actor",
    "flood": "somebody reaches this port who should not: close it to all but the neighbours, and leave transport.curve on",
    "model_size": _MODEL,
    **dict.fromkeys(("model_missing", "model_gone"), "the model store is too small for this pace: raise store.models"),
    "model_not_finite": "its training diverges: lower its learning rate",
    "contradiction": "it signed two things where there may be one, and every node has the proof: its key is used twice, or it lies",
    "no_evidence": _BROKEN,
    "shut_out": "it broke the protocol again and again and is not heard for ten minutes or more; what it did stands above",
    "model_norm": "its training diverges, or it attacks: lower its learning rate, or take the node out of the topology",
    "fetch_timeout": "the link is too slow or lossy for these models: raise gossip.fetch_timeout_s",
    **dict.fromkeys(("confirmation_twice", "finalised_before_created", "height", "previous"), _ALTERED),
    **dict.fromkeys(("other_generator", "time_backwards", "transaction_twice", "list_order"), _ALTERED),
}
"""What to do, by the code of the broken rule."""

BUSY = frozenset({"model_missing", "model_gone", "fetch_timeout", "expired"})
PASSING = frozenset(code for code, remedy in REMEDIES.items() if remedy == _NOTHING)
"""Those that come of a start or of what crosses on the way, and go by themselves: worth a word once there are `OFTEN`."""

LASTING = frozenset(code for code, remedy in REMEDIES.items() if remedy != _NOTHING) - BUSY
"""The codes that do not go by themselves. `BUSY` come of a machine or a link that is too slow for a while, and what they cost is asked for
again; a clock that is wrong shows by itself."""

assert REMEDIES.keys() == CODES

Refusal = events.Refused | events.RefusedBy
Reason = tuple[str, str]
"""The neighbour's address, empty for one who did not say, and the code."""


class Tally:
    """What one process refused of others, and what others refused of it."""

    def __init__(self, neighbours: Iterable[str] = ()) -> None:
        """Those of `neighbours` always have room: there are as many as codes."""
        self._neighbours = frozenset((*neighbours, ""))
        self._refused: dict[Reason, Refusals] = {}
        self._refused_by: dict[Reason, Refusals] = {}

    def noted(self, event: events.Event, now: int) -> None:
        """Count it, if it is a refusal; `now` is wall time."""
        match event:
            case events.Refused():
                self._count(self._refused, event.by, event.code, plain(event.detail), now)
            case events.RefusedBy():
                self._count(self._refused_by, event.by, known_code(event.code), plain(event.what), now)

    def refused(self) -> tuple[Refusals, ...]:
        return tuple(self._refused.values())

    def refused_by(self) -> tuple[Refusals, ...]:
        return tuple(self._refused_by.values())

    def _count(self, counts: dict[Reason, Refusals], by: str, code: str, detail: str, now: int) -> None:
        if (by, code) not in counts and by not in self._neighbours and sum(who not in self._neighbours for who, _ in counts) >= MOST:
            by = ""
        before = counts.get((by, code))
        counts[by, code] = Refusals(by, code, 1 if before is None else before.count + 1, detail[:LONGEST_DETAIL], now)


class Gathering:
    """What of the refusals goes into the metrics: of one code and node the first `EACH` until the next `flush`, then one line for all
    others; all who are no neighbours are one node here, and all codes that we do not know one code. So whoever sends nonsense fills no disk
    with it."""

    def __init__(self, neighbours: Iterable[str] = ()) -> None:
        self._neighbours = frozenset(neighbours)
        self._times: Counter[tuple[str, str, str]] = Counter()
        self._held: dict[tuple[str, str, str], Refusal] = {}

    def passes(self, event: events.Event) -> bool:
        """Whether it is to be written now; else it is held."""
        if not isinstance(event, events.Refused | events.RefusedBy):
            return True
        key = (events.name_of(type(event)), event.by if event.by in self._neighbours else "", known_code(event.code))
        self._times[key] += 1
        if self._times[key] > EACH:
            self._held[key] = msgspec.structs.replace(event, count=self._times[key] - EACH)
        return key not in self._held

    def flush(self) -> tuple[Refusal, ...]:
        """Those that are held; from here on it begins anew."""
        held = tuple(self._held.values())
        self._held.clear()
        self._times.clear()
        return held


class Complaints:
    """Tells each reason once, in `tell`, and again when its text changes or when it comes back after a long time; `standing` are those
    that go on, with their counts of now."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._told: dict[tuple[str, ...], tuple[str, int]] = {}
        self._times: Counter[tuple[str, ...]] = Counter()
        self._standing: dict[tuple[str, ...], tuple[str, int]] = {}

    def standing(self, now: int) -> tuple[str, ...]:
        return tuple(text for text, at in self._standing.values() if now - at < QUIET)

    def take(self, place: tuple[str, ...], refusals: Refusals, text: str, essence: str) -> None:
        """What stands of a reason at a `place`. `essence` is what must change for it to be told again."""
        if refusals.code in PASSING and refusals.count < OFTEN:
            return
        key = (*place, refusals.by, refusals.code)
        known, before = self._told.get(key, ("", 0)), self._standing.get(key, ("", 0))[1]
        self._standing[key] = text, refusals.at
        back = refusals.at - before >= QUIET and refusals.at - known[1] >= AGAIN
        if (essence != known[0] or back) and self._times[key] < MOST_TOLD:
            self._times[key] += 1
            self._told[key] = essence, refusals.at
            self._tell(text)


def merged(reports: Iterable[tuple[Refusals, ...]]) -> tuple[Refusals, ...]:
    """What all actors of a node have counted, by reason; the detail is the latest."""
    found: dict[Reason, Refusals] = {}
    for one in (refusals for report in reports for refusals in report):
        before = found.get((one.by, one.code), one)
        last = max(before, one, key=lambda refusals: refusals.at)
        count = one.count if before is one else before.count + one.count
        found[one.by, one.code] = Refusals(last.by, last.code, count, last.detail, last.at)
    return tuple(found.values())


def refused_text(node: str, other: str, refusals: Refusals, why: str) -> str:
    """What a person is told of what node `node` refuses of `other`; `node` is empty where there is only one. `why` has both values."""
    reason = f"{refusals.code}: {why}" if why else refusals.code
    remedy = _OWN_KEY if other == ITSELF else REMEDIES.get(refusals.code, _NOTHING)
    return f"{_at(node)}{other}: refused {_times(refusals.count)}, {reason}; {remedy}"


def refused_by_text(node: str, other: str, refusals: Refusals, why: str) -> str:
    """What a person is told of what `other` refuses of node `node`. Most remedies are for the other way round, and stand there."""
    reason = f"{refusals.code}: {why}" if why else refusals.code
    ours = refusals.code == "other_genesis" or refusals.code not in LASTING
    remedy = REMEDIES.get(refusals.code, _NOTHING) if ours else "the screen of its host says what to do"
    return f"{_at(node)}{other}: refuses what this node says, {_times(refusals.count)}, {reason}; {remedy}"


def _at(node: str) -> str:
    return f"node {node}: " if node else ""


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
