"""Take the pictures of the notebook's widgets: ``python scripts/notebook_screenshots.py [--out FOLDER]``.

Needs chromium and the packages of the dependency group [test-notebook]. The pictures are our own sample scenes, in
JupyterLab, light and dark.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from blur_tools.samples import write_scenes

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

from _lab import THEMES, browser, lab, missing, notebook_of, run_all  # noqa: E402

IMAGES = ROOT / "docs" / "images"
WIDTH = 1200

CELLS = (
    "import blur_tools\nimport pandas as pd\nfrom pathlib import Path\n\n"
    "pictures = sorted(map(str, Path('pictures').rglob('*.*')))\n"
    "df = pd.DataFrame({'image': pictures})\nresult = df.blur.apply(out='blurred')",
    "blur_tools.preview('pictures/north/two-cars.jpg', effect='pixelate', plates=9)",
    "result.blur.preview(per_page=8)",
    "session = result.blur.audit(where='notebook', reviewer='Ada', order='risk')",
    "result.blur.show(rows=4)",
)


def take(page: Any, place: int, path: Path) -> None:
    """Write what one cell shows, its code included."""
    cell = page.locator(".jp-CodeCell").nth(place)
    cell.scroll_into_view_if_needed()
    page.wait_for_timeout(600)
    picture = Image.open(io.BytesIO(cell.screenshot())).convert("RGB")
    path.parent.mkdir(parents=True, exist_ok=True)
    # a quarter of the bytes of a PNG; thin coloured lines need every colour sample
    picture.save(path, quality=88, subsampling=0, optimize=True)
    print(path, picture.size)


def shots(theme: str, out: Path) -> None:
    """All pictures in one theme."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_scenes(folder / "pictures")
        (folder / "pictures" / "south" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
        (folder / "demo.ipynb").write_text(notebook_of(CELLS))
        with lab(folder, theme=theme) as address, browser(viewport={"width": WIDTH, "height": 3600}) as page:
            run_all(page, address.format("demo.ipynb"))
            page.locator(".bt-table").wait_for()
            page.evaluate("() => document.querySelector('[data-id=filebrowser]')?.click()")
            page.keyboard.press("Control+b")  # no list of files beside it
            preview, gallery, review = (page.locator(".bt-root").nth(place) for place in range(3))
            page.wait_for_function("() => document.querySelectorAll('.bt-root[data-shown]').length >= 1")
            preview.get_by_role("checkbox").first.click()
            preview.get_by_role("checkbox").nth(1).hover()
            take(page, 1, out / f"notebook-preview-{theme}.jpg")
            gallery.locator(".bt-cell[data-shown]").nth(6).wait_for()
            take(page, 2, out / f"notebook-gallery-{theme}.jpg")
            for key in ("n", "a", "a", "g", "m", "k"):  # the first is the broken one
                page.wait_for_timeout(500)
                review.focus()
                review.press(key)
            take(page, 3, out / f"notebook-review-{theme}.jpg")
            take(page, 4, out / f"notebook-table-{theme}.jpg")


def main() -> None:
    """Take them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=IMAGES, help="where to (default %(default)s)")
    options = parser.parse_args()
    why = missing()
    if why:
        raise SystemExit(why)
    for theme in THEMES:
        shots(theme, options.out)


if __name__ == "__main__":
    main()
