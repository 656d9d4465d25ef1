"""The figures of runs for Prometheus, in OpenMetrics text. `docs/monitoring.md` is the table of them, held against this by a test.

They are gathered when somebody asks, from what the views have added up. Counters only grow while the run's files are the same ones.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric, StateSetMetricFamily
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import CollectorRegistry

from dfl_actors.core import events
from dfl_actors.report.load import Run, by_node
from dfl_actors.report.refusals import FAULTS
from dfl_actors.report.tally import Carried
from dfl_actors.watch.followed import Followed

STATES = ("starting", "running", "finished", "interrupted", "terminated", "failed", "died", "stopped")
KIND = CONTENT_TYPE_LATEST
NODE, OF_A_KIND = ("run", "node"), ("run", "node", "kind")

Labels = tuple[str, ...]
Samples = Iterable[tuple[Labels, float]]


class Known(Protocol):
    """A run by its key; `followed` is None until it is there."""

    key: str
    followed: Followed | None


def exposed(views: Sequence[Known], now: int) -> bytes:
    """What `/metrics` answers; `now` in ms since the epoch."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(views, now))
    return bytes(generate_latest(registry))  # type: ignore[no-untyped-call]


class _Collector:
    """Makes the families: one for each figure, with the samples of all runs."""

    def __init__(self, views: Sequence[Known], now: int) -> None:
        self._runs = [(view.key, view.followed) for view in views if view.followed is not None]
        self._now = now

    def collect(self) -> Iterator[Metric]:
        yield from self._about()
        every = [_Figures(key, followed, self._now) for key, followed in self._runs]
        for name, (family, help_, labels, unit) in FAMILIES.items():
            made = family(name, help_, labels=labels, unit=unit)
            for figures in every:
                for values, number in getattr(figures, name.removeprefix("dfl_"))():
                    made.add_metric(values, number)
            yield made

    def _about(self) -> Iterator[Metric]:
        info = InfoMetricFamily("dfl_run", "What the run is.", labels=["run"])
        state = StateSetMetricFamily("dfl_run_state", "How the run is: one of them is 1.", labels=["run"])
        for key, followed in self._runs:
            run = followed.run
            kind = "simulation" if run.simulated else "run"
            info.add_metric([key], {"network": run.name, "kind": kind, "version": run.version, "genesis": run.genesis[:16]})
            state.add_metric([key], {name: name == followed.state for name in STATES})
        yield info
        yield state


Family = type[CounterMetricFamily] | type[GaugeMetricFamily]

FAMILIES: dict[str, tuple[Family, str, Labels, str]] = {
    "dfl_elapsed_seconds": (GaugeMetricFamily, "How long the network has run, pauses left out.", ("run",), "seconds"),
    "dfl_elapsed_ticks": (GaugeMetricFamily, "How far the simulation is.", ("run",), ""),
    "dfl_nodes": (GaugeMetricFamily, "Nodes here, by whether they attack.", ("run", "kind"), ""),
    "dfl_test_score_ratio": (GaugeMetricFamily, "Accuracy, or R2, on the test samples, as measured last.", OF_A_KIND, "ratio"),
    "dfl_test_score_age_seconds": (GaugeMetricFamily, "How long ago that was measured.", NODE, "seconds"),
    "dfl_own_score_ratio": (GaugeMetricFamily, "The same on the samples that the node received.", OF_A_KIND, "ratio"),
    "dfl_weight_difference": (GaugeMetricFamily, "How far apart the models are (equation 5).", ("run",), ""),
    "dfl_reputation_ratio": (GaugeMetricFamily, "What the others think of a node, in the mean, as told last.", OF_A_KIND, "ratio"),
    "dfl_chain_height": (GaugeMetricFamily, "Final blocks of the node's chain.", NODE, ""),
    "dfl_last_block_age_seconds": (GaugeMetricFamily, "How long ago the node's last block was final.", NODE, "seconds"),
    "dfl_transactions_waiting": (GaugeMetricFamily, "Transactions of the node that are in no final block yet.", NODE, ""),
    "dfl_training_steps": (CounterMetricFamily, "Training steps.", NODE, ""),
    "dfl_samples": (CounterMetricFamily, "Samples that it trained on.", NODE, ""),
    "dfl_transactions": (CounterMetricFamily, "Transactions that the node made.", NODE, ""),
    "dfl_transactions_received": (CounterMetricFamily, "Transactions of others that it measured.", NODE, ""),
    "dfl_transactions_expired": (CounterMetricFamily, "Its transactions that had too few receipts in time.", NODE, ""),
    "dfl_receipts": (CounterMetricFamily, "Receipts that it got.", NODE, ""),
    "dfl_updates": (CounterMetricFamily, "How often it averaged.", NODE, ""),
    "dfl_blocks_abandoned": (CounterMetricFamily, "Final blocks that nobody confirmed.", NODE, ""),
    "dfl_refused": (CounterMetricFamily, "What the node refused; fault: of the sender.", ("run", "node", "code", "fault"), ""),
    "dfl_restarts": (CounterMetricFamily, "How often an actor was restarted.", ("run", "node", "actor"), ""),
    "dfl_messages_dropped": (CounterMetricFamily, "Messages that could not leave.", NODE, ""),
    "dfl_link_bytes": (CounterMetricFamily, "Bytes of models from node to to.", ("run", "node", "to"), "bytes"),
    "dfl_link_models": (CounterMetricFamily, "Models from node to to.", ("run", "node", "to"), ""),
    "dfl_unreadable_lines": (CounterMetricFamily, "Lines of metrics.jsonl that could not be read.", ("run",), ""),
}
"""Each figure's kind, meaning, labels and unit; `_Figures` has a method of its name for its samples."""


class _Figures:
    """The samples of one run."""

    def __init__(self, key: str, followed: Followed, now: int) -> None:
        self._key, self._run, self._tally, self._waits = key, followed.run, followed.tally, followed.waits
        over = self._run.sessions[-1]
        self._now = over.end if over.stopped or not followed.goes_on else now
        self._trained = {name: its for name, its in by_node(self._run.of(events.Trained)).items() if name in self._run.nodes}

    def _each(self, values: Mapping[str, float]) -> Samples:
        """A value for each node that has one."""
        return [((self._key, name), float(value)) for name, value in values.items() if name in self._run.nodes]

    def _of_a_kind(self, values: Mapping[str, float]) -> Samples:
        """The same, with what the node is: means that count an attacker in say nothing."""
        return [((*labels, "attacker" if labels[1] in self._run.attacks else "honest"), value) for labels, value in self._each(values)]

    def _counts(self, counts: Mapping[str, int]) -> Samples:
        """A count for each node, 0 where nothing was counted: else nobody sees it begin. A simulation has no chain."""
        return [] if self._run.simulated else self._each({name: counts.get(name, 0) for name in self._run.nodes})

    def elapsed_seconds(self) -> Samples:
        return [] if self._run.simulated else [((self._key,), self._seconds())]

    def _seconds(self) -> float:
        return self._run.seconds(self._now) if self._run.ready else 0.0

    def elapsed_ticks(self) -> Samples:
        return [((self._key,), self._run.elapsed)] if self._run.simulated else []

    def nodes(self) -> Samples:
        attackers = sum(name in self._run.attacks for name in self._run.nodes)
        return [((self._key, "attacker"), attackers), ((self._key, "honest"), len(self._run.nodes) - attackers)]

    def _measured(self) -> dict[str, events.Evaluated]:
        return {event.node: event for event in sorted(self._run.of(events.Evaluated), key=lambda event: event.t) if event.tested}

    def test_score_ratio(self) -> Samples:
        return self._of_a_kind({name: event.correct / event.tested for name, event in self._measured().items()})

    def test_score_age_seconds(self) -> Samples:
        ages = {name: max(self._now - event.t, 0) / 1000 for name, event in self._measured().items()}
        return [] if self._run.simulated else self._each(ages)

    def own_score_ratio(self) -> Samples:
        last = {name: [event for event in its if event.tested][-1:] for name, its in self._trained.items()}
        return self._of_a_kind({name: its[0].correct / its[0].tested for name, its in last.items() if its})

    def weight_difference(self) -> Samples:
        return [((self._key,), event.overall) for event in self._run.of(events.WeightDifference)[-1:]]

    def reputation_ratio(self) -> Samples:
        said: dict[str, list[float]] = {}
        for opinions in {event.node: event.reputations for event in self._run.of(events.Updated) if event.reputations}.values():
            for address, value in opinions.items():
                said.setdefault(self._run.node_named(address), []).append(value)
        return self._of_a_kind({name: sum(values) / len(values) for name, values in said.items()})

    def chain_height(self) -> Samples:
        return self._counts({name: sealed.all for name, sealed in self._tally.sealed.items()})

    def last_block_age_seconds(self) -> Samples:
        return self._each({name: max(self._now - sealed.last, 0) / 1000 for name, sealed in self._tally.sealed.items()})

    def transactions_waiting(self) -> Samples:
        return self._counts(self._waits.waiting)

    def training_steps(self) -> Samples:
        return self._each({name: max(event.steps for event in its) for name, its in self._trained.items()})

    def samples(self) -> Samples:
        return self._each({name: max(event.samples for event in its) for name, its in self._trained.items()})

    def transactions(self) -> Samples:
        return self._counts(self._tally.sent)

    def transactions_received(self) -> Samples:
        return self._counts(self._tally.received)

    def transactions_expired(self) -> Samples:
        return self._counts(self._tally.expired)

    def receipts(self) -> Samples:
        return self._counts(self._tally.receipts)

    def updates(self) -> Samples:
        return self._each({name: self._tally.updates[name] for name in self._run.nodes})

    def blocks_abandoned(self) -> Samples:
        return self._counts({name: sealed.abandoned for name, sealed in self._tally.sealed.items()})

    def refused(self) -> Samples:
        counts: Counter[tuple[str, str]] = Counter()
        for event in self._run.of(events.Refused):
            counts[event.node, event.code] += event.count
        return [((self._key, node, code, "yes" if code in FAULTS else "no"), count) for (node, code), count in sorted(counts.items())]

    def restarts(self) -> Samples:
        return [((self._key, node, actor), count) for (node, actor), count in sorted(self._tally.restarts.items())]

    def messages_dropped(self) -> Samples:
        counts: Counter[str] = Counter()
        for event in self._run.of(events.Dropped):
            counts[event.node] += event.messages
        return self._counts(counts)

    def link_bytes(self) -> Samples:
        return [((self._key, *way), carried.bytes) for way, carried in self._ways(self._run)]

    def link_models(self) -> Samples:
        return [((self._key, *way), carried.models) for way, carried in self._ways(self._run)]

    def _ways(self, run: Run) -> list[tuple[tuple[str, str], Carried]]:
        return sorted((((node, run.node_named(to)), way) for (node, to), way in self._tally.carried.items()), key=lambda one: one[0])

    def unreadable_lines(self) -> Samples:
        return [((self._key,), self._run.skipped)]
