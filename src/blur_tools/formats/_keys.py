"""Relative paths as keys: what a file from anywhere may call a picture."""

from __future__ import annotations

import os
from pathlib import Path, PurePath
from typing import Any

__all__ = ["check_key", "place_of"]

LONGEST = 4096


def check_key(key: Any) -> str:
    """The key, if it is a relative path with ``/`` that cannot lead out of its folder.

    Raises
    ------
    ValueError
        It is something else; the message says what, without repeating a long text.
    """
    if not isinstance(key, str) or not key or len(key) > LONGEST:
        raise ValueError(f"{shown_key(key)} is no relative path of a picture")
    if "\0" in key or any(part in ("", ".", "..") for part in key.split("/")):
        raise ValueError(f"{shown_key(key)} is no relative path that stays in its folder")
    # on Windows also a drive and a backslash lead elsewhere
    own = PurePath(key)
    if own.drive or own.is_absolute() or ".." in own.parts:
        raise ValueError(f"{shown_key(key)} is no relative path that stays in its folder")
    return key


def place_of(root: Path, key: str) -> str:
    """Where the picture of a checked key lies."""
    return os.path.join(root, *key.split("/"))


def shown_key(key: Any) -> str:
    """A key as a message may hold it."""
    text = repr(key)
    return text if len(text) <= 120 else f"{text[:120]}…"
