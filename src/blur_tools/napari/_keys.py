"""The keys of what a person can do at the picture, as napari and its plugin settings have them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from app_model.types import KeyCode

from blur_tools.audit.actions import ACTIONS, HOLD

__all__ = ["PLUGIN", "bind", "checked_keys", "chosen_keys", "plugin_option"]

logger = logging.getLogger("blur_tools")

PLUGIN = "blur-tools"


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
