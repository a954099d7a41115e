"""The settings as a form: one magicgui widget for each parameter of `BlurSettings`, made from what is known of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from magicgui.widgets import CheckBox, ComboBox, Container, FileEdit, FloatSpinBox, Label, LineEdit, Slider, SpinBox
from magicgui.widgets.bases import ValueWidget

from blur_tools.errors import SettingsError
from blur_tools.settings import DEFAULT_INTENSITY, BlurSettings, Parameter

__all__ = ["DRAWN", "SettingsForm", "widget_for"]

DRAWN = ("xmin", "ymin", "xmax", "ymax")
"""Excluded rectangles are drawn on the picture, not typed."""

SHOWN_FIRST = ("plates", "faces", "effect", "shape", "margin")
"""What most people set; all others stand below, in the order of `BlurSettings`."""

UNSAID = "default"
"""What a number field says when nothing was said."""

Value = ValueWidget[Any]


def widget_for(parameter: Parameter) -> Value:
    """The widget of one parameter; its tooltip is the parameter's help."""
    facts = {"name": parameter.name, "label": parameter.name.replace("_", " "), "tooltip": parameter.help}
    low, high = parameter.low, parameter.high
    if parameter.choices:
        return ComboBox(choices=parameter.choices, value=parameter.default, **facts)
    if parameter.kind == "flag":
        return CheckBox(value=bool(parameter.default), **facts)
    if parameter.kind == "logo":
        return FileEdit(mode="r", filter="Pictures (*.png *.jpg *.jpeg *.webp *.bmp *.tif)", nullable=True, **facts)
    if parameter.kind == "int" and low is not None and high is not None and high - low <= 20:
        return Slider(min=int(low), max=int(high), value=DEFAULT_INTENSITY, **facts)
    if parameter.kind in ("int", "float") and not parameter.repeated and low is not None and high is not None:
        return _number(parameter, low, high, facts)
    field = LineEdit(nullable=True, **facts)
    if hasattr(field.native, "setPlaceholderText"):
        hint = {"json": '{"name": value}', "pattern": "several with spaces between"}.get(parameter.kind, "")
        field.native.setPlaceholderText(hint)
    return field


def _number(parameter: Parameter, low: float, high: float, facts: dict[str, Any]) -> Value:
    """A spin box with one step below its range, which stands for "not said" where that is the default."""
    whole = parameter.kind == "int"
    step = 1 if whole else min(1.0, (high - low) / 100)
    lowest = low - step if parameter.default is None else low
    if whole:
        field: Value = SpinBox(min=int(lowest), max=int(high), step=1, value=int(lowest), **facts)
    else:
        start = lowest if parameter.default is None else parameter.default
        field = FloatSpinBox(min=lowest, max=high, step=step, value=start, **facts)
    if parameter.default is None:
        field.native.setSpecialValueText(UNSAID)
    return field


class SettingsForm(Container[Any]):
    """All parameters that are typed or chosen, and what is wrong with them.

    Attributes
    ----------
    fields : mapping of name to widget
    """

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        super().__init__(labels=True, layout="vertical")
        self.margins = (0, 0, 0, 0)
        self._told = changed
        parameters = {p.name: p for p in BlurSettings.parameters() if p.name not in DRAWN}
        self.parameters = {name: parameters[name] for name in (*SHOWN_FIRST, *(set(parameters) - set(SHOWN_FIRST)))}
        self.parameters = dict(sorted(self.parameters.items(), key=lambda entry: _rank(entry[0], list(parameters))))
        self.fields: dict[str, Value] = {name: widget_for(p) for name, p in self.parameters.items()}
        self.more = CheckBox(text="all settings", value=False, tooltip="Show every parameter")
        self.problem = Label(value="", visible=False)
        first = [self.fields[name] for name in SHOWN_FIRST]
        self.others = Container(widgets=[w for n, w in self.fields.items() if n not in SHOWN_FIRST], labels=True)
        self.others.margins = (0, 0, 0, 0)
        self.extend([*first, self.more, self.others, self.problem])
        self.others.visible = False
        self.more.changed.connect(self._show_more)
        for field in self.fields.values():
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
        """Show settings; what they do not say stands at its default."""
        for name, value in settings.to_dict().items():
            if name in self.fields:
                parameter = self.parameters[name]
                self.fields[name].value = _as_text(parameter, value)

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
        if parameter.kind in ("int", "float") and parameter.low is not None and not parameter.repeated:
            return None if value < parameter.low else value
        if isinstance(value, str):
            value = value.strip()
            return value.split() if parameter.repeated and value else value or None
        if parameter.kind == "flag":
            return value or parameter.default
        return None if value is not None and str(value) in ("", ".") else value

    def _show_more(self, show: bool) -> None:
        self.others.visible = show

    def _on_changed(self) -> None:
        self.check()
        self._told()


def _rank(name: str, order: list[str]) -> tuple[int, int]:
    return (0, SHOWN_FIRST.index(name)) if name in SHOWN_FIRST else (1, order.index(name))


def _as_text(parameter: Parameter, value: Any) -> Any:
    if parameter.repeated:
        return " ".join(map(str, value))
    if parameter.kind == "json":
        import json

        return json.dumps(value)
    return value
