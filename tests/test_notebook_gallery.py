"""The gallery of a notebook: pages, clicks, and what it shows of files that are missing or changed."""

from __future__ import annotations

import pandas as pd
import pytest

from blur_tools import Detection, Detections, SettingsError
from blur_tools.audit.session import AuditSession
from blur_tools.errors import JournalError

for needed in ("ipywidgets", "anywidget", "magicgui"):
    pytest.importorskip(needed, reason="the extra [notebook] is not installed")

from notebook_page import FACE, PLATE, Finds, Page, table, thumbs  # noqa: E402, F401
from notebook_privacy import leaks_of  # noqa: E402

from blur_tools.notebook._preview import Preview  # noqa: E402


def test_the_gallery_pages_filters_and_sorts(table):
    gallery = table.blur.preview(per_page=3)
    page = Page(gallery.view)
    page.say("thumbs")
    assert [message.key for message in thumbs(page)] == [cell["key"] for cell in gallery.view.cells]
    assert all(message.buffers[0].startswith(b"\xff\xd8\xff") for message in thumbs(page))
    assert gallery.view.pages == 3
    assert gallery.view.status.startswith("8 pictures · ")
    assert "1 failed" in gallery.view.status
    page.say("page", page=2)
    assert (gallery.page, len(gallery.view.cells)) == (2, 2)
    page.say("page", page=99)
    assert gallery.page == 2
    gallery.order.value = "riskiest first"
    keys = [gallery.session[key].risk for key in gallery._keys]
    assert keys == sorted(keys, reverse=True)
    gallery.listing.value = "failed"
    assert [cell["key"] for cell in gallery.view.cells] == ["broken.jpg"]
    assert gallery.view.cells[0]["error"] == "a broken JPEG file"
    assert gallery.view.status.startswith("1 listed of 8")
    gallery.listing.value = "with plates"
    assert all(gallery.session[key].detections.plates for key in gallery._keys)
    gallery.listing.value = "nothing found"
    assert [cell["key"] for cell in gallery.view.cells] == ["empty-street.jpg"]


def test_a_click_in_the_gallery_opens_the_preview_and_its_edits_are_in_the_table(table, networks):
    gallery = table.blur.preview()
    Page(gallery.view).say("open", key="north/two-cars.jpg")
    assert isinstance(gallery.opened, Preview)
    assert networks == []  # what the table says is not searched again
    opened = Page(gallery.opened.view)
    opened.say("ready")
    opened.say("toggle", id=gallery.opened.view.marks[0]["id"])
    opened.say("act", name="next")
    assert gallery.opened.view.title == "6 of 8 · south/bus-stop.jpg"
    assert gallery.opened.path.value == "bus-stop-blurred.jpg"
    gallery.back.click()
    assert (gallery.opened, gallery.children[-1]) == (None, gallery.view)
    frame = gallery.session.to_frame()
    assert sum(item.keep for item in frame.blur.detections()[0]) == 1
    Page(gallery.view).say("open", key="nowhere.jpg")
    assert gallery.opened is None


@pytest.mark.parametrize("change", ["threshold", "engine", "reset"])
def test_a_table_s_own_detections_are_replaced_only_when_a_person_asks(table, networks, change):
    paid = Detections([Detection("plate", PLATE, 0.9, source="cloud"), Detection("face", FACE, 0.8, source="cloud")])
    frame = table.head(1).assign(detections=paid.to_json())
    gallery = frame.blur.preview(engine=Finds([]))
    opened = gallery.open_picture(gallery.session[0].key)
    page = Page(opened.view)
    page.say("ready")
    if change == "engine":
        opened.engines.name.value = "local"
    else:
        opened.form.fields["face_threshold"].native.value = 0.9
        if change == "reset":
            opened.form.reset.click()
    assert (opened.detections, networks) == (paid, [])
    assert opened.view.status == "These detections came with the table; Search replaces them."
    opened.search_button.click()
    assert not any(one.source == "cloud" for one in opened.detections)
    opened.form.fields["plate_threshold"].native.value = 0.8  # they are this preview's now
    assert opened.view.status.startswith("Found ")


def test_a_gallery_of_bytes_and_of_what_is_missing(encode, noise):
    frame = pd.DataFrame({"image": [encode(noise(20, 30)), None, b"no picture", "nowhere.jpg"]})
    gallery = frame.blur.preview("image")
    page = Page(gallery.view)
    page.say("thumbs")
    assert len(gallery.view.cells) == 3
    assert [bool(message.buffers) for message in thumbs(page)] == [True, False, False]
    assert "is not a picture" in thumbs(page)[1].error
    with pytest.raises(SettingsError, match="per_page"):
        frame.blur.preview("image", per_page=0)


def test_show_has_a_thumbnail_of_each_redacted_file(table, tmp_path):
    result = table.blur.redact("image", out=tmp_path / "blurred", progress=False)
    html = result.blur.show(out=tmp_path / "blurred")._repr_html_()
    assert html.count("data:image/jpeg;base64,") == 7
    assert leaks_of(html) == []
    assert "the first 2 are shown" in result.blur.show(out=tmp_path / "blurred", rows=2).html
    # a table that says that an original is its result
    result["blurred"] = "../pictures/north/two-cars.jpg"
    result.loc[1, "blurred"] = "pictures/north/avenue.jpg"
    result["error"] = "<script>alert(1)</script>"
    html = result.blur.show(out=tmp_path / "blurred").html
    assert "base64" not in html
    assert "<script>" not in html
    assert "not in blurred" in html
    with pytest.raises(SettingsError, match="no column 'blurred'"):
        table.blur.show()
    with pytest.raises(SettingsError, match="rows"):
        result.blur.show(rows=0)


def test_a_gallery_says_at_once_that_its_engine_cannot_work(table, monkeypatch):
    monkeypatch.delenv("PLATE_RECOGNIZER_TOKEN", raising=False)
    with pytest.raises(SettingsError, match="PLATE_RECOGNIZER_TOKEN"):
        table.blur.preview(engine="cloud")
    # where nobody asked for it, the pages can be looked at all the same
    monkeypatch.setenv("BLUR_TOOLS_ENGINE", "cloud")
    gallery = table.blur.preview()
    Page(gallery.view).say("open", key=gallery.session[1].key)
    assert gallery.opened is None
    assert gallery.view.status.startswith("Not opened: ")
    assert "PLATE_RECOGNIZER_TOKEN" in gallery.view.status


def test_a_gallery_that_shows_its_page_loads_nothing_when_the_cursor_moves(table, networks):
    gallery = table.blur.preview()
    opened = gallery.open_picture("north/avenue.jpg")
    gallery.show_all()
    gallery.session.go("south/bus-stop.jpg")
    assert opened.desk.shown is None


def test_that_a_picture_could_not_be_read_is_taken_back_when_it_can_be(tmp_path, encode, noise):
    path = tmp_path / "late.png"
    gallery = pd.DataFrame({"image": [str(path)]}).blur.preview(engine=Finds([]))
    page = Page(gallery.view)
    gallery.open_picture("late.png")
    gallery.show_all()
    assert gallery.view.cells[0]["error"] == "no such file"
    path.write_bytes(encode(noise(20, 30)))
    page.say("thumbs")
    assert (gallery.session["late.png"].error, gallery.view.cells[0]["error"]) == ("", "")
    page.say("thumbs")  # the page has made the cell anew
    assert thumbs(page)[-1].buffers


def test_an_error_of_a_run_stays_in_the_gallery_until_the_picture_is_opened(table):
    table.loc[1, "error"] = "the service was asleep"
    gallery = table.blur.preview(engine=Finds([]))
    key = next(item.key for item in gallery.session if item.error == "the service was asleep")
    page = Page(gallery.view)
    page.say("thumbs")
    assert [message.buffers for message in thumbs(page) if message.key == key] == [[]]
    assert gallery.session[key].error
    gallery.open_picture(key)
    assert gallery.session[key].error == ""


def test_show_says_what_is_no_name_of_a_result_and_counts_in_whole_numbers(tmp_path):
    frame = pd.DataFrame({"image": ["a.jpg"] * 3, "blurred": ["a\0b.jpg", 3, None], "n_plates": [1.0, None, 2.0]})
    html = frame.blur.show(out=tmp_path / "blurred").html
    assert html.count("not in blurred") == 2
    assert '<td class="bt-number">1</td>' in html
    assert '<td class="bt-number"></td>' in html
    with pytest.raises(SettingsError, match="several columns 'n_plates'"):
        pd.concat([frame, frame[["n_plates"]]], axis=1).blur.show(out=tmp_path / "blurred")


def test_a_cell_that_is_run_again_is_told_where_its_journal_is_open(table, tmp_path):
    journal = tmp_path / "review.jsonl"
    with AuditSession.open(table, journal=journal), pytest.raises(JournalError, match="in this Python already"):
        table.blur.audit(where="notebook", journal=journal)
