"""A chain verified on the disk: against its rules, its run, its models and the head that its journal pins."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from stat import S_IMODE

import msgspec
import pytest

from dfl_actors.actors.trainer import Checkpoint
from dfl_actors.core import chain
from dfl_actors.core.codec import digest, encode, model_digest
from dfl_actors.core.evidence import KEPT, LARGEST, evidence
from dfl_actors.core.objects import Entry, Genesis, Layer
from dfl_actors.errors import ChainError, StoreError
from dfl_actors.processes.isolated import ReaderDied, in_child
from dfl_actors.processes.limits import limit_processor
from dfl_actors.runtime.launch import begin_anew
from dfl_actors.runtime.marks import leave_marks
from dfl_actors.runtime.rundir import About, RunDirectory
from dfl_actors.runtime.stores import ChainStore, Journal, ModelStore
from dfl_actors.runtime.verify import _unsigned, prune_all, read_all, signed_any, verify, verify_all
from tests import objects

MODEL = bytes(32)
GENESIS = Genesis(
    network="net",
    protocol=1,
    model="tiny",
    layers=(Layer(name="dense", shape=(8,)),),
    dtype="float32",
    labels=10,
    initial=model_digest(MODEL),
    hash="sha256",
    model_hash="blake3",
    signature="ed25519",
)
NET = digest(GENESIS)


def made(path: Path, blocks: int = 4, pinned: bool = True) -> RunDirectory:
    """The directory of a run in which Alice has so many blocks."""
    path.mkdir(exist_ok=True)
    run = RunDirectory(path)
    about = About(name="net", started=1, nodes={"a": objects.ALICE.address}, genesis=NET)
    run.run.write_bytes(msgspec.json.encode(about))
    state = chain.empty(NET)
    verifier = objects.Trusting(NET)
    with ChainStore(run.node("a").chain) as store:
        store.create(encode(GENESIS))
        for height in range(blocks):
            transaction = objects.transaction(genesis=NET, sequence=height, data=MODEL)
            receipt = objects.receipt(transaction)
            draft = objects.draft((transaction, (receipt,)), genesis=NET, height=height, previous=state.head)
            block = objects.final(draft, objects.confirmation(draft, receipt))
            store.append(height, encode(block))
            state = chain.extend(state, block, verifier)
    with Journal(run.node("a").journal("builder")) as journal:
        journal.commit([(chain.PIN, chain.encode_pin(state))] if pinned else [(b"draft", b"any")])
    with ModelStore(run.node("a").models, 4) as models:
        models.put(model_digest(MODEL), MODEL)
    return run


def cut(run: RunDirectory, blocks: int) -> None:
    """Put an older chain in the place of the run's."""
    with ChainStore(run.node("a").chain) as store:
        older = [store.block(height) or b"" for height in range(blocks)]
    for file in run.node("a").chain.iterdir():
        file.unlink()
    with ChainStore(run.node("a").chain) as store:
        store.create(encode(GENESIS))
        for height, block in enumerate(older):
            store.append(height, block)


def pin_of(run: RunDirectory) -> chain.ChainState | None:
    with Journal(run.node("a").journal("builder"), readonly=True) as journal:
        return chain.decode_pin(journal.get(chain.PIN))


def test_what_a_chain_holds_is_counted(tmp_path: Path) -> None:
    (found,) = verify_all(made(tmp_path), ("a",))
    assert (found.node, found.height, found.transactions, found.receipts, found.confirmations, found.weights) == ("a", 4, 4, 4, 4, 1)


@pytest.mark.parametrize(("kept", "text"), [(0, "blocks 0 to 3 are missing"), (3, "block 3 is missing")])
def test_an_older_chain_contradicts_its_pin(tmp_path: Path, kept: int, text: str) -> None:
    run = made(tmp_path)
    cut(run, kept)
    with pytest.raises(ChainError, match=rf"^node a: {text}: its journal pins height 4, its chain has {kept}: put the newer chain back"):
        verify_all(run, ("a",))


def lose_meta(store: Path) -> None:
    """LMDB writes its two meta pages in turn, and takes the older one when the newer is no good: put it in the newer's place."""
    data = store / "data.mdb"
    pages = data.read_bytes()
    # Of a commit the number stands in its meta page: magic and version, then 24 + 2 * 48 bytes, the last page, the transaction.
    numbers = [int.from_bytes(pages[page + 144 : page + 152], "little") for page in (0, 4096)]
    newest = 4096 * numbers.index(max(numbers))
    data.write_bytes(pages[:newest] + pages[4096 - newest : 8192 - newest] + pages[newest + 4096 :])


def test_a_lost_meta_page_is_an_older_chain(tmp_path: Path) -> None:
    run = made(tmp_path)
    lose_meta(run.node("a").chain)
    with ChainStore(run.node("a").chain, readonly=True) as store:
        assert store.height == 3
    with pytest.raises(ChainError, match=r"^node a: block 3 is missing"):
        verify(run, "a")
    with pytest.raises(StoreError, match=r"nodes/a/chain is damaged \(its first pages are of commits 4 and 4\)"):
        verify_all(run, ("a",))


def test_a_journal_that_lost_its_last_commit_is_not_gone_on_with(tmp_path: Path) -> None:
    run = made(tmp_path)
    assert signed_any(run, ("a",))[0]
    lose_meta(run.node("a").journal("builder"))
    with pytest.raises(StoreError, match=r"journal/builder is damaged \(its first pages"):
        signed_any(run, ("a",))


def put_back(run: RunDirectory, older: Path, what: str) -> None:
    """Of the node an older journal, no journal, or the whole older directory with the marks that it had then."""
    node = run.node("a")
    shutil.rmtree(node.path if what == "directory" else node.journal("builder"))
    if what == "directory":
        older.rename(node.path)
    elif what == "journal":
        (older / "journal" / "builder").rename(node.journal("builder"))


@pytest.mark.parametrize("what", ["journal", "directory", ""])
def test_a_journal_behind_its_mark_is_an_older_one_that_was_put_back(tmp_path: Path, what: str) -> None:
    """Its actor would sign again, and otherwise, what it has signed since."""
    run = made(tmp_path / "run")
    node = run.node("a")
    with Journal(node.journal("builder")) as journal:
        leave_marks(run, {"a": {"builder": journal.commits}})
    shutil.copytree(node.path, tmp_path / "older")
    with Journal(node.journal("builder")) as journal:
        journal.commit([(b"more", b"signed")])
        leave_marks(run, {"a": {"builder": journal.commits}})
    assert signed_any(run, ("a",))[0]
    put_back(run, tmp_path / "older", what)
    said = rf"journal/builder is older than it was, or was lost \(it has {int(bool(what))} commits and had 2\)"
    for look in (signed_any, verify_all):
        with pytest.raises(StoreError, match=said):
            look(run, ("a",))


def test_a_damaged_store_of_models_is_told_and_no_reason_not_to_go_on(tmp_path: Path) -> None:
    run = made(tmp_path)
    data = run.node("a").models / "data.mdb"
    data.write_bytes(data.read_bytes()[: 2 * 4096])
    assert signed_any(run, ("a",)) == (True, frozenset({"a"}))


def test_a_chain_ahead_of_its_pin_is_right(tmp_path: Path) -> None:
    """A crash between the two commits leaves it so."""
    run = made(tmp_path)
    pin = pin_of(made(tmp_path / "before", blocks=3))
    assert pin is not None
    with Journal(run.node("a").journal("builder")) as journal:
        journal.commit([(chain.PIN, chain.encode_pin(pin))])
    assert verify_all(run, ("a",))[0].height == 4


def test_another_block_than_the_pinned_one_is_named(tmp_path: Path) -> None:
    run = made(tmp_path)
    pin = pin_of(run)
    assert pin is not None
    for wrong in (msgspec.structs.replace(pin, head="ab" * 32), msgspec.structs.replace(pin, sequence=2)):
        with Journal(run.node("a").journal("builder")) as journal:
            journal.commit([(chain.PIN, chain.encode_pin(wrong))])
        with pytest.raises(ChainError, match=r"^node a: block 3 is not the one that its journal pins"):
            verify_all(run, ("a",))


def test_a_directory_from_before_there_were_pins_gets_one_when_it_is_gone_on_with(tmp_path: Path) -> None:
    run = made(tmp_path, pinned=False)
    verify_all(run, ("a",))
    assert pin_of(run) is None
    assert signed_any(run, ("a",)) == (True, frozenset())
    pin = pin_of(run)
    assert pin is not None and pin.height == 4
    cut(run, 2)
    with pytest.raises(ChainError, match=r"blocks 2 to 3 are missing"):
        verify_all(run, ("a",))


SIGNED = {
    "a transaction": ("trainer", b"transaction", b"any"),
    "a step": ("trainer", b"point", encode(Checkpoint(sequence=-1, iteration=1, steps=1, samples=16, applied=0, model=""))),
    "a receipt": ("validator", b"r/00", b"any"),
    "a draft": ("builder", b"draft", b"any"),
    "a block that was cut off": ("builder", chain.PIN, chain.encode_pin(msgspec.structs.replace(chain.empty(NET), height=1))),
}


@pytest.mark.parametrize("what", SIGNED)
def test_a_directory_belongs_to_no_network_until_something_is_signed_there(tmp_path: Path, what: str) -> None:
    run, other = made(tmp_path, blocks=0), msgspec.structs.replace(GENESIS, labels=11)
    nothing = Checkpoint(sequence=-1, iteration=0, steps=0, samples=16, applied=0, model="ab")
    with Journal(run.node("a").journal("trainer")) as journal:
        journal.commit([(b"point", encode(nothing)), (b"state", b"any"), (b"fed", b"0")])
    assert not signed_any(run, ("a",))[0]
    actor, key, value = SIGNED[what]
    with Journal(run.node("a").journal(actor)) as journal:
        journal.commit([(key, value)])
    assert not _unsigned(run.node("a"))

    told = begin_anew(run, ["a"], NET)
    assert told.endswith("and nothing was signed there: it begins anew in this one") and NET[:8] in told
    with ChainStore(run.node("a").chain) as store:
        store.create(encode(other), anew=True)
        assert store.genesis == encode(other)
    assert not signed_any(run, ("a",))[0], "power may go before run.json names the new network"


def test_a_chain_with_blocks_never_begins_anew(tmp_path: Path) -> None:
    with ChainStore(made(tmp_path).node("a").chain) as store, pytest.raises(StoreError, match="holds a chain of another genesis"):
        store.create(encode(msgspec.structs.replace(GENESIS, labels=11)), anew=True)


@pytest.fixture
def readonly(tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Makes `tmp_path/disk` a medium that nobody can write to."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(disk)], check=False, capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here")

    def remount() -> None:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)

    yield remount
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_read_only_medium_is_verified_and_read(tmp_path: Path, readonly: Callable[[], None]) -> None:
    run = made(tmp_path / "disk")
    readonly()
    assert verify(run, "a").weights == 1
    assert len(read_all(run, ("a",))["a"]) == 4
    with pytest.raises(StoreError, match="read-only"):
        prune_all(run, ("a",))


def test_reading_leaves_no_trace(tmp_path: Path) -> None:
    run = made(tmp_path)
    files = {path: (S_IMODE(path.stat().st_mode), path.read_bytes()) for path in tmp_path.rglob("data.mdb")}
    verify_all(run, ("a",))
    read_all(run, ("a",))
    assert files == {path: (S_IMODE(path.stat().st_mode), path.read_bytes()) for path in tmp_path.rglob("data.mdb")}


def test_weights_are_gone_or_right(tmp_path: Path) -> None:
    run = made(tmp_path)
    assert prune_all(run, ("a",)) == {"a": 1}
    assert verify(run, "a").weights == 0
    with ModelStore(run.node("a").models, 4) as models:
        models.put(model_digest(MODEL), b"others" * 9)
    with pytest.raises(ChainError, match=r"stored weights .* do not have their digest: remove them with `chain prune`"):
        verify(run, "a")


def genesis_as(run: RunDirectory, raw: bytes | None) -> None:
    for file in run.node("a").chain.iterdir():
        file.unlink()
    with ChainStore(run.node("a").chain) as store:
        if raw is not None:
            store.create(raw)


def of(run: RunDirectory, **changes: object) -> None:
    about = msgspec.json.decode(run.run.read_bytes(), type=About)
    run.run.write_bytes(msgspec.json.encode(msgspec.structs.replace(about, **changes)))


def with_block(run: RunDirectory) -> None:
    with ChainStore(run.node("a").chain) as store:
        store.append(4, b"{")


def with_pin(run: RunDirectory) -> None:
    with Journal(run.node("a").journal("builder")) as journal:
        journal.commit([(chain.PIN, b"{")])


def test_a_chain_that_lost_its_pages_is_not_shown_as_an_empty_one(tmp_path: Path) -> None:
    run = made(tmp_path)
    genesis_as(run, None)
    with pytest.raises(ChainError, match="has no genesis"):
        read_all(run, ("a",))
    (run.node("a").chain / "data.mdb").unlink()
    with pytest.raises(StoreError, match=r"holds no data\.mdb"):
        read_all(run, ("a",))


MALFORMED = "malformed: unexpected end of data: line 1 column 2 (char 1)"
COPY = ": put a copy in its place"
OTHER = f"the chain was altered{COPY}; or another version of dfl-actors made it"
ALTERED = "the chain in {chain} was altered" + COPY


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            lambda run: genesis_as(run, None),
            "{chain}: the chain has no genesis: it was never begun, or its file is damaged: put a copy in its place",
        ),
        (lambda run: genesis_as(run, b"{"), "{chain}: the genesis breaks rule " + MALFORMED + ": " + OTHER),
        (lambda run: of(run, genesis="f" * 64), "node a: the chain in {chain} is of another genesis, {genesis}, this run's is ffffffff"),
        (with_block, "node a: block 4 breaks rule " + MALFORMED + ": " + ALTERED),
        (lambda run: of(run, nodes={}), "node a: block 0 breaks rule other_generator: {alice} is not node a: " + ALTERED),
        (with_pin, "node a: malformed: the pinned head, Input data was truncated: the journal in {journal} was altered" + COPY),
    ],
)
def test_what_does_not_verify_is_told_in_one_line(tmp_path: Path, change: Callable[[RunDirectory], None], text: str) -> None:
    run = made(tmp_path)
    change(run)
    node = run.node("a")
    known = {"chain": node.chain, "journal": node.journal("builder"), "genesis": NET[:8], "alice": objects.ALICE.address[:8]}
    with pytest.raises(ChainError) as caught:
        verify(run, "a")
    assert str(caught.value) == text.format(**known)


def test_evidence_that_the_node_keeps_is_checked_and_named(tmp_path: Path) -> None:
    run = made(tmp_path)
    one, other = (objects.transaction(objects.BOB, genesis=NET, sequence=3, created=created) for created in (1, 2))
    with Journal(run.node("a").journal("gossiper")) as journal:
        journal.commit([(b"score/any", b"{}"), (KEPT + b"transaction/any", encode(evidence(one, other)))])
    assert verify(run, "a").contradictions == (f"{objects.BOB.address[:16]} signed two transactions with sequence number 3",)
    entry = Entry(transaction=one, receipts=(objects.receipt(one, objects.CAROL),) * 256)
    large = evidence(*(objects.draft(*[entry] * 4, key=objects.BOB, genesis=NET, memo=memo) for memo in ("one", "other")))
    with Journal(run.node("a").journal("gossiper")) as journal:
        journal.commit([(KEPT + b"draft/any", encode(large))])
    assert len(encode(large)) > LARGEST and len(verify(run, "a").contradictions) == 2, "of a version that kept what is too large"
    with Journal(run.node("a").journal("gossiper")) as journal:
        journal.commit([(KEPT + b"transaction/any", encode(evidence(one, objects.unsigned(other))))])
    with pytest.raises(ChainError, match=r"bad_signature: .* the journal was altered"):
        verify(run, "a")


def test_prune_removes_nothing_outside_the_run(tmp_path: Path) -> None:
    run, other = made(tmp_path / "run"), tmp_path / "other"
    models = run.node("a").models
    models.rename(other)
    models.symlink_to(other)
    with pytest.raises(StoreError, match="lies outside the run"):
        prune_all(run, ("a",))
    assert (other / "data.mdb").exists()


def _endless(path: Path) -> None:
    limit_processor(1)
    while True:
        path.exists()


def test_a_store_without_end_is_damaged(tmp_path: Path) -> None:
    """Pages that point at each other are read for ever."""
    with pytest.raises(ReaderDied, match=r"is damaged \(the reader died of SIGXCPU\)"):
        in_child(_endless, tmp_path)
