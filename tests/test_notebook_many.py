"""Many pictures in a notebook, without a browser: the review, and what works beside the loop."""

from __future__ import annotations

import asyncio
import threading

import pandas as pd
import pytest

from blur_tools import Detection, Detections, SettingsError
from blur_tools.audit.session import AuditSession
from blur_tools.detections import box_polygon
from blur_tools.engines import Answer

for needed in ("ipywidgets", "anywidget", "magicgui"):
    pytest.importorskip(needed, reason="the extra [notebook] is not installed")

from notebook_page import FACE, PLATE, Page, picture, state_of, table  # noqa: E402, F401

from blur_tools.notebook import _showing  # noqa: E402
from blur_tools.notebook._gallery import Gallery  # noqa: E402
from blur_tools.notebook._lane import Lane  # noqa: E402
from blur_tools.notebook._review import Review  # noqa: E402


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
