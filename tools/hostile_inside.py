"""Mutated frames for the sockets inside a node, which only its own user can reach: mailboxes, events, taps and the inlet.

What comes to a mailbox from nobody who writes there is refused one by one, and what comes to the inlet is answered one by one: so none is
lost, and the numbers must be equal. Of what comes to a publisher only what is no subscription is refused.
"""

import random
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import zmq
from hostile_attacks import Row
from hostile_mutants import mutated
from hostile_stage import Stage

from dfl_actors.core.family import ACTORS
from dfl_actors.core.letters import HEADER
from dfl_actors.runtime.inlet import FORM, HEAD, SAMPLES, endpoint
from dfl_actors.runtime.sockets import ipc

Context: TypeAlias = "zmq.Context[zmq.Socket[bytes]]"
AT_ONCE = 8  # Requests to the inlet that are under way.
RIGHT = (HEADER.pack(1, 1, 1), b'{"type":"Begun"}', b'{"type":"Settled","transaction":"%b"}' % (b"7" * 64), b"")
TOPICS = [b"\x01Trained", b"\x00Trained", b"\x01@keeper", b"\x01" + b"x" * 400, b"\x02", b"", b"\x00"]


def inside(on: Stage, rng: random.Random, count: int) -> Iterator[Row]:
    """So many frames, and no fewer, to each of the sockets of node 0."""
    context: Context = zmq.Context()
    try:
        before = {actor: _refused(on, actor) for actor in ACTORS}
        letters = {actor: _letters(context, on, rng, count, actor) for actor in ACTORS}
        on.until(lambda: all(_refused(on, actor) - before[actor] >= letters[actor] for actor in ACTORS), "refusal of all letters")
        for actor, sent in letters.items():
            found = _refused(on, actor) - before[actor]
            more = actor == "gossiper" and found > sent  # What strangers sent before may be written down only now.
            yield Row(f"mailbox of the {actor}: messages refused", f"{found:,} of {sent:,}", "all", found == sent or more)
        before = {actor: _refused(on, actor) for actor in ACTORS}
        for actor in ACTORS:
            for what in ("news", "tail"):
                _subscriptions(context, on, rng, count, actor, what)
        on.until(lambda: all(_refused(on, actor) > before[actor] for actor in ACTORS), "refusal of what is no subscription")
        for actor in ACTORS:
            yield Row(f"events, tap of the {actor}: no subscriptions, refused", f"{_refused(on, actor) - before[actor]:,}", "some", True)
        yield _inlet(context, on, rng, count)
    finally:
        context.destroy(linger=0)


def _client(context: Context, kind: int, place: str) -> "zmq.Socket[bytes]":
    socket: zmq.Socket[bytes] = context.socket(kind)
    socket.setsockopt(zmq.SNDHWM, 0)  # With a mark, subscriptions beyond it would be dropped here.
    socket.setsockopt(zmq.LINGER, 60_000)
    socket.setsockopt(zmq.SNDTIMEO, 60_000)
    socket.setsockopt(zmq.RCVTIMEO, 60_000)
    socket.connect(place)
    return socket


def _frames(rng: random.Random, right: Sequence[bytes]) -> list[bytes]:
    return [mutated(rng.choice(right), rng) for _ in range(rng.choice((1, 1, 2, 2, 3, 5)))]


def _refused(on: Stage, actor: str) -> int:
    found = on.events("refused")
    return sum(event["count"] for event in found if event["node"] == "0" and event["actor"] == actor and event["what"] == "bytes")


def _letters(context: Context, on: Stage, rng: random.Random, count: int, actor: str) -> int:
    """To a mailbox, by nobody who writes there; how many."""
    sent, frames, socket = 0, 0, _client(context, zmq.DEALER, ipc(on.sockets, "0", actor, "mail"))
    while frames < count:
        message = _frames(rng, RIGHT)
        socket.send_multipart(message)
        sent, frames = sent + 1, frames + len(message)
    return sent


def _subscriptions(context: Context, on: Stage, rng: random.Random, count: int, actor: str, what: str) -> None:
    """To a publisher. Of several frames ZeroMQ takes some as subscriptions and joins others, so nobody can say how many must be refused."""
    frames, socket = 0, _client(context, zmq.XSUB, ipc(on.sockets, "0", actor, what))
    while frames < count:
        message = [rng.choice(TOPICS) for _ in range(rng.choice((1, 1, 2, 3)))]
        socket.send_multipart(message)
        frames += len(message)


def _inlet(context: Context, on: Stage, rng: random.Random, count: int) -> Row:
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
