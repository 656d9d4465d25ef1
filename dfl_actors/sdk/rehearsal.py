"""What an attacker knows beside its models: the scene, read from the topology, and the defences of its victims, to rehearse with.

An attacker has the topology file like everybody: who hears whom, who else attacks, which algorithm each node averages by. What it does not
have are the others' states and samples, so it plays a victim's updates by itself, from the algorithm's first state on, with the models
that it has seen and the offers it made.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np

from dfl_actors.config import Config
from dfl_actors.learning.weights import Parameters
from dfl_actors.sdk.attack import Attack, Scene, Stage, View
from dfl_actors.sdk.attacks import Offering, Rehearsed
from dfl_actors.sdk.attacks.known import around, attackers, victim_of
from dfl_actors.sdk.interface import ACCURACY, START_REPUTATION, Algorithm, Context, ReceivedModel, Result, Weights
from dfl_actors.sdk.loader import checked_apply, first_state, load_algorithm

GUESS = 0.5  # The accuracy of every model, of which an attacker does not know how it does on the victim's samples.


class Rehearsal:
    """Plays the updates of victims by `rule_of`, which gives each node's algorithm and is asked once for each."""

    def __init__(self, rule_of: Callable[[str], Algorithm], parameters: Parameters) -> None:
        self._rule_of, self._parameters = rule_of, parameters
        self._rules: dict[str, Algorithm] = {}
        self._known: Rehearsed = {}
        self._fellows: list[str] = []

    def stage(self, view: View) -> Stage | None:
        """The victim whose turn it is; None while nobody's model is known."""
        victim = victim_of(view)
        if victim is None:
            return None
        self._fellows = attackers(view, victim)
        own, honest = view.others[victim], around(view, victim)
        return Stage(victim, own, honest, lambda offered: self._update(victim, own, honest, offered).weights)

    def settle(self, stage: Stage, offered: Weights) -> None:
        """This is what the victim on the stage was offered: its algorithm's state goes on from there."""
        result = self._update(stage.victim, stage.own, stage.honest, offered)
        self._known[stage.victim] = result.state, dict(result.reputations)

    def _update(self, victim: str, own: Weights, honest: Sequence[Weights], offered: Weights) -> Result:
        """An update of the victim, whatever is offered coming from each attacker that it hears. Raises `AlgorithmError`."""
        # Whether they are the victim's neighbours or stand in for them, each honest model is of a sender of its own.
        models = {f"honest {place}": model for place, model in enumerate(honest)} | dict.fromkeys(self._fellows, offered)
        rule, (state, reputations) = self._begun(victim, tuple(models))
        accuracy = GUESS if ACCURACY in rule.needs else None
        received = [ReceivedModel(sender, model, accuracy) for sender, model in models.items()]
        return checked_apply(rule, state, own, received, reputations, GUESS)

    def _begun(self, victim: str, senders: tuple[str, ...]) -> tuple[Algorithm, tuple[object, dict[str, float]]]:
        """The victim's algorithm, and where it stands: where its last update left it, or at its first state."""
        if victim not in self._rules:
            self._rules[victim] = self._rule_of(victim)
        rule = self._rules[victim]
        if victim not in self._known:
            context = Context(victim, senders, self._parameters, np.random.default_rng(0))
            self._known[victim] = first_state(rule, context), dict.fromkeys(senders, START_REPUTATION)
        return rule, self._known[victim]

    def state(self) -> Rehearsed:
        """What a checkpoint keeps; `restore` takes it."""
        return dict(self._known)

    def restore(self, state: Rehearsed) -> None:
        self._known = dict(state)


def offering(
    attack: Attack, config: Config, name: str, rng: np.random.Generator, folder: Path, parameters: Parameters, called: Mapping[str, str]
) -> Offering:
    """The attack at work in node `name`. `called` says how the nodes are called as senders, `parameters` what their models are made of."""
    names = {sender: node for node, sender in called.items()}

    def rule_of(victim: str) -> Algorithm:
        node = config.node(names[victim])
        return load_algorithm(node.algorithm, node.parameters, folder)

    rehearsal = Rehearsal(rule_of, parameters) if attack.rehearses else None
    return Offering(attack, rng, scene_of(config, name, called), rehearsal)


def scene_of(config: Config, name: str, called: Mapping[str, str]) -> Scene:
    """What the topology says of the network of node `name`; nodes that are not `called` anything are left out."""
    fellows = frozenset(called[node.name] for node in config.nodes if node.name in called and config.attacks(node.name)) - {called[name]}
    hears = {
        called[node.name]: frozenset(called[sender] for sender in node.senders if sender in called)
        for node in config.nodes
        if node.name in called
    }
    return Scene(called[name], fellows, MappingProxyType(hears))
