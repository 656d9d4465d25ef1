"""Finding algorithms by name, file, module and entry point, and holding them to their contract."""

import signal
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfl_actors.config import parse_topology
from dfl_actors.errors import AlgorithmError, ConfigError
from dfl_actors.learning.weights import Layer, Parameters
from dfl_actors.sdk import Algorithm, Context, ReceivedModel, Result
from dfl_actors.sdk.loader import ALGORITHMS, BUILT_IN, check_plugins, checked_apply, first_state, load_algorithm

PLUGIN = """
from dataclasses import dataclass
from dfl_actors.sdk import Algorithm, Result

@dataclass(frozen=True)
class Count:
    rounds: int

def build(step: int = 1) -> Algorithm:
    def apply(state, own, received, reputations):
        return Result(Count(state.rounds + step), own + 1, dict(reputations), {})
    return Algorithm("plugin", lambda context: Count(len(context.neighbours)), apply)

def not_an_algorithm():
    return 3

def greedy():
    return Algorithm("greedy", lambda context: None, None, frozenset({"gradients", "accuracy"}))

def broken():
    raise RuntimeError("first line\\nsecond line")

CONSTANT = 3
"""

OWN = np.zeros(3, np.float32)
RECEIVED = [ReceivedModel("a", np.ones(3, np.float32), 0.5)]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "plugin.py").write_text(PLUGIN)
    return tmp_path


def context() -> Context:
    return Context("0" * 64, ("1" * 64, "2" * 64), Parameters((Layer(name="w", shape=(3,)),)), np.random.default_rng(0))


def refusal(name: str, base: Path | None = None, kind: type[Exception] = AlgorithmError, **parameters: object) -> str:
    with pytest.raises(kind) as caught:
        load_algorithm(name, parameters, base)
    text = str(caught.value)
    assert "\n" not in text and name in text
    return text


@pytest.mark.parametrize("name", ["fedavg", "half_fedavg", "reputation"])
def test_a_built_in_runs_by_its_name(name: str) -> None:
    algorithm = load_algorithm(name, {}, None)
    assert algorithm.name == name
    result = checked_apply(algorithm, algorithm.init(context()), OWN, RECEIVED, {})
    assert result.weights.tolist() == [0.5, 0.5, 0.5]


def test_parameters_reach_the_algorithm() -> None:
    result = checked_apply(load_algorithm("reputation", {"penalty": 0.25}), None, OWN, RECEIVED, {})
    assert dict(result.reputations) == {"a": 0.75}


def test_what_is_known_of_the_own_model_reaches_an_algorithm_that_needs_it_and_no_other() -> None:
    def apply(state: Any, own: Any, received: Any, reputations: Any, **extras: float | None) -> Result:
        return Result(state, own, reputations, extras)

    known = {"own_accuracy": 0.25, "own_models": 3}
    for needs in (frozenset[str](), frozenset({"own_accuracy"}), frozenset({"own_models"}), frozenset(known)):
        algorithm = Algorithm("asks", lambda context: None, apply, needs)
        assert checked_apply(algorithm, None, OWN, RECEIVED, {}, 0.25, 3).notes == {need: known[need] for need in needs}


def test_what_numpy_counts_becomes_plain_numbers_and_what_has_no_json_is_named() -> None:
    def build(notes: dict[str, object]) -> Algorithm:
        reputations = {"a": np.float32(0.5), "b": np.float64(0.25)}
        return Algorithm("noted", lambda context: None, lambda state, own, *_: Result(state, own, reputations, notes))  # type: ignore[arg-type]

    result = checked_apply(build({"mean": np.float32(0.5), "ranks": np.arange(2), "who": ("a", "b")}), None, OWN, RECEIVED, {})
    assert result.notes == {"mean": 0.5, "ranks": [0, 1], "who": ["a", "b"]}
    assert [type(value) for value in result.reputations.values()] == [float, float]
    with pytest.raises(AlgorithmError, match="algorithm 'noted' broke its contract: notes must be made of numbers"):
        checked_apply(build({"who": {"a", "b"}}), None, OWN, RECEIVED, {})


def test_what_is_said_of_senders_is_fit_for_a_terminal() -> None:
    said: Any = {"senders": {"a": "rejected:\nfar \x1b[31maway"}}
    algorithm = Algorithm("says", lambda context: None, lambda state, own, *_: Result(state, own, {}, said))
    assert checked_apply(algorithm, None, OWN, RECEIVED, {}).notes == {"senders": {"a": "rejected: far  [31maway"}}


@pytest.mark.parametrize("first", [None, []])
def test_what_an_algorithm_remembers_stays_when_the_memory_it_came_from_is_used_again(first: list[Any] | None) -> None:
    def apply(state: Any, own: Any, received: Any, reputations: Any) -> Result:
        return Result([*(state or []), own, received[0].weights], own, reputations, {})

    algorithm = Algorithm("remembers", lambda context: first, apply)
    state: Any = first
    lent = np.zeros(3, np.float32), np.zeros(3, np.float32)
    for turn in (1.0, 2.0):
        lent[0][:], lent[1][:] = turn, -turn
        state = checked_apply(algorithm, state, lent[0], [ReceivedModel("a", lent[1])], {}).state
    lent[0][:] = lent[1][:] = np.nan
    assert [weights.tolist() for weights in state or []] == [[1.0] * 3, [-1.0] * 3, [2.0] * 3, [-2.0] * 3]


def test_a_file_is_found_from_the_base(base: Path) -> None:
    algorithm = load_algorithm("plugin.py:build", {"step": 5}, base)
    result = checked_apply(algorithm, algorithm.init(context()), OWN, [], {})
    state: Any = result.state
    assert state.rounds == 7
    assert result.weights.tolist() == [1.0, 1.0, 1.0]


def test_an_absolute_file_needs_no_base(base: Path) -> None:
    assert load_algorithm(f"{base / 'plugin.py'}:build", {}).name == "plugin"


def test_two_files_of_one_name_are_two_modules(tmp_path: Path) -> None:
    for place in ("left", "right"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "plugin.py").write_text(PLUGIN.replace('"plugin"', f'"{place}"'))
    left, right = (load_algorithm("plugin.py:build", {}, tmp_path / place) for place in ("left", "right"))
    assert (left.name, right.name) == ("left", "right")
    assert left.init.__module__ != right.init.__module__


def test_a_module_is_found_by_its_dotted_name() -> None:
    assert load_algorithm("dfl_actors.sdk.fedavg:build", {}).name == "fedavg"


def test_an_installed_entry_point_is_found_and_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "installed_plugin.py").write_text(PLUGIN)
    info = tmp_path / "installed_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: installed-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{ALGORITHMS.group}]\nnovel = installed_plugin:build\nlost = no_such_module:build\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert [point.name for point in metadata.entry_points(group=ALGORITHMS.group)].count("novel") == 1
    assert load_algorithm("novel", {"step": 2}).name == "plugin"
    assert ALGORITHMS.names() == [*BUILT_IN, "lost", "novel"]
    assert "no_such_module" in refusal("lost")
    sys.modules.pop("installed_plugin")


def test_beside_an_unknown_name_the_nearest_is_told_or_all() -> None:
    assert all(words in refusal("fedavgg") for words in ('did you mean "fedavg"?', "'file.py:function'"))
    assert "known here: steady, fedavg, half_fedavg, " in refusal("xyz")


def test_each_way_a_plug_in_fails_is_named(base: Path) -> None:
    (base / "torn.py").write_text("def build(:\n")
    assert str(base / "missing.py") in refusal("missing.py:build", base)
    assert "SyntaxError" in refusal("torn.py:build", base)
    assert "no 'bild'; its functions are dataclass, build, not_an_algorithm" in refusal("plugin.py:bild", base)
    assert "is a int" in refusal("plugin.py:CONSTANT", base)
    assert "returned int; it must return an Algorithm" in refusal("plugin.py:not_an_algorithm", base)
    assert "needs gradients, which nobody provides; it may need accuracy, own_accuracy, own_models" in refusal("plugin.py:greedy", base)
    assert "RuntimeError: first line second line" in refusal("plugin.py:broken", base)
    assert "ModuleNotFoundError" in refusal("no_such_package.module:build")


def test_a_file_that_failed_to_load_can_be_mended(base: Path) -> None:
    (base / "torn.py").write_text("raise ValueError('not yet')")
    refusal("torn.py:build", base)
    (base / "torn.py").write_text(PLUGIN)
    assert load_algorithm("torn.py:build", {}, base).name == "plugin"


def test_a_parameter_that_does_not_fit_is_named(base: Path) -> None:
    assert "`stride`; it takes step (whole number; default 1)" in refusal("plugin.py:build", base, ConfigError, stride=2)
    assert "Expected `int`, got `str` - at `$.step`" in refusal("plugin.py:build", base, ConfigError, step="2")
    assert "`penalti`" in refusal("reputation", None, ConfigError, penalti=2)
    assert "`$.penalty`" in refusal("reputation", None, ConfigError, penalty=2)


def returning(result: Any) -> Algorithm:
    return Algorithm("odd", lambda context: None, lambda *_: result)


GOOD = np.ones(3, np.float32)


@pytest.mark.parametrize(
    ("result", "rule"),
    [
        ((None, GOOD, {}, {}), "must return a Result, not tuple"),
        (None, "must return a Result, not NoneType"),
        (Result(None, [1.0, 1.0, 1.0], {}, {}), "weights must be a numpy array, not list"),  # type: ignore[arg-type]
        (Result(None, np.ones(3), {}, {}), "weights must be float32, not float64"),  # type: ignore[arg-type]
        (Result(None, np.ones(4, np.float32), {}, {}), r"weights must keep the shape \(3,\), not \(4,\)"),
        (Result(None, np.ones((1, 3), np.float32), {}, {}), r"weights must keep the shape \(3,\), not \(1, 3\)"),
        (Result(None, np.array([1, np.nan, 1], np.float32), {}, {}), "weights must be finite"),
        (Result(None, np.array([1, np.inf, 1], np.float32), {}, {}), "weights must be finite"),
        (Result(None, GOOD, {}, {}, np.ones(2, np.float32)), r"serving must keep the shape \(3,\), not \(2,\)"),
        (Result(None, GOOD, {}, {"senders": {"a": 3}}), "its note 'senders' must map senders to texts, not be"),
        (Result(None, GOOD, {"a": 1.01}, {}), "reputations must lie in 0..1, but a has 1.01"),
        (Result(None, GOOD, {"a": -0.01}, {}), "reputations must lie in 0..1"),
        (Result(None, GOOD, {"a": float("nan")}, {}), "reputations must lie in 0..1"),
        (Result(None, GOOD, {"a": "high"}, {}), "reputations must lie in 0..1"),  # type: ignore[dict-item]
        (Result(None, GOOD, None, {}), "reputations must be a mapping"),  # type: ignore[arg-type]
        (Result(None, GOOD, {}, "note"), "notes must be a mapping"),  # type: ignore[arg-type]
    ],
)
def test_a_broken_contract_names_the_algorithm_and_the_rule(result: Any, rule: str) -> None:
    with pytest.raises(AlgorithmError, match=rf"algorithm 'odd' broke its contract: .*{rule}"):
        checked_apply(returning(result), None, OWN, RECEIVED, {})


def test_a_kept_contract_passes_unchanged() -> None:
    result = Result("state", GOOD, {"a": 0.0, "b": 1.0, "c": np.float64(0.5)}, {"kept": 1})
    assert checked_apply(returning(result), None, OWN, RECEIVED, {}) == result


@pytest.mark.parametrize("victim", ["own", "received", "reputations"])
def test_an_algorithm_cannot_modify_what_it_is_given(victim: str) -> None:
    def apply(state: Any, own: Any, received: Any, reputations: Any) -> Result:
        if victim == "own":
            own += 1
        elif victim == "received":
            received[0].weights[:] = 9
        else:
            reputations["a"] = 0.0
        return Result(None, own, reputations, {})

    own, received, reputations = OWN.copy(), [ReceivedModel("a", np.ones(3, np.float32), 0.5)], {"a": 1.0}
    with pytest.raises(AlgorithmError, match="'odd': apply failed"):
        checked_apply(Algorithm("odd", lambda context: None, apply), None, own, received, reputations)
    assert (own.tolist(), received[0].weights.tolist(), reputations) == ([0, 0, 0], [1, 1, 1], {"a": 1.0})
    assert own.flags.writeable


def test_a_result_never_shares_memory_with_the_inputs() -> None:
    def apply(state: Any, own: Any, received: Any, reputations: Any) -> Result:
        return Result(None, received[0].weights, reputations, {})

    result = checked_apply(Algorithm("copy", lambda context: None, apply), None, OWN, RECEIVED, {})
    result.weights[0] = 5.0
    assert RECEIVED[0].weights.tolist() == [1.0, 1.0, 1.0]


def test_a_failure_inside_apply_keeps_its_cause() -> None:
    with pytest.raises(AlgorithmError, match="algorithm 'odd': apply failed: ZeroDivisionError") as caught:
        checked_apply(Algorithm("odd", lambda context: None, lambda *_: 1 / 0), None, OWN, RECEIVED, {})  # type: ignore[arg-type]
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


HOSTILE = """
import asyncio, sys
from dfl_actors.sdk import Algorithm, Attack, Result

class Rude(BaseException): ...

def leave(*_, **__): sys.exit(3)
def leave_quietly(*_, **__): sys.exit()
def interrupt(*_, **__): raise KeyboardInterrupt
def cancel(*_, **__): raise asyncio.CancelledError
def rude(*_, **__): raise Rude("go\\naway")
def dig(*_, **__): return dig()

def at(where, how):
    action = globals()[how]
    def give(state, own, received, reputations):
        return action() if where == "apply" else Result(state, own.copy(), reputations, {"deep": action} if where == "notes" else {})
    return Algorithm(init=action if where == "init" else lambda context: None, apply=give)
"""
RUDE = {
    "leave": "it ends the program (sys.exit(3)); let it raise an error instead",
    "leave_quietly": "it ends the program (sys.exit())",
    "interrupt": "KeyboardInterrupt",
    "cancel": "CancelledError",
    "rude": "Rude: go away",
    "dig": "RecursionError: maximum recursion depth exceeded",
}


@pytest.mark.parametrize("how", RUDE)
def test_whatever_a_plug_in_raises_becomes_a_line(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As in the processes of a network and of a simulation, where Ctrl-C is for whoever started them.
    monkeypatch.setattr(signal, "getsignal", lambda _: signal.SIG_IGN)
    (tmp_path / "hostile.py").write_text(HOSTILE)
    (tmp_path / "top.py").write_text(f"{HOSTILE}\n{how}()\n")
    assert RUDE[how] in refusal(f"hostile.py:{how}", tmp_path)
    assert RUDE[how] in refusal("top.py:at", tmp_path)
    for where in ("init", "apply"):
        algorithm = load_algorithm("hostile.py:at", {"where": where, "how": how}, tmp_path)
        with pytest.raises(AlgorithmError) as caught:
            checked_apply(algorithm, first_state(algorithm, context()), OWN, RECEIVED, {})
        assert str(caught.value).startswith(f"algorithm 'hostile': {where} failed: ") and RUDE[how] in str(caught.value)


def test_ctrl_c_is_no_mistake_of_the_plug_in(tmp_path: Path) -> None:
    (tmp_path / "hostile.py").write_text(HOSTILE)
    with pytest.raises(KeyboardInterrupt):
        load_algorithm("hostile.py:interrupt", {}, tmp_path)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ("Algorithm(needs=3)", "cannot be used, its needs: TypeError"),
        ("Algorithm(apply=None)", "apply failed: TypeError"),
        ("Algorithm()", "apply failed: TypeError: it has none; make it Algorithm(apply=...)"),
    ],
)
def test_a_wrongly_made_algorithm_is_named(made: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "made.py").write_text(f"from dfl_actors.sdk import Algorithm\ndef build():\n    return {made}\n")
    with pytest.raises(AlgorithmError) as caught:
        checked_apply(load_algorithm("made.py:build", {}, tmp_path), None, OWN, RECEIVED, {})
    assert words in str(caught.value) and "made" in str(caught.value)


@pytest.mark.parametrize(("given", "name"), [("", "trust"), ('"mine", ', "mine")])
def test_a_plug_in_is_called_as_its_module_unless_it_says_otherwise(given: str, name: str, tmp_path: Path) -> None:
    function = "lambda context: None, lambda s, o, r, p: None" if given else "apply=lambda s, o, r, p: None"
    (tmp_path / "trust.py").write_text(f"from dfl_actors.sdk import Algorithm\ndef build():\n    return Algorithm({given}{function})\n")
    assert load_algorithm("trust.py:build", {}, tmp_path).name == name


def test_an_old_plug_in_that_takes_whatever_comes_still_works(tmp_path: Path) -> None:
    (tmp_path / "old.py").write_text(
        "from dfl_actors.sdk import Algorithm, Result\n"
        "def build(**parameters):\n"
        '    return Algorithm("old", lambda context: None, lambda s, own, r, p: Result(s, own + parameters["step"], p, {}))\n'
    )
    assert checked_apply(load_algorithm("old.py:build", {"step": 2}, tmp_path), None, OWN, RECEIVED, {}).weights.tolist() == [2.0] * 3


@pytest.mark.parametrize("wrong", ["[node.1]\nattack = 'odd'", "[[event]]\ntick = 3\ndo = 'attack'\nnode = '1'\nattack = 'odd'"])
def test_every_plug_in_of_a_configuration_is_loaded_those_of_events_too(wrong: str, tmp_path: Path) -> None:
    with pytest.raises(AlgorithmError, match="attack 'odd' is not known"):
        check_plugins(parse_topology(wrong, where="net.toml", name="net"), tmp_path)
    check_plugins(parse_topology(wrong.replace("odd", "sign_flip"), where="net.toml", name="net"), tmp_path)


@pytest.mark.parametrize("where", ["build", "apply"])
def test_a_plug_in_that_ends_the_program_is_in_error_itself(where: str, tmp_path: Path) -> None:
    """What a run makes of such an error: `tests/network/test_crashes.py`."""
    (tmp_path / "quits.py").write_text(
        "import sys\n"
        "from dfl_actors.sdk import Algorithm\n"
        "def leave(*_): sys.exit(0)\n"
        f"def build(): return {'leave()' if where == 'build' else 'Algorithm(apply=leave)'}\n"
    )
    with pytest.raises(AlgorithmError, match=r"quits.*it ends the program \(sys.exit\(0\)\)"):
        checked_apply(load_algorithm("quits.py:build", {}, tmp_path), None, OWN, RECEIVED, {})
