"""Who finds the plates and faces of a picture; `engine` makes one by its name."""

from __future__ import annotations

import os
from typing import Any

from blur_tools.engines._base import Answer, Engine
from blur_tools.engines.local import LocalEngine
from blur_tools.errors import NotYetError, SettingsError

__all__ = ["Answer", "Engine", "LocalEngine", "as_engine", "engine"]

ENGINE_VARIABLE = "BLUR_TOOLS_ENGINE"


def engine(name: str | None = None, **options: Any) -> Engine:
    """Make an engine.

    Parameters
    ----------
    name : str, optional
        ``"local"``: this machine, no token, no network. By default the environment's ``BLUR_TOOLS_ENGINE``,
        else ``"local"``. The Blur API itself (``"cloud"``, ``"onpremise"``, ``"http://host:port"``) comes with
        a later version.
    **options
        For the engine; the local one has none.

    Raises
    ------
    SettingsError
        No such engine, or an option that it does not have.
    NotYetError
        A remote engine.
    """
    name = name or os.environ.get(ENGINE_VARIABLE) or "local"
    if name in ("cloud", "onpremise") or name.startswith(("http://", "https://")):
        raise NotYetError(f"engine {name!r}: remote engines come with a later version; there is 'local'")
    if name != "local":
        raise SettingsError("engine", f"{name!r} is none of local, cloud, onpremise, http://host:port")
    if options:
        raise SettingsError("engine", f"the local engine has no option {', '.join(sorted(options))}")
    return LocalEngine()


def as_engine(value: str | Engine | None) -> Engine:
    """An engine from what a function was given: one, its name, or nothing."""
    if value is None or isinstance(value, str):
        return engine(value)
    if isinstance(value, type) or not isinstance(value, Engine):
        raise SettingsError("engine", f"a name or an Engine is needed, not {value!r:.60}")
    return value
