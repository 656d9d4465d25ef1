"""Models on their way: `Fetching` brings those that neighbours have announced here, `Serving` gives ours to those who ask.

Each model is fetched once, in chunks from one neighbour at a time, and kept when it has its digest; a neighbour that does not give
it, or gives something else, is followed by the next that announced it.
"""

from collections.abc import Callable, Iterator

from dfl_actors.actors.base import Models, refused
from dfl_actors.actors.handing import Handing
from dfl_actors.actors.standing import Standing
from dfl_actors.core import events
from dfl_actors.core.clock import Now
from dfl_actors.core.codec import digest, model_digest
from dfl_actors.core.effects import Answer, Effect, Keep, Note, Send, Serve
from dfl_actors.core.gossip import Assembly, Sighting, chunk_count
from dfl_actors.core.messages import Chunk, Fetch, Fetched, Gone
from dfl_actors.core.objects import Address, Digest
from dfl_actors.core.recent import Recent
from dfl_actors.core.verdicts import Verdict
from dfl_actors.errors import Code, Refused

MOST_SERVED = 3  # How often a neighbour gets the chunks of one model.
MOST_ASSEMBLIES = 64  # Models on their way here at once, shared equally among the neighbours; what one announces beyond is left out.
MOST_FOR_MODEL = 4  # Transactions that one neighbour brought and that wait for the same model.
REMEMBERED = 8192  # Transactions, drafts, receipts, and models served, that are recognised when they come again.


Tally = Callable[[Address], tuple[int, int]]


class Fetching:
    """The models on their way here, and the transactions that wait for them. A place belongs to the neighbour that announced the model
    first, whoever delivers it: so no neighbour can take those of others."""

    def __init__(
        self, seen: Recent[Digest, Sighting], handing: Handing, standing: Standing, tally: Tally, timeout: int, neighbours: int
    ) -> None:
        """`seen` knows who else has a transaction, `handing` takes those whose model is here, `standing` hears who keeps what it announced,
        and `tally` says how often a neighbour was probed and answered; a silence of `timeout` ms means that chunks are lost."""
        self._seen, self._handing, self._standing, self._tally, self._timeout = seen, handing, standing, tally, timeout
        self._share = max(1, MOST_ASSEMBLIES // max(1, neighbours))
        self._assemblies: dict[Digest, Assembly] = {}
        self._wanted: dict[Digest, list[Fetched]] = {}

    def __contains__(self, model: object) -> bool:
        return model in self._assemblies

    def check_room(self, model: Digest, sender: Address) -> None:
        """Raises `Refused` with code `busy` where the sender has no place left for a transaction of this model."""
        if model in self._assemblies:
            if sum(wanted.sender == sender for wanted in self._wanted[model]) >= MOST_FOR_MODEL:
                raise Refused("busy", f"{MOST_FOR_MODEL} transactions wait for model {model[:8]}")
        elif sum(assembly.opener == sender for assembly in self._assemblies.values()) >= self._share:
            raise Refused("busy", f"{self._share} of its models are on their way")

    def begin(self, wanted: Fetched, now: Now) -> Iterator[Effect]:
        """Fetch the model of a transaction, unless it is on its way already."""
        transaction = wanted.transaction
        self._wanted.setdefault(transaction.model, []).append(wanted)
        if transaction.model not in self._assemblies:
            assembly = Assembly(transaction.model, transaction.size, wanted.sender, now.mono)
            self._assemblies[transaction.model] = assembly
            assembly.told = self._tally(assembly.source)
            yield from _ask(assembly, assembly.ask())

    def ask_again(self, now: Now) -> Iterator[Effect]:
        """After a silence: ask once more for what is lost, then the next source."""
        for assembly in list(self._assemblies.values()):
            if now.mono >= assembly.progress + self._timeout:
                yield from _ask(assembly, assembly.ask_again(now.mono)) or self._timed_out(assembly, now)

    def _timed_out(self, assembly: Assembly, now: Now) -> Iterator[Effect]:
        """A promise is broken if the neighbour was there: it answered three of four probes since it was first asked."""
        probes, answers = (there - before for there, before in zip(self._tally(assembly.source), assembly.told, strict=True))
        if probes and 4 * answers >= 3 * probes:
            yield from self._standing.broke(assembly.source, now)
        yield from self._next_source(assembly, "fetch_timeout", now)

    def go_on(self, neighbour: Address, now: Now) -> Iterator[Effect]:
        """The link stands again: what was asked for meanwhile was refused, or lost."""
        for assembly in self._assemblies.values():
            if assembly.source == neighbour:
                assembly.anew()
                yield from _ask(assembly, assembly.ask_again(now.mono))

    def denied(self, neighbour: Address, now: Now) -> Iterator[Effect]:
        """The neighbour has shut us out, and says so: it breaks no promise, and what it announced is had from others."""
        for assembly in [one for one in self._assemblies.values() if one.source == neighbour]:
            yield from self._next_source(assembly, "model_gone", now)

    def gone(self, neighbour: Address, model: Digest, now: Now) -> Iterator[Effect]:
        """The neighbour no longer has it."""
        assembly = self._assemblies.get(model)
        if assembly is not None and assembly.source == neighbour:
            yield from self._next_source(assembly, "model_gone", now)

    def arrived(self, neighbour: Address, chunk: Chunk, body: memoryview | bytes, now: Now) -> Iterator[Effect]:
        """Take a chunk; with the last one the model goes into the store and its transactions to the validator.

        Raises `Refused` with code `chunk` or `model_digest`, after the next source was asked."""
        assembly = self._assemblies.get(chunk.model)
        if assembly is None or assembly.source != neighbour:
            return
        if not assembly.put(chunk.index, body, now.mono):
            yield from self._leave_source(assembly, now)
            raise Refused("chunk", f"number {chunk.index} of {len(body)} bytes")
        elif not assembly.complete():
            yield from _ask(assembly, assembly.ask())
        else:
            yield from self._deliver(assembly, now)

    def _deliver(self, assembly: Assembly, now: Now) -> Iterator[Effect]:
        data = assembly.whole()
        if model_digest(data) != assembly.model:
            yield from self._leave_source(assembly, now)
            raise Refused("model_digest", assembly.model[:8])
        self._standing.kept(assembly.source, now)
        del self._assemblies[assembly.model]
        yield Keep(assembly.model, data)
        for wanted in self._wanted.pop(assembly.model, []):
            identity = digest(wanted.transaction)
            yield from self._handing.hand(identity, wanted, now)
            yield Note(events.Fetched(tx=identity, source=assembly.source, ms=now.mono - assembly.begun))

    def _next_source(self, assembly: Assembly, code: Code, now: Now) -> Iterator[Effect]:
        """The neighbour did not give the model."""
        yield refused(Refused(code, f"from {assembly.source[:8]}"), "model", assembly.model, assembly.source)
        yield from self._leave_source(assembly, now)

    def _leave_source(self, assembly: Assembly, now: Now) -> Iterator[Effect]:
        """Ask another that announced the model, or leave it until it is announced again."""
        wanted = self._wanted.get(assembly.model, [])
        sightings = [sighting for one in wanted if (sighting := self._seen.get(digest(one.transaction))) is not None]
        for sighting in sightings:
            if assembly.source in sighting.sources:
                sighting.sources.remove(assembly.source)
        sources = [source for sighting in sightings for source in sighting.sources]
        if sources:
            assembly.restart(sources[0], now.mono)
            assembly.told = self._tally(assembly.source)
            yield from _ask(assembly, assembly.ask())
            return
        del self._assemblies[assembly.model]
        for one in self._wanted.pop(assembly.model, []):
            self._standing.count(one.sender, Verdict.IGNORE, "model_gone")
            self._seen.pop(digest(one.transaction), None)


def _ask(assembly: Assembly, chunks: tuple[int, int] | None) -> list[Effect]:
    """Ask for these chunks, the first and how many, if any."""
    return [] if chunks is None else [Send(assembly.source, Fetch(model=assembly.model, first=chunks[0], count=chunks[1]))]


class Serving:
    """The models that we have announced, and how much of each a neighbour got."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._offered: Recent[Digest, Digest] = Recent(REMEMBERED)
        self._served: Recent[tuple[Address, Digest], int] = Recent(REMEMBERED)

    def offer(self, model: Digest, transaction: Digest) -> None:
        """From now on neighbours get the model of this transaction."""
        self._offered.put(model, transaction)

    def serve(self, peer: bytes, neighbour: Address, request: Fetch) -> Iterator[Effect]:
        """Chunks of a model that we announced, and of no other. Raises `Refused` with code `fetched_often`."""
        identity = self._offered.get(request.model)
        size = None if identity is None else self._models.size(request.model)
        if identity is None or size is None:
            yield Answer(peer, Gone(model=request.model))
            return
        last = min(request.first + request.count, chunk_count(size))
        self._check_served(neighbour, request, last - request.first, size)
        if request.first < last:
            yield Serve(peer, request.model, request.first, last)
        if request.first < last == chunk_count(size):
            yield Note(events.ModelSent(tx=identity, to=neighbour, bytes=size))

    def _check_served(self, neighbour: Address, request: Fetch, chunks: int, size: int) -> None:
        """A neighbour gets a model once, and again what was lost on the way."""
        served = self._served.get((neighbour, request.model)) or 0
        if served >= MOST_SERVED * chunk_count(size):
            raise Refused("fetched_often", f"{served} chunks of {request.model[:8]}")
        self._served.put((neighbour, request.model), served + max(1, chunks))
