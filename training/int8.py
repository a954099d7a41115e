"""What eight-bit weights would save and cost: ``python -m training.int8 --run FOLDER``; see the model card."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from training import data
from training.data import Floats, Picture
from training.finds import session
from training.kept_out import kept_out

SIDE, CALIBRATION, TIMED = 448, 48, 40


def shown(picture: Picture) -> Floats:
    """A picture as the detector sees it, ``(1, 3, SIDE, SIDE)``."""
    return np.float32(cv2.resize(picture.pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA).transpose(2, 0, 1)[None])


class _Pictures(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, pictures: list[Picture]) -> None:
        self.rest = iter(pictures)

    def get_next(self) -> dict[str, Any] | None:
        """The next picture, or None."""
        picture = next(self.rest, None)
        return None if picture is None else {"x": shown(picture)}


def main() -> None:
    """Quantise the detector, and print size, time and what becomes of its scores at labelled plates."""
    parser = argparse.ArgumentParser(prog="python -m training.int8", description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="folder of a finished run of `python -m training`")
    options = parser.parse_args()
    cv2.setNumThreads(0)
    whole, small = options.run / "plate-quad-1.onnx", options.run / "plate-quad-1-int8.onnx"
    pictures = [one for one in data.load(options.run / "pictures.zip") if one.plates]
    seen = [one for one in pictures if not kept_out(one.name)]
    kept = [one for one in pictures if kept_out(one.name)]
    prepared = options.run / "prepared.onnx"
    quant_pre_process(str(whole), str(prepared), skip_symbolic_shape=True)
    quantize_static(
        str(prepared),
        str(small),
        _Pictures(seen[:: len(seen) // CALIBRATION]),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        weight_type=QuantType.QInt8,
    )
    for path in (whole, small):
        run = session(path)
        times, scores, beside = [], [], []
        for picture in kept:
            began = time.process_time()
            heat = run.run(None, {"x": shown(picture)})[0][0, 0]
            times.append(time.process_time() - began)
            scale = np.float32([SIDE / picture.pixels.shape[1], SIDE / picture.pixels.shape[0]])
            for plate in picture.plates:
                column, row = np.clip((plate.corners.mean(axis=0) * scale / 8).astype(int), 1, heat.shape[0] - 2)
                near = heat[row - 1 : row + 2, column - 1 : column + 2]
                scores.append(near.max())
                near[:] = 0
            beside.append(heat.max())
        print(  # noqa: T201
            f"{path.name}: {path.stat().st_size / 1e6:.2f} MB, "
            f"{1000 * np.median(times[:TIMED]):.1f} ms at {SIDE} x {SIDE}; "
            f"plates of at least 0.25: {np.mean(np.array(scores) >= 0.25):.3f} of {len(scores)}; "
            f"pictures with a false alarm of at least 0.25: {np.mean(np.array(beside) >= 0.25):.3f}"
        )


if __name__ == "__main__":
    main()
