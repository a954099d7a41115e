"""Make a report of our sample scenes and a picture of it for the README: ``python scripts/report_screenshot.py``.

Needs playwright and a Chromium (``--chromium PATH``, by default the one that is on the path). ``--look FOLDER`` writes
the page as wide and narrow windows, light and dark, and as a print instead, to be looked at.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from pathlib import Path

import pandas as pd
from playwright.sync_api import sync_playwright

from blur_tools.audit.session import AuditSession
from blur_tools.detections import Detections
from blur_tools.samples import scenes, write_scenes

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "report.png"
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
             "--disable-sync")  # fmt: skip


def make_report(folder: Path) -> Path:
    """The report of a run over our scenes and a few copies of them, with a scripted reviewer who knows the truth."""
    paths = [path for number in range(4) for path in write_scenes(folder / "street" / f"day-{number + 1}")]
    truth = {scene.name: scene.truth for scene in scenes()}
    (folder / "street/day-1/broken.jpg").write_bytes(b"not a picture")
    frame = pd.DataFrame({"image": [*map(str, paths), str(folder / "street/day-1/broken.jpg")]})
    run = frame.blur.apply(out=folder / "blurred", progress=False)
    # one plate that the run has missed, and what a person would then see
    text = run.loc[9, "detections"]
    run.loc[9, "detections"] = Detections(list(Detections.from_json(text))[1:]).to_json()
    run = run.blur.redact("image", out=folder / "blurred", progress=False)
    run = run.blur.verify(out=folder / "blurred", detect=False, progress=False)
    with AuditSession.open(run.blur.sample(22), order="given", reviewer="Ann") as session:
        for item in session.items:
            for found in truth[Path(item.source).name]:
                session.add(item.key, found.kind, found.polygon)
            session.decide(item.key, "accepted")
        sample = session.to_frame()
    run.blur.receipt(folder / "receipt.jsonl", out=folder / "blurred")
    run.blur.report(
        folder / "report.html", out=folder / "blurred", sample=sample, receipt=folder / "receipt.jsonl",
        title="Street scenes, spring survey",
    )  # fmt: skip
    return folder / "report.html"


def main() -> None:
    """Write the picture, or those to look at."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("google-chrome"))
    parser.add_argument("--look", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        report = make_report(Path(folder))
        browser = play.chromium.launch(executable_path=options.chromium, args=list(ARGUMENTS))
        if options.look is None:
            page = browser.new_page(viewport={"width": 1100, "height": 1180})
            page.goto(report.as_uri())
            page.screenshot(path=PICTURE)
            print(f"{PICTURE}: {os.path.getsize(PICTURE):,} bytes")
            return
        options.look.mkdir(parents=True, exist_ok=True)
        for name, width, scheme in (("wide", 1280, "light"), ("narrow", 390, "light"), ("dark", 1280, "dark")):
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            page.on("request", lambda request: print(request.url[:80]))
            page.on("console", lambda message: print(message.text))
            page.goto(report.as_uri())
            page.screenshot(path=options.look / f"{name}.png", full_page=True)
            print(name, page.evaluate("[document.documentElement.scrollWidth, innerWidth]"))
        page.pdf(path=options.look / "print.pdf", prefer_css_page_size=True)
        shutil.copy(report, options.look)


if __name__ == "__main__":
    main()
