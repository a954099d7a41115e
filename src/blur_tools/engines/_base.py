"""What an engine is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from blur_tools.detections import Detections
from blur_tools.picture import Picture
from blur_tools.result import BlurResult
from blur_tools.settings import BlurSettings

__all__ = ["Answer", "Engine", "Renderer"]


@dataclass(frozen=True)
class Answer:
    """What an engine says of one picture.

    Attributes
    ----------
    detections : Detections
        In pixels of the stored picture; those in excluded areas are left out.
    warnings : tuple of str
        What a person should know, such as parameters that were not used.
    """

    detections: Detections
    warnings: tuple[str, ...] = ()


@runtime_checkable
class Engine(Protocol):
    """Finds plates and faces. May be used by several threads at once."""

    @property
    def name(self) -> str:
        """What results call it."""

    @property
    def versions(self) -> Mapping[str, str]:
        """Versions of whatever can change the answer."""

    def detect(self, picture: Picture, settings: BlurSettings) -> Answer:
        """Find what `settings` ask for.

        Raises
        ------
        BlurError
            It cannot.
        """


@runtime_checkable
class Renderer(Engine, Protocol):
    """An engine that can also hide what it finds: for ``render="server"``."""

    def blur(self, source: Any, settings: BlurSettings) -> BlurResult:
        """Find and hide; `source` is what the user gave, `settings` have their intensities.

        Raises
        ------
        BlurError
            It cannot.
        """
