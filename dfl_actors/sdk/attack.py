"""The interface of an attack: what a malicious node does otherwise than an honest one.

An attack is a value of up to three functions. `offer` makes what the node offers in place of its own model; the node itself trains on
honestly, and signs, states and receives as everybody does. `teach` makes the labels it trains on, `imagine` the samples. What they do
not touch is honest. An attack that looks at the models of others says so (`watches`), and so does one that looks back at what was its own
(`remembers`): keeping models costs memory, so nobody keeps them unasked. One that tries its offer on the victims' own defence before it
sends it says so too (`rehearses`).

    >>> import numpy as np
    >>> from dfl_actors.sdk import Attack
    >>> def build(factor: float = 2.0) -> Attack:
    ...     return Attack(offer=lambda view: view.own * np.float32(factor))
    >>> view = View(own=np.ones(2, np.float32), turn=0, rng=np.random.default_rng(0))
    >>> build(factor=3.0).offer(view).tolist()
    [3.0, 3.0]

Name it in a topology as ``attack = "louder.py:build"`` of a node; its `attack_parameters` become the keyword arguments of `build`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dfl_actors.learning.form import Array
from dfl_actors.sdk.interface import Weights

Labels = npt.NDArray[np.integer]
Images = Array


MOST_REMEMBERED = 100  # The own models that an attack may look back at: of LeNet, 172 MB in a node.


@dataclass(frozen=True, eq=False, slots=True)
class Scene:
    """What an attacker knows of its network, from the topology. Nodes are called as senders are: by name in the simulator, by address in
    the network, where those whose key the topology does not say are left out.

    `me` is the attacker; `fellows` are the other nodes that attack, at the beginning or later; `hears` says whose models a node gets.
    """

    me: str = ""
    fellows: frozenset[str] = frozenset()
    hears: Mapping[str, frozenset[str]] = field(default_factory=dict)


class Stage(NamedTuple):
    """A victim and its defence, to try an offer on. `own` is the victim's newest model, `honest` are those of others that it averages.

    `outcome` says with which model the victim comes out if this one is offered to it by every attacker that it hears. The defence is the
    one that the topology gives the victim, in the state that the same offers would have brought it to; accuracies, which an attacker
    cannot measure on the victim's samples, count as one half each.
    """

    victim: str
    own: Weights
    honest: Sequence[Weights]
    outcome: Callable[[Weights], Weights]


class View(NamedTuple):
    """What an attacker knows when it offers a model. All models are read-only float32 [P].

    `own` is the model of the node, `turn` how many it has offered before, `rng` its only source of randomness, seeded by the run. `others`
    holds the newest model that it averaged of each sender, by the sender, and is empty for an attack that does not watch. `past` holds the
    own models of earlier offers, oldest first: all of them, up to as many as the attack remembers. `stage` is there for an attack that
    rehearses, once it has seen the model of somebody who hears it; the victims take turns.
    """

    own: Weights
    turn: int
    rng: np.random.Generator
    others: Mapping[str, Weights] = MappingProxyType({})
    past: Sequence[Weights] = ()
    scene: Scene = Scene()
    stage: Stage | None = None


Offer = Callable[[View], Weights]
Teach = Callable[[Labels, int, np.random.Generator], Labels]
"""Labels of the training samples, any shape, and how many there are: 0 up to that. Returns as many labels.

Of a multilabel task it gets what of each label holds, 0 or 1, [..., labels], and 2; a regression has no labels to teach."""
Imagine = Callable[[Images, np.random.Generator], Images]
"""Training samples [..., *shape], of the type that their source gives them. Returns as many; of several inputs it is called for each."""


@dataclass(frozen=True, slots=True)
class Attack:
    """A way to attack. `offer` returns float32 [P], finite. No function changes what it is given. Not `trains`: the node never learns.

    `watches` fills `View.others`; `remembers`, 0 to `MOST_REMEMBERED`, is how many models `View.past` may hold; `rehearses` fills
    `View.stage`, and needs `watches`. `together`: in the simulator the nodes whose attacks say so see what any of them averages; in the
    network, where nothing carries that, each sees what it averages itself. Not `sends`: the node offers nothing to anybody. What is loaded
    without a `name` is called as its module is.
    """

    name: str = ""
    offer: Offer | None = None
    teach: Teach | None = None
    imagine: Imagine | None = None
    trains: bool = True
    watches: bool = False
    remembers: int = 0
    rehearses: bool = False
    together: bool = False
    sends: bool = True
