"""What a review takes from its callers, checked before anything is written down."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

from blur_tools.errors import AuditError

__all__ = ["mark_number", "seed_number", "text_of", "texts_of"]

LARGEST = 1 << 63
"""Whole numbers of a journal are below this."""


def text_of(name: str, value: Any) -> str:
    """The value, if it is text.

    Raises
    ------
    AuditError
        It is something else.
    """
    if not isinstance(value, str):
        raise AuditError(f"{name}: {value!r:.80} is no text")
    return str(value)


def texts_of(name: str, values: Iterable[Any]) -> tuple[str, ...]:
    """The values, if all of them are text; one text is no list of them.

    Raises
    ------
    AuditError
        One is something else.
    """
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise AuditError(f"{name}: a list of texts is needed, not {values!r:.80}")
    return tuple(text_of(name, value) for value in values)


def mark_number(value: Any) -> int:
    """The number of a mark, whatever type of whole number it comes as.

    Raises
    ------
    AuditError
        It is no whole number.
    """
    return _whole("mark", value)


def seed_number(value: Any) -> int:
    """A seed that a journal can hold.

    Raises
    ------
    AuditError
        It is no whole number from 0, below 2**63.
    """
    seed = _whole("seed", value)
    if not 0 <= seed < LARGEST:
        raise AuditError(f"seed {seed} is not from 0 to 2**63 - 1")
    return seed


def _whole(name: str, value: Any) -> int:
    # numpy's truth values have __index__ in some versions, and are no numbers either
    if isinstance(value, bool) or type(value).__name__ == "bool":
        raise AuditError(f"{name}: {value!r} is no whole number")
    try:
        return operator.index(value)
    except TypeError as error:
        raise AuditError(f"{name}: {value!r:.80} is no whole number") from error
