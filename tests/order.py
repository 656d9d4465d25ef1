"""In which order several workers run the tests: each begins with dear ones, so that at the end only cheap ones are left to share.

xdist cuts the list into equal parts, one for each worker, and whoever has nothing more takes half of what lies last with another. In the
order of their names the dear tests would come last of all, and the others wait for whoever has them.
"""

from collections import defaultdict
from pathlib import Path

import pytest

DEAR = {
    "scenarios/test_over_processes.py": 100,
    "network/test_crashes.py": 45,
    "sim/test_run.py": 45,
    "network/test_stop.py": 40,
    "scenarios/test_over_simnet.py": 40,
    "network/test_chain.py": 32,
    "report/page/test_page.py": 32,
    "network/test_nodes.py": 30,
    "network/test_run.py": 30,
    "examples/test_examples.py": 28,
    "sim/test_simulation.py": 25,
    "learning/test_export.py": 22,
    "network/test_deploy.py": 20,
    "tools/test_schedules.py": 20,
    "tools/test_crash.py": 20,
    "api/test_sweep.py": 18,
    "learning/test_custom_models.py": 18,
    "api/test_script.py": 14,
    "cli/test_streams.py": 14,
    "learning/test_framework.py": 14,
    "learning/test_models.py": 14,
    "network/test_disk.py": 14,
    "network/test_variety.py": 13,
    "learning/test_optimizers.py": 13,
    "network/test_events.py": 10,
    "network/test_strangers.py": 10,
    "watch/test_page.py": 14,
    "network/test_tail.py": 10,
}
"""Files with CPU seconds of their tests, more or less."""

TESTS = Path(__file__).parent


def spread(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """The tests in parts for so many workers; those of a file stay together, for they may share what is dear."""
    dear: defaultdict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        dear[item.path.relative_to(TESTS).as_posix()].append(item)
    cheap = [item for file, its in dear.items() if file not in DEAR for item in its]
    heads: list[list[pytest.Item]] = [[] for _ in range(workers)]
    costs = [0] * workers
    for file in sorted(dear.keys() & DEAR.keys(), key=lambda file: (-DEAR[file], file)):
        least = costs.index(min(costs))
        heads[least] += dear[file]
        costs[least] += DEAR[file]
    parts: list[pytest.Item] = []
    for number, head in enumerate(heads):
        size = (len(items) - len(parts)) // (workers - number)
        more = max(0, size - len(head))
        parts += head + cheap[:more]
        del cheap[:more]
    return parts + cheap
