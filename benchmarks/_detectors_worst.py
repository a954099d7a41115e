"""The worst of one detector, as sheets for a person to look at: what it hides least, and its surest false alarms."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from _detectors_scored import Seen
from _detectors_sheets import LABEL, NEW, Cell, lay

from blur_tools.audit._sample_bounds import HIDDEN_AT

WORST = 50


def write_worst(seen: Mapping[Path, Sequence[Seen]], threshold: float, folder: Path) -> tuple[int, int]:
    """Write ``misses-<n>.png``, ``alarms-<n>.png`` and ``worst.json``; gives how many of each there are in all.

    Cyan is what the detector found, orange are the labels. A miss's words are its number and its hidden share, an
    alarm's its number and its score.

    Parameters
    ----------
    seen : dict
        Folder of a set -> its pictures with what the detector found.
    """
    misses: list[tuple[float, str, Cell]] = []
    alarms: list[tuple[float, str, Cell]] = []
    for source, pictures in seen.items():
        for picture in pictures:
            scored = picture.score(threshold)
            drawn = [(label.box, LABEL) for label in picture.labels.objects]
            drawn += [(item.box, NEW) for item in picture.at(threshold)]
            for item in scored.objects:
                box = (item.xmin, item.ymin, item.xmax, item.ymax)
                if not item.neutral and item.coverage < HIDDEN_AT:
                    cell = Cell(source / picture.name, box, f"{item.coverage:.2f}", drawn)
                    misses.append((item.coverage, picture.name, cell))
            for found in scored.detections:
                if found.outcome == "wrong":
                    box = (found.xmin, found.ymin, found.xmax, found.ymax)
                    alarms.append(
                        (-found.score, picture.name, Cell(source / picture.name, box, f"{found.score:.2f}", drawn))
                    )
    facts = {}
    for name, every in (("misses", misses), ("alarms", alarms)):
        worst = [cell for _, _, cell in sorted(every, key=lambda one: one[:2])[:WORST]]
        cells = [Cell(cell.path, cell.box, f"{number} {cell.words}", cell.drawn) for number, cell in enumerate(worst)]
        lay(cells, folder, name)
        facts[name] = [[cell.path.parent.name, cell.path.name, [round(v, 1) for v in cell.box]] for cell in cells]
    (folder / "worst.json").write_text(json.dumps(facts, indent=1))
    return len(misses), len(alarms)
