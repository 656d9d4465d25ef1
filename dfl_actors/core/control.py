"""What an actor's process and its supervisor say to each other over a channel, in canonical bytes. Never between hosts."""

import msgspec

from dfl_actors.core.family import Control, heard_by, said_by, union
from dfl_actors.core.objects import Address, Count, Digest


class Endpoints(msgspec.Struct, frozen=True, array_like=True):
    """Where a node's gossiper listens, and its CURVE public key when links are encrypted."""

    news: str = ""
    requests: str = ""
    curve: str = ""


class Refusals(msgspec.Struct, frozen=True, array_like=True):
    """What was refused between us and one neighbour (`by`; empty for one who did not say who it is) for one reason, `code`: `count`
    times. `detail` and `at` (wall time) are the last one's."""

    by: str
    code: str
    count: int
    detail: str = ""
    at: int = 0


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a node's actors know of it, for its gossiper to tell its neighbours. `accuracy` is on the node's own samples, in 0..1."""

    height: int = 0
    steps: int = 0
    accuracy: float = 0.0
    refused: tuple[Refusals, ...] = ()


class Neighbour(msgspec.Struct, frozen=True, kw_only=True):
    """How a neighbour is, as its gossiper sees it. Times are wall time, 0 for never; `linked` and `since` say from when on the link stands
    and the neighbour runs, `offset` by how many ms its clock is ahead. `other_genesis` is the digest of its genesis, if it is not ours;
    `differs` are the settings with their values there and here, `refused` what it refuses of us;
    `parted` is a link that is down on purpose."""

    linked: int = 0
    heard: int = 0
    since: int = 0
    offset: int | None = None
    height: int = 0
    accuracy: float | None = None
    parted: bool = False
    other_genesis: str = ""
    differs: dict[str, tuple[str, str]] = {}
    refused: tuple[Refusals, ...] = ()


class Holdings(msgspec.Struct, frozen=True, kw_only=True):
    """What neighbours hold of a node, proved by its own signatures: the number of its last transaction, and of its last draft the height,
    the digest and the time; -1 for nothing."""

    sequence: int = -1
    height: int = -1
    draft: str = ""
    created: int = 0


class Adoption(msgspec.Struct, frozen=True, kw_only=True):
    """A node begins behind what its directory lacks. `at` (wall time) is when, `heights` are those of its neighbours' chains then."""

    held: Holdings
    at: int
    heights: dict[Address, int] = {}


class Listening(Control, frozen=True, kw_only=True):
    """The sockets stand; a gossiper says where it listens."""

    says, hears = "actor", ("supervisor",)
    news: str = ""
    requests: str = ""
    curve: str = ""


class Neighbours(Control, frozen=True, kw_only=True):
    """Where the neighbours listen with whom there is to be a link: all but those whose link an event has cut."""

    says, hears = "supervisor", ("gossiper",)
    where: dict[Address, Endpoints]


class Told(Control, frozen=True, kw_only=True):
    """What the node's other actors have reported."""

    says, hears = "supervisor", ("gossiper",)
    facts: Facts


class Ready(Control, frozen=True, kw_only=True):
    """Every listener has subscribed and every link stands."""

    says, hears = "actor", ("supervisor",)


class Start(Control, frozen=True, kw_only=True):
    """Everyone is ready. `adoption` when the node's directory was lost."""

    says, hears = "supervisor", ("actor",)
    adoption: Adoption | None = None


class Status(Control, frozen=True, kw_only=True):
    """Every second. Counts for the live table; `clocks`: by how many ms those of neighbours are ahead; `idle`: nothing is unfinished.

    `handshakes`: with which neighbours they fail, `key` (it has another one) or `door` (it does not know ours). `rewritten`: who signed
    otherwise what we know of them, `block 12` or `transaction 40` the first of it; empty when we confirm a draft of theirs again.
    `refused`: what we refused of whom and why, since our start; `refused_by`: what neighbours refused of us.
    `neighbours`: how they are, said by gossipers; `held`: what they hold of this node. `commits`: of its journal, in all its lives.
    """

    says, hears = "actor", ("supervisor",)
    counts: dict[str, int | float]
    reputations: dict[Address, float] = msgspec.field(default_factory=dict)
    clocks: dict[Address, int] = msgspec.field(default_factory=dict)
    handshakes: dict[Address, str] = msgspec.field(default_factory=dict)
    rewritten: dict[Address, str] = msgspec.field(default_factory=dict)
    refused: tuple[Refusals, ...] = ()
    refused_by: tuple[Refusals, ...] = ()
    neighbours: dict[Address, Neighbour] = msgspec.field(default_factory=dict)
    held: Holdings = Holdings()
    model: str = ""
    commits: Count = 0
    idle: bool = True
    stopped: bool = False


class Stop(Control, frozen=True, kw_only=True):
    """Begin nothing new."""

    says, hears = "supervisor", ("actor",)


class Quit(Control, frozen=True, kw_only=True):
    """Close and end."""

    says, hears = "supervisor", ("actor",)


class Happened(Control, frozen=True, kw_only=True):
    """An event of the topology happened to the node; whoever watches it is told."""

    says, hears = "supervisor", ("gossiper",)
    what: str


class Failed(Control, frozen=True, kw_only=True):
    """It cannot go on, for a reason that a restart does not mend: the user's line, and the exit code."""

    says, hears = "actor", ("supervisor",)
    text: str
    exit_code: int


class Evaluate(Control, frozen=True, kw_only=True):
    """Measure a model of a node's store on the test samples, save it as the node's final model, or both. `whole`: on all of them, and not
    only on as many as configured; with a `target` on as many as leave no doubt on which side of it the model is."""

    says, hears = "supervisor", ("evaluator",)
    node: str
    model: Digest
    measure: bool = True
    save: bool = False
    whole: bool = False
    target: float = 0.0


class Evaluated(Control, frozen=True, kw_only=True):
    """`correct` of `tested`, with `whole` as in the order; nothing tested, and so `missing`, when the model was no longer there.
    `complete`: of all test samples, as a sample of as many as there are is too."""

    says, hears = "evaluator", ("supervisor",)
    node: str
    model: Digest
    whole: bool = False
    correct: Count
    tested: Count
    complete: bool = False
    missing: bool = False


FROM_ACTOR = union(heard_by("supervisor", Control))
FROM_SUPERVISOR = union(said_by("supervisor", Control))
