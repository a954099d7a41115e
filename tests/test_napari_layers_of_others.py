"""Several layers in a window, some of them somebody else's: keys and marks go where a person means them to."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from napari_hands import PLATE, Hands, audit, folder, hands, session, viewer  # noqa: F401
from PIL import Image
from qtpy.QtCore import QEvent, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from blur_tools import Detection, Detections
from blur_tools.audit.session import AuditSession
from blur_tools.errors import PictureError
from blur_tools.formats.blur_json import PictureRecord, read_blur_json, write_blur_json
from blur_tools.napari import _adopt, _io, open_audit
from blur_tools.napari._audit_widget import audit_panel
from blur_tools.napari._blur_widget import BlurWidget
from blur_tools.napari._jobs import save_session
from blur_tools.napari._pictures import shown_in_layer


@pytest.fixture
def panel(hands: Hands) -> BlurWidget:
    _, made = hands.viewer.window.add_plugin_dock_widget("blur-tools", "Blur")
    return made


@pytest.fixture
def told(monkeypatch):
    """All warnings."""
    said: list[str] = []
    monkeypatch.setattr("napari.utils.notifications.show_warning", said.append)
    return said


def put_on_desk(hands: Hands, panel: BlurWidget, layer) -> None:
    panel.image.value = layer
    panel._with_desk(lambda desk: None)
    hands.wait(lambda: hands.window.jobs.current is None and hands.window.desk_of(layer) is not None)
    hands.wait(lambda: hands.window.desk_of(layer).is_shown)


def close_dock(dock) -> None:
    dock.destroyOnClose()
    QApplication.processEvents()
    QApplication.sendPostedEvents(None, QEvent.DeferredDelete)


# ---- two pictures


def test_marks_land_on_the_picture_that_is_chosen(hands, panel, noise):
    first = hands.viewer.add_image(noise(400, 500), rgb=True, name="A")
    put_on_desk(hands, panel, first)
    second = hands.viewer.add_image(noise(400, 500), rgb=True, name="B")
    hands.rest()
    assert panel.image.value is second
    # B was not put on the desk: a mark would land on A, which cannot be seen
    hands.key("P")
    assert "B has no marks yet" in hands.window.status
    hands.drag([(200, 300), (290, 340)])
    assert [len(desk.item.marks) for desk in hands.window.desks] == [0]
    put_on_desk(hands, panel, second)
    panel.image.value = first
    hands.rest()
    hands.key("P")
    hands.drag([(200, 300), (290, 340)])
    assert [len(desk.item.marks) for desk in hands.window.desks] == [1, 0]
    hands.viewer.layers.selection.active = second
    hands.rest()
    assert panel.image.value is second
    hands.key("F")
    hands.drag([(200, 300), (240, 340)])
    assert [len(desk.item.marks) for desk in hands.window.desks] == [1, 1]


def test_a_layer_that_is_removed_leaves_the_desk(hands, panel, noise):
    layer = hands.viewer.add_image(noise(90, 150), rgb=True, name="A")
    put_on_desk(hands, panel, layer)
    hands.viewer.layers.remove(layer)
    hands.wait(lambda: not hands.window.desks)
    assert "A was removed" in hands.window.status
    assert len(hands.viewer.layers) == 0
    for key in "PMKNAG":
        hands.key(key)


def test_a_layer_with_other_pixels_leaves_the_desk(hands, panel, noise):
    layer = hands.viewer.add_image(noise(90, 150), rgb=True, name="A")
    put_on_desk(hands, panel, layer)
    layer.data = np.zeros((90, 150, 3), np.uint8)
    hands.wait(lambda: not hands.window.desks)
    assert "another picture" in hands.window.status
    assert list(hands.viewer.layers) == [layer]


def test_a_layer_that_differs_from_its_file_in_one_pixel_is_not_its_file(tmp_path, noise):
    pixels = noise(200, 300)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert shown_in_layer(tmp_path / "a.png", pixels).turn == 1
    changed = pixels.copy()
    changed[5, 7] ^= 255
    with pytest.raises(PictureError, match="no longer shows"):
        shown_in_layer(tmp_path / "a.png", changed)


def test_the_picture_of_a_queue_comes_back(hands, audit, session):
    hands.viewer.layers.remove(hands.window.desk.stage.image)
    hands.wait(lambda: "Picture" in hands.viewer.layers)
    assert hands.window.desk.stage.image in hands.viewer.layers
    hands.key("P")
    hands.drag([(200, 300), (290, 340)])
    assert len(session["a.png"].marks) == 3


def test_reading_a_stack_goes_by_frames_so_that_it_can_be_cancelled(hands, noise, monkeypatch):
    written, png = [], _adopt._png
    monkeypatch.setattr(_adopt, "_png", lambda pixels: (written.append(1), png(pixels))[1])
    steps = _adopt.adopted_pictures(hands.viewer.add_image(np.stack([noise(20, 30)] * 4), rgb=True, name="film"))
    for number in range(1, 5):
        adopted = next(steps)
        assert len(written) == number
        assert (adopted is None) == (number < 4)
    assert len(adopted.session) == 4


# ---- excluded areas


def test_behind_an_excluded_area_keys_are_ours_and_marks_are_marks(hands, audit, session):
    layer = hands.window.draw_excluded()
    hands.rest()
    hands.key("L")
    assert not hands.window.desk.stage.marks.layer.text.visible
    assert layer.mode == "add_rectangle"
    hands.drag([(10, 10), (50, 50)])
    hands.rest()
    assert hands.viewer.layers.selection.active is hands.window.desk.stage.marks.layer
    hands.key("P")
    hands.drag([(200, 300), (290, 340)])
    assert (len(layer.data), len(session["a.png"].marks)) == (1, 3)
    # the excluded layer is chosen by hand
    hands.viewer.layers.selection.active = layer
    hands.key("F")
    hands.drag([(100, 100), (140, 150)])
    assert (len(layer.data), len(session["a.png"].marks)) == (1, 4)


def test_an_excluded_area_lies_where_it_is_seen(hands, panel, noise):
    layer = hands.viewer.add_image(noise(200, 300), rgb=True, scale=(0.5, 0.5), translate=(10, 20))
    put_on_desk(hands, panel, layer)
    excluded = hands.window.draw_excluded()
    # the world's rows 10 to 60 and columns 20 to 70 are the picture's first 100 of each
    excluded.add(np.array([[10, 20], [10, 70], [60, 70], [60, 20]], float), shape_type="rectangle")
    desk = hands.window.desk
    settings = hands.window.asked(desk.stage.image)(desk.stage.shown)
    assert settings.rectangles[0] == pytest.approx((0.5, 0.5, 100.5, 100.5), abs=0.6)


@pytest.mark.parametrize(
    "lies",
    [
        {"rotate": 90},
        {"scale": (30, 30)},
        {"scale": (0.02, 0.02), "translate": (5, 7)},
        {"shear": [0.4]},
        {"affine": np.array([[0.8, -0.6, 40], [0.6, 0.8, -20], [0, 0, 1.0]])},
        {"scale": (2, 1), "rotate": 30},
    ],
    ids=["turned", "large", "small", "sheared", "affine", "stretched"],
)
def test_a_mark_lies_where_it_is_drawn_however_the_picture_lies(hands, panel, noise, lies):
    layer = hands.viewer.add_image(noise(400, 500), rgb=True, **lies)
    hands.viewer.reset_view()
    put_on_desk(hands, panel, layer)
    hands.key("P")
    ends = [layer.data_to_world(corner)[::-1] for corner in ((100, 200), (160, 300))]
    hands.drag([(x + 0.5, y + 0.5) for x, y in ends])
    (mark,) = hands.window.desk.session.current.marks
    # the box is drawn along the screen: its ends are where the mouse was, whatever its corners are in the picture
    middle = np.mean(mark.detection.polygon, axis=0)
    assert middle == pytest.approx((250.5, 130.5), abs=2)
    plane = hands.window.desk.stage.marks.layer
    assert plane.data_to_world((130.0, 250.0)) == pytest.approx(layer.data_to_world((130.0, 250.0)), abs=1e-6)


def test_marks_follow_a_picture_that_is_moved_afterwards(hands, panel, noise):
    layer = hands.viewer.add_image(noise(400, 500), rgb=True)
    put_on_desk(hands, panel, layer)
    layer.scale, layer.rotate = (2, 2), 30
    marks = hands.window.desk.stage.marks.layer
    assert marks.data_to_world((50.0, 70.0)) == pytest.approx(layer.data_to_world((50.0, 70.0)))


def test_what_lies_outside_the_picture_or_was_a_click_is_no_mark(hands, panel, noise):
    layer = hands.viewer.add_image(noise(400, 500), rgb=True)
    put_on_desk(hands, panel, layer)
    hands.viewer.scene.camera.zoom = 0.8
    hands.key("P")
    hands.drag([(520, 100), (560, 160)])
    assert "outside the picture" in hands.window.status
    hands.key("P")
    hands.drag([(100, 100), (102, 101)])
    assert "a click, not a box" in hands.window.status
    assert hands.window.desk.session.current.marks == ()


def test_the_frame_that_is_seen_is_the_frame_that_is_marked(hands, panel, noise):
    hands.viewer.add_image(np.stack([noise(200, 300)] * 8), rgb=True, name="other")
    film = np.stack([noise(200, 300) // (n + 1) for n in range(4)])
    layer = hands.viewer.add_image(film, rgb=True, name="film", scale=(2, 1, 1), translate=(1, 0, 0))
    put_on_desk(hands, panel, layer)
    dims = hands.viewer.dims
    for world, frame in ((1, 0), (3, 1), (5, 2), (7, 3)):
        dims.set_point(0, world)
        hands.wait(lambda frame=frame: f"-{frame:05d}" in hands.window.desk.item.key)
        hands.wait(lambda: hands.window.desk.is_shown)
        assert (hands.window.desk.stage.shown.pixels == film[frame]).all()
    hands.window.act("previous")
    hands.wait(lambda: "-00002" in hands.window.desk.item.key)
    assert round(layer.world_to_data(dims.point)[0]) == 2


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing:UserWarning")  # napari's own word for it
def test_a_picture_across_the_plane_is_refused(hands, panel, noise, told):
    affine = np.eye(4)
    affine[:2, :2] = [[0.8, -0.6], [0.6, 0.8]]
    layer = hands.viewer.add_image(np.stack([noise(20, 30)] * 3), rgb=True, name="film", affine=affine)
    panel.image.value = layer
    panel.start_detection()
    hands.wait(lambda: hands.window.jobs.current is None)
    assert "out of the plane" in told[0]
    assert hands.window.desk_of(layer) is None


def test_a_layer_that_is_removed_while_it_is_read_leaves_nothing(hands, panel, noise, monkeypatch):
    layer = hands.viewer.add_image(np.stack([noise(90, 150)] * 3), rgb=True, name="film")
    panel.image.value = layer
    panel.start_detection()
    hands.viewer.layers.remove(layer)
    hands.wait(lambda: hands.window.jobs.current is None)
    assert hands.window.desks == []
    assert len(hands.viewer.layers) == 0
    assert "removed" in hands.window.status


def test_detect_waits_for_what_is_going_on(hands, panel, noise, tmp_path, audit, session, monkeypatch):
    begun, go_on = threading.Event(), threading.Event()
    real = AuditSession.saving

    def saving(self, *where, **how):
        begun.set()
        assert go_on.wait(20)
        yield from real(self, *where, **how)

    monkeypatch.setattr(AuditSession, "saving", saving)
    audit.search.value = False
    session.decide("a.png", "accepted")
    save_session(hands.window, tmp_path / "out")
    hands.wait(begun.is_set)
    panel.image.value = hands.viewer.add_image(noise(90, 150), rgb=True)
    panel.start_detection()
    assert hands.window.status == "Saving is still going on: wait for it, or press Cancel."
    go_on.set()
    hands.wait(lambda: hands.window.jobs.current is None)
    assert (tmp_path / "out" / "a.png").exists()


# ---- windows and panels that come and go


def test_a_panel_is_closed_and_comes_again_with_the_same_review(hands, folder, told):
    dock, panel = hands.viewer.window.add_plugin_dock_widget("blur-tools", "Audit")
    panel.search.value = False
    panel.open_folder(folder)
    hands.wait(lambda: hands.window.desk is not None and hands.window.desk.is_shown)
    close_dock(dock)
    assert hands.window._observers == []
    hands.window.say("nobody hears this")
    hands.key("N")
    again = audit_panel(hands.viewer)
    assert again is not panel
    again.search.value = False
    again.open_folder(folder)
    hands.wait(lambda: hands.window.desk is not None and hands.window.desk.is_shown)
    assert told == []
    assert again.session.current.key == "a.png"


def test_a_blur_panel_that_was_closed_hears_no_more(hands, noise):
    dock, _ = hands.viewer.window.add_plugin_dock_widget("blur-tools", "Blur")
    close_dock(dock)
    hands.viewer.add_image(noise(90, 150), rgb=True)
    hands.rest()
    assert hands.window._observers == []


def test_a_review_of_a_window_that_was_closed_opens_again(make_napari_viewer, folder, told, qtbot):
    viewer = make_napari_viewer()
    _, panel = viewer.window.add_plugin_dock_widget("blur-tools", "Audit")
    panel.search.value = False
    panel.open_folder(folder)
    qtbot.waitUntil(lambda: panel.session is not None)
    viewer.close()
    another = make_napari_viewer()
    _, panel = another.window.add_plugin_dock_widget("blur-tools", "Audit")
    panel.search.value = False
    panel.open_folder(folder)
    qtbot.waitUntil(lambda: panel.session is not None)
    assert told == []
    panel.window.drop(panel.window.desk)
    panel.window.close_own()


def test_the_folder_of_a_review_that_is_open_here_gives_that_review(hands, folder, told):
    with AuditSession.open(folder) as session:
        panel = open_audit(session, hands.viewer)
        panel.search.value = False
        panel.open_folder(folder)
        hands.wait(lambda: hands.window.desk is not None and hands.window.desk.is_shown)
        assert panel.session is session
        assert told == []


# ---- files


@pytest.mark.parametrize("marks", [1, 0])
def test_a_shape_drawn_into_a_file_is_a_persons(hands, tmp_path, encode, noise, marks):
    (tmp_path / "a.png").write_bytes(encode(noise(400, 500)))
    found = Detections([Detection("plate", PLATE, 0.93, "engine-x")] * marks)
    write_blur_json(tmp_path / "x.blur.json", {"a.png": PictureRecord(found, (500, 400))})
    hands.viewer.open(str(tmp_path / "x.blur.json"), plugin="blur-tools")
    layer = hands.viewer.layers[-1]
    layer.add(np.array([[10, 10], [10, 60], [40, 60], [40, 10]], float), shape_type="rectangle")
    layer.save(str(tmp_path / "y.blur.json"), plugin="blur-tools")
    saved = read_blur_json(tmp_path / "y.blur.json")["a.png"].detections
    assert [(item.score, item.source) for item in saved] == [(0.93, "engine-x")] * marks + [(None, "person")]


def test_a_copy_of_a_mark_is_counted_once(tmp_path):
    detection = Detection("plate", PLATE, 0.93, "engine-x")
    meta = _io._marks_layer(_io._Labelled("a.png", (500, 400), 1, Detections([detection])))[1]
    points = np.array([[10, 10], [10, 60], [40, 60], [40, 10]], float)
    meta["features"] = meta["features"].loc[[0, 0]].reset_index(drop=True)
    _io.write_detections(str(tmp_path / "x.blur.json"), [points, points + 50], meta)
    first, second = read_blur_json(tmp_path / "x.blur.json")["a.png"].detections
    assert (first.score, first.source) == (0.93, "engine-x")
    assert (second.score, second.source) == (None, "person")


def test_pictures_of_more_than_eight_bits_are_left_to_napari(tmp_path, encode, noise):
    deep, flat = tmp_path / "deep.png", tmp_path / "flat.png"
    Image.fromarray(np.arange(1200, dtype=np.uint16).reshape(30, 40)).save(deep)
    flat.write_bytes(encode(noise(30, 40)))
    assert _io.get_reader(str(deep)) is None
    assert _io.get_reader([str(flat), str(deep)]) is None
    assert _io.get_reader(str(flat)) is _io.read_pictures


# ---- what is seen


def test_a_kind_that_is_drawn_is_seen_and_hidden_marks_are_not_chosen(hands, audit):
    audit.kinds.value = "plates"
    layer = hands.window.desk.stage.marks.layer
    hands.key("M")
    hands.key("M")
    assert sorted(layer.selected_data) == [0]
    hands.key("F")
    hands.wait(lambda: audit.kinds.value == "all")
    hands.drag([(200, 300), (290, 340)])
    assert layer.edge_color[:, 3].tolist() == [1, 1, 1]


def test_a_key_that_is_held_is_let_go_with_its_picture(hands, audit):
    hands.wait(lambda: len(hands.window.desk._ready) >= 2)
    hands.key("R")
    stage = hands.window.desk.stage
    hands.wait(lambda: stage.preview is not None and stage.preview.visible)
    QTest.keyPress(hands.canvas, Qt.Key_O)
    hands.rest()
    assert not stage.marks.layer.visible
    hands.key("N")
    hands.shown("b/c.png")
    hands.wait(lambda: stage.preview.visible)
    assert stage.marks.layer.visible
    QTest.keyRelease(hands.canvas, Qt.Key_O)
    hands.rest()
    assert (stage.preview.visible, stage.marks.layer.visible) == (True, True)
