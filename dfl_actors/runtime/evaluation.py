"""What the supervisor asks of the evaluator, and when: each node's newest model in turn, and at the end every last one, in one round.

While the run goes on a measurement may be of a sample of the test set. Those of the last round are of all of it, so that the final figures
belong to one moment and to one set; and so are those that decide whether the target is reached, once it seems to be.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable

from dfl_actors.config.toml_text import listed
from dfl_actors.core.control import Evaluate, Evaluated

MOST_TRIES = 4  # How often a last model is asked for: saving another one breaks a measurement off.
KEPT = 24  # Measurements of a node that are shown as its course.


class Evaluation:
    """One order at a time, but for the last models' saving, which does not wait for a measurement under way.

    `accuracy` is each node's latest, in 0..1, and `course` its latest ones, oldest first. `every` is seconds between two measurements of
    one node, 0 for none at all. `there` are the nodes that stand at the `target` by a measurement on all test samples.
    """

    def __init__(self, nodes: Iterable[str], every: float, say: Callable[[Evaluate], None], target: float = 0.0) -> None:
        self._every, self._say, self._target = every, say, target
        self.there: set[str] = set()
        self.ready = False
        self.accuracy: dict[str, float] = {}
        self.course: dict[str, deque[float]] = {node: deque(maxlen=KEPT) for node in nodes}
        self._true_at: dict[str, float] = {}
        self._model: dict[str, str] = {}
        self._asked_at: dict[str, float] = {}
        self._waiting: deque[Evaluate] = deque()
        self._under_way: list[Evaluate] = []
        self._last: dict[str, str] = {}
        self._saved: set[str] = set()
        self._settled: set[str] = set()
        self._tries: Counter[str] = Counter()

    def heard(self, answer: Evaluated, now: float) -> bool:
        """Whether the answer brings a new accuracy. A measurement that was broken off for something more urgent brings none."""
        order = next((order for order in self._under_way if (order.node, order.model) == (answer.node, answer.model)), None)
        if order is None:
            return False
        self._under_way.remove(order)
        if order.save and not answer.missing:
            self._saved.add(order.node)
        if not answer.tested:
            if not answer.missing:
                self._again(order)
            return False
        self._take(order, answer.correct / answer.tested, now)
        return True

    def _take(self, order: Evaluate, accuracy: float, now: float) -> None:
        self.accuracy[order.node], self._model[order.node], self._true_at[order.node] = accuracy, order.model, now
        self.course[order.node].append(accuracy)
        if order.whole and order.model == self._last.get(order.node):
            self._settled.add(order.node)
        if accuracy < self._target:
            self.there.discard(order.node)
        elif order.whole:
            self.there.add(order.node)

    def _again(self, order: Evaluate) -> None:
        if order.whole and order.node in self._last and self._tries[order.node] < MOST_TRIES:
            self._waiting.append(order)

    def ask(self, now: float, models: Iterable[tuple[str, str]]) -> None:
        """Order what is due: the newest model of whichever node waits longest."""
        newest = list(models)
        for node, model in newest:
            if model == self._model.get(node):
                self._true_at[node] = now
        if not self.ready or self._under_way:
            return
        if self._waiting:
            self._order(self._waiting.popleft())
        elif self._every and not self._last:
            seems = self._seems
            unsure = [(self._asked_at.get(node, 0.0), node, model, True) for node, model in newest if seems and node not in self.there]
            due = [(self._asked_at.get(node, 0.0), node, model, False) for node, model in newest if self._due(node, model, now)]
            for _, node, model, whole in sorted(unsure or due)[:1]:
                self._asked_at[node] = now
                self._order(Evaluate(node=node, model=model, whole=whole))

    def last(self, node: str, model: str) -> None:
        """A node's last model: save it now, and measure it when all are saved."""
        if node in self._last:
            return
        self._last[node] = model
        save = Evaluate(node=node, model=model, measure=False, save=True)
        if self.ready:
            self._order(save)
        else:
            self._waiting.append(save)
        if self._every:
            self._waiting.append(Evaluate(node=node, model=model, whole=True))

    def measured(self, node: str, now: float) -> tuple[float, float] | None:
        """A node's latest accuracy, and for how many seconds it has had another model than the one that was measured."""
        return (self.accuracy[node], now - self._true_at[node]) if node in self.accuracy else None

    def lost(self) -> None:
        """The evaluator has ended: its successor, once ready, is asked again for what was under way."""
        self.ready = False
        self._waiting.extendleft(self._under_way)
        self._under_way.clear()

    @property
    def busy(self) -> bool:
        """Whether an answer is waited for."""
        return bool(self._under_way)

    def done(self) -> bool:
        """Whether nothing is left to save or to measure."""
        return not self.ready or not (self._waiting or self._under_way)

    @property
    def _seems(self) -> bool:
        """Whether all nodes stand at the target by what was measured last, a sample perhaps."""
        return bool(self._target) and all(self.accuracy.get(node, 0.0) >= self._target for node in self.course)

    @property
    def round_text(self) -> str:
        """How far the last round is, or the one that decides on the target, for a person; empty where there is none."""
        if self._every and self._last:
            return f"the last measurements: {len(self._settled)} of {len(self._last)}"
        unsure = len(self.course.keys() - self.there)
        return f"the target is decided on all test samples: {len(self.there)} of {len(self.course)} nodes" if self._seems and unsure else ""

    @property
    def unmeasured(self) -> str:
        """What is to be told at the end of nodes whose last model could not be measured in time; empty where there is none."""
        nodes = [node for node in self._last if self._every and node not in self._settled]
        if not nodes:
            return ""
        remedy = "measure model.keras in their directories with `dfl-actors model evaluate`"
        return f"there was no time to measure the last model of node {listed(nodes)}: what is shown was measured before; {remedy}"

    @property
    def unsaved(self) -> str:
        """The same of nodes whose last model is in no file."""
        nodes = sorted(self._last.keys() - self._saved)
        return f"model.keras of node {listed(nodes)} was not written: `dfl-actors model export` writes the model" if nodes else ""

    def _due(self, node: str, model: str, now: float) -> bool:
        return now - self._asked_at.get(node, 0.0) >= self._every and model != self._model.get(node)

    def _order(self, order: Evaluate) -> None:
        self._under_way.append(order)
        self._tries[order.node] += order.node in self._last
        self._say(order)
