"""The settings as a form: one magicgui widget for each parameter of `BlurSettings`, made from what is known of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from magicgui.widgets import CheckBox, Container, Label, create_widget

from blur_tools.errors import SettingsError
from blur_tools.settings import DEFAULT_INTENSITY, BlurSettings, Parameter

__all__ = ["DRAWN", "SettingsForm", "widget_for"]

DRAWN = ("xmin", "ymin", "xmax", "ymax")
"""Excluded rectangles are drawn on the picture, not typed."""

SHOWN_FIRST = ("plates", "faces", "effect", "shape", "margin")
"""What most people set; all others stand below, in the order of `BlurSettings`."""

UNSAID = "default"
"""What a number's field says when nothing was said."""

FEW = 20
"""A range of no more whole numbers is a slider."""


def widget_for(parameter: Parameter) -> Any:
    """The widget of one parameter; its tooltip is the parameter's help."""
    kind, value, options = _facts(parameter)
    made: Any = create_widget(
        value=value,
        name=parameter.name,
        label=parameter.name.replace("_", " "),
        widget_type=kind,
        options={"tooltip": parameter.help, **options},
    )
    if kind.endswith("SpinBox") and parameter.default is None:
        made.native.setSpecialValueText(UNSAID)
    if kind == "TextEdit":
        made.native.setMaximumHeight(48)
        made.native.setPlaceholderText("one a line")
    if kind == "LineEdit":
        made.native.setPlaceholderText('{"name": value}' if parameter.kind == "json" else "")
    return made


def _facts(parameter: Parameter) -> tuple[str, Any, dict[str, Any]]:
    """Type, value and options of a parameter's widget."""
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


class SettingsForm(Container[Any]):
    """All parameters that are typed or chosen, and what is wrong with them.

    Parameters
    ----------
    changed : callable
        Told after each change.

    Attributes
    ----------
    fields : mapping of name to widget
    """

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        super().__init__(labels=True)
        self.margins = (0, 0, 0, 0)
        self._told = changed
        known = {p.name: p for p in BlurSettings.parameters() if p.name not in DRAWN}
        names = [*SHOWN_FIRST, *(name for name in known if name not in SHOWN_FIRST)]
        self.parameters = {name: known[name] for name in names}
        self.fields = {name: widget_for(parameter) for name, parameter in self.parameters.items()}
        self.more = CheckBox(text="all settings", value=False, tooltip="Show every parameter")
        self.others = Container(widgets=[self.fields[name] for name in names[len(SHOWN_FIRST) :]], labels=True)
        self.others.margins = (0, 0, 0, 0)
        self.problem = Label(value="")
        self.extend([*(self.fields[name] for name in SHOWN_FIRST), self.more, self.others, self.problem])
        self.others.visible = self.problem.visible = False
        self.more.changed.connect(self._show_more)
        for name, field in self.fields.items():
            if self.parameters[name].kind == "pattern":
                # magicgui tells of a longer text only when it is left
                field.native.textChanged.connect(self._on_changed)
            else:
                field.changed.connect(self._on_changed)

    def settings(self) -> BlurSettings:
        """What the form says.

        Raises
        ------
        SettingsError
            A value that is not allowed; it names the field.
        """
        values = {name: self._value(name) for name in self.fields}
        return BlurSettings.of(**{name: value for name, value in values.items() if value is not None})

    def set(self, settings: BlurSettings) -> None:
        """Show settings; what they do not say is left as it stands."""
        for name, value in settings.to_dict().items():
            if name in self.fields:
                self.fields[name].value = _as_shown(self.parameters[name], value)

    def check(self) -> BlurSettings | None:
        """The settings, or None when they cannot be used; the form then says why."""
        try:
            settings = self.settings()
        except SettingsError as error:
            self.problem.value, self.problem.visible = str(error), True
            return None
        self.problem.visible = False
        return settings

    def _value(self, name: str) -> Any:
        parameter, value = self.parameters[name], self.fields[name].value
        if parameter.kind in ("int", "float"):
            return None if parameter.low is not None and value < parameter.low else value
        if parameter.kind == "flag":
            return value or parameter.default
        if parameter.kind == "pattern":
            return [line for line in value.splitlines() if line.strip()] or None
        if isinstance(value, str):
            return value.strip() or None
        # an empty field of a file is the current folder
        return None if value is None or str(value) in ("", ".") else value

    def _show_more(self, show: bool) -> None:
        self.others.visible = show

    def _on_changed(self) -> None:
        self.check()
        self._told()


def _as_shown(parameter: Parameter, value: Any) -> Any:
    if parameter.kind == "json":
        return json.dumps(value)
    if parameter.repeated:
        return ("\n" if parameter.kind == "pattern" else ",").join(map(str, value))
    return value
