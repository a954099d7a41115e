"""The two networks: one that finds plates in a picture, one that looks at each find again."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from blur_tools.detectors.check import HEIGHT, WIDTH
from blur_tools.detectors.plates import STRIDE

__all__ = ["PlateCheck", "PlateQuad", "begin_with"]

REACH = 4.0
"""Corner offsets are learnt in units of so many strides."""

BRIGHTNESS, SPREAD = 116.0, 60.0


class _Convolution(nn.Sequential):
    def __init__(self, inputs: int, outputs: int, size: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(True)
        )


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _Convolution(channels, channels)
        self.second = nn.Sequential(nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.second(self.first(x)))


class PlateQuad(nn.Module):
    """Where plates are: a score and four corners for each cell of 8 x 8 pixels.

    A feature pyramid of plain 3 x 3 convolutions, read out at one stride. Input ``(n, 3, h, w)``, blue first, 0 to
    255, sides multiples of 32. Outputs: score ``(n, 1, h/8, w/8)``, 0 to 1; corners ``(n, 8, h/8, w/8)``, x and y
    clockwise from the top left, in pixels from the cell's middle.
    """

    def __init__(self, widths: tuple[int, ...] = (16, 24, 48, 64, 96), head: int = 64) -> None:
        super().__init__()
        one, two, three, four, five = widths
        self.stage1 = _Convolution(3, one, stride=2)
        self.stage2 = nn.Sequential(_Convolution(one, two, stride=2), _Convolution(two, two))
        self.stage3 = nn.Sequential(_Convolution(two, three, stride=2), _Residual(three), _Residual(three))
        self.stage4 = nn.Sequential(_Convolution(three, four, stride=2), _Residual(four), _Residual(four))
        self.stage5 = nn.Sequential(_Convolution(four, five, stride=2), _Residual(five), _Residual(five))
        self.side5 = _Convolution(five, head, 1)
        self.side4 = _Convolution(four, head, 1)
        self.side3 = _Convolution(three, head, 1)
        self.mix4, self.mix3 = _Convolution(head, head), _Convolution(head, head)
        self.score = nn.Conv2d(head, 1, 1)
        self.corners = nn.Sequential(_Convolution(head, head), nn.Conv2d(head, 8, 1))
        nn.init.constant_(self.score.bias, -4.0)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Scores and corners of a batch of pictures."""
        features = self.features((x - BRIGHTNESS) / SPREAD)
        return torch.sigmoid(self.score(features)), self.corners(features) * (STRIDE * REACH)

    def features(self, x: Tensor) -> Tensor:
        """What both outputs are read from, ``(n, head, h/8, w/8)``."""
        third = self.stage3(self.stage2(self.stage1(x)))
        fourth = self.stage4(third)
        fifth = self.stage5(fourth)
        upper = self.mix4(self.side4(fourth) + _doubled(self.side5(fifth)))
        features: Tensor = self.mix3(self.side3(third) + _doubled(upper))
        return features


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


class PlateCheck(nn.Module):
    """Whether a find is a plate, and where its corners are.

    Input ``(n, 3, 72, 112)``, blue first, 0 to 255: the find laid straight, with as much again around it. Outputs:
    score ``(n,)``, 0 to 1; corners ``(n, 4, 2)``, clockwise from the top left, in units of the find's own width and
    height from its middle: an untouched find has (-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5).
    """

    def __init__(self, widths: tuple[int, ...] = (20, 32, 56, 80), hidden: int = 160) -> None:
        super().__init__()
        one, two, three, four = widths
        self.body = nn.Sequential(
            _Convolution(3, one, stride=2),
            _Convolution(one, two, stride=2),
            _Residual(two),
            _Convolution(two, three, stride=2),
            _Residual(three),
            _Residual(three),
            _Convolution(three, four, stride=2),
            _Residual(four),
        )
        rows, columns = (-(-side // 16) for side in (HEIGHT, WIDTH))
        self.narrow = _Convolution(four, 32, 1)
        self.hidden = nn.Sequential(nn.Flatten(), nn.Linear(32 * rows * columns, hidden), nn.ReLU(True))
        self.corners = nn.Linear(hidden, 8)
        self.score = nn.Sequential(nn.Linear(four + hidden, 64), nn.ReLU(True), nn.Linear(64, 1))
        untouched = torch.tensor([-0.5, -0.5, 0.5, -0.5, 0.5, 0.5, -0.5, 0.5])
        nn.init.normal_(self.corners.weight, std=1e-3)
        with torch.no_grad():
            self.corners.bias.copy_(untouched)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Scores and corners of a batch of finds."""
        logits, corners = self.judged(x)
        return torch.sigmoid(logits), corners

    def judged(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """As `forward`, the score before the sigmoid."""
        features = self.body((x - BRIGHTNESS) / SPREAD)
        hidden = self.hidden(self.narrow(features))
        pooled = features.mean(dim=(2, 3))
        logits: Tensor = self.score(torch.cat([pooled, hidden], 1))[:, 0]
        return logits, self.corners(hidden).reshape(-1, 4, 2)


def begin_with(network: PlateQuad, path: Path, sample: Tensor) -> None:
    """Give the network the weights of an exported one.

    In the file, each normalisation is folded into its convolution. It is unfolded so that the network computes what
    the file does, with the statistics of `sample`, a batch ``(n, 3, h, w)`` of training pictures.
    """
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(path)).graph
    stored = {item.name: torch.from_numpy(numpy_helper.to_array(item).copy()) for item in graph.initializer}
    folded = iter([node for node in graph.node if node.op_type == "Conv"])
    normalised: dict[nn.Module, nn.BatchNorm2d] = {}
    for module in network.modules():
        if isinstance(module, nn.Sequential):
            parts = list(module)
            pairs = pairwise(parts)
            normalised |= {one: two for one, two in pairs if isinstance(two, nn.BatchNorm2d)}

    def unfold(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        assert isinstance(module, nn.Conv2d)
        weight, bias = (stored[name] for name in next(folded).input[1:3])
        module.weight.copy_(weight)
        plain = functional.conv2d(inputs[0], weight, None, module.stride, module.padding)
        if module.bias is not None:
            module.bias.copy_(bias)
            return plain + bias[:, None, None]
        norm = normalised[module]
        variance, mean = torch.var_mean(plain, dim=(0, 2, 3), correction=0)
        norm.running_mean.copy_(mean)  # type: ignore[union-attr]
        norm.running_var.copy_(variance)  # type: ignore[union-attr]
        norm.weight.copy_(torch.sqrt(variance + norm.eps))
        norm.bias.copy_(mean + bias)
        return plain

    hooks = [module.register_forward_hook(unfold) for module in network.modules() if isinstance(module, nn.Conv2d)]
    network.eval()
    with torch.no_grad():
        network(sample)
    for hook in hooks:
        hook.remove()
    if next(folded, None) is not None:
        raise SystemExit(f"{path}: has more layers than the network")
