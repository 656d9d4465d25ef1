"""Which records are shown."""

import pytest

from dfl_actors.report.tail.expression import Expression
from dfl_actors.report.tail.filters import HIDDEN, Filter
from tests.report.tail.records import NETWORK, record

TO_TRAINER = record("letter", "Averaged", actor="keeper", to=("trainer",))
NEWS = record("news", "DraftNews", node="1", actor="gossiper", to=("*",))
REQUEST = record("request", "Fetch", node="1", actor="gossiper", to=("0",))
REFUSED = record("refused", "transaction", node="2", actor="validator")
ACKNOWLEDGED = record("acknowledgement", "Acknowledgement", node="2", actor="keeper", to=("trainer",))
MISSED = record("missed", "missed", node="2", actor="keeper")
ALL = {"to trainer": TO_TRAINER, "news": NEWS, "request": REQUEST, "refused": REFUSED, "acknowledged": ACKNOWLEDGED, "missed": MISSED}


@pytest.mark.parametrize(
    ("nodes", "actors", "types", "shown"),
    [
        ([], [], [], "to trainer, news, request, refused, missed"),
        (["0"], [], [], "news, request"),
        (["2"], [], [], "news, refused, missed"),
        (["0", "2"], [], [], "news, request, refused, missed"),
        ([], ["trainer"], [], "to trainer"),
        ([], ["val*", "keeper"], [], "to trainer, refused, missed"),
        (["2"], ["gossiper"], [], "news"),
        (["0"], ["trainer"], [], ""),
        ([], [], ["Draft*"], "news, missed"),
        ([], [], ["refused", "Fetch"], "request, refused, missed"),
        ([], [], ["*"], "to trainer, news, request, refused, acknowledged, missed"),
        ([], [], ["Ack*"], "acknowledged, missed"),
        (["[01]"], [], ["*News"], "news"),
        ([], [], ["draft*"], "missed"),
    ],
)
def test_filters_choose_by_sender_listener_and_type(nodes: list[str], actors: list[str], types: list[str], shown: str) -> None:
    wanted = Filter(NETWORK, nodes, actors, types)
    assert ", ".join(name for name, one in ALL.items() if wanted(one)) == shown


BEAT, INJECTED = record("news", "Beat", actor="gossiper", to=("*",)), record("event", "Injected", actor="injector", to=("trainer",))


@pytest.mark.parametrize(
    ("types", "expression", "everything", "shown"),
    [
        ([], "", False, ""),
        ([], "", True, "beat, injected, acknowledged"),
        (["Beat"], "", False, "beat"),
        (["news", "event"], "", False, "beat, injected"),
        ([], "node=*", False, ""),
        ([], "node=*", True, "beat, injected, acknowledged"),
        ([], "type=Beat or kind=acknowledgement", False, "beat, acknowledged"),
        ([], "not kind=letter and node=1", False, "beat, injected"),
    ],
)
def test_what_comes_by_the_thousand_is_shown_when_it_is_asked_for(types: list[str], expression: str, everything: bool, shown: str) -> None:
    wanted = Filter(NETWORK, [], [], types, Expression(expression) if expression else None, HIDDEN, everything)
    found = {"beat": BEAT, "injected": INJECTED, "acknowledged": ACKNOWLEDGED}
    assert ", ".join(name for name, one in found.items() if wanted(one)) == shown
