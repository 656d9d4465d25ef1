"""Errors that a user may see, each with its exit code, and the refusals that one node gives another.

A `DflError` is the user's: its text is one line that says what is wrong, where, and what to do. The command line prints
it and ends with `exit_code`. A `Refused` is the remote side's: a rule of the protocol was broken, and `code` names it. The same
rule broken by ourselves is a `LocalError`, which is nobody else's fault: `our_own` turns the one into the other.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, Literal, get_args


class DflError(Exception):
    """Something the user can mend. The text is one line: what, where, remedy."""

    exit_code: ClassVar[int] = 1


class ConfigError(DflError):
    """A topology file, an option or a value in them is wrong."""

    exit_code = 2


class KeyFileError(DflError):
    """A private key cannot be used: missing, damaged, or readable by others."""

    exit_code = 3


class DataError(DflError):
    """A data set cannot be loaded: missing, damaged, or of the wrong shape."""

    exit_code = 4


class ModelError(DflError):
    """A model cannot be built, or does not fit its data."""

    exit_code = 5


class StoreError(DflError):
    """A directory or a store cannot be used: unwritable, held by another run, full, or of another network."""

    exit_code = 6


class TransportError(DflError):
    """A socket cannot be opened: the port is in use, the address is not ours."""

    exit_code = 7


class ChainError(DflError):
    """A chain does not verify; the text names the block and the rule."""

    exit_code = 8


class ActorError(DflError):
    """An actor crashed more often than the supervisor restarts it, or never became ready."""

    exit_code = 9


class LocalError(ActorError):
    """What we were about to say, or once wrote down, breaks a rule of the protocol: a damaged journal, or an error of the program."""


class AlgorithmError(DflError):
    """An algorithm or a model plug-in cannot be loaded, or broke its contract."""

    exit_code = 10


class TargetMissed(DflError):
    """The run ended before every node reached the accuracy that was asked for."""

    exit_code = 11


class Diverged(DflError):
    """A training step left a model that is not finite."""

    exit_code = 12


Code = Literal[
    "too_large", "malformed", "schema", "not_canonical", "frames", "other_genesis", "address_mismatch", "bad_signature", "stranger",
    "wrong_neighbour", "not_admitted", "not_a_member", "lifetime", "from_the_future", "expired", "own_transaction", "relay_unsigned",
    "ttl_exhausted", "accuracy_range", "receipt_moved", "self_receipt", "receipt_twice", "receipt_ttl", "receipt_not_issued",
    "sequence_reused", "model_size", "codec_unknown", "model_missing", "model_not_finite", "model_norm", "shut_out", "contradiction",
    "no_evidence", "busy", "fetch_timeout", "model_gone", "chunk", "model_digest", "fetched_often", "foreign_transaction",
    "transaction_order", "block_rewritten", "too_late", "confirmed_elsewhere", "other_draft", "unknown_receipt", "not_the_witness",
    "no_receipt", "confirmation_twice", "finalised_before_created", "height", "previous", "other_generator", "time_backwards",
    "transaction_twice", "list_order", "unexpected", "flood",
]  # fmt: skip
"""Every rule that may be broken, by its code in chapter 9 of `docs/protocol.md`."""


CODES = frozenset(get_args(Code))
UNKNOWN = "unknown"
"""What stands for a code that another version, or a liar, has sent."""


def plain(text: str) -> str:
    """Text of a neighbour as it may be shown: nothing in it moves a cursor or breaks a line."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def known_code(code: str) -> str:
    """A code that stands in chapter 9 of the protocol, or `UNKNOWN`: so nobody invents reasons without end."""
    return code if code in CODES else UNKNOWN


LONGEST_DETAIL = 200  # Bytes of a refusal's text: what is refused may quote what was sent, and whoever sends chooses how long that is.


def shortened(text: str) -> str:
    """At most `LONGEST_DETAIL` bytes of it, in UTF-8."""
    return text if len(text) <= LONGEST_DETAIL // 4 else text.encode(errors="replace")[:LONGEST_DETAIL].decode(errors="ignore")


class Refused(Exception):
    """A remote object breaks a rule of the protocol.

    `detail` helps a person and is never parsed, and is short whatever was sent; `by` is the address of whom it came from, where a socket
    alone can tell.
    """

    def __init__(self, code: Code, detail: str = "", by: str = "") -> None:
        detail = shortened(detail)
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail
        self.by = by


@contextmanager
def our_own(what: str) -> Iterator[None]:
    """What is checked inside is ours. Raises `LocalError` for a broken rule."""
    try:
        yield
    except Refused as error:
        raise LocalError(
            f"our own {what} breaks a rule of the protocol ({error}): a file of the node is damaged, or dfl-actors is wrong; "
            "keep the run directory and report it"
        ) from error


class Interrupted(SystemExit):
    """A signal wants us to end; `code` is the exit code that says so."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = number
