"""Relative paths as keys: what a file from anywhere may call a picture."""

from __future__ import annotations

import os
from pathlib import Path, PureWindowsPath
from typing import Any

__all__ = ["check_key", "place_of"]

LONGEST = 4096
_NO_NAMES = frozenset(("", ".", ".."))


def check_key(key: Any) -> str:
    """The key, if it is a relative path with ``/`` that cannot lead out of its folder.

    Raises
    ------
    ValueError
        It is something else; the message says what, without repeating a long text.
    """
    if not isinstance(key, str) or not key or len(key) > LONGEST:
        raise ValueError(f"{shown_key(key)} is no relative path of a picture")
    if "\0" in key or not _NO_NAMES.isdisjoint(key.split("/")) or (os.name == "nt" and _leaves(PureWindowsPath(key))):
        raise ValueError(f"{shown_key(key)} is no relative path that stays in its folder")
    return key


def _leaves(path: PureWindowsPath) -> bool:
    """Whether a drive or a backslash leads elsewhere."""
    return bool(path.drive or path.root) or ".." in path.parts


def place_of(root: Path, key: str) -> str:
    """Where the picture of a checked key lies."""
    return os.path.join(root, *key.split("/"))


def shown_key(key: Any) -> str:
    """A key as a message may hold it."""
    text = repr(key)
    return text if len(text) <= 120 else f"{text[:120]}…"
