"""What a run does to results that are there already: its own are replaced or removed, nobody else's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from blur_tools import (
    Detection,
    Detections,
    EngineError,
    ForbiddenError,
    OutputError,
    SettingsError,
    UnreachableError,
)
from blur_tools.batch import manifest, names, outputs
from blur_tools.batch.manifest import LINE, Made, Manifest, short_hash
from blur_tools.batch.outputs import Outputs
from blur_tools.cli import main
from blur_tools.detections import box_polygon
from blur_tools.engines import Answer
from blur_tools.engines.fake import FakeBlur
from blur_tools.engines.remote import RemoteEngine
from blur_tools.frames import table_files
from blur_tools.picture import FORMATS
from blur_tools.sources import Source

JPEG, PNG = FORMATS["JPEG"], FORMATS["PNG"]


class Finder:
    """Finds one plate; raises what it is given instead."""

    name = "finder"
    versions: ClassVar[dict[str, str]] = {"finder": "1"}

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def detect(self, picture, settings) -> Answer:
        if self.error is not None:
            raise self.error
        return Answer(Detections([Detection("plate", box_polygon(4, 4, 20, 10), 0.9, "finder")]))


@pytest.fixture
def frame(tmp_path, encode, noise) -> pd.DataFrame:
    """Three pictures; two have one name."""
    paths = [tmp_path / "in" / name for name in ("north/p.png", "south/p.png", "south/q.png")]
    for number, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(noise(48, 64) ^ np.uint8(number)))
    return pd.DataFrame({"image": list(map(str, paths))})


def apply(frame: pd.DataFrame, folder: Path, engine: object = None, **options) -> pd.DataFrame:
    options = {"out": folder / "out", "workers": 1, **options}
    return frame.blur.apply("image", engine=engine or Finder(), progress=False, **options)


def below(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# the engine's fault


def test_a_token_that_is_wrong_ends_the_run_and_removes_nothing(frame, tmp_path):
    with FakeBlur(faces=[]) as fake:
        apply(frame, tmp_path, RemoteEngine("own", fake.url))
        before = below(tmp_path / "out")
        for _ in range(3):
            fake.then(status=403, body={"detail": "Invalid token."})
        posts = len(fake.posts)
        with pytest.raises(ForbiddenError, match="Invalid token"):
            apply(frame, tmp_path, RemoteEngine("own", fake.url), plate_threshold=0.9)
        assert len(fake.posts) - posts < 3  # said once
    assert len(before) == 3
    assert below(tmp_path / "out") == before


@pytest.mark.parametrize("same", [True, False])
def test_a_service_that_is_away_removes_only_what_may_hide_less(frame, tmp_path, same):
    apply(frame, tmp_path, plates=10 if same else 1)
    before = below(tmp_path / "out")
    away = Finder(UnreachableError("x", "no connection"))
    result = apply(frame, tmp_path, away, plates=10, resume=False)
    assert result["status"].tolist() == ["failed"] * 3
    assert below(tmp_path / "out") == (before if same else {})


def test_a_service_that_is_away_does_not_keep_the_result_of_other_bytes(frame, tmp_path, encode, noise):
    apply(frame, tmp_path)
    Path(frame["image"].iloc[2]).write_bytes(encode(noise(48, 64) ^ np.uint8(77)))
    apply(frame, tmp_path, Finder(UnreachableError("x", "no connection")), resume=False)
    assert sorted(below(tmp_path / "out")) == ["north/p.png", "south/p.png"]


def test_a_picture_that_fails_by_itself_has_no_older_result(frame, tmp_path):
    apply(frame, tmp_path)
    apply(frame.head(2), tmp_path, Finder(EngineError("cannot")), root=tmp_path / "in", resume=False)
    assert sorted(below(tmp_path / "out")) == ["south/q.png"]


# parts of a data set into one folder


def test_failed_rows_done_again_touch_no_other_result(frame, tmp_path):
    good = Path(frame["image"].iloc[1]).read_bytes()
    Path(frame["image"].iloc[1]).write_text("no picture")
    first = apply(frame, tmp_path)
    assert first["status"].tolist() == ["ok", "failed", "ok"]
    before = below(tmp_path / "out")
    still = first[first["status"] == "failed"]
    assert apply(still, tmp_path)["status"].tolist() == ["failed"]
    assert below(tmp_path / "out") == before
    Path(frame["image"].iloc[1]).write_bytes(good)
    again = apply(still, tmp_path)
    assert again["status"].tolist() == ["ok"]
    assert {name: below(tmp_path / "out")[name] for name in before} == before
    assert (tmp_path / again["blurred"].iloc[0]).read_bytes() not in before.values()


def test_rows_that_have_a_name_keep_it(frame, tmp_path):
    first = apply(frame, tmp_path)
    again = apply(first.iloc[[1]], tmp_path, effect="fill")
    assert again["blurred"].tolist() == ["out/south/p.png"]
    assert sorted(below(tmp_path / "out")) == ["north/p.png", "south/p.png", "south/q.png"]


def test_one_folder_after_another_keeps_both(frame, tmp_path):
    for _ in range(2):  # the second time, each finds its own
        north, south = (apply(frame.iloc[[number]], tmp_path)["blurred"].iloc[0] for number in (0, 1))
        assert north == "out/p.png"
        assert south.startswith("out/p-")
        assert len(below(tmp_path / "out")) == 2
    apply(frame.iloc[[1]], tmp_path, Finder(EngineError("cannot")), resume=False)
    assert list(below(tmp_path / "out")) == ["p.png"]


def test_a_root_keeps_places(frame, tmp_path):
    for number in range(3):
        result = apply(frame.iloc[[number]], tmp_path, root=str(tmp_path / "in"))
        assert result["blurred"].tolist() == ["out/" + ("north/p.png", "south/p.png", "south/q.png")[number]]
        again = result.blur.redact("image", out=tmp_path / "again", root=tmp_path / "in", progress=False)
        assert again["blurred"].tolist() == [result["blurred"].iloc[0].replace("out/", "again/")]
    with pytest.raises(SettingsError, match="root: a folder is needed, not int"):
        apply(frame, tmp_path, root=5)


def test_the_command_line_has_a_root(frame, tmp_path, monkeypatch, networks):
    monkeypatch.chdir(tmp_path)
    for name in ("north", "south"):
        assert main(["blur", f"in/{name}", "--root", "in", "-o", "out", "-q", "--table", f"{name}.csv"]) == 0
    assert sorted(below(tmp_path / "out")) == ["north/p.png", "south/p.png", "south/q.png"]
    assert main(["redact", "south.csv", "--root", "in/south", "-o", "again", "-q"]) == 0
    assert sorted(below(tmp_path / "again")) == ["p.png", "q.png"]


@pytest.mark.parametrize("name", ["alone", "store", "job", "known"])
def test_only_parameters_are_parameters(frame, tmp_path, name):
    for verb in ("apply", "detect", "redact"):
        table = frame.assign(detections=None)
        with pytest.raises(SettingsError, match=f"{name}: is not a parameter"):
            getattr(table.blur, verb)("image", progress=False, **{name: None})


def test_a_file_of_a_persons_own_is_neither_replaced_nor_removed(frame, tmp_path):
    (tmp_path / "out/south").mkdir(parents=True)
    (tmp_path / "out/south/p.png").write_bytes(b"mine")
    result = apply(frame, tmp_path)
    assert result["status"].tolist() == ["ok", "failed", "ok"]
    assert "is there, and is not known to be an earlier result of this picture" in result["error"].iloc[1]
    assert result["error"].iloc[1].count("p.png is") == 1
    result = apply(frame, tmp_path, Finder(EngineError("cannot find")), resume=False)
    assert result["error"].iloc[1].startswith("cannot find; and ")
    assert "was left: it is not known whether it is an earlier result" in result["error"].iloc[1]
    assert below(tmp_path / "out") == {"south/p.png": b"mine"}


@pytest.mark.parametrize("out", ["https://example.org/out", "a\ud800", "a\0b", ""])
def test_what_is_no_folder_is_refused(frame, tmp_path, out):
    with pytest.raises(OutputError, match="is no folder of this machine"):
        apply(frame, tmp_path, out=out)


def test_a_folder_that_cannot_be_made_fails_the_rows(frame, tmp_path):
    result = apply(frame, tmp_path, out=tmp_path / ("x" * 300))
    assert result["error"].str.contains("cannot be written").all()


def test_a_moved_folder_is_known_by_what_is_in_it_or_by_the_table(frame, tmp_path):
    """Its manifest has stayed behind: the store and the table tell."""
    first = apply(frame, tmp_path)
    (tmp_path / "out").rename(tmp_path / "moved")
    assert apply(frame, tmp_path, out=tmp_path / "moved")["status"].tolist() == ["ok"] * 3
    os.unlink(tmp_path / ".moved.blur-results")
    assert apply(frame, tmp_path, out=tmp_path / "moved", effect="fill")["status"].tolist() == ["failed"] * 3
    named = apply(first, tmp_path, out=tmp_path / "moved", effect="fill")
    assert named["status"].tolist() == ["ok"] * 3
    assert len(below(tmp_path / "moved")) == 3


def test_bytes_and_urls_leave_no_older_result_either(frame, tmp_path):
    data = [Path(path).read_bytes() for path in frame["image"]]
    cells = pd.DataFrame({"image": [data[0], {"bytes": data[1], "path": "x.jpg"}, data[2]]})
    assert apply(cells, tmp_path)["status"].tolist() == ["ok"] * 3
    assert len(below(tmp_path / "out")) == 3
    apply(cells.head(2), tmp_path, Finder(EngineError("cannot")), resume=False)
    assert len(below(tmp_path / "out")) == 1


def test_a_lying_name_with_a_hash_leaves_no_older_result(tmp_path, encode, noise):
    frame = pd.DataFrame({"image": [str(tmp_path / "in" / name) for name in ("a.jpg", "a.jpg.png")]})
    (tmp_path / "in").mkdir()
    for number, path in enumerate(frame["image"]):
        Path(path).write_bytes(encode(noise(48, 64) ^ np.uint8(number)))
    assert len(set(apply(frame, tmp_path)["blurred"])) == 2
    apply(frame, tmp_path, Finder(EngineError("cannot")), resume=False)
    assert below(tmp_path / "out") == {}


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_a_link_in_the_folder_leads_nowhere(frame, tmp_path):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/south").symlink_to(theirs)
    result = apply(frame, tmp_path)
    assert result["status"].tolist() == ["ok", "failed", "failed"]
    assert "leads out of" in result["error"].iloc[1]
    assert list(theirs.iterdir()) == []
    (tmp_path / "out/south").unlink()
    apply(frame, tmp_path)
    (tmp_path / "out/south").rename(tmp_path / "elsewhere")
    (tmp_path / "out/south").symlink_to(tmp_path / "elsewhere")
    apply(frame, tmp_path, Finder(EngineError("cannot")), resume=False)
    assert sorted(below(tmp_path / "elsewhere")) == ["p.png", "q.png"]


@pytest.mark.parametrize("out", [".", ".."])
def test_a_folder_without_a_name_of_its_own(frame, tmp_path, monkeypatch, out):
    place = tmp_path / "results"
    (place / "below").mkdir(parents=True)
    monkeypatch.chdir(place if out == "." else place / "below")
    with FakeBlur(faces=[]) as fake:
        data = Path(frame["image"].iloc[0]).read_bytes()
        Path(frame["image"].iloc[1]).write_bytes(data)
        for _ in range(2):  # equal pictures are copied from one another
            result = apply(frame, tmp_path, RemoteEngine("own", fake.url), out=out, render="server")
            assert result["status"].tolist() == ["ok"] * 3
            assert len(fake.posts) == 2
            (place / "south/p.png").unlink()
    assert result["blurred"].tolist() == [f"results/{name}" for name in ("north/p.png", "south/p.png", "south/q.png")]
    result = apply(frame, tmp_path, out=out)
    assert set(result.blur.verify("image", out=out, detect=False, progress=False)["verdict"]) <= {"ok", "doubtful"}


# cells that nobody foresaw


CELLS = ["x" * 300 + ".png", "a/" + "y" * 300 + "/b.png", "a\ud800.png", "a\0b.png", "z" * 5000]


@pytest.mark.parametrize("cell", CELLS, ids=range(len(CELLS)))
def test_a_cell_that_no_file_can_be_called_fails_its_row(frame, tmp_path, cell):
    table = pd.DataFrame({"image": pd.Series([*frame["image"], cell], dtype=object)})
    result = apply(table, tmp_path)
    assert result["status"].tolist() == ["ok"] * 3 + ["failed"]
    assert result["error"].iloc[3]
    assert len(below(tmp_path / "out")) == 3
    table["detections"] = [*result["detections"][:3], Detections().to_json()]
    again = table.blur.redact("image", out=tmp_path / "again", progress=False)
    assert again["status"].tolist() == ["ok"] * 3 + ["failed"]


@pytest.mark.parametrize("verb", ["blur", "detect", "verify"])
def test_an_argument_that_no_file_can_be_called_is_a_failed_picture(verb, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([verb, "x" * 300, *(["--no-detect"] if verb == "verify" else [])]) == 1
    assert "cannot be read" in "".join(capsys.readouterr())


NAMES = ["o4/a\0b.png", "o4/" + "n" * 300 + ".png", "o4/a\ud800.png", "o4/" + "n" * 300 + "/a.png"]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_name_in_a_table_that_no_file_can_have_is_none(frame, tmp_path, name):
    table = pd.DataFrame({"image": frame["image"], "detections": Detections().to_json()}).assign(
        blurred=pd.Series([name] * 3, dtype=object)
    )
    again = table.blur.redact("image", out=tmp_path / "again", progress=False)
    assert again["status"].tolist() == ["ok"] * 3
    assert again["blurred"].tolist() == ["again/north/p.png", "again/south/p.png", "again/south/q.png"]


def test_what_cannot_be_removed_is_said_beside_the_reason(frame, tmp_path, monkeypatch):
    apply(frame, tmp_path)

    def unlink(self, missing_ok=False):
        raise RuntimeError("gone wrong")

    with monkeypatch.context() as patched:
        patched.setattr(outputs.Path, "unlink", unlink)
        result = apply(frame, tmp_path, Finder(EngineError("cannot find")), resume=False)
    assert result["error"].tolist() == ["cannot find; and RuntimeError: gone wrong"] * 3


@pytest.mark.parametrize("cell", [5, ["x"], np.zeros(3), {"a": 1}], ids=["number", "list", "array", "dict"])
def test_detections_that_are_no_text_fail_their_row(frame, tmp_path, cell):
    table = frame.assign(detections=pd.Series([Detections().to_json()] * 2 + [None], dtype=object))
    table.at[2, "detections"] = cell
    table = pd.concat([table, table.tail(1)])
    result = table.blur.redact("image", out=tmp_path / "out", progress=False)
    assert result["status"].tolist() == ["ok", "ok", "failed", "failed"]
    assert "must be JSON text" in result["error"].iloc[2]


def test_text_that_was_bytes_is_called_that(frame, tmp_path):
    cells = [str(b"\xff\xd8\xff"), str({"bytes": b"x", "path": None}), "[[1 2]\n [3 4]]", "plain.jpg"]
    errors = apply(pd.DataFrame({"image": cells}), tmp_path)["error"]
    assert ["something has turned the cell into text" in text for text in errors] == [True, True, True, False]


def test_a_label_that_stands_twice_is_said(frame, tmp_path):
    twice = pd.concat([frame, frame], axis=1)
    with pytest.raises(SettingsError, match="several columns 'image'; rename all but one"):
        twice.blur.apply(out=tmp_path / "out", progress=False)


# several processes at once


def test_others_never_plan_the_same_name(tmp_path, monkeypatch):
    """As the partitions of Dask: each sees its own paths alone."""
    one, two = tmp_path / "root/other/a.jpg", Path("/other/a.jpg")

    def planned(path: Path, root: Path) -> str:
        return names.Names([str(path)], root, distinct=False, outside=True).of(str(path))

    assert planned(one, tmp_path / "root") == "other/a.jpg"
    assert planned(two, tmp_path / "root").startswith("other/a-")
    assert planned(two, Path("/")) == "other/a.jpg"
    monkeypatch.setattr(outputs, "ignores_case", lambda folder: True)
    results = [
        Outputs(tmp_path / "out", [path], Path("/x"), alone=False).write(
            path, Source(path.encode(), "a.jpg", path), JPEG, path.encode()
        )
        for path in ("/x/a.jpg", "/x/A.jpg")
    ]
    assert len({result.casefold() for result in results}) == 2
    assert len(below(tmp_path / "out")) == 2


def test_case_is_asked_of_the_file_system(tmp_path):
    (tmp_path / "Folder").mkdir()
    assert names.ignores_case(str(tmp_path / "Folder/not/there")) == (tmp_path / "fOLDER").exists()


# the manifest


def test_a_manifest_says_nothing_readable_and_is_not_among_the_results(frame, tmp_path):
    apply(frame, tmp_path)
    assert sorted(below(tmp_path / "out")) == ["north/p.png", "south/p.png", "south/q.png"]
    text = (tmp_path / ".out.blur-results").read_text()
    assert set(text) <= set("0123456789abcdef \n")
    assert len(text) == 3 * 2 * LINE


def test_what_another_process_wrote_meanwhile_is_known(tmp_path):
    mine, theirs = Manifest(str(tmp_path / "out")), Manifest(str(tmp_path / "out"))
    made = Made(short_hash("/in/a.jpg"), short_hash("content"), short_hash("how"))
    theirs.note(Path("a.jpg"), made)
    assert mine.of(Path("a.jpg")) == made
    assert mine.of(Path("b.jpg")) is None


def test_a_line_that_was_cut_off_is_passed_over(tmp_path):
    first = Manifest(str(tmp_path / "out"))
    first.note(Path("a.jpg"), Made(short_hash("a")))
    with open(first.path, "ab") as file:
        file.write(b"\n0123456789")
    first.note(Path("b.jpg"), Made(short_hash("b")))
    again = Manifest(str(tmp_path / "out"))
    assert again.of(Path("a.jpg")) == Made(short_hash("a"))
    assert again.of(Path("b.jpg")) == Made(short_hash("b"))


def test_outdated_lines_go(tmp_path, monkeypatch):
    monkeypatch.setattr(manifest, "ROOM", 0)
    first = Manifest(str(tmp_path / "out"))
    for number in range(20):
        first.note(Path("a.jpg"), Made(short_hash(str(number))))
    Manifest(str(tmp_path / "out"), alone=False)
    assert os.path.getsize(first.path) == 20 * LINE
    again = Manifest(str(tmp_path / "out"))
    assert os.path.getsize(first.path) == LINE
    again.note(Path("b.jpg"), Made(short_hash("b")))
    assert first.of(Path("c.jpg")) is None
    last = Manifest(str(tmp_path / "out"))
    assert last.of(Path("a.jpg")) == Made(short_hash("19"))
    assert last.of(Path("b.jpg")) == Made(short_hash("b"))


def test_a_manifest_that_cannot_be_written_is_said_once(frame, tmp_path, caplog):
    (tmp_path / ".out.blur-results").mkdir()
    assert apply(frame, tmp_path)["status"].tolist() == ["ok"] * 3
    assert caplog.text.count("which original each result is of is not kept") == 1


def test_the_honest_name_of_another_picture_is_kept(tmp_path):
    """`write` itself: what stands there is of another original, or of nobody knows whom."""
    one, two = (Source(data, "p.png", "p.png") for data in (b"1", b"2"))

    def write(folder: str, source: Source, result: bytes) -> str:
        path = str(tmp_path / folder / "p.png")
        return Outputs(tmp_path / "out", [path], tmp_path / folder).write(path, source, PNG, result)

    assert write("a", one, b"result 1") == "out/p.png"
    assert write("b", two, b"result 2").startswith("out/p-")
    os.unlink(tmp_path / ".out.blur-results")
    with pytest.raises(OutputError, match="not known to be an earlier result"):
        write("b", two, b"result 2")
    assert sorted(below(tmp_path / "out").values()) == [b"result 1", b"result 2"]


# tables as files


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_column_of_a_persons_own_comes_back_as_it_was(frame, tmp_path, ending):
    """`NA` is Namibia, and no missing cell."""
    own = frame.assign(detections=Detections().to_json(), country=["NA", "null", None], number=["007", "nan", "1.0"])
    (own.to_csv if ending == "csv" else own.to_parquet)(tmp_path / f"own.{ending}", index=False)
    written = tmp_path / f"written.{ending}"
    arguments = [str(tmp_path / f"own.{ending}"), "-o", str(tmp_path / "out"), "--table", str(written), "-q"]
    assert main(["redact", *arguments]) == 0
    again = table_files.read_table(written)
    assert again["country"].tolist()[:2] == ["NA", "null"]
    assert again["country"].isna().tolist() == [False, False, True]
    assert again["number"].tolist() == ["007", "nan", "1.0"]


@pytest.mark.parametrize("rows", [0, 3, 4, 7])
def test_a_table_that_becomes_text_in_parts_is_one(tmp_path, monkeypatch, rows):
    monkeypatch.setattr(table_files, "PART", 3)
    table = pd.DataFrame(
        {"image": [f"{row}.png" for row in range(rows)], "said": [f'"{row},\n"' for row in range(rows)]}
    )
    table_files.write_table(table, tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_text() == table.to_csv(index=False)


def test_an_empty_table_of_a_run_goes_on(tmp_path):
    result = apply(pd.DataFrame({"image": []}), tmp_path)
    assert len(result.blur.redact(out=tmp_path / "again", progress=False)) == 0


def test_a_column_of_ours_that_stands_twice_is_said(frame, tmp_path):
    twice = pd.concat([frame.assign(detections=None, error=None), pd.DataFrame({"error": [None] * 3})], axis=1)
    with pytest.raises(SettingsError, match="several columns 'error'; rename all but one"):
        twice.blur.redact("image", out=tmp_path / "out", progress=False)
