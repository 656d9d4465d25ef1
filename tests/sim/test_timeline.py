"""What happens in which tick: the order within a tick, who receives what, and the same again from a seed."""

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from dfl_actors.config import parse_topology
from dfl_actors.config.sections import Sim
from dfl_actors.config.toml_text import dump_value
from dfl_actors.sim.conditions import Conditions
from dfl_actors.sim.generators import Drawn
from dfl_actors.sim.timeline import Broadcast, Check, Compare, Indices, Job, Judge, Measure, Member, See, Timeline, Train, Turn, Update


def sim(**options: Any) -> Sim:
    """Only what is asked for is done for all nodes."""
    return Sim(**{"check_every": 0, "compare_every": 0, **options})


NONE = sim()


class Numbered:
    """Draws that tell how many there were."""

    def __init__(self) -> None:
        self.drawn = 0
        self.drifts: list[object] = []

    def drift(self, given: object) -> None:
        self.drifts.append((self.drawn, given))

    def _next(self, *shape: int) -> Indices:
        self.drawn += 1
        return np.full(shape, self.drawn, np.uint32)

    def batch(self) -> Indices:
        return self._next(2)

    def tests(self, models: int) -> Indices:
        return self._next(models, 3)

    def check(self) -> Indices:
        return self._next(4)

    def state(self) -> list[Drawn]:
        return [{"drawn": self.drawn}]

    def restore(self, state: list[Drawn]) -> None:
        self.drawn = int(str(state[0]["drawn"]))


def line(buffer: int = 2, observer: bool = False, measures: bool = False, intervals: tuple[int, ...] = (2,)) -> list[Member]:
    """Three nodes in a line: 0 - 1 - 2."""
    return [
        Member((1,), intervals, buffer, measures=measures),
        Member((0, 2), intervals, buffer, offers=not observer, measures=measures),
        Member((1,), intervals, buffer, measures=measures),
    ]


def conditions(events: str, links: str = '"line"', nodes: int = 3) -> Conditions:
    text = f"[network]\nnodes = {nodes}\nlinks = {links}\n{events}"
    return Conditions(parse_topology(text, where="net.toml", name="net"), lambda attack, _: attack == "silent")


def timeline(members: list[Member], seed: int = 0, options: Sim = NONE, events: str = "", draws: list[Numbered] | None = None) -> Timeline:
    rngs = [np.random.default_rng([seed, part]) for part in range(4)]
    return Timeline(members, draws or [Numbered() for _ in members], options, rngs, conditions(events, nodes=max(2, len(members))))


def jobs(members: list[Member], ticks: int, seed: int = 0, options: Sim = NONE, events: str = "") -> list[list[Job]]:
    made = timeline(members, seed, options, events)
    return [list(made.tick(tick)) for tick in range(ticks)]


def kinds(tick: list[Job]) -> list[tuple[str, int]]:
    return [(type(job).__name__, getattr(job, "node", -1)) for job in tick]


def test_a_tick_is_training_then_averaging_then_looking() -> None:
    first, second, third = jobs(line(), 3, options=sim(check_every=2, compare_every=2))
    trained = [("Train", 0), ("Train", 1), ("Train", 2)]
    assert kinds(first) == [*trained, ("Update", 1), ("Check", 0), ("Check", 1), ("Check", 2), ("Compare", -1)]
    assert kinds(second) == []
    assert kinds(third)[:6] == [*trained, ("Update", 0), ("Update", 1), ("Update", 2)]


def test_a_full_buffer_holds_what_the_neighbours_sent_in_order_and_is_emptied() -> None:
    updates = [job for tick in jobs(line(), 5) for job in tick if isinstance(job, Update)]
    assert [[(one.model, one.sender) for one in job.received] for job in updates if job.node == 1] == [
        [(0, 0), (2, 2)], [(3, 0), (5, 2)], [(6, 0), (8, 2)],
    ]  # fmt: skip
    assert [[one.model for one in job.received] for job in updates if job.node == 0] == [[1, 4]]


def test_models_are_measured_before_they_are_averaged_each_on_its_own_samples() -> None:
    (tick,) = jobs(line(measures=True), 1)
    measure, update = tick[-2:]
    assert isinstance(measure, Measure) and isinstance(update, Update) and update.measured
    assert measure.models == tuple(one.model for one in update.received) and measure.samples.shape == (2, 3)


def test_shared_test_models_hold_what_any_of_the_nodes_that_update_in_a_tick_has_set() -> None:
    apart, shared = (
        [job for tick in jobs(line(measures=True), 40, options=sim(share_test_models=share)) for job in tick] for share in (False, True)
    )
    assert kinds(apart) == kinds(shared)
    ticks = [[job for job in shared if isinstance(job, Measure) and job.tick == tick] for tick in range(40)]
    own = {(job.tick, job.node): job.models for job in apart if isinstance(job, Measure)}
    together = [tick for tick in ticks if len(tick) > 1]
    assert together and all(len({job.models for job in tick}) == 1 for tick in together), "all measure the same"
    for tick in together:
        for place, model in enumerate(tick[0].models):
            assert model in [own[job.tick, job.node][place] for job in tick]
    swapped = [job.models != own[job.tick, job.node] for tick in together for job in tick]
    assert any(swapped) and not all(swapped)
    assert all(job.models == own[job.tick, job.node] for tick in ticks if len(tick) == 1 for job in tick), "a node alone has its own"


def test_an_observer_receives_and_averages_but_never_trains() -> None:
    found = [job for tick in jobs(line(observer=True), 9) for job in tick]
    assert not [job for job in found if isinstance(job, Train) and job.node == 1]
    assert [job for job in found if isinstance(job, Update) and job.node == 1]
    assert not [job for job in found if isinstance(job, Update) and job.node == 0], "its neighbours get nothing"


def test_intervals_are_drawn_from_the_list() -> None:
    found = jobs(line(buffer=99, intervals=(3, 5)), 400)
    ticks = [job.tick for tick in found for job in tick if isinstance(job, Train) and job.node == 0]
    gaps = {after - before for before, after in pairwise(ticks)}
    assert ticks[0] == 0 and gaps == {3, 5}


def test_the_same_seed_gives_the_same_jobs_and_another_gives_others() -> None:
    def told(seed: int) -> list[list[tuple[str, int]]]:
        return [kinds(tick) for tick in jobs(line(intervals=(3, 4, 5)), 60, seed)]

    assert told(4) == told(4) != told(5)


def test_services_that_are_off_say_nothing() -> None:
    assert not [job for tick in jobs(line(), 30) for job in tick if isinstance(job, Check | Compare)]


def test_a_model_that_is_delayed_comes_at_the_beginning_of_its_tick() -> None:
    found = jobs(line(buffer=1, intervals=(100,)), 5, options=sim(delay=(3,)))
    assert [kinds(tick) for tick in found[1:]] == [[], [], [("Update", 0), ("Update", 1), ("Update", 2)], []]
    (update,) = [job for job in found[3] if isinstance(job, Update) and job.node == 1]
    assert [one.sender for one in update.received] == [0, 2]


def test_a_model_that_is_lost_is_read_by_nobody_and_each_link_loses_its_own() -> None:
    trained = [job for tick in jobs(line(), 400, options=sim(loss=0.25)) for job in tick if isinstance(job, Train)]
    arrived = [sum(job.readers for job in trained if job.node == node) / sum(job.node == node for job in trained) for node in range(3)]
    assert 0.6 < arrived[0] < 0.9 and 1.3 < arrived[1] < 1.7
    assert {job.readers for job in trained if job.node == 1} == {0, 1, 2}
    lost = [job for tick in jobs(line(), 9, options=sim(loss=1.0)) for job in tick]
    assert {job.readers for job in lost if isinstance(job, Train)} == {0} and not [job for job in lost if isinstance(job, Update)]


def test_links_may_lead_one_way() -> None:
    members = [Member((1,), (2,), 1), Member((), (2,), 1)]
    found = [job for tick in jobs(members, 5) for job in tick]
    assert {job.node for job in found if isinstance(job, Update)} == {1}
    assert {job.node: job.readers for job in found if isinstance(job, Train)} == {0: 1, 1: 0}


def test_everybody_gets_the_mean_now_and_then_but_not_at_the_beginning() -> None:
    found = jobs(line(), 9, options=sim(broadcast_every=4, check_every=4))
    assert [job.tick for tick in found for job in tick if isinstance(job, Broadcast)] == [4, 8]
    assert [type(job) for job in found[4]][-4:] == [Broadcast, Check, Check, Check], "accuracies are those after it"


def test_an_algorithm_that_asks_for_it_has_the_own_model_measured_at_its_updates() -> None:
    members = [Member((1,), (2,), 1, judges=True), Member((0,), (2,), 1)]
    updates = {job.node: job.own for job in jobs(members, 1)[0] if isinstance(job, Update)}
    assert updates[0] is not None and updates[0].shape == (3,) and updates[1] is None


def test_peer_control_begins_without_receivers_and_waits_for_accuracies_before_it_changes_them() -> None:
    made = timeline(line(buffer=1), options=sim(peer_control=True, peer_interval=4, peer_high=0.8, peer_low=0.2))
    ticks = [list(made.tick(tick)) for tick in range(4)]
    assert {job.readers for tick in ticks for job in tick if isinstance(job, Train)} == {0} and not made.waits
    judged = [job for job in made.tick(4) if isinstance(job, Judge)]
    assert [job.node for job in judged] == [0, 1, 2] and made.waits
    for node, accuracy in enumerate((0.9, 0.5, 0.85)):
        assert made.waits and not made.changes()
        made.judged(4, node, accuracy)
    assert [(tick, change.node, change.added, change.peer) for tick, change in made.changes()] == [(4, 0, True, 1), (4, 2, True, 1)]
    assert not made.waits and not made.changes()
    assert {job.node: job.readers for job in [*made.tick(5), *made.tick(6)] if isinstance(job, Train)} == {0: 1, 1: 0, 2: 1}
    assert made.waits, "the update of node 1 has measured it"


def test_a_timeline_goes_on_from_its_state_as_if_nothing_had_been() -> None:
    options = sim(check_every=5, delay=(0, 2, 7), loss=0.3)
    whole, half = (timeline(line(intervals=(2, 3)), 3, options) for _ in range(2))
    told = [[kinds(tick), [job.model for job in tick if isinstance(job, Train)]] for tick in (list(whole.tick(n)) for n in range(40))]
    for tick in range(20):
        list(half.tick(tick))
    other = timeline(line(intervals=(2, 3)), 99, options)
    other.restore(json.loads(json.dumps(half.state())))
    assert other.waiting() == half.waiting() != {}
    rest = [[kinds(tick), [job.model for job in tick if isinstance(job, Train)]] for tick in (list(other.tick(n)) for n in range(20, 40))]
    assert rest == told[20:]


# ---- events


def event(**keys: Any) -> str:
    return "[[event]]\n" + "".join(f"{key} = {dump_value(value)}\n" for key, value in keys.items())


def test_a_node_that_is_away_neither_trains_nor_averages_nor_gets_models() -> None:
    away = event(tick=2, do="leave", node="1") + event(tick=6, do="join", node="1")
    made = jobs(line(), 9, events=away)
    assert [kinds(tick) for tick in made[2:6:2]] == [[("Train", 0), ("Train", 2)]] * 2
    assert [job.readers for tick in made[2:6] for job in tick if isinstance(job, Train)] == [0] * 4
    assert kinds(made[6]) == [("Train", 0), ("Train", 1), ("Train", 2), ("Update", 0), ("Update", 1), ("Update", 2)]


def test_a_model_on_its_way_waits_for_a_node_that_is_away() -> None:
    away = event(tick=1, do="leave", node="1") + event(tick=5, do="join", node="1")
    made = jobs(line(intervals=(8,)), 6, options=sim(delay=(2,)), events=away)
    assert kinds(made[2]) == [] and kinds(made[5]) == [("Train", 1), ("Update", 1)][1:]


def test_a_cut_link_carries_nothing_until_it_is_up_again() -> None:
    cut = event(tick=0, do="unlink", link="1--0") + event(tick=4, do="link", link="0--1")
    readers = [[job.readers for job in tick if isinstance(job, Train)] for tick in jobs(line(buffer=9), 5, events=cut)]
    assert readers[0:5:2] == [[0, 1, 1], [0, 1, 1], [1, 2, 1]]


def test_a_slow_node_trains_as_much_less_often() -> None:
    slow = event(tick=4, do="slow", node="0", factor=0.5) + event(tick=12, do="slow", node="0", factor=1.0)
    made = jobs(line(buffer=99), 17, events=slow)
    assert [tick for tick, done in enumerate(made) if ("Train", 0) in kinds(done)] == [0, 2, 4, 8, 12, 14, 16]


def test_a_node_turns_before_it_trains_in_that_tick() -> None:
    attack = event(tick=2, do="attack", node="0", attack="sign_flip", attack_parameters={"scale": 2.0})
    made = jobs(line(buffer=9), 5, events=attack + event(tick=4, do="honest", node="0"))
    assert [tick[0] for tick in made[2:5:2]] == [Turn(2, 0, "sign_flip", {"scale": 2.0}), Turn(4, 0, None, {})]


def test_a_node_drifts_before_it_trains_in_that_tick_and_again_where_it_goes_on_from_a_checkpoint() -> None:
    drift = event(tick=3, do="drift", node="0", label_weights=[0, 1])
    draws, others = ([Numbered() for _ in range(3)] for _ in range(2))
    half = timeline(line(intervals=(1,), buffer=9), events=drift, draws=draws)
    for tick in range(4):
        list(half.tick(tick))
    assert [draw.drifts for draw in draws] == [[(3, (0.0, 1.0))], [], []]
    timeline(line(intervals=(1,), buffer=9), events=drift, draws=others).restore(json.loads(json.dumps(half.state())))
    assert [draw.drifts for draw in others] == [[(0, (0.0, 1.0))], [], []]


def test_what_one_of_those_who_attack_together_averages_the_others_see_before_it_averages() -> None:
    members = line(buffer=1)
    members[0] = replace(members[0], accomplices=(2,))
    (tick,) = jobs(members, 1)
    see, update = (job for job in tick if isinstance(job, See | Update) and (isinstance(job, See) or job.node == 0))
    assert isinstance(see, See) and isinstance(update, Update)
    assert see.node == 2 and see.received == update.received


def test_a_silent_node_trains_and_averages_and_sends_nothing_from_the_tick_on_in_which_it_is_silent() -> None:
    silent = event(tick=2, do="attack", node="1", attack="silent") + event(tick=4, do="honest", node="1")
    made = jobs(line(buffer=2), 5, events=silent)
    assert [[job.readers for job in tick if isinstance(job, Train)] for tick in made[0:5:2]] == [[1, 2, 1], [1, 0, 1], [1, 2, 1]]
    assert ("Update", 1) in kinds(made[2])


def test_the_mean_that_is_forced_on_everybody_passes_over_who_is_away() -> None:
    made = jobs(line(), 3, options=sim(broadcast_every=2), events=event(tick=1, do="leave", node="2"))
    assert [job.nodes for job in made[2] if isinstance(job, Broadcast)] == [(0, 1)]


def test_a_state_holds_what_has_happened() -> None:
    events = event(tick=1, do="leave", node="0") + event(tick=6, do="join", node="0") + "[churn]\nup_s = 3\ndown_s = 2\n"
    whole = jobs(line(), 30, events=events)
    first, second = (timeline(line(), events=events) for _ in range(2))
    for tick in range(12):
        list(first.tick(tick))
    second.restore(json.loads(json.dumps(first.state(), default=int)))
    rest = [list(second.tick(tick)) for tick in range(12, 30)]
    assert [kinds(tick) for tick in rest] == [kinds(tick) for tick in whole[12:]]
