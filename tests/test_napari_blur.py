"""The Blur panel: made from `BlurSettings`, on pictures that somebody opened in napari."""

from __future__ import annotations

import io

import numpy as np
import pytest
from napari_hands import Hands, hands, viewer  # noqa: F401
from PIL import ExifTags, Image

from blur_tools import BlurSettings, Detection
from blur_tools.audit.session import AuditSession
from blur_tools.detections import box_polygon
from blur_tools.forms import DRAWN
from blur_tools.napari import open_audit
from blur_tools.napari._blur_widget import BlurWidget
from blur_tools.napari._jobs import search
from blur_tools.napari._settings_form import SettingsForm

FOUND_PLATE, FOUND_FACE = box_polygon(10, 20, 50, 30), box_polygon(100, 40, 120, 70)
"""What the fixture `networks` finds, upright."""


@pytest.fixture
def panel(hands: Hands) -> BlurWidget:
    _, made = hands.viewer.window.add_plugin_dock_widget("blur-tools", "Blur")
    return made


def detect(hands: Hands, panel: BlurWidget) -> None:
    panel.detect.native.click()
    hands.wait(lambda: hands.window.jobs.current is None)
    hands.wait(lambda: hands.window.desk is not None and hands.window.desk.is_shown)


def save(hands: Hands, panel: BlurWidget, folder) -> None:
    panel.save_into(folder)
    hands.wait(lambda: hands.window.jobs.current is None and "saved in" in hands.window.status)


def opened(path) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(path.read_bytes())))


# ---- the form


def test_every_parameter_has_a_widget_with_its_facts(qtbot):
    form = SettingsForm()
    assert set(form.fields) == {p.name for p in BlurSettings.parameters()} - set(DRAWN)
    for name, parameter in form.parameters.items():
        field = form.fields[name]
        assert field.tooltip == parameter.help
        if parameter.choices:
            assert field.choices == parameter.choices
        if hasattr(field, "max"):
            assert field.max == parameter.high
    assert form.settings() == BlurSettings(plates=10, faces=10)


def test_what_is_typed_is_what_is_used(qtbot):
    wanted = BlurSettings(
        plates=8, faces=-1, effect="pixelate", margin=0.3, plate_threshold=0.4, et=12, split=3, overlap=30,
        skip_regexp=("^ab 1", "cd, ef"), regions=("fr", "de"), copy_metadata=True, config={"a": 1}, feather=0.2,
        face_max_resolution=640,
    )  # fmt: skip
    form = SettingsForm()
    form.set(wanted)
    assert form.settings() == wanted


def test_a_value_that_cannot_be_used_is_said_and_nothing_is_searched(hands, panel):
    hands.viewer.add_image(np.zeros((40, 50, 3), np.uint8), rgb=True)
    panel.form.fields["skip_regexp"].value = "("
    assert "regular expression" in panel.form.problem.value
    panel.detect.native.click()
    assert "Nothing is searched" in hands.window.status
    assert hands.window.jobs.current is None
    panel.form.fields["skip_regexp"].value = ""
    assert panel.form.check() is not None


# ---- pictures


def test_a_picture_is_searched_mended_previewed_and_saved(hands, panel, networks, noise, tmp_path):
    pixels = noise(200, 300)
    layer = hands.viewer.add_image(pixels, rgb=True, name="street")
    assert panel.image.value is layer
    detect(hands, panel)
    session = hands.window.desk.session
    assert [m.detection.polygon for m in session.current.marks] == [FOUND_PLATE, FOUND_FACE]
    assert "1 plate and 1 face" in hands.window.status
    hands.key("P")
    hands.drag([(200, 100), (280, 140)])
    panel.preview.value = True
    hands.rest()
    preview = hands.window.desk.stage.preview
    assert (preview.data[105:135, 205:275] != pixels[105:135, 205:275]).any(axis=2).mean() > 0.9
    blurred = preview.data.copy()
    panel.form.fields["effect"].value = "fill"
    hands.wait(lambda: not np.array_equal(preview.data, blurred))
    assert len(np.unique(preview.data[105:135, 205:275].reshape(-1, 3), axis=0)) == 1
    save(hands, panel, tmp_path / "out")
    (saved,) = (tmp_path / "out").iterdir()
    assert np.array_equal(opened(saved), preview.data)
    assert np.array_equal(layer.data, pixels)
    # searched again: what a person did stays
    detect(hands, panel)
    assert len(session.current.marks) == 3


def test_a_photograph_on_its_side_is_searched_upright_and_saved_from_its_file(
    hands,
    panel,
    networks,
    noise,
    tmp_path,
):
    path = tmp_path / "lying.jpg"
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(noise(200, 320)).save(path, exif=exif, quality=95)
    hands.viewer.open(str(path), plugin="napari")
    assert hands.viewer.layers[0].data.shape[:2] == (200, 320)  # napari shows it as it is stored
    detect(hands, panel)
    item = hands.window.desk.session.current
    assert item.source == str(path)
    xs, ys = zip(*item.marks[0].detection.polygon, strict=True)
    # upright 200 x 320, turned by a quarter: x is what y was
    assert (min(xs), max(xs), min(ys), max(ys)) == (20, 30, 150, 190)
    rows = hands.window.desk.stage.marks.layer.data[0]
    assert (rows[:, 0].min(), rows[:, 1].min()) == (149.5, 19.5)
    save(hands, panel, tmp_path / "out")
    (saved,) = (tmp_path / "out").iterdir()
    assert saved.suffix == ".jpg"
    # our own reader shows the same file upright
    hands.viewer.open(str(path), plugin="blur-tools")
    assert hands.viewer.layers["lying.jpg"].data.shape[:2] == (320, 200)
    assert panel.image.value is hands.viewer.layers["lying.jpg"]
    detect(hands, panel)
    assert hands.window.desk.session.current.marks[0].detection.polygon == item.marks[0].detection.polygon


@pytest.mark.parametrize("kind", ["grey", "rgba", "float", "uint16"])
def test_pictures_of_other_kinds(hands, panel, networks, noise, kind, tmp_path):
    pixels = {
        "grey": noise(90, 150, 1),
        "rgba": np.dstack([noise(90, 150), np.full((90, 150), 255, np.uint8)]),
        "float": noise(90, 150) / np.float32(255),
        "uint16": noise(90, 150, 1).astype(np.uint16) * 200,
    }[kind]
    hands.viewer.add_image(pixels, rgb=pixels.ndim == 3, name=kind)
    detect(hands, panel)
    assert len(hands.window.desk.session.current.marks) == 2
    panel.preview.value = True
    assert hands.window.desk.stage.preview.data.shape == (90, 150, 3)
    save(hands, panel, tmp_path / "out")
    (saved,) = (tmp_path / "out").iterdir()
    assert opened(saved).shape[:2] == (90, 150)


def test_a_stack_is_searched_frame_by_frame(hands, panel, networks, noise, tmp_path):
    stack = np.stack([noise(90, 150) // (n + 1) for n in range(3)])
    hands.viewer.add_image(stack, rgb=True, name="film")
    detect(hands, panel)
    desk = hands.window.desk
    assert [len(item.marks) for item in desk.session.items] == [2, 2, 2]
    assert "3 plates and 3 faces" in hands.window.status
    hands.viewer.dims.set_current_step(0, 1)
    hands.shown(desk.session.items[1].key)
    hands.click(30, 25)
    hands.key("Delete")
    hands.key("N")
    hands.shown(desk.session.items[2].key)
    assert hands.viewer.dims.current_step[0] == 2
    assert [len(item.marks) for item in desk.session.items] == [2, 1, 2]
    hands.viewer.dims.set_current_step(0, 0)
    hands.shown(desk.session.items[0].key)
    assert len(desk.stage.marks.layer.data) == 2
    save(hands, panel, tmp_path / "out")
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_too_many_axes_and_no_picture_are_said(hands, panel):
    panel.detect.native.click()
    assert "Open a picture first" in hands.window.status
    hands.viewer.add_image(np.zeros((2, 2, 20, 20), np.uint8), name="many")
    panel.detect.native.click()
    hands.wait(lambda: hands.window.jobs.current is None)
    assert "axes" in hands.window.status


def test_excluded_areas_are_drawn_and_hold_for_the_stored_picture(hands, panel, networks, noise):
    hands.viewer.add_image(noise(200, 300), rgb=True)
    hands.window.draw_excluded()
    hands.rest()
    hands.drag([(90, 30), (130, 80)])  # around the face
    detect(hands, panel)
    assert [m.detection.kind for m in hands.window.desk.session.current.marks] == ["plate"]
    settings = hands.window.asked()(hands.window.desk.stage.shown)
    assert settings.rectangles[0] == pytest.approx((90, 30, 130, 80), abs=2)


def test_a_service_finds_and_a_failing_one_is_said(hands, panel, noise):
    hands.viewer.add_image(noise(200, 300), rgb=True, name="street")
    panel.engine.value = "address"
    panel.detect.native.click()
    hands.wait(lambda: "type the service's address" in hands.window.status)
    panel.address.value = "http://127.0.0.1:9"
    panel.detect.native.click()
    hands.wait(lambda: "Nothing is lost" in hands.window.status)
    assert hands.window.desk.is_shown


def test_the_cloud_without_a_token_is_said(hands, panel, noise, monkeypatch):
    monkeypatch.delenv("PLATE_RECOGNIZER_TOKEN", raising=False)
    hands.viewer.add_image(noise(200, 300), rgb=True)
    panel.engine.value = "cloud"
    panel.detect.native.click()
    hands.wait(lambda: "token" in hands.window.status)


def test_our_service_as_the_engine(hands, panel, noise):
    from blur_tools.engines.fake import FakeBlur

    with FakeBlur() as service:
        hands.viewer.add_image(noise(200, 300), rgb=True)
        panel.engine.value, panel.address.value = "address", service.url
        detect(hands, panel)
        assert hands.window.desk.session.current.detected


def test_both_panels_share_engine_settings_and_keys(hands, panel, networks, encode, noise, tmp_path):
    (tmp_path / "a.png").write_bytes(encode(noise(200, 300)))
    session = AuditSession.open(tmp_path)
    panel.form.fields["plates"].value = 3
    open_audit(session, hands.viewer)
    hands.wait(lambda: session["a.png"].detected)
    hands.wait(lambda: hands.window.desk.stage.settings.plates == 3)
    search(hands.window, [session["a.png"]])
    hands.wait(lambda: hands.window.jobs.current is None)
    # another picture, and back to the review
    other = hands.viewer.add_image(noise(100, 150), rgb=True, name="other")
    detect(hands, panel)
    assert hands.window.desk.stage.image is other
    panel.image.value = hands.viewer.layers["Picture"]
    panel.detect.native.click()
    assert hands.window.desk.session is session
    hands.wait(lambda: hands.window.jobs.current is None)
    session.close()


def test_a_drawn_mark_goes_to_the_file(hands, panel, encode, tmp_path):
    """From the mouse to the bytes on the disk: what was visible there is no more."""
    white = np.full((200, 300, 3), 255, np.uint8)
    white[100:140, 200:280] = np.indices((40, 80)).sum(axis=0)[..., None] % 2 * 255
    path = tmp_path / "in" / "a.png"
    path.parent.mkdir()
    path.write_bytes(encode(white))
    hands.viewer.open(str(path), plugin="blur-tools")
    hands.window.engine_name = "local"
    panel._with_desk(lambda desk: None)
    hands.wait(lambda: hands.window.desk is not None and hands.window.desk.is_shown)
    hands.key("P")
    hands.drag([(198, 98), (282, 142)])
    save(hands, panel, tmp_path / "out")
    saved = opened(tmp_path / "out" / "a.png")
    assert saved[100:140, 200:280].std() < 10
    assert [Detection] == [type(m.detection) for m in hands.window.desk.session.current.marks]
