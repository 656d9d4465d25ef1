"""On which devices TensorFlow computes, over a list of them that is made up here: there is no GPU to try it on."""

from collections.abc import Sequence
from typing import Any

import pytest

from dfl_actors.errors import ConfigError
from dfl_actors.learning.framework import tf, use_device


class Devices:
    """In the place of `tf.config`: what was asked of it."""

    def __init__(self, gpus: Sequence[str]) -> None:
        self.gpus, self.visible, self.grows = list(gpus), list(gpus), list[str]()
        self.experimental = self

    def list_physical_devices(self, kind: str) -> list[str]:
        return self.gpus if kind == "GPU" else ["cpu:0"]

    def get_visible_devices(self, kind: str) -> list[str]:
        return self.visible if kind == "GPU" else ["cpu:0"]

    def set_visible_devices(self, devices: list[str], kind: str) -> None:
        assert kind == "GPU"
        self.visible = devices

    def set_memory_growth(self, gpu: str, grows: bool) -> None:
        assert grows
        self.grows.append(gpu)


@pytest.mark.parametrize(
    ("device", "gpus", "visible", "grows"),
    [
        ("cpu", ["gpu:0", "gpu:1"], [], []),
        ("cpu", [], [], []),
        ("auto", ["gpu:0"], ["gpu:0"], ["gpu:0"]),
        ("auto", [], [], []),
        ("gpu", ["gpu:0", "gpu:1"], ["gpu:0", "gpu:1"], ["gpu:0", "gpu:1"]),
    ],
)
def test_a_device_is_used_or_hidden(monkeypatch: pytest.MonkeyPatch, device: str, gpus: list[str], visible: Any, grows: Any) -> None:
    monkeypatch.setattr(tf, "config", devices := Devices(gpus))
    use_device(device)
    use_device(device)
    assert devices.visible == visible and devices.grows == [*grows, *grows]


def test_a_gpu_that_is_not_there_is_one_line() -> None:
    with pytest.raises(ConfigError, match=r'training\.device is "gpu", but TensorFlow finds no GPU here: ') as raised:
        use_device("gpu")
    assert "\n" not in str(raised.value)
