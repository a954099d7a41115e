"""The rule of ``training`` for pictures that it never sees; a benchmark is started without the project's root."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))

from training.kept_out import kept_out

__all__ = ["kept_out"]
