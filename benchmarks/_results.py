"""Write one benchmark's table into its place in ``benchmarks/RESULTS.md``."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "RESULTS.md"
README = HERE.parent / "README.md"
HEADER = "# Measured results\n\nEach section is written by the command it names. Times are medians.\n"


def shared_data() -> Path:
    """Folder of the shared pictures: ``$BLUR_TOOLS_SHARED``, else ``shared/data`` beside the checkout."""
    folder = Path(os.environ.get("BLUR_TOOLS_SHARED") or HERE.parent.parent / "shared" / "data")
    if not folder.is_dir():
        raise SystemExit(f"no shared pictures in {folder}; set BLUR_TOOLS_SHARED to their folder")
    return folder


def machine() -> str:
    """What the figures were measured on, in a line."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    packages = ", ".join(f"{name} {version(name)}" for name in ("onnxruntime", "pillow", "numpy"))
    return f"{platform.machine()}, {cores} cores, Python {platform.python_version()}, {packages}"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; all columns but the first are right-aligned."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def write_section(name: str, text: str, page: Path = RESULTS) -> None:
    """Put `text` where section `name` stands on a page, or at its end."""
    whole = page.read_text() if page.exists() else HEADER
    section = f"<!-- {name} -->\n{text.strip()}\n<!-- end of {name} -->\n"
    pattern = re.compile(rf"<!-- {name} -->\n.*?<!-- end of {name} -->\n", re.DOTALL)
    found = pattern.search(whole)
    whole = whole[: found.start()] + section + whole[found.end() :] if found else f"{whole.rstrip()}\n\n{section}"
    page.write_text(whole)
    print(f"written to {page.relative_to(HERE.parent)}")
