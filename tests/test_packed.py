"""What is kept of very many rows: little, and nothing wrong."""

from __future__ import annotations

import os
import random
import tracemalloc
import weakref
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from blur_tools import OutputError
from blur_tools.batch import columns, manifest, names, packed
from blur_tools.batch.columns import Cells, Growing, once, with_rows
from blur_tools.batch.manifest import Made, Manifest, short_hash
from blur_tools.batch.names import Names
from blur_tools.batch.outputs import Outputs
from blur_tools.batch.packed import HashSet, PackedMap, View
from blur_tools.batch.rows import Row
from blur_tools.picture import FORMATS
from blur_tools.sources import Source

MANY = 2500
"""So many rows show what each costs."""


def test_a_map_is_as_a_dict(monkeypatch):
    monkeypatch.setattr(packed, "RECENT", 10)
    chance, plain, small = random.Random(3), {}, PackedMap(3)
    for _ in range(2000):
        new = chance.random() < 0.7 or not plain
        key = chance.randrange(-(1 << 63), 1 << 63) if new else chance.choice(list(plain))
        plain[key] = small[key] = bytes([chance.randrange(256), 0, 0])  # zeros at the end count, too
    assert dict(small.items()) == plain
    assert len(small) == len(plain)
    assert all(small.get(key) == value for key, value in plain.items())
    assert small.get(5) is None
    assert 5 not in small


def test_a_set_knows_its_texts():
    words = HashSet(["a", "b", "a"])
    assert "a" in words
    assert "c" not in words
    assert "a" not in HashSet([])


def test_a_view_makes_what_is_asked_for():
    view = View(["a", "b", "c"], str.upper, np.array([2, 0]))
    assert list(view) == [view[0], view[1]] == view[:2] == ["C", "A"]
    assert len(view) == 2


def bytes_kept(make) -> float:
    """Bytes a row of what `make` returns."""
    make()  # what is loaded once is no row's
    tracemalloc.start()
    try:
        kept = make()
        size = tracemalloc.get_traced_memory()[0]
        del kept
    finally:
        tracemalloc.stop()
    return size / MANY


@pytest.mark.parametrize("kind", [object, "string[pyarrow]"])
def test_of_a_row_little_is_kept(tmp_path, kind):
    frame = pd.DataFrame({"image": [f"/nowhere/{row % 7}/{row:050}.png" for row in range(MANY)]}).astype(kind)

    def planned() -> list[object]:
        sources, places = once(Cells(frame["image"]))
        return [sources, places, Outputs(tmp_path / "out", sources)]

    assert bytes_kept(planned) < 60


def test_of_names_that_a_table_has_little_is_kept(tmp_path):
    paths = [f"/nowhere/{row % 7}/{row:050}.png" for row in range(MANY)]
    known = [f"{row % 7}/{row:050}.png" for row in range(MANY)]
    assert bytes_kept(lambda: Names(paths, Path("/nowhere"), zip(paths, known, strict=True))) < 60


def test_what_is_noted_is_kept_in_the_file(tmp_path):
    noted = Manifest(str(tmp_path / "out"))

    def note() -> Manifest:
        for row in range(MANY):
            noted.note(Path(f"{row}.png"), Made(short_hash(str(row))))
        return noted

    assert bytes_kept(note) < 10
    assert noted.of(Path("7.png")) == Made(short_hash("7"))
    assert bytes_kept(lambda: Manifest(str(tmp_path / "out"))) < 10 + 250 * packed.RECENT / MANY


def test_no_row_is_kept_when_it_is_in_the_table():
    alive: weakref.WeakSet[Row] = weakref.WeakSet()
    most = 0

    def rows():
        nonlocal most
        for number in range(MANY):
            row = Row("ok", blurred=f"{number}.png")
            alive.add(row)
            most = max(most, len(alive))
            yield row
            del row

    table = with_rows(pd.DataFrame(index=range(MANY)), rows())
    assert table["blurred"].tolist() == [f"{number}.png" for number in range(MANY)]
    assert most <= 2


@pytest.mark.parametrize("number", [0, 1, columns.PART, columns.PART + 1])
def test_columns_grow_to_what_was_added(number):
    growing = Growing({"text": columns.text_dtype(), "number": "Int64"})
    for row in range(number):
        growing.add((str(row), None))
    table = growing.table()
    assert table["text"].tolist() == list(map(str, range(number)))
    assert table.dtypes.tolist() == [columns.text_dtype(), pd.Int64Dtype()]
    assert table["number"].isna().all()


@pytest.mark.parametrize("same", [False, True])
def test_cells_of_one_picture_share_a_place(monkeypatch, same):
    """Also where all hashes are the same."""
    if same:
        monkeypatch.setattr(packed, "hash", lambda value: 0, raising=False)
    cells = ["b.png", None, os.path.abspath("b.png"), b"x", {"bytes": b"x", "path": None}, b"x", None, "a.png"]
    sources, places = once(cells)
    assert [sources[place] for place in places] == ["b.png", None, "b.png", b"x", cells[4], b"x", None, "a.png"]
    assert len(sources) == 5


def test_objects_that_a_column_makes_anew_are_never_taken_for_one():
    """What does not last can have the identity of what was there before it."""
    column = pd.Series([[1], [1], [2]], dtype=pd.ArrowDtype(pa.list_(pa.int64())))
    assert once(Cells(column))[1].tolist() == [0, 1, 2]


# names


def test_names_that_are_alike_are_parted_whatever_they_are_called(tmp_path):
    """A name that has a hash already can be another's own."""
    one, two = str(tmp_path / "A.png"), str(tmp_path / "a.png")
    third = names._hashed(two, two)
    planned = Names([third, one, two], tmp_path)
    assert planned.of(one) == "A.png"
    found = [planned.of(path) for path in (one, two, third)]
    assert len({name.casefold() for name in found}) == 3


def test_a_known_name_is_nobody_elses(tmp_path):
    one, two = str(tmp_path / "a.png"), str(tmp_path / "b.png")
    planned = Names([one, two], tmp_path, [(two, "a.png")])
    assert planned.of(two) == planned.earlier(two) == "a.png"
    assert planned.of(one).startswith("a-")
    assert planned.earlier(one) is None
    # also where it is just what follows from its path
    planned = Names([str(tmp_path / "A.png"), one], tmp_path, [(one, "a.png")])
    assert planned.of(one) == "a.png"
    assert planned.of(str(tmp_path / "A.png")).startswith("A-")


def test_names_that_stay_alike_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(names, "_hashed", lambda name, path: "same.png")
    with pytest.raises(OutputError, match=r"would get the name of another's"):
        Names([str(tmp_path / name) for name in ("a.png", "A.png", "b.png", "B.png")], tmp_path)


def test_names_that_differ_in_how_an_accent_is_written_do_not_collide(tmp_path):
    composed, parts = "caf\u00e9.png", "cafe\u0301.png"
    planned = Names([str(tmp_path / composed), str(tmp_path / parts)], tmp_path)
    found = [planned.of(str(tmp_path / name)) for name in (composed, parts)]
    assert found[0] == composed
    assert found[1].startswith("cafe\u0301-")


@pytest.mark.skipif(names.ignores_case(os.getcwd()), reason="case does not count here")
def test_case_counts_for_others_of_the_same_folder_where_it_does(tmp_path):
    """As the partitions of Dask: names that differ in case alone are two where the file system has two."""
    paths = [str(tmp_path / "in" / name) for name in ("a.png", "A.png")]
    outputs = Outputs(tmp_path / "out", paths, tmp_path / "in", alone=False)
    found = [
        outputs.write(path, Source(path.encode(), os.path.basename(path), path), FORMATS["PNG"], path.encode())
        for path in paths
    ]
    assert found == ["out/a.png", "out/A.png"]


def test_a_manifest_whose_line_is_cut_by_a_full_disk_is_known_in_this_run(tmp_path, monkeypatch):
    noted = Manifest(str(tmp_path / "out"))
    monkeypatch.setattr(manifest.os, "write", lambda descriptor, line: 3)
    noted.note(Path("a.png"), Made(short_hash("a")))
    assert noted.of(Path("a.png")) == Made(short_hash("a"))
