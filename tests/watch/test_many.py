"""Many readers at once, and readers that are slow: others do not wait for them, and each has little in the server's memory."""

import socket
from collections.abc import Collection
from contextlib import ExitStack, closing
from pathlib import Path

import msgspec

from dfl_actors.watch.app import MOST_ANSWERS, Answers
from dfl_actors.watch.guard import PIECE, pieces
from dfl_actors.watch.views import Place, Update
from tests.report.made_run import lively
from tests.watch.serving import Served, served

MANY = 20
PLACE = Place(events="/events", update="/update")


def asking(server: Served, path: str, room: int = 4096) -> socket.socket:
    """A connection that has asked, has room for so many bytes, and reads nothing yet."""
    made = socket.create_connection(("127.0.0.1", server.port))
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    made.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    return made


def test_nobody_waits_for_those_who_do_not_read(tmp_path: Path) -> None:
    with served(lively(tmp_path / "net", ["a", "b", "c"])) as server, ExitStack() as open_:
        whole = server.get("/assets/plotly.js").body
        for path in ("/assets/plotly.js", "/events", "/update?near=accuracy"):
            for _ in range(MANY):
                open_.enter_context(closing(asking(server, path)))
        last = open_.enter_context(closing(asking(server, "/assets/plotly.js", room=1 << 16)))
        assert server.get("/").status == server.get("/update?near=accuracy").status == server.get("/metrics").status == 200
        # Who begins to read at last is given all of it.
        found = b""
        while len(found) < len(whole):
            found += last.recv(1 << 16)
        assert found.endswith(whole[-1000:])


class Counted:
    """A view that counts how often it is asked."""

    def __init__(self) -> None:
        self.version, self.asked, self.pages, self.settled = 1, list[frozenset[str]](), 0, True

    def advance(self) -> None: ...

    def page(self, place: Place) -> str:
        self.pages += 1
        return f"page {self.pages}"

    def update(self, near: Collection[str], place: Place) -> Update:
        self.asked.append(frozenset(near))
        return Update(version=self.version, goes_on=True, head=" ".join(sorted(near)))


def test_pages_that_show_the_same_are_answered_once() -> None:
    view = Counted()
    answers = Answers(view, PLACE)
    top, end = frozenset({"accuracy", "nodes"}), frozenset({"transactions"})
    first = [answers.update(top) for _ in range(MANY)]
    assert len({id(one) for one in first}) == 1 and view.asked == [top]
    assert msgspec.json.decode(answers.update(end))["head"] == "transactions" and len(view.asked) == 2
    assert {answers.page() for _ in range(MANY)} == {b"page 1"}
    view.version = 2
    assert answers.page() == b"page 2"
    assert msgspec.json.decode(answers.update(top))["version"] == 2


def test_only_a_few_answers_are_kept() -> None:
    view = Counted()
    answers = Answers(view, PLACE)
    for number in range(10 * MOST_ANSWERS):
        answers.update(frozenset({str(number)}))
    answers.update(frozenset({str(10 * MOST_ANSWERS - 1)}))
    assert len(view.asked) == 10 * MOST_ANSWERS
    answers.update(frozenset({"0"}))
    assert len(view.asked) == 10 * MOST_ANSWERS + 1


def test_what_is_long_is_sent_in_pieces() -> None:
    for length in (0, 1, PIECE, PIECE + 1, 3 * PIECE, 3 * PIECE + 7):
        body = bytes(number % 251 for number in range(length))
        for more in (True, False):
            sent = list(pieces({"type": "http.response.body", "body": body, "more_body": more}))
            assert b"".join(one["body"] for one in sent) == body and all(len(one["body"]) <= PIECE for one in sent)
            assert [one["more_body"] for one in sent] == [True] * (len(sent) - 1) + [more]
    start = {"type": "http.response.start", "status": 200, "headers": []}
    assert list(pieces(start)) == [start]
