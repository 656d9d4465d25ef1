"""Keras and TensorFlow, set up as every process needs them, and the only place that imports them.

What decides results is set here and not by the machine: backend, data format, float type. `~/.keras/keras.json` may say otherwise, or be
damaged, which would end the import; then Keras is shown another home while it is imported.

Importing this module runs no TensorFlow operation, so a fork server may preload it; `limit_threads` comes before any.
"""

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dfl_actors.errors import ConfigError
from dfl_actors.files import unheard

HARMLESS = {"floatx": "float32", "epsilon": 1e-7, "image_data_format": "channels_last", "nnx_enabled": False}
"""What `keras.json` may say; of the backend the environment decides."""

NO_HOME = f"{os.devnull}/keras"  # A folder that holds no settings, and into which Keras, which does not mind, can write none.


@contextmanager
def silenced() -> Iterator[None]:
    """Nothing reaches the process's stderr: TensorFlow's C++ prints there, past every log level. Its errors are exceptions."""
    sys.stderr.flush()
    with unheard(2):
        yield


def settings_are_ours(home: Path) -> bool:
    """Whether Keras may read the settings in its home: there are none, or they change nothing."""
    try:
        said = json.loads((home / "keras.json").read_bytes())
        return all(said.get(key, value) == value for key, value in HARMLESS.items())
    except FileNotFoundError:
        return True
    except (OSError, ValueError, AttributeError):
        return False


@contextmanager
def _own_settings() -> Iterator[None]:
    before = os.environ.get("KERAS_HOME")
    if not settings_are_ours(Path(before if before is not None else "~/.keras").expanduser()):
        os.environ["KERAS_HOME"] = NO_HOME
    try:
        yield
    finally:
        os.environ.pop("KERAS_HOME", None)
        if before is not None:
            os.environ["KERAS_HOME"] = before


os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# On by itself only on some processors, and 1.5 times as fast on the others too.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
with silenced(), _own_settings():
    import keras
    import tensorflow as tf
for _logger in ("tensorflow", "absl"):
    logging.getLogger(_logger).setLevel(logging.CRITICAL)
# If Keras was imported before, by a plug-in for instance, that was with the user's settings.
keras.config.set_floatx("float32")
keras.config.set_epsilon(1e-7)
keras.config.set_image_data_format("channels_last")
keras.config.set_dtype_policy("float32")

__all__ = ["keras", "limit_threads", "silenced", "tf", "use_device"]


def limit_threads() -> None:
    """One thread for TensorFlow in this process; many processes share the machine. Call it before anything else here.

    Where the user's own code has started TensorFlow before, a loader of data for instance, it keeps the threads that it has.
    """
    with suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)


def use_device(device: str) -> None:
    """Compute on this machine's GPUs (`"gpu"`, or `"auto"` where there are some), or hide them from TensorFlow (`"cpu"`).

    Several processes share a GPU, so each takes only the memory it needs. Call it before anything else here. Raises `ConfigError` for
    `"gpu"` where TensorFlow finds none.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if device == "gpu" and not gpus:
        raise ConfigError(
            'training.device is "gpu", but TensorFlow finds no GPU here: install its GPU build and the driver, or give "auto" or "cpu"'
        )
    if device != "cpu":
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
    elif gpus and tf.config.get_visible_devices("GPU"):
        tf.config.set_visible_devices([], "GPU")
