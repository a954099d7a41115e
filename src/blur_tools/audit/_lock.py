"""One process at a time; the system takes the lock back when its holder is gone, however it went."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

__all__ = ["FileLock"]

_FAR = 1 << 30  # on Windows a locked byte cannot be read: this one nobody reads


class FileLock:
    """A lock on a file of its own, which stays there when it is given up: removing it could part two holders.

    Parameters
    ----------
    path : path
        The lock's file; made where it is missing.

    Raises
    ------
    BlockingIOError
        Somebody else holds it; ``strerror`` says who, as far as the file tells.
    OSError
        The file cannot be made, or is somebody else's: it holds more than a process's number. It is as it was.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        try:
            self._take()
            said = os.read(self._descriptor, 100).strip()
            if said and not said.isdigit():
                raise OSError(errno.EEXIST, f"{path} is another file than a lock")
        except (BlockingIOError, PermissionError) as error:
            holder = os.read(self._descriptor, 100).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            who = f"process {holder}" if holder.isdigit() else "another process"
            raise BlockingIOError(error.errno, who) from error
        except OSError:
            os.close(self._descriptor)
            raise
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Give the lock up."""
        os.close(self._descriptor)

    def _take(self) -> None:
        # of the open file, not of the process: a second holder in the same process is refused as well
        if sys.platform == "win32":
            import msvcrt

            os.lseek(self._descriptor, _FAR, os.SEEK_SET)
            msvcrt.locking(self._descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(self._descriptor, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
