"""The chain: every transaction once, in blocks that name each other."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfl_actors.core.chain import ChainState, empty, extend
from dfl_actors.core.checks import WINDOW, Verifier
from dfl_actors.core.codec import digest
from dfl_actors.core.keys import KeyPair
from dfl_actors.core.members import Roll
from dfl_actors.core.objects import FinalBlock, Genesis, Layer, MemberList, issue
from dfl_actors.errors import Refused
from tests import objects as made

TRUSTING = made.Trusting(made.NET)


def block(state: ChainState, *numbers: int, created: int = made.NOW + 1_000, **fields: int) -> FinalBlock:
    """The next block, with transactions of these sequence numbers, each witnessed and confirmed once."""
    transactions = [made.transaction(sequence=number, signed=False) for number in numbers]
    receipts = [made.receipt(transaction) for transaction in transactions]
    entries = [(transaction, (receipt,)) for transaction, receipt in zip(transactions, receipts, strict=True)]
    draft = made.draft(*entries, signed=False, height=state.height, previous=state.head, created=created)
    return made.final(draft, *(made.confirmation(draft, receipt) for receipt in receipts), **fields)


def test_blocks_are_chained_by_their_final_digests() -> None:
    state = empty(made.NET)
    assert (state.height, state.head) == (0, made.NET)
    verifier = Verifier(made.NET)
    for height in range(3):
        tx = made.transaction(sequence=height)
        receipt = made.receipt(tx)
        draft = made.draft((tx, (receipt,)), height=height, previous=state.head, created=made.NOW + height)
        final = made.final(draft, made.confirmation(draft, receipt))
        state = extend(state, final, verifier)
        assert (state.height, state.head, state.sequence) == (height + 1, digest(final), height)
    assert state.generator == made.ALICE.address


def test_what_is_refused_leaves_the_state_as_it_was() -> None:
    state = extend(empty(made.NET), block(empty(made.NET), 0), TRUSTING)
    with pytest.raises(Refused, match="transaction_twice"):
        extend(state, block(state, 0), TRUSTING)
    assert extend(state, block(state, 1), TRUSTING).height == 2


@pytest.mark.parametrize(
    ("blocks", "sequence", "skipped"),
    [([(0,), (1,)], 1, []), ([(2,)], 2, [0, 1]), ([(3,), (0, 2)], 3, [1]), ([(0, 5)], 5, [1, 2, 3, 4]), ([(4,), (1, 6)], 6, [0, 2, 3, 5])],
)
def test_a_number_that_was_left_out_may_come_later(blocks: list[tuple[int, ...]], sequence: int, skipped: list[int]) -> None:
    state = empty(made.NET)
    for numbers in blocks:
        state = extend(state, block(state, *numbers), TRUSTING)
    assert (state.sequence, sorted(state.skipped)) == (sequence, skipped)


@settings(max_examples=150)
@given(
    st.lists(
        st.lists(st.integers(0, 12) | st.sampled_from([WINDOW - 1, WINDOW, WINDOW + 1, 2**53 - 1]), min_size=1, max_size=4), max_size=12
    )
)
def test_no_order_of_blocks_admits_a_transaction_twice(blocks: list[list[int]]) -> None:
    """A block is taken if, and only if, none of its numbers was taken before or lags too far."""
    taken: set[int] = set()
    state = empty(made.NET)
    for numbers in map(sorted, map(set, blocks)):
        newest = max(taken, default=-1)
        fine = not taken & set(numbers) and all(number > newest - WINDOW for number in numbers)
        try:
            state = extend(state, block(state, *numbers), TRUSTING)
        except Refused as error:
            assert error.code == "transaction_twice"
            assert not fine
        else:
            assert fine
            taken |= set(numbers)
        assert state.sequence == max(taken, default=-1)
        assert len(state.skipped) <= WINDOW


def test_after_a_long_time_without_receipts_the_chain_goes_on() -> None:
    """A node that was alone for thousands of transactions must still be able to make a block."""
    state = extend(empty(made.NET), block(empty(made.NET), 0), TRUSTING)
    state = extend(state, block(state, 10 * WINDOW), TRUSTING)
    assert sorted(state.skipped) == list(range(9 * WINDOW + 1, 10 * WINDOW))


def listed(number: int, *keys: KeyPair, created: int = made.NOW + 5_000, by: KeyPair = made.ALICE) -> MemberList:
    return issue(MemberList, by, made.NET, number=number, created=created, keys=sorted(key.public for key in keys))


GENESIS = Genesis(
    network="net", protocol=1, model="tiny", layers=(Layer(name="w", shape=(8,)),), dtype="float32", labels=10, initial="11" * 32,
    hash="sha256", model_hash="blake3", signature="ed25519", members=tuple(sorted((made.ALICE.public, made.BOB.public))),
)  # fmt: skip


def test_a_chain_holds_receipts_of_those_who_were_members_when_it_was_drafted() -> None:
    tx, verifier = made.transaction(), Verifier(made.NET)
    of_bob, of_carol = (
        {at: made.draft((tx, (made.receipt(tx, key),)), created=made.NOW + at) for at in (1_000, 6_000)} for key in (made.BOB, made.CAROL)
    )
    roll = Roll(GENESIS)
    roll.check(of_bob[6_000])
    with pytest.raises(Refused, match="not_a_member"):
        roll.check(of_carol[6_000])
    roll.add(listed(1, made.ALICE, made.CAROL), made.ALICE.address, verifier)
    for right, wrong in ((of_bob[1_000], of_carol[1_000]), (of_carol[6_000], of_bob[6_000])):
        roll.check(right)
        with pytest.raises(Refused, match="not_a_member"):
            roll.check(wrong)
    Roll(msgspec.structs.replace(GENESIS, members=msgspec.UNSET)).check(of_carol[1_000])


@pytest.mark.parametrize(
    ("second", "code"),
    [
        (listed(1, made.ALICE), "list_order"),
        (listed(3, made.ALICE), "list_order"),
        (listed(2, made.ALICE, created=made.NOW + 4_999), "list_order"),
        (listed(2, made.ALICE, by=made.BOB), "other_generator"),
        (made.unsigned(listed(2, made.ALICE)), "bad_signature"),
    ],
)
def test_a_list_of_members_that_is_not_the_next_is_refused(second: MemberList, code: str) -> None:
    roll, verifier = Roll(GENESIS), Verifier(made.NET)
    roll.add(listed(1, made.ALICE), made.ALICE.address, verifier)
    with pytest.raises(Refused, match=code):
        roll.add(second, made.ALICE.address, verifier)


def test_time_may_stand_still_but_not_go_back() -> None:
    state = extend(empty(made.NET), block(empty(made.NET), 0, finalised=made.NOW + 5_000), TRUSTING)
    same = block(state, 1, created=made.NOW + 5_000, finalised=made.NOW + 5_000)
    assert extend(state, same, TRUSTING).finalised == made.NOW + 5_000
    early = block(state, 1, created=made.NOW + 4_999, finalised=made.NOW + 5_000)
    with pytest.raises(Refused, match="time_backwards"):
        extend(state, early, TRUSTING)
