"""What the two networks see; the package has the same figures where it runs them."""

from __future__ import annotations

__all__ = ["CROP", "STRIDE"]

STRIDE = 8
"""Pixels a side of a cell for which the detector gives one score."""

CROP = (72, 112)
"""Height and width in pixels of what the check sees."""
