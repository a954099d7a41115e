"""The settings as a form: one magicgui widget for each parameter of `BlurSettings`, made from what is known of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from magicgui.widgets import CheckBox, Container, Label, create_widget

from blur_tools.errors import SettingsError
from blur_tools.forms import as_shown, facts, form_parameters, said, shown_first
from blur_tools.settings import BlurSettings, Parameter

__all__ = ["SettingsForm", "widget_for"]

UNSAID = "default"
"""What a number's field says when nothing was said."""


def widget_for(parameter: Parameter) -> Any:
    """The widget of one parameter; its tooltip is the parameter's help."""
    kind, value, options = facts(parameter)
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
        self.parameters = form_parameters()
        self.fields = {name: widget_for(parameter) for name, parameter in self.parameters.items()}
        self.more = CheckBox(text="all settings", value=False, tooltip="Show every parameter")
        self.others = Container(
            widgets=[field for name, field in self.fields.items() if not shown_first(name)], labels=True
        )
        self.others.margins = (0, 0, 0, 0)
        self.problem = Label(value="")
        first = [field for name, field in self.fields.items() if shown_first(name)]
        self.extend([*first, self.more, self.others, self.problem])
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
        values = {name: said(self.parameters[name], field.value) for name, field in self.fields.items()}
        return BlurSettings.of(**{name: value for name, value in values.items() if value is not None})

    def set(self, settings: BlurSettings) -> None:
        """Show settings; what they do not say is left as it stands."""
        for name, value in settings.to_dict().items():
            if name in self.fields:
                self.fields[name].value = as_shown(self.parameters[name], value)

    def check(self) -> BlurSettings | None:
        """The settings, or None when they cannot be used; the form then says why."""
        try:
            settings = self.settings()
        except SettingsError as error:
            self.problem.value, self.problem.visible = str(error), True
            return None
        self.problem.visible = False
        return settings

    def _show_more(self, show: bool) -> None:
        self.others.visible = show

    def _on_changed(self) -> None:
        self.check()
        self._told()
