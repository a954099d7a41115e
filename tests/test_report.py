"""The report: what it says, that nothing leaves through it, and that it asks nothing of anybody."""

from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw, ImageFont

from blur_tools.audit import _report_plots as plots
from blur_tools.audit.report import make_report
from blur_tools.audit.session import AuditSession
from blur_tools.cli import main
from blur_tools.detections import Detection, Detections, box_polygon
from blur_tools.errors import AuditError, OutputError, SettingsError

PLATE = Detection("plate", box_polygon(10, 10, 58, 24), 0.9, "local:p0", result={"plate": "ab12cde"})
FACE = Detection("face", box_polygon(70, 20, 100, 60), 0.8, "local:f0")
DRAWN = Detection("face", box_polygon(5, 50, 25, 74), None, "person:Ann Example")
KEPT = Detection("plate", box_polygon(60, 66, 90, 76), 0.7, "local:p0", keep=True, result={"plate": "zz99yyy"})
EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run on noise, in which every pixel of an original can be recognized."""
    folder = tmp_path_factory.mktemp("run")
    random = np.random.default_rng(3)
    rows = []
    for number in range(6):
        name = f"{number}-AB12 CDE.png" if number == 5 else f"<b>&{number}.png"
        path = folder / "photos" / name
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(random.integers(0, 256, (80, 110, 3), dtype=np.uint8)).save(path)
        found = Detections([PLATE, FACE, DRAWN, KEPT] if number % 2 else [])
        rows.append({"image": str(path), "detections": found.to_json(), "decision": "accepted",
                     "reviewer": "Ann Example"})  # fmt: skip
    (folder / "photos" / "AB-12-CDE broken.jpg").write_text("no picture")
    (folder / "photos" / f"{EVIL.replace('/', '_')}.jpg").write_text("no picture")
    for name in ("AB-12-CDE broken.jpg", f"{EVIL.replace('/', '_')}.jpg"):
        rows.append({"image": str(folder / "photos" / name), "detections": Detections([FACE]).to_json()})
    frame = pd.DataFrame(rows).blur.redact("image", out=folder / "blurred", progress=False)
    frame = frame.blur.verify("image", out=folder / "blurred", detect=False, progress=False)
    frame.blur.receipt(folder / "receipt.jsonl", "image", out=folder / "blurred")
    with AuditSession.open(frame.blur.sample(4, "image"), order="given") as session:
        for item in session.items:
            if int(Path(item.source).name.lstrip("<b>&")[0]) % 2:
                for mark in (PLATE, FACE, DRAWN):
                    session.add(item.key, mark.kind, mark.polygon)
            session.decide(item.key, "accepted")
        sample = session.to_frame()
    return folder, frame, sample


@pytest.fixture(scope="module")
def report(run):
    folder, frame, sample = run
    return make_report(
        frame, "image", out=folder / "blurred", sample=sample, receipt=folder / "receipt.jsonl", title=f"A & {EVIL}"
    )


class Page(HTMLParser):
    """Tags and what they refer to; an unclosed or crossed tag is an error."""

    VOID = frozenset(("meta", "img", "br"))

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.links, self.texts, self.open = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("src", "href", "action", "style")]
        assert not [name for name, _ in attributes if name.startswith("on")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_it_says_what_was_done(report):
    counts = report.data["counts"]
    assert counts == {"rows": 8, "pictures": 8, "done": 6, "failed": 2, "skipped": 0, "empty": 3, "plates": 6,
                      "faces": 6, "kept": 3}  # fmt: skip
    assert report.data["run"]["settings"] == {"effect": "gaussian", "plates": 10, "faces": 10, "shape": "ellipse",
                                              "feather": 0.0, "margin": {"plate": 0.15, "face": 0.25}}  # fmt: skip
    assert report.data["run"]["engines"] == {"local:p0": 6, "local:f0": 3, "person": 3}
    assert report.data["run"]["methods"] == {"lossless": 6}
    assert {"blur_tools", "Pillow", "onnxruntime"} <= report.data["run"]["versions"].keys()
    assert sum(report.data["scores"]["plate"]["counts"]) == 6
    assert report.data["scores"]["face"]["without"] == 3
    assert report.data["sizes"]["plate"] == [3, 3, 0, 0, 0]
    assert np.sum(report.data["places"]["face"]) == 6
    assert report.data["verification"]["verdicts"] == {"ok": 6, "skipped": 2}
    assert report.data["review"]["reviewers"] == ["reviewer 1"]
    assert report.data["sample"]["reviewed"] == 4
    assert report.data["receipt"]["files"] == 6
    says = " ".join(text for _, text in report.data["says"])
    assert "nothing was written of the 2 that failed" in says
    assert report.data["receipt"]["head"] in report.to_html()
    assert "0 of 4 reviewed pictures show something" in says


def test_it_is_one_page_that_asks_nothing_and_runs_nothing(report):
    text = report.to_html()
    page = Page(text)
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert all(link.startswith("data:image/png;base64,") for link in page.links)
    assert re.search(r"https?:|url\(|@import", text) is None
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text).group(1)
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert EVIL not in text
    assert "A &amp; &lt;script&gt;" in text
    assert "prefers-color-scheme:dark" in text
    assert "@media print" in text


def test_neither_the_text_of_a_plate_nor_a_name_is_in_it(report):
    for text in (report.to_html(), report.to_json()):
        for secret in ("ab12cde", "AB12CDE", "AB-12-CDE", "AB12 CDE", "zz99yyy", "Ann Example"):
            assert secret not in text
        assert "(not shown: it holds what stands on a plate)" in text


def crops_of(text):
    for url in re.findall(r'src="data:image/png;base64,([^"]+)"', text):
        yield np.asarray(Image.open(io.BytesIO(base64.b64decode(url))).convert("RGBA"))


def test_no_pixel_of_an_original_is_in_it(run, report):
    """On noise a neighbourhood of two pixels says where it comes from."""
    pairs = set()
    for path in (run[0] / "photos").glob("*.png"):
        pixels = np.asarray(Image.open(path)).astype(int)
        pairs |= {tuple(pair) for pair in np.concatenate([pixels[:, :-1], pixels[:, 1:]], axis=2).reshape(-1, 6)}
    crops = list(crops_of(report.to_html()))
    assert len(crops) == report.data["crops"]["shown"] == 9
    for crop in crops:
        assert set(np.unique(crop[..., 3])) <= {0, 255}
        assert not crop[crop[..., 3] == 0].any()  # nothing lies under what is transparent
        shown = crop[..., 3] == 255
        both = shown[:, :-1] & shown[:, 1:]
        found = np.concatenate([crop[:, :-1, :3], crop[:, 1:, :3]], axis=2).astype(int)[both]
        assert len(found)
        assert not pairs & {tuple(pair) for pair in found}


@pytest.mark.parametrize(
    ("params", "shown", "reason"),
    [
        ({"plates": 7, "faces": 9}, 0, "strength leaves something"),
        ({"plates": 8, "faces": 9}, 3, "strength leaves something"),
        ({"plates": 3, "faces": 3, "effect": "fill"}, 9, ""),
    ],
)
def test_what_could_be_read_is_not_shown(run, tmp_path, params, shown, reason):
    _, frame, _ = run
    again = frame.drop(columns="blurred").blur.redact("image", out=tmp_path / "weak", progress=False, **params)
    report = make_report(again, "image", out=tmp_path / "weak", **params)
    assert report.data["crops"]["shown"] == shown
    assert reason in " ".join(report.data["crops"]["left_out"])


def test_a_result_that_is_not_redacted_is_not_shown(run, tmp_path):
    _, frame, _ = run
    frame = frame[frame["status"] == "ok"].drop(columns="blurred")
    done = frame.blur.redact("image", out=tmp_path / "out", progress=False)
    for image, blurred in zip(done["image"], done["blurred"], strict=True):
        (tmp_path / blurred).write_bytes(Path(image).read_bytes())
    report = make_report(done, "image", out=tmp_path / "out")
    assert report.data["crops"] == {"shown": 0, "left_out": {"the result is not what these settings make of the "
                                                             "original": 9}}  # fmt: skip
    done["blurred"] = "out/../../run/x.png"
    assert make_report(done, "image", out=tmp_path / "out").data["crops"]["shown"] == 0


def night(number):
    """A picture by night: its plate's letters differ by a few levels only, from which they can be made readable."""
    picture = Image.new("RGB", (400, 300), (6, 6, 6))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((100, 100, 260, 140), fill=(9, 9, 9))
    draw.text((110, 102), f"AB{number} CDE", fill=(1, 1, 1), font=ImageFont.load_default(30))
    return picture


def even(number):
    """A picture without contrast, such as fog."""
    levels = np.random.default_rng(number).normal(128, 7, (300, 400, 3))
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))


def one_of(folder, picture, polygon=(100, 100, 260, 140)):
    (folder / "photos").mkdir()
    picture.save(folder / "photos" / "n.png")
    found = Detections([Detection("plate", box_polygon(*polygon), 0.9, "x")]).to_json()
    return pd.DataFrame({"image": [str(folder / "photos" / "n.png")], "detections": [found]})


@pytest.mark.parametrize("letters", ["all", "one"])
def test_a_dark_plate_that_is_still_there_is_not_shown(tmp_path, letters):
    done = one_of(tmp_path, night(12)).blur.redact("image", out=tmp_path / "out", progress=False)
    if letters == "all":
        night(12).save(tmp_path / "out/n.png")
    else:
        result = Image.open(tmp_path / "out/n.png")
        result.paste(night(12).crop((110, 100, 140, 140)), (110, 100))
        result.save(tmp_path / "out/n.png")
    report = make_report(done, "image", out=tmp_path / "out")
    assert report.data["crops"]["shown"] == 0
    assert list(report.data["crops"]["left_out"]) == ["the result is not what these settings make of the original"]


def test_a_result_of_another_margin_is_not_shown(tmp_path):
    done = one_of(tmp_path, even(1)).blur.redact("image", out=tmp_path / "out", progress=False, margin=0)
    assert make_report(done, "image", out=tmp_path / "out", margin=0).data["crops"]["shown"] == 1
    assert make_report(done, "image", out=tmp_path / "out").data["crops"]["shown"] == 0


def test_of_the_results_files_no_pixel_is_shown(tmp_path):
    """A mark that is too faint to tell the result from what the settings make of the original."""
    done = one_of(tmp_path, even(2)).blur.redact("image", out=tmp_path / "out", progress=False)
    clear = make_report(done, "image", out=tmp_path / "out").crops
    result = np.asarray(Image.open(tmp_path / "out/n.png")).copy()
    result[118:122:3, 150:210:5] ^= 1
    Image.fromarray(result).save(tmp_path / "out/n.png")
    assert make_report(done, "image", out=tmp_path / "out").crops == clear
    assert len(clear) == 1


def test_where_a_logo_lies_on_plates_they_are_not_shown(tmp_path):
    Image.new("RGBA", (40, 20), (255, 0, 0, 90)).save(tmp_path / "logo.png")
    logo = str(tmp_path / "logo.png")
    done = one_of(tmp_path, even(3)).blur.redact("image", out=tmp_path / "out", progress=False, logo=logo)
    data = make_report(done, "image", out=tmp_path / "out", logo=logo).data
    assert data["crops"]["shown"] == 0
    assert "strength leaves something" in "".join(data["crops"]["left_out"])


def test_it_can_be_made_of_a_table_alone(run):
    _, frame, _ = run
    report = make_report(frame[["image", "detections"]], "image", names=False)
    assert report.data["sample"] is report.data["verification"] is report.data["receipt"] is None
    assert "was missed is not known" in json.dumps(report.data)
    Page(report.to_html())
    empty = make_report(
        pd.DataFrame({"image": pd.Series(dtype=object), "detections": pd.Series(dtype=object)}), "image"
    )
    Page(empty.to_html())
    assert empty.data["counts"]["pictures"] == 0


def test_a_stratified_sample_is_shown_by_stratum(run):
    _, frame, _ = run
    frame = frame.assign(place=["<north>", "ZZ 99 YYY street"] * 4)
    with AuditSession.open(frame.blur.sample(5, "image", strata="place")) as session:
        for item in session.items:
            session.decide(item.key, "accepted")
        text = make_report(frame, "image", sample=session.to_frame()).to_html()
    Page(text)
    assert "By stratum" in text
    assert "&lt;north&gt;" in text
    assert "YYY" not in text


def test_bounds_that_do_not_hold_are_not_shown(run):
    _, frame, sample = run
    many = Detections(Detection("plate", box_polygon(1 + 9 * k, 70, 8 + 9 * k, 78)) for k in range(3)).to_json()
    bounds = frame.blur.bounds(sample.assign(detections=many), "image", largest=2)
    report = make_report(frame, "image", sample=bounds)
    Page(report.to_html())
    assert report.data["sample"]["objects"][0]["recall_low"] is None
    assert "the bounds on objects do not hold" in report.to_html()
    with pytest.raises(AuditError, match=r"measured with other settings \(plates\)"):
        make_report(frame, "image", sample=bounds, plates=3)


def test_without_names_no_name_is_in_it(run):
    _, frame, _ = run
    report = make_report(frame, "image", names=False)
    assert "broken" not in report.to_json()
    assert [entry["picture"] for entry in report.data["failures"]] == ["picture 7", "picture 8"]


def test_pictures_in_cells_of_bytes_are_not_named_by_their_errors():
    cells = [{"path": "AB9.jpg", "bytes": b"bad"}, {"path": "/srv/ann/ZZ8 x.png", "bytes": b"bad"}]
    frame = pd.DataFrame({"image": cells, "detections": [None, None], "status": "failed"})
    frame["error"] = ["AB9.jpg: is no picture", "'/srv/ann/ZZ8 x.png': is no picture"]
    for names in (True, False):
        text = make_report(frame, "image", names=names).to_json()
        assert "AB9" not in text
        assert "ZZ8" not in text
        assert "ann" not in text.replace("cannot", "").replace("channel", "")


@pytest.mark.parametrize(
    "error",
    ["cannot write /home/ann.smith/out/x.png", "'/home/ann.smith/a b/x.png': gone", 'no "/home/ann.smith/a b": full',
     "C:\\Users\\ann.smith\\x.png is gone", "(/home/ann.smith)", "in /home/ann.smith/x.png: /home/ann.smith/y"],
)  # fmt: skip
def test_where_something_lies_on_this_machine_is_not_said(error):
    frame = pd.DataFrame({"image": ["/data/a.png"], "detections": [None], "status": ["failed"], "error": [error]})
    told = make_report(frame, "image").data["failures"][0]["error"]
    assert "ann.smith" not in told
    assert "(a path)" in told


def test_addresses_and_shares_are_no_paths():
    error = "https://example.com/a/b.png: 1/2 of it, and/or more"
    frame = pd.DataFrame({"image": ["/data/a.png"], "detections": [None], "status": ["failed"], "error": [error]})
    assert make_report(frame, "image").data["failures"][0]["error"] == error


def test_no_column_of_the_table_brings_a_plates_text_in(run, tmp_path):
    """Tables can be of anybody, and hold anything."""
    folder, frame, sample = run
    other = frame.assign(**dict.fromkeys(("method", "decision", "verdict", "outside"), "AB12 CDE"))
    (tmp_path / "ab12cde.jsonl").write_bytes((folder / "receipt.jsonl").read_bytes())
    with AuditSession.open(other.blur.sample(2, "image", seed="AB12CDE"), order="given") as session:
        for item in session.items:
            session.decide(item.key, "accepted")
        sample = session.to_frame()
    report = make_report(
        other, "image", sample=sample, receipt=tmp_path / "ab12cde.jsonl", pseudonyms={"Ann Example": "AB-12-CDE"}
    )
    for text in (report.to_html(), report.to_json()):
        assert not re.search("ab.?12.?cde", text, re.IGNORECASE)


def test_no_cell_of_a_table_is_changed_by_how_it_is_shown(run):
    frame = pd.DataFrame({"image": ["/x/class=nice.jpg"], "detections": [None], "status": ["failed"], "error": ["e"]})
    assert "class=nice.jpg" in make_report(frame, "image").to_html()


def test_the_hash_that_was_kept_is_compared(run):
    folder, frame, _ = run
    facts = {"out": folder / "blurred", "receipt": folder / "receipt.jsonl", "crops": 0}
    head = make_report(frame, "image", **facts).data["receipt"]["head"]
    assert make_report(frame, "image", head=head, **facts).data["receipt"]["differences"] == 0
    assert make_report(frame, "image", head="0" * 64, **facts).data["receipt"]["differences"] == 1
    with pytest.raises(SettingsError, match="is no hash"):
        make_report(frame, "image", head="", **facts)


def test_a_receipt_of_another_table_is_told(run, tmp_path):
    folder, frame, _ = run
    facts = {"out": folder / "blurred", "receipt": folder / "receipt.jsonl", "crops": 0}
    assert make_report(frame.assign(decision="flagged"), "image", **facts).data["receipt"]["other_pictures"] == 0
    other = frame.copy()
    other.loc[1, "detections"] = Detections([PLATE]).to_json()
    report = make_report(other, "image", **facts)
    assert report.data["receipt"]["other_pictures"] == 1
    assert "1 of them from this table: it is the receipt of another run" in report.to_html()
    assert make_report(frame.iloc[:5], "image", **facts).data["receipt"]["other_pictures"] == 3
    (tmp_path / "key").write_bytes(bytes(range(32)))
    head = frame.blur.receipt(
        tmp_path / "r.jsonl", "image", out=folder / "blurred", key=tmp_path / "key", hash_names=True
    )
    facts |= {"receipt": tmp_path / "r.jsonl", "key": tmp_path / "key", "head": head}
    assert make_report(frame, "image", **facts).data["receipt"]["differences"] == 0
    assert make_report(other, "image", **facts).data["receipt"]["other_pictures"] == 1


def test_nothing_but_an_earlier_report_is_replaced(run, tmp_path):
    _, frame, _ = run
    report = make_report(frame, "image", crops=0)
    for name in ("set.json", "set.html"):
        (tmp_path / name).write_text("mine")
        with pytest.raises(OutputError, match="is there and is no report"):
            report.write(tmp_path / "set.html")
        assert [path.name for path in tmp_path.iterdir()] == [name]
        assert (tmp_path / name).read_text() == "mine"
        (tmp_path / name).unlink()
    report.write(tmp_path / "set.html")
    report.write(tmp_path / "set.html")


def test_two_files_are_written_and_read_again(run, tmp_path):
    folder, frame, _ = run
    report = frame.blur.report(tmp_path / "deep/report.html", "image", out=folder / "blurred", crops=2)
    assert json.loads((tmp_path / "deep/report.json").read_text()) == json.loads(report.to_json())
    assert (tmp_path / "deep/report.html").read_text() == report.to_html()
    assert len(report.crops) == 2


def test_what_does_not_fit_is_told(run, tmp_path):
    folder, frame, sample = run
    with pytest.raises(OutputError, match=r"ends in \.html"):
        frame.blur.report(tmp_path / "report.pdf", "image", out=None)
    with pytest.raises(AuditError, match="another run"):
        make_report(frame.drop(0), "image", sample=sample)
    with pytest.raises(AuditError, match="bounds are of another run"):
        make_report(frame.drop(0), "image", sample=frame.blur.bounds(sample, "image"))
    with pytest.raises(AuditError, match="is no receipt"):
        make_report(frame, "image", receipt=folder / "photos" / "<b>&0.png")
    with pytest.raises(SettingsError, match="no column 'detections'"):
        make_report(frame[["image"]], "image")
    assert not list(tmp_path.iterdir())


def test_by_the_command_line(run, tmp_path, capsys, monkeypatch):
    folder, frame, sample = run
    monkeypatch.chdir(folder)
    plain = frame[["image", "blurred", "detections", "n_plates", "n_faces", "method", "status", "error"]]
    plain.to_csv("blurred.csv", index=False)
    sample.to_csv("sample.csv", index=False)
    arguments = ["--sample", "sample.csv", "--receipt", "receipt.jsonl", "--verify", "-o", str(tmp_path / "r.html")]
    assert main(["report", "blurred.csv", *arguments]) == 0
    told = capsys.readouterr().out
    assert "Verified: 6 results in order" in told
    assert "0 of 4 reviewed pictures" in told
    assert "The receipt and the results agree" in told
    assert json.loads((tmp_path / "r.json").read_text())["crops"]["shown"] == 9


@pytest.mark.parametrize("asked", ["--verify", "--receipt"])
def test_what_a_report_was_asked_to_check_is_its_exit_status(run, tmp_path, asked, capsys, monkeypatch):
    _, frame, _ = run
    monkeypatch.chdir(tmp_path)
    done = frame.loc[frame["status"] == "ok", ["image", "detections"]]
    done = done.blur.redact("image", out="out", progress=False)
    done.to_csv("out.csv", index=False)
    done.blur.receipt("r.jsonl", "image", out="out")
    result = next(Path("out").glob("*.png"))
    result.write_bytes(result.read_bytes() + b"a second copy" * 500)
    more = [asked, "r.jsonl"] if asked == "--receipt" else [asked]
    assert main(["report", "out.csv", *more]) == 1
    assert Path("report.html").exists()
    assert ("1 failed" if asked == "--verify" else "1 differences") in capsys.readouterr().out
    assert main(["report", "out.csv"]) == 0  # nothing was asked


def test_a_changed_result_is_said_first_thing(run, tmp_path):
    _, frame, _ = run
    done = frame[frame["status"] == "ok"].drop(columns="blurred")
    done = done.blur.redact("image", out=tmp_path / "out", progress=False)
    done.blur.receipt(tmp_path / "r.jsonl", "image", out=tmp_path / "out")
    next((tmp_path / "out").glob("*.png")).write_bytes(b"other")
    report = make_report(done, "image", out=tmp_path / "out", receipt=tmp_path / "r.jsonl")
    assert ("bad", "The receipt tells of 1 differences") in [(s, t.partition(";")[0]) for s, t in report.data["says"]]


def test_ticks_are_round_and_cover_all():
    for most in (0, 1, 3, 7, 10, 99, 101, 12345):
        ticks = plots._ticks(most)
        assert ticks[0] == 0
        assert ticks[-1] >= most
        assert len(ticks) <= 7
    svg = plots.bars([("a<", "plate", [0, 0])], ["x", "<y>"], title="t<", axis="a")
    assert "<y>" not in svg
    assert "nan" not in svg
