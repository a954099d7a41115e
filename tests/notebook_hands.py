"""What tests of the notebook in a browser share: a notebook with all widgets, and how they are looked at and moved."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from _lab import notebook_of
from PIL import Image

from blur_tools.audit.session import AuditSession
from blur_tools.samples import scenes, write_scenes

CELLS = (
    "import blur_tools, pandas as pd\nfrom pathlib import Path\n"
    "found = blur_tools.Detections.from_json(Path('found.json').read_text())\n"
    "picture = 'pictures/north/two-cars.jpg'\n"
    "preview = blur_tools.preview(blur_tools.redact(picture, found), original=picture)\npreview",
    "names = [str(path) for path in sorted(Path('pictures').glob('*/**/*.jpg'))]\n"
    "df = pd.DataFrame({'image': [*names, 'pictures/broken.jpg'], 'detections': found.to_json()})\n"
    "gallery = df.blur.preview(per_page=4)\ngallery",
    "session = df.blur.audit(where='notebook', reviewer='Ada', journal='{name}.jsonl')",
)
"""Nothing is searched here: what was found is given, so that the browser is all that takes time."""


def write_demo(folder: Path, name: str) -> None:
    """A notebook of this name with the three widgets, and its pictures; its review's journal has the name as well."""
    write_scenes(folder / "pictures")
    (folder / "pictures" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    (folder / "found.json").write_text(two_cars())
    (folder / f"{name}.ipynb").write_text(notebook_of([cell.replace("{name}", name) for cell in CELLS]))


def two_cars() -> str:
    return next(scene.truth for scene in scenes() if scene.name == "two-cars.jpg").to_json()


def stage_of(page, place: int):
    return page.locator(".bt-root").nth(place)


def pixels(root) -> np.ndarray:
    """What is seen of the picture."""
    return np.array(Image.open(io.BytesIO(root.locator(".bt-stage").screenshot())).convert("RGB"), dtype=int)


def number(root) -> int:
    """How many pictures the kernel has sent."""
    return int(root.get_attribute("data-shown") or 0)


def sent_after(page, root, before: int) -> None:
    page.wait_for_function(
        "([root, before]) => Number(root.dataset.shown || 0) > before && "
        "[...root.querySelectorAll('img[src]')].every((image) => image.complete)",
        arg=[root.element_handle(), before],
    )


def settled(page, root) -> np.ndarray:
    """The picture once two looks at it are the same."""
    last = pixels(root)
    for _ in range(40):
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        now = pixels(root)
        if now.shape == last.shape and (now == last).all():
            return now
        last = now
    raise AssertionError("the picture does not come to rest")


def at(page, root, place: int) -> None:
    """Wait until the review shows this picture of the queue."""
    page.wait_for_function(
        "([root, text]) => root.querySelector('.bt-title').textContent.startsWith(text)",
        arg=[root.element_handle(), f"{place} of 6"],
    )


def accept_by_keys(page, root, places: tuple[int, ...]) -> None:
    """Accept the pictures of the queue at these places, each when it is seen."""
    for place in places:
        at(page, root, place)
        page.wait_for_function("([root]) => root.querySelector('img.bt-before[src]')", arg=[root.element_handle()])
        sent = number(root)
        root.press("a")
        at(page, root, place + 1)
        sent_after(page, root, sent)


def journalled(journal: Path) -> list:
    """The pictures of the review as they are on the disk."""
    copy = journal.with_name(f"copy-{journal.name}")
    copy.write_bytes(journal.read_bytes())
    with AuditSession.resume(copy) as session:
        return list(session)


def accepted(journal: Path) -> list:
    return [item for item in journalled(journal) if item.decision == "accepted"]


def arrives(page, root, before: str) -> None:
    """Wait until another picture than the one of this title is drawn."""
    page.wait_for_function(
        "([root, before]) => root.querySelector('.bt-title').textContent !== before"
        " && root.querySelector('img.bt-before[src]')?.complete",
        arg=[root.element_handle(), before],
    )
