"""A small convolutional network. It sees pixels from 0 to 1, channels last, and returns one number for each label."""

import keras


def build(input_shape: tuple[int, ...], labels: int) -> keras.Model:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Conv2D(8, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.2),
            layers.Dense(labels),
        ]
    )
