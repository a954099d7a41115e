"""Detections of several engines side by side: where they differ, and with labels how good each is.

What one has found and another has not is most worth a person's look: pictures are ranked by it. Two detections are of
one object where they are of one kind and their boxes overlap by half (intersection over union), which is also how they
are matched with labels (`coverage`). Agreement proves nothing: networks miss the same things.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from blur_tools.audit._sample_bounds import percent
from blur_tools.audit._sources import common_root, files_of
from blur_tools.audit.coverage import CoverageReport, score_picture
from blur_tools.audit.exchange import problem_lines, read_labels
from blur_tools.batch.columns import cells_of, find_column, known_column
from blur_tools.detections import KINDS, Box, Detection, Detections
from blur_tools.errors import DetectionsError, SettingsError
from blur_tools.formats.labels import Labels, PictureLabels
from blur_tools.redaction.masks import regions
from blur_tools.settings import DEFAULT_INTENSITY, BlurSettings

__all__ = ["Comparison", "Found", "Group", "compare", "found_in_frame", "found_in_labels", "groups_of", "keyed_cells"]

SAME = 0.5
"""Box IoU from which on two detections are of one object."""

Found = Mapping[str, Detections | None]
"""What one engine found, by picture; None where it gave no answer."""


@dataclass(frozen=True)
class Group:
    """One object as several engines see it: the detection of each that found it, by the engine's name."""

    kind: str
    by: Mapping[str, Detection]

    @property
    def score(self) -> float:
        """The highest score; a detection without one, such as a person's, counts as 1."""
        return max(1.0 if item.score is None else item.score for item in self.by.values())


@dataclass(frozen=True)
class Comparison:
    """What a comparison says.

    Attributes
    ----------
    names : tuple of str
        The engines, in the order in which they were given.
    pictures : DataFrame
        One row a picture, the most disputed first: ``picture``, ``n_NAME`` for each engine, ``objects`` (as any sees
        them), ``disputed`` (that not all found), ``disagreement`` (their share), ``weight`` (sum of their highest
        scores, by which rows are ranked), ``dispute`` (who found what alone, as text).
    pairs : DataFrame
        One row for each pair of engines and kind: ``first``, ``second``, ``kind``, ``both``, ``only_first``,
        ``only_second``, ``agreement`` (2 both / (2 both + only_first + only_second)).
    scores : DataFrame or None
        With labels `CoverageReport.summary` of each engine, its name in ``engine``.
    problems : tuple of str
        Pictures that an engine gave no answer for, or that only some of them or only the labels have.
    """

    names: tuple[str, ...]
    pictures: pd.DataFrame
    pairs: pd.DataFrame
    scores: pd.DataFrame | None
    problems: tuple[str, ...]

    def markdown(self) -> str:
        """The scores as a table in Markdown; without labels the agreement of pairs."""
        if self.scores is None:
            head = ["first", "second", "kind", "both", "only first", "only second", "agreement"]
            rows = [[*row[:6], percent(row[6])] for row in self.pairs.itertuples(index=False, name=None)]
            return _markdown(head, rows)
        head = ["engine", "kind", "objects", "coverage", "hidden", "recall", "precision", "AP50", "over-blur"]
        rows = [
            [row["engine"], row["kind"], row["n"], *(f"{row[name]:.3f}" for name in ("coverage", "hidden", "recall",
             "precision", "ap")), percent(row["over_blur"])]
            for row in self.scores.to_dict("records")
        ]  # fmt: skip
        return _markdown(head, rows)


def found_in_frame(
    frame: pd.DataFrame, column: Any = None, *, pictures: str | os.PathLike[str] | None = None
) -> dict[str, Detections | None]:
    """What a table says is in each picture, by its path relative to `pictures`, or to the folder that all share.

    Raises
    ------
    SettingsError, DetectionsError
        No column of pictures or detections, a cell that cannot be read, or two rows of one picture that differ.
    """
    known_column(frame, "detections", "detections")
    found: dict[str, Detections | None] = {}
    keyed = keyed_cells(frame, column, pictures=pictures)
    for label, (key, _), text in zip(frame.index, keyed, cells_of(frame["detections"]), strict=True):
        if key is None:
            continue
        try:
            items = None if text is None else Detections.from_json(text)
        except DetectionsError as error:
            raise DetectionsError(f"row {label!r}: {error}") from error
        if found.setdefault(key, items) != items:
            raise DetectionsError(f"row {label!r}: another row of this picture has other detections")
    return found


def keyed_cells(
    frame: pd.DataFrame, column: Any = None, *, pictures: str | os.PathLike[str] | None = None
) -> list[tuple[str | None, Any]]:
    """What each row's picture is called in a comparison, None for an empty one, and its cell."""
    cells = cells_of(frame[find_column(frame, column)])
    files = files_of(cells)
    root = common_root(files) if pictures is None else Path(os.path.abspath(pictures))
    keys: list[str | None] = []
    for cell, file in zip(cells, files, strict=True):
        below = file is not None and root is not None and Path(file).is_relative_to(root)
        key = Path(str(file)).relative_to(str(root)).as_posix() if below else str(cell)
        keys.append(None if cell is None else key)
    return list(zip(keys, cells, strict=True))


def found_in_labels(
    path: str | os.PathLike[str],
    *,
    pictures: str | os.PathLike[str] | None = None,
    labels: str | os.PathLike[str] | None = None,
) -> tuple[dict[str, Detections | None], list[str]]:
    """What label files of any format say is in each picture, and what of them could not be used."""
    read = read_labels(path, pictures=pictures, labels=labels)
    return {key: one.objects for key, one in read.pictures.items()}, problem_lines(read.problems)


def compare(
    found: Mapping[str, Found],
    labels: Labels | None = None,
    *,
    settings: BlurSettings | None = None,
    by: Sequence[str] = (),
    told: Iterable[str] = (),
    **params: Any,
) -> Comparison:
    """Compare what several engines found in the same pictures.

    Parameters
    ----------
    found : mapping of str to Found
        Each engine's detections by picture.
    labels : Labels, optional
        What is truly there. Only kinds that are labelled are scored; a picture without an answer scores as one in
        which nothing was found.
    settings, **params
        How the detections would be hidden, for coverage and over-blur; all engines are rendered alike.
    by : sequence of str
        As for `CoverageReport.summary`, such as ``"bucket"``.
    told : iterable of str
        What could not be read of the engines' answers; it begins the problems.

    Raises
    ------
    SettingsError
        Fewer than two engines and no labels, or no picture that they share.
    """
    names = tuple(found)
    if len(names) < (2 if labels is None else 1):
        raise SettingsError("found", "two engines at least are compared, or one with labels")
    wanted = BlurSettings.of(settings, **params).or_default(DEFAULT_INTENSITY)
    keys, problems = _shared(found, labels)
    if not keys:
        raise SettingsError("found", "there is no picture that all of them are of; are paths relative to one folder?")
    rows, pairs = [], {(one, two, kind): [0, 0, 0] for one, two in combinations(names, 2) for kind in KINDS}
    for key in keys:
        groups = groups_of({name: found[name].get(key) or Detections() for name in names})
        rows.append(_picture_row(key, names, groups))
        for (one, two, kind), counts in pairs.items():
            for group in groups:
                if group.kind == kind:
                    counts[0] += one in group.by and two in group.by
                    counts[1] += one in group.by and two not in group.by
                    counts[2] += two in group.by and one not in group.by
    columns = ["picture", *(f"n_{name}" for name in names), "objects", "disputed", "disagreement", "weight", "dispute"]
    pictures = pd.DataFrame(rows, columns=columns).sort_values(
        ["weight", "disputed", "picture"], ascending=[False, False, True], ignore_index=True
    )
    agreed = [
        (one, two, kind, *counts, 2 * counts[0] / (2 * counts[0] + counts[1] + counts[2]) if sum(counts) else math.nan)
        for (one, two, kind), counts in pairs.items()
    ]
    head = ["first", "second", "kind", "both", "only_first", "only_second", "agreement"]
    scores = None if labels is None else _scores(found, keys, labels, wanted, by)
    return Comparison(names, pictures, pd.DataFrame(agreed, columns=head), scores, (*told, *problems))


def groups_of(found: Mapping[str, Iterable[Detection]]) -> list[Group]:
    """Detections of several engines in one picture, put together by object; the surest come first."""
    items = [(name, item) for name, detections in found.items() for item in detections]
    items.sort(key=lambda pair: -(1.0 if pair[1].score is None else pair[1].score))
    groups: list[dict[str, Detection]] = []
    for name, item in items:
        best, place = SAME, -1
        for number, group in enumerate(groups):
            first = next(iter(group.values()))
            if name not in group and first.kind == item.kind and (shared := _iou(first.box, item.box)) >= best:
                best, place = shared, number
        if place >= 0:
            groups[place][name] = item
        else:
            groups.append({name: item})
    return [Group(next(iter(group.values())).kind, group) for group in groups]


def _iou(a: Box, b: Box) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = width * height if width > 0 and height > 0 else 0.0
    total = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)) - shared
    return shared / total if total > 0 else 0.0


def _picture_row(key: str, names: Sequence[str], groups: Sequence[Group]) -> list[Any]:
    disputed = [group for group in groups if len(group.by) < len(names)]
    told: dict[str, dict[str, int]] = {}
    for group in disputed:
        who = " + ".join(name for name in names if name in group.by)
        counts = told.setdefault(who, {})
        counts[group.kind] = counts.get(group.kind, 0) + 1
    said = {
        who: ", ".join(f"{count} {kind}" + ("s" if count > 1 else "") for kind, count in counts.items())
        for who, counts in told.items()
    }
    dispute = "; ".join(f"only {who}: {what}" for who, what in said.items())
    return [
        key,
        *(sum(name in group.by for group in groups) for name in names),
        len(groups),
        len(disputed),
        len(disputed) / len(groups) if groups else 0.0,
        round(sum(group.score for group in disputed), 6),
        dispute,
    ]


def _shared(found: Mapping[str, Found], labels: Labels | None) -> tuple[list[str], list[str]]:
    """Pictures that all engines, and the labels, know, and what is wrong with the others."""
    known: dict[str, Mapping[str, Any]] = {**found} | ({} if labels is None else {"the labels": labels.pictures})
    every = list(dict.fromkeys(key for one in known.values() for key in one))
    keys, problems = [], []
    for key in every:
        lacking = [name for name, one in known.items() if key not in one]
        if lacking:
            problems.append(f"{key}: not compared, not in {', '.join(lacking)}")
            continue
        keys.append(key)
        problems += [
            f"{key}: no answer of {name}, as if nothing was found" for name in found if found[name][key] is None
        ]
    return keys, problems


def _scores(
    found: Mapping[str, Found], keys: Sequence[str], labels: Labels, settings: BlurSettings, by: Sequence[str]
) -> pd.DataFrame:
    """Scores of each engine, all on the same pictures."""
    kinds = {item.kind for one in labels.pictures.values() for item in one.objects}
    pictures = {key: labels.pictures[key] for key in keys}
    tables = []
    for name, one in found.items():
        report = CoverageReport.of(_scored(pictures, one, kinds, settings))
        summary = report.summary(*by)
        summary.insert(0, "engine", name)
        tables.append(summary)
    return pd.concat(tables, ignore_index=True)


def _scored(
    labels: Mapping[str, PictureLabels], found: Found, kinds: set[Any], settings: BlurSettings
) -> Iterator[Any]:
    for key, said in labels.items():
        items = Detections(item for item in found[key] or () if item.kind in kinds)
        yield score_picture(said, items, regions(items, settings, said.size), picture=key)


def _markdown(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    numbers = sum(not isinstance(cell, str) or cell[:1].isdigit() for cell in rows[0]) if rows else 0
    line = "|".join("---:" if place >= len(head) - numbers else "---" for place in range(len(head)))
    body = "".join(f"| {' | '.join(map(str, row))} |\n" for row in rows)
    return f"| {' | '.join(head)} |\n|{line}|\n{body}"
