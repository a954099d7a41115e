"""Where each result goes: mirrors of the input tree, never on top of an input, whole or not at all."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath
from typing import Any

from blur_tools.errors import OutputError
from blur_tools.picture import Format
from blur_tools.sources import Source, is_url

__all__ = ["Outputs", "local_path", "write_atomic"]


def local_path(source: Any) -> Path | None:
    """The file on this machine that a source names, if it names one."""
    if isinstance(source, os.PathLike) or (isinstance(source, str) and not is_url(source) and "://" not in source):
        text = os.fspath(source)
        return Path(os.fsdecode(text)) if text and "\0" not in os.fsdecode(text) else None
    return None


class Outputs:
    """Names and writes the results of one run.

    A path keeps its place in the tree: a relative path as it was given, an absolute one (or one that leaves the
    working folder) relative to the folder that all such inputs share, or to `root`. A URL or bytes are named by
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

    Raises
    ------
    OutputError
        A result would replace an input.
    """

    def __init__(self, folder: str | os.PathLike[str], sources: Sequence[Any], root: Path | None = None) -> None:
        self.folder = Path(folder)
        if self.folder.exists() and not self.folder.is_dir():
            raise OutputError(f"{self.folder} is a file; the results need a folder")
        paths = list(dict.fromkeys(path for source in sources if (path := local_path(source)) is not None))
        self._inputs = {os.path.realpath(path): path for path in paths}
        self._lock = threading.Lock()
        self._names = _planned(paths, root)
        self._taken = {_folded(name) for name in self._names.values()}
        for path, name in self._names.items():
            self._refuse_input(self.folder / name, path)

    def write(self, source: Any, loaded: Source, kind: Format, data: bytes) -> str:
        """Write one result.

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
        write_atomic(self.folder / name, data)
        return PurePath(self.folder.resolve().name, name).as_posix()

    def _name(self, source: Any, loaded: Source, kind: Format) -> PurePath:
        path = local_path(source)
        planned = self._names.get(path) if path is not None else None
        if planned is None:
            name = _with_hash(PurePath(loaded.name), loaded.digest)
            return name if name.suffix.lower() in kind.suffixes else _with_suffix(name, kind)
        if planned.suffix.lower() in kind.suffixes:
            return planned
        honest = _with_suffix(planned, kind)
        with self._lock:
            if _folded(honest) in self._taken:
                return _with_hash(honest, loaded.digest)
            return honest

    def _refuse_input(self, target: Path, source: object) -> None:
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
    temporary = path.with_name(f".{path.name[:80]}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(data)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error


def _planned(paths: Iterable[Path], root: Path | None) -> dict[Path, PurePath]:
    """A name for each input, no two alike even where case does not count; clashes get a short hash."""
    whole = {path: _absolute(path) for path in paths}
    outside = {path for path in whole if root is not None or _leaves(path)}
    # a row that names no file must not move the others' places
    there = [whole[path] for path in outside if root is None and path.is_file()]
    base = root.absolute() if root is not None else _common_folder(there)
    names: dict[Path, PurePath] = {}
    taken: set[str] = set()
    for path, absolute in whole.items():
        name = _below(absolute, base) if path in outside else PurePath(path)
        if _folded(name) in taken:
            name = _with_hash(name, Source(os.fsencode(absolute), "", "").digest)
        taken.add(_folded(name))
        names[path] = name
    return names


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))


def _leaves(path: Path) -> bool:
    return path.is_absolute() or ".." in path.parts


def _common_folder(paths: list[Path]) -> Path | None:
    if not paths:
        return None
    try:
        return Path(os.path.commonpath([path.parent for path in paths]))
    except ValueError:
        return None  # different drives


def _below(path: Path, base: Path | None) -> PurePath:
    """Where a path stands below `base`; one that does not keeps its whole way from the root of the file system."""
    if base is not None and path.is_relative_to(base):
        return path.relative_to(base)
    return PurePath(*path.parts[1:])


def _folded(name: PurePath) -> str:
    return name.as_posix().casefold()


def _with_hash(name: PurePath, digest: str) -> PurePath:
    return name.with_name(f"{name.stem}-{digest[:8]}{name.suffix}")


def _with_suffix(name: PurePath, kind: Format) -> PurePath:
    return name.with_name(name.name + kind.suffixes[0])
