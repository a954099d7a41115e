"""From a source to its result: the three functions that everything else calls."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from blur_tools import __version__
from blur_tools.detections import Detection, Detections
from blur_tools.engines import Engine, Renderer, as_engine
from blur_tools.errors import SettingsError
from blur_tools.picture import Picture, load_picture
from blur_tools.redaction.logo import logo_of
from blur_tools.redaction.pixels import redact_picture
from blur_tools.result import BlurResult
from blur_tools.settings import DEFAULT_INTENSITY, BlurSettings

__all__ = ["blur", "detect", "redact"]

logger = logging.getLogger("blur_tools")


def blur(
    source: Any, settings: BlurSettings | None = None, *, engine: str | Engine | None = None, **params: Any
) -> BlurResult:
    """Find plates and faces in one picture and hide them.

    Parameters
    ----------
    source : str, Path, bytes, numpy.ndarray, PIL.Image.Image or mapping
        A path, an http(s) URL, a file's bytes, an array of uint8 in RGB order, an image, or
        ``{"bytes", "path"}``.
    settings : BlurSettings, optional
        What to do.
    engine : str or Engine, optional
        Who finds; see `blur_tools.engine`.
    **params
        Single parameters of `BlurSettings`, over `settings`. ``plates`` and ``faces`` are 10 unless said.

    Returns
    -------
    BlurResult
        With the redacted file in ``data``, unless both intensities are below 1.

    Raises
    ------
    SettingsError
        A bad parameter.
    PictureError
        The picture cannot be read, is refused, or cannot be written.
    EngineError
        The engine cannot work.

    Examples
    --------
    >>> result = blur("street.jpg", faces=10, plates=10)  # doctest: +SKIP
    >>> Path("street-blurred.jpg").write_bytes(result.data)  # doctest: +SKIP
    """
    wanted = BlurSettings.of(settings, **params).or_default(DEFAULT_INTENSITY)
    return blur_source(source, wanted, as_engine(engine))


def detect(
    source: Any, settings: BlurSettings | None = None, *, engine: str | Engine | None = None, **params: Any
) -> Detections:
    """Find plates and faces in one picture; nothing is rendered.

    Parameters and errors are those of `blur`; an intensity of -1 leaves its kind out.

    Returns
    -------
    Detections
        Polygons in pixels of the stored picture.
    """
    wanted = BlurSettings.of(settings, **params)
    finder = as_engine(engine)
    answer = finder.detect(load_picture(source), wanted)
    for warning in answer.warnings:  # a sequence of detections has no place for them
        logger.warning("%s", warning)
    return answer.detections


def redact(
    source: Any, detections: Iterable[Detection], settings: BlurSettings | None = None, **params: Any
) -> BlurResult:
    """Hide what is given, whoever found it; no engine is asked.

    Parameters
    ----------
    source : str, Path, bytes, numpy.ndarray, PIL.Image.Image or mapping
        The picture, as for `blur`.
    detections : Detections or iterable of Detection
        In pixels of the stored picture; those with ``keep`` stay visible.
    settings : BlurSettings, optional
        How to hide. ``plates`` and ``faces`` are 10 unless said.
    **params
        Single parameters, over `settings`.

    Returns
    -------
    BlurResult
        With the redacted file in ``data``, unless both intensities are below 1.

    Raises
    ------
    SettingsError, PictureError
        As for `blur`.
    """
    wanted = BlurSettings.of(settings, **params).or_default(DEFAULT_INTENSITY)
    return redact_loaded(load_picture(source), Detections(detections), wanted)


def blur_source(source: Any, settings: BlurSettings, engine: Engine) -> BlurResult:
    """`blur` with everything said."""
    if settings.render == "server":
        if not isinstance(engine, Renderer):
            raise SettingsError(
                "render", f'"server" needs a remote engine; {engine.name} finds, and this machine renders'
            )
        result = engine.blur(source, settings)
        return replace(result, versions={"blur_tools": __version__, **result.versions})
    logo_of(settings)  # a bad one is said before anybody is asked
    return blur_picture(load_picture(source), settings, engine)


def blur_picture(picture: Picture, settings: BlurSettings, engine: Engine) -> BlurResult:
    """`blur` for a picture that is already loaded, rendered here; its pixels are overwritten."""
    answer = engine.detect(picture, settings)
    return redact_loaded(picture, answer.detections, settings, engine, answer.warnings)


def redact_loaded(
    picture: Picture,
    detections: Detections,
    settings: BlurSettings,
    engine: Engine | None = None,
    warnings: tuple[str, ...] = (),
) -> BlurResult:
    """`redact` for a picture that is already loaded; its pixels are overwritten."""
    if settings.render != "local":
        raise SettingsError("render", "given detections are hidden by this machine; no service is asked")
    if max(settings.intensity("plate"), settings.intensity("face")) < 1:
        return _result(picture, detections, engine, warnings=warnings)
    written = redact_picture(picture, detections, settings)
    return _result(
        picture,
        detections,
        engine,
        data=written.data,
        method=written.method,
        warnings=(*warnings, *written.warnings),
    )


def _result(picture: Picture, detections: Detections, engine: Engine | None, **facts: Any) -> BlurResult:
    return BlurResult(
        detections,
        content_type=picture.format.content_type,
        filename=picture.source.name,
        engine=engine.name if engine else "",
        versions={"blur_tools": __version__, **(engine.versions if engine else {})},
        **facts,
    )
