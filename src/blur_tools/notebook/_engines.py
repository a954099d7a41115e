"""Who finds, as a notebook's form offers it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import ipywidgets

from blur_tools.engines import Engine, as_engine
from blur_tools.forms import ADDRESS, ENGINES, chosen_engine
from blur_tools.sources import without_secrets

__all__ = ["EngineChoice", "shown_address"]

GIVEN = "as given"


class EngineChoice(ipywidgets.VBox):
    """Who finds: an engine by name, a service at an address, or the engine that a program gave.

    Parameters
    ----------
    engine : str, Engine or None
        What is chosen first.
    changed : callable
        Told after each change.
    """

    def __init__(self, engine: str | Engine | None, changed: Callable[[], None]) -> None:
        self._given = None if engine is None or isinstance(engine, str) else as_engine(engine)
        self._made: tuple[tuple[str, str], Engine] | None = None
        name = engine if isinstance(engine, str) else os.environ.get("BLUR_TOOLS_ENGINE") or "local"
        address = "" if name in ENGINES else name
        if self._given is None:
            as_engine(name)  # what cannot work is said where it was asked for
        first = GIVEN if self._given is not None else ADDRESS if address else name
        style, layout = {"description_width": "8.5em"}, {"width": "auto", "min_width": "0"}
        self.name = ipywidgets.Dropdown(
            options=[*([GIVEN] if self._given is not None else []), *ENGINES],
            value=first,
            description="engine",
            tooltip="local: this machine, nothing leaves it; the others are sent each picture",
            style=style,
            layout=layout,
        )
        self._secret: tuple[str, str] | None = None
        self._hiding = False
        self.address = ipywidgets.Text(
            value=self._without_secret(address),
            description="address",
            continuous_update=False,
            style=style,
            layout=layout,
        )
        super().__init__([self.name, self.address])
        self._show_address()
        self._changed = changed
        self.name.observe(self._on_choice, "value")
        self.address.observe(self._on_address, "value")

    def engine(self) -> Engine:
        """The engine that is chosen; made once.

        Raises
        ------
        SettingsError
            It cannot be made: no token, no address.
        """
        if self.name.value == GIVEN and self._given is not None:
            return self._given
        chosen = (self.name.value, self._full_address() if self.name.value == ADDRESS else "")
        if self._made is None or self._made[0] != chosen:
            self._made = (chosen, chosen_engine(*chosen))
        return self._made[1]

    @property
    def code(self) -> str:
        """What a line of code says of it; ``""`` for the default."""
        if self.name.value == GIVEN:
            return "engine=engine"
        if self.name.value == ADDRESS:
            return f"engine={shown_address(self.address.value)!r}"
        return "" if self.name.value == "local" else f"engine={self.name.value!r}"

    def _without_secret(self, address: str) -> str:
        """What a widget's state, which a notebook keeps, may hold of an address; the rest stays in this process."""
        shown = shown_address(address)
        self._secret = None if shown == address else (shown, address)
        return shown

    def _full_address(self) -> str:
        shown = str(self.address.value)
        return self._secret[1] if self._secret is not None and self._secret[0] == shown else shown

    def _on_address(self, change: Any) -> None:
        if self._hiding:
            return
        shown = self._without_secret(change["new"])
        self._hiding = True
        try:
            self.address.value = shown
        finally:
            self._hiding = False
        if self.name.value == ADDRESS:
            self._changed()

    def _on_choice(self, _: Any) -> None:
        self._show_address()
        self._changed()

    def _show_address(self) -> None:
        self.address.layout.display = "" if self.name.value == ADDRESS else "none"


def shown_address(text: str) -> str:
    """A path or URL as a notebook may keep it."""
    return without_secrets(text) if "://" in text else text
