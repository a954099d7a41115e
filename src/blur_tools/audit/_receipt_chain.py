"""What a receipt is made of: lines that each hold the hash of the one before, and hashes of files and names."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from pathlib import Path
from typing import Any

from blur_tools.batch.rows import storable
from blur_tools.errors import SettingsError

__all__ = ["FORMAT", "VERSION", "Chain", "file_digest", "hashed_name", "key_of"]

FORMAT, VERSION = "blur_tools.receipt", 1
LEAST_KEY = 16
"""Bytes of a key; shorter ones can be tried out."""
PART = 1 << 20


class Chain:
    """Lines that each hold the hash of the one before."""

    def __init__(self, key: bytes | None) -> None:
        self.key = key
        self.last = ""
        self.name = "sha256" if key is None else "hmac-sha256"

    def digest(self, data: bytes) -> str:
        if self.key is None:
            return hashlib.sha256(data).hexdigest()
        return hmac.new(self.key, data, "sha256").hexdigest()

    def line(self, entry: dict[str, Any]) -> bytes:
        data = _line({"previous": self.last, **entry})
        self.last = self.digest(data)
        return data

    def end(self, files: int) -> bytes:
        """The only line that can end a receipt of so many entries here; with a key nobody else can make it."""
        entry = {"previous": self.last, "type": "end", "files": files}
        if self.key is not None:
            entry["seal"] = self.digest(f"seal {self.last} {files}".encode())
        return _line(entry)


def _line(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def key_of(path: str | os.PathLike[str] | None) -> bytes | None:
    """The content of a key file.

    Raises
    ------
    SettingsError
        It cannot be read, or is too short.
    """
    if path is None:
        return None
    try:
        key = Path(path).read_bytes()
    except OSError as error:
        raise SettingsError("key", f"{os.fspath(path)} cannot be read: {error.strerror}") from error
    if len(key.strip()) < LEAST_KEY:
        raise SettingsError("key", f"{os.fspath(path)} has fewer than {LEAST_KEY} bytes; make one with openssl rand 32")
    return key


def hashed_name(name: str, chain: Chain | None) -> str:
    return storable(name) if chain is None else chain.digest(b"name\0" + os.fsencode(name))


def file_digest(path: Path) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while part := file.read(PART):
            digest.update(part)
            size += len(part)
    return {"sha256": digest.hexdigest(), "bytes": size}
