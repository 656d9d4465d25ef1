"""What an admitted neighbour does to the node that it has a link with, while another neighbour of that node goes on working.

Each attack goes on for a while, and says at its end what only it can know. What is wanted of all of them alike, `hostile.py` asks.
"""

import random
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import hostile_mutants
from hostile_neighbour import Neighbour, unsigned
from hostile_stage import Stage, wall

from dfl_actors.core import messages as m
from dfl_actors.core.codec import digest, encode
from dfl_actors.core.evidence import evidence
from dfl_actors.core.objects import Entry

LARGE = 210  # Transactions in a draft of 3 MB.
STEP = 0.05  # Seconds between two looks at what has come.


class Row(NamedTuple):
    """What was seen, and whether it is as wanted; `load`: what was seen may be the machine's doing."""

    what: str
    figure: str
    wanted: str
    met: bool
    load: bool = False


class Assault(NamedTuple):
    """What an attack may use: the network, the neighbour, a seeded generator, how much of the full measure is wanted, and for how long."""

    on: Stage
    by: Neighbour
    rng: random.Random
    scale: float
    seconds: float

    def paced(self, a_second: float) -> Iterator[int]:
        """Numbers from 0 on, so many a second until the time is over; meanwhile the neighbour answers as others do."""
        begun, number = time.monotonic(), 0
        while (passed := time.monotonic() - begun) < self.seconds:
            while number < passed * a_second:
                yield number
                number += 1
            self.by.turn(STEP)
            self.on.memory()

    def data(self) -> bytes:
        """A model of its own, small enough to be averaged."""
        return self.rng.randbytes(3) + bytes(4 * self.by.parameters - 3)


def shut_out(it: Assault, since: int, bad: int) -> Row:
    """Whether it was, after at most four of its bad messages; `bad` were sent."""
    out = [event for event in it.on.events("refused", since) if event["code"] == "shut_out" and event["by"] == it.by.key.address]
    return Row("shut out, of so many bad messages sent", f"{'once' if out else 'never'} of {bad:,}", "after 4", bool(out))


def promises(it: Assault) -> Iterator[Row]:
    """64 announcements of models that it never delivers, again twice a second."""
    for _ in it.paced(2):
        for _ in range(64):
            it.by.say(m.TransactionNews(transaction=it.by.transaction(), receipts=()))
    yield Row("models promised", f"{it.by.sent:,}", "", True)


def one_model(it: Assault) -> Iterator[Row]:
    """3,250 valid transactions a second that all name one model."""
    data = it.data()
    ready = [encode(m.TransactionNews(transaction=it.by.transaction(data), receipts=())) for _ in range(int(3_250 * it.seconds))]
    for number in it.paced(3_250):
        it.by.say(ready[number % len(ready)])
    yield Row("transactions of one model", f"{len(ready):,}", "", True)


def names(it: Assault) -> Iterator[Row]:
    """3,250 transactions a second that name a model which the victim has: its own."""
    while (own := it.by.newest()) is None:
        it.by.turn(STEP)
    kept: dict[str, Any] = {"model": own.model, "size": own.size}
    ready = [encode(m.TransactionNews(transaction=it.by.transaction(**kept), receipts=())) for _ in range(int(3_250 * it.seconds))]
    for number in it.paced(3_250):
        it.by.say(ready[number % len(ready)])
    yield Row("names of one held model", f"{len(ready):,}", "", True)


def repeats(it: Assault) -> Iterator[Row]:
    """A valid draft of 3 MB, 14 times a second."""
    draft = encode(m.DraftNews(draft=it.by.large_draft(LARGE)))
    times = 0
    for _ in it.paced(14):
        it.by.say(draft)
        times += 1
    yield Row(f"repeats of {len(draft) / 1e6:.1f} MB", f"{times}", "", True)


def drafts(it: Assault) -> Iterator[Row]:
    """Valid drafts of 3 MB, one after the other, all different, each with a receipt of the victim's own where there is one."""
    data, made = it.data(), list[bytes]()
    honest = it.by.transaction(data)
    it.by.say(m.TransactionNews(transaction=honest, receipts=()))
    it.by.turn(2)
    given = it.by.given().get(digest(honest))
    first = () if given is None else (Entry(transaction=honest, receipts=(given,)),)
    base = it.by.large_draft(LARGE).entries
    for number in range(max(2, round(40 * it.scale))):
        made.append(encode(m.DraftNews(draft=it.by.draft((*first, *base), height=number, memo=str(number)))))
    for number in it.paced(2):
        it.by.say(made[number % len(made)])
    yield Row(
        f"drafts of {len(made[0]) / 1e6:.1f} MB, all different, {'with' if first else 'without'} its receipt", f"{len(made)}", "", True
    )


def signatures(it: Assault) -> Iterator[Row]:
    """Transactions with a wrong signature, 100 a second."""
    since, sent = wall(), 0
    for _ in it.paced(100):
        it.by.say(m.TransactionNews(transaction=unsigned(it.by.transaction()), receipts=()))
        sent += 1
    yield shut_out(it, since, sent)


def receipts(it: Assault) -> Iterator[Row]:
    """Forged receipts for the victim's transactions, of every kind, 50 a second."""
    since, sent = wall(), 0
    for number in it.paced(50):
        own = it.by.newest()
        if own is not None:
            right = it.by.receipt(own, "x0")
            it.by.say(m.ReceiptNews(receipt=(unsigned(right), it.by.receipt(own, "m", creator=it.by.victim))[number % 2]))
            sent += 1
    yield shut_out(it, since, sent)


def relay(it: Assault) -> Iterator[Row]:
    """Drafts of 2.7 MB of another with forged receipts, one a second: nothing of them is passed on."""
    base, since, sent = it.by.large_draft(LARGE, "x0").entries, wall(), 0
    for number in it.paced(1):
        forged = tuple(
            Entry(transaction=one.transaction, receipts=(*map(unsigned, one.receipts[:-1]), one.receipts[-1])) for one in base[-1:]
        )
        own = Entry(transaction=it.by.transaction(by="x0"), receipts=(it.by.receipt(base[0].transaction, "m", creator=it.by.victim),))
        it.by.say(m.DraftNews(draft=it.by.draft((*base[:-1], *forged, own), "x0", height=number, memo=str(number))))
        sent += 1
    passed = [
        event for event in it.on.events("confirmed", since) if event["node"] == "0" and event["generator"] == it.by.keys["x0"].address
    ]
    yield shut_out(it, since, sent)
    yield Row("of them confirmed", f"{len(passed)}", "0", not passed)


def garbage(it: Assault) -> Iterator[Row]:
    """Mutated news and replies of a neighbour's servers, half of 200,000 to each of the victim's sockets."""
    since, right, left = wall(), _right(it), [max(1, round(100_000 * it.scale)), max(1, round(100_000 * it.scale))]
    before = it.by.sent
    while any(left):
        for _ in range(min(left[0], 200)):
            frames = [hostile_mutants.mutated(it.rng.choice(right[0]), it.rng) for _ in range(it.rng.choice((1, 1, 1, 1, 2, 3)))]
            numbers = it.rng.choice((it.rng.randbytes(16), it.rng.randbytes(5), bytes(16)))
            it.by.tell([b"n" + it.rng.choice((b"", b"", b"", b"x")), numbers, *frames] if it.rng.random() < 0.8 else [b"n", *frames])
            it.by.reply(hostile_mutants.mutated(it.rng.choice(right[1]), it.rng), *(frames[1:] if it.rng.random() < 0.3 else ()))
            left[0] -= 1
            left[1] -= 1
        it.by.turn(0.05)
        it.on.memory()
    it.by.turn(3)
    yield Row("mutated frames of a neighbour's servers", f"{it.by.sent - before:,}", f"{round(200_000 * it.scale):,}", True)
    yield shut_out(it, since, it.by.sent - before)


def _right(it: Assault) -> tuple[list[bytes], list[bytes]]:
    """One right piece of news and one right reply of each kind."""
    one = it.by.transaction(it.data())
    entries = (Entry(transaction=one, receipts=(it.by.receipt(one, "x0"),)),)
    draft, other = it.by.draft(entries), it.by.draft(entries, memo="other")
    news = (
        m.TransactionNews(transaction=one, receipts=()), m.ReceiptNews(receipt=entries[0].receipts[0]), m.DraftNews(draft=draft), m.Beat(),
        m.BlockNews(generator=one.generator, height=0, block=one.model), m.EvidenceNews(evidence=evidence(draft, other)),
    )  # fmt: skip
    replies = (
        m.Admitted(), m.Chunk(model=one.model, index=0), m.Gone(model=one.model), m.Resent(epoch=1, number=1, news=news[0]),
        m.Held(transactions=(one,), drafts=(draft,)), m.Refusal(code="busy", what="Fetch"),
        m.Welcome(address=it.by.key.address, public_key=it.by.key.public, nonce=one.model, signature="0" * 128),
    )  # fmt: skip
    return [encode(one) for one in news], [encode(one) for one in replies]


ATTACKS: dict[str, Callable[[Assault], Iterator[Row]]] = {
    attack.__name__: attack for attack in (promises, one_model, names, repeats, drafts, signatures, receipts, relay, garbage)
}
