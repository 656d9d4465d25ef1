"""A gossiper on a bench, its links, and what it said."""

from typing import Any

from dfl_actors.actors.gossiper import Gossiper
from dfl_actors.actors.linking import GossiperSettings
from dfl_actors.core import events
from dfl_actors.core.codec import model_digest
from dfl_actors.core.effects import Announce, Answer, Effect, Send, Serve
from dfl_actors.core.family import Message
from dfl_actors.core.link import proof, welcome
from dfl_actors.core.messages import Admitted, Beat, Hello, TransactionNews, Welcome
from dfl_actors.core.objects import Transaction
from dfl_actors.core.words import Asked, Heard, Opened, Replied
from tests.actors import bench
from tests.actors.bench import GENESIS, KEYS, NOW, Bench, notes

DATA = bytes(32)
MODEL = model_digest(DATA)
PEER = b"g-peer"


NONCE = "7" * 64
"""Of whoever listens."""


def greeting(name: str) -> Hello:
    key = KEYS[name]
    return Hello(genesis=GENESIS, address=key.address, public_key=key.public, nonce=NONCE)


def opened(**fields: Any) -> Bench:
    """A gossiper with the neighbours g and h, of which nothing has come yet."""
    made = Bench(
        lambda one: Gossiper(bench.settings(GossiperSettings, **fields), KEYS["me"], one.models, one.journal, 1, lambda: NONCE, bench.at())
    )
    made.give(Opened())
    return made


def admit(made: Bench, name: str, peer: bytes) -> None:
    """The neighbour proves itself to us."""
    me = KEYS["me"]
    made.give(Asked(peer=peer, request=greeting(name)))
    ours = Welcome(address=me.address, public_key=me.public, nonce=NONCE, signature="0" * 128)
    made.give(Asked(peer=peer, request=proof(ours, KEYS[name], GENESIS)))


def join(made: Bench, name: str) -> None:
    """We prove ourselves to the neighbour."""
    made.give(reply(name, welcome(greeting("me"), KEYS[name], GENESIS, NONCE)), reply(name, Admitted()))


def built(**fields: Any) -> Bench:
    """The same where g has proved itself as `PEER`, and both have been heard."""
    made = opened(**fields)
    admit(made, "g", PEER)
    made.numbers = {"g": 0, "h": 0}  # type: ignore[attr-defined]
    for name in "gh":
        made.give(Heard(neighbour=KEYS[name].address, epoch=1, number=0, news=Beat()))
    made.said.clear()
    return made


def hear(made: Bench, name: str, news: Any, now: int = NOW) -> list[Effect]:
    made.numbers[name] += 1  # type: ignore[attr-defined]
    return made.give(Heard(neighbour=KEYS[name].address, epoch=1, number=made.numbers[name], news=news), now=now)  # type: ignore[attr-defined]


def reply(name: str, message: Message, body: bytes = b"") -> Replied:
    return Replied(neighbour=KEYS[name].address, reply=message, body=body)  # type: ignore[arg-type]


def announced(effects: list[Effect]) -> list[Any]:
    return [effect.news for effect in effects if isinstance(effect, Announce)]


def sent(effects: list[Effect]) -> list[tuple[str, Any]]:
    names = {key.address: name for name, key in KEYS.items()}
    return [(names[effect.neighbour], effect.message) for effect in effects if isinstance(effect, Send)]


def answers(effects: list[Effect]) -> list[Any]:
    return [effect.message for effect in effects if isinstance(effect, Answer)]


def served(effects: list[Effect]) -> list[tuple[str, int, int]]:
    """Model, first and last of the chunks that are served."""
    return [(effect.model, effect.first, effect.last) for effect in effects if isinstance(effect, Serve)]


def news(of: Transaction, *receipts: Any) -> TransactionNews:
    return TransactionNews(transaction=of, receipts=receipts)


def codes(effects: list[Effect]) -> list[str]:
    return [note.code for note in notes(effects, events.Refused)]
