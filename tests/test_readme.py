"""The README's examples, run as they stand, and the pages made from the code."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from blur_tools import BlurSettings, errors
from blur_tools.cli import main
from blur_tools.engines import remote
from blur_tools.engines.fake import FakeBlur
from blur_tools.frames import audit_command
from blur_tools.redaction.masks import regions
from blur_tools.samples import scenes, write_scenes
from blur_tools.server.config import VENDOR

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str, page: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


@pytest.fixture
def photos(tmp_path, monkeypatch) -> Path:
    """A working folder with the sample scenes where ``make demo`` writes them."""
    monkeypatch.chdir(tmp_path)
    write_scenes("demo/pictures")
    return tmp_path


def test_the_python_examples_run_as_one_script(photos, capsys):
    assert len(blocks("python")) == 4
    names: dict[str, object] = {}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), names)
    assert names["df"].shape[0] == 7
    assert (names["result"]["status"] == "ok").all()
    assert Path("two-cars-blurred.jpg").is_file()
    for folder in ("blurred", "plates-only"):
        assert len([path for path in Path(folder).rglob("*") if path.is_file()]) == 7
    assert names["hidden"].data
    assert names["hidden"].warnings == ()
    (truth,) = [scene.truth for scene in scenes() if scene.name == "two-cars.jpg"]
    (region,) = regions([names["plate"]], BlurSettings(plates=10, margin=0.1), (1440, 960))
    assert any(region.box[0] <= plate.box[0] and plate.box[2] <= region.box[2] for plate in truth.plates)
    assert "Detections(2 plates, 1 faces)" in capsys.readouterr().out


def test_the_shell_examples_run(photos, capsys, monkeypatch):
    """The review without its window, which has tests of its own."""
    shown = []
    monkeypatch.setattr(audit_command, "_show", shown.append)
    monkeypatch.setattr(audit_command, "find_spec", lambda name: True)
    examples = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("blur-tools")]
    assert len(examples) == 5
    for line in examples:
        program, *arguments = shlex.split(line, comments=True)
        assert program == "blur-tools"
        assert main(arguments) == 0
    assert len(shown) == 1
    assert {"blurred", "pixelated", "blurred.csv", "found.parquet"} <= set(os.listdir())


def test_the_examples_of_the_blur_api_run(photos, monkeypatch):
    """The cloud and the servers are played by one on this machine."""
    page = (ROOT / "docs" / "blur-api.md").read_text()
    shutil.copy("demo/pictures/north/two-cars.jpg", "street.jpg")
    monkeypatch.setenv("PLATE_RECOGNIZER_TOKEN", "abc")
    names: dict[str, object] = {}
    with FakeBlur() as service:
        monkeypatch.setattr(remote, "CLOUD", service.url)
        for block in blocks("python", page):
            exec(compile(block, "blur-api.md", "exec"), names)
        assert [call.headers["authorization"] for call in service.calls] == ["Token abc"]
    assert names["result"].data
    assert len(names["found"].faces) == 1


def test_the_page_of_the_blur_api_names_every_error_and_setting():
    page = (ROOT / "docs" / "blur-api.md").read_text()
    for name in errors.__all__:
        if issubclass(getattr(errors, name), errors.ServiceError):
            assert f"`{name}`" in page
    for name in (*VENDOR, "sdk_url", "token", "workers", "logging"):
        assert f"`{name.upper()}`" in page


def test_the_two_commands_are_targets_of_the_makefile():
    (commands,) = [block for block in blocks("sh") if "make demo" in block]
    targets = re.findall(r"make (\w+)", commands)
    assert targets == ["demo", "test"]
    makefile = (ROOT / "Makefile").read_text()
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_links_and_pictures_are_there():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_page_of_parameters_is_up_to_date():
    done = subprocess.run(
        [sys.executable, "-c", "import write_parameters as w; print(w.page() == w.PAGE.read_text())"],
        cwd=ROOT / "scripts",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "True", "run python scripts/write_parameters.py"


SETUP = "from pathlib import Path\n"


def test_the_page_of_batches_runs(photos, capsys):
    pytest.importorskip("distributed", reason="the extra [dask] is not installed")
    page = (ROOT / "docs" / "batch.md").read_text()
    names: dict[str, object] = {}
    exec(SETUP, names)
    for block in blocks("python", page):
        exec(compile(block, "batch.md", "exec"), names)
    assert (names["result"]["status"] == "ok").all()
    assert len(names["result"]) == 7
    assert len([path for path in Path("blurred-too").rglob("*") if path.is_file()]) == 7
    for line in "".join(blocks("sh", page)).splitlines():
        program, *arguments = shlex.split(line, comments=True)
        assert program == "blur-tools"
        assert main(arguments) == 0


def test_the_python_examples_run_in_a_script_of_their_own(photos):
    Path("example.py").write_text("\n".join(blocks("python")))
    done = subprocess.run([sys.executable, "example.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Detections(2 plates, 1 faces)" in done.stdout


NOTEBOOK = """
import sys
import nbclient, nbformat
cells = [nbformat.v4.new_code_cell(block) for block in sys.argv[1:]]
notebook = nbformat.v4.new_notebook(cells=cells)
nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
print(nbformat.writes(notebook))
"""


def test_the_python_examples_run_in_a_notebook(photos):
    for name in ("nbclient", "ipykernel"):
        pytest.importorskip(name, reason="a notebook's kernel is not installed")
    done = subprocess.run([sys.executable, "-c", NOTEBOOK, *blocks("python")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Detections(2 plates, 1 faces)" in done.stdout
    assert len([path for path in Path("plates-only").rglob("*") if path.is_file()]) == 7
