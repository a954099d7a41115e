"""Previews and review in a notebook; without the extra [notebook] each function says what is missing.

Nothing here is loaded before it is called, and ipywidgets and anywidget are needed for the widgets alone.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from blur_tools.errors import ExtraMissingError

if TYPE_CHECKING:
    from blur_tools.audit.session import AuditSession
    from blur_tools.engines import Engine
    from blur_tools.notebook._gallery import Gallery
    from blur_tools.notebook._preview import Preview
    from blur_tools.notebook._review import Review
    from blur_tools.settings import BlurSettings

__all__ = ["gallery", "need_widgets", "open_review", "preview"]


def need_widgets(what: str) -> None:
    """Refuse to begin where the extra is missing.

    Raises
    ------
    ExtraMissingError
        The extra [notebook] is not installed.
    """
    if any(find_spec(name) is None for name in ("ipywidgets", "anywidget", "magicgui")):
        raise ExtraMissingError(what, "notebook")


def preview(
    source_or_result: Any,
    settings: BlurSettings | None = None,
    *,
    original: Any = None,
    engine: str | Engine | None = None,
    **params: Any,
) -> Preview:
    """Show a picture before and after in a notebook, with controls for everything that can be set.

    A slider divides before and after; a click on a plate or face leaves it visible or hides it again; the controls
    render at once, and search again where they ask for something else. The widget's ``settings``, ``detections``,
    ``result`` and ``code`` are what stands; ``save(path)`` writes the result at full size.

    Parameters
    ----------
    source_or_result : source or BlurResult
        The picture, as for `blur_tools.blur`, or what became of one. A result holds no original: its redacted
        picture is shown, unless `original` is given.
    settings : BlurSettings, optional
        What to begin with; ``plates`` and ``faces`` are 10 unless said.
    original : source, optional
        The picture that a result is of.
    engine : str or Engine, optional
        Who finds; see `blur_tools.engine`.
    **params
        Single parameters of `BlurSettings`, over `settings`.

    Returns
    -------
    blur_tools.notebook._preview.Preview
        An ipywidgets widget. A picture that cannot be read has its reason in its place.

    Raises
    ------
    ExtraMissingError
        The extra [notebook] is not installed.
    SettingsError
        A bad parameter, no such engine, or a result without a picture and no `original`.
    """
    need_widgets("blur_tools.preview")
    made: Preview = import_module("blur_tools.notebook._preview").preview(
        source_or_result, settings, original=original, engine=engine, **params
    )
    return made


def gallery(
    session: AuditSession,
    *,
    engine: str | Engine | None = None,
    settings: BlurSettings | None = None,
    per_page: int = 24,
) -> Gallery:
    """The pictures of a session page by page; see ``df.blur.preview``."""
    need_widgets("df.blur.preview")
    made: Gallery = import_module("blur_tools.notebook._gallery").Gallery(
        session, engine=engine, settings=settings, per_page=per_page
    )
    return made


def open_review(session: AuditSession) -> Review:
    """Show a session in the cell that runs, for a person to go through; it stays yours.

    Raises
    ------
    ExtraMissingError
        The extra [notebook] is not installed.
    """
    need_widgets("df.blur.audit")
    made: Review = import_module("blur_tools.notebook._review").open_review(session)
    return made
