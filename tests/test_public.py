"""The public face: what it names, what importing it costs, and that rooms import downwards only."""

from __future__ import annotations

import ast
import inspect
import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

import blur_tools

PACKAGE = Path(blur_tools.__file__).parent

# highest first: a module may import from its own room and from those below
ROOMS = (
    ("cli", "server", "frames"),
    ("napari", "notebook"),
    ("forms",),
    ("audit", "batch"),
    ("formats",),
    ("pipeline",),
    ("engines",),
    ("detectors", "redaction"),
    ("service",),
    ("picture", "_deep"),
    ("_formats", "_boxes", "_tiff", "_pixel_memory"),
    ("orientation", "outlines"),
    ("sources",),
    ("result", "detections", "settings"),
    ("_parameters",),
    ("_frozen",),
    ("_cores", "_http"),
    ("_cuts",),
    ("_stop",),
    ("errors",),
)
HEAVY = (
    "napari",
    "qtpy",
    "ipywidgets",
    "anywidget",
    "magicgui",
    "dask",
    "onnxruntime",
    "cv2",
    "numba",
    "fastapi",
    "skimage",
    "scipy",
    "tqdm",
)


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def room_of(module: str) -> int | None:
    name = module.split(".")[1] if "." in module else ""
    return next((level for level, names in enumerate(ROOMS) if name in names), None)


def imported_at_import_time(path: Path) -> set[str]:
    """Modules of ours that a file imports at its top level (late imports are how a lower room stays light)."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert not node.level, "imports are absolute"
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in found if name.startswith("blur_tools.")}


def module_name(path: Path) -> str:
    return ".".join(("blur_tools", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")


def test_every_public_name_is_there_and_listed_once():
    assert sorted(blur_tools.__all__) == blur_tools.__all__
    assert len(set(blur_tools.__all__)) == len(blur_tools.__all__)
    for name in blur_tools.__all__:
        assert getattr(blur_tools, name).__doc__


def test_all_errors_are_public():
    from blur_tools import errors

    assert set(errors.__all__) <= set(blur_tools.__all__)


def test_what_is_public_has_a_numpy_docstring_with_its_errors():
    for name in ("blur", "detect", "preview", "redact", "engine", "scan"):
        text = inspect.getdoc(getattr(blur_tools, name)) or ""
        assert "Parameters" in text, name
    assert "Raises" in (inspect.getdoc(blur_tools.blur) or "")


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = blur_tools.nonsense
    assert not hasattr(blur_tools, "nonsense")


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_downwards_only(path: Path):
    own = room_of(module_name(path))
    if own is None:  # samples: used by the command line alone
        return
    for name in imported_at_import_time(path):
        other = room_of(name)
        assert other is None or other >= own, f"{path.name} imports {name}, which is above it"


def test_every_module_belongs_to_a_room_or_is_named_here():
    roomless = {module_name(path).split(".")[1] for path in modules() if room_of(module_name(path)) is None}
    assert roomless <= {"samples", "_scenes"}


def test_importing_loads_nothing_heavy():
    code = f"import sys, json, blur_tools; print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # pandas itself may load pyarrow; nothing of ours loads these
    assert json.loads(done.stdout) == []


def test_importing_registers_the_accessors():
    import pandas as pd

    assert hasattr(pd.DataFrame(), "blur")
    assert hasattr(pd.Series(dtype=object), "blur")


def test_import_time_beyond_pandas_numpy_and_requests_is_small():
    """The bound of the design is 0.3 s; it is CPU time of the median of five, so that a busy machine passes too."""
    code = (
        "import time, numpy, pandas, requests; start = time.process_time(); import blur_tools; "
        "print(time.process_time() - start)"
    )
    seconds = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(5)
    ]
    assert statistics.median(seconds) <= 0.3
