"""The tap of an actor's process: whoever watches hears a short record of every message that moves, and cannot slow the process.

It is a publisher of its own (XPUB, ipc `<node>.<actor>.tail`), apart from the sockets that the network works with. It knows
whether anybody watches: without a watcher a message costs one `if`. With one, a record goes into a short queue and never waits;
what the watcher does not take in time is dropped, and the numbers of the records show that it was.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import zmq

from dfl_actors.core import events
from dfl_actors.core.delivery import Acknowledgement
from dfl_actors.core.effects import Announce, Answer, Effect, Note, Publish, Send, Serve, Tell
from dfl_actors.core.family import Message, kind_of
from dfl_actors.core.objects import Address
from dfl_actors.errors import Refused
from dfl_actors.runtime import sockets
from dfl_actors.runtime.clock import Clock
from dfl_actors.runtime.header import EVERYBODY, HELD_BACK, Fields, Record, counted_as, encoded, fields_of
from dfl_actors.sdk.reasons import TAKEN, reasons_in

HIGH_WATER = 256  # Records waiting for a watcher.

NOTED: dict[type[events.Event], str] = {
    events.Refused: "refused",
    events.RefusedBy: "refused_by",
    events.Expired: "note",
    events.Lost: "note",
}
"""The notes that watchers hear, and as which kind: what came to nothing. All others tell of messages that are records themselves;
of an average besides is told from whom not all was taken."""

NAMED = {"transaction": "tx", "draft": "draft", "receipt": "receipt", "model": "model", "delta": "model"}
"""What a note names by its digest, and the record's field for it."""


CAME, WENT = b"\x01", b"\x00"  # What the socket tells of the first watcher and of the last.
STRANGER = "?"  # A peer that has not said who it is.


class Tap:
    """Says what one process does, to whoever watches. `watched` is whether anybody does."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        directory: Path,
        node: str,
        actor: str,
        life: int,
        names: Mapping[Address, str],
        who: Callable[[bytes], Address],
        clock: Clock,
    ) -> None:
        """`life` counts the actor's starts from 1, `names` holds the nodes it knows, `who` gives the address behind a peer."""
        self._who, self._names, self._clock = who, names, clock
        self._blank = Record(t=0, n=0, kind="", type="", node=node, actor=actor, life=life)
        self._number = 0
        self._of_type: Counter[str] = Counter()
        self.watched = False
        self.socket = sockets.make(context, zmq.XPUB, sockets.SUBSCRIPTION_LIMIT, HIGH_WATER)
        self.socket.setsockopt(zmq.XPUB_VERBOSE, 0)
        sockets.bind(self.socket, sockets.ipc(directory, node, actor, "tail"))

    def watchers(self) -> Iterator[Refused | None]:
        """Hear of watchers that come and go: the socket tells of the first and of the last. They want everything; whoever asks for
        something else, is not heard, and what is no subscription is refused."""
        return sockets.read(self.socket, range(1, 2), lambda frame: self._hear(frame.bytes))

    def _hear(self, said: bytes) -> None:
        if said in (CAME, WENT):
            self.watched = said == CAME
        elif said[:1] not in (CAME, WENT):
            raise Refused("frames", "no subscription")

    # --- what watchers see

    def said(self, effect: Effect, size: int) -> None:
        """A message left for its listeners, or was dropped when `size` is 0. What a node serves is told chunk by chunk."""
        if isinstance(effect, Serve):
            return
        message, to, fields = self._read(effect)
        fields |= fields_of(message, self._named)
        self._tell(kind_of(message), type(message).__name__, {**fields, "to": to, "size": size, "dropped": size == 0})

    def _read(self, effect: Effect) -> tuple[Message, Sequence[str], Fields]:
        """Message and listeners of speech, and what the effect alone knows."""
        match effect:
            case Publish(message) | Tell(message):
                return message, message.hears, {}
            case Announce(_, number, news):
                return news, (EVERYBODY,), {"number": number}
            case Send(neighbour, request):
                return request, (self._named(neighbour),), {}
            case Answer(peer, reply):
                return reply, (self._named(self._who(peer)) or STRANGER,), {}
        raise AssertionError(f"{type(effect).__name__} is no speech")

    def acknowledged(self, letters: Sequence[Acknowledgement]) -> None:
        """One word went to each sender of these letters."""
        for sender, count in Counter(sender for sender, _ in letters).items():
            self._tell("acknowledgement", "Acknowledgement", {"to": (sender.decode(),), "size": len(letters[0][1]), "count": count})

    def noted(self, note: Note) -> None:
        """A note for the metrics; told when something was refused or came to nothing."""
        if isinstance(note.event, events.Updated):
            self._judged(note.event)
        kind = NOTED.get(type(note.event))
        if kind is None:
            return
        name, fields = events.name_of(type(note.event)), events.fields_of(note.event)
        what, by = str(fields.get("what", "")), str(fields.get("by", ""))
        said: Fields = {"code": fields.get("code", name), "detail": fields.get("detail", ""), "tx": fields.get("tx", "")}
        said["sender"] = self._named(by)
        if what in NAMED:
            said[NAMED[what]] = fields.get("id", "")
        self._tell(kind, name if kind == "note" else what, said)

    def _judged(self, update: events.Updated) -> None:
        """An average: of whom not all was taken, and why, if its algorithm says so."""
        reasons = {who: words for who, words in reasons_in(update.notes).items() if words != TAKEN}
        if reasons:
            self._tell("note", HELD_BACK, {"code": "; ".join(f"{self._named(who)} {words}" for who, words in reasons.items())})

    def happened(self, what: str) -> None:
        """An event of the topology."""
        self._tell("note", "event", {"code": what})

    def undecodable(self, error: Refused) -> None:
        """Bytes that are no message."""
        self._tell("refused", "bytes", {"code": error.code, "detail": error.detail})

    # --- telling

    def _named(self, address: Address) -> str:
        return self._names.get(address, address[:16])

    def _tell(self, kind: str, what: str, fields: Fields) -> None:
        counted = counted_as(kind, what)
        self._of_type[counted] += 1
        numbers = {"t": self._clock.microseconds(), "n": self._number + 1, "k": self._of_type[counted]}
        record = msgspec.structs.replace(self._blank, kind=kind, type=what, **numbers, **fields)
        for raw in encoded(record):
            self._number += 1
            self.socket.send(raw, zmq.NOBLOCK)
