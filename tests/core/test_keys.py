"""Ed25519 keys and addresses, against RFC 8032 and SHA-256."""

import hashlib
import pickle

import pytest

from dfl_actors.core.keys import KeyPair, address_of, verify

# RFC 8032, section 7.1: secret key, public key, message, signature.
RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
]
PAIR = KeyPair(bytes(32))


@pytest.mark.parametrize(("seed", "public", "message", "signature"), RFC_8032, ids=["empty", "one byte"])
def test_keys_and_signatures_are_those_of_the_rfc(seed: str, public: str, message: str, signature: str) -> None:
    pair = KeyPair(bytes.fromhex(seed))
    assert (pair.public, pair.sign(bytes.fromhex(message))) == (public, signature)
    assert pair.seed.hex() == seed
    assert verify(public, signature, bytes.fromhex(message))
    assert not verify(public, signature, bytes.fromhex(message) + b"x")


def test_an_address_is_the_hash_of_the_public_key() -> None:
    assert PAIR.address == address_of(PAIR.public) == hashlib.sha256(bytes.fromhex(PAIR.public)).hexdigest()


@pytest.mark.parametrize(
    ("public", "signature"),
    [
        (PAIR.public, "0" * 128),
        (PAIR.public, PAIR.sign(b"data")[:-2]),
        (PAIR.public, "not hexadecimal"),
        ("ff" * 32, PAIR.sign(b"data")),
        ("", PAIR.sign(b"data")),
        (PAIR.public[:-2], PAIR.sign(b"data")),
    ],
    ids=["zeros", "short signature", "no signature", "no point", "no key", "short key"],
)
def test_what_is_malformed_is_not_right_and_no_error(public: str, signature: str) -> None:
    assert not verify(public, signature, b"data")


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_seed_has_32_bytes(length: int) -> None:
    with pytest.raises(ValueError, match="32"):
        KeyPair(bytes(length))


def test_the_text_of_a_pair_keeps_its_secret() -> None:
    pair = KeyPair(bytes(range(32)))
    assert pair.seed.hex() not in repr(pair) + str(pair)
    assert repr(pair) == f"KeyPair(address={pair.address[:8]})"


def test_a_pair_cannot_be_pickled() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(PAIR)
