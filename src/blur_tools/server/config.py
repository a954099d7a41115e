"""How the server is set up: by its environment, under the vendor's names, and by options, which override it."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from blur_tools._cores import available_cores
from blur_tools.errors import SettingsError
from blur_tools.service.client import is_token
from blur_tools.settings import BlurSettings, Parameter
from blur_tools.sources import is_url

__all__ = ["REQUIRED_VARIABLE", "ServerConfig", "server_parameters"]

VENDOR = (
    "plates", "faces", "logo", "shape", "regions", "config", "skip_regexp", "camera_id", "copy_metadata",
    "face_max_resolution",
)  # fmt: skip
"""Parameters that the environment sets, each under its name in capitals."""

REQUIRED_VARIABLE = "BLUR_TOOLS_SERVER_TOKEN"
DEFAULT_LOGO = "logo.png"
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def server_parameters() -> tuple[Parameter, ...]:
    """Parameters of `BlurSettings` that a server has a setting for: the vendor's, and those of our renderer."""
    return tuple(p for p in BlurSettings.parameters() if p.name in VENDOR or (not p.api and p.name != "render"))


@dataclass(frozen=True, kw_only=True)
class ServerConfig:
    """Everything that a server is started with.

    Attributes
    ----------
    settings : BlurSettings
        What holds where a request says nothing.
    host, port : str, int
        Where to listen; port 0 takes a free one.
    workers : int
        Pictures that are worked on at once; the others wait.
    max_bytes : int
        Largest upload, and largest file behind an ``upload_url``.
    max_pixels : int
        Largest picture.
    memory : int
        Bytes that are held at once, a third of it each for uploads, for what was fetched, and for answers that are
        not read yet; requests beyond wait. What is being fetched comes on top, at most 16 files.
    rate : float or None
        Calls a second of each client; None is without limit.
    allow_private_urls : bool
        Whether an ``upload_url`` may lead into a private network or to this machine.
    logos : Path
        The folder that ``/logos`` in a request stands for.
    required_token : str or None
        What a request must carry.
    sdk_url : str or None
        The Snapshot SDK that plates are asked of.
    snapshot_token : str or None
        Of Snapshot Cloud, which is asked for plates when there is no SDK.
    snapshot_rate : float or None
        Calls a second to Snapshot; None is what every account of its cloud may make, and without limit for an SDK.
    log_level : str
        Of the server's log.

    Raises
    ------
    SettingsError
        A value that cannot be.
    """

    settings: BlurSettings = field(default_factory=BlurSettings)
    host: str = "127.0.0.1"
    port: int = 8001
    workers: int = field(default_factory=available_cores)
    max_bytes: int = 32_000_000
    max_pixels: int = 100_000_000
    memory: int = 512_000_000
    rate: float | None = None
    allow_private_urls: bool = False
    logos: Path = Path("/logos")
    required_token: str | None = field(default=None, repr=False)
    sdk_url: str | None = None
    snapshot_token: str | None = field(default=None, repr=False)
    snapshot_rate: float | None = None
    log_level: str = "INFO"

    def __post_init__(self) -> None:
        for name in ("workers", "max_bytes", "max_pixels", "memory"):
            _check(getattr(self, name) >= 1, name, "must be 1 or more")
        _check(0 <= self.port <= 65535, "port", f"{self.port} is not between 0 and 65535")
        for name in ("rate", "snapshot_rate"):
            rate = getattr(self, name)
            _check(rate is None or 0 < rate < math.inf, name, f"{rate} is not a number of calls a second")
        _check(self.log_level in LEVELS, "LOGGING", f"{self.log_level} is none of {', '.join(LEVELS)}")
        _check(self.required_token != "", "require-token", f"no token is given: set {REQUIRED_VARIABLE}")
        # what a header cannot carry, nobody could send
        sendable = self.required_token is None or is_token(self.required_token)
        _check(sendable, "require-token", f"{REQUIRED_VARIABLE} is not one word of printable ASCII")
        _check(self.sdk_url is None or is_url(self.sdk_url), "SDK_URL", "is no http or https URL")

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ, **options: Any) -> ServerConfig:
        """The set-up that an environment and options ask for.

        Parameters
        ----------
        environment : mapping of str to str
            ``PLATES``, ``FACES``, ``LOGO``, ``SHAPE``, ``REGIONS``, ``CONFIG``, ``SKIP_REGEXP``, ``CAMERA_ID``,
            ``COPY_METADATA``, ``FACE_MAX_RESOLUTION``, ``SDK_URL``, ``TOKEN``, ``WORKERS``, ``LOGGING``. Empty ones
            count as not set, but for ``LOGO``, which then says that there is none.
        **options
            Fields of this class, and parameters of `BlurSettings`; None is not said.

        Raises
        ------
        SettingsError
            A value that cannot be; it names the variable or option.
        """
        said = {name: value for name, value in options.items() if value is not None}
        own = {f.name: said.pop(f.name) for f in fields(cls) if f.name in said}
        for name, variable, kind in _OWN_VARIABLES:
            if name not in own and environment.get(variable, "").strip():
                own[name] = _parsed(kind, variable, environment[variable].strip())
        known = {name.upper(): name for name in VENDOR}
        params = {name: environment[variable] for variable, name in known.items() if environment.get(variable)}
        params |= said
        if "logo" not in params and environment.get("LOGO") is None:
            # the vendor's server takes the file of this name by itself
            logo = own.get("logos", cls.logos) / DEFAULT_LOGO
            params |= {"logo": f"/logos/{DEFAULT_LOGO}"} if logo.is_file() else {}
        return cls(settings=BlurSettings.of(**params), **own)


def _check(right: bool, name: str, problem: str) -> None:
    if not right:
        raise SettingsError(name, problem)


def _parsed(kind: type, variable: str, text: str) -> Any:
    try:
        return kind(text)
    except ValueError as error:
        raise SettingsError(variable, f"{text[:60]} is not a number") from error


def _level(text: str) -> str:
    return logging.getLevelName(int(text)) if text.isdecimal() else text.upper()


_OWN_VARIABLES: tuple[tuple[str, str, Any], ...] = (
    ("sdk_url", "SDK_URL", str),
    ("snapshot_token", "TOKEN", str),
    ("workers", "WORKERS", int),
    ("log_level", "LOGGING", _level),
)
