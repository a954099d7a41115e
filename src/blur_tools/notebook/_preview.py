"""`preview`: one picture before and after, with settings to play with."""

from __future__ import annotations

import os
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets

from blur_tools.audit.session import AuditSession
from blur_tools.batch.outputs import local_path, write_atomic
from blur_tools.detections import Detection, Detections
from blur_tools.engines import Engine
from blur_tools.errors import BlurError, OutputError, SettingsError
from blur_tools.notebook._desk import Desk, close_parts
from blur_tools.notebook._edits import counted
from blur_tools.notebook._engines import EngineChoice, shown_address
from blur_tools.notebook._form import SettingsForm
from blur_tools.notebook._still import Answered
from blur_tools.notebook._view import BOX
from blur_tools.picture import FORMATS
from blur_tools.pipeline import redact
from blur_tools.result import BlurResult
from blur_tools.settings import DEFAULT_INTENSITY, BlurSettings

__all__ = ["Preview", "preview"]

ACTIONS = ("add_plate", "add_face", "next_mark", "delete", "undo", "redo", "toggle_marks", "toggle_labels")
QUEUE_ACTIONS = ("previous", "next", *ACTIONS)


class Preview(ipywidgets.VBox):
    """One picture before and after.

    What goes to the browser of the original is small, and only while the kernel runs: a notebook that is saved has
    none of it. Where no kernel runs, the redacted picture is shown, with everything hidden that was found or marked.

    Parameters
    ----------
    session : AuditSession
        The picture is the one under its cursor; edits are the session's.
    source : object
        What the line of code names.
    engine, settings
        Who finds, and what is done.
    search : bool
        Whether the picture is searched, at the start and where the settings ask for something else.
    made : BlurResult, optional
        What became of the picture elsewhere.
    alone : bool
        The picture is that of `made`, a redacted one: it is shown alone, and there is nothing to set.

    Attributes
    ----------
    view : View
        The picture in the browser.
    form : SettingsForm
    engines : EngineChoice
    """

    def __init__(
        self,
        session: AuditSession,
        source: Any = None,
        *,
        engine: str | Engine | None = None,
        settings: BlurSettings | None = None,
        search: bool = True,
        made: BlurResult | None = None,
        alone: bool = False,
    ) -> None:
        self.session = session
        self._source, self._made = source, made if alone else None
        self._named: str | None = None
        self._written: set[str] = set()
        # first, since it can fail, and then no widget is left behind
        self.engines = EngineChoice(engine, self._on_engine)
        self.form = SettingsForm((settings or BlurSettings()).or_default(DEFAULT_INTENSITY), self._on_settings)
        many = len(session) > 1
        self.desk = Desk(
            session,
            self.engines.engine,
            self.form.settings(),
            actions=("toggle_marks", "toggle_labels") if alone else QUEUE_ACTIONS if many else ACTIONS,
            auto=search,
            clicks="toggle",
            split=50.0,
            compares=not alone,
            result=made,
            changed=self._show_state,
        )
        self.view = self.desk.view
        wide, style = ipywidgets.Layout(width="auto", flex="1 1 240px", min_width="0"), {"description_width": "5em"}
        self.path = ipywidgets.Text(description="save as", continuous_update=True, style=style, layout=wide)
        self.save_button = ipywidgets.Button(
            description="Save", tooltip="Write the redacted picture; no file is replaced", layout={"width": "auto"}
        )
        self.save_button.on_click(lambda _: self._on_save())
        self.search_button = ipywidgets.Button(
            description="Search",
            tooltip="Ask the engine; its answer replaces what engines found before, and what you changed stays",
            layout={"width": "auto"},
        )
        self.search_button.on_click(lambda _: self.desk.search())
        self.line = ipywidgets.HTML()
        saving = ipywidgets.HBox([self.path, self.save_button], layout={"flex_flow": "row wrap"})
        form = ipywidgets.VBox(
            [self.engines, self.search_button, self.form], layout={"flex": "1 1 270px", "max_width": "380px"}
        )
        left = ipywidgets.VBox([self.view, saving, self.line], layout={"flex": "3 1 420px", "min_width": "0"})
        parts = [left] if alone else [left, form]
        super().__init__(
            [ipywidgets.HBox(parts, layout={"flex_flow": "row wrap", "width": "100%", "grid_gap": "0 14px"})]
        )
        self.add_class(BOX)
        self.show(wait=True)

    # -- what a program asks for -----------------------------------------------------------------------------------

    @property
    def settings(self) -> BlurSettings:
        """The settings that were last right."""
        return self.desk.settings

    @property
    def detections(self) -> Detections:
        """What is marked, with what a person changed, in pixels of the stored picture."""
        item = self.session.current
        return Detections() if item is None else item.detections

    @property
    def result(self) -> BlurResult:
        """The picture at full size as it is set here.

        Raises
        ------
        PictureError, SettingsError
            As for `blur_tools.redact`.
        """
        item = self.session.current
        if self._made is not None:
            return self._made
        if item is None or not (item.detected or item.marks):
            raise SettingsError("source", "nothing has searched this picture yet, so there is no result")
        made = redact(item.source, item.detections, replace(self.settings, render="local"))
        return replace(made, engine=next((mark.detection.source for mark in item.marks), ""))

    @property
    def code(self) -> str:
        """The line that makes the same result."""
        item, settings = self.session.current, self.settings
        usual = {"plates": DEFAULT_INTENSITY, "faces": DEFAULT_INTENSITY}
        told = {name: value for name, value in settings.to_dict().items() if usual.get(name) != value}
        params = [f"{name}={_literal(name, value)}" for name, value in told.items()]
        source = _source_code(self._source if item is None or self._source is not None else item.source)
        seen = item is not None and (item.detected or bool(item.marks))
        if item is not None and seen and not _same(item.detections, self.desk.answers.get(item.key)):
            marks = "".join(f"    {_mark_code(one)},\n" for one in self.detections)
            return f"found = [\n{marks}]\n{_call('redact', [source, 'found', *params])}"
        return _call("blur", [source, *params, *filter(None, [self.engines.code])])

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the result.

        Parameters
        ----------
        path : path
            Must not exist, unless this preview wrote it, and end as the picture's format does.

        Raises
        ------
        OutputError
            It is there already, or cannot be written.
        PictureError, SettingsError
            As for `result`.
        """
        target, made = Path(path), self.result
        endings = next((f.suffixes for f in FORMATS.values() if f.content_type == made.content_type), ())
        if made.data is None:
            raise OutputError("nothing is hidden with these settings, so there is no result to save")
        if target.suffix.lower() not in endings:
            raise OutputError(f"{target}: the result is {made.content_type}; let its name end in {endings[0]}")
        if os.path.realpath(target) not in self._written and os.path.lexists(target):
            raise OutputError(f"{target} is there already, and no file is replaced; choose another name")
        write_atomic(target, made.data)
        self._written.add(os.path.realpath(target))
        return target

    def show(self, *, wait: bool = False) -> None:
        """Show the picture under the session's cursor."""
        self.desk.show(wait=wait)

    def close(self) -> None:
        """Take the widgets away, and let go of the picture; the session stays open."""
        close_parts(self)
        super().close()

    # -- what happens ------------------------------------------------------------------------------------------------

    def _on_settings(self) -> None:
        settings = self.form.check()
        if settings is not None:
            self.desk.redraw(settings)
            self._show_state()

    def _on_engine(self) -> None:
        self.desk.ask_again()
        self._show_state()

    def _on_save(self) -> None:
        try:
            self.desk.say(f"Saved as {self.save(self.path.value.strip())}.")
        except BlurError as error:
            self.desk.say(f"Not saved: {error}")

    def _show_state(self) -> None:
        item = self.session.current
        if not hasattr(self, "line") or item is None:
            return
        if item.key != self._named:
            self._named, self.path.value = item.key, _proposed(item.key, item.source)
        if self._made is not None:
            return
        # line-height and font are Jupyter's, so that both themes fit
        self.line.value = (
            '<pre aria-label="Code for this result" style="margin:4px 0;overflow-x:auto;'
            f'line-height:1.4;font-family:var(--jp-code-font-family,monospace)">{escape(self.code)}</pre>'
        )

    def __repr__(self) -> str:
        item = self.session.current
        if item is None or item.error:
            return f"<Preview of {'nothing' if item is None else f'{item.key}: {item.error}'}>"
        found = self.detections
        return f"<Preview of {item.key}: {counted(len(found.plates), 'plate')}, {counted(len(found.faces), 'face')}>"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = dict(super()._repr_mimebundle_(**kwargs) or {})
        self.desk.display()
        # no picture here: an output stays as it was, whatever a person marks later; the widget's state follows
        self.desk.keep_still()
        bundle["text/plain"] = repr(self)
        return bundle


def preview(
    source_or_result: Any,
    settings: BlurSettings | None = None,
    *,
    original: Any = None,
    engine: str | Engine | None = None,
    **params: Any,
) -> Preview:
    """Show a picture before and after; see `blur_tools.preview`."""
    wanted = BlurSettings.of(settings, **params)
    if not isinstance(source_or_result, BlurResult):
        session = AuditSession.open([source_or_result])
        return Preview(session, source_or_result, engine=engine, settings=wanted)
    if original is not None:
        session = AuditSession.open([original])
        source, made_by = original, source_or_result.engine
    elif source_or_result.data is not None:
        # all that is left of the picture: what was hidden stays hidden
        source = {"bytes": source_or_result.data, "path": source_or_result.filename or "picture"}
        session, made_by = AuditSession.open([source]), source_or_result.engine
    else:
        raise SettingsError("original", "this result holds no picture; say which it is of: preview(result, original=…)")
    session.set_detections(session[0].key, source_or_result.detections, engine=made_by)
    alone = original is None
    return Preview(session, source, engine=engine, settings=wanted, search=False, made=source_or_result, alone=alone)


def _same(marks: Detections, answer: Answered | None) -> bool:
    """Whether what is marked is what an engine said here."""
    return answer is not None and {(m.kind, m.polygon, m.keep) for m in marks} == {
        (m.kind, m.polygon, m.keep) for m in answer.found
    }


def _proposed(key: str, source: Any) -> str:
    name = Path(key.rsplit("/", 1)[-1])
    kept = local_path(source) is not None
    return f"{name.stem}-blurred{name.suffix if kept or name.suffix else '.png'}"


def _call(name: str, arguments: list[str]) -> str:
    return f"blur_tools.{name}({', '.join(arguments)})"


def _source_code(source: Any) -> str:
    if isinstance(source, str | os.PathLike):
        return repr(shown_address(os.fsdecode(source)))
    return "picture"


def _literal(name: str, value: Any) -> str:
    return "logo" if name == "logo" and isinstance(value, bytes) else repr(value)


def _mark_code(one: Detection) -> str:
    """A mark without its text, which no notebook should keep."""
    points = ", ".join(f"({x:g}, {y:g})" for x, y in ((round(x, 1), round(y, 1)) for x, y in one.polygon))
    return f"blur_tools.Detection({one.kind!r}, [{points}]{', keep=True' if one.keep else ''})"
