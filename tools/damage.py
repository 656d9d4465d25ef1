"""Damage the files of a run, in hundreds of ways: each must be found, in one line and with an exit code, or do no harm.

    python tools/damage.py [--times 300] [--seed N] [--wet .1] [--only chain,journal/validator,...]

A run of two nodes is killed, and of its directory a copy is damaged for each time: each file in each way, at a random place (flipped bits,
a shorter file, an empty one, none, a page of zeros, two pages exchanged, an older copy, the older of its first pages twice, a file more).
Then `run --resume` goes on with it; chains and models are read by `chain verify` before. **Found** means one line on stderr and an error's
exit code; **harmless**, that the run goes on, and its chains verify then and begin with the blocks of before. Everything else is printed;
exit code 1. With `--wet .1` only every tenth run that goes on starts its processes; the others end where their actors' stores have been
opened and used.
"""

import argparse
import random
import shutil
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import damage_commands
import orjson
from crash import Row
from crash_stage import Net, made, removed
from ending import orderly

from dfl_actors.core.family import ACTORS

PAGE = 4096
STORES = ("chain", "models", *(f"journal/{actor}" for actor in ACTORS))
FILES = ("run.json", "config.toml", "genesis.json", "metrics.jsonl", "status.json", "nodes/0/key", "nodes/0/key.pub", "nodes/0/marks.json")
CODES = range(2, 11)  # Exit codes of mistakes and damages (`errors`).


class Ground(NamedTuple):
    """The file that is to be damaged, the same one of an older copy of the run, and chance."""

    file: Path
    older: Path
    rng: random.Random


def flip(on: Ground) -> str:
    """One to eight bits, near each other."""
    data = bytearray(on.file.read_bytes())
    at = on.rng.randrange(len(data))
    for _ in range(on.rng.randint(1, 8)):
        place = min(len(data) - 1, at + on.rng.randrange(64))
        data[place] ^= 1 << on.rng.randrange(8)
    on.file.write_bytes(data)
    return f"bits flipped at {at}"


def flip_used(on: Ground) -> str:
    """Bits in a page that is not empty."""
    data = bytearray(on.file.read_bytes())
    pages = [at for at in range(0, len(data), PAGE) if any(data[at : at + PAGE])]
    at = on.rng.choice(pages) + on.rng.randrange(min(PAGE, len(data)))
    data[min(at, len(data) - 1)] ^= 1 << on.rng.randrange(8)
    on.file.write_bytes(data)
    return f"a bit flipped at {at}"


def shorten(on: Ground) -> str:
    length = on.rng.randrange(on.file.stat().st_size)
    with on.file.open("r+b") as file:
        file.truncate(length)
    return f"cut to {length}"


def empty(on: Ground) -> str:
    on.file.write_bytes(b"")
    return "empty"


def remove(on: Ground) -> str:
    on.file.unlink()
    return "gone"


def zero(on: Ground) -> str:
    size = on.file.stat().st_size
    at = on.rng.randrange(0, size, PAGE)
    with on.file.open("r+b") as file:
        file.seek(at)
        file.write(bytes(min(PAGE, size - at)))
    return f"zeros at {at}"


def older(on: Ground) -> str:
    shutil.copy(on.older, on.file)
    return "an older copy"


def extra(on: Ground) -> str:
    on.file.with_name(f"{on.file.name}.{on.rng.randrange(100)}").write_bytes(on.rng.randbytes(on.rng.randrange(9000)))
    return "a file more"


def swap(on: Ground) -> str:
    """Two pages of a store."""
    data = bytearray(on.file.read_bytes())
    one, other = on.rng.sample(range(0, len(data) // PAGE * PAGE, PAGE), 2)
    data[one : one + PAGE], data[other : other + PAGE] = data[other : other + PAGE], data[one : one + PAGE]
    on.file.write_bytes(data)
    return f"pages {one // PAGE} and {other // PAGE} exchanged"


def lose_meta(on: Ground) -> str:
    """The newer of the first two pages is the older one again."""
    data = bytearray(on.file.read_bytes())
    newer = max((0, PAGE), key=lambda at: data[at + 144 : at + 152][::-1])
    other = PAGE - newer
    data[newer + 8 : newer + PAGE] = data[other + 8 : other + PAGE]
    on.file.write_bytes(data)
    return "the newer first page lost"


def exposed(on: Ground) -> str:
    on.file.chmod(0o666)
    return "writable by everybody"


EVERY: tuple[Callable[[Ground], str], ...] = (flip, shorten, empty, remove, zero, older, extra, exposed)
OF_STORES = (flip_used, *EVERY, swap, lose_meta)


def cases(only: list[str]) -> list[tuple[str, Callable[[Ground], str]]]:
    """Each file in each way: first all files in one way, then in the next."""
    stores = [(f"nodes/0/{store}/data.mdb", ways) for store in STORES for ways in [OF_STORES]]
    found = [(file, way) for file, ways in (*stores, *((file, EVERY) for file in FILES)) for way in ways]
    return [(file, way) for file, way in found if not only or any(one in file for one in only)]


class Trial:
    """A run, an older copy of it, and what became of its damaged copies."""

    def __init__(self, place: Path, rng: random.Random, wet: float = 0.0) -> None:
        self.place, self.rng, self.wet = place, rng, wet
        self.counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.wrong: list[str] = []
        self.run, self.older = place / "whole", place / "older"
        self._make()
        self.blocks = self._blocks()

    def _make(self) -> None:
        """Two lives, both ended by `kill -9`; the older copy is from between them."""
        net = Net(self.place, 2, options=("data.rate=96", "block.transactions=4", "run.evaluate_s=0"))
        try:
            net.ready()
            net.destroy()
            shutil.copytree(net.out, self.older)
            net.resume()
            heights = {name: net.height(name) for name in net.names}
            net.until(lambda: all(net.height(name) > heights[name] + 2 for name in net.names), "further blocks")
        finally:
            net.destroy()
        net.out.rename(self.run)

    def _blocks(self) -> dict[str, list[object]]:
        ended = damage_commands.command(self.place, "chain", "export", "run" if (self.place / "run").exists() else "whole", within=60)
        return {(chain := orjson.loads(line))["node"]: chain["blocks"] for line in ended.stdout.splitlines()}

    def once(self, name: str, way: Callable[[Ground], str]) -> None:
        copy = self.place / "run"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.run, copy)
        what = way(Ground(copy / name, self.older / name, self.rng))
        came = (self._read() if "models" in name or "chain" in name else "") or self._came()
        self.counts[name][came.partition(":")[0]] += 1
        line = f"{name}, {way.__name__}, {what}: {came}"
        if came.startswith("WRONG"):
            self.wrong.append(line)
        print(f"  {line}", flush=True)

    def _read(self) -> str:
        """What `chain verify` finds; nothing."""
        looked = damage_commands.command(self.place, "chain", "verify", "run", within=300)
        return found("found by chain verify", looked) if looked.code else ""

    def _came(self) -> str:
        """What came of the damage: found, harmless, or WRONG."""
        for dry in (True, False) if self.rng.random() < self.wet else (True,):
            resumed = damage_commands.command(self.place, "run", "--resume", "run", "--duration", "1", "--quiet", within=300, dry=dry)
            if resumed.code:
                return found(f"found by --resume{'' if dry else ', by its actors'}", resumed)
        if again := self._read():
            return f"WRONG: the run went on, and then was {again}"
        now = self._blocks()
        if any(now[node][: len(blocks)] != blocks for node, blocks in self.blocks.items()):
            return "WRONG: the run went on, and other blocks are there"
        return "harmless" if dry else "harmless, it worked for a second"


def found(how: str, ended: damage_commands.Ended) -> str:
    line = ended.stderr.strip()
    right = ended.code in CODES and line.startswith("error: ") and "\n" not in line
    return f"{how}: {line}" if right else f"WRONG: {how}, exit code {ended.code}: {line[-1500:]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--times", type=int, default=300, metavar="N", help="[%(default)s]")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="[%(default)s]")
    parser.add_argument("--wet", type=float, default=1.0, metavar="X", help="the part of those that go on which really does [%(default)s]")
    parser.add_argument("--only", default="", metavar="FILE,...", help="parts of names of files [all]")
    given = parser.parse_args()
    orderly()
    damage_commands.imported()
    place, rng = made(), random.Random(given.seed)
    try:
        trial = Trial(place, rng, given.wet)
        ways = cases([one for one in given.only.split(",") if one])
        rng.shuffle(ways)
        for number in range(given.times):
            trial.once(*ways[number % len(ways)])
    finally:
        removed(place)
    for name, counts in sorted(trial.counts.items()):
        print(f"  {name:36}  {', '.join(f'{came} {count}' for came, count in sorted(counts.items()))}")
    row = Row("damaged, neither found nor harmless", str(len(trial.wrong)), "0", not trial.wrong)
    print(f"  {row.what}: {row.figure} of {given.times}, wanted {row.wanted}")
    for line in trial.wrong:
        print(line, file=sys.stderr)
    sys.exit(0 if row.met else 1)


if __name__ == "__main__":
    main()
