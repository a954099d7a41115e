"""Label formats that are a folder of small files: written as a whole, with what they have no word for beside them."""

from __future__ import annotations

import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from blur_tools.detections import Detection, Detections
from blur_tools.errors import DetectionsError, OutputError, PictureError
from blur_tools.formats._keys import check_key
from blur_tools.formats._writing import write_text
from blur_tools.formats.blur_json import PictureRecord, read_blur_json, write_blur_json
from blur_tools.formats.labels import LONGEST_NAME, PictureLabels, Problem
from blur_tools.sources import SUFFIXES

__all__ = [
    "BESIDE", "LARGEST", "Beside", "SizeOf", "files_below", "one_a_stem", "pictures_by_stem", "restored", "size_of_key",
    "write_folder",
]  # fmt: skip

BESIDE = "exported.blur.json"
"""The file beside the labels that keeps what the format cannot: score, source, keep, exact corners, sizes."""

LARGEST = 64 << 20
"""Bytes of a label file of one picture above which it is not read."""

SizeOf = Callable[[str], tuple[int, int]]
"""Stored size of a picture's file, from its header; raises `PictureError`."""

Beside = Mapping[str, PictureRecord]


def write_folder(
    folder: str | os.PathLike[str],
    part: str,
    files: Mapping[str, str],
    pictures: Mapping[str, PictureLabels],
    more: Mapping[str, str] | None = None,
) -> None:
    """Write one part of a data set's folder, whole or not at all, and `BESIDE` it what the format has no word for.

    Parameters
    ----------
    folder : path
        Of the data set; made if need be, and nothing else in it is touched.
    part : str
        Name of the folder below it that is replaced as a whole.
    files : mapping of str to str
        Text by relative path below the part.
    pictures : mapping of str to PictureLabels
        What `BESIDE` keeps; `Detection.result`, which can hold a plate's text, is not in it.
    more : mapping of str to str, optional
        Files in the folder itself.

    Raises
    ------
    OutputError
        It cannot be written, or the part is there and is not of an earlier export.
    """
    root = Path(folder)
    target, new, old = root / part, root / f".{part}.{os.getpid()}.new", root / f".{part}.{os.getpid()}.old"
    try:
        if not (root / BESIDE).is_file():
            for there in (target, *(root / name for name in more or {})):
                if there.exists() and not (there.is_dir() and not any(there.iterdir())):
                    raise OutputError(f"{there} is there, and no export of ours has written it; choose another folder")
        new.mkdir(parents=True)
        try:
            for name, text in files.items():
                place = new / PurePosixPath(name)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(text.encode())
            # first: labels without it would be taken for somebody else's
            write_blur_json(root / BESIDE, {key: _plain(labels) for key, labels in pictures.items()})
            for name, text in (more or {}).items():
                write_text(root / name, [text])
            if target.exists():
                target.rename(old)
            new.rename(target)
        finally:
            shutil.rmtree(new, ignore_errors=True)
            if old.exists() and not target.exists():
                old.rename(target)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"{root} cannot be written: {error.strerror or error}") from error


def _plain(labels: PictureLabels) -> PictureRecord:
    return PictureRecord(labels.objects.map(lambda item: replace(item, result={})), labels.size)


def read_beside(folder: Path, problems: list[Problem]) -> Beside:
    """What `BESIDE` says; nothing where it is missing, or is broken, which is a problem."""
    path = folder / BESIDE
    if not path.is_file():
        return {}
    try:
        return read_blur_json(path)
    except DetectionsError as error:
        problems.append(Problem("broken file", "", None, f"{error}; scores, sources and keep are not known"))
        return {}


def restored(
    entries: Iterable[tuple[str, Callable[[Detection | None], Detection | None]]],
    beside: PictureRecord | None,
    shadows: Callable[[Detection], Collection[str]],
) -> Detections:
    """What a label file says, with what `BESIDE` knows of each entry that still stands as it was written.

    Parameters
    ----------
    entries : iterable of (str, callable)
        Each entry's text, and what makes a detection of it, given the one that was written so or None; it gives None
        where it cannot be used.
    beside : PictureRecord or None
        What was written beside the file.
    shadows : callable
        The texts that a detection can have been written as; none for one that the format cannot say.
    """
    items = (beside.detections if beside is not None else None) or Detections()
    known: dict[str, list[int]] = defaultdict(list)
    unsaid, used = [], set()
    for number, item in enumerate(items):
        texts = shadows(item)
        for text in texts:
            known[text].append(number)
        unsaid += [] if texts else [item]
    found = []
    for text, make in entries:
        number = next((n for n in known.get(text, ()) if n not in used), -1)
        used.add(number)
        made = make(items[number] if number >= 0 else None)
        found += [] if made is None else [made]
    return Detections([*found, *unsaid])


def one_a_stem(pictures: Mapping[str, PictureLabels]) -> tuple[dict[str, str], dict[str, str]]:
    """Names without ending by key, and the keys left out because another picture has the same one.

    Raises
    ------
    DetectionsError
        A key is no relative path.
    """
    stems: dict[str, str] = {}
    taken: dict[str, str] = {}
    left: dict[str, str] = {}
    for key in pictures:
        try:
            stem = str(PurePosixPath(check_key(key)).with_suffix(""))
        except ValueError as error:
            raise DetectionsError(str(error)) from error
        first = taken.setdefault(stem.casefold(), key)
        if first == key:
            stems[key] = stem
        else:
            left[key] = f"{first} has the same name without its ending, which is all that the format knows"
    return stems, left


def files_below(folder: Path, part: str, ending: str) -> Iterator[tuple[str, Path]]:
    """Label files in a part of a folder, or in the folder itself without one, by path without ending, sorted.

    Raises
    ------
    DetectionsError
        The folder cannot be read.
    """
    root = folder / part if (folder / part).is_dir() else folder
    if not root.is_dir():
        raise DetectionsError(f"{folder}: no such folder")
    found = []
    for where, folders, names in os.walk(root):
        folders.sort()
        found += [Path(where, name) for name in names if name.lower().endswith(ending)]
    for path in sorted(found):
        yield path.relative_to(root).as_posix()[: -len(ending)], path


def pictures_by_stem(folder: Path | None) -> dict[str, list[str]]:
    """Pictures below a folder: their relative paths by path without ending."""
    found: dict[str, list[str]] = defaultdict(list)
    for where, folders, names in os.walk(folder) if folder is not None else ():
        folders.sort()
        for name in sorted(names):
            if name.lower().endswith(SUFFIXES):
                key = Path(where, name).relative_to(folder or "").as_posix()
                found[str(PurePosixPath(key).with_suffix(""))].append(key)
    return found


def key_of(stem: str, pictures: Mapping[str, list[str]], problems: list[Problem]) -> str | None:
    """The picture that a label file without its ending means; None, and a problem, where none or several can be."""
    try:
        check_key(stem)
    except ValueError as error:
        problems.append(Problem("unsafe name", stem[:LONGEST_NAME], None, f"{error}; it is left out"))
        return None
    keys = pictures.get(stem, [])
    if len(keys) == 1:
        return keys[0]
    if not keys:
        problems.append(
            Problem("missing file", stem, None, "there is no picture of this name; its labels are left out")
        )
        return None
    problems.append(Problem("repeated picture", stem, None, f"{', '.join(keys)} have this name; labels left out"))
    return None


def size_of_key(
    key: str, said: tuple[int, int] | None, folder: Path | None, size_of: SizeOf, problems: list[Problem]
) -> tuple[int, int] | None:
    """A picture's size: that of its file, else what the labels say; a problem where they differ or nothing is known."""
    path = None if folder is None else os.path.join(folder, *key.split("/"))
    if path is None or not os.path.isfile(path):
        if said is None or folder is not None:
            where = "there is no picture" if path is None else f"there is no file {path}"
            lost = "" if said is not None else "; without its size its labels are left out"
            problems.append(Problem("missing file", key, None, where + lost))
        return said
    try:
        size = size_of(path)
    except PictureError as error:
        problems.append(Problem("broken file", key, None, f"the picture: {error.reason}"))
        return said
    if said is not None and said != size:
        detail = f"labelled at {said[0]}x{said[1]}, is {size[0]}x{size[1]}; the file counts"
        problems.append(Problem("size differs", key, None, detail))
    return size


def read_small(path: Path, name: str, problems: list[Problem]) -> bytes | None:
    """A label file's bytes; None, and a problem, where it cannot be read."""
    try:
        if path.stat().st_size > LARGEST:
            raise OSError("it is too large")
        return path.read_bytes()
    except OSError as error:
        problems.append(Problem("broken file", name, None, f"{path.name}: {error.strerror or error}"))
        return None


def counted(left: Iterable[str], total: int, what: str) -> str:
    """A note of what of a picture could not be written."""
    names = Counter(left)
    return "; ".join(f"{number} of {total} objects {name}, {what}" for name, number in names.items())
