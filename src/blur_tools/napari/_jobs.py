"""What takes long and is asked for by a person: searching, saving and exporting; each with progress and Cancel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from blur_tools.audit.session import AuditSession, Decision, Item
from blur_tools.batch.outputs import Outputs
from blur_tools.batch.rows import Given, Job, Row, message, redact_rows
from blur_tools.engines import Engine
from blur_tools.errors import BlurError, PictureError
from blur_tools.napari._desk import Desk
from blur_tools.napari._panel import counted
from blur_tools.napari._pictures import Shown
from blur_tools.napari._window import Window
from blur_tools.settings import DEFAULT_INTENSITY, BlurSettings

__all__ = ["export_session", "save_items", "save_session", "search", "search_items", "search_rest"]

FINISHED: tuple[Decision, ...] = ("accepted", "edited")
"""Decisions with which a picture of a queue is saved."""


def search_items(
    items: Sequence[Item], load: Callable[[Item], Shown], finder: Engine, settings: Callable[[Shown], BlurSettings]
) -> Iterator[tuple[str, Any, str]]:
    """Search pictures, one after the other.

    Yields
    ------
    (key, Answer or None, reason)
        None where the picture itself is at fault, with the reason why.

    Raises
    ------
    EngineError, SettingsError
        The engine cannot work; the pictures after it are not searched.
    """
    for item in items:
        try:
            answer = finder.detect((shown := load(item)).picture, settings(shown))
        except PictureError as error:
            yield item.key, None, error.reason
        else:
            yield item.key, answer, ""


def save_items(items: Sequence[Item], outputs: Outputs, settings: BlurSettings) -> Iterator[Row]:
    """Write pictures with their marks hidden; one row for each, in order.

    Raises
    ------
    SettingsError
        The logo cannot be used.
    """
    given = [Given(item.source, item.detections.to_json()) for item in items]
    yield from redact_rows(given, outputs, settings.or_default(DEFAULT_INTENSITY), Job(progress=False))


def outputs_for(session: AuditSession, out: Path) -> Outputs:
    """Where results of a session go, as `AuditSession.save` has it; it may be in a folder that is reviewed.

    Raises
    ------
    BlurError
        A result would replace an original, or the folder's journal cannot be written.
    """
    if session.root is not None and out.resolve().is_relative_to(session.root.resolve()):
        # writes no picture; notes that what will be in this folder is none of those to be reviewed
        session.save(out, only=())
    return Outputs(out, [item.source for item in session.items], session.root)


def search(window: Window, items: Sequence[Item]) -> None:
    """Search pictures of the desk with the chosen engine; marks of a person stay."""
    desk = window.desk
    if desk is None or not items:
        window.say("Every picture is searched already." if desk is not None else "There is no picture.")
        return
    try:
        finder, settings = window.engine(), window.asked()
    except BlurError as error:
        window.warn(f"nothing is searched for: {error}")
        return
    found: Counter[str] = Counter()

    def step(result: tuple[str, Any, str]) -> None:
        key, answer, reason = result
        if answer is None:
            found["failed"] += 1
            desk.safely(lambda: desk.session.set_error(key, reason))
        else:
            found.update(item.kind for item in answer.detections)
            found_here, said = answer.detections, answer.warnings
            desk.safely(lambda: desk.session.set_detections(key, found_here, engine=finder.name, warnings=said))
            for text in answer.warnings:
                window.say(text)

    def end(reason: str) -> None:
        if reason:
            window.warn(f"{reason}. Nothing is lost; Detect tries again.")
        else:
            lost = f"; {found['failed']} cannot be read" if found["failed"] else ""
            window.say(f"Found {counted(found['plate'], 'plate')} and {counted(found['face'], 'face')}{lost}.")

    work = list(items)
    window.jobs.start("Searching", len(work), lambda: search_items(work, desk.load, finder, settings), step, end)


def search_rest(window: Window) -> None:
    """Search all pictures of the queue that nobody has searched."""
    items = window.desk.session.items if window.desk else ()
    search(window, [item for item in items if not item.detected and not item.error])


def save_session(window: Window, out: Path, only: Collection[Decision] = FINISHED) -> None:
    """Write the pictures of the desk that have one of these decisions."""
    if window.desk is not None:
        _settle(window.desk)
        items = window.desk.session.items
        save(window, [item for item in items if item.decision in only and not item.error], out, len(items))


def save(window: Window, items: Sequence[Item], out: Path, of: int) -> None:
    """Write pictures of the desk; `of` is how many there are to choose from."""
    desk = window.desk
    if desk is None:
        return
    if not items:
        window.warn("Nothing is saved: no picture is accepted yet.")
        return
    failed: list[str] = []

    def step(row: Row) -> None:
        if row.error is not None:
            failed.append(message(row.error))

    def end(reason: str) -> None:
        if reason:
            window.warn(f"Nothing more is saved: {reason}")
            return
        left = f"; left out as not accepted: {of - len(items)}" if of > len(items) else ""
        text = f"{len(items) - len(failed)} of {counted(len(items), 'picture')} saved in {out}{left}."
        if failed:
            window.warn(f"{text} Not saved: {'; '.join(failed[:3])}{' …' if len(failed) > 3 else ''}")
        else:
            window.say(text)

    settings = window.settings
    try:
        outputs = outputs_for(desk.session, out)
    except BlurError as error:
        window.warn(f"Nothing is saved: {error}")
        return
    window.jobs.start("Saving", len(items), lambda: save_items(items, outputs, settings), step, end)


def export_session(window: Window, path: Path) -> None:
    """Write all detections of the desk as ``.blur.json``, or as COCO where the name ends otherwise."""
    if window.desk is None:
        return
    _settle(window.desk)
    session: AuditSession = window.desk.session
    try:
        left = session.export(path)
    except (BlurError, OSError) as error:
        window.warn(f"not exported: {message(error)}")
    else:
        text = f"Exported {counted(len(session) - len(left), 'picture')} to {path}."
        for key, reason in list(left.items())[:1]:
            text += f" {len(left)} are not in it; {key}: {reason}"
        window.say(text)


def _settle(desk: Desk) -> None:
    desk.stage.marks.settle()
