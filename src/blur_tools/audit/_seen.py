"""What a person or an engine sees of a picture, and which file that was."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

from blur_tools.audit._files import CHANGED, FileMark, mark_of
from blur_tools.audit._items import Item
from blur_tools.redaction.live import Upright

__all__ = ["Seen", "is_searched"]


@dataclass(frozen=True, eq=False)
class Seen(Upright):
    """A decoded picture, and its file: another one may have taken its place since.

    Attributes
    ----------
    file : FileMark or None
        Which file is seen; None where it is none.
    """

    file: FileMark | None = None

    @classmethod
    def load(cls, source: Any) -> Self:
        """Read, check, decode and turn a picture; errors are those of `load_picture`."""
        file = mark_of(source)  # before it is read: what comes behind it is another one
        return replace(super().load(source), file=file)

    def is_replaced(self, source: Any) -> bool:
        """Whether another file is there now."""
        return self.file is not None and self.file.differs(source) is not None


def is_searched(item: Item) -> bool:
    """Whether an engine has searched the file that is there, as far as that is noted."""
    return item.detected and CHANGED not in item.warnings
