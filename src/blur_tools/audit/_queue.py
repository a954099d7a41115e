"""The order of a review's pictures, and where the cursor stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from blur_tools.audit._items import ORDERS, Item, Order
from blur_tools.errors import AuditError

__all__ = ["Queue", "check_order"]


def check_order(order: Order) -> None:
    """Refuse what is no order.

    Raises
    ------
    AuditError
        It is none.
    """
    if order not in ORDERS:
        raise AuditError(f"order {order!r} is none of {', '.join(ORDERS)}")


class Queue:
    """Keys in an order, with a cursor that stays on its picture when the order changes."""

    def __init__(self, items: Mapping[str, Item], order: Order, seed: int) -> None:
        self.keys: list[str] = []
        self.position = 0
        self._places: dict[str, int] = {}
        self.sort(items, order, seed)

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def current(self) -> str | None:
        """The key under the cursor."""
        return self.keys[self.position] if self.keys else None

    def sort(self, items: Mapping[str, Item], order: Order, seed: int) -> None:
        """Put the keys in an order: by path folder by folder, by falling risk, by chance from a seed, or as given."""
        check_order(order)
        current = self.current
        keys = list(items) if order == "given" else sorted(items, key=lambda key: key.split("/"))
        if order == "risk":
            keys.sort(key=lambda key: -items[key].risk)
        elif order == "random":
            keys = [keys[index] for index in np.random.default_rng(seed).permutation(len(keys))]
        self.keys = keys
        self._places = {key: place for place, key in enumerate(keys)}
        self.position = 0 if current is None else self._places[current]

    def place(self, where: int | str) -> int:
        """The position that a number or a key means."""
        if isinstance(where, str):
            if where not in self._places:
                raise AuditError(f"there is no picture {where!r} in this review")
            return self._places[where]
        if not -len(self.keys) <= where < len(self.keys):
            raise IndexError(f"there are {len(self.keys)} pictures; {where} is none of them")
        return where % len(self.keys)

    def first(self, places: Iterable[int], wanted: Callable[[str], bool]) -> int | None:
        """The first of some positions whose key is wanted."""
        return next((place for place in places if wanted(self.keys[place])), None)
