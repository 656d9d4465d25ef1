"""Nothing that is forged, moved, doubled or late counts, whoever hears it. `tools/hostile.py --only forged` tries ten thousand."""

import random

import hostile_forged


def test_of_forged_receipts_and_confirmations_none_is_accepted() -> None:
    rows = list(hostile_forged.forged(random.Random(5), 500))
    assert len(rows) == 6
    for row in rows:
        assert row.met, row
