"""What takes long and is asked for by a person: searching, saving and exporting; each with progress and Cancel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from blur_tools.audit._files import FileMark
from blur_tools.audit._items import FINISHED
from blur_tools.audit.session import AuditSession, Decision, Item
from blur_tools.batch.rows import Row, message
from blur_tools.engines import Answer, Engine
from blur_tools.errors import BlurError, PictureError, SettingsError
from blur_tools.napari._desk import Desk
from blur_tools.napari._on_the_way import take_answer
from blur_tools.napari._panel import counted
from blur_tools.napari._pictures import Shown
from blur_tools.napari._window import Window
from blur_tools.settings import BlurSettings

__all__ = ["OPENING", "SEARCHING", "export_session", "save", "save_session", "search", "search_items", "search_rest"]

OPENING, SEARCHING, SAVING, EXPORTING = "Opening", "Searching", "Saving", "Exporting"
"""Titles of jobs. One runs at a time: only a search, or an opening, gives way to the next of its kind."""


def search_items(
    items: Sequence[Item], load: Callable[[Item], Shown], finder: Engine, settings: Callable[[Shown], BlurSettings]
) -> Iterator[tuple[str, Answer | Exception, FileMark | None]]:
    """Search pictures, one after the other.

    Yields
    ------
    (key, Answer or Exception, FileMark or None)
        The file that was searched; the error where the picture itself is at fault, or where the engine failed at this
        one alone.

    Raises
    ------
    EngineError, SettingsError
        The engine cannot work, as it failed at two pictures one after the other, or at the only one; the pictures
        after it are not searched.
    """
    failed = len(items) == 1
    for item in items:
        try:
            answer = finder.detect((shown := load(item)).picture, settings(shown))
        except PictureError as error:
            yield item.key, error, None
        except SettingsError:
            raise
        except Exception as error:
            if failed:
                raise
            failed = True
            yield item.key, error, None
        else:
            failed = len(items) == 1
            yield item.key, answer, shown.file


def search(window: Window, items: Sequence[Item]) -> None:
    """Search pictures of the desk with the chosen engine; marks of a person stay."""
    desk = window.desk
    if desk is None or not items:
        window.say("Every picture is searched already." if desk is not None else "There is no picture.")
        return
    if not window.is_free(SEARCHING):
        return
    try:
        finder, settings = window.engine(), window.asked(desk.stage.image)
    except BlurError as error:
        window.warn(f"nothing is searched for: {error}")
        return
    again = "“Find in the rest” tries again" if desk.stage.owns_image else "Detect tries again"
    found: Counter[str] = Counter()
    fallen: list[str] = []
    failed: dict[str, str] = {}

    def step(result: tuple[str, Answer | Exception, FileMark | None]) -> None:
        key, answer, seen = result
        job.left.discard(key)
        if isinstance(answer, PictureError):
            found["failed"] += 1
            reason = answer.reason
            taken = desk.safely(lambda: desk.session.set_error(key, reason))
        elif isinstance(answer, Exception):
            failed[key] = message(answer)
            return
        else:
            found.update(item.kind for item in answer.detections)
            taken = _take_answer(desk, key, answer, finder.name, seen, fallen)
        if taken is None:  # closed, or the disk is full: the next one would be lost as well
            window.jobs.cancel()

    def end(reason: str) -> None:
        if reason:
            window.warn(f"{reason}. Nothing is lost; {again}.")
            return
        lost = f"; {found['failed']} cannot be read" if found["failed"] else ""
        text = f"Found {counted(found['plate'], 'plate')} and {counted(found['face'], 'face')}{lost}."
        if failed:
            text += f" Not searched: {named(failed)}: {next(iter(failed.values()))}. {again[0].upper()}{again[1:]}."
        if fallen:
            text += f" No longer accepted, as the marks changed: {named(fallen)}."
        (window.warn if failed or fallen else window.say)(text)
        desk.worked_again()

    work = list(items)
    job = window.jobs.start(
        SEARCHING,
        len(work),
        lambda: search_items(work, desk.load, finder, settings),
        step,
        end,
        owner=desk,
        left=[item.key for item in work],
    )


def _take_answer(
    desk: Desk, key: str, answer: Answer, name: str, seen: FileMark | None, fallen: list[str]
) -> Item | None:
    """Give an answer to the session; a decision that falls with it is noted."""
    before = desk.session[key].decision
    taken: Item | None = desk.safely(lambda: take_answer(desk.session, key, answer, name, seen))
    if taken is not None and taken.decision != before:
        fallen.append(key)
    for text in answer.warnings:
        desk.window.say(text)
    return taken


def named(keys: Collection[str]) -> str:
    """The first of some pictures, by name."""
    return ", ".join(list(keys)[:3]) + (" …" if len(keys) > 3 else "")


def search_rest(window: Window) -> None:
    """Search all pictures of the queue that nobody has searched."""
    items = window.desk.session.items if window.desk else ()
    search(window, [item for item in items if not item.detected and not item.error])


def save_session(window: Window, out: Path) -> None:
    """Write the pictures of the desk that are accepted, as `AuditSession.save` does."""
    if window.desk is not None:
        save(window, out, FINISHED)


def save(window: Window, out: Path, only: Collection[Decision], keys: Collection[str] | None = None) -> None:
    """Write pictures of the desk that have one of these decisions, or those of them that are named."""
    desk = window.desk
    if desk is None or not desk.settled() or not window.is_free():
        return
    named_or_all = [item for item in desk.session.items if keys is None or item.key in keys]
    if not any(item.decision in only for item in named_or_all):
        window.warn("Nothing is saved: no picture is accepted yet.")
        return
    counts: Counter[str] = Counter()
    reasons: list[str] = []

    def step(result: tuple[Item, Row]) -> None:
        item, row = result
        counts[row.status if item.decision in only else "others"] += 1
        if row.error is not None and item.decision in only:
            reasons.append(f"{item.key}: {message(row.error)}")

    def end(reason: str) -> None:
        if reason:
            window.warn(f"Nothing more is saved after {counted(counts['ok'], 'picture')}: {reason}")
            return
        left = f"; left out as not accepted: {counts['others']}" if counts["others"] else ""
        text = f"{counts['ok']} of {counted(counts.total() - counts['others'], 'picture')} saved in {out}{left}."
        if reasons:
            window.warn(f"{text} Not saved: {'; '.join(reasons[:3])}{' …' if len(reasons) > 3 else ''}")
        else:
            window.say(text)

    session, settings = desk.session, window.settings
    window.jobs.start(SAVING, len(named_or_all), lambda: session.saving(out, settings, only=only, keys=keys), step, end)


def export_session(window: Window, path: Path, form: str | None = None) -> None:
    """Write all detections of the desk into one file; see `AuditSession.export`."""
    if window.desk is None or not window.desk.settled() or not window.is_free():
        return
    session: AuditSession = window.desk.session
    left: dict[str, str] = {}

    def step(result: tuple[Item, str]) -> None:
        item, reason = result
        if reason:
            left[item.key] = reason

    def end(reason: str) -> None:
        if reason:
            window.warn(f"not exported: {reason}")
            return
        text = f"Exported {counted(len(session) - len(left), 'picture')} to {path}."
        for key, why in list(left.items())[:1]:
            text += f" {len(left)} are not in it; {key}: {why}"
        window.say(text)

    window.jobs.start(EXPORTING, len(session), lambda: session.exporting(path, form), step, end)
