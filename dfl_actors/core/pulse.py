"""The signed beat: what a node says of itself to one neighbour that asked, and what two nodes find that they configured differently.

A `Probe` carries a nonce that the asker chose, and the `Pulse` that answers it signs that nonce: so it is fresh without any clock, it
comes only when asked for, and of all that a stranger sends at most one a probe is worth a look at its signature. It is
checked across genesis: two nodes that refuse each other's objects can still learn why.
"""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from dfl_actors.core.codec import encode, sha256
from dfl_actors.core.keys import KeyPair, address_of, verify
from dfl_actors.core.objects import Address, Count, Digest, Record, Signed, Time, issue, signing_bytes
from dfl_actors.errors import Refused

MOST_SETTINGS = 1536  # Settings in a pulse.
MOST_COMPLAINTS = 32  # Reasons of refusals in a pulse.
MILLION = 1_000_000

Nonce = Digest
UNKNOWN = "0" * 64
"""The digest of settings that are not known yet."""


class Setting(Record, frozen=True, kw_only=True):
    """One key of a configuration, or of a genesis, and its value as text."""

    key: Annotated[str, Meta(min_length=1, max_length=64)]
    value: Annotated[str, Meta(max_length=128)]


class Complaint(Record, frozen=True, kw_only=True):
    """Of the listener `count` messages or objects were refused for one reason, the last of them `ago` ms before."""

    code: Annotated[str, Meta(max_length=64)]
    count: Count
    ago: Count
    detail: Annotated[str, Meta(max_length=160)]


class Pulse(Signed, frozen=True, kw_only=True):
    """What a node says of itself. `score` is the share of its own samples that its model got right, in millionths, 0 as long as it has
    made no `steps`; `sent` its wall clock; `serves` is 1 when requests on the connection that asked are served.

    `settings` is left empty for who knows the table with digest `known` already.
    """

    kind, signer = "pulse", "node"
    node: Address
    listener: Address
    nonce: Nonce
    sent: Time
    since: Time
    height: Count
    steps: Count
    score: Annotated[int, Meta(ge=0, le=MILLION)]
    serves: Annotated[int, Meta(ge=0, le=1)]
    refused: Annotated[tuple[Complaint, ...], Meta(max_length=MOST_COMPLAINTS)]
    known: Digest
    settings: Annotated[tuple[Setting, ...], Meta(max_length=MOST_SETTINGS)]


class _Table(Record, frozen=True, kw_only=True):
    settings: tuple[Setting, ...]


def table(settings: Mapping[str, str]) -> tuple[tuple[Setting, ...], Digest]:
    """Settings as a pulse has them, in the order of their keys and with their values cut to what fits, and their digest."""
    listed = tuple(Setting(key=key[:64], value=_fitting(value)) for key, value in sorted(settings.items())[:MOST_SETTINGS])
    return listed, sha256(encode(_Table(settings=listed)))


def _fitting(value: str) -> str:
    """A value that is too long ends in the beginning of its digest, so that two that differ still do."""
    return value if len(value) <= 128 else f"{value[:100]}... {sha256(value.encode())[:16]}"


def pulse(key: KeyPair, genesis: Digest, **fields: object) -> Pulse:
    """Signed; `fields` are all but the signer's."""
    return issue(Pulse, key, genesis, **fields)


def check_pulse(value: Pulse, neighbour: Address, me: Address) -> None:
    """The nonce apart, which the asker compares first. Raises `Refused` with code `wrong_neighbour` or `bad_signature`."""
    if value.node != neighbour or address_of(value.public_key) != neighbour or value.listener != me:
        raise Refused("wrong_neighbour", f"{value.node[:8]}, expected {neighbour[:8]}")
    if not verify(value.public_key, value.signature, signing_bytes(value)):
        raise Refused("bad_signature", "pulse")


# --- what is configured differently

Pair = tuple[str, str]
"""The neighbour's value of a setting, and ours."""

EXPLAINED: Mapping[str, tuple[str, ...]] = {
    "genesis.initial": ("network.seed", "genesis.model", "genesis.layers", "genesis.init"),
    "genesis.layers": ("genesis.model", "genesis.labels", "genesis.shape"),
}
"""Fields of the genesis that follow from others: which says why, when it differs too."""


MEMBER = "member."  # What the key of a setting begins with that says which key a member has.
MOST_DIFFERENCES = 12  # That are told in one line.


def differing(theirs: Mapping[str, str], ours: Mapping[str, str]) -> dict[str, Pair]:
    """What both state and state differently. A key that one of them alone knows is of another version, and no difference, unless both
    say who the members are: then it is a member that one of them does not have."""
    fitting = {key: _fitting(value) for key, value in ours.items()}
    names = [{key for key in table if key.startswith(MEMBER)} for table in (theirs, fitting)]
    missing = dict.fromkeys(sorted(names[0] | names[1]), "none") if all(names) else {}
    pairs = {key: (theirs.get(key, none), fitting.get(key, none)) for key, none in missing.items()}
    pairs |= {key: (theirs[key], value) for key, value in fitting.items() if key in theirs}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def of_genesis(pairs: Mapping[str, Pair]) -> dict[str, Pair]:
    """Those of the differences that make another genesis, without what follows from others of them."""
    agreed = {key: pair for key, pair in pairs.items() if key.startswith("genesis.")}
    if "genesis.initial" in agreed and "network.seed" in pairs:
        agreed["network.seed"] = pairs["network.seed"]
    members = {key: pair for key, pair in pairs.items() if key.startswith(MEMBER)} if "genesis.members" in agreed else {}
    if members:
        agreed = {key: pair for key, pair in agreed.items() if key != "genesis.members"} | members
    return {key: pair for key, pair in agreed.items() if not any(other in agreed for other in EXPLAINED.get(key, ()))}


def of_settings(pairs: Mapping[str, Pair]) -> dict[str, Pair]:
    """Those that need not agree."""
    causes = of_genesis(pairs)
    return {key: pair for key, pair in pairs.items() if not key.startswith("genesis.") and key not in causes}


def differences_text(pairs: Mapping[str, Pair]) -> str:
    """ "its seed is 3, ours 0", with the whole key where the section matters, and of many the first."""
    told = [f"its {_named(key)} is {theirs}, ours {ours}" for key, (theirs, ours) in pairs.items()]
    more = [f"{len(told) - MOST_DIFFERENCES} more"] if len(told) > MOST_DIFFERENCES else []
    return ", and ".join(told[:MOST_DIFFERENCES] + more)


def _named(key: str) -> str:
    if key.startswith(MEMBER):
        return f"key of node {key.removeprefix(MEMBER)}"
    return key.removeprefix("genesis.").removeprefix("network.")
