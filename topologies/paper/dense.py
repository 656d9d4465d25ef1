"""A small dense network, for sweeps in which LeNet would take too long."""

import keras


def build(shape: tuple[int, ...], labels: int) -> keras.Model:
    return keras.Sequential([keras.Input(shape), *dense(labels)])


def unscaled(shape: tuple[int, ...], labels: int) -> keras.Model:
    """The same on samples from 0 to 255, as of pixels that nobody has scaled."""
    return keras.Sequential([keras.Input(shape), keras.layers.Rescaling(255.0), *dense(labels)])


def dense(labels: int) -> list[keras.Layer]:
    layers = keras.layers
    return [layers.Flatten(), layers.Dense(64, activation="relu"), layers.Dense(labels)]
