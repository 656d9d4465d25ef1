"""Letters: numbered, in order, again until acknowledged, over a channel that loses, and between actors that are restarted."""

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfl_actors.core.letters import HEADER, MOST_BYTES, MOST_LETTERS, NUMBERS, PATIENCE, RETRY, WINDOW, Inbox, Outbox

SENDER = b"trainer"


def filled(letters: int, epoch: int = 7) -> Outbox:
    box = Outbox(epoch)
    for number in range(1, letters + 1):
        box.add(b"%d" % number)
    return box


def send(box: Outbox, now: int) -> list[int]:
    """Everything that is due, taken by a socket that takes everything."""
    numbers = []
    for number, _ in box.due(now):
        box.sent(number, now)
        numbers.append(number)
    return numbers


# --- the sender


def test_a_letter_is_sent_once_while_all_is_well() -> None:
    box = filled(2)
    assert send(box, 0) == [1, 2]
    assert send(box, PATIENCE) == []
    box.acknowledged(NUMBERS.pack(7, 2), PATIENCE)
    assert (len(box), send(box, 10 * PATIENCE), box.wake()) == (0, [], None)


def test_what_is_not_acknowledged_goes_again() -> None:
    box = filled(3)
    send(box, 1_000)
    box.acknowledged(NUMBERS.pack(7, 1), 1_500)
    assert box.wake() == 1_500 + PATIENCE + 1
    assert send(box, 1_500 + PATIENCE) == []
    assert send(box, 1_500 + PATIENCE + 1) == [2, 3]
    assert send(box, 1_500 + PATIENCE + 2) == []


def test_an_acknowledgement_speaks_for_all_before_it_and_for_its_epoch() -> None:
    box = filled(5)
    send(box, 0)
    box.acknowledged(NUMBERS.pack(6, 5), 1)
    assert len(box) == 5
    box.acknowledged(NUMBERS.pack(7, 3), 1)
    assert [number for number, _ in box.due(PATIENCE + 2)] == [4, 5]


def test_so_many_are_under_way_and_the_others_wait() -> None:
    box = filled(WINDOW + 10)
    assert send(box, 0) == list(range(1, WINDOW + 1))
    assert send(box, 1) == []
    box.acknowledged(NUMBERS.pack(7, 4), 2)
    assert send(box, 3) == list(range(WINDOW + 1, WINDOW + 5))


def test_what_the_socket_does_not_take_is_offered_again_without_haste() -> None:
    """While the other actor is away nothing is under way; the process must sleep between the attempts."""
    box = filled(2)
    for now in (5_000, 5_000 + RETRY, 60_000):
        assert [number for number, _ in box.due(now)] == [1, 2]
        assert box.wake() == now + RETRY
    send(box, 60_001)
    assert box.wake() == 60_001 + PATIENCE + 1


def test_a_header_says_epoch_number_and_the_oldest_kept() -> None:
    box = filled(3)
    send(box, 0)
    box.acknowledged(NUMBERS.pack(7, 1), 0)
    header = box.header(3)
    assert header == bytes((*7 * [0], 7, *7 * [0], 3, *7 * [0], 2)), "24 bytes, big-endian"
    assert HEADER.unpack(header) == (7, 3, 2) and NUMBERS.unpack(header[: NUMBERS.size]) == (7, 3)


def test_more_letters_than_there_is_room_for_are_not_taken() -> None:
    box = filled(MOST_LETTERS)
    assert not box.add(b"one more") and len(box) == MOST_LETTERS
    send(box, 0)
    box.acknowledged(NUMBERS.pack(7, 2), 1)
    assert [box.add(b"again room") for _ in range(3)] == [True, True, False]
    assert next(iter(box.due(PATIENCE + 2))) == (3, b"3"), "no number is left out"


def test_more_bytes_than_there_is_room_for_are_not_taken_but_for_a_single_letter() -> None:
    box, half = Outbox(7), bytes(MOST_BYTES // 2)
    assert [box.add(one) for one in (half, half, b"x")] == [True, True, False]
    send(box, 0)
    box.acknowledged(NUMBERS.pack(7, 1), 1)
    assert box.add(b"x") and not box.add(half)
    assert Outbox(7).add(bytes(MOST_BYTES + 1)), "however large, one must be able to go"


def test_an_acknowledgement_takes_no_longer_however_many_letters_wait() -> None:
    """A thousand letters acknowledged one by one: with 64,000 behind them it took 2 s."""

    def spent(waiting: int) -> float:
        box = filled(waiting)
        send(box, 0)
        begun = time.process_time()
        for number in range(1, 1_001):
            box.acknowledged(NUMBERS.pack(7, number), 0)
            send(box, 0)
        return time.process_time() - begun

    few, many = min(spent(1_300) for _ in range(3)), min(spent(MOST_LETTERS) for _ in range(3))
    assert many < 5 * few, (few, many)


# --- the receiver


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        ([(1, 1, 1), (1, 2, 1), (1, 3, 2)], [True, True, True]),
        ([(1, 1, 1), (1, 1, 1)], [True, False]),
        ([(1, 1, 1), (1, 3, 1), (1, 2, 1), (1, 3, 1)], [True, None, True, True]),
        ([(1, 5, 5), (1, 6, 5)], [True, True]),
        ([(1, 6, 5), (1, 5, 5), (1, 6, 5)], [None, True, True]),
        ([(1, 9, 9), (2, 1, 1), (2, 2, 1)], [True, True, True]),
        ([(2, 1, 1), (1, 10, 10)], [True, False]),
        ([(2, 2, 1), (2, 1, 1)], [None, True]),
    ],
    ids=[
        "in order",
        "a repeat",
        "a gap",
        "we were restarted",
        "and lost the first",
        "the sender was restarted",
        "an old epoch",
        "a gap at first",
    ],
)
def test_letters_are_taken_in_order(letters: list[tuple[int, int, int]], expected: list[bool | None]) -> None:
    box = Inbox()
    assert [box.take(SENDER, *letter) for letter in letters] == expected


def test_each_sender_has_its_own_numbers() -> None:
    box = Inbox()
    assert [box.take(sender, 1, 1, 1) for sender in (b"trainer", b"builder", b"trainer")] == [True, True, False]


# --- both, over a bad channel


class Pair:
    """A sender and a receiver, what is on the way between them, and what the receiver has handled, by incarnation."""

    def __init__(self) -> None:
        self.now = 0
        self.epoch = 1
        self.outbox, self.inbox = Outbox(1), Inbox()
        self.letters: list[tuple[bytes, bytes]] = []
        self.answers: list[bytes] = []
        self.written = 0
        self.handled: list[list[int]] = [[]]
        self.lost: set[int] = set()

    def write(self) -> None:
        self.written += 1
        self.outbox.add(b"%d" % self.written)

    def send(self, passed: int) -> None:
        """Time passes; the socket takes what is due."""
        self.now += passed
        for number, body in self.outbox.due(self.now):
            self.letters.append((self.outbox.header(number), body))
            self.outbox.sent(number, self.now)

    def receive(self, place: int = 0) -> None:
        header, body = self.letters.pop(place)
        new = self.inbox.take(SENDER, *HEADER.unpack(header))
        if new:
            self.handled[-1].append(int(body))
        if new is not None:
            self.answers.append(header[: NUMBERS.size])

    def hear(self, place: int = 0) -> None:
        self.outbox.acknowledged(self.answers.pop(place), self.now)

    def restart_sender(self) -> None:
        """Those of its letters that were not acknowledged may be lost with it: it is the actors that write them again."""
        self.lost |= set(range(self.written - len(self.outbox) + 1, self.written + 1))
        self.epoch += 1
        self.outbox = Outbox(self.epoch)

    def restart_receiver(self) -> None:
        self.inbox = Inbox()
        self.handled.append([])
        self.letters.clear()
        self.answers.clear()

    def settle(self) -> None:
        """From here on the channel loses nothing."""
        for _ in range(2 + self.written // WINDOW * 2 + 20):
            self.send(PATIENCE + 1)
            while self.letters:
                self.receive()
            while self.answers:
                self.hear()


ACTS = (
    ["write"] * 4
    + ["send"] * 2
    + ["wait", "receive", "receive", "receive", "hear", "lose", "lose answer", "again", "restart", "restart other"]
)


def act(pair: Pair, what: str, rng: random.Random) -> None:
    if what == "write":
        pair.write()
    elif what in ("send", "wait"):
        pair.send(1 if what == "send" else PATIENCE + 1)
    elif what == "receive" and pair.letters:
        pair.receive(rng.randrange(len(pair.letters)) if rng.random() < 0.3 else 0)
    elif what == "hear" and pair.answers:
        pair.hear(rng.randrange(len(pair.answers)))
    elif what == "lose" and pair.letters:
        pair.letters.pop(rng.randrange(len(pair.letters)))
    elif what == "lose answer" and pair.answers:
        pair.answers.pop(rng.randrange(len(pair.answers)))
    elif what == "again" and pair.letters:
        pair.letters.append(rng.choice(pair.letters))
    elif what == "restart" and rng.random() < 0.3:
        pair.restart_sender()
    elif what == "restart other" and rng.random() < 0.5:
        pair.restart_receiver()


@settings(max_examples=300)
@given(st.lists(st.sampled_from(ACTS), max_size=120), st.randoms(use_true_random=False))
def test_over_any_channel_and_any_restarts_letters_arrive(acts: list[str], rng: random.Random) -> None:
    """Each incarnation of the receiver handles letters in order and none twice; what a living sender wrote is handled in the end."""
    pair = Pair()
    for what in acts:
        act(pair, what, rng)
    pair.settle()
    for handled in pair.handled:
        assert handled == sorted(set(handled))
    assert set(range(1, pair.written + 1)) - {number for handled in pair.handled for number in handled} <= pair.lost
    assert len(pair.outbox) == 0


def test_many_letters_go_through_a_channel_that_loses_one_in_ten() -> None:
    rng, pair = random.Random(4), Pair()
    for _ in range(3 * WINDOW):
        pair.write()
    for _ in range(300):
        pair.send(PATIENCE + 1)
        pair.letters = [letter for letter in pair.letters if rng.random() < 0.9]
        while pair.letters:
            pair.receive()
        pair.answers = [answer for answer in pair.answers if rng.random() < 0.9]
        while pair.answers:
            pair.hear()
    assert pair.handled == [list(range(1, 3 * WINDOW + 1))]
    assert len(pair.outbox) == 0
