"""What a label file of any format says: what is truly in each picture, and everything that could not be used."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from blur_tools.detections import Detections
from blur_tools.errors import DetectionsError

__all__ = ["LONGEST_NAME", "Labels", "PictureLabels", "Problem", "ProblemKind"]

LONGEST_NAME = 120
"""Characters of an unsafe name that a problem repeats."""

ProblemKind = Literal[
    "unknown category",
    "unknown image",
    "degenerate box",
    "outline reduced",
    "repeated picture",
    "unsafe name",
    "missing file",
    "size differs",
    "broken file",
    "broken entry",
]
"""What can be wrong with one entry of a label file.

Left out of the labels is an annotation of ``unknown category``, ``unknown image`` or ``degenerate box``, and a
``repeated picture`` or one with an ``unsafe name`` with all its annotations; at ``outline reduced`` the box stands for
the outline. Of label files that each speak of one picture a ``broken file`` is left out, of one a ``broken entry``.
``missing file`` and ``size differs`` come from `Labels.missing_files` and `Labels.size_problem`, and from readers that
need the pictures themselves.
"""


@dataclass(frozen=True)
class Problem:
    """One entry of a label file that could not be used as it stands.

    Attributes
    ----------
    kind : str
        One of `ProblemKind`.
    picture : str
        Relative path of the picture; ``""`` where the entry does not lead to one.
    annotation : object
        Identifier of the annotation; None when the picture itself is meant.
    detail : str
        What is wrong, for a person.
    """

    kind: ProblemKind
    picture: str
    annotation: Any
    detail: str


@dataclass(frozen=True)
class PictureLabels:
    """What is truly in one picture.

    Attributes
    ----------
    size : (int, int)
        Width and height of the stored picture in pixels.
    objects : Detections
        The objects, with ``source="label"`` when they were read from a file.
    neutral : tuple of bool
        For each object, whether it is real but no target: it need not be found, and finding it is no mistake.
        Empty means that all are targets.
    """

    size: tuple[int, int]
    objects: Detections
    neutral: tuple[bool, ...] = ()

    def __post_init__(self) -> None:
        if not self.neutral:
            object.__setattr__(self, "neutral", (False,) * len(self.objects))
        if len(self.neutral) != len(self.objects):
            raise DetectionsError(f"{len(self.objects)} objects with {len(self.neutral)} neutral flags")


@dataclass(frozen=True)
class Labels:
    """A label file as it was read.

    Attributes
    ----------
    pictures : mapping of str to PictureLabels
        By the picture's relative path (COCO's ``file_name``), in the file's order; also those without objects.
    problems : tuple of Problem
        Every entry that could not be used as it stands.
    """

    pictures: Mapping[str, PictureLabels]
    problems: tuple[Problem, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many problems of each kind there are; kinds without any are not in it."""
        return dict(Counter(problem.kind for problem in self.problems))

    def missing_files(self, folder: str | os.PathLike[str]) -> tuple[Problem, ...]:
        """Labelled pictures that are not files below `folder`, each as a `Problem`."""
        return tuple(
            Problem("missing file", name, None, f"there is no file {os.path.join(folder, name)}")
            for name in self.pictures
            if not os.path.isfile(os.path.join(folder, name))
        )

    def size_problem(self, name: str, size: tuple[int, int]) -> Problem | None:
        """A `Problem` when the picture's true `size`, (width, height) as stored, is not the labels'."""
        said = self.pictures[name].size
        if said == size:
            return None
        return Problem("size differs", name, None, f"labelled at {said[0]}x{said[1]}, is {size[0]}x{size[1]}")
