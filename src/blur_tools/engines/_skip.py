"""``skip_regexp``: plates whose text matches are left visible."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from blur_tools.detections import Detection, Detections
from blur_tools.errors import PatternTimeoutError, SettingsError

try:
    # a stranger's pattern can take for ever; this module can be told when to stop
    import regex
except ImportError:
    regex = None  # type: ignore[assignment]

__all__ = ["matches", "with_skipped"]

LONGEST_SEARCH = 0.25
"""Seconds for all patterns on one text, where the module that can be stopped is installed (extra ``[server]``)."""


def with_skipped(detections: Detections, patterns: Sequence[str] | None) -> Detections:
    """The same with ``keep`` set on plates whose text one of the patterns is found in, whatever the case.

    A plate without text is never kept.

    Raises
    ------
    PatternTimeoutError
        A pattern takes too long.
    """
    if not patterns:
        return detections

    def judged(item: Detection) -> Detection:
        text = item.text if item.kind == "plate" else None
        return replace(item, keep=True) if text and matches(patterns, text) else item

    return detections.map(judged)


def matches(patterns: Sequence[str], text: str) -> bool:
    """Whether any of the patterns is found somewhere in `text`.

    Raises
    ------
    PatternTimeoutError
        A pattern takes too long.
    """
    return any(_found(pattern, text) for pattern in patterns)


def _found(pattern: str, text: str) -> bool:
    if regex is None:
        return re.search(pattern, text, re.IGNORECASE) is not None
    try:
        return regex.search(pattern, text, regex.IGNORECASE, timeout=LONGEST_SEARCH) is not None
    except TimeoutError as error:
        raise PatternTimeoutError(pattern) from error
    except regex.error as error:
        # Python's own module might know it, but cannot be stopped
        raise SettingsError("skip_regexp", f"{pattern[:60]!r} is not a regular expression: {error}") from error
