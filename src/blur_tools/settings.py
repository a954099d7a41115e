"""`BlurSettings`: the one place that names a parameter, its default and its bounds.

The client's form, the server's parser, the command line's options, the widgets and the table in the docs are
made from `BlurSettings.parameters`.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from blur_tools._frozen import frozen_object
from blur_tools.errors import SettingsError

__all__ = ["DEFAULT_INTENSITY", "DEFAULT_MARGIN", "DEFAULT_OVERLAP", "LOGO_FOLDER", "BlurSettings", "Parameter"]

DEFAULT_INTENSITY = 10
"""What `blur`, `apply` and the command line say for ``plates`` and ``faces`` when the user says nothing."""

DEFAULT_MARGIN: Mapping[str, float] = {"plate": 0.15, "face": 0.25}
"""How far a region is grown on each side when ``margin`` is not said, as a share of the object's own size.

Chosen by coverage on the training pictures (``benchmarks/quality.py --choose``)."""

DEFAULT_OVERLAP = 20.0
"""Percent of a slice's width that neighbouring slices share: the API's documented default."""

LOGO_FOLDER = "/logos/"
"""How a path begins that names a logo on the server."""

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
    default: Any = None


def _parameter(kind: Kind, help: str, *, default: Any = None, **facts: Any) -> Any:
    """Make a dataclass field that carries its `Parameter`."""
    facts |= {"kind": kind, "help": help, "default": default}
    # a dict is not hashable; it still takes part in equality
    return field(default=default, hash=kind != "json", metadata={"parameter": facts})


def _intensity(what: str) -> Any:
    text = f"Blur {what}: 1 weakest to 10 strongest, below 8 only cosmetic; 0 detects only, -1 does not even detect."
    return _parameter("int", text, low=-1, high=10)


def _margin(side: str, of: str) -> Any:
    text = f"Exclude this percentage of the image {of} at the {side}, as a person sees the picture."
    return _parameter("float", text, low=0, high=100)


def _corner(name: str) -> Any:
    text = f"{name} of excluded rectangles, in pixels; the i-th of the four makes one."
    return _parameter("float", text, repeated=True)


@dataclass(frozen=True, kw_only=True, repr=False)
class BlurSettings:
    """Every parameter of the Blur API but the source, and those of the local renderer; checked once, frozen.

    A field of the API that is None was not said: the function, the command line or the server that uses the
    settings decides (see `DEFAULT_INTENSITY`). Text is accepted where a number is meant ("10", "0.0"), a single
    value where several may be given, a mapping or JSON text for ``config``.

    Raises
    ------
    SettingsError
        A value out of its bounds or of the wrong type; it names the field.

    Examples
    --------
    >>> BlurSettings(plates=10, faces=5, et=12.5).faces
    5
    >>> BlurSettings(plates=11)
    Traceback (most recent call last):
    blur_tools.errors.SettingsError: plates: 11 is not between -1 and 10
    """

    regions: tuple[str, ...] | None = _parameter("text", "Regions forwarded to Snapshot.", repeated=True)
    skip_regexp: tuple[str, ...] | None = _parameter(
        "pattern", "Plates whose text matches are left visible (searched, any case).", repeated=True
    )
    faces: int | None = _intensity("faces")
    plates: int | None = _intensity("plates")
    logo: str | bytes | Path | None = _parameter(
        "logo", "A picture that covers plates: a file, or a path in /logos of the server; empty for none."
    )
    config: dict[str, Any] | None = _parameter("json", "JSON object that extends Snapshot's configuration.")
    et: float | None = _margin("top", "height")
    el: float | None = _margin("left", "width")
    eb: float | None = _margin("bottom", "height")
    er: float | None = _margin("right", "width")
    xmin: tuple[float, ...] | None = _corner("xmin")
    ymin: tuple[float, ...] | None = _corner("ymin")
    xmax: tuple[float, ...] | None = _corner("xmax")
    ymax: tuple[float, ...] | None = _corner("ymax")
    split: int | None = _parameter(
        "int", "Also search this many side-by-side slices; for panoramas and small objects.", low=0, high=64
    )
    overlap: float | None = _parameter(
        "float", f"Percentage of a slice's width shared with the next (default {DEFAULT_OVERLAP:g}).", low=0, high=90
    )
    camera_id: str | None = _parameter("text", "Camera identifier forwarded to Snapshot.")
    snapshot_filename: str | None = _parameter("text", "File name used instead of the picture's own.")
    copy_metadata: bool | None = _parameter("flag", "Copy EXIF from the picture (never its thumbnail).")
    face_max_resolution: int | None = _parameter(
        "int", "Longest side in pixels of the picture that the face detector is given.", low=32, high=100_000
    )

    effect: str = _parameter(
        "text", "How a region is hidden.", default="gaussian", choices=("gaussian", "pixelate", "fill"), api=False
    )
    shape: str = _parameter(
        "text", "Shape of a hidden face.", default="ellipse", choices=("ellipse", "circle", "square"), api=False
    )
    margin: float | None = _parameter(
        "float",
        "Grow each region on each side by this share of its own size "
        f"(default {DEFAULT_MARGIN['plate']} for plates, {DEFAULT_MARGIN['face']} for faces).",
        low=0,
        high=2,
        api=False,
    )
    feather: float = _parameter(
        "float",
        "Width of a soft edge outside the region, as a share of its height.",
        default=0.0,
        low=0,
        high=1,
        api=False,
    )
    plate_threshold: float = _parameter(
        "float", "Lowest score of a plate that counts.", default=0.25, low=0.01, high=1, api=False
    )
    face_threshold: float = _parameter(
        "float", "Lowest score of a face that counts.", default=0.25, low=0.01, high=1, api=False
    )
    render: str = _parameter(
        "text", "Who renders: this machine or the service.", default="local", choices=("local", "server"), api=False
    )

    def __post_init__(self) -> None:
        for parameter in self.parameters():
            value = getattr(self, parameter.name)
            if value is None and parameter.default is None:
                continue
            object.__setattr__(self, parameter.name, _checked(parameter, value))
        self._check_rectangles()

    def __repr__(self) -> str:
        said = self.to_dict() | ({"logo": f"<{len(self.logo)} bytes>"} if isinstance(self.logo, bytes) else {})
        return f"BlurSettings({', '.join(f'{name}={value!r}' for name, value in said.items())})"

    def _check_rectangles(self) -> None:
        corners = {name: getattr(self, name) for name in ("xmin", "ymin", "xmax", "ymax")}
        counts = {name: len(values or ()) for name, values in corners.items()}
        if len(set(counts.values())) > 1:
            said = ", ".join(f"{count} {name}" for name, count in counts.items())
            raise SettingsError(
                min(counts, key=counts.__getitem__), f"excluded rectangles need as many of each: {said}"
            )
        for low, high in (("xmin", "xmax"), ("ymin", "ymax")):
            for a, b in zip(corners[low] or (), corners[high] or (), strict=True):
                if a > b:
                    raise SettingsError(low, f"{a:g} is larger than {high} {b:g}")

    @classmethod
    def parameters(cls) -> tuple[Parameter, ...]:
        """All parameters in their order, those of the API first."""
        return tuple(Parameter(name=f.name, **f.metadata["parameter"]) for f in dataclasses.fields(cls))

    @classmethod
    def of(cls, settings: BlurSettings | None = None, /, **params: Any) -> BlurSettings:
        """Settings as a function receives them: a value, single parameters over it, or both.

        Raises
        ------
        SettingsError
            An unknown name (with the nearest known one) or a bad value.
        """
        known = [parameter.name for parameter in cls.parameters()]
        for name in params:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"
                raise SettingsError(name, f"is not a parameter{hint}")
        if settings is not None and not isinstance(settings, cls):
            raise SettingsError("settings", f"a BlurSettings is needed, not {type(settings).__name__}")
        return dataclasses.replace(settings or cls(), **params)

    def or_default(self, intensity: int) -> BlurSettings:
        """The same with ``plates`` and ``faces`` set to `intensity` where they were not said."""
        plates = intensity if self.plates is None else self.plates
        faces = intensity if self.faces is None else self.faces
        return dataclasses.replace(self, plates=plates, faces=faces)

    def intensity(self, kind: str) -> int:
        """Intensity asked for ``"plate"`` or ``"face"``; 0, the API's default, when not said."""
        value = self.plates if kind == "plate" else self.faces
        return 0 if value is None else value

    def margin_of(self, kind: str) -> float:
        """Margin for ``"plate"`` or ``"face"``, as a share of the object's size on each side."""
        return DEFAULT_MARGIN[kind] if self.margin is None else self.margin

    @property
    def rectangles(self) -> tuple[tuple[float, float, float, float], ...]:
        """Excluded rectangles ``(xmin, ymin, xmax, ymax)`` in pixels of the stored picture."""
        return tuple(zip(self.xmin or (), self.ymin or (), self.xmax or (), self.ymax or (), strict=True))

    def to_dict(self) -> dict[str, Any]:
        """What differs from the defaults, ready for JSON but for a ``logo`` given as a file's bytes."""
        values = {p.name: getattr(self, p.name) for p in self.parameters() if getattr(self, p.name) != p.default}
        return {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}

    def to_form(self) -> list[tuple[str, str | bytes]]:
        """The API's form fields; repeated parameters repeat, bytes are a file part (a logo given as a file).

        Raises
        ------
        SettingsError
            The logo's file cannot be read.
        """
        form: list[tuple[str, str | bytes]] = []
        for parameter in self.parameters():
            value = getattr(self, parameter.name)
            if not parameter.api or value is None:
                continue
            values = value if parameter.repeated else (value,)
            form += [(parameter.name, _to_field(parameter, item)) for item in values]
        return form

    @classmethod
    def from_form(cls, form: Iterable[tuple[str, str | bytes]]) -> BlurSettings:
        """Settings from a request's form fields; names that are no API parameter are ignored, as the API does.

        Raises
        ------
        SettingsError
            A bad value, or a parameter given twice that cannot be.
        """
        parameters = {p.name: p for p in cls.parameters() if p.api}
        said: dict[str, Any] = {}
        for name, value in form:
            parameter = parameters.get(name)
            if parameter is None:
                continue
            if name in said and not parameter.repeated:
                raise SettingsError(name, "is given more than once")
            value = _form_value(parameter, value)
            said[name] = (*said.get(name, ()), value) if parameter.repeated else value
        return cls(**said)


def _to_field(parameter: Parameter, value: Any) -> str | bytes:
    if parameter.kind == "flag":
        return "true" if value else "false"
    if parameter.kind == "json":
        return json.dumps(value, allow_nan=False)
    if parameter.kind == "float":
        return repr(value)
    if parameter.kind == "logo" and not (isinstance(value, str) and (not value or value.startswith(LOGO_FOLDER))):
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
    try:
        return Path(logo).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingsError("logo", f"{_shown(os.fspath(logo))} cannot be read: {reason}") from error


def _checked(parameter: Parameter, value: Any) -> Any:
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


def _form_value(parameter: Parameter, value: str | bytes) -> str | bytes:
    """A field of a request, which a stranger wrote: it must not name files of this machine."""
    if parameter.kind != "logo" and not isinstance(value, str):
        raise SettingsError(parameter.name, "a value is needed, not a file")
    if parameter.kind == "logo" and isinstance(value, str) and not _on_server(value):
        raise SettingsError(parameter.name, f"a file is needed, or a path in {LOGO_FOLDER}")
    return value


def _on_server(logo: str) -> bool:
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
