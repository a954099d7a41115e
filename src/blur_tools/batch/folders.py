"""Which files of a folder are pictures: one rule for every way in."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass

from blur_tools.errors import PictureError
from blur_tools.sources import SUFFIXES

__all__ = ["OTHER_PICTURES", "Listing", "list_pictures"]

OTHER_PICTURES = (".gif", ".jp2", ".j2k", ".jxl", ".psd", ".mpo", ".jfif", ".dng")
"""Taken from a folder as well, so that what cannot be read is said and not passed over."""


@dataclass(frozen=True)
class Listing:
    """What a folder holds.

    Attributes
    ----------
    pictures : tuple of str
        Paths of the files that are pictures by name, each folder's before those of the folders in it, sorted.
    links : tuple of str
        Links to folders; they are not followed.
    others : int
        How many files have names that no picture has.
    """

    pictures: tuple[str, ...]
    links: tuple[str, ...]
    others: int


def list_pictures(folder: str | os.PathLike[str], without: Collection[str] = ()) -> Listing:
    """List the pictures in a folder and all below it.

    Parameters
    ----------
    folder : path
        Where to look.
    without : collection of str
        Real paths of folders that are passed over, with everything in them.

    Raises
    ------
    PictureError
        A folder that cannot be read; what is in it would be passed over unseen.
    """
    found: list[str] = []
    links: list[str] = []
    others = 0

    def unreadable(error: OSError) -> None:
        raise PictureError(str(error.filename), f"the folder cannot be read: {error.strerror}") from error

    for parent, folders, files in os.walk(folder, onerror=unreadable):
        links += [path for name in folders if os.path.islink(path := os.path.join(parent, name))]
        folders[:] = sorted(name for name in folders if os.path.realpath(os.path.join(parent, name)) not in without)
        pictures = [name for name in sorted(files) if name.lower().endswith((*SUFFIXES, *OTHER_PICTURES))]
        found += [os.path.join(parent, name) for name in pictures]
        others += len(files) - len(pictures)
    return Listing(tuple(found), tuple(links), others)
