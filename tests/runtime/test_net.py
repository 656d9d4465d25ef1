"""The sockets between nodes: what cannot leave is counted, never lost in silence."""

from collections import Counter

import zmq

from dfl_actors.core.messages import Fetch, Gone
from dfl_actors.runtime.net import Endpoints, Net

LOOPBACK = Endpoints(news="tcp://127.0.0.1:*", requests="tcp://127.0.0.1:*")
FETCH, GONE = Fetch(model="ab" * 32, first=0, count=1), Gone(model="ab" * 32)


def test_requests_that_nobody_takes_and_replies_to_peers_that_are_gone_are_counted_once() -> None:
    with zmq.Context() as context:
        net = Net(context, LOOPBACK, None)
        try:
            net.connect({"ab" * 32: Endpoints(news="tcp://127.0.0.1:9", requests="tcp://127.0.0.1:9")})
            net.send("ab" * 32, FETCH)
            net.send("cd" * 32, FETCH)
            net.answer(b"nobody", GONE, None)
            assert net.dropped() == Counter({"Fetch": 2, "Gone": 1})
            assert net.dropped() == Counter()
        finally:
            net.close()
            context.destroy(linger=0)
