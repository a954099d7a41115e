"""Where each result goes: mirrors of the input tree, never on top of an input, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from blur_tools.errors import OutputError
from blur_tools.formats._writing import replacing, sweep
from blur_tools.picture import FORMATS, Format
from blur_tools.sources import Source, is_url, safe_name

__all__ = ["HASH_DIGITS", "Outputs", "local_name", "local_path", "write_atomic"]


HASH_DIGITS = 16
"""Of a content hash in a name: with eight, two of 100,000 pictures would probably share one."""


def local_path(source: Any) -> Path | None:
    """The file on this machine that a source names, if it names one."""
    text = local_name(source)
    return None if text is None else Path(text)


def local_name(source: Any) -> str | None:
    """`local_path` as text, for many."""
    if isinstance(source, os.PathLike) or (isinstance(source, str) and not is_url(source) and "://" not in source):
        text = os.fsdecode(source)
        return text if text and "\0" not in text else None
    return None


class Outputs:
    """Names and writes the results of one run.

    A file keeps its place below the folder that all inputs share, or below `root`. A URL or bytes are named by
    their file name and a short hash of their content. A file whose ending lies about its format gets the right
    one added: ``a.jpg`` that holds a PNG becomes ``a.jpg.png``.

    Parameters
    ----------
    folder : path
        Where results go; made when the first is written.
    sources : sequence
        All inputs of the run: what they name is never overwritten.
    root : path, optional
        Folder that inputs are relative to.
    known : mapping of path to name, optional
        Names that an earlier run gave, below the folder: a result replaces its older self.
    alone : bool
        Nobody else writes into the folder meanwhile. Otherwise every name that was not planned carries a hash.

    Raises
    ------
    OutputError
        The folder holds an input, or a result would replace one.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        sources: Sequence[Any],
        root: Path | None = None,
        known: Mapping[Path, PurePath] | None = None,
        alone: bool = True,
    ) -> None:
        if not isinstance(folder, str | os.PathLike):
            raise OutputError(f"a folder for the results is needed, not {type(folder).__name__}")
        self.folder = Path(folder)
        self._title = os.path.basename(os.path.abspath(folder))
        if self.folder.exists() and not self.folder.is_dir():
            raise OutputError(f"{self.folder} is a file; the results need a folder")
        # as text: there can be many, and paths take several times as much
        paths = list(dict.fromkeys(str(path) for source in sources if (path := local_path(source)) is not None))
        self._inputs = {os.path.realpath(path): path for path in paths}
        self._lock = threading.Lock()
        self._refuse_folder(paths)
        self._names = _planned(paths, root)
        self._names |= {str(path): str(name) for path, name in (known or {}).items() if str(path) in self._names}
        self._alone = alone
        self._taken = {_folded(PurePath(name)) for name in self._names.values()}
        self._written: dict[str, bytes] = {}
        for text, name in self._names.items():
            self._refuse_input(os.path.join(self.folder, name), text)
        if self.folder.is_dir():
            for below in {"", *map(os.path.dirname, self._names.values())}:
                sweep(self.folder / below)

    def write(self, source: Any, loaded: Source, kind: Format, data: bytes, sha256: str | None = None) -> str:
        """Write one result; `sha256` is of its data, if that is known.

        Returns
        -------
        str
            Its path relative to the parent of the output folder, with forward slashes.

        Raises
        ------
        OutputError
            It cannot be written; nothing is left behind.
        """
        name = self._name(source, loaded, kind)
        self._refuse_input(self.folder / name, loaded.origin)
        self._claim(name, loaded.origin, sha256 or hashlib.sha256(data).hexdigest())
        write_atomic(self.folder / name, data)
        return self._shown(name)

    def reuse(self, source: Any, loaded: Source, kind: Format, sha256: str) -> str | None:
        """Take what an earlier run has written for a source, if its file still has this SHA-256.

        Returns
        -------
        str or None
            As of `write`; None when there is no such file any more.
        """
        name = self._name(source, loaded, kind)
        if _content(self.folder / name, sha256) is None:
            return None
        self._claim(name, loaded.origin, sha256)
        return self._shown(name)

    def copy(self, path: str, source: Any, loaded: Source, kind: Format, sha256: str) -> str | None:
        """Write for a source what `write` or `reuse` gave the path of, if its file still has this SHA-256.

        Returns
        -------
        str or None
            As of `reuse`.
        """
        data = _content(self.folder.parent / path, sha256)
        return None if data is None else self.write(source, loaded, kind, data, sha256)

    def _shown(self, name: PurePath) -> str:
        return PurePath(self._title, name).as_posix()

    def _claim(self, name: PurePath, origin: str, sha256: str) -> None:
        """One name, one result: two rows of the same picture may not hide different things in one file."""
        digest = bytes.fromhex(sha256)
        with self._lock:
            if self._written.setdefault(_folded(name), digest) != digest:
                raise OutputError(f"{origin}: another row has written another result to {name}")

    def discard(self, source: Any) -> None:
        """Remove what an earlier run left for a source that has failed now: it may hide less than was asked.

        Where the original is gone the result is all that is left of it, and stays.

        Raises
        ------
        OutputError
            It cannot be removed.
        """
        path, planned = local_path(source), self._planned_name(source)
        if path is None or planned is None or not path.is_file():
            return
        for name in (planned, *(_with_suffix(planned, kind) for kind in FORMATS.values())):
            target = self.folder / name
            others = (name != planned and _folded(name) in self._taken) or _folded(name) in self._written
            if not others and os.path.realpath(target) not in self._inputs:
                try:
                    target.unlink(missing_ok=True)
                except OSError as error:
                    raise OutputError(f"{target}, of an earlier run, cannot be removed: {error.strerror}") from error

    def _planned_name(self, source: Any) -> PurePath | None:
        path = local_path(source)
        name = None if path is None else self._names.get(str(path))
        return None if name is None else PurePath(name)

    def _name(self, source: Any, loaded: Source, kind: Format) -> PurePath:
        planned = self._planned_name(source)
        if planned is None:
            # a caller's own `Source` can have any name
            name = _with_hash(PurePath(safe_name(loaded.name)), loaded.digest)
            return name if name.suffix.lower() in kind.suffixes else _with_suffix(name, kind)
        if planned.suffix.lower() in kind.suffixes:
            return planned
        honest = _with_suffix(planned, kind)
        taken = not self._alone or _folded(honest) in self._taken
        return _with_hash(honest, loaded.digest) if taken else honest

    def _refuse_folder(self, paths: Iterable[str]) -> None:
        """The folder must not hold originals: what stands beside those of this run could be overwritten unseen."""
        if not self.folder.is_dir():
            return
        own = _node(self.folder)
        parents = set(map(Path, {os.path.dirname(os.path.realpath(path)) for path in paths if os.path.isfile(path)}))
        for folder in {folder for parent in parents for folder in (parent, *parent.parents)}:
            if _node(folder) == own:
                raise OutputError(
                    f"{self.folder} holds originals, which a result would replace or stand among; "
                    "choose another output folder"
                )

    def _refuse_input(self, target: str | Path, source: object) -> None:
        taken = self._inputs.get(os.path.realpath(target))
        if taken is not None:
            raise OutputError(
                f"the result of {source} would replace the original {taken}; choose another output folder"
            )


def write_atomic(path: Path, data: bytes) -> None:
    """Write a whole file or none, replacing an older one at once.

    Raises
    ------
    OutputError
        It cannot be written.
    """
    with replacing(path) as file:
        file.write(data)


def _planned(paths: Iterable[str], root: Path | None) -> dict[str, str]:
    """A name for each input, no two alike even where case does not count; clashes get a short hash."""
    whole = {path: os.path.abspath(path) for path in paths}
    if root is not None:
        base: str | None = os.path.abspath(root)
    else:
        # a row that names no file must not move the others' places
        base = _common_folder({os.path.dirname(absolute) for path, absolute in whole.items() if os.path.isfile(path)})
    names: dict[str, str] = {}
    taken: set[str] = set()
    for path, absolute in whole.items():
        name = _below(PurePath(absolute), None if base is None else PurePath(base))
        if not name.name:  # the base itself, or the root: no picture, but its row needs a name
            name = PurePath(PurePath(absolute).name or "picture")
        if _folded(name) in taken:
            name = _with_hash(name, hashlib.sha256(os.fsencode(absolute)).hexdigest())
        taken.add(_folded(name))
        names[path] = str(name)
    return names


def _content(path: Path, sha256: str) -> bytes | None:
    """What a file holds, if that is what is expected; what is no plain file could keep us waiting."""
    try:
        data = path.read_bytes() if path.is_file() else None
    except (OSError, ValueError):
        return None
    return data if data is not None and hashlib.sha256(data).hexdigest() == sha256 else None


def _node(folder: Path) -> tuple[int, int] | None:
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


def _below(path: PurePath, base: PurePath | None) -> PurePath:
    """Where a path stands below `base`; one that does not keeps its whole way from the root of the file system."""
    if base is not None and path.is_relative_to(base):
        return path.relative_to(base)
    return PurePath(*path.parts[1:])


def _folded(name: PurePath) -> str:
    return name.as_posix().casefold()


def _with_hash(name: PurePath, digest: str) -> PurePath:
    return name.with_name(f"{name.stem}-{digest[:HASH_DIGITS]}{name.suffix}")


def _with_suffix(name: PurePath, kind: Format) -> PurePath:
    return name.with_name(name.name + kind.suffixes[0])
