"""Where each result goes: mirrors of the input tree, never on top of an input, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath
from typing import Any

from blur_tools.batch.manifest import NOTHING, Made, Manifest, short_hash
from blur_tools.batch.names import HASH_DIGITS, Names, ignores_case, node, with_hash, with_suffix
from blur_tools.batch.packed import HashSet, PackedMap, View
from blur_tools.errors import OutputError
from blur_tools.formats._writing import replacing, sweep
from blur_tools.picture import FORMATS, Format
from blur_tools.sources import Source, is_url, safe_name

__all__ = ["HASH_DIGITS", "Outputs", "local_name", "local_path", "write_atomic"]


def local_path(source: Any) -> Path | None:
    """The file on this machine that a source names, if it names one."""
    text = local_name(source)
    return None if text is None else Path(text)


def local_name(source: Any) -> str | None:
    """`local_path` as text, for many."""
    if isinstance(source, os.PathLike) or (isinstance(source, str) and not is_url(source) and "://" not in source):
        text = os.fsdecode(source)
        return text if text and "\0" not in text and _encodable(text) else None
    return None


def _encodable(name: str) -> bool:
    """Whether the file system's functions take a name at all."""
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return True


class Outputs:
    """Names and writes the results of one run.

    A file keeps its place below the folder that all inputs share, or below `root`. A URL or bytes are named by
    their file name and a short hash of their content. A file whose ending lies about its format gets the right
    one added: ``a.jpg`` that holds a PNG becomes ``a.jpg.png``. Where the result of another picture stands, the name
    gets a short hash of the original's path; a file of which nobody knows what it is is neither replaced nor removed.

    Parameters
    ----------
    folder : path
        Where results go; made when the first is written.
    sources : sequence
        All inputs of the run: what they name is never overwritten.
    root : path, optional
        Folder that inputs are relative to.
    known : iterable of (path, name)
        Names that an earlier run gave, below the folder: a result replaces its older self.
    alone : bool
        Nobody else writes into the folder meanwhile. Otherwise every name that was not planned carries a hash, and
        so does each of a file that is not below `root`.

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
        known: Iterable[tuple[str, str]] = (),
        alone: bool = True,
    ) -> None:
        if not isinstance(folder, str | os.PathLike):
            raise OutputError(f"a folder for the results is needed, not {type(folder).__name__}")
        if local_name(folder) is None:
            raise OutputError(f"{os.fspath(folder)!r} is no folder of this machine; the results need one")
        self.folder = Path(folder)
        whole = os.path.abspath(folder)
        self._title = os.path.basename(whole)
        if os.path.exists(self.folder) and not os.path.isdir(self.folder):
            raise OutputError(f"{self.folder} is a file; the results need a folder")
        paths = View(sources, local_name)
        self._inputs = HashSet(os.path.realpath(path) for path in paths if path is not None)
        self._lock = threading.Lock()
        self._refuse_folder(paths)
        self._names = Names(paths, root, known, distinct=alone or ignores_case(whole), outside=not alone)
        self._alone = alone
        self._written = PackedMap(hashlib.sha256().digest_size)
        folders = {""}
        for path in paths:
            if path is not None:
                name = self._names.of(path)
                self._refuse_input(os.path.realpath(os.path.join(self.folder, name)), path)
                folders.add(os.path.dirname(name))
        if os.path.isdir(self.folder):
            for below in folders:
                sweep(self.folder / below)
        self._manifest = Manifest(whole, alone)

    def write(
        self, source: Any, loaded: Source, kind: Format, data: bytes, sha256: str | None = None, how: str | None = None
    ) -> str:
        """Write one result; `sha256` is of its data, if that is known, `how` a key of the settings.

        Returns
        -------
        str
            Its path relative to the parent of the output folder, with forward slashes.

        Raises
        ------
        OutputError
            It cannot be written; nothing is left behind.
        """
        made = _made_of(source, loaded, how)
        planned = self._name(source, loaded, kind)
        self._refuse_target(planned, loaded.origin)
        name = self._own_name(planned, made, source, loaded)
        if name != planned:
            self._refuse_target(name, loaded.origin)
        self._claim(name, source, loaded, sha256 or hashlib.sha256(data).hexdigest())
        # before and after: whenever the run is ended, the file is known to be of its original
        self._manifest.note(name, made._replace(how=NOTHING))
        write_atomic(self.folder / name, data)
        self._manifest.note(name, made)
        return self._shown(name)

    def reuse(self, source: Any, loaded: Source, kind: Format, sha256: str, how: str | None = None) -> str | None:
        """Take what an earlier run has written for a source, if its file still has this SHA-256.

        Returns
        -------
        str or None
            As of `write`; None when there is no such file any more.
        """
        made, planned = _made_of(source, loaded, how), self._name(source, loaded, kind)
        for name in (planned, with_hash(planned, _distinction(source, loaded))):
            if self._standing(name, made, source) in ("free", "other"):
                continue
            if self._content(name, sha256) is not None:
                self._refuse_target(name, loaded.origin)
                self._claim(name, source, loaded, sha256)
                self._manifest.note(name, made)
                return self._shown(name)
        return None

    def copy(
        self, path: str, source: Any, loaded: Source, kind: Format, sha256: str, how: str | None = None
    ) -> str | None:
        """Write for a source what `write` or `reuse` gave the path of, if its file still has this SHA-256.

        Returns
        -------
        str or None
            As of `reuse`.
        """
        data = self._content(PurePath(*PurePath(path).parts[1:]), sha256)
        return None if data is None else self.write(source, loaded, kind, data, sha256, how)

    def _content(self, name: PurePath, sha256: str) -> bytes | None:
        return _content(self.folder / name, sha256)

    def _shown(self, name: PurePath) -> str:
        return PurePath(self._title, name).as_posix()

    def _claim(self, name: PurePath, source: Any, loaded: Source, sha256: str) -> None:
        """One name, one result: two rows of the same picture may not hide different things in one file."""
        if name == self._planned_name(source):  # nobody else's
            return
        key, digest = self._key(name), bytes.fromhex(sha256)
        with self._lock:
            before = self._written.get(key)
            if name in self._names or (before is not None and before != digest):
                raise OutputError(f"{loaded.origin}: another row has written another result to {name}")
            self._written[key] = digest

    def _key(self, name: PurePath) -> int:
        return hash(self._names.alike(str(name)))

    def discard(self, source: Any, loaded: Source | None = None, how: str | None = None) -> None:
        """Remove what an earlier run left for a source that has failed now: it may hide less than was asked.

        Where the original is gone the result is all that is left of it, and stays; so does what is not known to be
        its result.

        Parameters
        ----------
        source : object
            As in the table.
        loaded : Source, optional
            Its bytes, where it could be read; without them only the results of files are known.
        how : str, optional
            Leave what was made of the same bytes with these settings: it is not the picture that has failed.

        Raises
        ------
        OutputError
            Something cannot be removed, or is left since nobody knows what it is.
        """
        planned = self._planned_name(source)
        if planned is not None:
            path = local_name(source)
            if path is None or not os.path.isfile(path):
                return
        elif loaded is not None:
            planned = self._named_by_content(loaded)
        else:
            return
        made = _made_of(source, loaded, how)
        names = [planned, *(with_suffix(planned, kind) for kind in FORMATS.values())]
        hashed = [with_hash(name, _distinction(source, loaded)) for name in names]
        by_content = [] if loaded is None else [with_hash(name, loaded.digest) for name in names[1:]]
        for name in dict.fromkeys([*names, *hashed, *by_content]):
            others = (name != planned and name in self._names) or self._key(name) in self._written
            if others or not os.path.lexists(self.folder / name):
                continue
            before, standing = self._manifest.of(name), self._standing(name, made, source)
            kept = before is not None and how is not None and before[1:] == made[1:]
            if standing == "own" and not kept:
                self._remove(name)
            elif standing == "unknown" and name == planned:
                raise OutputError(f"{self.folder / name} was left: it is not known whether it is an earlier result")

    def _remove(self, name: PurePath) -> None:
        target = self.folder / name
        self._refuse_target(name, "a picture that failed")
        try:
            target.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{target}, of an earlier run, cannot be removed: {error.strerror}") from error

    def _own_name(self, name: PurePath, made: Made, source: Any, loaded: Source) -> PurePath:
        """The name, with a hash where a file stands that is the result of another original."""
        hashed = with_hash(name, _distinction(source, loaded))
        standing = {candidate: self._standing(candidate, made, source) for candidate in (name, hashed)}
        for candidate in standing:
            if standing[candidate] == "own":
                return candidate
        for candidate in standing:
            if standing[candidate] == "free":
                return candidate
            if standing[candidate] == "unknown":
                break
        raise OutputError(
            f"{loaded.origin}: {self.folder / candidate} is there, and is not known to be an earlier result of this "
            "picture; it was left as it is. Remove it, or choose another output folder"
        )

    def _standing(self, name: PurePath, made: Made, source: Any) -> str:
        """Whose the file of a name is: ``"free"`` where there is none, ``"own"``, ``"other"`` or ``"unknown"``."""
        if not os.path.lexists(self.folder / name):
            return "free"
        before = self._manifest.of(name)
        if before is not None:
            return "own" if before.same_original(made) else "other"
        # what a table says is asked last: it can be of another folder
        path = local_name(source)
        said = None if path is None else self._names.earlier(path)
        return "own" if said is not None and self._names.alike(said) == self._names.alike(str(name)) else "unknown"

    def _planned_name(self, source: Any) -> PurePath | None:
        path = local_name(source)
        return None if path is None else PurePath(self._names.of(path))

    def _name(self, source: Any, loaded: Source, kind: Format) -> PurePath:
        planned = self._planned_name(source)
        if planned is None:
            name = self._named_by_content(loaded)
            return name if name.suffix.lower() in kind.suffixes else with_suffix(name, kind)
        if planned.suffix.lower() in kind.suffixes:
            return planned
        honest = with_suffix(planned, kind)
        taken = not self._alone or honest in self._names
        return with_hash(honest, loaded.digest) if taken else honest

    @staticmethod
    def _named_by_content(loaded: Source) -> PurePath:
        # a caller's own `Source` can have any name
        return with_hash(PurePath(safe_name(loaded.name)), loaded.digest)

    def _refuse_folder(self, paths: Iterable[str | None]) -> None:
        """The folder must not hold originals: what stands beside those of this run could be overwritten unseen."""
        if not os.path.isdir(self.folder):
            return
        own = node(self.folder)
        files = (path for path in paths if path is not None and os.path.isfile(path))
        parents = set(map(Path, {os.path.dirname(os.path.realpath(path)) for path in files}))
        for folder in {folder for parent in parents for folder in (parent, *parent.parents)}:
            if node(folder) == own:
                raise OutputError(
                    f"{self.folder} holds originals, which a result would replace or stand among; "
                    "choose another output folder"
                )

    def _refuse_target(self, name: PurePath, source: object) -> None:
        """Refuse what is an original, or lies elsewhere: a link in the folder can lead to other people's files."""
        real = os.path.realpath(self.folder / name)
        self._refuse_input(real, source)
        if not PurePath(real).is_relative_to(os.path.realpath(self.folder)):
            raise OutputError(f"{self.folder / name} leads out of {self.folder} by a link, and was left as it is")

    def _refuse_input(self, real: str, source: object) -> None:
        if real in self._inputs:
            raise OutputError(f"the result of {source} would replace the original {real}; choose another output folder")


def _made_of(source: Any, loaded: Source | None, how: str | None) -> Made:
    path = local_name(source)
    return Made(
        NOTHING if path is None else short_hash(os.path.abspath(path)),
        NOTHING if loaded is None else loaded.digest[: len(NOTHING)],
        NOTHING if how is None else how[: len(NOTHING)],
    )


def _distinction(source: Any, loaded: Source | None) -> str:
    """A hash that tells results of the same name apart: of a file by its path, so that it keeps its result's name."""
    path = local_name(source)
    if path is not None:
        return hashlib.sha256(os.fsencode(os.path.abspath(path))).hexdigest()
    return NOTHING if loaded is None else loaded.digest


def write_atomic(path: Path, data: bytes) -> None:
    """Write a whole file or none, replacing an older one at once.

    Raises
    ------
    OutputError
        It cannot be written.
    """
    with replacing(path) as file:
        file.write(data)


def _content(path: Path, sha256: str) -> bytes | None:
    """What a file holds, if that is what is expected; what is no plain file could keep us waiting."""
    try:
        data = path.read_bytes() if path.is_file() else None
    except (OSError, ValueError):
        return None
    return data if data is not None and hashlib.sha256(data).hexdigest() == sha256 else None
