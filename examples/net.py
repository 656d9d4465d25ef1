"""A small convolutional network. It sees grey pixels from 0 to 1 and returns one number for each label."""

import keras


def build(shape: tuple[int, ...], labels: int) -> keras.Model:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(shape),
            layers.Reshape((*shape, 1)),
            layers.Conv2D(8, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.2),
            layers.Dense(labels),
        ]
    )
