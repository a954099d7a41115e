"""Compiling loops over bytes from strangers; importing this needs numba.

The first use takes some seconds. The result is kept on disk beside the function's file, or in the user's cache.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit

__all__ = ["kernel", "part"]

logger = logging.getLogger("blur_tools")

F = TypeVar("F", bound=Callable[..., Any])

PARTS = "_jpeg_decoding.py"
"""The file whose parts are compiled into the loops of others."""


def kernel(function: F, *signature: Any, **options: Any) -> F:
    """Compile, kept on disk where a place for it can be written."""
    options |= {"nogil": True, "boundscheck": True}
    compiler: Any = njit
    # numba names what it keeps by this; it sees a change of the function's own file alone
    function.__qualname__ += _state_of_parts()
    try:
        compiled = compiler(cache=True, **options)(function)
        _forgive(compiled._cache)
    except RuntimeError:  # numba finds no such place
        compiled = compiler(**options)(function)
    if signature:
        compiled.compile(signature[0])
        compiled.disable_compile()
    return cast("F", compiled)


def part(function: F) -> F:
    """Compile as a part of those that call it: a call of its own takes longer than what these few steps do."""
    return kernel(function, inline="always")


@lru_cache(maxsize=1)
def _state_of_parts() -> str:
    try:
        return f"_{zlib.crc32(Path(__file__).with_name(PARTS).read_bytes()):08x}"
    except OSError:  # in a package that has no files
        return ""


def _forgive(cache: Any) -> None:
    """Have what is kept count as nothing where it is damaged or cannot be written: it is compiled again."""

    def forgiving(do: Callable[..., Any]) -> Callable[..., Any]:
        def attempt(*args: Any) -> Any:
            try:
                return do(*args)
            except Exception as error:  # whatever damaged pickles raise
                _tell(cache.cache_path, type(error).__name__)
                with suppress(Exception):
                    cache.flush()
                return None

        return attempt

    cache.load_overload, cache.save_overload = forgiving(cache.load_overload), forgiving(cache.save_overload)


@lru_cache(maxsize=16)
def _tell(place: str, error: str) -> None:
    """Once for each place."""
    logger.warning(
        "compiled loops that are kept in %s cannot be used (%s) and are compiled again; should this come again, "
        "delete that folder, or make it one that can be written",
        place,
        error,
    )
