"""Find and blur number plates and faces, in the tools that data scientists live in; local by default.

Importing the package gives every DataFrame a ``.blur`` accessor and loads nothing heavy; the rest is loaded when it
is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

import blur_tools.frames.pandas  # noqa: F401  (registers df.blur)
from blur_tools.detections import Detection, Detections
from blur_tools.errors import (
    AnswerError,
    AuditError,
    BadRequestError,
    BlurError,
    DetectionsError,
    EngineError,
    ExtraMissingError,
    FetchError,
    ForbiddenError,
    JournalError,
    ModelError,
    OutputError,
    PatternTimeoutError,
    PictureError,
    ServiceError,
    ServiceTimeoutError,
    SettingsError,
    ThrottledError,
    TooLargeError,
    UnavailableError,
    UnreachableError,
)
from blur_tools.result import BlurResult
from blur_tools.settings import BlurSettings

if TYPE_CHECKING:
    from blur_tools.engines import Engine, engine
    from blur_tools.notebook import preview
    from blur_tools.pipeline import blur, detect, redact
    from blur_tools.redaction.scan import Finding, scan

__all__ = [
    "AnswerError",
    "AuditError",
    "BadRequestError",
    "BlurError",
    "BlurResult",
    "BlurSettings",
    "Detection",
    "Detections",
    "DetectionsError",
    "Engine",
    "EngineError",
    "ExtraMissingError",
    "FetchError",
    "Finding",
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
    "blur",
    "detect",
    "engine",
    "preview",
    "redact",
    "scan",
]

_LAZY = {
    "Engine": "blur_tools.engines",
    "engine": "blur_tools.engines",
    "preview": "blur_tools.notebook",
    "Finding": "blur_tools.redaction.scan",
    "scan": "blur_tools.redaction.scan",
    "blur": "blur_tools.pipeline",
    "detect": "blur_tools.pipeline",
    "redact": "blur_tools.pipeline",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
