"""The attacks of a line or two: each function here is one, called as it is, and its docstring is what `sdk show` says of it."""

from typing import Annotated

import numpy as np
from msgspec import Meta

from dfl_actors.sdk.attack import MOST_REMEMBERED, Attack
from dfl_actors.sdk.attacks import known


def biased_model(high: Annotated[float, Meta(gt=0.0, le=1e6)] = 0.1) -> Attack:
    """Biased model: every weight is offered too small, by a number drawn anew for each, so that noise does not average out.

        offered = own - u,   u uniform in 0 up to `high`

    Made here, beside `gaussian_noise`, of which it is the opposite in that respect.
    """
    return Attack(offer=lambda view: view.own - np.float32(high) * view.rng.random(view.own.size, np.float32))


def copy() -> Attack:
    """Copy: it never trains, and offers what it has averaged from others as if it were its own work.

        offered = own = the mean of its last update

    The plain free rider of Fraboni, Vidal and Lorenzi, Free-rider Attacks on Model Aggregation in Federated Learning (arXiv 2006.11901).
    """
    return Attack(trains=False)


def delayed(by: Annotated[int, Meta(ge=1, le=MOST_REMEMBERED)] = 10) -> Attack:
    """Delayed: it offers the model that it had some offers ago, as a straggler does, or one that replays what was true once.

        offered at turn t = own model at turn max(0, t - by)

    Made here. Parameter `by`, 1 to 100, default 10: how many offers ago; a node keeps as many of its models in memory, of LeNet 1.7 MB
    each. In the network the past is not stored: an attacker that is restarted begins anew, with the first model that it then offers.
    """
    return Attack(offer=lambda view: view.past[0] if view.past else view.own, remembers=by)


def gaussian_noise(sigma: Annotated[float, Meta(gt=0.0, le=1e6)] = 0.1) -> Attack:
    """Gaussian noise: the model is offered with noise on every weight.

        offered = own + sigma n,   n standard normal

    After the Gaussian attackers of Blanchard et al. (Krum, arXiv 1703.02757), who send such noise alone.
    """
    return Attack(offer=lambda view: view.own + np.float32(sigma) * view.rng.standard_normal(view.own.size, np.float32))


def label_flip() -> Attack:
    """Label flip: it trains on the opposite label, the last for the first and so on.

        learnt = L - 1 - label,   of L labels

    From Fang et al., Local Model Poisoning Attacks to Byzantine-Robust Federated Learning (arXiv 1911.11815).
    """
    return Attack(teach=lambda labels, count, rng: (count - 1 - labels).astype(labels.dtype))


def mimic(number: Annotated[int, Meta(ge=0, le=1000)] = 0, together: bool = False) -> Attack:
    """Mimic: it repeats an honest node, whose labels and mistakes then count twice, and which no distance gives away.

        offered = the newest model of honest sender `number`

    From Karimireddy, He and Jaggi, Byzantine-Robust Learning on Heterogeneous Datasets via Bucketing (arXiv 2006.09365), where the server's
    attackers all repeat one and the same. Parameters: `number`, from 0, default 0: which of the honest senders that it averaged, by name,
    the last where there are fewer; `together`, default false: in the simulator it sees what its fellows see, so all repeat the same.
    While it knows no model but its own, it offers that.
    """
    return Attack(offer=lambda view: known.honest(view)[: number + 2][-1], watches=True, together=together)


def random_by_turns(high: Annotated[float, Meta(gt=0.0, le=1e6)] = 0.001) -> Attack:
    """Random by turns: every other model that is offered is noise, so that what it lost by one it may win back by the next.

        offered at turn t = own where t is even, u where it is odd,   each weight of u uniform in 0 up to `high`

    Made here of `random_model`, as an on-off attack on reputations.
    """
    return Attack(offer=lambda view: np.float32(high) * view.rng.random(view.own.size, np.float32) if view.turn % 2 else view.own)


def random_model(high: Annotated[float, Meta(gt=0.0, le=1e6)] = 0.001) -> Attack:
    """Random model: what is offered is noise.

        offered = u,   each weight of u uniform in 0 up to `high`

    The model attackers of the DFL paper (arXiv 2110.15457, section V-B), whose numbers go up to 0.001.
    """
    return Attack(offer=lambda view: np.float32(high) * view.rng.random(view.own.size, np.float32))


def scaled_model(factor: Annotated[float, Meta(ge=-1e6, le=1e6)] = 10.0) -> Attack:
    """Scaled model: the model is offered too long, so that it outweighs others in a mean.

        offered = factor own,   no weight beyond 1e30, so that a mean is a number

    The model replacement of Bagdasaryan et al., How To Backdoor Federated Learning (arXiv 1807.00459), without a backdoor.
    """
    return Attack(offer=lambda view: known.times(view.own, factor))


def shifted_labels(by: Annotated[int, Meta(ge=1, le=255)] = 1) -> Attack:
    """Shifted labels: it trains on a label further on, around the end.

        learnt = (label + by) mod L,   of L labels

    Made here, beside `label_flip`, which leaves the middle one of an odd number of labels as it is.
    """
    return Attack(teach=lambda labels, count, rng: ((labels.astype(np.int64) + by) % count).astype(labels.dtype))


def shuffled_labels(uniform: bool = False) -> Attack:
    """Shuffled labels: it trains on the labels of its batch in another order, so that they say nothing of the samples.

        learnt = labels permuted,   by a permutation of the batch that is drawn anew each time

    After the attackers of the DFL authors' program (github.com/twoentartian/DFL). Parameter `uniform`, default false: instead, every label
    is drawn from all there are, each as likely, whatever the batch holds. That is what that program does under this name; the two differ
    where a node has few labels.
    """
    if uniform:
        return Attack(teach=lambda labels, count, rng: rng.integers(0, count, labels.shape).astype(labels.dtype))
    return Attack(teach=lambda labels, count, rng: rng.permuted(labels))


def silent() -> Attack:
    """Silent: it learns and listens, and offers nothing to anybody. A yardstick: no defence does better than beside it."""
    return Attack(sends=False)


def sign_flip(scale: Annotated[float, Meta(gt=0.0, le=1e6)] = 1.0) -> Attack:
    """Sign flip: the model is offered with every weight negated.

        offered = -scale own

    The sign-flipping attack of Li et al. (RSA, arXiv 1811.03761), on models in place of gradients.
    """
    return Attack(offer=lambda view: known.times(view.own, -scale))
