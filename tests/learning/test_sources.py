"""Every kind of source but `.npz`: what comes out of a small one, and what is refused, in one line."""

import importlib
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dfl_actors.config import parse_topology
from dfl_actors.config.sections import Data
from dfl_actors.errors import DataError, Interrupted
from dfl_actors.learning.data import load_dataset
from dfl_actors.learning.form import Input, arrays_of
from dfl_actors.learning.sources import table
from dfl_actors.learning.sources.hf import FETCH
from dfl_actors.processes.signals import at_once, deferred
from tests.learning.forms import image_form, only

PYTHON = "import numpy as np\nx, y = np.arange(40.0).reshape(20, 2), np.arange(20) % 4\n"


def refusal(said: Data) -> str:
    with pytest.raises(DataError) as caught:
        load_dataset(said)
    text = str(caught.value)
    assert "\n" not in text and said.source in text
    return text


def test_digits_come_with_the_program() -> None:
    digits = load_dataset(Data(source="digits"))
    assert digits.form == image_form((8, 8)) and (len(digits.x_train), len(digits.x_test)) == (1437, 360)
    assert np.bincount(digits.y_test).tolist() == [35, 36, 35, 37, 37, 37, 37, 36, 33, 37] and only(digits.x_train).max() == 255


# ---- tables


def csv(path: Path, text: str, **said: Any) -> Data:
    (path / "t.csv").write_text(text)
    return Data(source=str(path / "t.csv"), **said)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_of_text(tmp_path: Path, delimiter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "ROWS", 7)
    rows = [f'{i},{i / 4},"{"odd" if i % 2 else "even"}",{-i}' for i in range(20)]
    text = "\ufeff" + "\n".join(["a,b,kind,c", *rows, ""]).replace(",", delimiter)
    dataset = load_dataset(csv(tmp_path, text, target="kind"))
    assert dataset.form.labels == ("even", "odd") and dataset.form.inputs == (Input("", (3,), "float32"),)
    assert (dataset.y_train == only(dataset.x_train)[:, 0] % 2).all() and (len(dataset.x_train), len(dataset.x_test)) == (16, 4)
    np.testing.assert_array_equal(only(dataset.x_test), only(dataset.x_test)[:, :1] * [1, 0.25, -1])


def test_columns_and_targets_of_a_table_are_chosen_by_name(tmp_path: Path) -> None:
    text = "id,a,b,sun,rain\n" + "".join(f"n{i},{i},{2 * i},{i % 2},{i % 3 == 0:d}\n" for i in range(10))
    both = load_dataset(csv(tmp_path, text, target=("sun", "rain"), columns=("b",), task="multilabel"))
    assert both.form.labels == ("sun", "rain") and both.form.inputs[0].shape == (1,)
    assert (both.y_train[:, 1] == (only(both.x_train)[:, 0] % 6 == 0)).all()
    line = load_dataset(csv(tmp_path, text, target="a", columns=("b", "sun"), task="regression", shape=(2, 1)))
    assert (line.y_test == only(line.x_test)[:, 0] / 2).all() and line.form.inputs[0].shape == (2, 1)
    numbers = load_dataset(csv(tmp_path, text, target="sun", columns=("a",), labels=("no", "yes")))
    assert (numbers.y_train == only(numbers.x_train)[:, 0] % 2).all() and numbers.form.labels == ("no", "yes")


@pytest.mark.parametrize(
    ("text", "said", "words"),
    [
        ("a,b\n1,2\n", {}, "say which column is to be learned, data.target = 'b' for instance"),
        ("a,b\n1,2\n", {"target": "bb"}, "it has no column 'bb', which data.target names; "),
        ("a,b\n1,2\n", {"target": "b", "columns": ("c",)}, "it has no column 'c', which data.columns names; "),
        ("a,b\n", {"target": "b"}, "it has no rows"),
        ("", {"target": "b"}, "it is empty"),
        ("b\n1\n2\n", {"target": "b"}, "no column but data.target"),
        ("a,a,b\n1,2,3\n", {"target": "b"}, "two of its columns have one name"),
        ("a,c,b\n1,2,0\n1,x y,1\n", {"target": "b"}, "column 'c' holds 'x y', which is no number (row 2)"),
        ("a,c,b\n1,2,0\n1,,1\n", {"target": "b"}, "column 'c' holds an empty cell (row 2)"),
        ("a,c,b\n1,2,0\n1,nan,1\n3,4,0\n", {"target": "b"}, "x_train holds NaN or infinity (sample 1, counted from 0); remove"),
        ("a,c,b\n1,2,0\n1\n", {"target": "b"}, "row 2 has 1 cell, and its first line names 3 columns; give that row"),
        ("a,c,b\n1,2,0\n\n1,2,0,4\n", {"target": "a"}, "row 2 has 4 cells, and its first line names 3 columns; give that row"),
        ('a,c,b\n1,2,0\n"1,5",2\n', {"target": "b"}, "row 2 has 2 cells, and its first line names 3 columns; give that row"),
        ("a,b\n1,1\n2,nan\n", {"target": "b"}, "y_train holds NaN or infinity (sample 1, counted from 0); remove"),
        ("a,b\n1,1\n2,0.5\n", {"target": "b"}, "holds 0.5, which is not whole (sample 1, counted from 0); set data.task"),
        ("a,b\n1,x\n2,3\n", {"target": "b", "task": "regression"}, "data.target holds a cell that is no number"),
        ("a,b\n1,1\n", {"target": "b"}, "it takes two at least"),
        ("a,b\n1,x\n2,\n", {"target": "b"}, "a label that is no name at all (sample 1, counted from 0); remove"),
        ("a,b\n1,x\n2,y\n", {"target": "b", "labels": ("x", "x")}, "names a label twice"),
        (f"a,b\n1,x\n2,{'y' * 130}\n", {"target": "b"}, "longer than 128 characters"),
    ],
)
def test_what_is_wrong_with_a_table(tmp_path: Path, text: str, said: dict[str, Any], words: str) -> None:
    assert words in refusal(csv(tmp_path, text, **said))


@pytest.mark.parametrize("at", [0, 7, 19])
@pytest.mark.parametrize("column", ["a", "b"])
def test_what_is_not_finite_is_named_by_its_row_in_the_file_whichever_rows_are_held_out(tmp_path: Path, at: int, column: str) -> None:
    column_is = {"a": "x_train", "b": "y_train"}
    rows = "".join(f"{'nan' if row == at and column == 'a' else 1},{'inf' if row == at and column == 'b' else 2}\n" for row in range(20))
    assert f"{column_is[column]} holds NaN or infinity (sample {at}, counted from 0)" in refusal(
        csv(tmp_path, f"a,b\n{rows}", target="b", task="regression")
    )


def test_a_shape_is_that_of_the_file_whatever_is_held_out(tmp_path: Path) -> None:
    np.savez(tmp_path / "none.npz", x_train=np.zeros((10, 0)), y_train=np.arange(10))
    assert "x_train has shape (10, 0); " in refusal(Data(source=str(tmp_path / "none.npz")))


def test_a_quoted_cell_may_hold_what_divides_cells_or_lines(tmp_path: Path) -> None:
    dataset = load_dataset(csv(tmp_path, 'a,kind\n1,"x,y"\n2,z\n3,"x,y"\n', target="kind"))
    assert dataset.form.labels == ("x,y", "z")


def test_a_table_in_another_encoding_or_with_other_line_ends(tmp_path: Path) -> None:
    dataset = load_dataset(csv(tmp_path, "a,kind\r\n1,x\r\n2,y\r\n3,x\r\n", target="kind"))
    assert sorted([*only(dataset.x_train)[:, 0], *only(dataset.x_test)[:, 0]]) == [1, 2, 3]
    (tmp_path / "t.csv").write_bytes("a,kind\n1,\xe9\n2,x\n".encode("latin-1"))
    assert "it is not in UTF-8" in refusal(Data(source=str(tmp_path / "t.csv"), target="kind"))


def test_a_parquet_table(tmp_path: Path) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {"a": np.arange(20), "b": np.arange(20) / 2, "kind": ["yes" if i % 4 else "no" for i in range(20)]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    said = Data(source=str(tmp_path / "t.parquet"), target="kind")
    dataset = load_dataset(said)
    assert dataset.form.labels == ("no", "yes") and dataset.form.inputs == (Input("", (2,), "float32"),)
    assert ((only(dataset.x_train)[:, 0] % 4 > 0) == dataset.y_train).all()
    parquet.write_table(pyarrow.table(columns | {"b": [None, *range(19)]}), tmp_path / "t.parquet")
    assert "column 'b' holds an empty cell" in refusal(said)
    assert "column 'kind' holds string, no numbers" in refusal(Data(source=said.source, target="a", columns=("kind",)))


# ---- a folder of images


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for part, label, level in (("train", "cat", 10), ("train", "dog", 200), ("test", "cat", 11)):
        for number in range(3):
            place = tmp_path / "pets" / part / label / f"{number}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((6, 4), level + number, np.uint8)).save(place)
    return tmp_path / "pets"


def test_a_folder_of_images(images: Path) -> None:
    dataset = load_dataset(Data(source=str(images)))
    assert dataset.form.labels == ("cat", "dog")
    assert only(dataset.x_train)[:, 0, 0].tolist() == [10, 11, 12, 200, 201, 202] and dataset.y_train.tolist() == [0, 0, 0, 1, 1, 1]
    assert only(dataset.x_test).shape == (3, 6, 4) and dataset.y_test.tolist() == [0, 0, 0]
    resized = load_dataset(Data(source=str(images), shape=(3, 3, 3), labels=("dog", "bird", "cat")))
    assert only(resized.x_train).shape == (6, 3, 3, 3) and resized.y_train.tolist() == [2, 2, 2, 0, 0, 0]
    halves = load_dataset(Data(source=str(images / "train"), holdout=0.5))
    assert (len(halves.x_train), len(halves.x_test)) == (3, 3)
    (images / "train" / "cat" / "0.png").write_bytes((images / "train" / "cat" / "1.png").read_bytes())
    assert load_dataset(Data(source=str(images))).digest != dataset.digest


def test_images_that_do_not_fit_are_named(images: Path, tmp_path: Path) -> None:
    (images / "train" / ".hidden").mkdir()
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(images / "train" / "dog" / "9.png")
    assert "9.png is 5 x 5, others 6 x 4; set data.shape" in refusal(Data(source=str(images)))
    Image.fromarray(np.full((6, 4), 1000, np.uint16)).save(images / "train" / "dog" / "9.png")
    assert "9.png has more than 8 bits a pixel (I;16), which a picture loses here; give the arrays" in refusal(Data(source=str(images)))
    (images / "train" / "dog" / "9.png").write_bytes(b"no image")
    assert "9.png is no image that can be read" in refusal(Data(source=str(images)))
    (tmp_path / "empty").mkdir()
    assert "it holds no images" in refusal(Data(source=str(tmp_path / "empty")))
    assert "it names 2 labels itself, and data.labels is 3" in refusal(Data(source=str(images), labels=3))
    assert "data.shape = [3] is no image's" in refusal(Data(source=str(images), shape=(3,)))


# ---- what a function returns


@pytest.fixture
def loading(tmp_path: Path) -> Callable[[str], Data]:
    def write(body: str) -> Data:
        (tmp_path / "mine.py").write_text(f"{PYTHON}def load():\n    {body}\n")
        return Data(source=f"{tmp_path / 'mine.py'}:load")

    return write


@pytest.mark.parametrize(
    ("body", "train", "test"),
    [
        ("return x, y", 16, 4),
        ("return x[:15], y[:15], x[15:], y[15:]", 15, 5),
        ("return (x[:15], y[:15]), (x[15:], y[15:])", 15, 5),
        ("return {'x_train': x[:15], 'y_train': y[:15], 'x_test': x[15:], 'y_test': y[15:]}", 15, 5),
        ("return {'x_train': x, 'y_train': y}", 16, 4),
        ("return x.tolist(), y.tolist()", 16, 4),
    ],
)
def test_what_a_function_may_return(loading: Callable[[str], Data], body: str, train: int, test: int) -> None:
    dataset = load_dataset(loading(body))
    assert (len(dataset.x_train), len(dataset.x_test)) == (train, test) and dataset.form.inputs == (Input("", (2,), "float32"),)
    assert (only(dataset.x_train)[:, 0] / 2 % 4 == dataset.y_train).all()
    assert load_dataset(loading(body)).digest == dataset.digest != load_dataset(loading(f"y[0] = 1; {body}")).digest


def test_a_function_may_return_several_inputs(loading: Callable[[str], Data]) -> None:
    dataset = load_dataset(loading("return {'a': x, 'b': y}, y"))
    assert dataset.form.inputs == (Input("a", (2,), "float32"), Input("b", (1,), "int32"))
    assert (arrays_of(dataset.x_train)[1][:, 0] == dataset.y_train).all()


@pytest.mark.parametrize("batched", ["", ".batch(3)"])
def test_a_function_may_return_a_data_set_of_tensorflow(loading: Callable[[str], Data], batched: str) -> None:
    importlib.import_module("dfl_actors.learning.framework")
    text = f"import tensorflow as tf\n    return tf.data.Dataset.from_tensor_slices((x, np.array(list('abcd'))[y])){batched}"
    dataset = load_dataset(loading(text))
    assert (len(dataset.x_train), dataset.form.labels, dataset.form.inputs[0].shape) == (16, ("a", "b", "c", "d"), (2,))
    assert (only(dataset.x_train)[:, 0] / 2 % 4 == dataset.y_train).all()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return 3", "it returned int in no known form; return (x_train, y_train), (x_test, y_test), or"),
        ("return {'x': x}", "it returned dict in no known form"),
        ("raise OSError('no disk')", "it failed: OSError: no disk"),
        ("import sys; sys.exit(1)", "it failed: it ends the program"),
        ("return [[1], [1, 2]], [0, 1]", "x is no array"),
        ("return np.array([None, 'a']), [0, 1]", "its samples differ in length or kind"),
        ("return {}, y", "the samples of a part are an empty mapping; return"),
        ("return {'x_train': x, 'y_train': y, 'x_test': x}", "it returned one of x_test and y_test without the other; return both"),
        ("return np.ma.masked_array(x, x > 36), y", "x is a masked array, 3 values of it masked; fill them"),
        ("return x, y * 10**15", "y_train holds the label 3000000000000000, outside 0 to 65535; number the labels from 0"),
        ("return x, y * 1e300", "y_train holds the label 3e+300, outside 0 to 65535"),
        ("return x, y.astype('u8') + 2**63", "y_train holds the label 9223372036854775811, outside 0 to 65535"),
        ("return x, np.array(['a', 'b\\udc80'])[y % 2]", "a label is 'b\\udc80', which is no Unicode text"),
    ],
)
def test_what_a_function_may_not_return(loading: Callable[[str], Data], body: str, words: str) -> None:
    assert words in refusal(loading(body))


def test_columns_mean_something_in_tables_alone(loading: Callable[[str], Data]) -> None:
    said = loading("return x, y")
    assert "it is no table, so data.target means nothing" in refusal(Data(source=said.source, target="t"))
    assert "it is no table, so data.columns means nothing" in refusal(Data(source=said.source, columns=("t",)))
    assert len(load_dataset(Data(source=said.source, target="t", partition="own")).x_train) == 16


def test_a_signal_meanwhile_is_not_the_functions_fault(loading: Callable[[str], Data]) -> None:
    said = loading("import os, signal\n    os.kill(os.getpid(), signal.SIGINT)\n    return x, y")
    with pytest.raises(Interrupted), deferred(), at_once():
        load_dataset(said)


def test_a_function_that_changes_the_folder_does_so_for_itself(loading: Callable[[str], Data]) -> None:
    before = Path.cwd()
    load_dataset(loading("import os; os.chdir('/'); return x, y"))
    assert Path.cwd() == before


@pytest.mark.parametrize("kind", ["csv", "npz", "parquet"])
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, kind: str) -> None:
    os.mkfifo(tmp_path / f"t.{kind}")
    assert "it is a pipe or device, no file" in refusal(Data(source=str(tmp_path / f"t.{kind}"), target="t"))


def test_a_function_that_is_not_there(loading: Callable[[str], Data], tmp_path: Path) -> None:
    loading("return x, y")
    assert "has no function 'lod'" in refusal(Data(source=f"{tmp_path / 'mine.py'}:lod"))
    assert "cannot be imported: FileNotFoundError" in refusal(Data(source=f"{tmp_path / 'other.py'}:load"))
    assert "no_such_module cannot be imported: ModuleNotFoundError" in refusal(Data(source="no_such_module:load"))
    assert "there is no such source; give mnist, digits, a file" in refusal(Data(source=str(tmp_path / "nothing")))
    (tmp_path / "sheet.xlsx").touch()
    assert "a file of no kind that is read; give mnist" in refusal(Data(source=str(tmp_path / "sheet.xlsx")))


# ---- by name


def test_a_data_set_of_keras_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    keras: Any = importlib.import_module("dfl_actors.learning.framework").keras
    x, y = np.zeros((8, 32, 32, 3), np.uint8), np.arange(8)[:, None] % 2
    monkeypatch.setattr(keras.datasets.cifar10, "load_data", lambda: ((x, y), (x[:2], y[:2])))
    assert load_dataset(Data(source="keras:cifar10")).form == image_form((32, 32, 3), 2)

    def offline() -> None:
        raise Exception("URL fetch failure on https://...")  # noqa: TRY002 - as Keras does

    monkeypatch.setattr(keras.datasets.cifar10, "load_data", offline)
    assert "is there a network: Exception: URL fetch failure" in refusal(Data(source="keras:cifar10"))
    assert "Keras has no data set 'cifar'; it has boston_housing, " in refusal(Data(source="keras:cifar"))


def test_a_data_set_of_hugging_face_from_a_folder(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"words": datasets.Sequence(datasets.Value("int64"), length=3), "size": datasets.Value("float32"), "note": datasets.Value("string")}
        | {"label": datasets.ClassLabel(names=["bad", "good"])}
    )
    rows = {"words": [[i, i, i] for i in range(20)], "size": np.arange(20) / 2, "note": ["a"] * 20, "label": [i % 2 for i in range(20)]}
    made = datasets.Dataset.from_dict(rows, features)
    datasets.DatasetDict({"train": made, "test": made.select(range(5))}).save_to_disk(tmp_path / "set")
    source = f"hf:{tmp_path / 'set'}"
    dataset = load_dataset(Data(source=source, columns=("words", "size")))
    assert dataset.form.labels == ("bad", "good") and (len(dataset.x_train), len(dataset.x_test)) == (20, 5)
    assert dataset.form.inputs == (Input("table", (1,), "float32"), Input("words", (3,), "int32"))
    assert (arrays_of(dataset.x_train)[1][:, 2] % 2 == dataset.y_train).all()
    assert load_dataset(Data(source=source, columns=("words",))).form.inputs == (Input("", (3,), "int32"),)
    assert "column 'note' holds str, no numbers; map it first" in refusal(Data(source=source))
    assert "it has no column 'kind'; set data.target to one of words, size" in refusal(Data(source=source, target="kind"))
    made.remove_columns(["note", "size"]).save_to_disk(tmp_path / "alone")
    assert len(load_dataset(Data(source=f"hf:{tmp_path / 'alone'}")).x_test) == 4


def test_a_data_set_of_hugging_face_from_the_cache_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    (tmp_path / "rows.csv").write_text("a,label\n" + "".join(f"{i},{i % 2}\n" for i in range(10)))
    datasets.load_dataset("csv", data_files=str(tmp_path / "rows.csv"), cache_dir=str(tmp_path / "made"))
    (made,) = (tmp_path / "made").glob("csv/*/*/*/")
    kept = tmp_path / "cache/owner___tiny/default/0.0.0/0123"
    shutil.copytree(made, kept)
    (kept / "csv-train.arrow").rename(kept / "tiny-train.arrow")
    about = json.loads((kept / "dataset_info.json").read_text())
    (kept / "dataset_info.json").write_text(json.dumps(about | {"config_name": "default", "dataset_name": "tiny"}))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_ENDPOINT", "http://127.0.0.1:9")
    dataset = load_dataset(Data(source="hf:owner/tiny"))
    assert len(dataset.x_train) + len(dataset.x_test) == 10 and not datasets.config.HF_HUB_OFFLINE
    begun = time.monotonic()
    said = refusal(Data(source="hf:owner/none"))
    assert "it is not in the cache: " in said and f"; {FETCH}, for http://127.0.0.1:9 cannot be reached: " in said and "\n" not in said
    assert time.monotonic() - begun < 15, "the library itself asks for half a minute"
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    assert f"; {FETCH}, for HF_HUB_OFFLINE is set" in refusal(Data(source="hf:owner/none"))


def test_images_of_hugging_face(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    pictures = [Image.fromarray(np.full((4, 5, 3), i, np.uint8)) for i in range(6)]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("string")})
    datasets.Dataset.from_dict({"image": pictures, "label": list("ababab")}, features).save_to_disk(tmp_path / "set")
    dataset = load_dataset(Data(source=f"hf:{tmp_path / 'set'}"))
    assert dataset.form.inputs == (Input("", (4, 5, 3), "uint8"),) and dataset.form.labels == ("a", "b")
    assert (only(dataset.x_train)[:, 0, 0, 0] % 2 == dataset.y_train).all()


def test_where_a_source_is_looked_for(tmp_path: Path) -> None:
    (tmp_path / "saved").mkdir()

    def placed(source: str) -> str:
        return parse_topology(f"[data]\nsource = '{source}'", where="n.toml", name="n", folder=tmp_path).data.source

    for stays in ("mnist", "digits", "keras:cifar10", "hf:owner/name", "hf:name:part", "package.module:load"):
        assert placed(stays) == stays
    for moves in ("mine.npz", "a/b.csv", "odd:name.parquet", "pets", "code/mine.py:load"):
        assert placed(moves) == str(tmp_path / moves)
    assert placed("hf:saved") == f"hf:{tmp_path / 'saved'}"
