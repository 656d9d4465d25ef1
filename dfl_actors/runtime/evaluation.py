"""What the supervisor asks of the evaluator, and when: each node's newest model in turn, and at the end every last one, in one round.

While the run goes on a measurement may be of a sample of the test set. Those of the last round are of all of it, so that the final figures
belong to one moment and to one set. Whether the target is reached, once it seems to be, is decided on as many of them as leave no doubt.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from dfl_actors.config.toml_text import counted, listed
from dfl_actors.core.control import Evaluate, Evaluated
from dfl_actors.learning.score import at_target

MOST_TRIES = 4  # How often a last model is asked for: saving another one breaks a measurement off.
KEPT = 24  # Measurements of a node that are shown as its course.


class Evaluation:
    """One order at a time, but for two: the last models' saving waits for no measurement under way, and while it is decided whether
    a node stands at the target, the others have their turns.

    `accuracy` is each node's latest, in 0..1, and `course` its latest ones, oldest first. `every` is seconds between two measurements of
    one node, 0 for none at all. `there` are the nodes that stand at the `target`, by a measurement that leaves no doubt (three standard
    errors), or is of all test samples.
    """

    def __init__(self, nodes: Iterable[str], every: float, say: Callable[[Evaluate], None], target: float = 0.0) -> None:
        self._every, self._say, self._target = every, say, target
        self.there: set[str] = set()
        self.ready = False
        self.accuracy: dict[str, float] = {}
        self.course: dict[str, deque[float]] = {node: deque(maxlen=KEPT) for node in nodes}
        self._true_at: dict[str, float] = {}
        self._model: dict[str, str] = {}
        self._turn_at: dict[str, float] = {}  # When the model was asked for that was measured last.
        self._asked_at: dict[tuple[str, str, bool], float] = {}
        self._gone: dict[str, str] = {}
        self._waiting: deque[Evaluate] = deque()
        self._under_way: list[Evaluate] = []
        self._last: dict[str, str] = {}
        self._saved: set[str] = set()
        self._settled: set[str] = set()
        self._tries: Counter[str] = Counter()

    def heard(self, answer: Evaluated, now: float) -> bool:
        """Whether the answer brings a new accuracy. A measurement that was broken off for something more urgent brings none."""
        order = next((order for order in self._under_way if _answers(answer, order)), None)
        if order is None:
            return False
        self._under_way.remove(order)
        asked_at = self._asked_at.pop((order.node, order.model, order.whole), now)
        if order.save and not answer.missing:
            self._saved.add(order.node)
        if answer.missing:
            self._gone[order.node] = order.model
        elif not answer.tested:
            self._again(order)
        if not answer.tested:
            return False
        self._take(order, answer, asked_at, now)
        return True

    def overtaken(self, answer: Evaluated, now: float) -> float:
        """How many seconds ago a model was asked for whose node was measured since then, on a newer one; 0 for any other. To be asked
        before it is heard."""
        asked_at = self._asked_at.get((answer.node, answer.model, answer.whole), now)
        return now - asked_at if asked_at < self._turn(answer.node)[0] else 0.0

    def _take(self, order: Evaluate, answer: Evaluated, asked_at: float, now: float) -> None:
        """A model that was asked for before the one that was measured last decides on the target alone."""
        accuracy = answer.correct / answer.tested
        if asked_at >= self._turn(order.node)[0]:
            self.accuracy[order.node], self._model[order.node], self._true_at[order.node] = accuracy, order.model, now
            self._turn_at[order.node] = now if order.whole else asked_at
            self.course[order.node].append(accuracy)
        if _is_last(order, self._last):
            self._settled.add(order.node)
        if min(accuracy, self.accuracy[order.node]) < self._target:
            self.there.discard(order.node)  # Also where a newer model than that which was to decide has fallen below it.
        elif self._target and at_target(answer.correct, answer.tested, self._target, answer.complete):
            self.there.add(order.node)

    def _again(self, order: Evaluate) -> None:
        if _is_last(order, self._last) and self._tries[order.node] < MOST_TRIES:
            self._waiting.append(order)

    def ask(self, now: float, models: Iterable[tuple[str, str]]) -> None:
        """Order what is due: the newest model of whichever node waits longest. One that had left its node's store when its turn came was
        named too long ago, and loses no turn by it: the next that is named is asked for."""
        newest = list(models)
        for node, model in newest:
            if model == self._model.get(node):
                self._true_at[node] = now
        if not self.ready or any(not order.whole for order in self._under_way):
            return
        if self._waiting or self._last:
            if self._waiting and not self._under_way:
                self._order(self._waiting.popleft())
            return
        there = [(node, model) for node, model in newest if self._every and model != self._gone.get(node)]
        # Where there are so many nodes, or so little time, that somebody is always due, a target is decided all the same.
        self._next([(node, model) for node, model in there if self._seems and node not in self.there and not self._under_way], now, True)
        self._next([(node, model) for node, model in there if self._due(node, model, now)], now, False)

    def _next(self, models: Sequence[tuple[str, str]], now: float, whole: bool) -> None:
        """Of these, that of whoever waits longest."""
        if models:
            node, model = min(models, key=lambda one: self._turn(one[0]))
            self._asked_at[node, model, whole] = now
            self._order(Evaluate(node=node, model=model, whole=whole, target=self._target if whole else 0.0))

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
        """The evaluator has ended: its successor, once ready, is asked again for last models, and else for what is due by then."""
        self.ready = False
        self._waiting.extendleft(order for order in reversed(self._under_way) if order.save or _is_last(order, self._last))
        self._under_way.clear()
        self._asked_at.clear()

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
        return (
            f"the target is decided on more test samples: {len(self.there)} of {counted(len(self.course), 'node')}"
            if self._seems and unsure
            else ""
        )

    @property
    def unmeasured(self) -> str:
        """What is to be told at the end of nodes whose last model could not be measured in time; empty where there is none."""
        late = [node for node in self._last if self._every and node not in self._settled]
        gone = [node for node in late if self._gone.get(node) == self._last[node]]
        late = [node for node in late if node not in gone]
        remedy, shown = "measure model.keras in their directories with `dfl-actors model evaluate`", "what is shown was measured before"
        return "; ".join(
            [f"there was no time to measure the last model of node {listed(late)}: {shown}; {remedy}"] * bool(late)
            + [f"the last model of node {listed(gone)} had left its store when it was to be measured: {shown}"] * bool(gone)
        )

    @property
    def unsaved(self) -> str:
        """The same of nodes whose last model is in no file."""
        nodes = sorted(self._last.keys() - self._saved)
        return f"model.keras of node {listed(nodes)} was not written: `dfl-actors model export` writes the model" if nodes else ""

    def _turn(self, node: str) -> tuple[float, str]:
        """The least waits longest."""
        return self._turn_at.get(node, 0.0), node

    def _due(self, node: str, model: str, now: float) -> bool:
        measured = [self._model.get(node), *(order.model for order in self._under_way)]
        return now - self._turn(node)[0] >= self._every and model not in measured

    def _order(self, order: Evaluate) -> None:
        self._under_way.append(order)
        self._tries[order.node] += order.node in self._last
        self._say(order)


def _is_last(order: Evaluate, last: Mapping[str, str]) -> bool:
    """Whether it is one of the last round, rather than one that decides on the target, which stops where that is known."""
    return order.whole and not order.target and order.model == last.get(order.node)


def _answers(answer: Evaluated, order: Evaluate) -> bool:
    return (order.node, order.model, order.whole) == (answer.node, answer.model, answer.whole)
