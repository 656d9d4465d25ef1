"""Hugging Face data sets: `hf:NAME`, `hf:NAME:CONFIGURATION`, or `hf:FOLDER` that `save_to_disk` wrote. No code of a data set's is run.

`train` is the training part; `test`, or `validation` where there is none, the test part. `target` is the column that says what a sample
is, by default `label` or `labels`; the others, or those that `columns` names, are the samples. Columns of single numbers make one float32
vector, as in a table; other columns, arrays and images, are inputs of their own.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL.Image import Image

from dfl_actors.config.sections import Data
from dfl_actors.errors import DataError
from dfl_actors.learning.foreign import guarded
from dfl_actors.learning.form import Array
from dfl_actors.learning.sources.columns import Column, Part, Raw, Whole
from dfl_actors.learning.sources.folder import Look, brought, look_of

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict
    from datasets.features.features import FeatureType

REACH_WITHIN = 5.0  # Seconds that the network has to answer.
FETCH = "fetch it once where there is a network, or give a folder that save_to_disk wrote"
AT_ONCE = 1024  # Rows that are read at once.
USUAL = ("label", "labels")


class Field(NamedTuple):
    """One column of a split, or several of single numbers side by side."""

    split: "Dataset"
    names: Sequence[str]
    shape: tuple[int, ...]
    dtype: np.dtype
    look: Look | None

    def pieces(self) -> Iterator[Array]:
        for begin in range(0, len(self.split), AT_ONCE):
            rows = self.split[begin : begin + AT_ONCE]
            if self.look is not None:
                look, name = self.look, self.names[0]
                yield np.stack([brought(image, look, name) for image in rows[name]])
            elif len(self.names) > 1 or (len(self.shape) == 2 and self.shape[1] == 1):
                yield np.stack([_array(name, rows[name], self.dtype) for name in self.names], axis=1)
            else:
                yield _array(self.names[0], rows[self.names[0]], self.dtype)


def _array(name: str, values: object, dtype: np.dtype) -> Array:
    try:
        return np.asarray(values, dtype)
    except (ValueError, TypeError) as error:
        raise DataError(
            f"column {name!r} holds what is no number, nothing, or lists of different lengths ({error}); map it first"
        ) from error


@contextmanager
def opened(name: str, said: Data) -> Iterator[Raw]:
    """The data set `name`. Raises `DataError`, also where `datasets` is not installed, or there is neither a network nor a copy."""
    try:
        import datasets
    except ImportError as error:
        raise DataError('it takes the library datasets to read; pip install "dfl-actors[hf]"') from error
    datasets.disable_progress_bars()
    for talkative in ("datasets", "huggingface_hub"):  # What they have to say about a missing network, we say.
        logging.getLogger(talkative).setLevel(logging.CRITICAL)
    splits = guarded("it cannot be loaded", lambda: _load(datasets, name), DataError)
    if not isinstance(splits, Mapping):
        splits = {"train": splits}
    if "train" not in splits:
        raise DataError(f"it has the splits {', '.join(splits)} and no train; save one with that name")
    test = next((splits[part] for part in ("test", "validation") if part in splits), None)
    target = _target(splits["train"], said)
    train = _part(splits["train"], target, said)
    yield Raw(train, None if test is None else _part(test, target, said), _names(splits["train"], target))


def _load(datasets: ModuleType, name: str) -> "Dataset | DatasetDict":
    if Path(name).is_dir():
        return datasets.load_from_disk(name)
    where, _, configuration = name.partition(":")
    offline = datasets.config.HF_HUB_OFFLINE
    try:
        datasets.config.HF_HUB_OFFLINE = True
        return guarded("it is not in the cache", lambda: datasets.load_dataset(where, configuration or None), DataError)
    except DataError as missing:
        _check_reachable(datasets.config.HF_ENDPOINT, offline, f"{missing}; {FETCH}")
    finally:
        datasets.config.HF_HUB_OFFLINE = offline
    return datasets.load_dataset(where, configuration or None)


def _check_reachable(hub: str, offline: bool, missing: str) -> None:
    """Whether the network can be asked for what is not in the cache: the library itself would ask six times, in half a minute. Raises
    `DataError`."""
    from huggingface_hub import get_session

    if offline:
        raise DataError(f"{missing}, for HF_HUB_OFFLINE is set")
    guarded(f"{missing}, for {hub} cannot be reached", lambda: get_session().head(hub, timeout=REACH_WITHIN), DataError)


def _target(split: "Dataset", said: Data) -> list[str]:
    given = [said.target] if isinstance(said.target, str) else list(said.target)
    named = given if said.target else [name for name in USUAL if name in split.column_names][:1]
    if not named or (lost := set(named) - set(split.column_names)):
        what = f"it has no column {min(lost)!r}" if named else "no column is called label"
        raise DataError(f"{what}; set data.target to one of {', '.join(split.column_names)}")
    return named


def _names(split: "Dataset", target: list[str]) -> tuple[str, ...]:
    return tuple(getattr(split.features[target[0]], "names", None) or ()) if len(target) == 1 else tuple(target)


def _part(split: "Dataset", target: list[str], said: Data) -> Part:
    names = list(said.columns) or [name for name in split.column_names if name not in target]
    if lost := [name for name in names if name not in split.column_names]:
        raise DataError(f"it has no column {lost[0]!r}, which data.columns names; it has {', '.join(split.column_names)}")
    if not names or not len(split):
        raise DataError("it has no samples, or no column but data.target")
    first = split[0]
    single = [name for name in names if isinstance(first[name], bool | int | float)]
    fields: dict[str, Column] = {}
    if single:
        fields["table"] = Field(split, single, (len(split), len(single)), np.dtype(np.float32), None)
    fields |= {name: _field(split, name, first[name], said) for name in names if name not in single}
    return Part(fields if len(fields) > 1 else {"": next(iter(fields.values()))}, _whole(split, target))


def _field(split: "Dataset", name: str, first: object, said: Data) -> Field:
    if isinstance(first, Image):
        look = look_of(said, first.copy)
        return Field(split, [name], (len(split), *look.shape), np.dtype(np.uint8), look)
    if not isinstance(first, list):
        raise DataError(f"column {name!r} holds {type(first).__name__}, no numbers; map it first, or name the others in data.columns")
    array = _array(name, first, np.dtype(_number(split.features[name])))
    return Field(split, [name], (len(split), *array.shape), array.dtype, None)


def _number(feature: "FeatureType") -> str:
    """The kind of number in a column, however deep its lists go."""
    while not isinstance(getattr(feature, "dtype", None), str) or hasattr(feature, "feature"):
        feature = feature[0] if isinstance(feature, list) else feature.feature
    return str(feature.dtype)


def _whole(split: "Dataset", target: list[str]) -> Whole:
    columns = [np.asarray(split[name][:]) for name in target]
    return Whole(columns[0] if len(columns) == 1 else np.stack(columns, axis=1))
