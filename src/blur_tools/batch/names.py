"""What results are called: planned before the first is written, no two alike."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePath

import numpy as np

from blur_tools.batch.packed import HashSet, View, hashes
from blur_tools.errors import OutputError
from blur_tools.picture import Format

__all__ = ["HASH_DIGITS", "Names", "folded", "ignores_case", "node", "with_hash", "with_suffix"]

HASH_DIGITS = 16
"""Of a content hash in a name: with eight, two of 100,000 pictures would probably share one."""


class Names:
    """A name for each input, no two alike even where case does not count; clashes get a short hash.

    A name is worked out whenever it is asked for. Of one that follows from its path nothing is kept but its hash, since
    there can be very many.

    Parameters
    ----------
    sources : sequence of str or None
        Paths of the inputs; None stands for one that is no file.
    root : Path, optional
        Folder that they are relative to; without one it is that which all files share.
    known : iterable of (path, name)
        What earlier runs gave; of two names of a path the last counts.
    distinct : bool
        Whether names that differ in case alone count as alike.
    outside : bool
        Others plan names for the same folder: what is not just a path below `root` always gets a hash of that path.

    Raises
    ------
    OutputError
        Two names are alike with their hashes, too.
    """

    def __init__(
        self,
        sources: Sequence[str | None],
        root: Path | None = None,
        known: Iterable[tuple[str, str]] = (),
        *,
        distinct: bool = True,
        outside: bool = False,
    ) -> None:
        self._distinct, self._outside = distinct, outside
        files = np.fromiter((path is not None for path in sources), bool)
        self._paths: Sequence[str] = View(sources, places=np.flatnonzero(files))
        self._base = _shared_folder(self._paths) if root is None else os.path.abspath(root)
        self._said: dict[str, str] = {}  # by earlier runs, where it does not follow from the path
        self._parted: dict[str, str] = {}  # with a hash, for they would be like others
        self._known = HashSet(self._noted(known))
        while parted := self._alike():
            if not parted.keys().isdisjoint(self._parted):
                raise OutputError(f"{min(parted)}: its result would get the name of another's")
            self._parted |= parted
        self._taken = HashSet(map(self.alike, self))

    def __iter__(self) -> Iterator[str]:
        """The names of all inputs that are files, in their order."""
        return map(self.of, self._paths)

    def __contains__(self, name: PurePath) -> bool:
        """Whether it is the name of an input, or like one."""
        return self.alike(str(name)) in self._taken

    def of(self, path: str) -> str:
        """What the result of an input is called."""
        absolute = os.path.abspath(path)
        name = self._parted.get(absolute) or self._said.get(absolute)
        if name is None:
            name, plain = self._plain(absolute)
            if self._outside and not plain and absolute not in self._known:
                name = _hashed(name, absolute)
        return name

    def earlier(self, path: str) -> str | None:
        """What an earlier run has called it."""
        absolute = os.path.abspath(path)
        if absolute not in self._known:
            return None
        return self._said.get(absolute) or self._plain(absolute)[0]

    def alike(self, name: str) -> str:
        """What names have in common that are taken for one."""
        return folded(name) if self._distinct else _slashed(name)

    def _noted(self, known: Iterable[tuple[str, str]]) -> Iterator[str]:
        for path, name in known:
            absolute = os.path.abspath(path)
            if name == self._plain(absolute)[0]:
                self._said.pop(absolute, None)
            else:
                self._said[absolute] = name
            yield absolute

    def _plain(self, absolute: str) -> tuple[str, bool]:
        """The name that follows from a path, and whether it is no more than the path below the folder."""
        start = None if self._base is None else os.path.join(self._base, "")
        if start is not None and absolute.startswith(start) and absolute != start and _is_text(absolute):
            name, plain = absolute[len(start) :], True  # as nearly all: without a path's parts
        else:
            place = PurePath(absolute)
            below = _below(place, self._base)
            written = _writable(below)
            plain = written == below and (self._base is None or place.is_relative_to(self._base))
            # the base itself, or the root: no picture, but its row needs a name
            name = str(written) if written.name else _writable(PurePath(place.name)).name or "picture"
        # where others plan names at the same time, it is not enough that no two of this run are alike
        return name, plain and not (self._distinct and folded(name) != _slashed(name))

    def _alike(self) -> dict[str, str]:
        """Names with a hash for paths whose names are like others'."""
        found = hashes(map(self.alike, self))
        # of names that are alike the first stays: one that has a hash, else one that is known, else the one before
        late = np.fromiter(
            (2 * (path not in self._parted) + (path not in self._known) for path in map(os.path.abspath, self._paths)),
            np.int8,
        )
        order = np.lexsort((late, found))
        parted: dict[str, str] = {}
        first = last = -1
        for number in np.flatnonzero(found[order][1:] == found[order][:-1]).tolist():
            first, last = (first if number == last else number), number + 1
            stays, path = (os.path.abspath(self._paths[int(order[place])]) for place in (first, last))
            if path != stays:
                parted[path] = _hashed(self.of(path), path)
        return parted


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


def _shared_folder(paths: Iterable[str]) -> str | None:
    """The folder that all files share; a path that names none must not move the others' places."""
    shared = last = None
    for path in paths:
        if not os.path.isfile(path):
            continue
        folder = os.path.dirname(os.path.abspath(path))
        if folder != last:  # files of one folder stand beside each other
            try:
                shared = folder if shared is None else os.path.commonpath((shared, folder))
            except ValueError:
                return None  # different drives
        last = folder
    return shared


def _below(path: PurePath, base: str | None) -> PurePath:
    """Where a path stands below `base`; one that does not keeps its whole way from the root of the file system."""
    if base is not None and path.is_relative_to(base):
        return path.relative_to(base)
    return PurePath(*path.parts[1:])


def folded(name: str) -> str:
    """A name as it is compared: on some file systems neither case counts nor how an accent is written."""
    name = _slashed(name)
    if name.isascii():
        return name.casefold()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def _slashed(name: str) -> str:
    return name if os.sep == "/" else name.replace(os.sep, "/")


def _hashed(name: str, absolute: str) -> str:
    return str(with_hash(PurePath(name), hashlib.sha256(os.fsencode(absolute)).hexdigest()))


def with_hash(name: PurePath, digest: str) -> PurePath:
    """A name with the first digits of a hash before its ending."""
    return name.with_name(f"{name.stem}-{digest[:HASH_DIGITS]}{name.suffix}")


def with_suffix(name: PurePath, kind: Format) -> PurePath:
    """A name with the ending of a format added."""
    return name.with_name(name.name + kind.suffixes[0])
