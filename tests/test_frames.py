"""``df.blur`` and ``series.blur``."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import blur_tools  # noqa: F401  (registers the accessor)
from blur_tools import Detection, Detections, DetectionsError, OutputError, PictureError, SettingsError
from blur_tools.batch import rows
from blur_tools.detections import box_polygon
from blur_tools.engines import Answer
from blur_tools.engines.fake import FakeBlur

ADDED = ["blurred", "detections", "n_plates", "n_faces", "method", "status", "error"]


class TwoFound:
    """An engine that finds one plate and one face in every picture, and counts."""

    name = "two"
    versions: ClassVar[dict[str, str]] = {"two": "1"}

    def __init__(self) -> None:
        self.asked: list[str] = []

    def detect(self, picture, settings) -> Answer:
        self.asked.append(picture.source.origin)
        plate = Detection("plate", box_polygon(4, 4, 20, 10), 0.9, "two")
        return Answer(Detections([plate, Detection("face", box_polygon(30, 10, 40, 22), 0.8, "two")]))


@pytest.fixture
def engine() -> TwoFound:
    return TwoFound()


@pytest.fixture
def folder(tmp_path, encode, noise) -> Path:
    """Three pictures in two folders, two of one name."""
    for number, name in enumerate(("north/a.jpg", "south/a.jpg", "south/b.png")):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(noise(48, 64) ^ np.uint8(number), "PNG" if name.endswith("png") else "JPEG"))
    return tmp_path


@pytest.fixture
def frame(folder) -> pd.DataFrame:
    images = [str(folder / "in" / name) for name in ("north/a.jpg", "south/a.jpg", "south/b.png")]
    return pd.DataFrame({"image": images, "note": ["x", "y", "z"]}, index=[7, 7, 3])


def apply(frame: pd.DataFrame, folder: Path, engine: TwoFound, **options) -> pd.DataFrame:
    return frame.blur.apply(out=folder / "out", engine=engine, progress=False, **options)


def test_apply_keeps_rows_and_adds_columns(frame, folder, engine):
    result = apply(frame, folder, engine)
    assert list(result.columns) == ["image", "note", *ADDED]
    assert list(result.index) == [7, 7, 3]
    assert list(frame.columns) == ["image", "note"]
    assert result["status"].tolist() == ["ok"] * 3
    assert result["n_plates"].tolist() == [1, 1, 1]
    assert result["n_faces"].tolist() == [1, 1, 1]
    assert result["method"].tolist() == ["jpeg-lossless", "jpeg-lossless", "lossless"]
    assert result["blurred"].tolist() == ["out/north/a.jpg", "out/south/a.jpg", "out/south/b.png"]
    assert result["error"].isna().all()
    for name in result["blurred"]:
        with Image.open(folder / name) as image:
            assert image.size == (64, 48)


def test_originals_are_untouched(frame, folder, engine):
    before = {path: hashlib.sha256(Path(path).read_bytes()).digest() for path in frame["image"]}
    apply(frame, folder, engine)
    assert before == {path: hashlib.sha256(Path(path).read_bytes()).digest() for path in frame["image"]}


def test_the_result_hides_the_plate(frame, folder, engine):
    result = apply(frame.iloc[[2]], folder, engine)
    before = np.asarray(Image.open(frame["image"].iloc[2])).astype(int)
    after = np.asarray(Image.open(folder / result["blurred"].iloc[0])).astype(int)
    assert np.ptp(after[5:9, 5:19].reshape(-1, 3), axis=0).max() < 60 < np.ptp(before[5:9, 5:19])
    np.testing.assert_array_equal(before[30:], after[30:])


@pytest.mark.parametrize("errors", ["record"])
def test_every_bad_row_has_its_reason_and_the_rest_goes_on(frame, folder, engine, errors):
    (folder / "in/text.jpg").write_text("hello")
    (folder / "in/gone.jpg").symlink_to(folder / "nowhere.jpg")
    (folder / "in/short.jpg").write_bytes(Path(frame["image"].iloc[0]).read_bytes()[:600])
    bad = ["text.jpg", "gone.jpg", "short.jpg", "missing.jpg", ""]
    cells = [*frame["image"], *(str(folder / "in" / name) for name in bad), None, float("nan")]
    result = apply(pd.DataFrame({"image": cells}), folder, engine, errors=errors)
    assert result["status"].tolist() == ["ok"] * 3 + ["failed"] * 5 + ["skipped"] * 2
    expected = ["not a picture", "link to nothing", "broken JPEG", "no such file", "is a folder"]
    for name, error, words in zip(bad, result["error"].iloc[3:8], expected, strict=True):
        assert words in error
        assert name in error
    assert result.loc[3:, "blurred"].isna().all()
    assert result.loc[3:, "n_plates"].isna().all()
    assert sorted(path.name for path in (folder / "out").rglob("*.*")) == ["a.jpg", "a.jpg", "b.png"]


def test_errors_can_be_raised(folder, engine):
    with pytest.raises(PictureError, match="no such file"):
        apply(pd.DataFrame({"image": [str(folder / "missing.jpg")]}), folder, engine, errors="raise")
    with pytest.raises(SettingsError, match="errors: 'ignore' is none of record, raise"):
        apply(pd.DataFrame({"image": [str(folder / "missing.jpg")]}), folder, engine, errors="ignore")


def test_an_unforeseen_error_fails_its_row_only(frame, folder, engine, monkeypatch):
    real = engine.detect

    def broken(picture, settings):
        if "north" in picture.source.origin:
            raise ZeroDivisionError("oops")
        return real(picture, settings)

    monkeypatch.setattr(engine, "detect", broken)
    result = apply(frame, folder, engine)
    assert result["status"].tolist() == ["failed", "ok", "ok"]
    assert result["error"].iloc[0] == "ZeroDivisionError: oops"
    assert not (folder / "out/north").exists()


def test_a_wrong_setting_is_said_once_before_any_picture(frame, folder, engine):
    with pytest.raises(SettingsError, match="plates: 11"):
        apply(frame, folder, engine, plates=11)
    with pytest.raises(SettingsError, match=r"plate: is not a parameter; did you mean plates\?"):
        apply(frame, folder, engine, plate=1)
    with pytest.raises(SettingsError, match="logo"):
        apply(frame, folder, engine, logo=folder / "none.png")
    with pytest.raises(SettingsError, match="skip_regexp"):
        frame.blur.apply(out=folder / "out", skip_regexp="(", progress=False)
    assert engine.asked == []
    assert not (folder / "out").exists()


def test_an_original_is_never_replaced(frame, folder, engine):
    with pytest.raises(OutputError, match="holds originals"):
        frame.blur.apply(out=folder / "in", engine=engine, progress=False)
    assert engine.asked == []


def test_a_repeated_picture_is_done_once(frame, folder, engine):
    twice = pd.concat([frame, frame], ignore_index=True)
    twice["image"] = twice["image"].astype(object)
    twice.loc[5, "image"] = Path(twice.loc[5, "image"])
    result = apply(twice, folder, engine)
    assert len(engine.asked) == 3
    assert result["blurred"].iloc[:3].tolist() == result["blurred"].iloc[3:].tolist()


def test_cells_can_be_anything_that_holds_a_picture(folder, engine, encode, noise):
    data = encode(noise(48, 64), "PNG")
    cells = [data, noise(48, 64), Image.open(folder / "in/south/b.png"), {"bytes": data, "path": "x/y.png"}]
    cells.append({"bytes": None, "path": str(folder / "in/north/a.jpg")})
    cells.append({"bytes": None, "path": None})
    result = apply(pd.DataFrame({"picture": cells}), folder, engine)
    assert result["status"].tolist() == ["ok"] * 5 + ["skipped"]
    assert result["blurred"].iloc[3].startswith("out/y-")
    for name in result["blurred"].iloc[:5]:
        assert (folder / name).is_file()


@pytest.mark.parametrize("dtype", ["category", "string[pyarrow]", "object", "str"])
def test_columns_of_any_text_type(frame, folder, engine, dtype):
    result = apply(frame.astype({"image": dtype}), folder, engine)
    assert result["status"].tolist() == ["ok"] * 3
    assert result["image"].dtype == frame.astype({"image": dtype})["image"].dtype


@pytest.mark.parametrize("kind", ["binary", "large_binary", "string", "large_string", "dictionary", "struct"])
def test_columns_of_arrow(frame, folder, engine, kind):
    """As `read_parquet(dtype_backend="pyarrow")` gives them; a struct is how Hugging Face keeps pictures."""
    paths = frame["image"].tolist()
    data = [Path(path).read_bytes() for path in paths]
    cells = {
        "binary": pa.array([*data, None], pa.binary()),
        "large_binary": pa.array([*data, None], pa.large_binary()),
        "string": pa.array([*paths, None]),
        "large_string": pa.array([*paths, None], pa.large_string()),
        "dictionary": pa.array([*paths, None]).dictionary_encode(),
        "struct": pa.array([*({"bytes": item, "path": "a.jpg"} for item in data), {"bytes": None, "path": None}]),
    }[kind]
    pq.write_table(pa.table({"image": cells, "note": range(4)}), folder / "in.parquet")
    arrow = pd.read_parquet(folder / "in.parquet", dtype_backend="pyarrow")
    result = apply(arrow, folder, engine)
    assert result["status"].tolist() == ["ok"] * 3 + ["skipped"]
    assert result["image"].dtype == arrow["image"].dtype
    assert result["blurred"].nunique() == 3
    found = arrow.blur.detect(engine=engine, progress=False)
    assert found["image"].dtype == arrow["image"].dtype
    assert len(engine.asked) == 3
    result.to_parquet(folder / "out.parquet")
    back = pd.read_parquet(folder / "out.parquet", dtype_backend="pyarrow")
    assert back["detections"].tolist()[:3] == result["detections"].tolist()[:3]
    assert back.blur.detections().iloc[0] == result.blur.detections().iloc[0]
    assert apply(back, folder, engine, column="image")["status"].tolist() == ["ok"] * 3 + ["skipped"]


def test_columns_of_two_levels(frame, folder, engine):
    """Such as `pivot` and `concat(keys=)` make."""
    wide = pd.concat({"a": frame}, axis=1)
    result = apply(wide, folder, engine)
    assert result["status"].tolist() == ["ok"] * 3
    assert result.columns.tolist() == [("a", "image"), ("a", "note"), *((name, "") for name in ADDED)]
    assert result.blur.detections().iloc[0] == Detections.from_json(result["detections"].iloc[0])
    pd.testing.assert_frame_equal(apply(result, folder, engine), result)
    with pytest.raises(SettingsError, match="is a column that the result has"):
        apply(result, folder, engine, column=("blurred", ""))
    assert len(engine.asked) == 3


def test_no_rows_is_no_work_for_every_verb(frame, folder, engine):
    none = frame.iloc[:0]
    done = apply(none, folder, engine, column="image")
    assert done.index.equals(none.index)
    assert len(done.blur.redact("image", out=folder / "again", progress=False)) == 0
    found = none.blur.detect("image", engine=engine, progress=False)
    assert found.dtypes.equals(frame.blur.detect("image", engine=engine, progress=False).dtypes)
    assert engine.asked != []


def test_a_host_is_asked_at_a_rate(folder, engine, monkeypatch):
    """Each URL waits for its host's turn; a file waits for nobody."""
    asked: list[tuple[str, float]] = []

    class Pacer:
        def __init__(self, address: str, rate: float) -> None:
            self.turn = address, rate

        def wait(self) -> None:
            asked.append(self.turn)

    monkeypatch.setattr("blur_tools.batch.rows.pacer_for", Pacer)
    monkeypatch.setattr("blur_tools.batch.rows.load_source", lambda source: source)
    loaded = [
        "https://user:secret@A.example/x.jpg?token=t",
        "http://a.example:8080/y.jpg",
        {"bytes": None, "path": "https://b.example/z.jpg"},
        {"bytes": b"x", "path": "https://c.example/z.jpg"},
        "http://[bad/x.jpg",
        "x.jpg",
        b"bytes",
    ]
    for source in loaded:
        assert rows._loaded(source) is source
    hosts = ["a.example", "a.example", "b.example", ""]
    assert asked == [(f"fetch from {host}", rows.FETCH_RATE) for host in hosts]


def test_redact_asks_a_host_at_the_same_rate(folder, monkeypatch, encode, noise):
    asked: list[str] = []

    class Pacer:
        def __init__(self, address: str, rate: float) -> None:
            self.address = address

        def wait(self) -> None:
            asked.append(self.address)

    monkeypatch.setattr("blur_tools.batch.rows.pacer_for", Pacer)
    with FakeBlur() as host:
        host.then(body=encode(noise(48, 64)))
        table = pd.DataFrame({"image": [f"{host.url}/a.png"], "detections": [Detections().to_json()]})
        result = table.blur.redact("image", out=folder / "out", progress=False)
    assert result["status"].tolist() == ["ok"]
    assert asked == ["fetch from 127.0.0.1"]


def test_an_empty_frame_has_the_columns(folder, engine):
    result = apply(pd.DataFrame({"image": pd.Series([], dtype=str)}), folder, engine, column="image")
    assert list(result.columns) == ["image", *ADDED]
    assert len(result) == 0
    assert not (folder / "out").exists()


def test_rows_keep_a_multi_index(frame, folder, engine):
    indexed = frame.set_index(pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)], names=["set", "number"]))
    pd.testing.assert_index_equal(apply(indexed, folder, engine).index, indexed.index)
    assert list(indexed.blur.detect(engine=engine, progress=False).index.names) == ["set", "number"]


def test_the_column_is_found_when_only_one_can_be_meant(frame, folder, engine):
    assert apply(frame.rename(columns={"image": "where"}), folder, engine)["status"].tolist() == ["ok"] * 3
    with pytest.raises(SettingsError, match="several columns could hold the pictures: 'image', 'other'"):
        apply(frame.assign(other=frame["image"]), folder, engine)
    with pytest.raises(SettingsError, match="no column holds paths, URLs or pictures; say which of 'note'"):
        apply(frame[["note"]], folder, engine)
    with pytest.raises(SettingsError, match="no column 'images'; there are 'image', 'note'"):
        apply(frame, folder, engine, column="images")


def test_a_second_run_replaces_its_own_columns(frame, folder, engine):
    once = apply(frame, folder, engine)
    again = apply(once, folder, engine)
    pd.testing.assert_frame_equal(once, again)


@pytest.mark.parametrize("through", ["parquet", "csv", "sql"])
def test_the_table_survives_storage(frame, folder, engine, through):
    frame = pd.concat([frame, pd.DataFrame({"image": [str(folder / "none.jpg")], "note": ["w"]})], ignore_index=True)
    result = apply(frame, folder, engine)
    if through == "parquet":
        result.to_parquet(folder / "t.parquet")
        back = pd.read_parquet(folder / "t.parquet")
    elif through == "csv":
        result.to_csv(folder / "t.csv", index=False)
        back = pd.read_csv(folder / "t.csv", dtype={"n_plates": "Int64", "n_faces": "Int64"})
    else:
        with closing(sqlite3.connect(folder / "t.db")) as connection:
            result.to_sql("t", connection, index=False)
            back = pd.read_sql("select * from t", connection)
    for name in ("blurred", "detections", "method", "status", "error"):
        ours, theirs = (table[name].astype(object).where(table[name].notna(), None) for table in (result, back))
        assert ours.tolist() == theirs.tolist()
    assert back.blur.detections().iloc[0] == result.blur.detections().iloc[0]
    assert back.blur.detections().iloc[3] is None


def test_nothing_to_blur_writes_nothing(frame, folder, engine):
    result = apply(frame, folder, engine, plates=0, faces=0)
    assert result["n_plates"].tolist() == [1, 1, 1]
    assert result["blurred"].isna().all()
    assert not (folder / "out").exists()


def test_redact_renders_what_stands_in_the_table(frame, folder, engine):
    result = apply(frame, folder, engine)
    keep_all = [
        found.map(lambda item: Detection(item.kind, item.polygon, keep=True)).to_json()
        for found in result.blur.detections()
    ]
    edited = result.assign(detections=keep_all)
    again = edited.blur.redact("image", out=folder / "again", progress=False)
    assert again["status"].tolist() == ["ok"] * 3
    assert again["detections"].tolist() == keep_all
    assert len(engine.asked) == 3
    before = np.asarray(Image.open(frame["image"].iloc[2]))
    np.testing.assert_array_equal(before, np.asarray(Image.open(folder / again["blurred"].iloc[2])))


def test_redact_fails_rows_without_or_with_broken_detections(frame, folder, engine):
    result = apply(frame, folder, engine)
    result["detections"] = [result["detections"].iloc[0], None, "{"]
    again = result.blur.redact("image", out=folder / "again", progress=False)
    assert again["status"].tolist() == ["ok", "failed", "failed"]
    assert "no detections" in again["error"].iloc[1]
    assert "not JSON" in again["error"].iloc[2]
    assert sorted(os.listdir(folder / "again")) == ["north"]


def test_redact_refuses_two_opinions_on_one_picture(frame, folder, engine):
    result = apply(pd.concat([frame, frame.iloc[[0]]], ignore_index=True), folder, engine)
    result.loc[3, "detections"] = Detections().to_json()
    with pytest.raises(DetectionsError, match="different detections"):
        result.blur.redact("image", out=folder / "again", progress=False)


def test_redact_needs_its_column(frame, folder):
    with pytest.raises(SettingsError, match="no column 'detections'"):
        frame.blur.redact("image", out=folder / "out", progress=False)


def test_detect_gives_one_row_a_detection(frame, folder, engine):
    frame = pd.concat([frame, pd.DataFrame({"image": [str(folder / "none.jpg")]})])
    found = frame.blur.detect(engine=engine, progress=False)
    assert found.index.tolist() == [7, 7, 7, 7, 3, 3, 0]
    assert found["kind"].tolist()[:6] == ["plate", "face"] * 3
    assert found.iloc[0][["xmin", "ymin", "xmax", "ymax"]].tolist() == [4, 4, 20, 10]
    assert found["image"].iloc[0] == frame["image"].iloc[0]
    assert found["status"].tolist() == ["ok"] * 6 + ["failed"]
    assert "no such file" in found["error"].iloc[6]
    assert not (folder / "blurred").exists()


def test_detect_of_nothing_is_an_empty_table(folder, engine):
    found = pd.DataFrame({"image": [None, None]}, dtype=object).blur.detect("image", engine=engine, progress=False)
    assert len(found) == 0
    assert {"kind", "polygon", "error"} <= set(found.columns)


def test_detections_names_the_row_that_cannot_be_read(frame):
    with pytest.raises(DetectionsError, match="row 3: detections are not JSON"):
        frame.assign(detections=[None, None, "nonsense"]).blur.detections()


def test_series(frame, folder, engine):
    result = frame["image"].blur.apply(out=folder / "out", engine=engine, progress=False)
    assert list(result.columns) == ADDED
    assert list(result.index) == [7, 7, 3]
    unnamed = pd.Series(frame["image"].tolist())
    assert len(unnamed.blur.detect(engine=engine, progress=False)) == 6


def test_workers_are_checked(frame, folder, engine):
    with pytest.raises(SettingsError, match="workers"):
        apply(frame, folder, engine, workers=0)


def test_what_an_earlier_run_left_does_not_outlive_a_failure(frame, folder, engine):
    """The first run hides less than the second would; its result must not stay beside a failed row."""
    apply(frame, folder, engine, plates=-1, faces=1)
    broken = Path(frame["image"].iloc[0])
    broken.write_bytes(broken.read_bytes()[:500])
    result = apply(frame, folder, engine)
    assert result["status"].tolist() == ["failed", "ok", "ok"]
    assert sorted(str(path.relative_to(folder)) for path in (folder / "out").rglob("*.*")) == [
        "out/south/a.jpg",
        "out/south/b.png",
    ]


def test_a_failed_row_keeps_nothing_of_its_picture(frame, folder, engine, monkeypatch):
    from blur_tools.batch.rows import Job

    def broken(item):
        picture = b"x" * 1000
        raise ValueError(f"cannot use {len(picture)} bytes") from OSError("cause")

    (row,) = Job(progress=False).run(broken, ["one"])
    assert str(row.error) == "cannot use 1000 bytes"
    assert row.error.__traceback__ is row.error.__cause__ is row.error.__context__ is None


def test_failures_and_warnings_of_a_run_are_logged_once(frame, folder, caplog, noise, encode):
    bad = pd.DataFrame({"image": [*frame["image"], "none.jpg"]})
    result = bad.blur.apply(out=folder / "out", progress=False, regions="us", camera_id="c")
    assert result["status"].tolist() == ["ok"] * 3 + ["failed"]
    assert [record.getMessage() for record in caplog.records] == [
        "1 of 4 pictures failed; the column error says why",
        "not used by the local engine: regions, camera_id (3 pictures)",
    ]


def test_redact_of_some_rows_replaces_their_results(frame, folder, engine):
    result = apply(frame, folder, engine)
    before = (folder / "out/south/a.jpg").read_bytes()
    again = result.iloc[[1]].blur.redact("image", out=folder / "out", effect="fill", progress=False)
    assert again["blurred"].tolist() == ["out/south/a.jpg"]
    assert (folder / "out/south/a.jpg").read_bytes() != before
    assert not (folder / "out/a.jpg").exists()


@pytest.mark.parametrize("name", ["../../evil.jpg", "/tmp/evil.jpg", "x", ""])
def test_names_in_a_table_cannot_lead_out_of_the_folder(frame, folder, engine, name):
    result = apply(frame, folder, engine).iloc[[0]].assign(blurred=name)
    again = result.blur.redact("image", out=folder / "deep/again", progress=False)
    assert again["status"].tolist() == ["ok"]
    assert again["blurred"].tolist() == ["again/a.jpg"]


def test_redact_keeps_the_reason_of_a_row_that_failed_before(frame, folder, engine):
    result = apply(pd.DataFrame({"image": [*frame["image"], str(folder / "in")]}), folder, engine, column="image")
    again = result.blur.redact("image", out=folder / "again", progress=False)
    assert "is a folder" in again["error"].iloc[3]


def test_two_spellings_of_a_path_are_one_picture(frame, folder, engine, monkeypatch):
    monkeypatch.chdir(folder / "in")
    cells = ["north/a.jpg", "./north/a.jpg", str(folder / "in/north/a.jpg")]
    result = apply(pd.DataFrame({"image": cells}), folder, engine)
    assert len(engine.asked) == 1
    assert result["blurred"].nunique() == 1


def test_a_picture_column_named_like_a_result_is_refused(frame, folder, engine):
    with pytest.raises(SettingsError, match="'blurred' is a column that the result has"):
        apply(frame.rename(columns={"image": "blurred"}), folder, engine, column="blurred")


def test_a_label_that_stands_twice_is_refused(frame, folder, engine):
    twice = pd.concat([frame[["image"]], frame[["image"]]], axis=1)
    with pytest.raises(SettingsError, match="several columns 'image'"):
        apply(twice, folder, engine, column="image")
    with pytest.raises(SettingsError, match="no column"):
        apply(frame, folder, engine, column=["image"])


def test_numbers_are_no_pictures(frame, folder, engine):
    numbers = frame.assign(id=pd.array([1, 2, 3], dtype="Int64"), size=np.array([1.5, 2.5, 3.5]))
    assert apply(numbers, folder, engine)["status"].tolist() == ["ok"] * 3
    assert apply(numbers.convert_dtypes(), folder, engine)["status"].tolist() == ["ok"] * 3


def test_text_columns_have_one_type_whatever_is_in_them(frame, folder, engine):
    text = pd.Series(["text"]).dtype
    some = apply(frame, folder, engine)
    none = apply(frame.iloc[:0], folder, engine, column="image")
    for name in ("blurred", "detections", "method", "status", "error"):
        assert some[name].dtype == none[name].dtype == text


@pytest.mark.parametrize("engine", [5, TwoFound, "nonsense"])
def test_what_is_no_engine_is_refused_before_anything(frame, folder, engine):
    with pytest.raises(SettingsError, match="engine"):
        apply(frame, folder, engine)


def test_a_name_that_is_not_utf_8_is_done_and_shown(folder, engine, encode, noise):
    raw = os.path.join(os.fsencode(folder), b"in", b"caf\xe9.png")
    Path(os.fsdecode(raw)).write_bytes(encode(noise(48, 64), "PNG"))
    cells = pd.Series([os.fsdecode(raw), os.fsdecode(raw) + ".missing"], dtype=object)
    result = apply(pd.DataFrame({"image": cells}), folder, engine, column="image")
    assert result["status"].tolist() == ["ok", "failed"]
    # the table says what the file is called, so that redacting hides more in it and not in another
    assert result["blurred"].iloc[0] == "out/caf_udce9.png"
    before = (folder / "out/caf_udce9.png").read_bytes()
    again = result.head(1).blur.redact("image", out=folder / "out", effect="fill", progress=False)
    assert again["blurred"].tolist() == ["out/caf_udce9.png"]
    assert os.listdir(folder / "out") == ["caf_udce9.png"]
    assert (folder / "out/caf_udce9.png").read_bytes() != before
