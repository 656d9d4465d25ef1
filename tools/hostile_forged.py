"""Forged receipts and confirmations by the thousand, at actors and in chains that both verifiers read: those of `tests/actors/forgeries.py`
and `forged_chains.py`."""

import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import verify_chain
from hostile_attacks import Row

from dfl_actors.core.codec import encode
from dfl_actors.core.objects import Genesis

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tests.actors.forged_chains import chaining, ours  # noqa: E402
from tests.actors.forgeries import COURTS, Trial  # noqa: E402


def theirs(began: Genesis, blocks: list[bytes]) -> str | None:
    """As `tools/verify_chain.py` says."""
    try:
        verify_chain.verify(b'{"node":"a","genesis":%b,"blocks":[%b]}' % (encode(began), b",".join(blocks)), {})
    except verify_chain.Broken as error:
        return error.code
    return None


def forged(rng: random.Random, count: int) -> Iterator[Row]:
    """So many in all, the same number at each of who hears them."""
    courts: tuple[Callable[[random.Random], Iterator[Trial]], ...] = (*COURTS, partial(chaining, verifiers=(ours, theirs)))
    for court in courts:
        tried, accepted = Counter[str](), Counter[str]()
        for trial in islice(court(rng), -(-count // len(courts))):
            tried[f"{trial.at}: {trial.what}"] += 1
            accepted[f"{trial.at}: {trial.what}"] += trial.accepted
        for at in sorted({what.partition(":")[0] for what in tried}):
            ways = [what for what in tried if what.startswith(f"{at}:")]
            bad = [what for what in ways if accepted[what]]
            figure = f"{sum(map(accepted.__getitem__, ways))} of {sum(map(tried.__getitem__, ways)):,}, {len(ways)} ways"
            yield Row(f"{at}, accepted" + "".join(f"; {what}" for what in bad), figure, "0", not bad)
