"""What the numbers in a picture file mean: how its pixels are to be turned, and which colours they are."""

from __future__ import annotations

from blur_tools._boxes import picture_properties
from blur_tools.picture import Picture
from blur_tools.redaction._jpeg_markers import APP0, APP14, SOS, JpegError, segments
from blur_tools.redaction.metadata import colour_chunks, icc_profile

__all__ = ["lost_profile", "other_meaning"]

_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_NOT_SAID = {2: 1}
"""H.273 has a number for "not said", which readers take for BT.709; of transfer functions for that of sRGB."""


def other_meaning(before: Picture, after: Picture) -> list[str]:
    """Why the same numbers show another picture in one file than in the other, for a person; empty if they do not."""
    found = []
    if before.orientation != after.orientation:
        found.append(f"its orientation is {after.orientation}, its original's {before.orientation}")
    depths = [8 if picture.deep is None else 16 for picture in (after, before)]
    if depths[0] != depths[1]:
        found.append(f"it has {depths[0]} bits a channel, its original {depths[1]}")
    found += _profiles(before, after)
    if before.format.name != after.format.name:
        return found
    models = {"JPEG": _jpeg_model, "PNG": _png_colours, "HEIF": _heif_colours, "AVIF": _heif_colours}
    model = models.get(before.format.name)
    if model is not None and model(before) != model(after):
        found.append("it says that its numbers are other colours than its original does")
    return found


def _profiles(before: Picture, after: Picture) -> list[str]:
    old, new = (icc_profile(picture) for picture in (before, after))
    if old is not None and new is None:
        return ["it has not the colour profile of its original"]
    if old != new:
        return ["it has another colour profile than its original"]
    return []


def lost_profile(before: Picture, after: Picture) -> bool:
    """Whether an original has a colour profile that is not copied since it holds more than colours."""
    return bool(before.info.get("icc_profile")) and icc_profile(before) is None and icc_profile(after) is None


def _jpeg_model(picture: Picture) -> object:
    """Which colours the components of a JPEG are, as libjpeg decides (jdapimin.c); None if it cannot be followed."""
    identifiers, jfif, transform = b"", False, None
    data = picture.source.data
    try:
        for segment in segments(data):
            start = segment.start + 4
            if segment.marker == APP0 and data.startswith(b"JFIF\0", start):
                jfif = True
            elif segment.marker == APP14 and data.startswith(b"Adobe", start) and segment.end >= start + 12:
                transform = data[start + 11]
            elif segment.marker in _FRAMES:
                identifiers = data[start + 6 : segment.end : 3]
            elif segment.marker == SOS:
                break
    except JpegError:
        return None
    if len(identifiers) == 3:
        if jfif:
            return "YCbCr"
        if transform is not None:
            return "RGB" if transform == 0 else "YCbCr"
        return "RGB" if identifiers == b"RGB" else "YCbCr"
    if len(identifiers) == 4:  # Adobe's are inverted
        return "YCCK" if transform == 2 else "CMYK", transform is not None
    return len(identifiers)


def _png_colours(picture: Picture) -> object:
    return sorted(colour_chunks(picture.source.data))


def _heif_colours(picture: Picture) -> object:
    """Primaries and transfer function; where there is a profile, it says more."""
    if icc_profile(picture) is not None:
        return None
    for name, content in picture_properties(picture.source.data):
        if name == b"colr" and content[:4] == b"nclx":
            primaries, transfer = (int.from_bytes(content[place : place + 2], "big") for place in (4, 6))
            return (_NOT_SAID.get(primaries, primaries), 13 if transfer == 2 else transfer)
    return (1, 13)
