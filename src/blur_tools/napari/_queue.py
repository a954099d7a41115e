"""The list of pictures in the Audit panel: what is decided of each, at a glance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QAbstractListModel, QModelIndex, Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QListView

from blur_tools.audit.actions import SIGNS, UNSHOWN
from blur_tools.audit.session import Item
from blur_tools.napari._words import plain

__all__ = ["QueueView", "told"]

COLOURS = {"accepted": "#8bd17c", "edited": "#8bd17c", "flagged": "#ffb000"}
NO_INDEX = QModelIndex()


def told(item: Item) -> str:
    """A picture's line in the list."""
    sign = UNSHOWN if item.error else SIGNS[item.decision]
    plates, faces = len(item.detections.plates), len(item.detections.faces)
    found = f"  ({plates} + {faces})" if item.detected or item.marks else ""
    return f"{sign}  {item.key}{found}"


class _Queue(QAbstractListModel):
    def __init__(self) -> None:
        super().__init__()
        self.items: tuple[Item, ...] = ()

    def rowCount(self, parent: Any = NO_INDEX) -> int:
        return 0 if parent.isValid() else len(self.items)

    def data(self, index: Any, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid() or index.row() >= len(self.items):
            return None
        item = self.items[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return told(item)
        if role == Qt.ItemDataRole.ToolTipRole:
            said = filter(None, (item.key, item.error, *item.reasons, *item.warnings))
            return "\n".join(map(plain, said))
        if role == Qt.ItemDataRole.ForegroundRole and (item.error or item.decision in COLOURS):
            return QColor("#ff6b6b" if item.error else COLOURS[item.decision])
        return None

    def show(self, items: tuple[Item, ...]) -> None:
        """Take over a new list."""
        before, self.items = self.items, items
        if len(before) != len(items):
            self.beginResetModel()
            self.endResetModel()


class QueueView(QListView):
    """The list; `chosen` is told the key of a picture that was clicked."""

    def __init__(self, chosen: Callable[[str], None]) -> None:
        super().__init__()
        self._queue = _Queue()
        self.setModel(self._queue)
        self.setUniformItemSizes(True)
        self.setMinimumHeight(60)
        # keys belong to the picture
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.clicked.connect(lambda index: chosen(self._queue.items[index.row()].key))

    def show_items(self, items: tuple[Item, ...], row: int | None) -> None:
        """Show these pictures, with the one in a row marked and in sight."""
        if items is not self._queue.items:
            self._queue.show(items)
            # not by dataChanged, at which Qt lays out every row anew: a tenth of a second for 100,000
            viewport: Any = self.viewport()
            viewport.update()
        if row is None:
            self.clearSelection()
        elif self.currentIndex().row() != row or not self.selectedIndexes():
            self.setCurrentIndex(self._queue.index(row))
            self.scrollTo(self._queue.index(row))
