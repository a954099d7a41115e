"""Everything that can go wrong, as one tree.

::

    BlurError
    ├── SettingsError (ValueError)        a parameter's name or value; `.field`
    ├── DetectionsError (ValueError)      detections that cannot be read: JSON, polygon, kind
    ├── PictureError                      a picture that cannot be read, is refused, or cannot be rendered; `.picture`
    │   └── FetchError                    a URL that did not give its file
    ├── OutputError                       a result that cannot be written where it was asked for
    ├── EngineError                       an engine that cannot work
    │   └── ModelError                    a network's weights are missing or are not the expected file
    ├── ExtraMissingError (ImportError)   an optional part is not installed; `.extra`
    └── NotYetError (NotImplementedError) a verb that this version does not have

Every class passes all its arguments to ``Exception.__init__``, so errors survive pickling between processes.
"""

from __future__ import annotations

__all__ = [
    "BlurError",
    "DetectionsError",
    "EngineError",
    "ExtraMissingError",
    "FetchError",
    "ModelError",
    "NotYetError",
    "OutputError",
    "PictureError",
    "SettingsError",
]


class BlurError(Exception):
    """Base of all errors that this package raises on purpose."""


class SettingsError(BlurError, ValueError):
    """A parameter has an unknown name or a value that is not allowed.

    Parameters
    ----------
    field : str
        The API's name of the parameter.
    problem : str
        What is wrong with it, as a sentence fragment.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(field, problem)
        self.field = field
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}"


class DetectionsError(BlurError, ValueError):
    """Detections that cannot be understood: their JSON, a polygon or a kind."""


class PictureError(BlurError):
    """A picture that cannot be read, is refused, or cannot be rendered.

    Parameters
    ----------
    picture : str
        Which picture: its path, URL or name.
    reason : str
        What is wrong, and where it helps what to do, as a sentence fragment.
    """

    def __init__(self, picture: str, reason: str) -> None:
        super().__init__(picture, reason)
        self.picture = picture
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.picture}: {self.reason}"


class FetchError(PictureError):
    """A URL that did not give its file: refused, unreachable, too large, too slow or an HTTP error."""


class OutputError(BlurError):
    """A result that cannot be written where it was asked for."""


class EngineError(BlurError):
    """An engine that cannot work as it is set up."""


class ModelError(EngineError):
    """The weights of a network are missing or are not the expected file."""


class ExtraMissingError(BlurError, ImportError):
    """An optional part of the package is not installed.

    Parameters
    ----------
    what : str
        What was asked for.
    extra : str
        The extra that brings it.
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(what, extra)
        self.what = what
        self.extra = extra

    def __str__(self) -> str:
        return f"{self.what} needs the extra [{self.extra}]: pip install 'blur-tools[{self.extra}]'"


class NotYetError(BlurError, NotImplementedError):
    """A verb that is planned but that this version does not have."""
