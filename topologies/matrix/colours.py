"""Images of 32 x 32 x 3 without a network: the digits of MNIST, each in a colour of its own on a ground of another, and a small
convolutional network with batch normalisation for them."""

from importlib.resources import files

import keras
import numpy as np

Images = tuple[np.ndarray, np.ndarray]


def load() -> tuple[Images, Images]:
    """uint8 images [count, 32, 32, 3] and their labels, to train on and to test; the same at each call."""
    with (files("dfl_actors") / "learning" / "datasets" / "mnist.npz").open("rb") as file, np.load(file) as digits:
        return tuple(
            (coloured(digits[f"x_{part}"], np.random.default_rng(seed)), digits[f"y_{part}"]) for seed, part in enumerate(("train", "test"))
        )


def coloured(grey: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Grey images [count, 28, 28] with two pixels more on each side, ink and ground in colours drawn for each image."""
    ink = np.pad(grey, ((0, 0), (2, 2), (2, 2)))[..., None].astype(np.uint16)
    of_ink, of_ground = rng.integers(128, 256, (len(grey), 1, 1, 3)), rng.integers(0, 128, (len(grey), 1, 1, 3))
    return ((ink * of_ink.astype(np.uint16) + (255 - ink) * of_ground.astype(np.uint16)) // 255).astype(np.uint8)


def build(shape: tuple[int, ...], labels: int) -> keras.Model:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(shape),
            layers.Conv2D(16, 3, strides=2, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2D(32, 3, strides=2, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(labels),
        ]
    )
