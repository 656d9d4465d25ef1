"""What the tests of learners share: the shape of MNIST, batches of it, and the text of two models as a user's file has them."""

import numpy as np

from dfl_actors.learning.data import Dataset
from dfl_actors.learning.models import Recipe, limit_threads
from tests.learning.forms import image_form, only

# Before any test of any module starts TensorFlow.
limit_threads()


SHAPE = (28, 28)
FORM = image_form(SHAPE)
RECIPE = Recipe()

NORMALISED = """
import keras
def build(input_shape, labels):
    samples = keras.Input(input_shape)
    x = keras.layers.Flatten()(samples)
    x = keras.layers.Dense(32, use_bias=False)(x)
    x = keras.layers.BatchNormalization(momentum=0.5)(x)
    x = keras.layers.Activation("relu")(x)
    return keras.Model(samples, keras.layers.Dense(labels, activation="softmax")(x))
"""

DROPPING = """
import keras
def build(input_shape, labels):
    layers = [keras.layers.Flatten(), keras.layers.Dropout(0.5), keras.layers.Dense(labels)]
    return keras.Sequential([keras.Input(input_shape), *layers])
"""


def batches(mnist: Dataset, k: int, batch: int = 64, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    chosen = np.random.default_rng(seed).choice(len(mnist.x_train), (k, batch), replace=False)
    return only(mnist.x_train[chosen]), mnist.y_train[chosen]
