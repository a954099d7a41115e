"""Many pictures in a notebook, without a browser: the gallery, the review, the table of results."""

from __future__ import annotations

import asyncio
import threading

import pandas as pd
import pytest

from blur_tools import Detection, Detections, SettingsError
from blur_tools.audit.session import AuditSession
from blur_tools.detections import box_polygon
from blur_tools.engines import Answer
from blur_tools.errors import JournalError

for needed in ("ipywidgets", "anywidget", "magicgui"):
    pytest.importorskip(needed, reason="the extra [notebook] is not installed")

from notebook_page import FACE, PLATE, Finds, Page, picture, state_of, table, thumbs  # noqa: E402, F401
from notebook_privacy import leaks_of  # noqa: E402

from blur_tools.notebook import _showing  # noqa: E402
from blur_tools.notebook._gallery import Gallery  # noqa: E402
from blur_tools.notebook._lane import Lane  # noqa: E402
from blur_tools.notebook._preview import Preview  # noqa: E402
from blur_tools.notebook._review import Review  # noqa: E402


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


@pytest.fixture
def review(table, tmp_path):
    session = AuditSession.open(table, reviewer="Ada", journal=tmp_path / "review.jsonl")
    made = Review(session)
    yield made
    session.close()


def test_the_keys_are_those_of_napari(review):
    from blur_tools.audit.actions import ACTIONS, HOLD

    assert [(tool["name"], tool["key"]) for tool in review.view.tools] == [
        (action.name, action.key) for action in (*ACTIONS, HOLD)
    ]
    for action in ACTIONS:
        assert callable(getattr(review.desk, action.name))


def test_how_many_more_are_needed_is_seen_while_a_sample_is_reviewed(pair):
    run = pd.DataFrame({"image": [item.source for item in pair.items]})
    run["detections"] = Detections([Detection("plate", PLATE, 0.9, "test")]).to_json()
    made = Review(AuditSession.open(run.blur.sample(2)))
    page = Page(made.view)
    page.say("ready")
    assert made.sample in made.children
    assert made.sample.value == "<div>0 of 2 looked at · 2 more without a miss for at most 1 %</div>"
    assert "Mark all that is to be hidden" in made.about.value
    page.say("add", kind="plate", polygon=[[10, 20], [50, 20], [50, 30], [10, 30]])
    page.say("act", name="accept")
    assert made.sample.value == (
        "<div>1 of 2 looked at · at most 50.0 % of the run&#x27;s pictures exposed, at 95 % · "
        "1 more without a miss for at most 1 %</div>"
    )
    page.say("add", kind="plate", polygon=[[110, 120], [150, 120], [150, 130], [110, 130]])  # not found by the run
    page.say("act", name="accept")
    assert made.sample.value == "<div>2 of 2 looked at · 1 of all 2 pictures exposed</div>"
    page.say("act", name="undo")
    assert made.sample.value.startswith("<div>1 of 2 looked at")
    assert made.session.items[0].marks


def test_of_a_review_that_is_no_sample_nothing_is_said_of_the_run(review):
    assert review.sample is None


def test_a_person_goes_through_the_queue(review):
    session, page = review.session, Page(review.view)
    page.say("ready")
    assert review.view.title == "1 of 8 · broken.jpg"
    assert "broken JPEG" in review.view.problem
    page.say("act", name="accept")
    assert session.counts()["accepted"] == 0  # nobody has seen it
    page.say("act", name="next")
    assert review.view.title == "2 of 8 · empty-street.jpg"
    page.say("act", name="accept")
    page.say("act", name="flag")
    assert (session[1].decision, session[2].decision) == ("accepted", "flagged")
    assert "1 flagged" in review.counts.value
    assert (review.progress.value, review.progress.max) == (2, 8)
    page.say("act", name="next_mark")
    page.say("act", name="toggle_keep")
    assert session.current.marks[0].detection.keep
    page.say("act", name="change_kind")
    page.say("act", name="undo")
    page.say("act", name="redo")
    page.say("act", name="previous")
    assert session.position == 1
    assert [item.decision for item in AuditSession.open(session.to_frame()).items].count("accepted") == 1


def test_the_redacted_side_of_a_review_is_rendered_when_it_is_asked_for(review):
    page = Page(review.view)
    review.desk.go("north/two-cars.jpg")
    page.say("ready")
    assert set(page.pictures()) == {"before"}
    page.say("act", name="toggle_preview")
    assert review.view.split == 0
    assert set(page.pictures()) == {"before", "after"}
    page.say("act", name="toggle_preview")
    assert review.view.split == 100


def test_lists_orders_and_the_reviewer(review):
    review.order.value = "riskiest first"
    assert review.session[0].risk == max(item.risk for item in review.session)
    review.reviewer.value = "Grace"
    review.desk.go("north/avenue.jpg")
    review.desk.accept()
    assert review.session["north/avenue.jpg"].reviewer == "Grace"
    review.listing.value = "accepted"
    assert review.session.current.key == "north/avenue.jpg"
    review.desk.next()
    assert "of those that are listed" in review.view.status
    review.listing.value = "flagged"
    assert review.view.status == "There is no such picture."


def test_a_closed_session_says_so_and_nothing_breaks(review):
    review.desk.go("north/avenue.jpg")
    page = Page(review.view)
    page.say("ready")
    review.session.close()
    page.say("act", name="flag")
    assert "closed" in review.view.status


def test_audit_in_a_notebook_shows_the_session_and_returns_it(table, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    with table.blur.audit(where="notebook") as session:
        assert isinstance(session, AuditSession)
        assert [type(one) for one in shown] == [Review]
        shown[0].desk.go("north/avenue.jpg")
        shown[0].desk.accept()
        assert (session.to_frame()["decision"] == "accepted").sum() == 1
        assert "base64" not in str(shown[0]._repr_mimebundle_())
    with pytest.raises(SettingsError, match="none of napari, notebook, none"):
        table.blur.audit(where="elsewhere")


def test_what_is_meant_for_the_picture_before_is_dropped(review):
    """A kernel that was busy gets several keys at once: only the first is of what the person saw."""
    session, page = review.session, Page(review.view)
    review.desk.go("north/avenue.jpg")
    page.say("ready")
    seen = page.drawn
    for _ in range(3):
        page.say("act", turn=seen, name="accept")
    assert session.counts()["accepted"] == 1
    assert review.view.status == "Not done: it was meant for the picture before."
    after = session.current
    number, polygon = after.marks[0].id, [[5, 5], [9, 5], [9, 9], [5, 9]]
    for do, facts in (
        ("toggle", {"id": number}),
        ("select", {"ids": [number]}),
        ("reshape", {"id": number, "polygon": polygon}),
        ("add", {"kind": "face", "polygon": polygon}),
        ("look", {"box": [0, 0, 50, 50]}),
        ("act", {"name": "add_plate"}),
    ):
        page.say(do, turn=seen, **facts)
        page.view._handle_custom_msg({"do": do, **facts}, [])  # and one that does not say what it saw
    assert session.current.marks == after.marks
    assert (review.view.selected, review.view.drawing, review.desk._box) == ([], "", None)
    page.say("act", turn=seen, name="next")  # going on is never wrong
    assert session.current.key != after.key
    page.say("act", name="accept")
    assert session.counts()["accepted"] == 2


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


def test_a_lane_works_beside_the_loop_and_only_the_last_that_waits_is_done():
    done, go = [], threading.Event()

    async def kernel() -> None:
        lane = Lane()
        lane.start(lambda: go.wait(30), lambda value, error: done.append("first"))
        lane.start(lambda: 1, lambda value, error: done.append("dropped"))
        lane.start(lambda: 1 / 0, lambda value, error: done.append(type(error)))
        go.set()
        async with asyncio.timeout(30):
            while lane.busy:
                await asyncio.sleep(0.001)

    asyncio.run(kernel())
    assert done == ["first", ZeroDivisionError]


def test_what_is_prepared_is_not_decoded_again(table, monkeypatch):
    loaded, gate = [], threading.Event()
    load = _showing.Seen.load

    def slow(source):
        loaded.append(source)
        if len(loaded) == 2:
            gate.wait(30)
        return load(source)

    monkeypatch.setattr(_showing.Seen, "load", slow)

    async def kernel() -> None:
        made = Review(AuditSession.open(table.iloc[1:4]))
        page = Page(made.view)
        async with asyncio.timeout(30):
            while made.desk.shown is None:
                await asyncio.sleep(0.001)
            page.say("ready")
            while len(loaded) < 2:
                await asyncio.sleep(0.001)
            page.say("act", name="next")  # while it is being prepared
            gate.set()
            while made.desk.shown is None:
                await asyncio.sleep(0.001)
        made.close()

    asyncio.run(kernel())
    assert len({str(source) for source in loaded[:2]}) == 2
    assert not any(str(source) == str(loaded[1]) for source in loaded[2:])


def test_a_search_that_ends_after_the_person_has_gone_on_reaches_its_own_picture(table, noise):
    gate = threading.Event()

    class Slow:
        name, versions = "slow", {}

        def detect(self, picture, settings):
            gate.wait(30)
            return Answer(Detections([Detection("plate", PLATE, 0.5)]))

    async def kernel() -> AuditSession:
        session = AuditSession.open(table[["image"]].head(2))
        made = Review(session, engine=Slow())
        async with asyncio.timeout(30):
            while made.desk._awaited is None:
                await asyncio.sleep(0.001)
            first = session.current.key
            made.desk.accept()
            assert made.view.status == "The picture is still being searched."
            made.desk.next()
            while made.desk._awaited == first:  # the second waits for its turn
                await asyncio.sleep(0.001)
            gate.set()
            while not all(item.detected for item in session):
                await asyncio.sleep(0.001)
        assert session.current.key != first
        assert len(made.view.marks) == 1
        return session

    session = asyncio.run(kernel())
    assert [len(item.marks) for item in session] == [1, 1]


def test_ten_thousand_rows_open_on_one_page(tmp_path):
    found = Detections([Detection("plate", PLATE, 0.5), Detection("face", FACE, 0.9)]).to_json()
    frame = pd.DataFrame({"image": [f"{tmp_path}/{number:05}.jpg" for number in range(10_000)], "detections": found})
    gallery = frame.blur.preview()
    assert isinstance(gallery, Gallery)
    assert (gallery.view.pages, len(gallery.view.cells)) == (417, 24)
    assert len(state_of(gallery)) < 100_000


@pytest.fixture
def pair(tmp_path, encode, noise):
    """Two pictures in a folder, and the review of it."""
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(encode(noise(200, 300)))
    with AuditSession.open(tmp_path, reviewer="Ada") as session:
        yield session


def test_a_file_that_was_replaced_is_shown_and_searched_before_it_is_accepted(pair, tmp_path, networks, encode, noise):
    made = Review(pair)
    page = Page(made.view)
    page.say("ready")
    searched = len(networks)
    assert pair["a.png"].detected
    (tmp_path / "a.png").write_bytes(encode(noise(240, 300)))
    page.say("act", name="accept")
    assert pair["a.png"].decision == "unreviewed"
    assert pair.position == 0
    assert "has changed" in made.view.status
    assert made.view.size == (300, 240)
    assert len(networks) > searched
    page.say("act", name="accept")
    assert pair["a.png"].decision == "accepted"


def test_an_answer_about_the_file_before_is_not_taken(pair, tmp_path, encode, noise):
    class Slow:
        """While it searches, somebody replaces the file."""

        name, versions = "slow", {}

        def detect(self, picture, settings):
            (tmp_path / "a.png").write_bytes(encode(noise(240, 300)))
            return Answer(Detections([Detection("plate", box_polygon(10, 20, 50, 30), 0.9)]))

    made = Review(pair, engine=Slow())
    page = Page(made.view)
    page.say("ready")
    assert pair["a.png"].marks == ()
    page.say("act", name="accept")
    assert pair["a.png"].decision == "unreviewed"


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


def test_the_review_follows_a_cursor_that_a_program_moves(review):
    """The session is the caller's: what is then done by keys is done to the picture that is seen."""
    page = Page(review.view)
    review.desk.go("north/avenue.jpg")
    page.say("ready")
    seen = page.drawn
    review.session.go("south/bus-stop.jpg")
    assert review.view.title.endswith("south/bus-stop.jpg")
    page.say("act", turn=seen, name="accept")  # pressed on the one before
    assert review.session.counts()["accepted"] == 0
    page.say("act", name="accept")
    assert review.session["south/bus-stop.jpg"].decision == "accepted"


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
