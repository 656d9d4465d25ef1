"""Small dense networks, for sweeps in which LeNet would take too long."""

import keras


def build(shape: tuple[int, ...], labels: int) -> keras.Model:
    layers = keras.layers
    return keras.Sequential([keras.Input(shape), layers.Flatten(), layers.Dense(64, activation="relu"), layers.Dense(labels)])


def linear(shape: tuple[int, ...], labels: int) -> keras.Model:
    """So few weights that two unrelated models may point away from each other by chance."""
    return keras.Sequential([keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(labels)])


def zeros(shape: tuple[int, ...], labels: int) -> keras.Model:
    """A network whose last array begins at zero."""
    layers = keras.layers
    hidden = [layers.Flatten(), layers.Dense(64, activation="relu")]
    return keras.Sequential([keras.Input(shape), *hidden, layers.Dense(labels, kernel_initializer="zeros")])
