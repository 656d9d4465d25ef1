"""Perform many schedules of faults on the simulated network, each drawn from its seed, and shrink those that fail (`tests/simnet`).

    python tools/schedules.py [--seeds A..B] [--jobs N] [--out FILE] [--shrink SEED] [--replay SCHEDULE] [--hour SEED]

Results go to FILE in pieces, so that a night that was ended goes on where it was; pieces of other sources are done again. Exit code 1 when
a schedule fails, which is then printed shrunk, for `--replay` and for `tests/simnet/replays.jsonl`, or when, of at least NIGHT seeds, none
has reached one of the states that must be reached sometimes. `--shrink` shrinks one seed, `--replay` performs one printed schedule.
`--hour` is an hour of bad weather with a spammer: no honest node may be shut out, and the spammer after at most four bad messages.
"""

import argparse
import hashlib
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.simnet.hours import hour  # noqa: E402
from tests.simnet.schedules import drawn, read, written  # noqa: E402
from tests.simnet.shrinking import shrunk  # noqa: E402
from tests.simnet.sometimes import STATES  # noqa: E402
from tests.simnet.trials import Outcome, perform  # noqa: E402

PIECE = 50
NIGHT = 2_000
MOST_BAD = 4
MOST_SHRUNK = 5
"""Failures that are shrunk at the end of a night, one of each way."""


class Piece(msgspec.Struct, frozen=True):
    """What so many seeds came to: failures by seed, how often each state was reached, and how long (ms) each took to work again."""

    sources: str
    first: int
    count: int
    failures: dict[int, str]
    ways: dict[str, int]
    reached: dict[str, int]
    healed: list[int]


def sources() -> str:
    """A digest of everything that a schedule depends on."""
    folders = ("dfl_actors/core", "dfl_actors/actors", "tests/simnet", "tests/scenarios")
    files = sorted(path for folder in folders for path in (ROOT / folder).glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]


def piece(name: str, first: int, count: int) -> Piece:
    """Perform so many seeds from the first on."""
    outcomes = {seed: perform(drawn(seed)) for seed in range(first, first + count)}
    failures = {seed: outcome for seed, outcome in outcomes.items() if outcome.failure}
    reached = Counter(state for outcome in outcomes.values() for state in outcome.reached)
    ways = {outcome.way: seed for seed, outcome in reversed(failures.items())}
    said = {seed: outcome.failure for seed, outcome in failures.items()}
    return Piece(name, first, count, said, ways, dict(reached), [one.healed for one in outcomes.values() if not one.failure])


def known(file: Path | None, name: str) -> Iterator[Piece]:
    """The pieces of these sources that are in the file; a torn last line is done again."""
    for line in file.read_bytes().splitlines() if file is not None and file.exists() else ():
        try:
            found = msgspec.json.decode(line, type=Piece)
        except msgspec.DecodeError:
            continue
        if found.sources == name:
            yield found


def night(first: int, last: int, jobs: int, file: Path | None) -> list[Piece]:
    """All pieces of the seeds, those of the file and the rest, which is performed and added to it."""
    name = sources()
    wanted = {(begin, min(PIECE, last - begin + 1)) for begin in range(first, last + 1, PIECE)}
    done = {(one.first, one.count): one for one in known(file, name) if (one.first, one.count) in wanted}
    begun, seeds = time.monotonic(), sum(one.count for one in done.values())
    with ProcessPoolExecutor(jobs) as pool:
        for future in as_completed([pool.submit(piece, name, *place) for place in sorted(wanted - done.keys())]):
            one = future.result()
            done[one.first, one.count] = one
            seeds += one.count
            if file is not None:
                with file.open("ab") as out:
                    out.write(msgspec.json.encode(one) + b"\n")
            failures = "".join(f"\n  seed {seed}: {text}" for seed, text in one.failures.items())
            print(f"{seeds} of {last - first + 1} seeds, {time.monotonic() - begun:.0f} s{failures}", flush=True)
    return [done[place] for place in sorted(done)]


def told(pieces: list[Piece]) -> bool:
    """Print what a night came to; whether all is well."""
    seeds = sum(one.count for one in pieces)
    failures = {seed: text for one in pieces for seed, text in one.failures.items()}
    reached: Counter[str] = Counter()
    for one in pieces:
        reached.update(one.reached)
    never = [state for state in STATES if not reached[state]]
    healed = sorted(ms for one in pieces for ms in one.healed) or [0]
    kinds = Counter(text.partition(":")[0] for text in failures.values())
    print(f"{seeds} schedules: " + (", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "no") + " failures")
    print(f"working again after p50 {healed[len(healed) // 2]}, p95 {healed[len(healed) * 95 // 100]}, at most {healed[-1]} ms")
    print(f"{len(STATES) - len(never)} of {len(STATES)} states reached" + "".join(f"\n  never: {state}" for state in never))
    rarest = sorted((count, state) for state, count in reached.items() if state in STATES)[:5]
    print("rarest: " + ", ".join(f"{state} ({count})" for count, state in rarest))
    ways = {way: seed for one in reversed(pieces) for way, seed in one.ways.items()}
    for seed in sorted(ways.values())[:MOST_SHRUNK]:
        report(shrunk(drawn(seed)))
    return not failures and (not never or seeds < NIGHT)


def report(outcome: Outcome) -> int:
    """Print how one schedule ended, to be replayed."""
    faults = len(outcome.schedule.faults)
    said = outcome.failure or "all is well"
    print(f"\nseed {outcome.schedule.seed}, {outcome.schedule.world}, {faults} faults: {said} [{outcome.trace}]")
    print(f"  --replay '{written(outcome.schedule)}'", flush=True)
    return int(bool(outcome.failure))


def spammed(seed: int) -> int:
    """One virtual hour; whether it was as wanted."""
    seen = hour(seed)
    print(f"seed {seed}, {seen.blocks} blocks: {len(seen.honest)} honest nodes shut out", end=", ")
    print(f"the spammer {seen.times} times, after at most {seen.most:.1f} bad messages")
    return int(bool(seen.honest) or seen.most > MOST_BAD or not seen.times)


def seeds_of(text: str) -> tuple[int, int]:
    first, _, last = text.partition("..")
    return int(first), int(last or first)


def main(words: Iterable[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=seeds_of, default=(1, 2_000), metavar="A..B", help="[1..2000]")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes at once [%(default)s]")
    parser.add_argument("--out", type=Path, metavar="FILE", help="results; what is there already is not done again")
    parser.add_argument("--shrink", type=int, metavar="SEED", help="shrink the schedule of this seed, and nothing else")
    parser.add_argument("--replay", type=read, metavar="SCHEDULE", help="perform a schedule as it was printed, and nothing else")
    parser.add_argument("--hour", type=int, metavar="SEED", help="an hour of bad weather with a spammer, and nothing else")
    given = parser.parse_args(None if words is None else list(words))
    if given.shrink is not None:
        return report(shrunk(drawn(given.shrink)))
    if given.hour is not None:
        return spammed(given.hour)
    if given.replay is not None:
        return report(perform(given.replay))
    first, last = given.seeds
    return int(not told(night(first, last, given.jobs, given.out)))


if __name__ == "__main__":
    sys.exit(main())
