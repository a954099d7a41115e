"""Words of elsewhere, such as file names and what services answer, as what they are."""

from __future__ import annotations

__all__ = ["plain"]


def plain(text: str, limit: int = 600) -> str:
    """Text in one line, without what Qt would take for HTML: it opens what that names."""
    kept = "".join(letter if letter.isprintable() else " " for letter in text[: limit + 1])
    return (kept if len(kept) <= limit else f"{kept[: limit - 1]}…").replace("<", "‹").replace(">", "›")
