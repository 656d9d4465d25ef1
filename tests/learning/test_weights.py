"""What a flat vector of weights looks like by layer, and which bytes are taken for one."""

import subprocess
import sys

import numpy as np
import pytest

from dfl_actors.errors import Refused
from dfl_actors.learning.weights import (
    CODECS,
    Layer,
    Parameters,
    check_norm,
    decode_model,
    encode_model,
    is_finite,
    model_bytes,
    norm_bound,
)

PARAMETERS = Parameters((Layer(name="a/kernel", shape=(2, 3)), Layer(name="a/bias", shape=(3,)), Layer(name="scale", shape=())))


def vector(size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.05, size).astype(np.float32)


def test_size_counts_every_number_and_a_scalar_as_one() -> None:
    assert PARAMETERS.size == 10
    assert Parameters(()).size == 0


def test_views_cover_the_vector_in_order_and_share_its_memory() -> None:
    flat = np.arange(10, dtype=np.float32)
    views = PARAMETERS.views(flat)
    assert {name: view.shape for name, view in views.items()} == {"a/kernel": (2, 3), "a/bias": (3,), "scale": ()}
    assert np.concatenate([view.ravel() for view in views.values()]).tolist() == flat.tolist()
    views["a/bias"][:] = -1
    assert flat.tolist() == [0, 1, 2, 3, 4, 5, -1, -1, -1, 9]


@pytest.mark.parametrize("shape", [(9,), (11,), (10, 1)])
def test_views_of_a_vector_of_another_shape_are_an_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="a vector of 10 is needed"):
        PARAMETERS.views(np.zeros(shape, np.float32))


def test_float32_keeps_every_bit_and_is_little_endian() -> None:
    flat = vector(1000)
    data = encode_model(flat, "float32")
    assert data == flat.astype("<f4").tobytes()
    assert decode_model(data, "float32", 1000).tobytes() == flat.tobytes()


def test_float16_rounds_to_eleven_bits() -> None:
    flat = vector(1000)
    found = decode_model(encode_model(flat, "float16"), "float16", 1000)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, flat, rtol=2**-11, atol=2**-25)


def test_float16_ends_at_its_largest_number() -> None:
    flat = np.array([1e9, -1e9, 65504, 1], np.float32)
    assert decode_model(encode_model(flat, "float16"), "float16", 4).tolist() == [65504, -65504, 65504, 1]


@pytest.mark.parametrize(("codec", "size"), [("float32", 1_724_320), ("float16", 862_160)])
def test_the_size_of_a_lenet_is_known_before_it_is_fetched(codec: str, size: int) -> None:
    assert model_bytes(codec, 431_080) == size
    assert len(encode_model(vector(431_080), codec)) == size


def test_aligned_float32_is_decoded_without_a_copy_and_cannot_be_written() -> None:
    page = np.frombuffer(encode_model(vector(64), "float32"), np.uint8).copy()
    found = decode_model(page.data, "float32", 64)
    assert np.shares_memory(found, page)
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 1


def test_unaligned_float32_is_copied_to_aligned_memory() -> None:
    flat = vector(64)
    page = np.zeros(4 * 64 + 1, np.uint8)
    page[1:] = np.frombuffer(encode_model(flat, "float32"), np.uint8)
    found = decode_model(page.data[1:], "float32", 64)
    assert found.flags.aligned
    assert not found.flags.writeable
    assert not np.shares_memory(found, page)
    assert found.tobytes() == flat.tobytes()


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("change", [-1, 1, 2, 4, -400])
def test_a_model_of_another_size_is_refused(codec: str, change: int) -> None:
    data = encode_model(vector(100), codec)
    data = data + bytes(change) if change > 0 else data[:change]
    with pytest.raises(Refused) as refused:
        decode_model(data, codec, 100)
    assert refused.value.code == "model_size"


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 50, 99])
def test_a_model_with_one_number_that_is_not_finite_is_refused(codec: str, bad: float, place: int) -> None:
    flat = vector(100)
    flat[place] = bad
    data = flat.astype(CODECS[codec]).tobytes()
    with pytest.raises(Refused) as refused:
        decode_model(data, codec, 100)
    assert refused.value.code == "model_not_finite"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("numbers", "finite"),
    [
        ([], True),
        ([1.8e19], True),
        ([1.9e19], False),
        ([3e38, -3e38], False),
        ([3e38, np.nan], False),
        ([3e38, np.inf], False),
        ([np.inf, -np.inf], False),
    ],
)
def test_numbers_are_finite_while_their_norm_is_a_float32(numbers: list[float], finite: bool) -> None:
    assert is_finite(np.array(numbers, np.float32)) is finite


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("own", "bound"),
    [([2.0, 0, 0, 0], 200.0), ([1e-9, 0, 0, 0], 2.0), ([0.0] * 4, 200.0), ([1.8e19, 0, 0, 0], 1.8e21)],
    ids=["100 times", "1 a weight near zero", "100 a weight at zero", "the largest there is"],
)
def test_the_norm_of_a_model_is_bounded_by_the_own_one(own: list[float], bound: float) -> None:
    assert norm_bound(np.array(own, np.float32)) == pytest.approx(bound)
    within, beyond = (np.array([factor * min(bound, 1.8e19), 0, 0, 0], np.float32) for factor in (0.999, 1e3))
    check_norm(within, norm_bound(np.array(own, np.float32)))
    with pytest.raises(Refused, match="model_norm"):
        check_norm(beyond, norm_bound(np.array(own, np.float32)))


def test_an_unknown_codec_is_refused_by_name() -> None:
    for use in (lambda: encode_model(vector(1), "pickle"), lambda: decode_model(b"", "pickle", 0), lambda: model_bytes("pickle", 1)):
        with pytest.raises(Refused, match="pickle") as refused:
            use()
        assert refused.value.code == "codec_unknown"


def test_the_codecs_do_not_load_tensorflow() -> None:
    probe = "import sys, dfl_actors.learning.weights; sys.exit(any(name in sys.modules for name in ('tensorflow', 'keras')))"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0
