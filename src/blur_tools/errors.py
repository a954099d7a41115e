"""Everything that can go wrong, as one tree.

::

    BlurError
    ├── SettingsError (ValueError)        a parameter's name or value; `.field`
    ├── DetectionsError (ValueError)      detections that cannot be read: JSON, polygon, kind
    ├── PictureError                      a picture that cannot be read, is refused, or cannot be rendered; `.picture`
    │   └── FetchError                    a URL that did not give its file
    ├── OutputError                       a result that cannot be written where it was asked for
    ├── EngineError                       an engine that cannot work
    │   ├── ModelError                    a network's weights are missing or are not the expected file
    │   ├── PatternTimeoutError (TimeoutError)  a pattern of ``skip_regexp`` takes too long on a plate's text
    │   └── ServiceError                  what a remote service answered instead, or that it did not; `.status`
    │       ├── BadRequestError           400
    │       ├── ForbiddenError            401, 403: a wrong token, or no credits left
    │       ├── TooLargeError             413, or known before sending
    │       ├── ThrottledError            429, after all retries; `.retry_after`
    │       ├── UnavailableError          5xx, after all retries
    │       ├── UnreachableError          no connection, or it broke off
    │       ├── ServiceTimeoutError (TimeoutError)  no answer in time
    │       └── AnswerError               a success that carries an error, or is not the documented answer
    ├── AuditError                        a review that cannot go on as asked: an unknown picture or mark, no area
    │   └── JournalError                  a review's journal: not ours, newer, damaged, open elsewhere; `.line`
    └── ExtraMissingError (ImportError)   an optional part is not installed; `.extra`

Every class passes all its arguments to ``Exception.__init__``, so errors survive pickling between processes.
"""

from __future__ import annotations

__all__ = [
    "AnswerError",
    "AuditError",
    "BadRequestError",
    "BlurError",
    "DetectionsError",
    "EngineError",
    "ExtraMissingError",
    "FetchError",
    "ForbiddenError",
    "JournalError",
    "ModelError",
    "OutputError",
    "PatternTimeoutError",
    "PictureError",
    "ServiceError",
    "ServiceTimeoutError",
    "SettingsError",
    "ThrottledError",
    "TooLargeError",
    "UnavailableError",
    "UnreachableError",
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


class PatternTimeoutError(EngineError, TimeoutError):
    """A pattern of ``skip_regexp`` takes too long on what stands on one plate; on another text it may not.

    Parameters
    ----------
    pattern : str
        Which one.
    """

    def __init__(self, pattern: str) -> None:
        super().__init__(pattern)
        self.pattern = pattern

    def __str__(self) -> str:
        return f"skip_regexp: {self.pattern[:60]!r} takes too long on a plate's text; write it without nested repeats"


class ServiceError(EngineError):
    """A remote service did not do what it was asked; its subclasses say in which way.

    Parameters
    ----------
    picture : str
        Which picture it was asked for, or what else: its path, URL or name.
    reason : str
        What the service said, or what happened, and what to do. Never a token.
    status : int or None
        HTTP status of the answer, None where there was none.
    retry_after : float or None
        Seconds after which the service said that it could be asked again.
    """

    def __init__(self, picture: str, reason: str, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(picture, reason, status, retry_after)
        self.picture = picture
        self.reason = reason
        self.status = status
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.picture}: {self.reason}"


class BadRequestError(ServiceError):
    """400: the service does not take the request; its words say which parameter or that the picture is none."""


class ForbiddenError(ServiceError):
    """401 or 403: the token is wrong or missing, or no credits are left."""


class TooLargeError(ServiceError):
    """413: the upload is over the service's limit, or known to be before it is sent."""


class ThrottledError(ServiceError):
    """429: too many calls, still so after all retries."""


class UnavailableError(ServiceError):
    """5xx: the service failed, still so after all retries."""


class UnreachableError(ServiceError):
    """No connection to the service, or it broke off, still so after all retries."""


class ServiceTimeoutError(ServiceError, TimeoutError):
    """The service did not answer in time. It is not asked again: a call that was counted may be behind it."""


class AnswerError(ServiceError):
    """An answer that says success but carries an error, or is not what the API documents."""


class AuditError(BlurError):
    """A review that cannot do what it was asked: an unknown picture or mark, a shape without an area, it is closed."""


class JournalError(AuditError):
    """The journal of a review cannot be read or written, or not by this process or version.

    Parameters
    ----------
    journal : str
        Its path.
    reason : str
        What is wrong and what to do, as a sentence fragment.
    line : int or None
        Which of its lines is meant, counted from 1; None for the file as a whole.
    """

    def __init__(self, journal: str, reason: str, line: int | None = None) -> None:
        super().__init__(journal, reason, line)
        self.journal = journal
        self.reason = reason
        self.line = line

    def __str__(self) -> str:
        return f"{self.journal}{'' if self.line is None else f', line {self.line}'}: {self.reason}"


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
