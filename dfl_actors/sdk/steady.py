"""Steady: the models that lie as near as the nearest sound ones, each by its distance and its sender's standing; an answer apart from them.

With the node's own model o, the newest model x of each sender, and r = |x - o| / |o|:

    sound      norm of every weight array of x within 1/2 to 2 times that of o's, and cosine(x, o) > -1/2
    echo       sound, and o itself, or nearer to the way that the node itself went than r / 2: from its own model of the update before to
               the mean of that update, and on to o
    bound      max(.04, 6 nearest)
    nearest    the running mean of the least r of a sound model that is no echo, or of all where all are; where that is beyond the bound,
               the bound counts in its place, or nothing, if the newest model of another sender was accepted, and no echo, in the last 50
               turns, or is an echo within it, and one was that was none, in the last 10
    accepted   sound, and r <= bound
    typical    the running mean of the lower median of the r of the accepted that are no echoes, or of all where all are
    f          near ahead behind of the accepted, 0 of all others
    near       min(1, max(.02, 2 typical) / r)
    ahead      max(.1, (.5 / early)^2) where near is 1 and early > .5, else 1
    early      m - max(0, upper median of the m of all senders) - mean of their late
    behind     max(.1, (2 / tardy)^2) where tardy > 2, else 1
    tardy      late - lower median of the late of all senders - max(0, largest of their m)
    m          the running mean of the sender's p;  p of any x: (x - o) w / w w
    w          the running mean of the ways from one mean to the next, which keeps .6 of what it was; it and every m begin anew after a
               way longer than .05 of the mean, and m is forgotten of whom nothing was accepted in 50 turns
    share      messages of the sender / (accepted messages + 1) * f * voice * reputation
    voice      min(1, 1.5 (usual + 1/3) / rate)
    rate       the messages of the sender so far, each counting .9 ^ (models that the node has made since); the node's, its own models
               likewise
    usual      upper median of the rates of all who were heard in the last 50 turns, and of the node's, and no less than the node's
    turn       an update before which the node has made a model since the one before
    mean       o + sum of share * (x - o), each weight array of it then as long as |o|^2 + sum of share * d has it, and then
               + min(sum of share * late, max(0, -p of that)) w
    d          |x|^2 - |o|^2 of the array, and no more than c either way;  c: the upper median of its size among the accepted
    late       max(0, -m)
    serving    e serving + (1 - e) mean;  e = min(.9, (1 + n) / (10 + n))
    reputation f + (reputation - f) (7/8) ^ messages

A running mean keeps min(.9, (1 + n) / (4 + n)) of what it was, n being the updates so far, or those with a p of the sender. Nothing is
known of attackers, and nothing need be set. The bound follows the nearest sound sender: an attacker cannot widen it while one honest
neighbour sends, however many models come between two of that one's; models that started apart are within it, and once they have met it
is narrow. Who repeats what the node itself said is near, and tells nothing of how near others are. That arrays keep their length makes
up for what averaging takes from the variance of weights (arXiv 2404.04616); one sender that is always shorter has no more say in it
than the others. Whoever sends what lies within half of the least bound keeps its standing, whatever its labels are, also where all
others have long agreed.

Models that are old when they come, whether the network is slow or their sender would have it so, pull everybody back to where it was, and
so does an attack against the progress. `late` is by how many averages. What senders that are usually behind pull back is left out, but
only as far as all together pull back: no node gets further on than its own steps took it, and where somebody drags the averages along,
those who hold against him are heard. What pulls aside, as other labels do, stays. But who goes on saying what others said long ago, or
holds the network up together with others, adds voices that have learnt nothing: who is tardy counts less, unless somebody is as far
ahead, who may be the one that drags all others along.

Who sends often fills buffers alone, and would have averages to itself, between two steps of the node. What counts of it is no more than
half as much again as most send; the node, which trains as others do, is one of these: beside a single honest neighbour nobody else could
tell who is too loud.

What always pulls aside the same way, near as it is, drags everybody along: the network goes where its sender would have it, and the
sender is ahead on that way by more than the network goes at a time, while others are ahead as often as behind. So who is early counts
less; beside late ones whoever is not seems to be ahead, and by how late all are in the mean is taken off that. One that alone brings
labels is early as well, but no longer than it is near, and it is heard all the same. Of two senders nobody can say which one it is: the
upper median is then the larger, and half of all senders at least are never early. While models that started apart come together, ways say
nothing of what senders want.

A weight array has two axes or more; beside one of the own model that is all zeros every one is sound.

It brings an optimiser, quasi-global momentum (`learning.momentum`), and answers with `serving`, the mean of its last ten averages or so.
Its notes say of each sender what was taken, and why not more.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import inf, prod, sqrt
from statistics import median_high, median_low
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from dfl_actors.learning.momentum import quasi_global
from dfl_actors.learning.weights import norm
from dfl_actors.sdk.interface import (
    OWN_MODELS,
    START_REPUTATION,
    Algorithm,
    Context,
    ReceivedModel,
    Reputations,
    Result,
    Weights,
    weighted_mean,
)
from dfl_actors.sdk.reasons import REJECTED, TAKEN
from dfl_actors.sdk.robust import length as length_of
from dfl_actors.sdk.robust import newest

REACH, FLOOR = 6.0, 0.04  # The bound, in distances of the nearest, and the least there is.
USUAL = 2.0  # Typical distances that a model may be away and count in full.
NORMS = 0.5, 2.0  # A sound array's norm, in norms of the own one.
AGAINST = 0.5  # The cosine against the own model that no sound one reaches.
LONGEST, FIRST, SERVED = 0.9, 4, 10  # Of running means: what they keep at most, and how slowly they get there.
STANDING = 7 / 8  # The part of a reputation that a message leaves.
WAY = 0.6  # What w keeps of what it was.
EARLY, TARDY = 0.5, 2.0  # Averages that a sender may be ahead of most, or later than most, and count in full.
VOICES = 1.5  # Messages that count in full, in those that most send.
SPARE = 1 / 3  # Of a message, by which one may send more in any case: two for one in the first turn.
HEARD = 0.1  # What is left of f at least where one is early or tardy.
JUMP = 0.05  # The way, in norms of the mean, after which w begins anew.
GONE = 50  # The turns after which a sender is forgotten of whom nothing was accepted, or heard.
WHILE = 10  # The turns for which a sender that was near, and no echo, goes on being so while it is one.
ECHO = 0.5  # Of its distance: how near the node's own way an echo is.

KNOWN = 0.995  # The reputation that is 1 in words.
PART = "in part: "


Array = tuple[str, int, int]  # A weight array: its name, and where in the flat vector it begins and ends.
Pull = tuple[float, int, int]  # Of a sender: the running mean of p, how many there were, and the turn of the last.
Rate = tuple[float, int]  # Of a sender, or the node itself: what its messages so far count, and the turn of the last.

OWN = ""  # The node itself among rates.


class Memory(NamedTuple):
    """What a node remembers; a state of the algorithm is its plain tuple. `updates` so far, running means of distances (None before the
    first), the model that the node answers with, the mean before, w, of each sender m, the own model before, of whose newest model
    was accepted and no echo the turn it came in, rates, and turns so far."""

    arrays: tuple[Array, ...]
    updates: int = 0
    nearest: float | None = None
    typical: float | None = None
    serving: Weights | None = None
    before: Weights | None = None
    way: Weights | None = None
    pulls: Mapping[str, Pull] = MappingProxyType({})
    former: Weights | None = None
    near: Mapping[str, int] = MappingProxyType({})
    rates: Mapping[str, Rate] = MappingProxyType({})
    turns: int = 0


class Way(NamedTuple):
    """The way that a node went: its last points before the own model, seen from there, and the products of each with each, the own one
    the last."""

    points: tuple[Weights, ...]
    products: np.ndarray


class Seen(NamedTuple):
    """The newest model of a sender beside the own one: x - o, its arrays' squared norms, r, why it is not sound (empty if it is), and
    whether it is an echo."""

    model: ReceivedModel
    apart: Weights
    squares: list[float]
    away: float
    unsound: str
    echo: bool


class Verdict(NamedTuple):
    """What is thought of a model: f, and why it is not more, in words."""

    factor: float
    words: str


def build() -> Algorithm:
    return Algorithm(init=begin, apply=apply, needs=frozenset({OWN_MODELS}), optimiser=quasi_global())


def begin(context: Context) -> tuple[object, ...]:
    """Where the weight arrays of the model lie, and nothing remembered yet."""
    arrays, start = [], 0
    for layer in context.parameters.layers:
        end = start + prod(layer.shape)
        if len(layer.shape) > 1:
            arrays.append((layer.name, start, end))
        start = end
    return tuple(Memory(tuple(arrays), pulls={}, near={}, rates={OWN: (0.0, 0)}))


def apply(
    state: tuple[object, ...], own: Weights, received: Sequence[ReceivedModel], reputations: Reputations, *, own_models: int
) -> Result:
    """The formula above. Nothing is taken, and all stays, when nobody is accepted."""
    memory = remembered(state)
    squares, length = squared_norms(own, memory.arrays), norm(own)
    way = way_of([point - own for point in (memory.former, memory.before) if point is not None])
    seen = [beside(own, length, squares, model, memory.arrays, way) for model in newest(received)]
    messages = Counter(model.sender for model in received)
    memory = counted(memory._replace(turns=memory.turns + bool(own_models)), {**messages, OWN: own_models})
    memory, verdicts = judged(memory, seen)
    verdicts = {who: Verdict(0.0, f"{REJECTED}: its weights are not finite") for who in messages} | verdicts
    memory = pulled(memory, [one for one in seen if verdicts[one.model.sender].factor])
    ahead, behind = early(memory.pulls), tardy(memory.pulls)
    verdicts = {who: hindered(one, ahead.get(who, 0.0), behind.get(who, 0.0)) for who, one in verdicts.items()}
    often = {who: by for who, by in loudness(memory.rates).items() if who in messages}
    held = {**reputations, **{sender: reputations.get(sender, START_REPUTATION) for sender in messages}}
    shares = shares_of(verdicts, messages, held, {who: min(1.0, VOICES / by) for who, by in often.items()})
    late = {who: by for who, by in lateness(memory.pulls).items() if who in shares}
    mean, left = made_up(memory.way, own, mixed(own, squares, seen, shares, memory.arrays), {who: shares[who] * late[who] for who in late})
    memory = onward(memory, own, mean)
    after = held | {sender: standing(held[sender], verdicts[sender].factor, messages[sender]) for sender in messages}
    words = words_of(verdicts, held, {who: left * by for who, by in late.items()}, often)
    return Result(tuple(memory), mean, after, {"senders": words}, memory.serving)


def remembered(state: tuple[object, ...]) -> Memory:
    """The memory whose plain tuple a state is; one that was saved by a version without the last fields begins with those."""
    memory = Memory._make((*state, *Memory(())[len(state) :]))
    turns = memory.turns or memory.updates
    pulls = {who: (*pull, turns)[:3] for who, pull in memory.pulls.items()}
    return memory._replace(turns=turns, pulls=pulls, near=dict(memory.near), rates={OWN: (0.0, turns), **memory.rates})


def squared_norms(model: Weights, arrays: Sequence[Array]) -> list[float]:
    """Of each weight array of a model [P]."""
    with np.errstate(over="ignore", invalid="ignore"):
        return [float(np.dot(model[begin:end], model[begin:end])) for _, begin, end in arrays]


def beside(own: Weights, length: float, squares: Sequence[float], model: ReceivedModel, arrays: Sequence[Array], way: Way) -> Seen:
    """A received model beside the own one, whose norm is `length`, and those of its arrays, squared, `squares`."""
    theirs, lengths = squared_norms(model.weights, arrays), (length, norm(model.weights))
    with np.errstate(over="ignore", invalid="ignore"):
        along, apart = float(np.dot(own, model.weights)), model.weights - own
    far = length_of(apart)
    away = far / lengths[0] if lengths[0] else inf if far else 0.0
    named = [name for name, _, _ in arrays]
    unsound = why_unsound(named, squares, theirs) or why_against(along, lengths)
    return Seen(model, apart, theirs, away, unsound, not unsound and (not far or off(way, apart) < ECHO * far))


def way_of(points: Sequence[Weights]) -> Way:
    """The way over these points, seen from the own model, to it."""
    products = np.zeros((len(points) + 1, len(points) + 1))
    products[:-1, :-1] = [[np.dot(one, other) for other in points] for one in points] if points else 0.0
    return Way(tuple(points), products)


def off(way: Way, place: Weights) -> float:
    """The least distance of a place, seen from the own model, from the stretches of the way; infinite where it has none."""
    dots, square = [*(float(np.dot(point, place)) for point in way.points), 0.0], float(np.dot(place, place))
    found = inf
    for begin, end in pairwise(range(len(dots))):
        here, there, across = way.products[begin, begin], way.products[end, end], way.products[begin, end]
        gone, whole = dots[end] - dots[begin] - across + here, max(here + there - 2 * across, 1e-30)
        part = min(1.0, max(0.0, gone / whole))
        found = min(found, square - 2 * dots[begin] + here - 2 * part * gone + part * part * whole)
    return sqrt(max(0.0, found))


def why_unsound(names: Sequence[str], squares: Sequence[float], theirs: Sequence[float]) -> str:
    """The array whose norm is furthest from the own one's, if that is too far; both are given squared."""
    ratios = [sqrt(other) / sqrt(mine) if mine else 1.0 for mine, other in zip(squares, theirs, strict=True)]
    wrong = [(max(ratio, 1 / max(ratio, 1e-30)), name, ratio) for name, ratio in zip(names, ratios, strict=True) if not sound(ratio)]
    if not wrong:
        return ""
    _, name, ratio = max(wrong)
    return f"{name} norm {ratio:.2g} of own"


def sound(ratio: float) -> bool:
    """Whether an array's norm is near enough to the own one's."""
    return NORMS[0] <= ratio <= NORMS[1]


def why_against(along: float, lengths: tuple[float, float]) -> str:
    """Whether the whole model cannot be compared with the own one, or points away from it; `lengths` are their norms, the own first."""
    if lengths[1] == inf:
        return "its weights are too large"
    cosine = along / (lengths[0] * lengths[1]) if all(lengths) else 1.0
    return "" if cosine > -AGAINST else f"points the other way, cosine {cosine:.2f}"


def judged(memory: Memory, seen: Sequence[Seen]) -> tuple[Memory, dict[str, Verdict]]:
    """What is thought of each sender's model, and the memory with the distances of these; beside an own model that is all zeros there are
    none, and whoever is sound is accepted."""
    proper = [one for one in seen if not one.unsound]
    far = [one.away for one in [one for one in proper if not one.echo] or proper]
    if far and min(far) == inf:
        return memory, {one.model.sender: verdict(one, inf, inf) for one in seen}
    before = inf if memory.nearest is None else bound_of(memory.nearest)
    near = nearby(memory, seen, before)
    tells = far and (min(far) <= before or not near)
    nearest = running(memory.nearest, min(before, *far), memory.updates) if tells else memory.nearest
    bound = bound_of(nearest or 0.0)
    accepted = [away for away in far if away <= bound]
    typical = running(memory.typical, median_low(accepted), memory.updates) if accepted else memory.typical
    near |= {one.model.sender: memory.turns for one in proper if one.away <= bound and not one.echo}
    memory = memory._replace(nearest=nearest, typical=typical, near=near)
    return memory, {one.model.sender: verdict(one, bound, typical or 0.0) for one in seen}


def nearby(memory: Memory, seen: Sequence[Seen], bound: float) -> dict[str, int]:
    """Those of the near senders that still are, the ones without a model here too; of one whose model is an echo the last that was none may
    not be long ago."""
    far = {one.model.sender for one in seen if one.unsound or one.away > bound}
    echoes = {one.model.sender for one in seen if one.echo}
    return {who: at for who, at in memory.near.items() if who not in far and memory.turns - at < (WHILE + 1 if who in echoes else GONE)}


def bound_of(nearest: float) -> float:
    """The furthest that is accepted."""
    return max(FLOOR, REACH * nearest)


def running(before: float | None, value: float, updates: int) -> float:
    """A running mean after one more value."""
    keep = min(LONGEST, (1 + updates) / (FIRST + updates))
    return value if before is None else keep * before + (1 - keep) * value


def verdict(one: Seen, bound: float, typical: float) -> Verdict:
    if one.unsound:
        return Verdict(0.0, f"{REJECTED}: {one.unsound}")
    if one.away > bound:
        times = one.away / bound
        return Verdict(0.0, f"{REJECTED}: " + (f"{times:.2g} times the bound away" if times >= 1.05 else "just beyond the bound"))
    near = max(USUAL * typical, FLOOR / 2)
    if one.away <= near:
        return Verdict(1.0, TAKEN)
    return Verdict(near / one.away, f"{PART}{one.away / max(typical, 1e-30):.2g} times the usual distance")


def counted(memory: Memory, messages: Mapping[str, int]) -> Memory:
    """The memory with one more update's messages."""
    heard = {**memory.rates, **{who: (memory.rates.get(who, (0.0, 0))[0], memory.turns) for who, count in messages.items() if count}}
    keep = LONGEST ** messages[OWN]
    known = {who: rate for who, rate in heard.items() if memory.turns - rate[1] < GONE}
    return memory._replace(rates={who: (keep * rate + messages.get(who, 0), at) for who, (rate, at) in known.items()})


def loudness(rates: Mapping[str, Rate]) -> dict[str, float]:
    """How much more often than most, and than the node itself, each sends."""
    most = max(rates[OWN][0], median_high(rate for rate, _ in rates.values())) + SPARE
    return {who: rate / most for who, (rate, _) in rates.items()}


def shares_of(
    verdicts: Mapping[str, Verdict], messages: Mapping[str, int], held: Reputations, voices: Mapping[str, float]
) -> dict[str, float]:
    """The share of each accepted sender in the mean."""
    taken = {sender: messages[sender] for sender, one in verdicts.items() if one.factor}
    whole = sum(taken.values()) + 1
    return {sender: count / whole * verdicts[sender].factor * voices[sender] * held[sender] for sender, count in taken.items()}


def mixed(own: Weights, squares: Sequence[float], seen: Sequence[Seen], shares: Mapping[str, float], arrays: Sequence[Array]) -> Weights:
    """The mean, its weight arrays as long as the formula has them."""
    taken = [(one, shares[one.model.sender]) for one in seen if shares.get(one.model.sender)]
    if not taken:
        return own.copy()
    rest = 1.0 - sum(share for _, share in taken)
    mean = weighted_mean([own, *(one.model.weights for one, _ in taken)], [rest, *(share for _, share in taken)])
    for place, (_, begin, end) in enumerate(arrays):
        wanted = squares[place] + longer([(one.squares[place] - squares[place], share) for one, share in taken])
        found = float(np.dot(mean[begin:end], mean[begin:end]))
        if found:
            mean[begin:end] *= np.float32(sqrt(wanted / found))
    return mean


def longer(differences: Sequence[tuple[float, float]]) -> float:
    """The sum of share * d, of the differences of an array's squared norms and their shares."""
    most = median_high(abs(difference) for difference, _ in differences)
    return sum(share * min(most, max(-most, difference)) for difference, share in differences)


def served(memory: Memory, mean: Weights) -> Weights:
    """The model that the node answers with, after one more mean."""
    keep = min(LONGEST, (1 + memory.updates) / (SERVED + memory.updates))
    return mean.copy() if memory.serving is None else np.float32(keep) * memory.serving + np.float32(1 - keep) * mean


def onward(memory: Memory, own: Weights, mean: Weights) -> Memory:
    """The memory after one more mean."""
    way = memory.way
    if memory.before is not None:
        moved = mean - memory.before
        if norm(moved) > JUMP * norm(mean):
            memory, way = memory._replace(pulls={}), None
        else:
            way = moved if way is None else np.float32(WAY) * way + np.float32(1 - WAY) * moved
    return memory._replace(updates=memory.updates + 1, serving=served(memory, mean), before=mean.copy(), way=way, former=own.copy())


def pulled(memory: Memory, accepted: Sequence[Seen]) -> Memory:
    """The memory with what was learnt of the senders of these models: how far along w theirs lie; nothing before w is known."""
    pulls = {who: pull for who, pull in memory.pulls.items() if memory.turns - pull[2] < GONE}
    if memory.way is not None:
        for one in accepted:
            p = along(memory.way, one.apart)
            usual, count, _ = pulls.get(one.model.sender, (p, 0, 0))
            pulls[one.model.sender] = running(usual, p, count), count + 1, memory.turns
    return memory._replace(pulls=pulls)


def lateness(pulls: Mapping[str, Pull]) -> dict[str, float]:
    """By how many averages each sender is behind the node."""
    return {sender: max(0.0, -m) for sender, (m, _, _) in pulls.items()}


def early(pulls: Mapping[str, Pull]) -> dict[str, float]:
    """By how many averages each sender is further than most, and than late ones hold the others up; below 0 for those who are not."""
    if not pulls:
        return {}
    most = max(0.0, median_high(m for m, _, _ in pulls.values())) + sum(lateness(pulls).values()) / len(pulls)
    return {sender: m - most for sender, (m, _, _) in pulls.items()}


def tardy(pulls: Mapping[str, Pull]) -> dict[str, float]:
    """By how many averages each sender is later than most, and than anybody drags the others along; below 0 for those who are not."""
    if not pulls:
        return {}
    late = lateness(pulls)
    most = median_low(late.values()) + max(0.0, *(m for m, _, _ in pulls.values()))
    return {sender: by - most for sender, by in late.items()}


def hindered(one: Verdict, ahead: float, behind: float) -> Verdict:
    """What is thought of the model of a sender that is usually so far ahead of most, or so much later; who is far away as well counts less
    already than one that is ahead need."""
    if one.factor and behind > TARDY:
        return Verdict(one.factor * heard(TARDY, behind), in_part(f"usually {averages(behind)} later than most", one.words))
    if one.factor < 1 or ahead <= EARLY:
        return one
    return Verdict(heard(EARLY, ahead), in_part(f"{averages(ahead)} ahead", one.words))


def heard(most: float, by: float) -> float:
    """What is left of f of one that is early or tardy by more averages than the most that count in full."""
    return max(HEARD, (most / by) ** 2)


def in_part(why: str, words: str) -> str:
    """Why a model counts in part, and what was said of it before."""
    return f"{PART}{why}" + ("" if words == TAKEN else f", {words.removeprefix(PART)}")


def along(way: Weights, moved: Weights) -> float:
    """p of a way that something lies off."""
    square = float(np.dot(way, way))
    return float(np.dot(moved, way)) / square if square else 0.0


def made_up(way: Weights | None, own: Weights, mean: Weights, back: Mapping[str, float]) -> tuple[Weights, float]:
    """The mean without what late senders pull back, and which part of that this is; `back`: share * late of each."""
    whole = sum(back.values())
    if way is None or not whole:
        return mean, 0.0
    left = min(whole, max(0.0, -along(way, mean - own)))
    return mean + np.float32(left) * way, left / whole


def standing(held: float, factor: float, messages: int) -> float:
    """The reputation after so many messages that were taken with this factor."""
    return factor + (held - factor) * STANDING**messages


def words_of(verdicts: Mapping[str, Verdict], held: Reputations, late: Mapping[str, float], often: Mapping[str, float]) -> dict[str, str]:
    """What was taken of each sender, and why not more."""
    return {who: said_of(one, held[who], late.get(who, 0.0), often[who]) if one.factor else one.words for who, one in verdicts.items()}


def said_of(one: Verdict, held: float, late: float, often: float) -> str:
    """The same of an accepted one."""
    words = one.words if late < 1 else in_part(f"{averages(late)} late", one.words)
    words = words if often <= VOICES else in_part(f"sends {often:.2g} times as often as most", words)
    if held >= KNOWN:
        return words
    return f"{PART}its reputation is {held:.2f}" if words == TAKEN else f"{words}; its reputation is {held:.2f}"


def averages(count: float) -> str:
    """So many averages, in words."""
    number = f"{count:.2g}" if count < 10 else f"{count:.0f}"
    return f"{number} average" + "s" * (number != "1")
