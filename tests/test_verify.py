"""Verdicts on written files, by function, accessor and command line."""

from __future__ import annotations

import io
import json
import os
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageCms

import blur_tools
from blur_tools import BlurSettings, Detection, Detections, SettingsError
from blur_tools.batch.verify import COLUMNS, Subject, verify_one
from blur_tools.cli import main
from blur_tools.detections import box_polygon
from blur_tools.engines import Answer
from blur_tools.picture import load_picture
from blur_tools.redaction import _turbojpeg
from blur_tools.redaction._scan_outside import compare
from blur_tools.redaction.masks import regions
from blur_tools.samples import scenes

PLATE = Detection("plate", box_polygon(60, 50, 110, 70), 0.9)
FACE = Detection("face", box_polygon(130, 20, 160, 60), 0.8)
FOUND = Detections([PLATE, FACE])
DEFAULTS = BlurSettings(plates=10, faces=10)


@dataclass
class Seeing:
    """An engine that sees what it is told to."""

    seen: Detections = field(default_factory=Detections)
    name: str = "seeing"
    versions: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)

    def detect(self, picture, settings):
        self.asked.append(settings)
        return Answer(self.seen)


def scene() -> Image.Image:
    y, x = np.mgrid[0:128, 0:192]
    return Image.fromarray(np.stack([(x * 3) % 256, (y * 5) % 256, (x * y) % 256], -1).astype(np.uint8))


def saved(kind: str, image: Image.Image | None = None, **options) -> bytes:
    buffer = io.BytesIO()
    (image or scene()).save(buffer, kind, **options)
    return buffer.getvalue()


def checked(
    data: bytes, original: bytes | None = None, found=FOUND, *, engine=None, strict=False, method=None, **params
):
    text = None if found is None else found.to_json()
    return verify_one(Subject(data, original, text, method), BlurSettings(**params), engine, strict=strict)


KINDS = {
    "JPEG": ("JPEG", {"quality": 90}),
    "JPEG 4:4:4": ("JPEG", {"quality": 90, "subsampling": 0}),
    "JPEG with restarts": ("JPEG", {"quality": 90, "restart_marker_blocks": 3}),
    "JPEG progressive": ("JPEG", {"quality": 90, "progressive": True}),
    "PNG": ("PNG", {}),
    "WebP": ("WEBP", {"lossless": True}),
    "TIFF": ("TIFF", {}),
    "BMP": ("BMP", {}),
}


class TestOutside:
    @pytest.mark.parametrize("name", KINDS)
    def test_our_results_are_identical_outside(self, name):
        kind, options = KINDS[name]
        original = saved(kind, **options)
        result = blur_tools.redact(original, FOUND)
        verdict = checked(result.data, original, method=result.method)
        if result.method.startswith("reencode"):  # no libturbojpeg here
            assert (verdict.verdict, verdict.outside) == ("doubtful", "recoded")
            return
        expected = "blocks identical" if result.method == "jpeg-lossless" else "pixels identical"
        assert (verdict.verdict, verdict.outside, verdict.problems) == ("ok", expected, ())

    @pytest.mark.parametrize("name", [name for name in KINDS if name != "JPEG progressive"])
    def test_a_change_elsewhere_fails(self, name):
        kind, options = KINDS[name]
        original = saved(kind, **options)
        more = Detections([*FOUND, Detection("plate", box_polygon(10, 100, 30, 110))])
        result = blur_tools.redact(original, more)
        verdict = checked(result.data, original, method=result.method)
        assert (verdict.verdict, verdict.outside) == ("failed", "changed")
        assert "promises none" in verdict.problems[0]
        assert checked(result.data, original, more, method=result.method).verdict == "ok"

    @pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
    def test_one_coefficient_is_enough(self, mode):
        original = saved("JPEG", scene().convert(mode), quality=95)
        pixels = scene().convert(mode)
        # one MCU elsewhere is another; encoders code the others as they were
        pixels.paste(pixels.crop((16, 16, 32, 32)), (0, 96))
        other = saved("JPEG", pixels, quality=95)
        compared = compare(load_picture(original), load_picture(other), [], DEFAULTS)
        assert compared.basis == "blocks"
        assert 1 <= compared.changed <= 4
        hidden = regions(
            [Detection("plate", box_polygon(0, 96, 16, 112))], BlurSettings(plates=10, margin=0), (192, 128)
        )
        assert compare(load_picture(original), load_picture(other), hidden, DEFAULTS).same

    def test_large_pictures_are_compared_in_bands(self, monkeypatch):
        from blur_tools.redaction import _scan_outside

        original = saved("JPEG", quality=90)
        more = Detections([*FOUND, Detection("plate", box_polygon(10, 100, 30, 110))])
        pair = load_picture(original), load_picture(blur_tools.redact(original, more).data)
        hidden = regions(FOUND, DEFAULTS, (192, 128))
        whole = compare(*pair, hidden, DEFAULTS)
        monkeypatch.setattr(_scan_outside, "BAND_UNITS", 1)
        assert compare(*pair, hidden, DEFAULTS) == whole
        assert whole.changed > 0

    def test_recoding_is_said_as_the_method_says_it(self):
        original = saved("JPEG", quality=90)
        with Image.open(io.BytesIO(blur_tools.redact(original, FOUND).data)) as image:
            recoded = saved("JPEG", image, quality=70)
        assert checked(recoded, original, method="reencode").outside == "recoded"
        assert checked(recoded, original, method="reencode").verdict == "doubtful"
        assert checked(recoded, original, method="jpeg-lossless").verdict == "failed"
        unknown = checked(recoded, original)
        assert unknown.verdict == "failed"
        assert "differ by up to" in unknown.problems[0]

    @pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
    def test_a_format_without_loss_is_not_excused_by_a_method(self, kind):
        original = saved(kind)
        pixels = scene()
        pixels.paste((0, 0, 0), (10, 100, 30, 110))
        for method in ("reencode", "reencode-keep"):
            verdict = checked(saved(kind, pixels), original, Detections(), method=method)
            assert (verdict.verdict, verdict.outside) == ("failed", "changed")

    def test_other_regions_are_the_likely_reason(self):
        original = saved("PNG")
        data = blur_tools.redact(original, FOUND, margin=0.5).data
        assert checked(data, original, method="lossless").verdict == "failed"
        assert checked(data, original, method="lossless", margin=0.5).verdict == "ok"

    def test_another_size_fails(self):
        verdict = checked(saved("PNG", scene().crop((0, 0, 100, 100))), saved("PNG"))
        assert verdict.verdict == "failed"
        assert "100 x 100 pixels, its original 192 x 128" in verdict.problems[0]


class TestInside:
    @pytest.mark.parametrize("name", KINDS)
    def test_a_file_in_which_nothing_is_hidden_fails(self, name):
        kind, options = KINDS[name]
        original = saved(kind, **options)
        verdict = checked(original, original)
        assert verdict.verdict == "failed"
        assert [text.split(":")[-1].strip() for text in verdict.problems] == ["plate", "face"]

    def test_one_that_is_forgotten_fails(self):
        original = saved("PNG")
        data = blur_tools.redact(original, [PLATE]).data
        verdict = checked(data, original)
        assert len(verdict.problems) == 1
        assert verdict.problems[0].endswith("face")

    def test_kept_ones_and_kinds_that_are_not_hidden_need_not_be(self):
        original = saved("PNG")
        assert checked(original, original, faces=-1, plates=-1).verdict == "ok"

    def test_detections_that_hide_nothing_fail(self):
        """Shares of the picture instead of pixels, or another picture's."""
        original = saved("PNG")
        for polygon in (box_polygon(0.1, 0.1, 0.6, 0.6), box_polygon(1000, 1000, 1100, 1050)):
            verdict = verify_one(
                Subject(original, original, Detections([Detection("plate", polygon)]).to_json()), BlurSettings(), None
            )
            assert verdict.verdict == "failed"
            assert "a detection of the table hides nothing" in verdict.problems[0]

    @pytest.mark.parametrize("quality", [75, 90])
    def test_what_was_only_coded_anew_is_not_hidden(self, quality):
        original = saved("JPEG", quality=95)
        again = io.BytesIO()
        Image.open(io.BytesIO(original)).save(again, "JPEG", quality=quality)
        verdict = checked(again.getvalue(), original)
        assert [text.split(":")[-1].strip() for text in verdict.problems][-2:] == ["plate", "face"]

    @pytest.mark.parametrize("effect", ["gaussian", "pixelate", "fill"])
    @pytest.mark.parametrize("name", KINDS)
    def test_what_is_hidden_counts_as_hidden(self, name, effect):
        if name == "JPEG progressive" and _turbojpeg._library() is None:
            pytest.skip("there is no libturbojpeg on this machine: all pixels are coded anew, which verify tells")
        kind, options = KINDS[name]
        original = saved(kind, **options)
        for intensity in (8, 9, 10):
            params = {"plates": intensity, "faces": intensity, "effect": effect}
            verdict = checked(blur_tools.redact(original, FOUND, **params).data, original, **params)
            assert (verdict.problems, verdict.doubts) == ((), ())

    @pytest.mark.parametrize("kind", ["PNG", "JPEG"])
    @pytest.mark.parametrize("right", [100, 160, 180])
    def test_a_part_that_is_left_fails(self, kind, right):
        """Somebody widens a plate in the table and does not redact it again."""
        noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
        original = saved(kind, Image.fromarray(noise).resize((320, 240)))
        result = blur_tools.redact(original, [Detection("plate", box_polygon(50, 50, right, 100))], margin=0)
        wider = Detections([Detection("plate", box_polygon(50, 50, 230, 100))])
        verdict = checked(result.data, original, wider, method=result.method, margin=0)
        assert verdict.verdict == "failed"
        left = int(verdict.problems[0].split("(")[1].split(",")[0])
        assert right - 17 <= left <= right + 17  # tiles are a third of its height
        narrow = Detections(result.detections)
        assert checked(result.data, original, narrow, method=result.method, margin=0).verdict == "ok"

    def test_a_single_data_unit_that_is_left_fails(self):
        noise = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
        original = saved("JPEG", Image.fromarray(noise).resize((768, 512)), quality=90)
        found = Detections([Detection("face", box_polygon(100, 100, 500, 400))])
        hidden = load_picture(blur_tools.redact(original, found).data).image.copy()
        assert checked(saved("PNG", hidden), original, found, method="reencode").problems == ()
        with Image.open(io.BytesIO(original)) as image:
            hidden.paste(image.crop((248, 248, 256, 256)), (248, 248))
        verdict = checked(saved("PNG", hidden), original, found, method="reencode")
        assert verdict.problems == ("nothing is hidden at (248, 248) to (256, 256): face",)

    @pytest.mark.parametrize("effect", ["gaussian", "pixelate"])
    def test_what_a_low_intensity_leaves_is_not_called_bare(self, effect):
        for scene in scenes()[:2]:
            for intensity in (1, 5):
                params = {"plates": intensity, "faces": intensity, "effect": effect}
                result = blur_tools.redact(scene.data, scene.truth, **params)
                assert not checked(result.data, scene.data, scene.truth, method=result.method, **params).problems

    @pytest.mark.parametrize("effect", ["gaussian", "pixelate"])
    @pytest.mark.parametrize("intensity", [3, 5])
    def test_a_lower_intensity_than_is_said_is_told_by_its_look(self, effect, intensity):
        for scene in scenes()[:2]:
            params = {"plates": intensity, "faces": intensity, "effect": effect}
            result = blur_tools.redact(scene.data, scene.truth, **params)
            verdict = checked(result.data, scene.data, scene.truth, method=result.method, plates=10, faces=10)
            said = [text.split(" looks as ")[1] for text in verdict.doubts]
            assert set(said) == {f"intensity {intensity} hides it, not 10"}
            # of some the original is still seen; of small, dark ones hardly anything differs
            assert len(said) + len(verdict.problems) >= len(scene.truth) - 1
            as_made = checked(result.data, scene.data, scene.truth, method=result.method, **params)
            kinds = dict.fromkeys(item.kind for item in scene.truth)
            cosmetic = [f"a {kind} is hidden by intensity {intensity}: below 8 it is only cosmetic" for kind in kinds]
            assert as_made.doubts == tuple(cosmetic)

    @pytest.mark.parametrize("way", ["fill", "logo"])
    def test_what_is_covered_is_as_strong_at_any_intensity(self, way):
        original = saved("PNG")
        params = {"plates": 2, "effect": "fill"} if way == "fill" else {"plates": 2, "logo": saved("PNG")}
        result = blur_tools.redact(original, FOUND[:1], **params)
        assert checked(result.data, original, FOUND[:1], method=result.method, **params).doubts == ()

    def test_how_strong_a_servers_effects_are_is_not_judged(self):
        scene = scenes()[0]
        result = blur_tools.redact(scene.data, scene.truth, plates=2, faces=2)
        said = checked(result.data, scene.data, scene.truth, method="server", plates=2, faces=2).doubts
        assert [text for text in said if "intensity" in text] == []

    def test_flat_regions_look_the_same_when_hidden(self):
        flat = saved("PNG", Image.new("RGB", (192, 128), (90, 90, 90)))
        assert checked(blur_tools.redact(flat, FOUND).data, flat).verdict == "ok"


class TestLeft:
    def test_a_leak_fails_and_text_is_a_doubt(self):
        data = saved("JPEG", quality=90)
        trailing = checked(data + b"something else")
        assert (trailing.verdict, trailing.to_columns()["leaks"]) == ("failed", 1)
        assert trailing.problems == ("trailer: bytes behind the end of the picture",)
        commented = saved("JPEG", quality=90, comment=b"seen: AB12")
        assert checked(commented).verdict == "doubtful"
        assert checked(commented).doubts == ("COM: a comment",)
        assert checked(commented, strict=True).verdict == "failed"

    def test_a_colour_profile_is_neither(self):
        from PIL import ImageCms

        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        verdict = checked(saved("PNG", icc_profile=profile))
        assert verdict.verdict == "ok"
        assert len(verdict.findings) == 1

    @pytest.mark.parametrize("data", [b"hello", saved("JPEG")[:300]], ids=["text", "cut"])
    def test_what_cannot_be_read_fails(self, data):
        verdict = checked(data)
        assert verdict.verdict == "failed"
        assert verdict.problems

    def test_a_missing_file_fails(self, tmp_path):
        verdict = verify_one(Subject(tmp_path / "none.jpg"), DEFAULTS, None)
        assert verdict.verdict == "failed"
        assert "no such file" in verdict.problems[0]


class TestMissed:
    def test_seen_outside_is_a_doubt_and_inside_is_none(self):
        original = saved("PNG")
        data = blur_tools.redact(original, FOUND).data
        elsewhere = Detection("plate", box_polygon(5, 100, 45, 115), 0.6)
        inside = Detection("face", box_polygon(128, 18, 165, 64), 0.9)
        verdict = checked(data, original, engine=Seeing(Detections([elsewhere, inside])))
        assert verdict.verdict == "doubtful"
        assert verdict.missed == (elsewhere,)
        assert verdict.doubts == ("a plate (score 0.60) is seen at (5, 100) to (45, 115)",)
        assert checked(data, original, engine=Seeing(Detections([inside]))).verdict == "ok"

    def test_kept_ones_are_not_missed(self):
        kept = Detection("plate", PLATE.polygon, keep=True)
        verdict = checked(saved("PNG"), found=Detections([kept]), engine=Seeing(Detections([PLATE])))
        assert verdict.missed == ()

    def test_without_detections_everything_seen_is_said(self):
        verdict = checked(saved("PNG"), found=None, engine=Seeing(FOUND))
        assert len(verdict.missed) == 2
        assert "can be one of these" in verdict.doubts[0]

    @pytest.mark.parametrize(
        ("params", "asked"),
        [({}, (0, 0)), ({"faces": 0}, (0, -1)), ({"plates": -1}, (-1, 0)), ({"plates": 5, "faces": 1}, (0, 0))],
    )
    def test_only_kinds_that_were_hidden_are_looked_for(self, params, asked):
        engine = Seeing()
        checked(saved("PNG"), engine=engine, **params)
        assert (engine.asked[0].plates, engine.asked[0].faces) == asked

    def test_wrong_settings_are_said_at_once(self):
        class Broken(Seeing):
            def detect(self, picture, settings):
                raise SettingsError("split", "is wrong")

        with pytest.raises(SettingsError):
            checked(saved("PNG"), engine=Broken())


@pytest.fixture
def run_of(tmp_path, monkeypatch) -> pd.DataFrame:
    """The table of a run over three pictures, in its folder."""
    monkeypatch.chdir(tmp_path)
    names = ["photos/a.jpg", "photos/deep/b.png", "photos/deep/c.jpg"]
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(saved("PNG") if name.endswith("png") else saved("JPEG", quality=90))
    frame = pd.DataFrame({"image": names}, index=[7, 7, 3])
    frame["detections"] = FOUND.to_json()
    frame = frame.blur.redact("image", progress=False)
    frame.to_csv("blurred.csv", index=False)
    return frame


class TestFrame:
    def test_a_good_run(self, run_of):
        engine = Seeing()
        result = run_of.blur.verify(engine=engine, progress=False)
        assert list(result.columns) == [*run_of.columns, *COLUMNS]
        assert list(result.index) == [7, 7, 3]
        assert result["verdict"].tolist() == ["ok"] * 3
        assert result["outside"].tolist() == ["blocks identical", "pixels identical", "blocks identical"]
        assert result["leaks"].tolist() == result["missed"].tolist() == [0, 0, 0]
        assert result["problems"].isna().all()
        assert len(engine.asked) == 3

    def test_bad_rows_are_named_and_the_rest_goes_on(self, run_of):
        with open("blurred/a.jpg", "ab") as file:
            file.write(b"another picture")
        os.unlink("blurred/deep/b.png")
        frame = run_of.copy()
        frame.iloc[2, frame.columns.get_loc("blurred")] = None
        result = frame.blur.verify(detect=False, progress=False)
        assert result["verdict"].tolist() == ["failed", "failed", "skipped"]
        assert result["problems"].iloc[0] == "trailer: bytes behind the end of the picture"
        assert "no such file" in result["problems"].iloc[1]

    def test_detections_that_cannot_be_read_fail_their_row(self, run_of):
        frame = run_of.assign(detections=[run_of["detections"].iloc[0], "{", None])
        result = frame.blur.verify(detect=False, progress=False)
        assert result["verdict"].tolist() == ["ok", "failed", "doubtful"]

    def test_another_folder(self, run_of, tmp_path, monkeypatch):
        (tmp_path / "moved").mkdir()
        os.rename("blurred", "moved/blurred")
        result = run_of.blur.verify(out="moved/blurred", detect=False, progress=False)
        assert result["verdict"].tolist() == ["ok"] * 3

    def test_a_table_of_no_run_is_an_error(self, run_of):
        with pytest.raises(SettingsError, match="no column 'blurred'"):
            run_of[["image"]].blur.verify("image")
        with pytest.raises(SettingsError, match="shape"):
            run_of.blur.verify("image", shape="round")


class TestCommand:
    def test_a_good_run(self, run_of, capsys):
        assert main(["verify", "blurred", "--detections", "blurred.csv", "--no-detect", "-q"]) == 0
        assert main(["verify", "blurred", "--detections", "blurred.csv", "--no-detect"]) == 0
        shown = capsys.readouterr()
        assert "3 ok, 0 doubtful, 0 failed." in shown.out
        assert shown.out.count("identical") == 3

    def test_a_bad_file_fails_the_exit_status_and_is_said(self, run_of, capsys):
        with open("blurred/a.jpg", "ab") as file:
            file.write(b"another picture")
        assert main(["verify", "blurred", "--no-detect", "-q"]) == 1
        assert capsys.readouterr().err == "failed: blurred/a.jpg: trailer: bytes behind the end of the picture\n"

    def test_json(self, run_of, capsys):
        assert main(["verify", "blurred", "--detections", "blurred.csv", "--no-detect", "--json"]) == 0
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [line["image"] for line in lines] == ["blurred/a.jpg", "blurred/deep/b.png", "blurred/deep/c.jpg"]
        assert [line["verdict"] for line in lines] == ["ok"] * 3
        assert set(lines[0]) == {"image", "verdict", "outside", "problems", "doubts", "findings", "missed"}

    def test_against_originals_under_the_same_names(self, run_of, capsys):
        assert main(["verify", "blurred", "--against", "photos", "--no-detect"]) == 0
        assert "0 ok, 3 doubtful" in capsys.readouterr().out  # what was hidden is not known
        found = ["--detections", "blurred.csv"]
        assert main(["verify", "blurred/deep", "--against", "photos/deep", *found, "--no-detect", "-q"]) == 0
        os.unlink("photos/a.jpg")
        assert main(["verify", "blurred", "--against", "photos", *found, "--no-detect", "-q"]) == 1
        assert "photos has no original of it" in capsys.readouterr().err

    def test_other_margins_are_told(self, run_of, capsys):
        assert main(["redact", "blurred.csv", "-o", "wide", "--margin", "0.5", "-q"]) == 0
        table = ["--detections", "wide.csv", "--no-detect", "-q"]
        assert main(["verify", "wide", *table]) == 1
        assert "margin, shape or feather" in capsys.readouterr().err
        assert main(["verify", "wide", *table, "--margin", "0.5"]) == 0

    def test_missed_objects_are_looked_for(self, run_of, capsys, networks):
        # the stand-ins see a plate and a face in every picture
        assert main(["verify", "blurred/a.jpg", "--detections", "blurred.csv"]) == 0
        shown = capsys.readouterr().out
        assert "look at blurred/a.jpg: a plate (score 0.90) is seen at (10, 20) to (50, 30)" in shown
        assert main(["verify", "blurred/a.jpg", "--detections", "blurred.csv", "--strict", "-q"]) == 1

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["none"], "none: no such file"),
            (["blurred", "--against", "nowhere"], "nowhere is not a folder"),
            (["blurred", "--detections", "nowhere.csv"], "nowhere.csv"),
            (["photos/a.jpg", "--detections", "blurred.csv"], "blurred.csv has no row of it"),
            ([""], "an empty name"),
            (["blurred", "--marging", "1"], "did you mean --margin?"),
        ],
    )
    def test_wrong_use_is_said(self, run_of, capsys, arguments, said):
        assert main(["verify", *arguments, "--no-detect", "-q"]) in (1, 2)
        assert said in capsys.readouterr().err

    def test_a_table_of_no_run(self, run_of, capsys):
        pd.DataFrame({"image": ["a.jpg"]}).to_csv("other.csv")
        assert main(["verify", "blurred", "--detections", "other.csv", "--no-detect"]) == 2
        assert "no column blurred" in capsys.readouterr().err


def with_segment(data: bytes, marker: int, body: bytes) -> bytes:
    return data[:2] + bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body + data[2:]


def with_chunk(data: bytes, name: bytes, body: bytes) -> bytes:
    """A PNG with one more chunk, behind its header."""
    made = len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")
    return data[:33] + made + data[33:]


def without_jfif(data: bytes) -> bytes:
    assert data[2:4] == b"\xff\xe0"
    return data[:2] + data[4 + int.from_bytes(data[4:6], "big") :]


def oriented(kind: str, tag: int, **options) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = tag
    return saved(kind, exif=exif.tobytes(), **options)


PROFILES = [ImageCms.ImageCmsProfile(ImageCms.createProfile(name)).tobytes() for name in ("sRGB", "XYZ")]
ADOBE = b"Adobe\0\x64\0\0\0\0"
PLAIN_JPEG = without_jfif(saved("JPEG", quality=90))
SIXTEEN = np.asarray(scene().convert("L")).astype(np.uint16) * 257
# the same numbers, which show something else: original, result, and what is said of it
MEANINGS = {
    "orientation of a JPEG": (oriented("JPEG", 6), oriented("JPEG", 1), "orientation is 1, its original's 6"),
    "orientation lost": (oriented("JPEG", 3), saved("JPEG"), "orientation is 1, its original's 3"),
    "orientation of a PNG": (oriented("PNG", 1), oriented("PNG", 8), "orientation is 8, its original's 1"),
    "orientation of a TIFF": (oriented("TIFF", 2), oriented("TIFF", 1), "orientation is 1, its original's 2"),
    "orientation of a WebP": (
        oriented("WEBP", 4, lossless=True), saved("WEBP", lossless=True), "orientation is 1, its original's 4"
    ),
    "profile lost": (
        saved("JPEG", icc_profile=PROFILES[0]), saved("JPEG"), "has not the colour profile of its original"
    ),
    "another profile": (
        saved("PNG", icc_profile=PROFILES[0]), saved("PNG", icc_profile=PROFILES[1]), "another colour profile"
    ),
    "profile added": (saved("TIFF"), saved("TIFF", icc_profile=PROFILES[0]), "another colour profile"),
    "Adobe's transform": (
        with_segment(PLAIN_JPEG, 0xEE, ADOBE + b"\1"), with_segment(PLAIN_JPEG, 0xEE, ADOBE + b"\0"), "other colours"
    ),
    "Adobe's segment": (PLAIN_JPEG, with_segment(PLAIN_JPEG, 0xEE, ADOBE + b"\0"), "other colours"),
    "names of the components": (
        PLAIN_JPEG,
        PLAIN_JPEG.replace(b"\3\1\x22\0\2\x11\1\3\x11\1", b"\3R\x22\0G\x11\1B\x11\1").replace(
            b"\3\1\0\2\x11\3\x11", b"\3R\0G\x11B\x11"
        ),
        "other colours",
    ),
    "inverted CMYK": (
        without_adobe := saved("JPEG", scene().convert("CMYK")).replace(b"Adobe", b"Adabe"),
        without_adobe.replace(b"Adabe", b"Adobe"),
        "other colours",
    ),
    "gamma of a PNG": (saved("PNG"), with_chunk(saved("PNG"), b"gAMA", b"\0\0\xb1\x8f"), "other colours"),
    "bits of a PNG": (saved("PNG", Image.fromarray(SIXTEEN)), saved("PNG", scene().convert("L")), "8 bits a channel"),
}  # fmt: skip


class TestMeaning:
    """The same numbers are not the same picture when a file says that they are turned, or other colours."""

    @pytest.mark.parametrize("name", MEANINGS)
    def test_another_meaning_fails_and_is_not_identical(self, name):
        before, after, words = MEANINGS[name]
        assert before != after
        for method in (None, "lossless", "jpeg-lossless"):
            verdict = checked(after, before, Detections(), method=method)
            assert (verdict.verdict, verdict.outside) == ("failed", "changed")
            assert any(words in text for text in verdict.problems)
        never_lossy = "PNG" in name or "TIFF" in name or before[:4] in (b"\x89PNG", b"II*\0")
        assert (checked(after, before, Detections(), method="reencode").verdict == "failed") == never_lossy
        recoded = checked(after, before, Detections(), method="server")
        assert (recoded.verdict, recoded.outside) == ("doubtful", "recoded")
        assert any(words in text for text in recoded.doubts)

    @pytest.mark.parametrize("name", MEANINGS)
    def test_our_own_results_mean_what_their_originals_do(self, name):
        for original in MEANINGS[name][:2]:
            result = blur_tools.redact(original, [PLATE])
            verdict = checked(result.data, original, Detections([PLATE]), method=result.method)
            assert verdict.problems == ()
            assert verdict.outside.endswith("identical") or result.method.startswith("reencode")

    def test_a_profile_that_our_writer_leaves_out_is_said(self):
        profile = PROFILES[0] + b"\xff\xd8\xff a picture" * 9
        profile = len(profile).to_bytes(4, "big") + profile[4:]
        original = saved("PNG", icc_profile=profile)
        result = blur_tools.redact(original, [PLATE])
        verdict = checked(result.data, original, Detections([PLATE]), method=result.method)
        assert (verdict.verdict, verdict.outside) == ("doubtful", "changed")
        assert any("which holds more than colours" in text for text in verdict.doubts)

    def test_the_low_byte_of_16_bits_counts(self):
        other = SIXTEEN.copy()
        other[100, 5] ^= 1
        before, after = (saved("PNG", Image.fromarray(pixels)) for pixels in (SIXTEEN, other))
        verdict = checked(after, before, method="lossless")
        assert verdict.outside == "changed"
        assert "1 pixels outside the regions differ by up to 1" in verdict.problems[0]
        result = blur_tools.redact(before, FOUND)
        assert checked(result.data, before, method=result.method).outside == "pixels identical"
