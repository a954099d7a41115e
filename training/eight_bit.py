"""From a trained network to the one that ships, in eight bits: a quarter of the size, more than twice as fast.

``python -m training.eight_bit --run FOLDER`` shows what a finished run's networks lose by it; see the model card.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from blur_tools.detectors.plates import MULTIPLE, STRIDE
from training import data
from training.data import Floats, Picture, Pixels
from training.finds import answers, session
from training.kept_out import kept_out
from training.networks import BRIGHTNESS, SPREAD

__all__ = ["quantise", "scenes_seen"]

Batch = npt.NDArray[np.uint8]
"""Pictures as a network takes them, ``(n, 3, h, w)``."""

SIDE = 640  # longest, of pictures that tell the finding network's ranges
SCENES, TIMED = 64, 40

WEIGHTED = ("Conv", "Gemm")
QUANTISED = ("Conv", "Relu", "Add", "Resize")


class _Batches(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, batches: Sequence[Batch]) -> None:
        self.rest = iter(batches)

    def get_next(self) -> dict[str, Floats] | None:
        """The next one, or None."""
        batch = next(self.rest, None)
        return None if batch is None else {"x": (batch.astype(np.float32) - BRIGHTNESS) / SPREAD}


def quantise(whole: Path, small: Path, batches: Sequence[Batch]) -> None:
    """Write a network in eight bits, whose input is a picture's bytes as they lie: ``(n, h, w, 3)``, red first.

    Activations are unsigned. Weights are signed and of seven bits: with eight, sums overflow on processors without
    VNNI instructions, and answers would depend on the machine.

    Parameters
    ----------
    whole, small : Path
        The exported network, and the file to write.
    batches : sequence of array ``(n, 3, h, w)``
        What the network is to see, which tells the ranges of its activations.
    """
    plain, between = small.with_suffix(".plain.onnx"), small.with_suffix(".between.onnx")
    quant_pre_process(str(whole), str(plain), skip_symbolic_shape=True)
    model = onnx.load(str(plain))
    _without_first_steps(model.graph)
    onnx.save(model, str(plain))
    bytes_reach = {"rmin": np.float32(-BRIGHTNESS / SPREAD), "rmax": np.float32((255 - BRIGHTNESS) / SPREAD)}
    quantize_static(
        str(plain),
        str(between),
        _Batches(batches),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        reduce_range=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=list(QUANTISED),
        nodes_to_exclude=_last_layers(model.graph),
        extra_options={"TensorQuantOverrides": {"x": [bytes_reach]}},
    )
    model = onnx.load(str(between))
    _take_bytes(model.graph)
    _take_pixels_as_they_lie(model.graph)
    onnx.checker.check_model(model)
    onnx.save(model, str(small))
    plain.unlink()
    between.unlink()


def _last_layers(graph: onnx.GraphProto) -> list[str]:
    """Layers that outputs are computed by: they stay as they are, since eight bits would be steps of a pixel."""
    makers = {name: node for node in graph.node for name in node.output}
    last, behind = [], [makers[output.name] for output in graph.output]
    while behind:
        node = behind.pop()
        last.append(node.name)
        if node.op_type not in WEIGHTED:
            behind += [makers[name] for name in node.input if name in makers]
    return last


def _without_first_steps(graph: onnx.GraphProto) -> None:
    """Take the input as it is after its brightness was taken off and its spread divided by."""
    first = next(node for node in graph.node if node.op_type == "Conv")
    before = [node for node in graph.node if node.op_type in ("Sub", "Div")]
    if [node.op_type for node in before] != ["Sub", "Div"] or before[1].output[0] != first.input[0]:
        raise SystemExit("the network does not begin as was expected")
    for node in before:
        graph.node.remove(node)
    first.input[0] = "x"


def _take_bytes(graph: onnx.GraphProto) -> None:
    """Let the input be the bytes that it would be made: they are the picture's own."""
    step = next(node for node in graph.node if node.op_type == "QuantizeLinear" and node.input[0] == "x")
    stored = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    scale, zero = (float(stored[name]) for name in step.input[1:3])
    if not np.isclose(scale * SPREAD, 1, atol=1e-5) or zero != BRIGHTNESS:
        raise SystemExit(f"bytes would not be what they are: {scale}, {zero}")
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name == step.output[0]:
                node.input[place] = "x"
    graph.node.remove(step)
    graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8


def _take_pixels_as_they_lie(graph: onnx.GraphProto) -> None:
    """Let the input be ``(n, h, w, 3)``, red first, and the first layer see it in blocks of 2 x 2 pixels.

    The sums are the same. A 3 x 3 layer of stride 2 over three channels is one of 2 x 2 and stride 1 over the twelve of
    the blocks, which has long rows to work on: with both, the finding network takes a tenth less time.
    """
    first = next(node for node in graph.node if node.op_type == "Conv")
    makers = {name: node for node in graph.node for name in node.output}
    pixels, weights = (makers[name] for name in first.input[:2])
    shape = {item.name: onnx.helper.get_attribute_value(item) for item in first.attribute}
    wanted = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
    if pixels.input[0] != "x" or any(shape[name] != value for name, value in wanted.items()):
        raise SystemExit("the network's first layer is not as was expected")
    (stored,) = (item for item in graph.initializer if item.name == weights.input[0])
    stored.CopyFrom(numpy_helper.from_array(_in_blocks(numpy_helper.to_array(stored)[:, ::-1]), stored.name))
    for item in [item for item in first.attribute if item.name in wanted]:
        first.attribute.remove(item)
    blocks = {"kernel_shape": [2, 2], "strides": [1, 1], "pads": [1, 1, 0, 0]}
    first.attribute.extend(onnx.helper.make_attribute(name, value) for name, value in blocks.items())
    pixels.input[0] = "x_blocks"
    graph.node.insert(0, onnx.helper.make_node("SpaceToDepth", ["x_planes"], ["x_blocks"], blocksize=2))
    graph.node.insert(0, onnx.helper.make_node("Transpose", ["x"], ["x_planes"], perm=[0, 3, 1, 2]))
    sizes = [item.dim_param or item.dim_value for item in graph.input[0].type.tensor_type.shape.dim]
    order = [sizes[0], *sizes[2:], sizes[1]]
    graph.input[0].CopyFrom(onnx.helper.make_tensor_value_info("x", TensorProto.UINT8, order))
    del graph.value_info[:]


def _in_blocks(weights: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """Weights ``(o, i, 3, 3)`` of stride 2 as ``(o, 4 i, 2, 2)`` over blocks, channels in the order of SpaceToDepth."""
    outputs, inputs = weights.shape[:2]
    blocks = np.zeros((outputs, 2, 2, inputs, 2, 2), np.int8)  # row and column in the block, then the block's
    for row, column in np.ndindex(3, 3):
        (below, y), (beside, x) = divmod(row + 1, 2), divmod(column + 1, 2)
        blocks[:, y, x, :, below, beside] = weights[:, :, row, column]
    return blocks.reshape(outputs, 4 * inputs, 2, 2)


def scenes_seen(pictures: Sequence[Picture]) -> list[Batch]:
    """Some of the pictures that are learnt from, as the finding network sees them."""
    chosen = [one for one in pictures if one.plates and not kept_out(one.name)]
    return [shown(one.pixels) for one in chosen[:: max(1, len(chosen) // SCENES)]]


def shown(pixels: Pixels) -> Batch:
    """A picture at the size at which it is looked at, stretched to whole multiples: ``(1, 3, h, w)``."""
    scale = SIDE / max(pixels.shape[:2])
    rows, columns = (max(1, round(length * scale / MULTIPLE)) * MULTIPLE for length in pixels.shape[:2])
    return cv2.resize(pixels, (columns, rows), interpolation=cv2.INTER_AREA).transpose(2, 0, 1)[None]


def _described(run: Any, pictures: Sequence[Picture]) -> str:
    """Time, and what becomes of the scores at labelled plates and beside them."""
    taken, scores, beside = [], [], []
    for picture in pictures:
        pixels = shown(picture.pixels)
        began = time.process_time()
        heat = answers(run, pixels)[0][0, 0].copy()
        taken.append(time.process_time() - began)
        scale = np.array(pixels.shape[:1:-1]) / np.array(picture.pixels.shape[1::-1]) / STRIDE
        for plate in picture.plates:
            column, row = np.clip((plate.corners.mean(axis=0) * scale).astype(int), 1, np.array(heat.shape[::-1]) - 2)
            near = heat[row - 1 : row + 2, column - 1 : column + 2]
            scores.append(near.max())
            near[:] = 0
        beside.append(heat.max())
    return (
        f"{1000 * np.median(taken[:TIMED]):.1f} ms; plates of at least 0.25: {np.mean(np.array(scores) >= 0.25):.3f} "
        f"of {len(scores)}; pictures with more of at least 0.25: {np.mean(np.array(beside) >= 0.25):.3f}"
    )


def main() -> None:
    """Print size, time and scores of the finding network on pictures kept out, whole and in eight bits."""
    parser = argparse.ArgumentParser(prog="python -m training.eight_bit", description=__doc__)
    parser.add_argument(
        "--run", type=Path, required=True, help="folder of a finished run of `python -m training`, without --finder"
    )
    options = parser.parse_args()
    cv2.setNumThreads(0)
    kept = [one for one in data.load(options.run / "pictures.zip") if one.plates and kept_out(one.name)]
    for path in sorted(options.run.glob("plate-quad-*.onnx")):
        print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB, {_described(session(path), kept)}")  # noqa: T201


if __name__ == "__main__":
    main()
