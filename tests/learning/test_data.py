"""Loading real MNIST and small hand-made files: what comes out, what is refused, and that processes share one copy."""

import io
import multiprocessing
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from dfl_actors.config import Config, parse_topology
from dfl_actors.config.sections import Data
from dfl_actors.errors import ConfigError, DataError
from dfl_actors.learning import data, sources
from dfl_actors.learning.data import Dataset, check_unchanged, load_dataset, load_datasets
from dfl_actors.learning.form import Form, Input, Inputs, arrays_of, numbered
from tests.learning.forms import image_form, only


def small(**changes: object) -> dict[str, object]:
    """The arrays of a data set of 3 labels, with some of them changed; None leaves one out."""
    rng = np.random.default_rng(1)
    arrays: dict[str, object] = {
        "x_train": rng.integers(0, 256, (6, 4, 5), dtype=np.uint8),
        "y_train": np.array([0, 1, 2, 0, 1, 2], dtype=np.int64),
        "x_test": rng.integers(0, 256, (3, 4, 5), dtype=np.uint8),
        "y_test": np.array([0, 1, 2], dtype=np.int64),
    }
    return {name: array for name, array in (arrays | changes).items() if array is not None}


def save(path: Path, **changes: object) -> Data:
    np.savez(path, allow_pickle=True, **small(**changes))  # type: ignore[arg-type]
    return Data(source=str(path))


def refusal(said: Data, cache: Path | None = None) -> str:
    with pytest.raises(DataError) as caught:
        load_dataset(said, cache)
    text = str(caught.value)
    assert "\n" not in text
    return text


def every_array(dataset: Dataset) -> list[np.ndarray]:
    return [*arrays_of(dataset.x_train), *arrays_of(dataset.x_test), dataset.y_train, dataset.y_test]


def assert_same(left: Dataset, right: Dataset) -> None:
    assert (left.name, left.digest, left.form) == (right.name, right.digest, right.form)
    for one, other in zip(every_array(left), every_array(right), strict=True):
        np.testing.assert_array_equal(one, other, strict=True)


def test_mnist_is_the_known_data_set() -> None:
    mnist = load_dataset(Data())
    assert (mnist.name, mnist.digest, mnist.form) == ("mnist", sources.SHA256["mnist"], image_form((28, 28)))
    assert only(mnist.x_train).shape == (60_000, 28, 28) and only(mnist.x_test).shape == (10_000, 28, 28)
    assert {array.dtype for array in every_array(mnist)} == {np.dtype(np.uint8)}
    assert np.bincount(mnist.y_train).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert mnist.y_train[:5].tolist() == [5, 0, 4, 1, 9]
    assert only(mnist.x_train)[0].max() == 255


def test_arrays_are_maps_that_cannot_be_written_to(tmp_path: Path) -> None:
    for dataset in (load_dataset(save(tmp_path / "a.npz")), load_dataset(save(tmp_path / "a.npz"), tmp_path / "cache")):
        for array in every_array(dataset):
            assert isinstance(array.base, np.memmap)
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 1


def test_a_cached_data_set_equals_the_plain_one(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    plain, first, second = load_dataset(Data()), load_dataset(Data(), cache), load_dataset(Data(), cache)
    assert_same(plain, first)
    assert_same(plain, second)
    (entry,) = filter(Path.is_dir, cache.iterdir())
    assert sorted(path.name for path in entry.iterdir()) == ["about.json", "x_test-0.npy", "x_train-0.npy", "y_test.npy", "y_train.npy"]


def test_a_second_load_uses_the_entry_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = save(tmp_path / "a.npz")
    first = load_dataset(said, tmp_path / "cache")
    monkeypatch.setattr(data, "_fill", lambda *_: pytest.fail("unpacked again"))
    assert_same(first, load_dataset(said, tmp_path / "cache"))


def test_what_is_said_otherwise_of_a_source_gets_another_entry(tmp_path: Path) -> None:
    said, cache = save(tmp_path / "a.npz"), tmp_path / "cache"
    load_dataset(said, cache)
    load_dataset(Data(source=said.source, rate=1.0), cache)
    assert len(list(filter(Path.is_dir, cache.iterdir()))) == 1
    assert load_dataset(Data(source=said.source, labels=5), cache).form.labels == numbered(5)
    assert len(list(filter(Path.is_dir, cache.iterdir()))) == 2


def test_a_changed_source_has_another_digest(tmp_path: Path) -> None:
    before = load_dataset(save(tmp_path / "a.npz"))
    assert check_unchanged({"a": before}, "") == check_unchanged({"a": before, "b": before}, before.digest) == before.digest
    after = load_dataset(save(tmp_path / "a.npz", y_test=np.array([2, 1, 0])))
    with pytest.raises(DataError, match="is not the one that this run began with"):
        check_unchanged({"a": after}, before.digest)
    assert check_unchanged({"a": before, "b": after}, "") not in (before.digest, after.digest)


def _first_labels(said: Data, cache: Path) -> list[int]:
    labels: list[int] = load_dataset(said, cache).y_train.tolist()
    return labels


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    said, cache = save(tmp_path / "a.npz"), tmp_path / "cache"
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        answers = pool.starmap(_first_labels, [(said, cache)] * 6)
    assert answers == [[0, 1, 2, 0, 1, 2]] * 6
    assert len(list(filter(Path.is_dir, cache.iterdir()))) == 1


def test_a_failed_unpacking_leaves_no_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(data, "_write", full)
    assert "No space left" in refusal(save(tmp_path / "a.npz"), tmp_path / "cache")
    assert not list(filter(Path.is_dir, (tmp_path / "cache").iterdir()))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (np.zeros((6, 20), np.float32), "float32"),
        (np.linspace(-9, 9, 24).reshape(6, 4), "float32"),
        (np.zeros((6, 2, 3, 4, 1), np.uint8), "uint8"),
        (np.zeros((6, 2, 3, 4, 1), np.float16), "float16"),
        (np.full((6, 7), 30_000), "int32"),
        (np.full((6, 7), 65_000, np.uint16), "uint16"),
        (np.zeros((6, 5), bool), "bool"),
        (np.arange(6.0), "float32"),
        (np.asfortranarray(np.arange(24.0).reshape(6, 4)), "float32"),
    ],
)
def test_arrays_keep_their_type_and_shape(tmp_path: Path, given: np.ndarray, kept: str) -> None:
    dataset = load_dataset(save(tmp_path / "a.npz", x_train=given, x_test=given[:3]))
    assert dataset.form.inputs == (Input("", given.shape[1:] or (1,), kept),)
    np.testing.assert_allclose(only(dataset.x_train), given.reshape(dataset.x_train.shape), rtol=1e-6)  # type: ignore[union-attr]
    assert only(dataset.x_test).dtype == kept


def test_large_arrays_come_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dfl_actors.learning.sources.columns.PIECE", 40)
    for name in ("a.npz", "b.npz"):
        assert only(load_dataset(save(tmp_path / name)).x_train).tolist() == small()["x_train"].tolist()  # type: ignore[attr-defined]
    np.savez_compressed(tmp_path / "c.npz", **small())  # type: ignore[arg-type]
    assert only(load_dataset(Data(source=str(tmp_path / "c.npz"))).x_test).tolist() == small()["x_test"].tolist()  # type: ignore[attr-defined]


def test_several_inputs_go_by_their_names(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    words, pixels = rng.integers(0, 9, (6, 7)), rng.integers(0, 256, (6, 4, 4), dtype=np.uint8)
    arrays = {"x_train": None, "x_test": None, "x_train.words": words, "x_train.pixels": pixels}
    said = save(tmp_path / "a.npz", **arrays, **{"x_test.pixels": pixels[:3], "x_test.words": words[:3]})
    dataset = load_dataset(said)
    assert dataset.form.inputs == (Input("pixels", (4, 4), "uint8"), Input("words", (7,), "int32"))
    assert dataset.form.shape == {"pixels": (4, 4), "words": (7,)}
    chosen = dataset.x_train[np.array([[0, 1], [5, 5]])]
    assert isinstance(chosen, Inputs) and len(dataset.x_train) == 6
    np.testing.assert_array_equal(chosen.arrays[1], words[[[0, 1], [5, 5]]])


def test_a_source_without_test_samples_gives_some_of_its_own_always_the_same(tmp_path: Path) -> None:
    x, y = np.arange(100.0), np.arange(100) % 5
    said = save(tmp_path / "a.npz", x_train=x, y_train=y, x_test=None, y_test=None)
    dataset = load_dataset(said)
    train, test = only(dataset.x_train)[:, 0], only(dataset.x_test)[:, 0]
    assert (len(train), len(test)) == (80, 20) and sorted([*train, *test]) == x.tolist()
    assert (dataset.y_train == train % 5).all() and (dataset.y_test == test % 5).all()
    assert only(load_dataset(said).x_test)[:, 0].tolist() == test.tolist()
    assert len(load_dataset(Data(source=said.source, holdout=0.001)).x_test) == 1


@pytest.mark.parametrize(
    ("said", "y", "labels", "found"),
    [
        ({}, np.array(["b", "a", "b", "c", "a", "a"]), ("a", "b", "c"), [1, 0, 1, 2, 0, 0]),
        ({"labels": ("c", "b", "a", "z")}, np.array(["b", "a", "b", "c", "a", "a"]), ("c", "b", "a", "z"), [1, 2, 1, 0, 2, 2]),
        ({"labels": ("no", "yes")}, np.array([0, 1, 1, 0, 1, 1]), ("no", "yes"), [0, 1, 1, 0, 1, 1]),
        ({"labels": 7}, np.array([0.0, 1, 1, 0, 1, 1]), numbered(7), [0, 1, 1, 0, 1, 1]),
        ({}, np.eye(3, dtype=np.float32)[[0, 1, 2, 2, 1, 0]], numbered(3), [0, 1, 2, 2, 1, 0]),
        ({}, np.array([[0], [1], [1], [0], [1], [0]]), numbered(2), [0, 1, 1, 0, 1, 0]),
        ({}, np.array([True, False] * 3), numbered(2), [1, 0] * 3),
        ({"task": "multilabel"}, np.array([[1, 0], [1, 1]] * 3), numbered(2), [[1, 0], [1, 1]] * 3),
        ({"task": "multilabel", "labels": ("wet", "cold")}, np.array([[1.0, 0], [0, 0]] * 3), ("wet", "cold"), [[1, 0], [0, 0]] * 3),
        ({"task": "regression"}, np.array([0.5, -1, 2, 3, 4, 5]), numbered(1), [[0.5], [-1], [2], [3], [4], [5]]),
        ({"task": "regression"}, np.arange(12).reshape(6, 2), numbered(2), np.arange(12).reshape(6, 2).tolist()),
    ],
)
def test_what_samples_are(tmp_path: Path, said: dict[str, object], y: np.ndarray, labels: tuple[str, ...], found: list[object]) -> None:
    source = save(tmp_path / "a.npz", y_train=y, y_test=y[:3]).source
    dataset = load_dataset(Data(source=source, **said))  # type: ignore[arg-type]
    assert dataset.form.labels == labels and dataset.y_train.tolist() == found
    assert dataset.y_train.dtype == ("float32" if said.get("task") == "regression" else "uint8")
    assert dataset.kinds_test.tolist() == (found[:3] if "task" not in said else [0, 0, 0])


def test_more_labels_than_a_byte_holds(tmp_path: Path) -> None:
    dataset = load_dataset(save(tmp_path / "a.npz", y_train=np.array([0, 1, 2, 0, 1, 299])))
    assert dataset.form.labels == numbered(300) and dataset.y_train.dtype == np.int32


def test_a_shape_that_is_said_is_given_to_the_samples(tmp_path: Path) -> None:
    source = save(tmp_path / "a.npz").source
    dataset = load_dataset(Data(source=source, shape=(5, 4, 1), scale=0.5))
    assert dataset.form == Form((Input("", (5, 4, 1), "uint8"),), "classification", numbered(3), 0.5)
    assert only(dataset.x_train).shape == (6, 5, 4, 1)
    assert "which data.shape = [7] does not fit" in refusal(Data(source=source, shape=(7,)))
    assert "data.shape is given for input 'a', and the inputs are a single one" in refusal(Data(source=source, shape={"a": (20,)}))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"x_train": None}, "it has no x_train; the file must hold x_train and y_train"),
        ({"y_train": None}, "it has no y_train; "),
        ({"x_test": None}, "it has y_test and no x_test; save both, or neither"),
        ({"x_train.a": np.zeros(6)}, "it has x_train and x_train.a; give all inputs a name, or none"),
        ({"y_train": np.array([0, 1, 2, 0, 1])}, "x_train has 6 samples but y_train has 5"),
        ({"x_test": np.zeros((3, 4, 6), np.uint8)}, r"samples of x_train are \(4, 5\) but of x_test \(4, 6\)"),
        ({"x_test": np.zeros((3, 4, 5), np.float32)}, "x_train is uint8 but x_test float32; save both as one type"),
        ({"x_train": np.zeros((0, 4, 5), np.uint8)}, "x_train has 0 samples"),
        ({"x_train": np.zeros((6, 0), np.uint8)}, "x_train has shape"),
        ({"x_train": np.array(["a"] * 6)}, "x_train is <U1; give numbers"),
        ({"x_train": np.zeros(6, complex)}, "x_train is complex128; give numbers"),
        ({"x_train": np.full((6, 2), 2**31), "x_test": np.zeros((3, 2), int)}, "x_train holds whole numbers beyond 32 bits"),
        ({"x_train": np.full((6, 2), np.nan), "x_test": np.zeros((3, 2))}, r"x_train holds NaN or infinity \(sample 0, "),
        ({"x_train": np.zeros((6, 2)), "x_test": np.array([[0, 0], [0, 1e99], [0, 0]])}, r"x_test holds NaN or infinity \(sample 1, "),
        ({"y_train": np.zeros((6, 3), np.uint8)}, r'y_train has shape \(6, 3\); give a label a sample, or set data.task to "multilabel"'),
        ({"y_train": np.full(6, 0.5)}, 'y_train holds 0.5, which is not whole .sample 0, counted from 0.; set data.task = "regression"'),
        ({"y_train": np.array([0, 1, 2, 0, 1, -1])}, "y_train holds the label -1, outside 0 to 65535"),
        ({"y_train": np.array([0, 1, 2, 0, 1, 70_000])}, "y_train holds the label 70000, outside 0 to 65535"),
        ({"y_train": np.zeros(6, int), "y_test": np.zeros(3, int)}, "all labels are the same"),
        ({"x_train": np.array([{}] * 6, dtype=object)}, "x_train: it holds pickled objects; save plain arrays"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_its_name(tmp_path: Path, changes: dict[str, object], words: str) -> None:
    path = tmp_path / "odd.npz"
    text = refusal(save(path, **changes))
    assert str(path) in text
    assert re.search(words, text), text


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    text = refusal(Data(source=str(tmp_path / "nowhere.npz")))
    assert "nowhere.npz" in text and "No such file" in text and "correct data.source" in text


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"not a zip file")
    assert "not an .npz file" in refusal(Data(source=str(tmp_path / "a.npz")))


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    source = Path(save(tmp_path / "a.npz").source)
    raw = bytearray(source.read_bytes())
    raw[200] ^= 0xFF
    source.write_bytes(raw)
    assert "cannot be read" in refusal(Data(source=str(source)))


def test_a_damaged_packaged_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "mnist.npz")
    monkeypatch.setattr(sources, "DATASETS", tmp_path)
    text = refusal(Data())
    assert sources.SHA256["mnist"] in text and "reinstall" in text


def test_a_damaged_cache_entry_is_refused_with_the_directory_to_delete(tmp_path: Path) -> None:
    said, cache = save(tmp_path / "a.npz"), tmp_path / "cache"
    load_dataset(said, cache)
    (entry,) = filter(Path.is_dir, cache.iterdir())
    (entry / "x_train-0.npy").write_bytes((entry / "x_train-0.npy").read_bytes()[:-20])
    text = refusal(said, cache)
    assert str(entry) in text and "delete that directory" in text


def test_a_cache_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, not a directory")
    assert str(tmp_path / "cache") in refusal(save(tmp_path / "a.npz"), tmp_path / "cache")


@pytest.mark.parametrize("place", [8, 6], ids=["compressed in a way nobody knows", "encrypted"])
def test_an_archive_that_nobody_can_unpack_is_an_error(place: int, tmp_path: Path) -> None:
    source = Path(save(tmp_path / "a.npz").source)
    content = bytearray(source.read_bytes())
    for signature, offset in ((b"PK\x03\x04", place), (b"PK\x01\x02", place + 2)):
        begin = content.find(signature)
        while begin >= 0:
            content[begin + offset] |= 65
            begin = content.find(signature, begin + 1)
    source.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read"):
        load_dataset(Data(source=str(source)))


def test_an_array_larger_than_any_memory_is_an_error(tmp_path: Path) -> None:
    source = Path(save(tmp_path / "a.npz").source)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (10**15, 4)})
    with zipfile.ZipFile(source, "w") as archive:
        for name in small():
            archive.writestr(f"{name}.npy", header.getvalue())
    with pytest.raises(DataError, match=r"cannot be read \("):
        load_dataset(Data(source=str(source)))


def test_nodes_have_one_data_set_or_each_its_own(tmp_path: Path) -> None:
    one, other = save(tmp_path / "a.npz"), save(tmp_path / "b.npz", y_train=np.array([0, 1, 1, 0, 1, 1]), y_test=np.array([0, 1, 1]))

    def topology(more: str) -> Config:
        text = f"[network]\nnodes = ['a', 'b', 'c']\n[data]\nsource = '{one.source}'\n{more}"
        return parse_topology(text, where="net.toml", name="net", folder=tmp_path)

    shared = load_datasets(topology(""))
    assert list(shared) == ["a", "b", "c"] and shared["a"] is shared["b"] is shared["c"]
    own = f"partition = 'own'\nlabels = 3\n[node.b]\nsource = '{Path(other.source).name}'"
    several = load_datasets(topology(own))
    assert several["b"].name == other.source and several["a"] is several["c"] and list(load_datasets(topology(own), names=["b"])) == ["b"]
    with pytest.raises(DataError, match=r"have other labels \(0, 1, 2; 0, 1\); say data.labels, which both may have"):
        load_datasets(topology(own.replace("labels = 3", "")))
    save(tmp_path / "b.npz", x_train=np.zeros((6, 3)), x_test=np.zeros((3, 3)))
    with pytest.raises(DataError, match=r"have other inputs \(uint8 \(4, 5\); float32 \(3,\)\); give their samples one shape and type"):
        load_datasets(topology(own))
    with pytest.raises(ConfigError, match=r'node\.b\.source: has no effect with data.partition = "iid"; set that to "own"'):
        topology(own.replace("'own'", "'iid'"))
