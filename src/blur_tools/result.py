"""`BlurResult`: what became of one picture."""

from __future__ import annotations

import base64
import binascii
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from blur_tools.detections import Detections
from blur_tools.errors import DetectionsError, PictureError

__all__ = ["BlurResult"]


@dataclass(frozen=True)
class BlurResult:
    """What became of one picture.

    Attributes
    ----------
    detections : Detections
        What was found, in pixels of the stored picture.
    data : bytes or None
        The redacted file; None when no rendering was asked for.
    content_type : str or None
        MIME type of the picture, None if unknown.
    filename : str
        The picture's name.
    method : str
        How the file was written: ``"jpeg-lossless"`` (only the JPEG blocks that a mask touches are coded anew,
        all others keep every bit), ``"jpeg-transcode"`` (the whole JPEG is coded anew, but from the same
        coefficients outside the blocks that a mask touches), ``"lossless"`` (the format stores pixels exactly),
        ``"reencode-keep"`` (all pixels of a JPEG are coded anew with its own quantisation tables and sampling),
        ``"reencode"`` (lossy), ``"server"`` (a service rendered it); ``""`` when nothing was written. `warnings` says
        why a JPEG was coded anew.
    engine : str
        Who detected; ``""`` when the detections were given.
    versions : mapping of str to str
        Versions of this package and of the models.
    warnings : tuple of str
        What a person should know: parameters that were not used, metadata that could not be copied.
    """

    detections: Detections
    data: bytes | None = None
    content_type: str | None = None
    filename: str = ""
    method: str = ""
    engine: str = ""
    versions: Mapping[str, str] = field(default_factory=dict, hash=False)
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        size = "no picture" if self.data is None else f"{len(self.data):,} bytes of {self.content_type}"
        return f"<BlurResult {self.filename!r}: {self.detections!r}, {size}>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """What a notebook shows: the redacted picture, small; it knows no other."""
        bundle = {"text/plain": repr(self)}
        if self.data is not None:
            from blur_tools.notebook._screen import SIDE, small_jpeg

            with contextlib.suppress(PictureError):  # a service can render in a format that is not read here
                bundle["image/jpeg"] = base64.b64encode(small_jpeg(self.data, SIDE)).decode("ascii")
        return bundle

    def to_api(self) -> dict[str, Any]:
        """The API's exact JSON: ``plates``, ``faces`` and ``blur`` (null without a picture)."""
        blur = None
        if self.data is not None:
            blur = {
                "content_type": self.content_type,
                "filename": self.filename,
                "base64": base64.b64encode(self.data).decode("ascii"),
            }
        return {**self.detections.to_api(), "blur": blur}

    @classmethod
    def from_api(cls, answer: Mapping[str, Any], source: str = "") -> BlurResult:
        """Read the API's answer; `source` says which engine gave it.

        Raises
        ------
        DetectionsError
            The answer has not the documented shape.
        """
        detections = Detections.from_api(answer, source)
        blur = answer.get("blur")
        if blur is None:
            return cls(detections, engine=source)
        try:
            data = base64.b64decode(blur["base64"], validate=True)
            content_type, filename = blur.get("content_type"), blur.get("filename") or ""
        except (KeyError, TypeError, AttributeError, binascii.Error, ValueError) as error:
            raise DetectionsError(f"not an answer of the Blur API: blur: {error!r}") from error
        if not data or not isinstance(content_type, str | None) or not isinstance(filename, str):
            raise DetectionsError("not an answer of the Blur API: blur holds no named picture")
        return cls(detections, data, content_type, filename, engine=source)
