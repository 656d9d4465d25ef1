"""The handshake; `test_vectors` has what it refuses."""

import pytest

from dfl_actors.core.codec import decode, encode
from dfl_actors.core.keys import KeyPair
from dfl_actors.core.link import (
    Ours,
    Step,
    Theirs,
    check_hello,
    check_proof,
    check_welcome,
    greeting_bytes,
    ours_after,
    proof,
    theirs_after,
    welcome,
)
from dfl_actors.core.messages import Hello, Proof, Welcome
from dfl_actors.errors import Refused
from tests.objects import ALICE, BOB, CAROL, NET

NONCES = ["ab" * 32, "cd" * 32]


def hello(key: KeyPair, genesis: str = NET, nonce: str = NONCES[0]) -> Hello:
    return Hello(genesis=genesis, address=key.address, public_key=key.public, nonce=nonce)


def shake(dealer: KeyPair, router: KeyPair, genesis: str = NET, nonces: list[str] = NONCES) -> None:
    """The whole handshake, each message through its bytes."""
    first = decode(Hello, encode(hello(dealer, genesis, nonces[0])))
    check_hello(first, genesis, (CAROL.address, dealer.address))
    reply = decode(Welcome, encode(welcome(first, router, genesis, nonces[1])))
    check_welcome(reply, router.address, dealer.address, genesis, nonces[0])
    last = decode(Proof, encode(proof(reply, dealer, genesis)))
    check_proof(last, first.public_key, first.address, router.address, genesis, nonces[1])


@pytest.mark.parametrize(("dealer", "router"), [(ALICE, BOB), (BOB, ALICE)], ids=["alice to bob", "bob to alice"])
def test_both_sides_are_proved(dealer: KeyPair, router: KeyPair) -> None:
    shake(dealer, router)


def test_what_is_signed_differs_in_every_part() -> None:
    parts = [
        greeting_bytes(kind, genesis, speaker.address, listener.address, nonce)
        for kind in ("welcome", "proof")
        for genesis in (NET, "11" * 32)
        for speaker, listener in ((ALICE, BOB), (BOB, ALICE), (ALICE, CAROL))
        for nonce in NONCES
    ]
    assert len(set(parts)) == len(parts) == 24


def test_a_proof_cannot_be_reflected() -> None:
    """Who has no key cannot use the other side's own signature, even when both chose the same nonce."""
    same = NONCES[0]
    reply = welcome(hello(BOB, nonce=same), ALICE, NET, same)
    for signature in (reply.signature, proof(reply, ALICE, NET).signature):
        forged = decode(Proof, b'{"signature":"%s","type":"Proof"}' % signature.encode())
        with pytest.raises(Refused, match="bad_signature"):
            check_proof(forged, BOB.public, BOB.address, ALICE.address, NET, same)


def test_a_recorded_handshake_is_worth_nothing() -> None:
    first = hello(BOB)
    recorded = welcome(first, ALICE, NET, NONCES[1])
    answer = proof(recorded, BOB, NET)
    with pytest.raises(Refused, match="bad_signature"):
        check_welcome(recorded, ALICE.address, BOB.address, NET, "ef" * 32)
    with pytest.raises(Refused, match="bad_signature"):
        check_proof(answer, BOB.public, BOB.address, ALICE.address, NET, "ef" * 32)


@pytest.mark.parametrize("allowed", [(), (CAROL.address,)])
def test_only_neighbours_are_welcome(allowed: tuple[str, ...]) -> None:
    with pytest.raises(Refused, match="stranger"):
        check_hello(hello(BOB), NET, allowed)


@pytest.mark.parametrize(
    ("way", "steps"),
    [
        (Ours.GREETED, {Step.WELCOME: Ours.PROVED, Step.LOST: Ours.GREETED}),
        (Ours.PROVED, {Step.WELCOME: Ours.PROVED, Step.LOST: Ours.PROVED, Step.ADMITTED: Ours.UP}),
        (Ours.UP, {Step.WELCOME: Ours.UP, Step.LOST: Ours.GREETED, Step.ADMITTED: Ours.UP}),
    ],
)
def test_what_may_happen_on_our_way_and_what_is_refused(way: Ours, steps: dict[Step, Ours]) -> None:
    for step in Step:
        if step in steps:
            assert ours_after(way, step) is steps[step]
        else:
            with pytest.raises(Refused, match="wrong_neighbour"):
                ours_after(way, step)


@pytest.mark.parametrize(
    ("way", "steps"),
    [
        (Theirs.STRANGER, {Step.HELLO: Theirs.GREETED}),
        (Theirs.GREETED, {Step.HELLO: Theirs.GREETED, Step.PROOF: Theirs.ADMITTED}),
        (Theirs.ADMITTED, {Step.HELLO: Theirs.GREETED, Step.PROOF: Theirs.ADMITTED, Step.REQUEST: Theirs.ADMITTED}),
    ],
)
def test_what_a_peer_may_do_and_what_is_refused(way: Theirs, steps: dict[Step, Theirs]) -> None:
    for step in Step:
        if step in steps:
            assert theirs_after(way, step) is steps[step]
        else:
            with pytest.raises(Refused, match="not_admitted"):
                theirs_after(way, step)
