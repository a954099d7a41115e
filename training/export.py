"""From a trained network to the file that ships."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import nn

__all__ = ["export"]

OPSET = 17
CLOSE = 1e-3
"""Largest difference that the file's outputs may have from the network's, relative to the outputs' size."""


def export(network: nn.Module, path: Path, size: tuple[int, int], names: tuple[str, ...], *, any_size: bool) -> None:
    """Write it, and make sure that the file computes the same.

    Parameters
    ----------
    size : (height, width)
        Of the input that is traced.
    names : tuple of str
        Of the outputs.
    any_size : bool
        Whether height and width may be others; the number of pictures always may.
    """
    network.eval()
    sides = {2: "height", 3: "width"} if any_size else {}
    axes = {
        "x": {0: "n", **sides},
        **{name: {0: "n", **({2: "rows", 3: "columns"} if any_size else {})} for name in names},
    }
    torch.onnx.export(
        network,
        (torch.zeros(2, 3, *size),),
        str(path),
        input_names=["x"],
        output_names=list(names),
        opset_version=OPSET,
        dynamo=False,
        dynamic_axes=axes,
    )
    pixels = np.random.default_rng(0).uniform(0, 255, (3, 3, *size)).astype(np.float32)
    with torch.no_grad():
        wanted = [tensor.numpy() for tensor in network(torch.from_numpy(pixels))]
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for name, one, other in zip(names, wanted, session.run(None, {"x": pixels}), strict=True):
        apart = float(np.abs(one - other).max() / max(1.0, np.abs(one).max()))
        if apart > CLOSE:
            raise SystemExit(f"{path}: output {name} differs from the network's by {apart:.2g}")
