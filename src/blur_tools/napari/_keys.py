"""What a person can do at the picture: one list for the keys, the buttons and their words."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from app_model.types import KeyCode

__all__ = ["ACTIONS", "HOLD", "PLUGIN", "Action", "bind", "checked_keys", "chosen_keys", "plugin_option"]

logger = logging.getLogger("blur_tools")

PLUGIN = "blur-tools"


@dataclass(frozen=True)
class Action:
    """One thing that a key or a button does.

    Attributes
    ----------
    name : str
        Name of the method of `Desk`, and of the plugin setting with its key.
    title : str
        What the button says.
    key : str
        What the key is when the settings do not say it.
    help : str
        A sentence for the tooltip.
    """

    name: str
    title: str
    key: str
    help: str


ACTIONS = (
    Action("accept", "Accept", "A", "All is marked: note it, and go to the next picture"),
    Action("next", "Next", "N", "Go to the next picture; the zoom stays"),
    Action("previous", "Back", "B", "Go to the picture before; the zoom stays"),
    Action("flag", "Flag", "G", "Note that somebody must look again; once more takes it back"),
    Action("add_plate", "Add plate", "P", "Drag a box around a plate, then pull its corners"),
    Action("add_face", "Add face", "F", "Drag a box around a face"),
    Action("next_mark", "Next mark", "M", "Choose the next mark, so that no mouse is needed"),
    Action("toggle_keep", "Keep", "K", "Leave the chosen marks visible in the result, or hide them again"),
    Action("change_kind", "Kind", "C", "Make plates of the chosen faces, and faces of plates"),
    Action("delete", "Delete", "Delete", "Remove the chosen marks"),
    Action("undo", "Undo", "Control-Z", "Take back the last change of this picture"),
    Action("redo", "Redo", "Control-Shift-Z", "Do again what was taken back"),
    Action("toggle_marks", "Marks", "H", "Hide the marks, or show them"),
    Action("toggle_labels", "Labels", "L", "Hide the words at the marks, or show them"),
    Action("toggle_preview", "Preview", "R", "Show the picture redacted, as it will be saved"),
)

HOLD = Action("original", "Original", "O", "Hold to see the picture without preview and marks")


def plugin_option(group: str, name: str, default: Any) -> Any:
    """A plugin setting of napari's; the default where there are none, as when napari runs without the manifest."""
    from napari.settings import get_plugin_settings

    try:
        return getattr(getattr(get_plugin_settings(PLUGIN), group), name)
    except (KeyError, AttributeError, ValueError):
        return default


def chosen_keys() -> dict[str, str]:
    """The key of each action, as the plugin settings say."""
    return {action.name: plugin_option("keys", action.name, action.key) or action.key for action in (*ACTIONS, HOLD)}


def checked_keys(keys: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Keys that can be bound, and what is wrong with the others; these stand at their default."""
    from napari.utils.key_bindings import coerce_keybinding

    checked: dict[str, str] = {}
    problems: list[str] = []
    for action in (*ACTIONS, HOLD):
        key = keys.get(action.name, action.key)
        parts = coerce_keybinding(key).parts
        if not parts or any(part.key == KeyCode.UNKNOWN for part in parts):
            problems.append(f"{key!r} is no key that napari knows; {action.title} stays at {action.key}.")
            key = action.key
        other = next((name for name, taken in checked.items() if taken.lower() == key.lower()), None)
        if other is not None:
            problems.append(f"{key} is the key of two things, {other} and {action.name}; only the second works.")
        checked[action.name] = key
    return checked, problems


def bind(
    keymaps: Iterable[Any], keys: Mapping[str, str], act: Callable[[str], None], hold: Callable[[bool], None]
) -> None:
    """Bind the keys in a viewer and its layers: a layer's own keys would win over the viewer's."""
    for target in keymaps:
        for name, key in keys.items():
            target.bind_key(key, _held(hold) if name == HOLD.name else _pressed(act, name), overwrite=True)


def _pressed(act: Callable[[str], None], name: str) -> Callable[[Any], None]:
    return lambda _: act(name)


def _held(hold: Callable[[bool], None]) -> Callable[[Any], Any]:
    def held(_: Any) -> Any:
        hold(True)
        yield
        hold(False)

    return held
