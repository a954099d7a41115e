"""Names that are fixed and whose work comes with a later version: each says so when it is called."""

from __future__ import annotations

from importlib.util import find_spec

from blur_tools.errors import NotYetError

__all__ = ["not_yet"]


def not_yet(what: str, extra: str = "", module: str = "") -> NotYetError:
    """The error that says so, and names the extra that it will need if that is not installed."""
    text = f"{what} comes with a later version"
    if extra and find_spec(module) is None:
        text += f"; it will need the extra [{extra}], which is not installed here"
    return NotYetError(text)
