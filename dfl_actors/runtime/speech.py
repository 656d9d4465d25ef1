"""What an actor says, inside its node and between nodes, and what watchers hear of it."""

from collections import Counter

import zmq

from dfl_actors.core.effects import Announce, Answer, Effect, Publish, Send, Serve, Tell
from dfl_actors.core.gossip import chunk_of
from dfl_actors.core.messages import Chunk
from dfl_actors.runtime.mail import Mail
from dfl_actors.runtime.net import Net
from dfl_actors.runtime.stores import ModelStore
from dfl_actors.runtime.tap import Tap


class Speech:
    """The ways out of one process. Only a gossiper has a `net`."""

    def __init__(self, mail: Mail, net: Net | None, models: ModelStore, tap: Tap) -> None:
        self._mail, self._net, self._models, self._tap = mail, net, models, tap
        self._last_chunk: tuple[str, int, zmq.Frame] | None = None

    def say(self, effect: Effect) -> None:
        """Send it, and tell watchers how many bytes went: none when it was dropped."""
        match effect:
            case Tell(message):
                size = self._mail.tell(message)
            case Publish(message):
                size = self._mail.publish(message)
            case Serve():
                self._serve(effect)
                return
            case _:
                size = self._between_nodes(effect)
        if self._tap.watched:
            self._tap.said(effect, size)

    def _between_nodes(self, effect: Effect) -> int:
        assert self._net is not None, "only a gossiper speaks to other nodes"
        match effect:
            case Announce(epoch, number, news):
                return self._net.announce(epoch, number, news)
            case Send(neighbour, message):
                return self._net.send(neighbour, message)
            case Answer(peer, message):
                return self._net.answer(peer, message, None)
        raise AssertionError(f"nobody performs {type(effect).__name__}")

    def _serve(self, effect: Serve) -> None:
        """Several messages, each told to watchers by itself."""
        assert self._net is not None
        for index in range(effect.first, effect.last):
            body = self._chunk(effect.model, index)
            if body is None:
                return
            chunk = Chunk(model=effect.model, index=index)
            size = self._net.answer(effect.peer, chunk, body)
            if self._tap.watched:
                self._tap.said(Answer(effect.peer, chunk), size)

    def _chunk(self, model: str, index: int) -> zmq.Frame | None:
        """A chunk's bytes as a message. All neighbours ask for a new model within moments, so the last one made serves them all."""
        if self._last_chunk is None or self._last_chunk[:2] != (model, index):
            with self._models.view(model) as data:
                if data is None:
                    return None
                # A copy, for the view ends here and the message does not.
                self._last_chunk = (model, index, zmq.Frame(chunk_of(data, index), copy=True))
        return self._last_chunk[2]

    def dropped(self) -> Counter[str]:
        """Messages, by type, that could not leave since the last call."""
        return self._mail.dropped() + (self._net.dropped() if self._net is not None else Counter())
