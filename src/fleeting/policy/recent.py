"""A bounded cache: what was used lately stays, and a flood of new keys cannot grow it."""

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """Two generations: the older one is dropped whole whenever the younger one is full.

    At least the last *size* keys used are kept, never more than twice as many.
    """

    __slots__ = ("_old", "_size", "_young")

    def __init__(self, size: int) -> None:
        """Start empty."""
        self._size = size
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, key: K) -> V | None:
        """Return what was put at *key*, or None; it counts as used."""
        found = self._young.get(key)
        if found is None:
            found = self._old.get(key)
            if found is not None:
                self.put(key, found)
        return found

    def put(self, key: K, value: V) -> V:
        """Keep *value* at *key*, and return it."""
        if len(self._young) >= self._size:
            self._old, self._young = self._young, {}
        self._young[key] = value
        return value
