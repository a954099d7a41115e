"""The settings as a form in a notebook: magicgui's widgets, made of ipywidgets, from what `BlurSettings` says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

import ipywidgets
from magicgui import application
from magicgui.widgets import create_widget

from blur_tools.errors import SettingsError
from blur_tools.forms import DRAWN, as_shown, facts, form_parameters, said, shown_first
from blur_tools.settings import DEFAULT_INTENSITY, DEFAULT_MARGIN, DEFAULT_THRESHOLD, BlurSettings, Parameter

__all__ = ["SettingsForm", "message_html", "toolkit"]

ALSO_FIRST = ("plate_threshold", "face_threshold")
"""In a notebook these are played with, too."""

LOGO_HINT = "a picture's path"

STARTS = {"margin": DEFAULT_MARGIN["plate"], "plate_threshold": DEFAULT_THRESHOLD, "face_threshold": DEFAULT_THRESHOLD}
"""Where a slider stands whose parameter was not said."""

WIDE = {"width": "auto", "min_width": "0"}


@contextmanager
def toolkit() -> Iterator[None]:
    """Let magicgui make ipywidgets, and whatever it made before afterwards: napari may run in the same kernel."""
    before = application.Application._instance
    application.use_app("ipynb")
    try:
        yield
    finally:
        application.Application._instance = before


class SettingsForm(ipywidgets.VBox):
    """The parameters that are typed or chosen, and what is wrong with them.

    Parameters
    ----------
    changed : callable
        Told after each change.
    settings : BlurSettings
        What is shown first; excluded rectangles and the bytes of a logo, which the form does not show, stay.

    Attributes
    ----------
    fields : mapping of name to magicgui widget
    """

    def __init__(self, settings: BlurSettings, changed: Callable[[], None] = lambda: None) -> None:
        self._told = changed
        self._beside: dict[str, Any] = {}
        self.parameters = form_parameters()
        with toolkit():
            self.fields = {name: _widget_for(parameter) for name, parameter in self.parameters.items()}
        self._unsaid = set(STARTS)
        self._set(settings)
        self.problem = ipywidgets.HTML()
        self.reset = ipywidgets.Button(description="Reset", tooltip="All settings as they were", layout=WIDE)
        self.reset.on_click(lambda _: self.set(settings))
        first = [name for name in self.fields if shown_first(name) or name in ALSO_FIRST]
        others = ipywidgets.VBox([self.fields[name].native for name in self.fields if name not in first])
        more = ipywidgets.Accordion([others], titles=("All settings",), selected_index=None)
        super().__init__([*(self.fields[name].native for name in first), self.problem, more, self.reset])
        self.add_class("bt-form")
        for name, field in self.fields.items():
            field.native.observe(lambda _, name=name: self._on_changed(name), "value")

    def settings(self) -> BlurSettings:
        """What the form says.

        Raises
        ------
        SettingsError
            A value that is not allowed; it names the field.
        """
        values = {name: said(self.parameters[name], field.value) for name, field in self.fields.items()}
        told = {name: value for name, value in values.items() if value is not None and name not in self._unsaid}
        return BlurSettings.of(**(self._beside | told))

    def set(self, settings: BlurSettings) -> None:
        """Show these settings, and the defaults where they say nothing."""
        told, self._told = self._told, lambda: None
        try:
            for name, parameter in self.parameters.items():
                self.fields[name].native.value = _start(parameter)
            self._unsaid = set(STARTS)
            self._set(settings)
        finally:
            self._told = told
        self._changed()

    def check(self) -> BlurSettings | None:
        """The settings, or None when they cannot be used; the form then says why."""
        try:
            settings = self.settings()
        except SettingsError as error:
            self.problem.value = message_html(str(error))
            return None
        self.problem.value = ""
        return settings

    def _set(self, settings: BlurSettings) -> None:
        logo = settings.logo
        self._beside = {name: getattr(settings, name) for name in DRAWN}
        self._beside |= {"logo": logo} if isinstance(logo, bytes) else {}
        self.fields["logo"].native.placeholder = "as given" if "logo" in self._beside else LOGO_HINT
        for name, value in settings.to_dict().items():
            if name in self.fields and name not in self._beside:
                self._unsaid.discard(name)
                shown = as_shown(self.parameters[name], value)
                native = self.fields[name].native
                native.value = str(shown) if isinstance(native, ipywidgets.Text | ipywidgets.Textarea) else shown

    def _on_changed(self, name: str) -> None:
        self._unsaid.discard(name)
        self._changed()

    def _changed(self) -> None:
        self.check()
        self._told()


def message_html(text: str) -> str:
    """A sentence that must not be missed, as HTML that a screen reader speaks."""
    return f'<div role="alert" style="color:var(--jp-error-color1,#d32f2f);line-height:1.4">{escape(text)}</div>'


def _widget_for(parameter: Parameter) -> Any:
    """The widget of one parameter; its label and its tooltip belong to the field itself, as screen readers need."""
    kind, options = _kind(parameter)
    # numbers that need not be said are text here: an empty field is how a browser shows that
    made: Any = create_widget(
        value=_start(parameter),
        name=parameter.name,
        label="",
        widget_type=kind,
        options={"tooltip": parameter.help, **options},
    )
    native = made.native
    native.description = parameter.name.replace("_", " ")
    native.style.description_width = "8.5em"
    native.layout.width = "auto"
    native.layout.min_width = "0"
    if kind == "LineEdit":
        native.placeholder = {"json": '{"name": value}', "logo": LOGO_HINT}.get(parameter.kind, "default")
        native.continuous_update = False
    if kind == "TextEdit":
        native.placeholder, native.rows, native.continuous_update = "one a line", 2, False
    return made


def _kind(parameter: Parameter) -> tuple[str, dict[str, Any]]:
    kind, _, options = facts(parameter)
    if parameter.name in STARTS or (parameter.kind == "float" and parameter.default is not None):
        return "FloatSlider", {"min": parameter.low, "max": parameter.high, "step": 0.01}
    if kind.endswith("SpinBox") or kind == "FileEdit":
        return "LineEdit", {}
    return kind, options


def _start(parameter: Parameter) -> Any:
    if parameter.name in STARTS:
        return STARTS[parameter.name]
    kind, value, _ = facts(parameter)
    if kind == "Slider":
        return DEFAULT_INTENSITY
    if parameter.kind == "float" and parameter.default is not None:
        return parameter.default
    return "" if kind.endswith(("SpinBox", "FileEdit", "Edit")) else value
