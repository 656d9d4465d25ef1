"""What an actor says: counted when it cannot leave."""

from collections import Counter
from pathlib import Path

import pytest
import zmq

from dfl_actors.core import letters
from dfl_actors.core.control import Endpoints
from dfl_actors.core.effects import Answer, Keep, Send, Serve, Tell
from dfl_actors.core.messages import Fetch, Gone, Pull
from dfl_actors.runtime.clock import Clock
from dfl_actors.runtime.mail import Mail
from dfl_actors.runtime.net import Net
from dfl_actors.runtime.speech import Speech
from dfl_actors.runtime.stores import ModelStore
from dfl_actors.runtime.tap import Tap

MODEL = "ab" * 32


def test_what_cannot_leave_is_counted_by_its_type(
    context: "zmq.Context[zmq.Socket[bytes]]", place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letters, "MOST_LETTERS", 3)
    net = Net(context, Endpoints(news="tcp://127.0.0.1:*", requests="tcp://127.0.0.1:*"), None)
    tap = Tap(context, place, "a", "trainer", 1, {}, lambda peer: "", Clock())
    with ModelStore(place / "models", 4) as models:
        speech = Speech(Mail(context, place, "a", "trainer", 1), net, models, tap)
        models.put(MODEL, b"model")
        for number in range(5):
            speech.say(Tell(Pull(samples=number)))
        assert speech.dropped == Counter(Pull=2)
        speech.say(Send("cd" * 32, Fetch(model=MODEL, first=0, count=1)))
        speech.say(Answer(b"nobody", Gone(model=MODEL)))
        speech.say(Serve(b"nobody", MODEL, 0, 1))
        speech.say(Serve(b"nobody", "cd" * 32, 0, 1))  # of which there is no chunk
        assert speech.dropped == Counter(Pull=2, Fetch=1, Gone=1, Chunk=1)
        with pytest.raises(AssertionError, match="nobody performs Keep"):
            speech.say(Keep(MODEL, b"model"))
    net.close()
