"""The sockets inside a node: letters over real ones, a recipient that is away, and what comes in the wrong shape or from nobody."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import zmq

from dfl_actors.core import letters
from dfl_actors.core.codec import encode
from dfl_actors.core.family import Message
from dfl_actors.core.messages import Injected, Pull
from dfl_actors.errors import Refused
from dfl_actors.runtime import sockets
from dfl_actors.runtime.mail import Mail

PATIENCE = 30.0
Context = zmq.Context[zmq.Socket[bytes]]
PULL = Pull(samples=7)


@pytest.fixture
def mails(context: Context, place: Path) -> Callable[[str], Mail]:
    return lambda actor: Mail(context, place, "a", actor, 1)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def now() -> int:
    return time.monotonic_ns() // 1_000_000


def come(to: Mail, count: int, sender: Mail | None = None) -> list[object]:
    """So many letters, or refusals of what is none, as they come; the letters are acknowledged."""
    found: list[object] = []

    def turn() -> bool:
        if sender is not None:
            sender.deliver(now())
        for letter in to.letters():
            if isinstance(letter, tuple):
                found.append(letter[0])
                to.acknowledge([letter[1]])
            elif letter is not None:
                found.append(letter.code)
        return len(found) >= count

    until(turn)
    return found


def test_a_letter_is_handled_and_acknowledged(mails: Callable[[str], Mail]) -> None:
    trainer, injector = mails("trainer"), mails("injector")
    assert trainer.tell(PULL) == len(encode(PULL)) and trainer.waiting() == 1
    assert come(injector, 1, trainer) == [PULL]
    until(lambda: not list(trainer.acknowledgements("injector", now())) and not trainer.waiting())
    assert trainer.wake() is None


def test_letters_wait_for_a_recipient_that_is_away_and_are_counted_when_there_is_no_room(
    mails: Callable[[str], Mail], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letters, "MOST_LETTERS", 3)
    trainer = mails("trainer")
    sizes = [trainer.tell(Pull(samples=number)) for number in range(5)]
    assert [size > 0 for size in sizes] == [True] * 3 + [False] * 2
    assert come(mails("injector"), 3, trainer) == [Pull(samples=number) for number in range(3)]


def test_what_comes_in_the_wrong_shape_or_from_nobody_is_refused_and_a_letter_after_it_is_handled(
    mails: Callable[[str], Mail], context: Context
) -> None:
    injector = mails("injector")

    def writer(identity: bytes) -> "zmq.Socket[bytes]":
        socket = context.socket(zmq.DEALER)
        if identity:
            socket.setsockopt(zmq.ROUTING_ID, identity)
        socket.connect(injector.mailbox.getsockopt_string(zmq.LAST_ENDPOINT))
        return socket

    header = b"".join(number.to_bytes(8, "big") for number in (1, 1, 1))
    strangers = [writer(identity) for identity in (b"", b"\xff\xfe", b"builder")]
    for stranger in strangers:
        stranger.send_multipart([header, encode(PULL)])
    assert come(injector, 3) == ["frames"] * 3, "nobody of these writes to an injector"
    trainer = writer(b"trainer")
    for frames in ([b""], [header], [header, encode(PULL), b""], [b"short", encode(PULL)], [header + b"x", encode(PULL)]):
        trainer.send_multipart(frames)
    assert come(injector, 5) == ["frames"] * 5
    trainer.send_multipart([header, b"\xff no letter"])
    (wrong,) = come(injector, 1)
    assert isinstance(wrong, Refused) and wrong.code == "malformed"
    assert trainer.poll(int(1000 * PATIENCE)) and trainer.recv_multipart() == [header[:16]], "it would come again for ever"
    trainer.send_multipart([header[:8] + (2).to_bytes(8, "big") + header[16:], encode(PULL)])
    assert come(injector, 1) == [PULL]


def test_events_and_acknowledgements_in_the_wrong_shape_are_refused(mails: Callable[[str], Mail], context: Context, place: Path) -> None:
    publisher, mailbox = context.socket(zmq.XPUB), context.socket(zmq.ROUTER)
    publisher.bind(sockets.ipc(place, "a", "injector", "news"))
    mailbox.bind(sockets.ipc(place, "a", "injector", "mail"))
    trainer = mails("trainer")
    assert publisher.poll(int(1000 * PATIENCE)) and publisher.recv().startswith(b"\x01")
    right = Injected(samples=(1, 2))
    for frames in ([b"Injected"], [b"Injected", encode(right), b""], [b"Injected", b"{"], [b"Injected", encode(right)]):
        publisher.send_multipart(frames)
    found: list[Message | Refused] = []
    until(lambda: found.extend(trainer.events()) or len(found) == 4)
    assert [one.code for one in found[:3] if isinstance(one, Refused)] == ["frames", "frames", "malformed"] and found[3] == right

    trainer.tell(PULL)
    until(lambda: trainer.deliver(now()) or bool(mailbox.poll(0)))
    _, header, _ = mailbox.recv_multipart()
    for frames in ([b"short"], [header[:16], b""], [header], [header[:16]]):
        mailbox.send_multipart([b"trainer", *frames])
    refused: list[Refused | None] = []
    until(lambda: refused.extend(trainer.acknowledgements("injector", now())) or len(refused) == 4)
    assert [one.code for one in refused if one is not None] == ["frames"] * 3 and not trainer.waiting()


def test_a_subscription_in_the_wrong_shape_is_refused(mails: Callable[[str], Mail], context: Context) -> None:
    validator, listener = mails("validator"), context.socket(zmq.XSUB)
    listener.connect(validator.publisher.getsockopt_string(zmq.LAST_ENDPOINT))
    listener.send_multipart([b"@keeper", b"two"])
    listener.send(b"@keeper")
    listener.send(b"\x01other")
    found: list[Refused | None] = []
    until(lambda: found.extend(validator.subscriptions()) or len(found) >= 3)
    assert [one.code for one in found if one is not None] == ["frames", "frames"] and not validator.listened
    listener.send(b"\x01@keeper")
    until(lambda: not list(validator.subscriptions()) and validator.listened)
