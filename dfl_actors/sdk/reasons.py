"""What an update says of each sender: the note "senders", in words. Nothing was held back of whom it says `TAKEN` alone, nothing was taken
of whom its words begin with `REJECTED`."""

from collections.abc import Mapping

SENDERS = "senders"
TAKEN, REJECTED = "taken", "rejected"


def reasons_in(notes: Mapping[str, object]) -> dict[str, str]:
    """Each sender with what an update's notes say of it; none where they are of an algorithm that says nothing."""
    said = notes.get(SENDERS)
    return {str(sender): str(words) for sender, words in said.items()} if isinstance(said, Mapping) else {}
