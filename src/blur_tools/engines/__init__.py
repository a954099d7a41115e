"""Who finds the plates and faces of a picture; `engine` makes one by its name."""

from __future__ import annotations

import os
from typing import Any

from blur_tools.engines._base import Answer, Engine, Renderer
from blur_tools.engines.local import LocalEngine
from blur_tools.errors import SettingsError
from blur_tools.sources import is_url

__all__ = ["Answer", "Engine", "LocalEngine", "Renderer", "as_engine", "engine"]

ENGINE_VARIABLE = "BLUR_TOOLS_ENGINE"


def engine(name: str | None = None, **options: Any) -> Engine:
    """Make an engine.

    Parameters
    ----------
    name : str, optional
        ``"local"``: this machine, no token, no network. ``"cloud"``: Plate Recognizer's Blur API; needs a token.
        ``"onpremise"``: its server, at ``$BLUR_TOOLS_URL`` or ``http://localhost:8001``. An http(s) URL: a Blur
        service there, such as ``blur-tools serve``. By default the environment's ``BLUR_TOOLS_ENGINE``, else
        ``"local"``.
    **options
        For the engine. The local one has none; a remote one has ``token`` (default ``$PLATE_RECOGNIZER_TOKEN``, for
        the cloud alone), ``rate`` (calls a second; default 1 for the cloud, else unlimited), ``retries``,
        ``timeout`` (seconds), ``upload_limit`` (bytes; default 2.4 million for the cloud, else none), ``send_urls``
        and ``url``: see `blur_tools.engines.remote.RemoteEngine`.

    Raises
    ------
    SettingsError
        No such engine, an option that it does not have, or no token for the cloud.

    Examples
    --------
    >>> engine("http://localhost:8001")
    RemoteEngine('http://localhost:8001', 'http://localhost:8001')
    """
    name = name or os.environ.get(ENGINE_VARIABLE) or "local"
    if name in ("cloud", "onpremise") or is_url(name):
        # a local engine needs nothing of it
        from blur_tools.engines.remote import remote_engine

        return remote_engine(name, **options)
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
