"""The plugin as napari sees it: manifest, menus, readers, writers, samples, settings; and the package that ships it."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import weakref
from dataclasses import replace
from importlib import import_module
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from napari_hands import Hands, hands, viewer  # noqa: F401
from npe2 import PluginManifest

from blur_tools import Detection, Detections
from blur_tools.audit.actions import ACTIONS, HOLD
from blur_tools.audit.session import AuditSession
from blur_tools.detections import box_polygon
from blur_tools.errors import DetectionsError, ExtraMissingError
from blur_tools.formats.blur_json import PictureRecord, read_blur_json, write_blur_json
from blur_tools.formats.coco import read_coco
from blur_tools.forms import ENGINES
from blur_tools.napari import _io, open_audit
from blur_tools.napari._audit_widget import PANEL
from blur_tools.napari._panel import shown_key
from blur_tools.samples import scenes, write_scenes
from blur_tools.settings import DEFAULT_INTENSITY

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_distribution("blur-tools")


# ---- the manifest


def test_npe2_finds_the_manifest_valid():
    done = subprocess.run([sys.executable, "-m", "npe2", "validate", "blur-tools"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "valid" in done.stdout


def test_the_manifest_ships_in_the_package_and_the_root_links_to_it():
    inside = files("blur_tools") / "napari.yaml"
    assert inside.is_file()
    link = ROOT / "napari.yaml"
    assert link.is_symlink()
    assert os.readlink(link) == "src/blur_tools/napari.yaml"
    assert link.read_bytes() == inside.read_bytes()


def test_the_extra_names_no_qt_binding():
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert not [need for need in extras["napari"] if "qt" in need.lower() or "pyside" in need.lower()]


def test_every_command_leads_to_something(manifest):
    for command in manifest.contributions.commands:
        module, _, name = command.python_name.partition(":")
        assert callable(getattr(import_module(module), name)), command.id


def test_ids_of_commands_and_samples_differ(manifest):
    """napari registers both under one name: the same one twice keeps it from starting."""
    names = [command.id.partition(".")[2] for command in manifest.contributions.commands]
    names += [sample.key for sample in manifest.contributions.sample_data]
    assert len(set(names)) == len(names)


def test_the_settings_say_what_the_code_says(manifest):
    groups = {c.key if hasattr(c, "key") else name: c for name, c in manifest.contributions.configurations.items()}
    keys = groups["keys"].properties
    assert {name: p.default for name, p in keys.items()} == {a.name: a.key for a in (*ACTIONS, HOLD)}
    assert tuple(groups["engine"].properties["name"].enum) == ENGINES
    intensity = groups["blur"].properties["intensity"]
    assert intensity.default == DEFAULT_INTENSITY
    told = json.dumps({name: list(group.properties) for name, group in groups.items()})
    assert "token" not in told.lower()


# ---- opening


def test_both_panels_open_by_name_and_from_the_menu(hands):
    from napari._app_model import get_app_model

    window = hands.viewer.window
    _, panel = window.add_plugin_dock_widget("blur-tools", PANEL)
    assert panel.window is hands.window
    app = get_app_model()
    app.commands.execute_command("blur-tools.blur").result()
    hands.rest()
    assert {"Audit (blur-tools)", "Blur (Blur Tools)"} <= set(window.dock_widgets)


def test_samples_open(hands, manifest):
    for sample in manifest.contributions.sample_data:
        hands.viewer.open_sample("blur-tools", sample.key)
    assert len(hands.viewer.layers) == len(scenes()) - 1  # the street without anything is in the folder alone
    assert hands.viewer.layers["bus-stop.jpg"].data.shape == (1280, 960, 3)


def test_the_sample_scenes_open_from_the_menu_for_review(hands, networks):
    from napari._app_model import get_app_model

    get_app_model().commands.execute_command("blur-tools.open_samples").result()
    hands.wait(lambda: hands.window.desk is not None)
    assert len(hands.window.desk.session) == len(scenes())
    hands.wait(lambda: hands.window.desk.item.detected)
    hands.window.desk.session.close()


def test_a_folder_opens_in_the_audit_panel_and_a_review_goes_on(hands, networks, tmp_path):
    write_scenes(tmp_path)
    hands.viewer.open(str(tmp_path), plugin="blur-tools")
    hands.wait(lambda: hands.window.desk is not None and hands.window.desk.is_shown)
    first = hands.window.desk.session
    hands.wait(lambda: hands.window.desk.item.detected)
    hands.key("A")
    hands.wait(lambda: hands.window.desk.is_shown)
    hands.viewer.open(str(tmp_path / ".blur-audit.jsonl"), plugin="blur-tools")
    hands.wait(lambda: hands.window.desk is not None)
    session = hands.window.desk.session
    assert session is not first
    assert session.position == 1
    assert session.counts()["accepted"] == 1
    session.close()


def test_napari_path_plugin_on_the_command_line(tmp_path):
    """The real command, told to leave as soon as it has opened the folder."""
    write_scenes(tmp_path / "pictures")
    code = (
        "import sys; from qtpy.QtCore import QTimer; import napari; from napari.__main__ import main;"
        "import napari._qt.qt_event_loop as loop; real = napari.run;"
        "from blur_tools.napari._window import window_of\n"
        "def run(*a, **k):\n"
        "    from qtpy.QtWidgets import QApplication\n"
        "    v = napari.current_viewer(); w = window_of(v)\n"
        "    while w.desk is None: QApplication.processEvents()\n"
        "    print('opened', len(w.desk.session), sorted(v.window.dock_widgets)); w.desk.session.close(); v.close()\n"
        "napari.run = run\n"
        f"sys.argv = ['napari', {str(tmp_path / 'pictures')!r}, '--plugin', 'blur-tools']\n"
        "import napari.__main__ as m; m.run = run\n"
        "from unittest.mock import patch\n"
        "with patch('napari.run', run): m._run()\n"
    )
    environment = os.environ | {"NAPARI_CONFIG": str(tmp_path / "settings.yaml")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120)
    assert f"opened {len(scenes())}" in done.stdout, done.stdout + done.stderr[-2000:]


# ---- files


RECORD = PictureRecord(
    Detections(
        [
            Detection("plate", ((10, 20), (50, 24), (50, 40), (10, 36)), 0.9, "local", result={"plate": "ab12"}),
            Detection("face", box_polygon(60, 10, 80, 40), 0.7, "local", keep=True),
        ]
    ),
    (160, 120),
)


@pytest.mark.parametrize("orientation", [1, 6, 5])
def test_detections_round_trip_through_layers(tmp_path, encode, noise, orientation):
    from PIL import ExifTags, Image

    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    (tmp_path / "a.png").write_bytes(encode(noise(120, 160), exif=exif))
    path = tmp_path / "one.blur.json"
    write_blur_json(path, {"a.png": RECORD})
    image, marks = _io.get_reader(str(path))(str(path))
    assert image[2] == "image"
    assert image[0].shape[:2] == ((120, 160) if orientation == 1 else (160, 120))
    data, facts, kind = marks
    assert (kind, facts["shape_type"]) == ("shapes", ["polygon", "rectangle"])
    again = tmp_path / "again.blur.json"
    assert _io.write_detections(str(again), data, {**facts, "name": "x"}) == [str(again)]
    written = read_blur_json(again)["a.png"]
    assert written.size == RECORD.size
    for one, other in zip(written.detections, RECORD.detections, strict=True):
        assert np.array(one.polygon) == pytest.approx(np.array(other.polygon))
        assert (one.kind, one.score, one.source, one.keep, one.text) == (
            other.kind, other.score, other.source, other.keep, other.text,
        )  # fmt: skip
    coco = tmp_path / "coco.json"
    _io.write_labels(str(coco), data, facts)
    assert [item.kind for item in read_coco(coco).pictures["a.png"].objects] == ["plate", "face"]


def test_a_layer_is_saved_and_opened_by_napari(hands, tmp_path):
    drawn = np.array([[10, 10], [10, 50], [30, 50], [30, 10]], float)
    layer = hands.viewer.add_shapes([drawn], shape_type="polygon", name="mine", features={"kind": ["face"]})
    path = tmp_path / "mine.blur.json"
    assert layer.save(str(path), plugin="blur-tools") == [str(path)]
    (record,) = read_blur_json(path).values()
    assert record.detections[0].polygon == box_polygon(10.5, 10.5, 50.5, 30.5)
    hands.viewer.open(str(path), plugin="blur-tools")
    assert list(hands.viewer.layers[-1].features["kind"]) == ["face"]
    with pytest.raises(DetectionsError, match="size"):
        _io.write_labels(str(tmp_path / "mine.json"), layer.data, {"features": layer.features, "name": "mine"})


def test_several_pictures_open_in_the_audit_panel_with_their_marks(hands, encode, noise, tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(encode(noise(120, 160)))
    path = tmp_path / "two.blur.json"
    decided = replace(RECORD, decision="accepted", reviewer="Ann", decided_at="2026-01-02T03:04:05+00:00")
    write_blur_json(path, {"a.png": RECORD, "b.png": decided})
    hands.viewer.open(str(path), plugin="blur-tools")
    hands.wait(lambda: hands.window.desk is not None)
    session = hands.window.desk.session
    assert [len(item.marks) for item in session.items] == [2, 2]
    assert [(item.decision, item.reviewer) for item in session.items] == [("unreviewed", ""), ("accepted", "Ann")]
    hands.wait(lambda: hands.window.desk.is_shown)
    assert list(hands.window.desk.stage.marks.layer.features["kind"]) == ["plate", "face"]
    session.close()


def test_files_that_are_not_ours_are_left_to_others(tmp_path):
    path = tmp_path / "other.json"
    path.write_text('{"a": 1}')
    assert _io.get_reader(str(path)) is None
    broken = tmp_path / "broken.blur.json"
    broken.write_text("{")
    with pytest.raises(DetectionsError, match=r"broken\.blur\.json"):
        _io.get_reader(str(broken))(str(broken))


def test_the_marks_on_the_desk_are_written_as_they_are(hands, networks, encode, noise, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(encode(noise(120, 160)))
    hands.viewer.open(str(tmp_path / "in"), plugin="blur-tools")
    hands.wait(lambda: hands.window.desk is not None and hands.window.desk.item.detected)
    hands.wait(lambda: len(hands.window.desk.stage.marks.layer.data) == 2)
    path = tmp_path / "marks.blur.json"
    hands.window.desk.stage.marks.layer.save(str(path), plugin="blur-tools")
    assert list(read_blur_json(path)) == ["a.png"]
    assert read_blur_json(path)["a.png"].detections == hands.window.desk.item.detections
    hands.window.desk.session.close()


def test_a_window_is_not_needed_to_import_what_knows_none():
    code = (
        "import sys; import blur_tools.napari, blur_tools.napari._layers, blur_tools.napari._pictures;"
        "print([m for m in ('napari', 'qtpy', 'magicgui') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_napari_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "napari", None)
    with pytest.raises(ExtraMissingError, match=r"blur-tools\[napari\]"):
        open_audit(None)


def test_hands_are_where_they_say(hands: Hands):
    hands.viewer.add_image(np.zeros((100, 200), np.uint8))
    layer = hands.viewer.add_shapes(None, ndim=2)
    layer.mode = "add_rectangle"
    hands.rest()
    hands.drag([(20, 30), (60, 70)])
    assert layer.data[0].min(axis=0) == pytest.approx([29.5, 19.5], abs=1)


def test_a_viewer_that_is_closed_is_let_go(make_napari_viewer, encode, noise, tmp_path):
    (tmp_path / "a.png").write_bytes(encode(noise(60, 80)))
    viewer = make_napari_viewer()
    with AuditSession.open(tmp_path) as session:
        panel = open_audit(session, viewer)
        panel.search.value = False
        window = panel.window
        gone = weakref.ref(viewer)
        assert window.alive
        viewer.close()
        assert not window.alive
        window.desk.next()  # a key that is still on its way does no harm
    del viewer, panel
    gc.collect()
    assert gone() is None


def test_the_page_lists_the_keys_as_they_are():
    page = (ROOT / "docs" / "napari.md").read_text()
    for action in (*ACTIONS, HOLD):
        assert f"| {shown_key(action.key).replace('Del', 'Delete')} | {action.title} | {action.help} |" in page
