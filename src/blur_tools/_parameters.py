"""What a parameter is, and how its values are checked and travel in a form."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from blur_tools._frozen import frozen_object
from blur_tools.errors import SettingsError

__all__ = ["LOGO_FOLDER", "Kind", "Parameter", "checked", "form_value", "logo_bytes", "on_server", "to_field"]

LOGO_FOLDER = "/logos/"
"""How a path begins that names a logo on the server."""

LARGEST_LOGO = 50 << 20
"""Bytes of the largest logo that is read."""

Kind = Literal["int", "float", "text", "flag", "json", "logo", "pattern"]


@dataclass(frozen=True)
class Parameter:
    """What is known of one parameter of `BlurSettings`.

    Attributes
    ----------
    name : str
        The API's name, or ours for the local ones.
    kind : str
        ``int``, ``float``, ``text``, ``flag``, ``json``, ``logo`` (a file, a server path or "") or ``pattern``
        (a regular expression).
    help : str
        One sentence for a person.
    low, high : float or None
        Inclusive bounds of a number.
    choices : tuple of str
        All values of a text that has only a few.
    repeated : bool
        Given several times; the value is a tuple.
    api : bool
        A parameter of the Blur API; otherwise one of the local renderer.
    renders : bool
        Says only how something is hidden: what an engine finds does not depend on it.
    default : object
        The value when nothing is said.
    """

    name: str
    kind: Kind
    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    repeated: bool = False
    api: bool = True
    renders: bool = False
    default: Any = None


def to_field(parameter: Parameter, value: Any) -> str | bytes:
    """A checked value as a form carries it; bytes are a file part."""
    if parameter.kind == "flag":
        return "true" if value else "false"
    if parameter.kind == "json":
        return json.dumps(value, allow_nan=False)
    if parameter.kind == "float":
        return repr(value)
    if parameter.kind == "logo" and not (isinstance(value, str) and on_server(value)):
        return logo_bytes(value)
    return value if isinstance(value, bytes) else str(value)


def logo_bytes(logo: str | bytes | Path) -> bytes:
    """Content of a logo given as bytes or as a file on this machine.

    Raises
    ------
    SettingsError
        The file cannot be read.
    """
    if isinstance(logo, bytes):
        return logo
    path = Path(logo)
    try:
        # a named pipe or a device would never end
        size = path.stat().st_size if path.is_file() else None
        if size is not None and size <= LARGEST_LOGO:
            return path.read_bytes()
    except (OSError, ValueError) as error:
        raise SettingsError("logo", f"{_shown(str(path))} cannot be read: {error}") from error
    reason = "is no file" if size is None else f"is larger than {LARGEST_LOGO:,} bytes"
    raise SettingsError("logo", f"{_shown(str(path))} {reason}")


def checked(parameter: Parameter, value: Any) -> Any:
    """The value in its canonical type, or a `SettingsError`; an empty list is the same as nothing said."""
    check = _CHECKS[parameter.kind]
    if not parameter.repeated:
        return check(parameter, value)
    items = list(value) if _several(value) else [value]
    if parameter.name == "regions":
        items = [part.strip() for item in items for part in _text(parameter, item).split(",") if part.strip()]
    return tuple(check(parameter, item) for item in items) or None


def _several(value: Any) -> bool:
    if isinstance(value, str | bytes | Mapping):
        return False
    # a numpy scalar has __iter__ but cannot be iterated
    return isinstance(value, Iterable) and getattr(value, "ndim", 1) > 0


def _shown(value: Any) -> str:
    """A value as an error says it: short, whatever was given."""
    try:
        text = value if isinstance(value, str) and value.strip() else repr(value)
    except ValueError:  # Python refuses to write very long integers
        return f"this {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _number(parameter: Parameter, value: Any) -> float:
    # float() would also take b"10" and True
    if isinstance(value, bool | bytes) or type(value).__name__ in ("bool_", "bool"):
        raise SettingsError(parameter.name, f"{_shown(value)} is not a number")
    try:
        number = float(value)
    except (ValueError, OverflowError, TypeError) as error:
        raise SettingsError(parameter.name, f"{_shown(value)} is not a number") from error
    if not math.isfinite(number):
        raise SettingsError(parameter.name, f"{_shown(value)} is not a finite number")
    low, high = parameter.low, parameter.high
    if (low is not None and number < low) or (high is not None and number > high):
        raise SettingsError(parameter.name, f"{_shown(value)} is not between {low:g} and {high:g}")
    return number


def _integer(parameter: Parameter, value: Any) -> int:
    number = _number(parameter, value)
    if number != int(number):
        raise SettingsError(parameter.name, f"{_shown(value)} is not a whole number")
    return int(number)


def _text(parameter: Parameter, value: Any) -> str:
    if not isinstance(value, str):
        raise SettingsError(parameter.name, f"text is needed, not {type(value).__name__}")
    if parameter.choices and value not in parameter.choices:
        raise SettingsError(parameter.name, f"{_shown(value)} is none of {', '.join(parameter.choices)}")
    return value


def _pattern(parameter: Parameter, value: Any) -> str:
    text = _text(parameter, value)
    if not text:
        raise SettingsError(parameter.name, "an empty pattern would leave every plate visible")
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise SettingsError(parameter.name, f"{_shown(text)} is not a regular expression: {error}") from error
    return text


def _flag(parameter: Parameter, value: Any) -> bool:
    if isinstance(value, str):
        return value.strip().lower() == "true"  # only this word switches it on
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        return bool(value)
    raise SettingsError(parameter.name, f"True or False is needed, not {_shown(value)}")


def _json(parameter: Parameter, value: Any) -> dict[str, Any]:
    try:
        return frozen_object(json.loads(value) if isinstance(value, str | bytes) else value)
    except (TypeError, ValueError, RecursionError) as error:
        raise SettingsError(parameter.name, f"a JSON object is needed: {error}") from error


def _logo(parameter: Parameter, value: Any) -> str | bytes | Path:
    if isinstance(value, str | bytes | Path):
        return value
    if isinstance(value, os.PathLike):
        return Path(value)
    raise SettingsError(parameter.name, f"a file or its bytes are needed, not {type(value).__name__}")


def form_value(parameter: Parameter, value: str | bytes) -> str | bytes:
    """A field of a request, which a stranger wrote: it must not name files of this machine."""
    if parameter.kind != "logo" and not isinstance(value, str):
        raise SettingsError(parameter.name, "a value is needed, not a file")
    if parameter.kind == "logo" and isinstance(value, str) and not on_server(value):
        raise SettingsError(parameter.name, f"a file is needed, or a path in {LOGO_FOLDER}")
    return value


def on_server(logo: str) -> bool:
    """Whether text says no logo, or names one in the server's own folder and nothing outside it."""
    return not logo or (logo.startswith(LOGO_FOLDER) and ".." not in logo.split("/"))


_CHECKS: Mapping[Kind, Callable[[Parameter, Any], Any]] = {
    "int": _integer,
    "float": _number,
    "text": _text,
    "flag": _flag,
    "json": _json,
    "logo": _logo,
    "pattern": _pattern,
}
