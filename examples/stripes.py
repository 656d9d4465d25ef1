"""Data of one's own: images of stripes in four directions, with noise. A data set is four arrays in an .npz file."""

import sys

import numpy as np

SIZE, NOISE = 12, 0.4


def images(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """`count` images as float32 in 0..1 [count, SIZE, SIZE], and which of the four directions each has."""
    labels = rng.integers(0, 4, count)
    across, down = np.meshgrid(np.arange(SIZE), np.arange(SIZE))
    phases = np.stack([across, down, across + down, across - down])[labels] + rng.integers(0, 4, (count, 1, 1))
    noisy = (phases % 4 < 2) + rng.normal(0, NOISE, phases.shape)
    return noisy.clip(0, 1).astype(np.float32), labels


def write(path: str, seed: int = 0) -> None:
    """4,000 images to train on, and 1,000 to test."""
    rng = np.random.default_rng(seed)
    x_train, y_train = images(4000, rng)
    x_test, y_test = images(1000, rng)
    np.savez(path, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)


if __name__ == "__main__":
    write(sys.argv[1] if len(sys.argv) > 1 else "stripes.npz")
