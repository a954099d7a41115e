"""What a run need not do again: an engine's answers and finished results, by content.

An answer is found again by the picture's bytes, the engine and its models, and the settings that change what is
found. A result is found again by all that and the settings of the hiding; it counts only while its file is as it was
written. So a repeated picture asks nobody, another effect asks nobody, and a run that goes on where another was ended
does not even decode what is done.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any

from blur_tools import __version__
from blur_tools._frozen import thawed
from blur_tools._parameters import logo_bytes, on_server
from blur_tools.batch.store import Store, key_of
from blur_tools.detections import Detections
from blur_tools.engines import Answer, Engine
from blur_tools.errors import DetectionsError, SettingsError
from blur_tools.picture import FORMATS, Picture
from blur_tools.settings import BlurSettings
from blur_tools.sources import Source

__all__ = ["Answers", "Done", "Written", "settings_key"]

logger = logging.getLogger("blur_tools")


@dataclass(frozen=True)
class Written:
    """A file that a run has written; its name is not kept.

    Attributes
    ----------
    format : str
        Of `blur_tools.picture.FORMATS`.
    sha256 : str
        Of its bytes.
    """

    format: str
    sha256: str


@dataclass(frozen=True)
class Done:
    """All that a table says of a picture that was done."""

    answer: Answer
    method: str
    written: Written | None


class Answers:
    """An engine, asked only for what the store does not know.

    Parameters
    ----------
    store : Store or None
        Without one every picture is asked for.
    engine : Engine
        Who is asked. What its answers depend on are its ``identity`` if it has one (a mapping that JSON can say), else
        its class, ``name`` and ``versions``. Of an engine that says neither nothing is kept: tomorrow it could be
        another one of the same name, and what it does not find is not hidden.
    settings : BlurSettings
        With ``plates`` and ``faces`` said.

    Raises
    ------
    SettingsError
        The engine's identity is not what JSON can say, or the logo cannot be read.
    """

    def __init__(self, store: Store | None, engine: Engine, settings: BlurSettings) -> None:
        who = _identity(engine)
        if who is None and store is not None:
            logger.warning("%s says no versions, so what it finds is not kept for the next run", engine.name)
        self._store = None if who is None else store
        self._engine, self._settings = engine, settings
        if self._store is None:
            return
        try:
            self._answer_part = key_of("answer", who, _said(settings.for_detection()))
            self._result_part = key_of("result", who, _said(settings), __version__)
        except (TypeError, ValueError) as error:
            reason = f"{engine.name}: its identity or versions are not what JSON can say; resume=False does without"
            raise SettingsError("engine", reason) from error

    def turn(self, source: Source) -> AbstractContextManager[None]:
        """One after another for pictures of the same content: the second finds what was done for the first."""
        return nullcontext() if self._store is None else self._store.turn(source.digest)

    def of(self, picture: Picture) -> Answer:
        """What is found in a picture: from the store, else by the engine.

        Raises
        ------
        BlurError
            As the engine does.
        """
        answer = self.known(picture.source)
        if answer is None:
            answer = self._engine.detect(picture, self._settings)
            if self._store is not None:
                self._put(self._answer_part, picture.source, answer)
        return answer

    def known(self, source: Source) -> Answer | None:
        """The stored answer for a picture, if there is one."""
        value = self._get(self._answer_part, source) if self._store else None
        return None if value is None else _answer(value)

    def done(self, source: Source) -> Done | None:
        """What was done with a picture by a run with the same settings, if that is known."""
        value = self._get(self._result_part, source) if self._store else None
        answer = None if value is None else _answer(value)
        if value is None or answer is None:
            return None
        try:
            written = None if value["written"] is None else Written(**value["written"])
            if not isinstance(value["method"], str) or (written is not None and written.format not in FORMATS):
                return None
            return Done(answer, value["method"], written)
        except (KeyError, TypeError):
            return None

    def keep_done(self, source: Source, done: Done) -> None:
        """Store what was done."""
        if self._store is not None:
            written = None if done.written is None else asdict(done.written)
            self._put(self._result_part, source, done.answer, method=done.method, written=written)

    def _get(self, part: str, source: Source) -> dict[str, Any] | None:
        assert self._store is not None
        value = self._store.get(key_of(part, source.digest))
        if value is None:
            return None
        # not in the key: a service may tell them at one time and not at another
        now, then = dict(self._versions()), value.get("versions")
        return None if now and then and now != then else value

    def _put(self, part: str, source: Source, answer: Answer, **more: Any) -> None:
        assert self._store is not None
        value = {
            "engine": self._engine.name,
            "versions": dict(self._versions()),
            "detections": answer.detections.to_json(),
            "warnings": list(answer.warnings),
            **more,
        }
        self._store.put(key_of(part, source.digest), value)

    def _versions(self) -> Mapping[str, str]:
        learn = getattr(self._engine, "learn_versions", None)
        if callable(learn):
            learn()
        return self._engine.versions


def settings_key(settings: BlurSettings) -> str:
    """A key of everything that is asked for, whoever finds it: two results of a picture with one key hide the same.

    Raises
    ------
    SettingsError
        The logo cannot be read.
    """
    return key_of("settings", _said(settings), __version__)


def _identity(engine: Engine) -> Any:
    said = getattr(engine, "identity", None)
    if said is not None:
        return dict(said)
    kind = type(engine)
    if not engine.versions:
        return None
    return [kind.__module__, kind.__qualname__, engine.name, dict(engine.versions)]


def _said(settings: BlurSettings) -> dict[str, Any]:
    """Settings as JSON; a logo by its content, which can change under its name."""
    said = settings.to_dict()
    logo = settings.logo
    if logo and not (isinstance(logo, str) and on_server(logo)):
        said["logo"] = hashlib.sha256(logo_bytes(logo)).hexdigest()
    return thawed(said)


def _answer(value: Mapping[str, Any]) -> Answer | None:
    try:
        warnings = value["warnings"]
        if not isinstance(warnings, list) or not all(isinstance(text, str) for text in warnings):
            return None
        return Answer(Detections.from_json(value["detections"]), tuple(warnings))
    except (KeyError, DetectionsError):
        return None
