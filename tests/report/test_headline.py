"""The headline that every screen shows, as a table of rows."""

import msgspec
import pytest

from dfl_actors.report.headline import Stood, headline, headline_text

BEN, AMY, DAN = Stood("ben", 0.91, age=6), Stood("amy", 0.94, age=1.2), Stood("dan", 0.99, attacks=True, age=2)
EVE, NEW = Stood("eve", 0.1, attacks=True, age=9), Stood("new", None)


@pytest.mark.parametrize(
    ("nodes", "text"),
    [
        ([BEN, AMY], "honest nodes: mean 0.925, worst 0.910 (ben), spread 0.030; 2 of 2 measured, at most 6 s ago"),
        ([BEN, AMY, DAN], "honest nodes: mean 0.925, worst 0.910 (ben), spread 0.030; 1 attacker apart; 3 of 3 measured, at most 6 s ago"),
        ([AMY, DAN, EVE], "honest node amy: 0.940; 2 attackers apart; 3 of 3 measured, at most 9 s ago"),
        ([BEN, AMY, NEW], "honest nodes: mean 0.925, worst 0.910 (ben), spread 0.030; 1 of 3 not measured yet, the others at most 6 s ago"),
        ([NEW, DAN], "honest node: not measured yet; 1 attacker apart; 1 of 2 not measured yet, the others at most 2 s ago"),
        ([NEW, Stood("old", None)], "honest nodes: not measured yet; none of 2 measured"),
        ([DAN, EVE], "attackers alone: mean 0.545, worst 0.100 (eve), spread 0.890; 2 of 2 measured, at most 9 s ago"),
        ([DAN], "attacker dan: 0.990; 1 of 1 measured, at most 2 s ago"),
        ([Stood("ben", 0.5)], "honest node ben: 0.500; 1 of 1 measured"),
        ([Stood("ben", 0.0, age=0)], "honest node ben: 0.000; 1 of 1 measured, at most 0 s ago"),
    ],
)
def test_what_a_network_is_said_to_stand_at(nodes: list[Stood], text: str) -> None:
    assert headline_text(headline(nodes)) == text


def test_of_what_is_over_ages_are_from_its_end_in_its_own_unit() -> None:
    assert headline_text(headline([BEN]), "tick", "before the end").endswith("1 of 1 measured, at most 6 ticks before the end")
    assert headline_text(headline([NEW]), "s", "before the end") == "honest node: not measured; none of 1 measured"
    of_one = headline([msgspec.structs.replace(BEN, age=1.2)])
    assert headline_text(of_one, "tick", "before the end").endswith("at most 1 tick before the end")
