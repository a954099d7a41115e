"""The notebooks: each runs top to bottom on the sample scenes, and what it saves shows no original.

nbmake runs them, by its own runner and not by ``pytest --nbmake``: that throws the state of the widgets away, so what a
saved notebook holds could only be seen by running all of them twice.
"""

from __future__ import annotations

import base64
import io
import os
from pathlib import Path

import pytest
from notebook_privacy import leaks_of, pictures_in
from PIL import Image

from blur_tools.samples import scenes

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
nb_run = pytest.importorskip("nbmake.nb_run", reason="nbmake is not installed")
for needed in ("ipykernel", "anywidget", "magicgui", "matplotlib", "fastapi", "uvicorn"):
    pytest.importorskip(needed, reason=f"{needed} is not installed")

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
STATE = "application/vnd.jupyter.widget-state+json"


def executed(notebook, folder: Path, monkeypatch):
    """What nbmake makes of a notebook: with outputs, and the state of its widgets, which nbclient keeps."""
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, str(folder / name.lower()))
    monkeypatch.delenv("QT_API", raising=False)  # pytest-qt sets it, and tqdm takes that for a console of Qt's
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]))
    copy = folder / "notebook.ipynb"
    nbformat.write(notebook, copy)
    made = nb_run.NotebookRun(copy, 120, kernel="python3").execute()
    assert made.error is None, made.error.trace
    return made.nb


@pytest.fixture
def folder(tmp_path):
    for name in ("ipythondir", "jupyter_runtime_dir", "mplconfigdir"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.mark.filterwarnings("ignore:Proactor event loop")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_saves_no_original(path, folder, monkeypatch):
    notebook = executed(nbformat.read(path, as_version=4), folder, monkeypatch)
    assert leaks_of(notebook) == []
    pictures = list(pictures_in(notebook))
    assert pictures  # each shows something
    if path.stem.startswith(("01", "03")):
        names = {state["model_name"] for state in notebook.metadata.widgets[STATE]["state"].values()}
        assert names >= {"AnyModel", "FloatProgressModel"}  # the views, and the bar of a run


def test_the_comparison_finds_an_original(folder, monkeypatch):
    """Shown on purpose: in an output, in a widget's state, and cut out of a picture."""
    scene = scenes()[0]
    (folder / "street.jpg").write_bytes(scene.data)
    cells = [
        "from PIL import Image\nImage.open('street.jpg')",
        "import ipywidgets\nipywidgets.Image(value=open('street.jpg', 'rb').read(), format='jpeg')",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    found = leaks_of(executed(notebook, folder, monkeypatch))
    assert len(found) >= 2 * len(scene.truth)
    cut = io.BytesIO()
    Image.open(io.BytesIO(scene.data)).crop((420, 500, 760, 720)).save(cut, "PNG")
    assert leaks_of(base64.b64encode(cut.getvalue()).decode()) == ["picture 0: a plate of two-cars.jpg, cut out"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert "widgets" not in notebook.metadata
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_the_notebooks_are_the_five():
    assert [path.stem[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04", "05"]
