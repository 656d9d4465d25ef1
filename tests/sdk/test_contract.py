"""Every built-in keeps its contract, a broken one is caught by the rule it breaks, and the examples of docs/sdk.md run."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfl_actors.sdk import Algorithm, Attack, Optimiser, Result, View
from dfl_actors.sdk.contract import Finding, check_plugin, load_plugin
from dfl_actors.sdk.describe import EITHER
from tests.network.harness import Command

ROOT = Path(__file__).parents[2]
SMALL = """
import keras
def build(shape, labels):
    layers = [keras.layers.Reshape((*shape, 1)), keras.layers.MaxPooling2D(4), keras.layers.Flatten(), keras.layers.Dense(labels)]
    return keras.Sequential([keras.Input(shape), *layers])
"""
calls: list[int] = []


def failures(findings: list[Finding]) -> dict[str, str]:
    return {one.rule: one.failure for one in findings if one.failure}


@pytest.mark.parametrize("name", EITHER.built_in)
def test_every_built_in_keeps_its_contract(name: str) -> None:
    findings = check_plugin(lambda: load_plugin(name, {}, Path()))
    assert failures(findings) == {} and all(one.tried for one in findings)


def in_place(state: Any, own: Any, received: Any, reputations: Any) -> Result:
    received[0].weights[:] = own
    return Result(state, own.copy(), reputations, {})


def in_place_reputations(state: Any, own: Any, received: Any, reputations: Any) -> Result:
    reputations["a"] = 0.5
    return Result(state, own.copy(), reputations, {})


def in_place_later(state: Any, own: Any, received: Any, reputations: Any) -> Result:
    if state:
        own += 1
    return Result(True, own.copy(), reputations, {})


def pops(state: Any, own: Any, received: Any, reputations: Any) -> Result:
    received.pop()
    return Result(state, own.copy(), reputations, {})


def remembers(state: Any, own: Any, received: Any, reputations: Any) -> Result:
    calls.append(1)
    return Result(state, own + np.float32(len(calls)), reputations, {})


def divides(state: Any, own: Any, received: Any, reputations: Any) -> Result:
    with np.errstate(all="ignore"):
        return Result(state, own / np.linalg.norm(own) * np.linalg.norm(own), reputations, {})


def shrinks(state: Any, own: Any, received: Any, reputations: Any) -> Result:
    return Result(state, own * np.float32(0.99), reputations, {})


def first_come(state: Any, own: Any, received: Any, reputations: Any) -> Result:
    return Result(state, received[0].weights.copy(), reputations, {})


def first_come_reputation(state: Any, own: Any, received: Any, reputations: Any) -> Result:
    return Result(state, own.copy(), {**reputations, received[0].sender: 0.5}, {})


def praises(state: Any, own: Any, received: Any, reputations: Any) -> Result:
    return Result(state, own.copy(), {sender: value + 0.1 for sender, value in reputations.items()}, {})


def doubles(state: Any, own: Any, received: Any, reputations: Any) -> Result:
    return Result(state, own.astype(np.float64), reputations, {})


@pytest.mark.parametrize(
    ("apply", "rule", "words"),
    [
        (in_place, "inputs unchanged", "changes the model of a in place"),
        (in_place_reputations, "inputs unchanged", "changes the reputations in place"),
        (in_place_later, "inputs unchanged", "five senders: changes the own model in place"),
        (pops, "inputs unchanged", "changes the list"),
        (remembers, "same input, same output", "weights differ by up to"),
        (divides, "finite", "models of zeros: 260 of 260"),
        (shrinks, "equal models stay equal", "differs from it by up to"),
        (first_come, "order of senders irrelevant", "five senders: weights differ"),
        (first_come_reputation, "order of senders irrelevant", "the reputation of a is 0.5 once and 1.0 then"),
        (praises, "reputations within 0..1", "the reputation of a is 1.2"),
        (doubles, "shape kept", "float64"),
        (lambda state, own, *_: Result(state, own.copy(), {}, {}, own[:3]), "shape kept", "serves float32 (3,) where"),
        (lambda state, own, *_: Result(state, own.copy(), {}, {}, list(own)), "shape kept", "serves a list where"),  # type: ignore[arg-type]
        (lambda state, own, *_: Result(state, own.copy(), {}, {}, own / np.float32(0)), "finite", "numbers are NaN or infinite"),
        (
            lambda state, own, *_: Result(state, own.copy(), {}, {"senders": "all bad"}),
            "runs",
            "must map senders to texts, not be 'all bad'",
        ),
        (lambda *_: 1 // 0, "runs", "apply failed: ZeroDivisionError"),
        (lambda *_: None, "runs", "returns a NoneType, not a Result"),
        (lambda state, own, *_: Result(state, own.copy(), {}, {"who": {1, 2}}), "runs", "notes must be made of numbers"),
    ],
)
def test_a_broken_algorithm_is_caught_by_its_rule(apply: Callable[..., Result], rule: str, words: str) -> None:
    findings = check_plugin(lambda: Algorithm("bad", lambda context: None, apply))
    assert words in failures(findings)[rule]
    if rule in ("runs", "shape kept"):
        assert not findings[-1].tried


def test_a_random_algorithm_with_the_seeded_generator_repeats() -> None:
    def apply(rng: np.random.Generator, own: Any, received: Any, reputations: Any) -> Result:
        return Result(rng, own * np.float32(1 + 1e-9 * rng.random()), reputations, {})

    assert failures(check_plugin(lambda: Algorithm("random", lambda context: context.rng, apply))) == {}


def first_other(view: View) -> Any:
    return next(iter(view.others.values()), view.own).copy()


def pops_other(view: View) -> Any:
    return view.others.pop("a", view.own).copy()  # type: ignore[attr-defined]


def fails(labels: Any, count: int, rng: Any) -> Any:
    return 1 // 0


def doubles_others(view: View) -> Any:
    for weights in view.others.values():
        np.multiply(weights, 2, out=weights)
    return view.own.copy()


def doubles_past(view: View) -> Any:
    for weights in view.past:
        np.multiply(weights, 2, out=weights)
    return view.own.copy()


def needs_own(state: Any, own: Any, received: Any, reputations: Any, *, own_accuracy: float | None) -> Result:
    return Result(state, own * np.float32(own_accuracy - 0.5), reputations, {})  # type: ignore[operator]


def test_an_algorithm_that_counts_on_the_own_accuracy_is_caught_where_there_is_none() -> None:
    findings = check_plugin(lambda: Algorithm("bad", lambda context: None, needs_own, frozenset({"own_accuracy"})))
    assert "the own model was not measured: apply failed: TypeError" in failures(findings)["runs"]


def test_what_an_attack_did_not_ask_for_it_does_not_see() -> None:
    seen: list[tuple[int, int]] = []

    def offer(view: View) -> Any:
        seen.append((len(view.others), len(view.past)))
        return view.own.copy()

    for attack in (Attack("honest", offer=offer), Attack("honest", offer=offer, watches=True), Attack("honest", offer=offer, remembers=2)):
        seen.clear()
        assert failures(check_plugin(lambda: attack)) == {}  # noqa: B023
        assert any(others for others, _ in seen) == attack.watches and max(past for _, past in seen) == attack.remembers


@pytest.mark.parametrize(
    ("attack", "rule", "words"),
    [
        (Attack("bad", offer=lambda view: view.own[:3]), "shape kept", "offer: returns float32 (3,)"),
        (Attack("bad", offer=lambda view: view.own.__imul__(2)), "inputs unchanged", "offer: changes what it is given"),
        (Attack("bad", offer=lambda view: view.own * np.float32("nan")), "finite", "260 of 260"),
        (Attack("bad", offer=lambda view: view.own + np.float32(np.random.default_rng().random())), "same input, same output", "same seed"),
        (Attack("bad", teach=lambda labels, count, rng: labels + 10), "labels within range", "from 10 to 19"),
        (Attack("bad", teach=fails), "runs", "ZeroDivisionError"),
        (Attack("bad", imagine=lambda images, rng: images[0]), "shape kept", "imagine"),
        (Attack("bad", offer=first_other, watches=True), "order of senders irrelevant", "offer, five senders: weights differ"),
        (Attack("bad", offer=pops_other, watches=True), "inputs unchanged", "changes the collections of models"),
        (Attack("bad", offer=doubles_others, watches=True), "inputs unchanged", "changes a model of the others or of the past"),
        (Attack("bad", offer=doubles_past, remembers=1), "inputs unchanged", "changes a model of the others or of the past"),
        (Attack("bad", offer=lambda view: view.past[1].copy(), remembers=2), "runs", "offer: offer failed: IndexError"),
        (Attack("bad", offer=lambda view: view.own * np.float32(np.inf), remembers=1), "finite", "offer: "),
    ],
)
def test_a_broken_attack_is_caught_by_its_rule(attack: Attack, rule: str, words: str) -> None:
    assert words in failures(check_plugin(lambda: attack))[rule]


def test_the_examples_of_the_documentation_keep_their_contract_and_run(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "sdk.md").read_text(encoding="utf-8")
    trust, homing, turncoat, parrot = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (topology,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    files = {"trust.py": trust, "homing.py": homing, "turncoat.py": turncoat, "parrot.py": parrot, "mine.toml": topology, "small.py": SMALL}
    for name, content in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    for name, parameters in (
        ("trust.py:build", {"least": 0.4}),
        ("turncoat.py:build", {"factor": 0.5}),
        ("parrot.py:build", {}),
        ("homing.py:build", {"home": 0.1}),
    ):
        assert failures(check_plugin(lambda: load_plugin(name, parameters, tmp_path))) == {}  # noqa: B023
    options = ["--ticks", "41", "--out", "out", "--jobs", "1", "-s", "training.model=small.py:build", "-s", "data.test_samples=10"]
    options += ["-s", "training.optimizer=homing.py:build"]
    sim = Command(tmp_path, "sim", "mine.toml", *options)
    sim.ended(0)
    assert sim.stderr == ""
    rows = (tmp_path / "out" / "reputation" / "0_reputation.csv").read_text().splitlines()
    opinion = dict(zip(rows[0].split(","), map(float, rows[-1].split(",")), strict=True))
    assert opinion["3"] < 1.0 == opinion["1"] == opinion["2"], "the attacker is found out, and nobody else is accused"


@pytest.mark.parametrize(
    ("changes", "rule", "words"),
    [
        ({"velocity": lambda state, weights: weights[:3]}, "optimiser runs", "averages: optimiser '' broke its contract: velocity"),
        ({"velocity": lambda state, weights: weights.copy()}, "optimiser starts at rest", "though nothing has moved"),
        ({"velocity": lambda state, weights: state[0] + np.float32(np.random.default_rng().random())}, "optimiser repeats", "two walks"),
        (
            {"after_update": lambda state, before, after, steps: ((after - before) / np.float32(steps),)},
            "optimiser runs",
            "no step between two averages: optimiser ''",
        ),
        ({"training": {"rate": 1.0}}, "optimiser brings known keys", "'rate' is none of learning_rate"),
    ],
)
def test_a_broken_optimiser_is_caught_by_its_rule_alone_and_beside_its_algorithm(changes: dict[str, Any], rule: str, words: str) -> None:
    honest: dict[str, Any] = {"init": lambda weights: (np.zeros_like(weights),), "velocity": lambda state, weights: state[0]}
    optimiser = Optimiser(**{**honest, **changes})
    for plugin in (optimiser, Algorithm("fine", apply=lambda s, own, received, held: Result(s, own.copy(), held, {}), optimiser=optimiser)):
        assert words in failures(check_plugin(lambda: plugin))[rule]  # noqa: B023
