"""The bodies of errors as the API documents them; for services of ours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["INVALID_TOKEN", "throttled"]

INVALID_TOKEN: Mapping[str, Any] = {"detail": "Invalid token.", "status_code": 403}


def throttled(seconds: float) -> dict[str, Any]:
    """The body of a 429 that says when to come again, in whole seconds from 1."""
    whole = max(1, math.ceil(seconds))
    said = f"Request was throttled. Expected available in {whole} second{'s' * (whole > 1)}."
    return {"detail": said, "status_code": 429}
