"""A small dense network, for sweeps in which LeNet would take too long."""

import keras


def build(shape: tuple[int, ...], labels: int) -> keras.Model:
    layers = keras.layers
    return keras.Sequential([keras.Input(shape), layers.Flatten(), layers.Dense(64, activation="relu"), layers.Dense(labels)])


def unscaled(shape: tuple[int, ...], labels: int) -> keras.Model:
    """The same on samples from 0 to 255, as of pixels that nobody has scaled."""
    layers = keras.layers
    return keras.Sequential(
        [keras.Input(shape), layers.Rescaling(255.0), layers.Flatten(), layers.Dense(64, activation="relu"), layers.Dense(labels)]
    )
