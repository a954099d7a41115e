"""Which labelled pictures training never sees: the one place of that rule."""

from __future__ import annotations

import hashlib
import re

__all__ = ["kept_out"]

ONE_OF = 8

SAME_SOURCE = re.compile(r"(?P<source>.+?)(#t=\d+|_jpg\.rf\.)")
"""Frames of one film, and copies that a data set holds of one photograph, are told by the start of their names."""


def kept_out(file_name: str) -> bool:
    """Whether a picture of ``train`` is kept out of training, by its name in the labels: about one of eight is."""
    copy = SAME_SOURCE.match(file_name)
    source = copy["source"] if copy else file_name
    return int(hashlib.sha256(source.encode()).hexdigest()[:8], 16) % ONE_OF == 0
