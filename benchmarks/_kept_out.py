"""Which labelled pictures training never sees: the one place of that rule."""

from __future__ import annotations

import hashlib

ONE_OF = 8


def kept_out(file_name: str) -> bool:
    """Whether a picture of ``train`` is kept out of training, by its name in the labels: about one of eight is."""
    return int(hashlib.sha256(file_name.encode()).hexdigest()[:8], 16) % ONE_OF == 0
