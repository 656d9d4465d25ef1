"""Mutated frames for the sockets inside a node, which only its own user can reach: mailboxes, events, taps and the inlet.

What comes to a mailbox from nobody who writes there is refused one by one, and what comes to the inlet is answered one by one: so none is
lost, and the numbers must be equal. Of subscriptions only those that are none are refused.
"""

import random
from collections.abc import Iterator, Sequence

import zmq
from hostile_attacks import Row
from hostile_mutants import mutated
from hostile_stage import Stage

from dfl_actors.core.family import ACTORS
from dfl_actors.core.letters import HEADER
from dfl_actors.runtime.inlet import FORM, HEAD, SAMPLES, endpoint
from dfl_actors.runtime.sockets import ipc

AT_ONCE = 8  # Requests to the inlet that are under way.
RIGHT = (HEADER.pack(1, 1, 1), b'{"type":"Begun"}', b'{"type":"Settled","transaction":"%b"}' % (b"7" * 64), b"")
TOPICS = [b"\x01Trained", b"\x00Trained", b"\x01@keeper", b"\x01" + b"x" * 400, b"\x02", b"", b"\x00"]


def inside(on: Stage, rng: random.Random, count: int) -> Iterator[Row]:
    """So many frames, and no fewer, to each of the sockets of node 0."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        for actor in ACTORS:
            yield _mailbox(context, on, rng, count, actor)
            for what in ("news", "tail"):
                yield _subscriptions(context, on, rng, count, actor, what)
        yield _inlet(context, on, rng, count)
    finally:
        context.destroy(linger=0)


def _client(context: "zmq.Context[zmq.Socket[bytes]]", kind: int, place: str) -> "zmq.Socket[bytes]":
    socket: zmq.Socket[bytes] = context.socket(kind)
    socket.setsockopt(zmq.SNDTIMEO, 60_000)
    socket.setsockopt(zmq.RCVTIMEO, 60_000)
    socket.connect(place)
    return socket


def _frames(rng: random.Random, right: Sequence[bytes]) -> list[bytes]:
    return [mutated(rng.choice(right), rng) for _ in range(rng.choice((1, 1, 2, 2, 3, 5)))]


def _refused(on: Stage, actor: str) -> int:
    found = on.events("refused")
    return sum(event["count"] for event in found if event["node"] == "0" and event["actor"] == actor and event["what"] == "bytes")


def _mailbox(context: "zmq.Context[zmq.Socket[bytes]]", on: Stage, rng: random.Random, count: int, actor: str) -> Row:
    sent, before, socket = 0, _refused(on, actor), _client(context, zmq.DEALER, ipc(on.sockets, "0", actor, "mail"))
    frames = 0
    while frames < count:
        message = _frames(rng, RIGHT)
        socket.send_multipart(message)
        sent, frames = sent + 1, frames + len(message)
    on.until(lambda: _refused(on, actor) - before >= sent, f"refusal of all that came to the mailbox of the {actor}")
    found = _refused(on, actor) - before
    return Row(f"mailbox of the {actor}: messages refused", f"{found:,} of {sent:,}", "all", found == sent)


def _subscriptions(context: "zmq.Context[zmq.Socket[bytes]]", on: Stage, rng: random.Random, count: int, actor: str, what: str) -> Row:
    several, before, socket = 0, _refused(on, actor), _client(context, zmq.XSUB, ipc(on.sockets, "0", actor, what))
    frames = 0
    while frames < count:
        message = [rng.choice(TOPICS) for _ in range(rng.choice((1, 1, 2, 3)))]
        socket.send_multipart(message)
        frames += len(message)
        several += message[0][:1] not in (b"\x00", b"\x01")
    socket.send(b"\x02end")
    on.until(lambda: _refused(on, actor) - before > several, f"refusals at {actor}.{what}")
    found = _refused(on, actor) - before
    return Row(f"{actor}.{what}: what is no subscription, refused", f"{found:,}", f"at least {several + 1:,}", found > several)


def _inlet(context: "zmq.Context[zmq.Socket[bytes]]", on: Stage, rng: random.Random, count: int) -> Row:
    sent = answered = 0
    socket = _client(context, zmq.DEALER, endpoint(on.sockets, "0"))
    right = (FORM, SAMPLES, HEAD.pack(b"c" * 16, 1), bytes(784), bytes(8))
    frames = 0
    while frames < count or answered < sent:
        while frames < count and sent - answered < AT_ONCE:
            message = _frames(rng, right)
            socket.send_multipart(message)
            sent, frames = sent + 1, frames + len(message)
        socket.recv_multipart()
        answered += 1
    return Row("inlet: requests answered", f"{answered:,} of {sent:,}", "all", answered == sent)
