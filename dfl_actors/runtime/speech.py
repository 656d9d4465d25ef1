"""What an actor says, inside its node and between nodes, and what watchers hear of it."""

from collections import Counter

import zmq

from dfl_actors.core.effects import Announce, Answer, Effect, Publish, Send, Serve, Tell
from dfl_actors.core.family import Message
from dfl_actors.core.gossip import chunk_of
from dfl_actors.core.messages import Chunk
from dfl_actors.runtime.mail import Mail
from dfl_actors.runtime.net import Net
from dfl_actors.runtime.stores import ModelStore
from dfl_actors.runtime.tap import Tap


class Speech:
    """The ways out of one process. Only a gossiper has a `net`. `dropped` counts messages, by type, that could not leave."""

    def __init__(self, mail: Mail, net: Net | None, models: ModelStore, tap: Tap) -> None:
        self._mail, self._net, self._models, self._tap = mail, net, models, tap
        self.dropped: Counter[str] = Counter()
        self._last_chunk: tuple[str, int, zmq.Frame] | None = None

    def say(self, effect: Effect) -> None:
        """Send it. What cannot leave is dropped and counted."""
        match effect:
            case Tell(message):
                size = self._mail.tell(message)
            case Publish(message):
                size = self._mail.publish(message)
            case Announce(epoch, number, message):
                size = self._between_nodes.announce(epoch, number, message)
            case Send(neighbour, message):
                size = self._between_nodes.send(neighbour, message)
            case Answer(peer, message):
                size = self._between_nodes.answer(peer, message, None)
            case Serve():
                self._serve(effect)
                return
            case _:
                raise AssertionError(f"nobody performs {type(effect).__name__}")
        self._said(effect, message, size)

    @property
    def _between_nodes(self) -> Net:
        assert self._net is not None, "only a gossiper speaks to other nodes"
        return self._net

    def _serve(self, effect: Serve) -> None:
        """Several messages, each shown to watchers by itself."""
        for index in range(effect.first, effect.last):
            body = self._chunk(effect.model, index)
            if body is None:
                return
            chunk = Chunk(model=effect.model, index=index)
            self._said(Answer(effect.peer, chunk), chunk, self._between_nodes.answer(effect.peer, chunk, body))

    def _said(self, effect: Effect, message: Message, size: int) -> None:
        """Of so many bytes, or of none when it was dropped."""
        if not size:
            self.dropped[type(message).__name__] += 1
        if self._tap.watched:
            self._tap.said(effect, size)

    def _chunk(self, model: str, index: int) -> zmq.Frame | None:
        """A chunk's bytes as a message. All neighbours ask for a new model within moments, so the last one made serves them all."""
        if self._last_chunk is None or self._last_chunk[:2] != (model, index):
            with self._models.view(model) as data:
                if data is None:
                    return None
                # A copy, for the view ends here and the message does not.
                self._last_chunk = (model, index, zmq.Frame(chunk_of(data, index), copy=True))
        return self._last_chunk[2]
