"""Small Keras models for `tools/kinds.py`, as users write them: each is built for a shape and a number of outputs."""

from collections.abc import Mapping

import keras

Shape = tuple[int, ...]


def dense(shape: Shape, labels: int) -> keras.Model:
    """Of a flat row of numbers."""
    layers = keras.layers
    return keras.Sequential([keras.Input(shape), layers.Dense(32, activation="relu"), layers.Dense(labels)])


def picture(shape: Shape, labels: int) -> keras.Model:
    """With batch normalisation and dropout: running statistics and seeds that a step moves too."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(shape),
            layers.Conv2D(8, 3, strides=2, activation="relu"),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dropout(0.2),
            layers.Dense(labels),
        ]
    )


def volume(shape: Shape, labels: int) -> keras.Model:
    """Of a volume without an axis of channels."""
    layers = keras.layers
    return keras.Sequential(
        [keras.Input(shape), layers.Reshape((*shape, 1)), layers.Conv3D(4, 3, activation="relu"), layers.Flatten(), layers.Dense(labels)]
    )


def words(shape: Shape, labels: int) -> keras.Model:
    """Of token ids; probabilities."""
    layers = keras.layers
    return keras.Sequential(
        [keras.Input(shape, dtype="int32"), layers.Embedding(50, 8), layers.GlobalAveragePooling1D(), layers.Dense(labels, "softmax")]
    )


def both(shape: Mapping[str, Shape], labels: int) -> keras.Model:
    """Of two inputs, which it takes by their names."""
    layers = keras.layers
    inputs = {name: keras.Input(one, name=name) for name, one in shape.items()}
    flat = [layers.Flatten()(one) for one in inputs.values()]
    return keras.Model(inputs, layers.Dense(labels)(layers.Dense(16, activation="relu")(layers.Concatenate()(flat))))
