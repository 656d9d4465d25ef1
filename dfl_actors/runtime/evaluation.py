"""What the supervisor asks of the evaluator, and when: each node's newest model in turn, and at the end every last one."""

from collections import deque
from collections.abc import Callable, Iterable

from dfl_actors.config.toml_text import listed
from dfl_actors.core.control import Evaluate, Evaluated


class Evaluation:
    """One order at a time, but for the last models' saving, which does not wait for a measurement under way.

    `accuracy` is each node's latest, in 0..1, and `measured_at` when it came. `every` is seconds between two measurements of one node,
    0 for none at all.
    """

    def __init__(self, nodes: Iterable[str], every: float, say: Callable[[Evaluate], None]) -> None:
        self._nodes, self._every, self._say = set(nodes), every, say
        self.ready = False
        self.accuracy: dict[str, float] = {}
        self.measured_at: dict[str, float] = {}
        self._model: dict[str, str] = {}
        self._asked_at: dict[str, float] = {}
        self._waiting: deque[Evaluate] = deque()
        self._under_way: list[Evaluate] = []
        self._last: dict[str, str] = {}
        self._saved: set[str] = set()

    def heard(self, answer: Evaluated, now: float) -> bool:
        """Whether the answer brings a new accuracy. A measurement that was broken off for something more urgent brings none."""
        order = next((order for order in self._under_way if (order.node, order.model) == (answer.node, answer.model)), None)
        if order is None:
            return False
        self._under_way.remove(order)
        if order.save:
            self._saved.add(order.node)
        if not answer.tested:
            return False
        self.accuracy[answer.node], self._model[answer.node] = answer.correct / answer.tested, answer.model
        self.measured_at[answer.node] = now
        return True

    def ask(self, now: float, models: Iterable[tuple[str, str]]) -> None:
        """Order what is due: the newest model of whichever node was measured longest ago."""
        if not self.ready or self._under_way:
            return
        if self._waiting:
            self._order(self._waiting.popleft())
        elif self._every and not self._last:
            due = [(self._asked_at.get(node, 0.0), node, model) for node, model in models if self._due(node, model, now)]
            if due:
                _, node, model = min(due)
                self._asked_at[node] = now
                self._order(Evaluate(node=node, model=model))

    def last(self, node: str, model: str) -> None:
        """A node's last model: save it now, and measure it when all are saved."""
        if node in self._last:
            return
        self._last[node] = model
        save = Evaluate(node=node, model=model, measure=False, save=True)
        if not self.ready:
            self._waiting.append(save)
            return
        self._order(save)
        if self._every and self._model.get(node) != model:
            self._waiting.append(Evaluate(node=node, model=model))

    def measured(self, node: str, now: float) -> tuple[float, float] | None:
        """A node's latest accuracy, and how many seconds ago it came."""
        return (self.accuracy[node], now - self.measured_at[node]) if node in self.accuracy else None

    def lost(self) -> None:
        """The evaluator has ended: its successor, once ready, is asked again for what was under way."""
        self.ready = False
        self._waiting.extendleft(self._under_way)
        self._under_way.clear()

    @property
    def busy(self) -> bool:
        """Whether an answer is waited for."""
        return bool(self._under_way)

    def saved(self) -> bool:
        """Whether every node's last model is on disk."""
        return self._saved >= self._nodes

    def done(self) -> bool:
        """Whether nothing is left to save or to measure."""
        return not self.ready or (self.saved() and not self._waiting and not self._under_way)

    @property
    def unmeasured(self) -> str:
        """What is to be told at the end of nodes whose last model could not be measured in time; empty where there is none."""
        nodes = [node for node, model in self._last.items() if self._every and self._model.get(node) != model]
        if not nodes:
            return ""
        remedy = "measure model.keras in their directories with `dfl-actors model evaluate`"
        return f"there was no time to measure the last model of node {listed(nodes)}: what is shown is of one before; {remedy}"

    @property
    def unsaved(self) -> str:
        """The same of nodes whose last model is in no file."""
        nodes = sorted(self._last.keys() - self._saved)
        return f"model.keras of node {listed(nodes)} was not written: `dfl-actors model export` writes the model" if nodes else ""

    def _due(self, node: str, model: str, now: float) -> bool:
        return now - self._asked_at.get(node, 0.0) >= self._every and model != self._model.get(node)

    def _order(self, order: Evaluate) -> None:
        self._under_way.append(order)
        self._say(order)
