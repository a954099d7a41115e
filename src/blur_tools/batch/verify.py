"""Check written files: nothing left beside the pixels, nothing missed, nothing changed outside the regions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from blur_tools._cores import available_cores
from blur_tools._tiff import tiff_losses_of
from blur_tools.batch.rows import message, storable
from blur_tools.batch.runner import run_ordered, with_progress
from blur_tools.detections import Box, Detection, Detections
from blur_tools.engines import Engine
from blur_tools.errors import ExtraMissingError, ForbiddenError, ModelError, SettingsError
from blur_tools.picture import Picture, load_picture
from blur_tools.redaction._meaning import lost_profile, other_meaning
from blur_tools.redaction._scan_outside import Comparison, compare
from blur_tools.redaction.effects import STRONG
from blur_tools.redaction.masks import Region, regions
from blur_tools.redaction.scan import LEAK, WARNING, Finding, scan_bytes
from blur_tools.settings import DEFAULT_INTENSITY, BlurSettings
from blur_tools.sources import Source, load_source

__all__ = ["COLUMNS", "Subject", "Verdict", "verify_all", "verify_one"]

COLUMNS = ("verdict", "outside", "leaks", "missed", "problems", "doubts")
"""Columns that verifying adds to a table, in their order."""

_EXACT = ("jpeg-lossless", "jpeg-transcode", "lossless")
_LOSSY = ("reencode-keep", "reencode", "server")
_NEVER_LOSSY = ("PNG", "BMP", "TIFF")
_FATAL = (SettingsError, ModelError, ExtraMissingError, ForbiddenError)  # wrong for every file alike
LEAST_PIXELS = 9
"""A region with fewer hides nothing that could be seen."""

_COVERED = 0.5
"""Share of a detection's box that must lie in hidden boxes for it not to count as missed."""


@dataclass(frozen=True)
class Subject:
    """A file to be checked and what is known of how it came to be.

    Attributes
    ----------
    file : anything that `blur` takes
        The redacted file.
    original : the same, optional
        What it was made of.
    detections : str, optional
        What was to be hidden in it, as lossless JSON text.
    method : str, optional
        How it was written, see `BlurResult.method`.
    lacking : str
        Why something that was asked for is not known, or "".
    """

    file: Any
    original: Any = None
    detections: str | None = None
    method: str | None = None
    lacking: str = ""


@dataclass(frozen=True)
class Verdict:
    """What a check of one file says.

    Attributes
    ----------
    verdict : {"ok", "doubtful", "failed", "skipped"}
        ``failed``: a second picture or bytes that can hold one, something to be hidden that is not, or changes where
        the method promises none. ``doubtful``: a person should look. ``skipped``: there was no file.
    outside : str
        What was found of everything outside the regions: ``"blocks identical"`` (coefficients of a JPEG),
        ``"pixels identical"``, ``"changed"``, ``"recoded"`` (changed, as the method says), or ``""`` if not compared.
        Numbers that are the same and mean something else (orientation, colours) are ``"changed"`` too.
    findings : tuple of Finding
        What `scan` found.
    missed : tuple of Detection
        Detected in the file where nothing was to be hidden. An engine errs both ways: this alone never fails a file.
    problems, doubts : tuple of str
        Why it failed; what to look at.
    """

    verdict: Literal["ok", "doubtful", "failed", "skipped"]
    outside: str = ""
    findings: tuple[Finding, ...] = ()
    missed: tuple[Detection, ...] = ()
    problems: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    def to_columns(self) -> dict[str, Any]:
        """Plain values for the table."""
        skipped = self.verdict == "skipped"
        return {
            "verdict": self.verdict,
            "outside": self.outside or None,
            "leaks": None if skipped else sum(finding.severity == LEAK for finding in self.findings),
            "missed": None if skipped else len(self.missed),
            "problems": storable("; ".join(self.problems)) or None,
            "doubts": storable("; ".join(self.doubts)) or None,
        }

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON can say it."""
        return {
            "verdict": self.verdict,
            "outside": self.outside,
            "problems": [storable(text) for text in self.problems],
            "doubts": [storable(text) for text in self.doubts],
            "findings": [asdict(finding) for finding in self.findings],
            "missed": [
                {"kind": item.kind, "polygon": [list(point) for point in item.polygon], "score": item.score}
                for item in self.missed
            ],
        }


def verify_all(
    subjects: Sequence[Subject | None],
    settings: BlurSettings,
    engine: Engine | None,
    *,
    strict: bool = False,
    workers: int | None = None,
    progress: bool = False,
) -> Iterator[Verdict]:
    """The verdicts of many files, in order; None among them is a row without a file.

    Parameters are those of `verify_one`, and threads and a bar as for a run.
    """

    def work(subject: Subject | None) -> Verdict:
        return Verdict("skipped") if subject is None else verify_one(subject, settings, engine, strict=strict)

    def status_of(verdict: Verdict) -> str:
        return verdict.verdict if verdict.verdict in ("failed", "skipped") else "ok"

    verdicts = run_ordered(work, subjects, workers or available_cores())
    yield from with_progress(verdicts, len(subjects), status_of, progress)


def verify_one(subject: Subject, settings: BlurSettings, engine: Engine | None, *, strict: bool = False) -> Verdict:
    """Check one file.

    Parameters
    ----------
    subject : Subject
        The file.
    settings : BlurSettings
        As the file was made: intensities, shape, margin and feather say where the regions are; thresholds and the
        rest are the engine's.
    engine : Engine or None
        Looks for what was missed; None leaves that out.
    strict : bool
        Doubts fail a file, too.

    Raises
    ------
    SettingsError, ModelError
        What is wrong for every file alike; anything else is a problem of its file.
    """
    check = _Check(subject, settings.or_default(DEFAULT_INTENSITY))
    try:
        check.run(engine)
    except _FATAL:
        raise
    except Exception as error:
        check.problems.append(message(error))
    if strict:
        check.problems, check.doubts = [*check.problems, *check.doubts], []
    verdict: Literal["ok", "doubtful", "failed"] = "failed" if check.problems else "doubtful" if check.doubts else "ok"
    return Verdict(
        verdict, check.outside, tuple(check.findings), tuple(check.missed), tuple(check.problems), tuple(check.doubts)
    )


class _Check:
    """One file on its way to a verdict."""

    def __init__(self, subject: Subject, settings: BlurSettings) -> None:
        self.subject, self.settings = subject, settings
        self.problems: list[str] = []
        self.doubts: list[str] = []
        self.findings: list[Finding] = []
        self.missed: list[Detection] = []
        self.outside = ""
        self.lossy = False

    def run(self, engine: Engine | None) -> None:
        source = load_source(self.subject.file)
        self._scan(source)
        if self.subject.lacking:
            self.problems.append(self.subject.lacking)
        picture = load_picture(source)
        hidden = None if self.subject.detections is None else Detections.from_json(self.subject.detections)
        if self.subject.original is not None:
            self._compare(picture, load_picture(self.subject.original), hidden)
        if engine is not None:
            self._detect(picture, hidden, engine)

    def _scan(self, source: Source) -> None:
        self.findings = scan_bytes(source.data, source.origin)
        for finding in self.findings:
            if finding.severity == LEAK:
                self.problems.append(f"{finding.where}: {finding.what}")
            elif finding.severity == WARNING:
                self.doubts.append(f"{finding.where}: {finding.what}")

    def _compare(self, after: Picture, before: Picture, found: Detections | None) -> None:
        if before.size != after.size:
            self.problems.append(f"it has {after.size[0]} x {after.size[1]} pixels, its original {before.size[0]} x "
                                 f"{before.size[1]}")  # fmt: skip
            return
        if found is None:
            self.doubts.append("what was to be hidden is not known, so all of it was compared with its original")
        losses = tiff_losses_of(before.source.data)
        self.lossy = self.subject.method in _LOSSY and self._can_be_lossy(before, after, losses)
        hidden = regions(found or (), self.settings, before.size)
        self._reach([item for item in found or () if not item.keep], hidden)
        compared = compare(before, after, hidden, self.settings)
        if hidden and not compared.bare and before.source.data == after.source.data:
            self.problems.append("it is its original, byte for byte: nothing is hidden, or it was compared with itself")
        self.outside = self._outside(compared, known=found is not None)
        if meaning := other_meaning(before, after):
            (self.doubts if self.lossy else self.problems).extend(meaning)
            # the same numbers, and they show something else
            self.outside = "recoded" if self.lossy else "changed"
        if losses:
            # both were read with the same loss
            self.doubts.extend(losses)
            self.outside = "recoded" if compared.same else self.outside
        if lost_profile(before, after):
            self.doubts.append("the colour profile of its original, which holds more than colours, is not there")
            self.outside = "changed"
        for number, (left, top, right, bottom) in compared.bare:
            self.problems.append(f"nothing is hidden at ({left}, {top}) to ({right}, {bottom}): {hidden[number].kind}")
        self._strength(hidden, compared)

    def _strength(self, hidden: Sequence[Region], compared: Comparison) -> None:
        """What is hidden, and can be read all the same; a server's effects are its own."""
        if self.subject.method == "server":
            return
        for kind in dict.fromkeys(region.kind for region in hidden):
            intensity = self.settings.intensity(kind)
            covered = self.settings.effect == "fill" or (kind == "plate" and self.settings.logo)
            if intensity < STRONG and not covered:
                self.doubts.append(f"a {kind} is hidden by intensity {intensity}: below {STRONG} it is only cosmetic")
        for number, intensity in compared.weaker:
            region = hidden[number]
            left, top, right, bottom = region.box
            self.doubts.append(f"the {region.kind} at ({left}, {top}) to ({right}, {bottom}) looks as intensity "
                               f"{intensity} hides it, not {self.settings.intensity(region.kind)}")  # fmt: skip

    def _can_be_lossy(self, before: Picture, after: Picture, losses: tuple[str, ...]) -> bool:
        """Whether the method can be true: a file of these formats is never coded anew with a loss."""
        kept = before.format.name == after.format.name and before.format.name in _NEVER_LOSSY
        return not kept or bool(losses) or self.subject.method == "server"

    def _reach(self, wanted: Sequence[Detection], hidden: Sequence[Region]) -> None:
        """What the table wants hidden and the settings, or its own coordinates, do not hide."""
        for kind in {item.kind for item in wanted if self.settings.intensity(item.kind) == 0}:
            self.doubts.append(f"the table has a {kind}, and an intensity of 1 or more is not said for it")
        count = sum(self.settings.intensity(item.kind) >= 1 for item in wanted)
        small = sum(region.mask.width * region.mask.height < LEAST_PIXELS for region in hidden)
        if len(hidden) - small < count:
            self.problems.append("a detection of the table hides nothing: it lies outside the picture, or is no larger "
                                 "than a few pixels; coordinates are pixels of the stored picture")  # fmt: skip

    def _outside(self, compared: Comparison, known: bool) -> str:
        if compared.same:
            return f"{compared.basis} identical"
        how = f"{compared.changed:,} {'MCUs' if compared.basis == 'blocks' else 'pixels'} outside the regions differ"
        how += f" by up to {compared.largest}" if compared.basis == "pixels" else ""
        method = self.subject.method
        if self.lossy:
            self.doubts.append(f"{how}, as {method!r} says")
            return "recoded"
        if not known:
            self.doubts.append(how)
        elif method in _EXACT:
            self.problems.append(f"{how}, where {method!r} promises none; were margin, shape or feather other ones?")
        else:
            self.problems.append(f"{how}; it was coded anew, or margin, shape or feather were other ones")
        return "changed"

    def _detect(self, picture: Picture, hidden: Detections | None, engine: Engine) -> None:
        # only objects of a kind that was to be hidden can be missed
        plates, faces = (0 if self.settings.intensity(kind) >= 1 else -1 for kind in ("plate", "face"))
        answer = engine.detect(picture, replace(self.settings, plates=plates, faces=faces, logo=None))
        boxes: list[Box] = [region.box for region in regions(hidden or (), self.settings, picture.size)]
        boxes += [item.box for item in hidden or () if item.keep]
        self.missed = [item for item in answer.detections if not item.keep and _share(item, boxes) < _COVERED]
        place = "" if hidden is not None else "; what was hidden is not known, it can be one of these"
        for item in self.missed:
            left, top, right, bottom = (round(value) for value in item.box)
            score = "" if item.score is None else f" (score {item.score:.2f})"
            self.doubts.append(f"a {item.kind}{score} is seen at ({left}, {top}) to ({right}, {bottom}){place}")


def _share(item: Detection, boxes: Sequence[Box]) -> float:
    """The largest share of a detection's box that lies in one of `boxes`."""
    left, top, right, bottom = item.box
    area = (right - left) * (bottom - top)
    if area <= 0:
        return 1.0
    shares = [
        max(0.0, min(right, box[2]) - max(left, box[0])) * max(0.0, min(bottom, box[3]) - max(top, box[1])) / area
        for box in boxes
    ]
    return max(shares, default=0.0)
