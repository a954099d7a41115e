"""What was answered for a picture, kept by content: small files that threads, processes and machines share.

A key is 64 hexadecimal digits, made of everything that an answer depends on; a value is a JSON object. The file of a
key is ``<first two digits>/<the others>.json``: the value on one line and the SHA-256 of that line on the next. It is
written by a temporary file and `os.replace`, so whoever reads sees a whole value or none, on any file system that
several machines mount. Nobody locks anything: two that answer the same question at once write the same file.

Values hold no pixels and no file names.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blur_tools.errors import OutputError, SettingsError
from blur_tools.formats._writing import replacing, sweep

__all__ = ["FOLDER_VARIABLE", "Contents", "Store", "default_folder", "key_of", "open_store"]

logger = logging.getLogger("blur_tools")

FOLDER_VARIABLE = "BLUR_TOOLS_STORE"
"""Environment variable that says where the store is."""

VERSION = 1
"""Of keys and values; what another version wrote is not read, and goes with `Store.prune`."""

LARGEST_VALUE = 16 << 20
"""Bytes of a file that is read; a thousand detections take a tenth of it."""

TAG = "CACHEDIR.TAG"
TAG_TEXT = """\
Signature: 8a477f597d28d172789f06886806bc55
# What blur_tools found in pictures, by their content. Removing it costs only time, or calls to a service.
# For the signature see https://bford.info/cachedir/
"""

_GROUP, _FILE = re.compile(r"[0-9a-f]{2}"), re.compile(r"[0-9a-f]{62}\.json")


def key_of(*parts: Any) -> str:
    """The key of everything that an answer depends on; the parts are what JSON can say."""
    text = json.dumps([VERSION, *parts], sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Contents:
    """What a store holds.

    Attributes
    ----------
    values, size : int
        Files, and their bytes.
    unreadable : int
        How many of them are damaged or of another version.
    oldest, newest : float or None
        When the first and last was written, in seconds since 1970.
    """

    values: int = 0
    size: int = 0
    unreadable: int = 0
    oldest: float | None = None
    newest: float | None = None


class Store:
    """Values by key in a folder. May be used by any number of threads, processes and machines at once.

    Its trouble is never the picture's: what cannot be read is not there, what cannot be written is said once.

    Parameters
    ----------
    folder : path
        Where it is; made when the first value is put, for its user alone to read. A folder that is there keeps its
        permissions.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._lock = threading.Lock()
        self._held: dict[str, tuple[threading.Lock, int]] = {}
        self._made = self._said = False

    def __repr__(self) -> str:
        return f"Store({os.fspath(self.folder)!r})"

    def get(self, key: str) -> dict[str, Any] | None:
        """The value of a key; None where there is none, or only a damaged one."""
        path = self._path(key)
        try:
            with open(path, "rb") as file:
                data = file.read(LARGEST_VALUE + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._say(f"the store {self.folder} cannot be read: {error.strerror or error}")
            return None
        value = _value(data)
        if value is None:
            logger.warning("%s is damaged; its picture is done again", path)
        return value

    def put(self, key: str, value: Mapping[str, Any]) -> None:
        """Keep a value, in place of an older one."""
        line = json.dumps({"version": VERSION, **value}, separators=(",", ":"), allow_nan=False).encode()
        try:
            self._make()
            with replacing(self._path(key)) as file:
                file.write(line + b"\n" + hashlib.sha256(line).hexdigest().encode() + b"\n")
        except OutputError as error:
            self._say(f"what was found is not kept for the next run: {error}")

    @contextmanager
    def turn(self, key: str) -> Iterator[None]:
        """One thread of this process after another, so that a second one finds what the first has put."""
        with self._lock:
            lock, users = self._held.get(key, (threading.Lock(), 0))
            self._held[key] = lock, users + 1
        try:
            with lock:
                yield
        finally:
            with self._lock:
                lock, users = self._held.pop(key)
                if users > 1:
                    self._held[key] = lock, users - 1

    def contents(self) -> Contents:
        """Look at every file.

        Raises
        ------
        OutputError
            The folder cannot be read.
        """
        values = size = unreadable = 0
        times: list[float] = []
        for path in self._files():
            with suppress(OSError):  # another process may have removed it
                status = path.stat()
                values, size = values + 1, size + status.st_size
                unreadable += self._is_unreadable(path)
                times = [min([status.st_mtime, *times]), max([status.st_mtime, *times])]
        return Contents(values, size, unreadable, *(times or (None, None)))

    def prune(self, older_than: float | None = None) -> int:
        """Remove what is damaged, of another version, or left by a process that was killed.

        Parameters
        ----------
        older_than : float, optional
            Also everything that was written more seconds ago than this; 0 is everything.

        Returns
        -------
        int
            How many files were removed. Files that are none of a store's are left alone.

        Raises
        ------
        OutputError
            A file cannot be removed, or the folder cannot be read.
        """
        removed, now = 0, time.time()
        for path in self._files():
            try:
                old = older_than is not None and now - path.stat().st_mtime >= older_than
                if old or self._is_unreadable(path):
                    path.unlink()
                    removed += 1
            except FileNotFoundError:
                continue
            except OSError as error:
                raise OutputError(f"{path} cannot be removed: {error.strerror or error}") from error
        for group in self._groups():
            removed += sweep(group)
            with suppress(OSError):  # it holds something
                group.rmdir()
        return removed

    def _path(self, key: str) -> str:
        return os.path.join(self.folder, key[:2], f"{key[2:]}.json")

    def _make(self) -> None:
        there = self.folder.is_dir()
        if self._made and there:  # somebody may have removed it meanwhile
            return
        try:
            if not there:
                self.folder.parent.mkdir(parents=True, exist_ok=True)
                # what plates say is nobody else's; who shares a store makes its folder
                self.folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.folder} cannot be made: {error.strerror or error}") from error
        if not (self.folder / TAG).exists():
            with replacing(self.folder / TAG) as file:
                file.write(TAG_TEXT.encode())
        self._made = True

    def _say(self, text: str) -> None:
        with self._lock:
            said, self._said = self._said, True
        if not said:
            logger.warning("%s", text)

    def _groups(self) -> list[Path]:
        try:
            return sorted(path for path in self.folder.iterdir() if _GROUP.fullmatch(path.name) and path.is_dir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise OutputError(f"the store {self.folder} cannot be read: {error.strerror or error}") from error

    def _files(self) -> Iterator[Path]:
        for group in self._groups():
            with suppress(FileNotFoundError):
                yield from [group / name for name in os.listdir(group) if _FILE.fullmatch(name)]

    @staticmethod
    def _is_unreadable(path: Path) -> bool:
        with open(path, "rb") as file:
            return _value(file.read(LARGEST_VALUE + 1)) is None


def _value(data: bytes) -> dict[str, Any] | None:
    """A value as it was put; None if it is not as it was."""
    line, _, rest = data.partition(b"\n")
    if len(data) > LARGEST_VALUE or rest.rstrip(b"\n") != hashlib.sha256(line).hexdigest().encode():
        return None
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and value.get("version") == VERSION else None


def default_folder() -> Path | None:
    """Where the store is: ``$BLUR_TOOLS_STORE``, else in the user's folder for caches; None without a home.

    There, and not beside the results: what was found serves every run over the same pictures, `detect` included,
    wherever its results go, and it is not shared by accident with them.

    Raises
    ------
    SettingsError
        The variable names something that is no folder.
    """
    said = os.environ.get(FOLDER_VARIABLE)
    if said:
        if os.path.exists(said) and not os.path.isdir(said):
            raise SettingsError(FOLDER_VARIABLE, f"{said} is no folder")
        return Path(os.path.abspath(os.path.expanduser(said)))
    home = os.path.expanduser("~")
    if not os.path.isabs(home):
        return None
    if sys.platform == "win32":
        place = os.environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
    elif sys.platform == "darwin":
        place = os.path.join(home, "Library", "Caches")
    else:
        place = os.environ.get("XDG_CACHE_HOME") or ""
        place = place if os.path.isabs(place) else os.path.join(home, ".cache")
    return Path(place, "blur_tools", "store")


def open_store(resume: bool) -> Store | None:
    """The store of a run; None when it is not to be used, or there is no place for one."""
    if not resume:
        return None
    folder = default_folder()
    if folder is None:
        logger.warning("nothing is kept for the next run: there is no home folder; set %s", FOLDER_VARIABLE)
        return None
    return Store(folder)
