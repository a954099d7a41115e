"""The two values that an audit shows: a picture in the queue, and a mark on it. Both are immutable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from blur_tools.detections import Detection, Detections
from blur_tools.formats.blur_json import DECISIONS, Decision

__all__ = ["DECISIONS", "FINISHED", "ORDERS", "Decision", "Item", "Mark", "Order"]

Order = Literal["path", "risk", "random", "given"]
ORDERS: tuple[Order, ...] = get_args(Order)
FINISHED: tuple[Decision, ...] = ("accepted", "edited")
"""Decisions with which a person is done with a picture."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One detection on one picture, with a name that stays.

    Attributes
    ----------
    id : int
        Unique within the picture and never used again; the same after undo, redo and resume.
    detection : Detection
        The plate or face, in pixels of the stored picture.
    """

    id: int
    detection: Detection


@dataclass(frozen=True, slots=True)
class Item:
    """One picture in the queue, as it stands; every change gives a new one.

    Attributes
    ----------
    key : str
        Its path relative to the session's root, with ``/``; unique. What is no file is called by its name and a
        short hash of its content.
    source : object
        What `blur_tools.sources.load_source` reads: a path, a URL, bytes, an array.
    marks : tuple of Mark
        What is marked on it, oldest first.
    decision : {"unreviewed", "accepted", "edited", "flagged"}
        What a person said of it last. A change of the marks after it makes it ``unreviewed`` again.
    detected : bool
        Whether an engine, or the table, has said what is in it; False: nobody has looked yet.
    error : str
        Why it cannot be shown or searched; ``""`` when it can.
    reviewer, decided_at : str
        Who decided and when (ISO 8601, UTC); ``""`` until then.
    risk : float
        How much a person's look is needed, 0 to 1; a rule of thumb that orders the queue.
    reasons : tuple of str
        Words for the risk.
    warnings : tuple of str
        What the engine wants a person to know.
    """

    key: str
    source: Any
    marks: tuple[Mark, ...] = ()
    decision: Decision = "unreviewed"
    detected: bool = False
    error: str = ""
    reviewer: str = ""
    decided_at: str = ""
    risk: float = 0.0
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def detections(self) -> Detections:
        """The marks' detections, in their order."""
        return Detections(mark.detection for mark in self.marks)
