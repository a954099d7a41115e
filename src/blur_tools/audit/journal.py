"""The journal of a review: one JSON object a line, only ever appended to, by one writer.

The first line is ``{"format": "blur-audit", "version": 1, "root": …, "folder": …}``, where `root` is the folder that
keys are relative to (itself relative to the journal where it is beside or below it). Every other line is one of the
records of `blur_tools.audit._records`. A line is in the hands of the system before `Journal.append` returns, so it
survives the death of the process; with ``durable`` it is on the disk, so it survives the loss of power. A last line
without its end was never acknowledged and is cut off at the next opening. Records that belong together are lines that
say ``"more": true``, all but the last; of these, too, all or none are there after the next opening.
"""

from __future__ import annotations

import json
import logging
import os
import stat
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blur_tools.audit._lock import FileLock
from blur_tools.audit._records import Record, read_record, record_form
from blur_tools.detections import Detection
from blur_tools.errors import BlurError, JournalError
from blur_tools.formats._keys import shown_key

__all__ = ["VERSION", "Header", "Journal"]

logger = logging.getLogger("blur_tools")

FORMAT = "blur-audit"
VERSION = 1
"""Version of the journal; a newer one is refused."""


@dataclass(frozen=True)
class Header:
    """The first line.

    Attributes
    ----------
    root : Path or None
        Absolute path of the folder that keys are relative to; None when the pictures share none.
    folder : bool
        Whether the review is of all pictures in that folder.
    """

    root: Path | None
    folder: bool


class Journal:
    """A journal that is open for writing, with what it held.

    Made by `open`. Where a line cannot be written whole, what was written of it is taken back. What this reader
    would refuse is not written.

    Attributes
    ----------
    path : Path
        The file.
    header : Header
        Its first line.
    records : list of (int, Record)
        What it held when it was opened, with the number of the line; to be emptied by whoever has read it.
    """

    def __init__(self, path: Path, descriptor: int, lock: FileLock, header: Header) -> None:
        self.path = path
        self.header = header
        self.records: list[tuple[int, Record]] = []
        self._descriptor = descriptor
        self._lock = lock
        self._writing = threading.Lock()
        self._broken = ""
        self._open = True

    @classmethod
    def open(cls, path: str | os.PathLike[str], new: Header | None = None) -> Journal:
        """Open a journal, or begin one.

        Parameters
        ----------
        path : path
            The file. Its folder must be there.
        new : Header, optional
            Begin with this where there is no journal; without it, one must be there.

        Raises
        ------
        JournalError
            It cannot be opened, somebody else has it open, it is no journal, a newer version wrote it, or a line of
            it is damaged. The file is as it was.
        """
        place = Path(os.path.abspath(path))
        if place.is_dir():
            raise JournalError(str(place), "is a folder; a review of it is opened with AuditSession.open")
        if new is None and not place.exists():
            raise JournalError(str(place), "there is no such journal")
        lock = _locked(place)
        try:
            descriptor = _opened(place)
            try:
                return cls._read(place, descriptor, lock, new)
            except BaseException:
                os.close(descriptor)
                raise
        except OSError as error:
            lock.release()
            raise JournalError(str(place), f"cannot be read: {error.strerror or error}") from error
        except BaseException:
            lock.release()
            raise

    @classmethod
    def _read(cls, path: Path, descriptor: int, lock: FileLock, new: Header | None) -> Journal:
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read()
        whole = _whole(data)
        if not whole and new is not None and _head_form(new, path).startswith(_beginning(data)):
            journal = cls(path, descriptor, lock, new)
            journal._cut(0)
            journal._write(_head_form(new, path) + b"\n")
            journal._sync()
            _sync_folder(path.parent)
            return journal
        lines = data[:whole].split(b"\n")[:-1]
        journal = cls(path, descriptor, lock, _header(path, lines[0] if lines else data[:200]))
        unfinished = 0
        for number, line in enumerate(lines[1:], start=2):
            record, more = _record(path, number, line)
            journal.records.append((number, record))
            unfinished = unfinished + 1 if more else 0
        if unfinished:
            del journal.records[-unfinished:]
            whole -= sum(len(line) + 1 for line in lines[-unfinished:])
        if whole < len(data):
            logger.warning("%s: what was written last is not whole, and is dropped: %d bytes", path, len(data) - whole)
            journal._cut(whole)
        return journal

    def append(self, records: Iterable[Record], *, durable: bool = False) -> None:
        """Add records, all or none.

        Parameters
        ----------
        records : iterable of Record
            What happened.
        durable : bool
            Return only when they, and all before them, are on the disk.

        Raises
        ------
        JournalError
            They cannot be written, or could not be read again; the journal is as it was.
        """
        whole = list(records)
        data = b"".join(self._line(record, place < len(whole)) for place, record in enumerate(whole, start=1))
        with self._writing:  # closed in the middle, its descriptor could be another file's
            if not self._open:
                raise JournalError(str(self.path), "is closed")
            if self._broken:
                raise JournalError(str(self.path), self._broken)
            status = os.fstat(self._descriptor)
            if status.st_nlink == 0:
                raise JournalError(str(self.path), "was deleted; what is done from here on would be lost")
            try:
                self._write(data)
                if durable:
                    self._sync()
            except BaseException as error:
                self._take_back(status.st_size, error)
                raise

    def close(self) -> None:
        """Bring everything onto the disk and let others open it; twice is fine."""
        with self._writing:
            if not self._open:
                return
            self._open = False
            try:
                self._sync()
            finally:
                os.close(self._descriptor)
                self._lock.release()

    def _line(self, record: Record, more: bool) -> bytes:
        """A record's line, read again first: one that its reader refuses would make the whole journal unreadable."""
        try:
            form = record_form(record) | ({"more": True} if more else {})
            text = json.dumps(form, **_COMPACT)
            known = _read_line(text.encode())[0] == record
        except (BlurError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise JournalError(str(self.path), f"{record.type} cannot be kept: {error}; nothing was changed") from error
        if not known:
            raise JournalError(str(self.path), f"{record.type} would not be read as it is; nothing was changed")
        return text.encode() + b"\n"

    def _write(self, data: bytes) -> None:
        try:
            written = 0
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
        except OSError as error:
            raise JournalError(str(self.path), f"cannot be written: {error.strerror or error}") from error

    def _take_back(self, size: int, error: BaseException) -> None:
        """Cut off what was not acknowledged: the review does not know of it."""
        try:
            self._cut(size)
        except OSError:
            # what stands there now would join the next line, or be read as if it had been acknowledged
            reason = error.reason if isinstance(error, JournalError) else "was not written whole"
            self._broken = f"{reason}; open it again"

    def _cut(self, size: int) -> None:
        os.ftruncate(self._descriptor, size)
        os.lseek(self._descriptor, size, os.SEEK_SET)

    def _sync(self) -> None:
        try:
            if sys.platform == "darwin":
                import fcntl

                # fsync there does not empty the disk's own cache
                fcntl.fcntl(self._descriptor, fcntl.F_FULLFSYNC)
            else:
                os.fsync(self._descriptor)
        except OSError as error:
            raise JournalError(str(self.path), f"cannot be brought onto the disk: {error.strerror}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, Detection):
        return value.to_json()
    raise TypeError(f"{type(value).__name__} has no place in a journal")


_COMPACT: dict[str, Any] = {"separators": (",", ":"), "allow_nan": False, "default": _plain}


def _locked(path: Path) -> FileLock:
    place = path.with_name(f"{'' if path.name.startswith('.') else '.'}{path.name}.blur-lock")
    try:
        return FileLock(place)
    except BlockingIOError as error:
        if error.strerror == f"process {os.getpid()}":
            reason = (
                "is open in this Python already, by the session that was made with it first, as by a cell that ran"
                " before: go on with that one, or close() it; one review has one writer"
            )
        else:
            reason = f"is open elsewhere ({error.strerror}); close it there, one review has one writer"
        raise JournalError(str(path), reason) from error
    except OSError as error:
        reason = f"cannot be written there: {error.strerror}; say with journal= where the work is to be kept"
        raise JournalError(str(path), reason) from error


def _opened(path: Path) -> int:
    # O_NONBLOCK: a named pipe must not make us wait; O_NOFOLLOW: a folder from elsewhere may hold a link to any file
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
    for name in ("O_NONBLOCK", "O_NOFOLLOW", "O_BINARY"):
        flags |= getattr(os, name, 0)
    try:
        descriptor = os.open(path, flags, 0o666)
    except OSError as error:
        reason = "is a link; give the file itself" if path.is_symlink() else f"cannot be opened: {error.strerror}"
        raise JournalError(str(path), reason) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise JournalError(str(path), "is no file")
    return descriptor


def _whole(data: bytes) -> int:
    """How many bytes are whole lines. After a loss of power a file can end in zeros, which no line of ours has."""
    zero = data.find(b"\0")
    return data.rfind(b"\n", 0, len(data) if zero < 0 or data.count(b"\n", zero) > 1 else zero) + 1


def _beginning(data: bytes) -> bytes:
    """What there is of a first line, without the zeros that a loss of power leaves."""
    return data.rstrip(b"\0")


def _head_form(header: Header, path: Path) -> bytes:
    root: str | None = None
    if header.root is not None:
        below = header.root.is_relative_to(path.parent)
        root = header.root.relative_to(path.parent).as_posix() if below else str(header.root)
    form = {"format": FORMAT, "version": VERSION, "root": root, "folder": header.folder}
    return json.dumps(form, **_COMPACT).encode()


def _header(path: Path, line: bytes) -> Header:
    try:
        form = json.loads(line)
    except (ValueError, RecursionError):
        form = None
    if not isinstance(form, dict) or form.get("format") != FORMAT:
        raise JournalError(str(path), "is not the journal of a review; it was left as it is")
    version = form.get("version")
    if type(version) is not int or version < 1:
        raise JournalError(str(path), f"version {shown_key(version)} is none", 1)
    if version > VERSION:
        reason = f"was written by a newer blur_tools (version {version}; this one reads {VERSION}): install the newer"
        raise JournalError(str(path), reason)
    root, folder = form.get("root"), form.get("folder")
    if not isinstance(folder, bool) or not (
        (root is None and not folder) or (isinstance(root, str) and "\0" not in root)
    ):
        raise JournalError(str(path), "does not say where its pictures are", 1)
    return Header(None if root is None else Path(os.path.abspath(path.parent / root)), folder)


def _read_line(line: bytes) -> tuple[Record, bool]:
    """A record, and whether the next one belongs to it."""
    form = json.loads(line)
    more = form.pop("more", False) if isinstance(form, dict) else False
    if more is not False and more is not True:
        raise ValueError(f"more {shown_key(more)} is not true")
    return read_record(form), more


def _record(path: Path, number: int, line: bytes) -> tuple[Record, bool]:
    try:
        return _read_line(line)
    except (BlurError, ValueError, TypeError, OverflowError, RecursionError) as error:
        reason = f"is damaged: {error}. Nothing was changed; put a backup in its place, or mend that line"
        raise JournalError(str(path), reason, number) from error


def _sync_folder(folder: Path) -> None:
    """Bring a new file's name onto the disk, where the system can do that."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        logger.debug("the name of %s cannot be brought onto the disk by itself", folder)
    finally:
        os.close(descriptor)
