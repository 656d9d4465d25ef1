"""`steady` with some of its constants replaced, or a part of it left out: what `steady_ablation.toml` varies. Users have no such keys."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec, module_from_spec
from types import ModuleType

import numpy as np

from dfl_actors.errors import AlgorithmError
from dfl_actors.sdk import Algorithm, weighted_mean
from dfl_actors.sdk.steady import Seen

OFF = (
    *("lengths", "serving", "standing", "part", "sound", "against", "bound", "own_share", "late", "early", "tardy", "voice"),
    *("clipped", "echo"),
)


def build(off: str = "", **constants: float) -> Algorithm:
    """`off`: one of `OFF`; `constants`: those of the module by their names (NORM is its upper norm, the lower being 1 / NORM)."""
    module = copied()
    if "NORM" in constants:
        norm = constants.pop("NORM")
        vars(module)["NORMS"] = 1 / norm, norm
    for name, value in constants.items():
        if not name.isupper() or not isinstance(getattr(module, name, None), int | float):
            raise AlgorithmError(f"steady has no constant {name}: give one that its module has")
        setattr(module, name, value)
    if off:
        without(module, off)
    return replace(module.build(), name="steady")


def copied() -> ModuleType:
    """The module once more, so that what is changed in it is changed for this algorithm alone."""
    spec = find_spec("dfl_actors.sdk.steady")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def without(module: ModuleType, part: str) -> None:
    """Leave a part out."""
    if part not in OFF:
        raise AlgorithmError(f"steady has no part {part}: give one of {', '.join(OFF)}")
    shares, beside, huge = module.shares_of, module.beside, 1e9
    values: dict[str, Mapping[str, object]] = {
        "lengths": {"mixed": plain},
        "serving": {"served": lambda memory, mean: mean.copy()},
        "standing": {"shares_of": lambda verdicts, messages, held, voices: shares(verdicts, messages, dict.fromkeys(held, 1.0), voices)},
        "part": {"USUAL": huge},
        "sound": {"why_unsound": lambda names, squares, theirs: ""},
        "against": {"AGAINST": huge},
        "bound": {"REACH": huge},
        "own_share": {"shares_of": lambda verdicts, messages, *rest: over_all(shares(verdicts, messages, *rest), messages)},
        "clipped": {"longer": lambda differences: sum(share * difference for difference, share in differences)},
        "echo": {"beside": lambda *models: beside(*models)._replace(echo=False)},
        "late": {"made_up": lambda way, own, mean, back: (mean, 0.0)},
        "early": {"EARLY": huge},
        "tardy": {"TARDY": huge},
        "voice": {"VOICES": huge},
    }
    for name, value in values[part].items():
        setattr(module, name, value)


def plain(own: np.ndarray, squares: object, seen: Sequence[Seen], shares: Mapping[str, float], arrays: object) -> np.ndarray:
    """The mean as it comes, its arrays shorter than those of the models."""
    taken = [(one.model.weights, shares[one.model.sender]) for one in seen if shares.get(one.model.sender)]
    rest = 1.0 - sum(share for _, share in taken)
    return weighted_mean([own, *(model for model, _ in taken)], [rest, *(share for _, share in taken)])


def over_all(shares: Mapping[str, float], messages: Mapping[str, int]) -> dict[str, float]:
    """The share of those who are rejected goes to the own model in place of to the accepted."""
    accepted = sum(messages[sender] for sender in shares) + 1
    return {sender: share * accepted / (sum(messages.values()) + 1) for sender, share in shares.items()}
