"""`[[event]]`, `[churn]` and its trace: what is taken, when it happens, and what is refused with file, line and key."""

from itertools import islice, pairwise
from pathlib import Path

import pytest

from dfl_actors.config import Config, parse_topology, scaled
from dfl_actors.config.events import after, seconds, tick, timetable, told
from dfl_actors.errors import ConfigError

HEAD = '[network]\nnodes = 4\nlinks = ["0--1", "1--2", "2--3"]\n[node.3]\nrole = "observer"\n[node.2]\nattack = "copy"\n'
LINE = HEAD.count("\n") + 1


def parse(text: str, folder: Path | None = None) -> Config:
    return parse_topology(HEAD + text, where="net.toml", name="net", folder=folder)


def event(do: str, rest: str, when: str = "tick = 3") -> str:
    return f'[[event]]\n{when}\ndo = "{do}"\n{rest}\n'


def test_events_happen_in_the_order_of_time_and_come_back_from_the_resolved_file() -> None:
    text = event("join", 'node = "0"', "at_s = 9.5") + event("leave", 'node = "0"') + event("unlink", 'link = "1--0"', "tick = 9")
    config = parse(text + "[sim]\ntick_s = 0.5\n")
    happen = [(seconds(each, 0.5), tick(each, 0.5), each.do) for each in timetable(config)]
    assert happen == [(1.5, 3, "leave"), (4.5, 9, "unlink"), (9.5, 19, "join")]
    assert parse_topology(config.resolved(), where="", name="net") == config
    assert "event" not in parse("").resolved()


def test_what_a_node_drifts_to_comes_back_from_the_resolved_file_and_is_told_by_its_labels() -> None:
    config = parse(
        event("drift", 'node = "0"\nlabel_weights = { "cat" = 1, "dog" = 0, "8" = [2, 3] }')
        + event("drift", 'node = "1"\nlabel_weights = [0, 1]')
    )
    assert parse_topology(config.resolved(), where="", name="net") == config
    assert [told(each) for each in config.events] == ["node 0 draws label cat, 8 from now on", "node 1 draws label 1 from now on"]
    drifted = after(config, config.nodes[0], config.events[0])
    assert drifted.label_weights == {"cat": (1.0, 1.0), "dog": (0.0, 0.0), "8": (2.0, 3.0)}


def test_a_run_at_speed_has_its_events_as_much_earlier() -> None:
    text = event("leave", 'node = "0"', "tick = 10") + event("join", 'node = "0"', "at_s = 60")
    config = scaled(parse(text + "[sim]\ntick_s = 2\n[run]\nspeed = 4\n[churn]\nup_s = 100\n"))
    assert [each.at_s for each in config.events] == [5.0, 15.0]
    assert (config.churn.up_s, config.churn.down_s) == (25.0, 15.0)


def test_churn_is_drawn_from_the_seed_for_each_node_by_itself_and_leaves_alone_who_has_events() -> None:
    churn = "[churn]\nup_s = 50\ndown_s = 10\n"
    config = parse(event("leave", 'node = "0"', "at_s = 0") + churn)
    drawn = list(islice(timetable(config), 4000))
    assert drawn == list(islice(timetable(config), 4000))
    assert [each.do for each in drawn if each.node == "0"] == ["leave"], "its event alone"
    own = [each for each in drawn if each.node == "1"]
    assert [each.do for each in own[:4]] == ["leave", "join"] * 2
    away = [second.at_s or 0.0 for second in own[1::2]], [first.at_s or 0.0 for first in own[::2]]
    means = sum(map(float.__sub__, *away)) / len(own[1::2]), (own[-1].at_s or 0.0) / len(own) * 2
    assert 9 < means[0] < 11 and 55 < means[1] < 65
    assert all((one.at_s or 0.0) <= (other.at_s or 0.0) for one, other in pairwise(drawn))
    fewer = parse_topology(HEAD.replace("nodes = 4", "nodes = 5") + churn, where="", name="net", options=("network.links=line",))
    assert [each for each in islice(timetable(fewer), 4000) if each.node == "1"][:50] == own[:50]


TRACE = """time,node,up|down,speed
# a remark
60,1,up,0.5
0,0,down
10, 1, down, 1
70,1,up
80,1,up,2
"""


def test_a_trace_becomes_events_that_the_resolved_file_keeps(tmp_path: Path) -> None:
    (tmp_path / "trace.csv").write_text(TRACE)
    config = parse('[churn]\ntrace = "trace.csv"\n', tmp_path)
    found = [(each.at_s, each.do, each.node, each.factor) for each in timetable(config)]
    assert found == [
        (0.0, "leave", "0", None),
        (10.0, "leave", "1", None),
        (60.0, "slow", "1", 0.5),
        (60.0, "join", "1", None),
        (80.0, "slow", "1", 2.0),
    ]
    (tmp_path / "trace.csv").unlink()
    assert parse_topology(config.resolved(), where="", name="net") == config


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("1,0", "2 columns; a row has time,node,up|down and perhaps speed"),
        ("1,9,up", 'no node "9"; known here: 0, 1, 2, 3'),
        ("1,0,gone", '"gone" is no state; write up or down'),
        ("soon,0,up", '"soon" is no time; give a number from 0 to 1e+09'),
        ("-1,0,up", '"-1" is no time'),
        ("1,0,up,0", '"0" is no speed; give a number from 0.001 to 1000'),
        ('1,0,"' + "a" * 140_000, "field larger than field limit"),
    ],
)
def test_a_row_that_is_wrong_is_named(tmp_path: Path, row: str, problem: str) -> None:
    (tmp_path / "trace.csv").write_text(f"time,node,state\n{row}\n")
    refused('[churn]\ntrace = "trace.csv"\n', f"{LINE + 1}: churn.trace: {tmp_path / 'trace.csv'}:2: {problem}", tmp_path)


def refused(text: str, problem: str, folder: Path | None = None) -> None:
    with pytest.raises(ConfigError) as raised:
        parse(text, folder)
    assert str(raised.value).startswith(f"net.toml:{problem}") and "\n" not in str(raised.value)


LEFT = event("leave", 'node = "0"', "tick = 1")  # four lines
CUT = event("unlink", 'link = "0--1"', "tick = 1")


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ('[[event]]\ntick = 3\nnode = "0"\n', 0, 'event.1.do: missing; say what happens, such as do = "leave"'),
        (event("lave", 'node = "0"'), 2, 'event.1.do: "lave" does not fit; give one of "attack", "drift", "honest", "join"'),
        (event("leave", 'node = "0"', "tick = 3\nat_s = 4"), 1, "event.1.tick: an event has one time, give tick or at_s, not both"),
        (event("leave", 'node = "0"', ""), 0, "event.1.tick: missing, as is at_s; give one of them"),
        (event("leave", 'node = "0"', "tick = -1"), 1, "event.1.tick: -1 does not fit; give a whole number from 0 to 10000000"),
        (event("leave", 'link = "0--1"'), 3, 'event.1.link: has no meaning with do = "leave"; name a node'),
        (event("unlink", 'node = "0"'), 3, 'event.1.node: has no meaning with do = "unlink"; name a link'),
        (event("leave", ""), 0, 'event.1.node: missing; do = "leave" needs the node that it happens to'),
        (event("leave", 'node = "7"'), 3, 'event.1.node: no node "7"; known here: 0, 1, 2, 3'),
        (event("unlink", 'link = "0--2"'), 3, 'event.1.link: no link "0--2"; did you mean'),
        (event("slow", 'node = "0"'), 0, "event.1.factor: missing; give what the node's speed is to be multiplied by, such as 0.5"),
        (event("leave", 'node = "0"\nfactor = 2'), 4, 'event.1.factor: has no meaning with do = "leave"; remove it'),
        (event("honest", 'node = "2"\nattack = "copy"'), 4, 'event.1.attack: has no meaning with do = "honest"; remove it'),
        (event("attack", 'node = "0"'), 0, 'event.1.attack: missing, and node "0" has none of its own; name one'),
        (event("attack", 'node = "2"\nattack_parameters = { by = 3 }'), 4, "event.1.attack_parameters: there is no attack that takes"),
        (event("attack", 'node = "3"\nattack = "copy"'), 3, 'event.1.node: node "3" is an observer and offers nothing to attack with'),
        (event("honest", 'node = "0"'), 2, 'event.1.do: node "0" is honest then; let it attack before, or remove this'),
        (event("join", 'node = "0"'), 2, 'event.1.do: node "0" has not left; let it leave before'),
        (event("leave", 'node = "0"') + LEFT, 2, 'event.1.do: node "0" has left already; let it join before, or remove this'),
        (LEFT + event("join", 'node = "0"', "tick = 0"), 6, 'event.2.do: node "0" has not left'),
        (CUT + event("unlink", 'link = "1--0"'), 6, 'event.2.do: link "1--0" is down already; link it before, or remove this'),
        (event("link", 'link = "0--1"'), 2, 'event.1.do: link "0--1" is not down; unlink it before, or remove this'),
        (event("drift", 'node = "0"'), 0, "event.1.label_weights: missing; give the labels that the node draws from then on"),
        (event("leave", 'node = "0"\nlabel_weights = [1]'), 4, 'event.1.label_weights: has no meaning with do = "leave"; remove it'),
        (event("drift", 'node = "0"\nlabel_weights = []'), 4, "event.1.label_weights: no label has a weight above 0;"),
        (
            event("drift", 'node = "0"\nlabel_weights = [1]') + "[data]\ntask = 'regression'\n",
            2,
            'event.1.do: data.task = "regression" has no',
        ),
        (event("drift", 'node = "0"\nlabel_weights = [0, 0]'), 4, "event.1.label_weights: no label has a weight above 0;"),
        (
            event("drift", 'node = "0"\nlabel_weights = { "1" = [3, 2] }'),
            4,
            "event.1.label_weights: the range [3, 2] of label 1 ends below",
        ),
        ("[churn]\nup_s = -1\n", 1, "churn.up_s: -1 does not fit; give a number from 0 to"),
    ],
)
def test_an_event_that_cannot_happen_is_refused_with_its_line(text: str, line: int, problem: str) -> None:
    refused(text, f"{LINE + line}: {problem}")


def test_events_are_tables_of_a_list() -> None:
    with pytest.raises(ConfigError, match=r"net\.toml:1: event: is no list of tables; write each event as a table of its own"):
        parse_topology('event = "now"\n' + HEAD, where="net.toml", name="net")


def test_a_trace_and_events_or_rates_do_not_speak_of_the_same(tmp_path: Path) -> None:
    (tmp_path / "trace.csv").write_text("5,0,down\n")
    trace = '[churn]\ntrace = "trace.csv"\n'
    refused(LEFT + trace, f'{LINE + 3}: event.1.node: churn.trace says already what node "0" does', tmp_path)
    refused(trace + "up_s = 4\n", f"{LINE + 2}: churn.up_s: a trace says already who leaves when; remove trace, or this", tmp_path)
    refused('[churn]\ntrace = "none.csv"\n', f"{LINE + 1}: churn.trace: {tmp_path / 'none.csv'} cannot be read", tmp_path)
