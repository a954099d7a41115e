"""Very many short facts in little memory: numbers beside each other, and no object for each.

A text is known by Python's own hash of it: 64 bits that are keyed anew in every process, so two of a million texts are
taken for one in one run of thirty million, and nobody can make them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt

__all__ = ["HashSet", "Numbers", "PackedMap", "View", "hashes"]

Numbers = npt.NDArray[np.int64]

RECENT = 4096
"""Entries of a map that are not packed yet, if they are no more than a sixteenth of all."""


class View(Sequence[Any]):
    """What a function makes of each of many items, made when it is asked for and not kept.

    Parameters
    ----------
    items : sequence
        Of what.
    made : callable
        What is made of an item.
    places : array of int, optional
        Of these items alone, in this order.
    """

    def __init__(
        self, items: Sequence[Any], made: Callable[[Any], Any] | None = None, places: npt.NDArray[Any] | None = None
    ) -> None:
        self._items, self._made, self._places = items, made, places

    def __len__(self) -> int:
        return len(self._items) if self._places is None else len(self._places)

    @overload
    def __getitem__(self, place: int) -> Any: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Any]: ...
    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        item = self._items[place if self._places is None else int(self._places[place])]
        return item if self._made is None else self._made(item)

    def __iter__(self) -> Iterator[Any]:
        items = self._items if self._places is None else (self._items[int(place)] for place in self._places)
        return iter(items) if self._made is None else map(self._made, items)


def hashes(values: Iterable[Any]) -> Numbers:
    """The hashes of many values, in their order."""
    return np.fromiter(map(hash, values), np.int64)


class HashSet:
    """Texts, each by its hash; eight bytes each."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._hashes = hashes(texts)
        self._hashes.sort()

    def __contains__(self, text: str) -> bool:
        return _found(self._hashes, hash(text)) is not None


class PackedMap:
    """Bytes of one length by number. An entry takes eight bytes and its own, and a little room.

    Parameters
    ----------
    width : int
        Bytes of each value.
    """

    def __init__(self, width: int) -> None:
        self._keys = np.empty(0, np.int64)
        self._values = np.empty(0, f"V{width}")
        self._recent: dict[int, bytes] = {}

    def __len__(self) -> int:
        return len(self._keys) + len(self._recent)

    def __contains__(self, key: int) -> bool:
        return self.get(key) is not None

    def __setitem__(self, key: int, value: bytes) -> None:
        place = None if key in self._recent else _found(self._keys, key)
        if place is not None:
            self._values[place] = np.void(value)
            return
        self._recent[key] = value
        if len(self._recent) > max(RECENT, len(self._keys) // 16):
            self._pack()

    def get(self, key: int) -> bytes | None:
        """The value of a key, if it has one."""
        place = None if key in self._recent else _found(self._keys, key)
        return self._recent.get(key) if place is None else self._values[place].tobytes()

    def items(self) -> Iterator[tuple[int, bytes]]:
        """All entries."""
        for key, value in zip(self._keys, self._values, strict=True):
            yield int(key), value.tobytes()
        yield from self._recent.items()

    def _pack(self) -> None:
        added = sorted(self._recent)
        keys = np.array(added, np.int64)
        values = np.frombuffer(b"".join(self._recent[key] for key in added), self._values.dtype)
        places = np.searchsorted(self._keys, keys)
        self._recent = {}
        self._values = np.insert(self._values, places, values)
        self._keys = np.insert(self._keys, places, keys)


def _found(numbers: Numbers, number: int) -> int | None:
    """Where a number stands among sorted ones, if it does."""
    place = int(np.searchsorted(numbers, number))
    return place if place < len(numbers) and numbers[place] == number else None
