"""What results are called: planned before the first is written, no two alike."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path, PurePath

from blur_tools.picture import Format

__all__ = ["HASH_DIGITS", "folded", "ignores_case", "node", "planned_names", "with_hash", "with_suffix"]

HASH_DIGITS = 16
"""Of a content hash in a name: with eight, two of 100,000 pictures would probably share one."""


def planned_names(
    paths: Iterable[str], root: Path | None, known: Mapping[str, str], *, distinct: bool, outside: bool
) -> dict[str, str]:
    """A name for each input, no two alike even where case does not count; clashes get a short hash.

    Parameters
    ----------
    known : mapping of path to name
        What earlier runs gave.
    distinct : bool
        Whether names that differ in case alone count as alike.
    outside : bool
        Others plan names for the same folder: what is not just a path below `root` always gets a hash of that path.
    """
    whole = {path: os.path.abspath(path) for path in paths}
    if root is not None:
        base: str | None = os.path.abspath(root)
    else:
        # a row that names no file must not move the others' places
        base = _common_folder({os.path.dirname(absolute) for path, absolute in whole.items() if os.path.isfile(path)})
    names: dict[str, str] = {}
    taken: set[str] = set()

    def compared(name: PurePath) -> str:
        return folded(name) if distinct else name.as_posix()

    # what is known first: nobody else may be given its name
    for path in sorted(whole, key=lambda path: path not in known):
        absolute = whole[path]
        place = PurePath(absolute)
        below = _below(place, base)
        name = PurePath(known[path]) if path in known else _writable(below)
        strange = name != below or (base is not None and not place.is_relative_to(base))
        if not name.name:  # the base itself, or the root: no picture, but its row needs a name
            name = PurePath(_writable(PurePath(place.name)).name or "picture")
        # where others plan names at the same time, it is not enough that no two of this run are alike
        strange |= distinct and compared(name) != name.as_posix()
        if compared(name) in taken or (outside and strange and path not in known):
            name = with_hash(name, hashlib.sha256(os.fsencode(absolute)).hexdigest())
        taken.add(compared(name))
        names[path] = str(name)
    return names


def _writable(name: PurePath) -> PurePath:
    """With parts that are no UTF-8 written as a table can say them: the table names the file that there is."""
    return PurePath(*(part if _is_text(part) else _escaped(part) for part in name.parts))


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _escaped(name: str) -> str:
    # a backslash is a folder's end elsewhere
    return name.encode(errors="backslashreplace").decode().replace("\\", "_")


def ignores_case(folder: str) -> bool:
    """Whether the file system that a folder is or will be on takes names of another case for the same."""
    while not os.path.isdir(folder) or os.path.basename(folder).swapcase() == os.path.basename(folder):
        parent = os.path.dirname(folder)
        if parent == folder:
            return os.name == "nt"
        folder = parent
    other = os.path.join(os.path.dirname(folder), os.path.basename(folder).swapcase())
    return node(Path(other)) == node(Path(folder))


def node(folder: Path) -> tuple[int, int] | None:
    """What a folder is, however it is spelt: file systems differ in what they take for the same name."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _common_folder(folders: Collection[str]) -> str | None:
    try:
        return os.path.commonpath(folders) if folders else None
    except ValueError:
        return None  # different drives


def _below(path: PurePath, base: str | None) -> PurePath:
    """Where a path stands below `base`; one that does not keeps its whole way from the root of the file system."""
    if base is not None and path.is_relative_to(base):
        return path.relative_to(base)
    return PurePath(*path.parts[1:])


def folded(name: PurePath) -> str:
    """A name as it is compared: on some file systems case does not count."""
    return name.as_posix().casefold()


def with_hash(name: PurePath, digest: str) -> PurePath:
    """A name with the first digits of a hash before its ending."""
    return name.with_name(f"{name.stem}-{digest[:HASH_DIGITS]}{name.suffix}")


def with_suffix(name: PurePath, kind: Format) -> PurePath:
    """A name with the ending of a format added."""
    return name.with_name(name.name + kind.suffixes[0])
