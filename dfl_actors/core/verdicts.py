"""The three verdicts on what a neighbour sends: accept, refuse as provably the sender's fault, or ignore and blame nobody.

A relay is blamed for what it could have checked before it passed it on; what only a generator can know to be wrong is blamed on it alone.
"""

from enum import Enum

from dfl_actors.errors import Code


class Verdict(Enum):
    """Every frame received is counted under exactly one."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    IGNORE = "ignore"


SENDERS: frozenset[Code] = frozenset((
    "too_large", "malformed", "schema", "not_canonical", "frames", "address_mismatch", "bad_signature", "relay_unsigned",
    "accuracy_range", "receipt_moved", "self_receipt", "receipt_twice", "receipt_ttl", "model_size", "codec_unknown",
    "model_not_finite", "chunk", "model_digest", "foreign_transaction", "transaction_order", "unknown_receipt", "not_the_witness",
    "no_receipt", "no_evidence",
))  # fmt: skip
"""Nobody who keeps the protocol sends or passes on what breaks these."""

SIGNERS: frozenset[Code] = frozenset(("sequence_reused", "block_rewritten", "confirmed_elsewhere"))
"""Who signed it is at fault; a relay may not have known."""


def verdict(code: str, by_signer: bool) -> Verdict:
    """On what was refused with this code; `by_signer`: who sent it has signed it. All other codes are nobody's fault: clocks, settings,
    memory, pace or a lost directory explain them."""
    return Verdict.REFUSE if code in SENDERS or (by_signer and code in SIGNERS) else Verdict.IGNORE
