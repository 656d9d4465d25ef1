"""Whether a node may begin with its directory."""

import pytest

from dfl_actors.core.control import Holdings
from dfl_actors.errors import ChainError
from dfl_actors.runtime.adoption import check_adoption

HELD = Holdings(sequence=34, height=6)
REST = "of this key that this directory lacks: node b goes on behind them"


@pytest.mark.parametrize(
    ("held", "sent", "drafted", "adopt", "said"),
    [
        (Holdings(), 0, 0, False, ""),
        (HELD, 35, 7, False, ""),
        (HELD, 40, 9, False, ""),
        (
            HELD,
            0,
            0,
            True,
            "neighbours hold 35 transactions and 7 blocks of this key that this directory lacks: node b goes on behind them",
        ),
        (HELD, 34, 7, True, "neighbours hold 1 transaction of this key that this directory lacks: node b goes on behind them"),
        (HELD, 0, 0, False, "error: go on behind them with --adopt"),
        (HELD, 20, 5, True, "error: 15 transactions and 2 blocks of this key that this directory lacks, and it holds an older chain"),
    ],
)
def test_what_the_directory_lacks_is_told_and_asks_for_a_decision(held: Holdings, sent: int, drafted: int, adopt: bool, said: str) -> None:
    if said.startswith("error: "):
        with pytest.raises(ChainError, match=said.removeprefix("error: ")):
            check_adoption("b", held, sent, drafted, adopt)
    else:
        assert check_adoption("b", held, sent, drafted, adopt) == said
