"""`BlurSettings`: the one place that names a parameter, its default and its bounds.

The client's form, the server's parser, the command line's options, the widgets and the table in the docs are
made from `BlurSettings.parameters`.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blur_tools._parameters import Kind, Parameter, checked, form_value, to_field
from blur_tools.errors import SettingsError

__all__ = ["DEFAULT_INTENSITY", "DEFAULT_MARGIN", "DEFAULT_OVERLAP", "DEFAULT_THRESHOLD", "BlurSettings", "Parameter"]

DEFAULT_INTENSITY = 10
"""What `blur`, `apply` and the command line say for ``plates`` and ``faces`` when the user says nothing."""

DEFAULT_MARGIN: Mapping[str, float] = {"plate": 0.15, "face": 0.25}
"""How far a region is grown on each side when ``margin`` is not said, as a share of the object's own size.

Chosen by coverage on the training pictures (``benchmarks/quality.py --choose``)."""

DEFAULT_THRESHOLD = 0.25
"""Lowest score that counts with the local engine when no threshold is said; a service has its own."""

THOROUGH_THRESHOLD = 0.1
"""The same when `thorough` is asked for."""

DEFAULT_OVERLAP = 20.0
"""Percent of a slice's width that neighbouring slices share: the API's documented default."""


def _parameter(kind: Kind, help: str, *, default: Any = None, **facts: Any) -> Any:
    """Make a dataclass field that carries its `Parameter`."""
    facts |= {"kind": kind, "help": help, "default": default}
    # a dict is not hashable; it still takes part in equality
    return field(default=default, hash=kind != "json", metadata={"parameter": facts})


def _intensity(what: str) -> Any:
    text = f"Blur {what}: 1 weakest to 10 strongest, below 8 only cosmetic; 0 detects only, -1 does not even detect."
    return _parameter("int", text, low=-1, high=10)


def _threshold(what: str) -> Any:
    text = (
        f"Lowest score of a {what} that counts (default {DEFAULT_THRESHOLD}, with thorough {THOROUGH_THRESHOLD}; "
        "a remote service's own)."
    )
    return _parameter("float", text, low=0.01, high=1, api=False)


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
        "logo", "A picture that covers plates: a file, or a path in /logos of the server; empty for none.", renders=True
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
    snapshot_filename: str | None = _parameter("text", "File name sent to Snapshot instead of the picture's own.")
    copy_metadata: bool | None = _parameter(
        "flag", "Copy EXIF and XMP from the picture (never its thumbnail; see copy_gps and copy_serials).", renders=True
    )
    face_max_resolution: int | None = _parameter(
        "int", "Longest side in pixels of the picture that the face detector is given.", low=32, high=100_000
    )

    effect: str = _parameter(
        "text",
        "How a region is hidden.",
        default="gaussian",
        choices=("gaussian", "pixelate", "fill"),
        api=False,
        renders=True,
    )
    shape: str = _parameter(
        "text",
        "Shape of a hidden face.",
        default="ellipse",
        choices=("ellipse", "circle", "square"),
        api=False,
        renders=True,
    )
    margin: float | None = _parameter(
        "float",
        "Grow each region on each side by this share of its own size "
        f"(default {DEFAULT_MARGIN['plate']} for plates, {DEFAULT_MARGIN['face']} for faces).",
        low=0,
        high=2,
        api=False,
        renders=True,
    )
    feather: float = _parameter(
        "float",
        "Width of a soft edge outside the region, as a share of its height.",
        default=0.0,
        low=0,
        high=1,
        api=False,
        renders=True,
    )
    panorama: bool = _parameter(
        "flag",
        "The picture goes all the way round: also search across its left and right border (local engine).",
        default=False,
        api=False,
    )
    thorough: bool = _parameter(
        "flag",
        "Miss as little as can be, in several times the time: parts of the picture and its mirror image are searched "
        f"too, the thresholds are {THOROUGH_THRESHOLD:g} unless said, plates' outlines are wider (local engine).",
        default=False,
        api=False,
    )
    plate_threshold: float | None = _threshold("plate")
    face_threshold: float | None = _threshold("face")
    read_plates: bool = _parameter(
        "flag", "Keep the text of plates, as far as it can be read, in the table.", default=False, api=False
    )
    copy_gps: bool = _parameter(
        "flag", "With copy_metadata, also copy where the picture was taken.", default=False, api=False, renders=True
    )
    copy_serials: bool = _parameter(
        "flag",
        "With copy_metadata, also copy serial numbers of camera and lens.",
        default=False,
        api=False,
        renders=True,
    )
    render: str = _parameter(
        "text",
        "Who renders: this machine or the service.",
        default="local",
        choices=("local", "server"),
        api=False,
        renders=True,
    )

    def __post_init__(self) -> None:
        for parameter in self.parameters():
            value = getattr(self, parameter.name)
            if value is None and parameter.default is None:
                continue
            object.__setattr__(self, parameter.name, checked(parameter, value))
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

    def for_detection(self) -> BlurSettings:
        """What an engine's answer depends on: the same, with everything that concerns the hiding alone left unsaid.

        ``plates`` and ``faces`` are 0, or -1 where their kind is not to be looked for.
        """
        unsaid = {parameter.name: parameter.default for parameter in self.parameters() if parameter.renders}
        plates, faces = min(self.intensity("plate"), 0), min(self.intensity("face"), 0)
        return dataclasses.replace(self, plates=plates, faces=faces, **unsaid)

    def intensity(self, kind: str) -> int:
        """Intensity asked for ``"plate"`` or ``"face"``; 0, the API's default, when not said."""
        value = self.plates if kind == "plate" else self.faces
        return 0 if value is None else value

    def margin_of(self, kind: str) -> float:
        """Margin for ``"plate"`` or ``"face"``, as a share of the object's size on each side."""
        return DEFAULT_MARGIN[kind] if self.margin is None else self.margin

    def threshold_of(self, kind: str) -> float:
        """Lowest score that counts for ``"plate"`` or ``"face"`` with the local engine."""
        value = self.plate_threshold if kind == "plate" else self.face_threshold
        if value is not None:
            return value
        return THOROUGH_THRESHOLD if self.thorough else DEFAULT_THRESHOLD

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
            form += [(parameter.name, to_field(parameter, item)) for item in values]
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
            value = form_value(parameter, value)
            said[name] = (*said.get(name, ()), value) if parameter.repeated else value
        return cls(**said)
