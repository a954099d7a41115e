"""JSON that nobody can change, for values that promise to stay as they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

__all__ = ["FrozenDict", "FrozenList", "frozen_object", "thawed"]


def _refuse(self: object, *_: object, **__: object) -> NoReturn:
    raise TypeError("this value is frozen; make a copy with dict() or list() and change that")


class FrozenDict(dict[str, Any]):
    """A dict that refuses every change; equal to a plain one."""

    __setitem__ = __delitem__ = clear = pop = popitem = setdefault = update = __ior__ = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return FrozenDict, (dict(self),)


class FrozenList(list[Any]):
    """A list that refuses every change; equal to a plain one."""

    __setitem__ = __delitem__ = append = clear = extend = insert = pop = _refuse
    remove = reverse = sort = __iadd__ = __imul__ = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return FrozenList, (list(self),)


def frozen_object(value: Mapping[str, Any]) -> FrozenDict:
    """A frozen copy of an object that JSON can say.

    Raises
    ------
    TypeError, ValueError, RecursionError
        JSON cannot say it.
    """
    if not isinstance(value, Mapping):
        raise TypeError(f"an object is needed, not {type(value).__name__}")
    # through text and back: whatever is in it becomes plain JSON, or is refused
    copied: FrozenDict = _frozen(json.loads(json.dumps(dict(value), allow_nan=False)))
    return copied


def thawed(value: Mapping[str, Any]) -> dict[str, Any]:
    """A plain copy that may be changed."""
    copied: dict[str, Any] = json.loads(json.dumps(value))
    return copied


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return FrozenDict({key: _frozen(item) for key, item in value.items()})
    return FrozenList(map(_frozen, value)) if isinstance(value, list) else value
