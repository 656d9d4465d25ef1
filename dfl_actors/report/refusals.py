"""What nodes refused of each other: by whom, of whom, how often and why, in words; the one place where codes have words for people.

Two verdicts of the protocol are told apart: what was refused as its sender's fault, and what was ignored, for clocks, pace, loss or a lost
directory explain it and nobody is to blame.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import msgspec

from dfl_actors.core.events import Refused, RefusedBy
from dfl_actors.core.verdicts import SENDERS, SIGNERS
from dfl_actors.errors import CODES
from dfl_actors.report.load import Run
from dfl_actors.report.table import Column, name_text

STRANGER = "a stranger"  # Who has not proved who it is.
FAULT, NOBODY = "the sender's fault", "nobody's fault"
BAD: frozenset[str] = SENDERS | SIGNERS
"""Codes of which a few shut a neighbour out."""

FAULTS = BAD | {"contradiction", "shut_out"}
"""Codes that blame somebody: those that the protocol counts against a sender, and what follows of them."""

MOST_ROWS = 200  # Of a table.
UNKNOWN_WORDS = "a reason that this version does not know"

WORDS: dict[str, str] = {
    "too_large": "it had more bytes than allowed",
    "malformed": "it was no JSON, or nested too deeply",
    "schema": "a field was missing, unknown or of a wrong type",
    "not_canonical": "its bytes are not in the one form that is signed",
    "frames": "it had the wrong number or size of parts",
    "other_genesis": "it belongs to another network",
    "address_mismatch": "its key is not that of its address",
    "bad_signature": "its signature is not that of its key",
    "stranger": "it came from a node that is no neighbour",
    "wrong_neighbour": "another node answered than the one called",
    "not_admitted": "it asked before it had proved who it is",
    "not_a_member": "its signer is no member of the network",
    "lifetime": "it expired before it began, or lives too long",
    "from_the_future": "its time lies ahead of this node's clock",
    "expired": "its time was up",
    "own_transaction": "a node's own transaction came back to it",
    "relay_unsigned": "who passed it on did not sign for it",
    "ttl_exhausted": "it came further than it was meant to go",
    "accuracy_range": "it claims more right answers than were asked",
    "receipt_moved": "a receipt stood under another transaction",
    "self_receipt": "its generator was a witness of itself",
    "receipt_twice": "one witness stood in it twice",
    "receipt_ttl": "a receipt claims a shorter way than it came",
    "receipt_not_issued": "it shows a receipt of ours that we do not know",
    "sequence_reused": "two transactions of its have one number",
    "model_size": "its model has another size than the network's",
    "codec_unknown": "its model's form is not known",
    "model_missing": "its model was no longer in the store",
    "model_not_finite": "its model has infinite weights, or no numbers",
    "model_norm": "its model is 100 times larger than our own",
    "shut_out": "its sender is shut out for breaking rules",
    "contradiction": "its signer signed two things that contradict",
    "no_evidence": "what it accuses of is no contradiction",
    "busy": "no room or time for it then; it may come again",
    "fetch_timeout": "its model did not come in time",
    "model_gone": "its sender no longer had the model",
    "chunk": "a piece of its model had the wrong length",
    "model_digest": "its model is not the one that was announced",
    "fetched_often": "the same model was asked for again and again",
    "foreign_transaction": "a draft held a transaction of another node",
    "transaction_order": "transactions in a draft were out of order",
    "block_rewritten": "its generator drafted another at this height",
    "too_late": "it came too late to be confirmed",
    "confirmed_elsewhere": "its receipts were confirmed in another draft",
    "other_draft": "it confirms a draft nobody waits for any more",
    "unknown_receipt": "it confirms a receipt that is not in the draft",
    "not_the_witness": "it confirms the receipt of another witness",
    "no_receipt": "a draft held a transaction without a witness",
    "confirmation_twice": "a receipt was confirmed twice in one block",
    "finalised_before_created": "a block was final before it was drafted",
    "height": "it is not the next block of its chain",
    "previous": "it does not name the block before it",
    "other_generator": "a block of another generator stood in a chain",
    "time_backwards": "it is older than the block before it",
    "transaction_twice": "a transaction is in the chain already",
    "list_order": "a list of members is not the next one",
    "unexpected": "reading it raised an error of this program",
    "flood": "its connection brought more than it may",
}
"""Why something was refused, by its code in chapter 9 of `docs/protocol.md`."""

assert WORDS.keys() == CODES


class Refusal(msgspec.Struct, frozen=True):
    """That one node refused something of another, `count` times for one reason."""

    refuser: str
    refused: str
    code: str
    count: int

    @property
    def fault(self) -> bool:
        return self.code in FAULTS

    @property
    def words(self) -> str:
        return words_of(self.code)


def words_of(code: str) -> str:
    """Why, in words."""
    return WORDS.get(code, UNKNOWN_WORDS)


def refusals(run: Run) -> list[Refusal]:
    """All of a run, faults first, then the most frequent. Nodes on other hosts refused what nodes here were answered."""
    named = cache(lambda address: run.node_named(address) if address else STRANGER)
    counts: Counter[tuple[str, str, str]] = Counter()
    for event in run.of(Refused):
        counts[event.node, named(event.by), event.code] += event.count
    for answer in run.of(RefusedBy):
        if (refuser := named(answer.by)) not in run.nodes:
            counts[refuser, answer.node, answer.code] += answer.count
    found = [Refusal(*key, count) for key, count in counts.items()]
    return sorted(found, key=lambda one: (not one.fault, -one.count, one.refuser, one.refused, one.code))


def by_verdict(codes: Mapping[str, int]) -> tuple[int, int]:
    """How much of what was refused, by code, was its sender's fault, and how much nobody's."""
    faults = sum(count for code, count in codes.items() if code in FAULTS)
    return faults, sum(codes.values()) - faults


def refused_text(faults: int, ignored: int) -> str:
    """The two in words: "3 refused as the sender's fault, 37 ignored as nobody's"."""
    told = [f"{faults:,} refused as {FAULT}" if faults else "", f"{ignored:,} ignored as nobody's" if ignored else ""]
    return ", ".join(filter(None, told)) or "nothing refused"


def refusal_columns(found: Sequence[Refusal], most: int = MOST_ROWS, called: Callable[[str], str] = name_text) -> list[Column]:
    """A row for each refuser, refused and reason; `called` is what nodes are called there."""
    rows = found[:most]
    refusers, refused = [one.refuser for one in rows], [one.refused for one in rows]
    return [
        Column("refuser", list(map(called, refusers)), left=True, style="cyan", nodes=refusers),
        Column("refused", list(map(called, refused)), left=True, nodes=refused),
        Column("times", [f"{one.count:,}" for one in rows]),
        Column("fault", ["sender's" if one.fault else "nobody's" for one in rows], left=True),
        Column("why", [one.words for one in rows], 7, left=True, short=[one.code for one in rows]),
        Column("code", [one.code for one in rows], 5, left=True),
    ]
