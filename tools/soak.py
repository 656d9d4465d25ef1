"""Let five nodes work for half an hour at ten times the usual speed, disturb them every 20 s, and see that nothing grows.

    python tools/soak.py [--minutes 30] [--rate 12] [--seed N] [--csv FILE]

In turn an actor of nodes 3 and 4 is killed, one of any node is stopped for a while, packets to and from one node's ports are thrown away
(where this machine allows network namespaces), and the machine's clock is set. Every 15 s the memory (PSS), descriptors and threads of each
process are written to FILE, and what the disk holds. **Flat** means: of the samples after the first third a straight line through them,
by least squares, rises over the rest of the time by less than LARGEST of their mean. Memory, descriptors and threads are those of all
processes of nodes 0 to 2 that nobody killed; of the disk it is what was added a block in the last third against the third before.
Exit code 1 when something is not as wanted.
"""

import argparse
import csv
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import crash_silence
import numpy as np
from crash import Row
from crash_stage import Ended, Net, made, removed
from ending import orderly

EVERY, FAULT = 15.0, 20.0  # Seconds between two samples, and between two faults.
LARGEST = {"PSS, MB": 0.05, "descriptors": 0.02, "threads": 0.02}
DISK = 0.10
KILLED = ("3", "4")
OPTIONS = ("block.transactions=8", "gossip.ttl=1", "run.evaluate_s=10", "run.speed=10")


class Sample(NamedTuple):
    """What one process, or (`disk`) the run directory, had at a time (s) of the soak."""

    second: float
    who: str
    pid: int
    pss: float
    anonymous: float
    descriptors: int
    threads: int


class Disk(NamedTuple):
    """Bytes of the run directory, of which so many are metrics and chains, after so many blocks."""

    second: float
    blocks: int
    all: int
    metrics: int
    chains: int


def sampled(net: Net, second: float) -> Iterator[Sample]:
    for process in net.family():
        with suppress(OSError, ValueError):
            place = Path("/proc", str(process.pid))
            title = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
            who = title.removeprefix("dfl ") if title.startswith("dfl ") else "supervisor"
            memory = (place / "smaps_rollup").read_text()
            pss, anonymous = (int(memory.partition(f"\n{name}:")[2].split()[0]) / 1000 for name in ("Pss", "Pss_Anon"))
            threads = int((place / "status").read_text().partition("\nThreads:")[2].split()[0])
            yield Sample(round(second, 1), who, process.pid, pss, anonymous, len(os.listdir(place / "fd")), threads)  # noqa: PTH208


def on_disk(net: Net, second: float) -> Disk:
    sizes = {path: path.stat().st_blocks * 512 for path in net.out.rglob("*") if path.is_file()}
    metrics = sum(size for path, size in sizes.items() if path.name.startswith("metrics"))
    chains = sum(size for path, size in sizes.items() if path.parent.name == "chain")
    return Disk(round(second, 1), sum(store.height for _, store in net.chains()), sum(sizes.values()), metrics, chains)


class Soak:
    """A network under faults, and its samples."""

    def __init__(self, net: Net, rng: random.Random, minutes: float) -> None:
        self.net, self.rng, self.lasts = net, rng, 60 * minutes
        self.samples: list[Sample] = []
        self.disk: list[Disk] = []
        self.faults: list[str] = []

    def run(self) -> None:
        begun = time.monotonic()
        sample = fault = begun
        while (now := time.monotonic()) - begun < self.lasts:
            self.net.until(lambda: True, "run")
            if now >= sample:
                sample += EVERY
                self.samples += sampled(self.net, now - begun)
                self.disk.append(on_disk(self.net, now - begun))
            if now >= fault + FAULT:
                fault += FAULT
                self._fault()
            time.sleep(0.2)
        self.faults_over()

    def _fault(self) -> None:
        kind = ("kill", "freeze", "cut", "clock")[len(self.faults) % 4]
        self.faults.append(getattr(self, f"_{kind}")())

    def _kill(self) -> str:
        who = self.rng.choice([who for who in self.net.actors if who[0] in KILLED and not self.net.spared(who)])
        self.net.remember()
        self.net.kill(who)
        return f"kill {who}"

    def _freeze(self) -> str:
        who = self.rng.choice(self.net.actors)
        pid = self.net.last(who).pid
        os.kill(pid, signal.SIGSTOP)
        time.sleep(self.rng.uniform(1, 8))
        os.kill(pid, signal.SIGCONT)
        return f"freeze {who}"

    def _cut(self) -> str:
        """One direction of each of a node's links: what others ask of it and hear of it."""
        if not self.net.namespace:
            return self._freeze()
        number = self.rng.randrange(5)
        first = self.net.port + 2 * number
        for end in ("d", "s"):
            rule = ["-p", "tcp", f"--{end}port", f"{first}:{first + 1}", "-j", "DROP"]
            crash_silence.inside(self.net.namespace, "iptables", "-A", "INPUT", *rule)
        time.sleep(self.rng.uniform(1, 12))
        self.faults_over()
        return f"cut {number}"

    def faults_over(self) -> None:
        if self.net.namespace:
            crash_silence.inside(self.net.namespace, "iptables", "-F", "INPUT")

    def _clock(self) -> str:
        moved = self.rng.randrange(-3600, 3600)
        with (self.net.stage / "clock").open("r+b") as file:
            file.write((moved * 10**9).to_bytes(8, "little", signed=True))
        return f"clock {moved}"

    # --- what it came to

    def rows(self) -> Iterator[Row]:
        last, net = self.disk[-1], self.net
        yield Row("faults", str(len(self.faults)), "", True)
        made = len(net.events("trained"))
        yield Row("transactions", f"{made:,}", "50,000", made >= 50_000 * self.lasts / 1800, safe=False)
        yield Row("blocks", f"{last.blocks:,}", "", True)
        for what, field in (("PSS, MB", "pss"), ("descriptors", "descriptors"), ("threads", "threads")):
            seconds, total = self.series(field)
            grown = growth(seconds, total)
            yield Row(f"{what}: mean, growth", f"{total.mean():.0f}, {grown:+.1%}", f"{LARGEST[what]:.0%}", grown < LARGEST[what])
        yield from self.disk_rows()
        lost, doubled = net.lost(), net.doubled().total()
        yield Row("final blocks lost, things signed twice", f"{len(lost)}, {doubled}", "0, 0", not lost and not doubled)
        wrong = net.verified()
        yield Row("chains that do not verify", wrong or "0", "0", not wrong)
        yield Row("errors in logs", str(len(net.errors())), "0", not net.errors())
        blamed = net.blamed()
        yield Row("refused as only a liar is", str(dict(blamed)) if blamed else "0", "0", not blamed)

    def disk_rows(self) -> Iterator[Row]:
        second = {part: next(one for one in self.disk if one.second >= self.disk[-1].second * part / 3 - 0.1) for part in (1, 2, 3)}
        for field in ("all", "metrics", "chains"):
            taken = [
                (getattr(second[part + 1], field) - getattr(second[part], field)) / max(1, second[part + 1].blocks - second[part].blocks)
                for part in (1, 2)
            ]
            grown = taken[1] / max(1.0, taken[0]) - 1
            yield Row(f"disk a block, {field}: kB, growth", f"{taken[1] / 1000:.1f}, {grown:+.1%}", f"{DISK:.0%}", grown < DISK, safe=False)

    def series(self, field: str) -> tuple[np.ndarray, np.ndarray]:
        """After the first third: at each time the sum over the processes that lived all along."""
        late = [one for one in self.samples if one.second >= self.samples[-1].second / 3]
        seconds = sorted({one.second for one in late})
        whole = [pid for pid in {one.pid for one in late} if sum(one.pid == pid for one in late) == len(seconds)]
        kept = [one for one in late if one.pid in whole and one.who[0] not in KILLED]
        return np.array(seconds), np.array([sum(getattr(one, field) for one in kept if one.second == second) for second in seconds], float)

    def write(self, path: Path) -> None:
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(Sample._fields)
            table.writerows(self.samples)
        with path.with_name(f"{path.stem}-disk.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(Disk._fields)
            table.writerows(self.disk)


def growth(seconds: np.ndarray, values: np.ndarray) -> float:
    """By how much of its mean the line through the values rises from the first to the last."""
    slope = np.polyfit(seconds, values, 1)[0] if len(seconds) > 1 else 0.0
    return float(slope * (seconds[-1] - seconds[0]) / max(values.mean(), 1.0))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=30, metavar="N", help="[%(default)s]")
    parser.add_argument("--rate", type=float, default=12, metavar="N", help="samples a second and node, before the speed [%(default)s]")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="[%(default)s]")
    parser.add_argument("--csv", type=Path, default=Path("soak.csv"), metavar="FILE", help="[%(default)s]")
    given = parser.parse_args()
    orderly()
    place, met = made(), True
    net = Net(place, 5, ring=True, options=(*OPTIONS, f"data.rate={given.rate}"), namespace=crash_silence.namespace())
    soak = Soak(net, random.Random(given.seed), given.minutes)
    try:
        net.ready()
        soak.run()
        net.close()
        for row in soak.rows():
            print(f"  {row.what:40}  {row.figure:>24}  {row.wanted:>8}  {'met' if row.met else 'NOT MET'}", flush=True)
            met = met and row.met
        for text in net.errors():
            print(text, file=sys.stderr)
    except Ended as why:
        sys.exit(f"the run ended: {why}")
    finally:
        if soak.samples:
            soak.write(given.csv)
        net.destroy()
        crash_silence.remove(net.namespace)
        removed(place)
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
