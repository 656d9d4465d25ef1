"""Contradictions of others: found in what passes here or shown by a neighbour, kept in the journal, told, and passed on once.

`evidence/<kind>/<signer>` holds the first of a signer and a kind, in canonical bytes; `chain verify` reads it there.
"""

from collections.abc import Callable, Iterable, Iterator

from dfl_actors.actors.base import JournalReader, refused
from dfl_actors.core.checks import Verifier
from dfl_actors.core.codec import digest, encode
from dfl_actors.core.effects import Announce, Effect, Journal, Note
from dfl_actors.core.evidence import KEPT, Claims, Evidence, Place, check_evidence, place_of
from dfl_actors.core.messages import AnyNews, EvidenceNews
from dfl_actors.core.objects import Digest, Signed
from dfl_actors.errors import Refused

MOST = 1024  # Contradictions that are kept; there is one of a member and a kind.


class Accusing:
    """What one gossiper knows of contradictions."""

    def __init__(self, journal: JournalReader, verifier: Verifier, announce: Callable[[AnyNews], Announce]) -> None:
        self._verifier, self._announce, self._claims = verifier, announce, Claims()
        self._known = {key for key, _ in journal.scan(KEPT)}
        self._too_large: set[bytes] = set()

    def saw(self, things: Iterable[Signed]) -> Iterator[Effect]:
        """These came from somewhere; what its signer did not sign is held against nobody."""
        for thing in filter(self._signed, things):
            found = self._claims.saw(thing)
            if isinstance(found, Evidence):
                yield from self._keep(found, place_of(thing))
            elif found is not None:
                yield from self._tell(found)

    def _signed(self, thing: Signed) -> bool:
        try:
            self._verifier.check(thing)
        except Refused:
            return False
        return True

    def _tell(self, place: Place) -> Iterator[Effect]:
        """A contradiction that is too large to be shown to anybody is told, of a signer and a kind once."""
        key = key_of(place)
        if key not in self._known | self._too_large and len(self._too_large) < MOST:
            self._too_large.add(key)
            yield contradiction(place, "")

    def shown(self, evidence: Evidence) -> Iterator[Effect]:
        """A neighbour shows it; what is known already costs nothing. Raises `Refused`."""
        if not evidence.things or key_of(place_of(evidence.things[0])) not in self._known:
            yield from self._keep(evidence, check_evidence(evidence, self._verifier))

    def _keep(self, evidence: Evidence, place: Place) -> Iterator[Effect]:
        key = key_of(place)
        if key in self._known or len(self._known) >= MOST:
            return
        self._known.add(key)
        yield Journal(key, encode(evidence))
        yield contradiction(place, digest(evidence))
        yield self._announce(EvidenceNews(evidence=evidence))


def contradiction(place: Place, identity: Digest) -> Note:
    """The note that somebody contradicts itself; its signatures were checked."""
    kind, signer, where = place
    return refused(Refused("contradiction", f"two {kind}s for {where[:16]}"), kind, identity, signer)


def key_of(place: Place) -> bytes:
    """Where the journal keeps what was signed twice there, or elsewhere by the same signer."""
    return KEPT + f"{place[0]}/{place[1]}".encode()
