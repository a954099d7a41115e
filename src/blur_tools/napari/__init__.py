"""The napari plugin: the panels *Blur* and *Audit*, and `open_audit`, which shows a session in a viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blur_tools.audit.session import AuditSession

__all__ = ["open_audit"]


def open_audit(session: AuditSession, viewer: Any = None) -> Any:
    """Show a session in napari for a person to go through.

    Parameters
    ----------
    session : AuditSession
        What to go through; it stays yours, and its table holds every edit at once.
    viewer : napari.Viewer, optional
        Where; by default the current one, or a new one.

    Returns
    -------
    blur_tools.napari._audit_widget.AuditWidget
        The panel; its ``viewer`` is the window.

    Raises
    ------
    ExtraMissingError
        napari is not installed.
    """
    try:
        import napari
    except ImportError as error:
        from blur_tools.errors import ExtraMissingError

        raise ExtraMissingError("reviewing by a person", "napari") from error
    from blur_tools.napari._audit_widget import audit_panel

    viewer = viewer or napari.current_viewer() or napari.Viewer(title="blur_tools")
    panel = audit_panel(viewer)
    panel.open(session)
    return panel
