"""What every window's form of the settings shares: which field a parameter gets, and how its value is read.

It knows no toolkit: `facts` names magicgui's widget types, which napari and the notebook make in their own ways.
"""

from __future__ import annotations

import json
from typing import Any

from blur_tools.engines import Engine, engine
from blur_tools.errors import SettingsError
from blur_tools.settings import DEFAULT_INTENSITY, BlurSettings, Parameter
from blur_tools.sources import is_url

__all__ = [
    "ADDRESS",
    "DRAWN",
    "ENGINES",
    "as_shown",
    "chosen_engine",
    "facts",
    "form_parameters",
    "said",
    "shown_first",
]

DRAWN = ("xmin", "ymin", "xmax", "ymax")
"""Excluded rectangles are drawn on the picture, not typed."""

_SHOWN_FIRST = ("plates", "faces", "effect", "shape", "margin")

ADDRESS = "address"
ENGINES = ("local", "cloud", "onpremise", ADDRESS)
"""What can be chosen; the last is a service at an address that is typed."""

FEW = 20
"""A range of no more whole numbers is a slider."""


def form_parameters() -> dict[str, Parameter]:
    """The parameters that are typed or chosen, by name: what most people set, then the others in their order."""
    known = {p.name: p for p in BlurSettings.parameters() if p.name not in DRAWN}
    return {name: known[name] for name in (*_SHOWN_FIRST, *(name for name in known if name not in _SHOWN_FIRST))}


def shown_first(name: str) -> bool:
    """Whether a parameter is one that most people set."""
    return name in _SHOWN_FIRST


def facts(parameter: Parameter) -> tuple[str, Any, dict[str, Any]]:
    """Type, value and options of a parameter's magicgui widget."""
    low, high, whole = parameter.low, parameter.high, parameter.kind == "int"
    if parameter.choices:
        return "ComboBox", parameter.default, {"choices": parameter.choices}
    if parameter.kind == "flag":
        return "CheckBox", bool(parameter.default), {}
    if parameter.kind == "logo":
        return "FileEdit", None, {"mode": "r", "nullable": True}
    if parameter.kind == "pattern":
        return "TextEdit", "", {}
    if low is None or high is None:
        return "LineEdit", "", {}
    if whole and high - low <= FEW:
        return "Slider", DEFAULT_INTENSITY, {"min": int(low), "max": int(high)}
    step = 1 if whole else min(1.0, (high - low) / 100)
    # one step below the range stands for "not said"
    least = low - step if parameter.default is None else low
    start = least if parameter.default is None else parameter.default
    if whole:
        return "SpinBox", int(start), {"min": int(least), "max": int(high), "step": 1}
    return "FloatSpinBox", start, {"min": least, "max": high, "step": step}


def said(parameter: Parameter, value: Any) -> Any:
    """What a field's value says of its parameter; None when it says nothing."""
    if isinstance(value, str):
        if parameter.kind == "pattern":
            return [line for line in value.splitlines() if line.strip()] or None
        return value.strip() or None
    if parameter.kind in ("int", "float"):
        return None if parameter.low is not None and value < parameter.low else value
    if parameter.kind == "flag":
        return value or parameter.default
    # an empty field of a file is the current folder
    return None if value is None or str(value) in ("", ".") else value


def as_shown(parameter: Parameter, value: Any) -> Any:
    """A parameter's value as its field shows it."""
    if parameter.kind == "json":
        return json.dumps(value)
    if parameter.repeated:
        return ("\n" if parameter.kind == "pattern" else ",").join(map(str, value))
    return value


def chosen_engine(name: str, address: str) -> Engine:
    """The engine that a person chose of `ENGINES`.

    Raises
    ------
    SettingsError
        No address was typed, or what `blur_tools.engine` says.
    """
    if name != ADDRESS:
        return engine(name)
    if not is_url(address.strip()):
        raise SettingsError("engine", "type the service's address, such as http://localhost:8001")
    return engine(address.strip())
