"""Weights, the graph of any size, and what the networks' outputs mean."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from blur_tools._cores import available_cores
from blur_tools.detectors import check, faces, plates
from blur_tools.detectors._network import Network, interleaved, planes
from blur_tools.detectors._onnx_shapes import any_size
from blur_tools.errors import ModelError


@pytest.mark.parametrize("network", [plates.NETWORK, check.NETWORK, faces.NETWORK], ids=["plates", "check", "faces"])
def test_shipped_weights_are_the_published_files(network: Network):
    assert hashlib.sha256(network.weights()).hexdigest() == network.sha256


@pytest.mark.parametrize("network", [plates.NETWORK, faces.NETWORK], ids=["plates", "faces"])
@pytest.mark.parametrize("size", [(32, 32), (64, 96), (320, 64)])
def test_networks_take_any_size(network: Network, size: tuple[int, int]):
    pixels = np.zeros((1, 3, *size), np.float32) if network is faces.NETWORK else np.zeros((1, *size, 3), np.uint8)
    outputs = network.run(pixels)
    stride = 8 if network is plates.NETWORK else 4
    assert outputs[0].shape == (1, 1, size[0] // stride, size[1] // stride)


def test_opening_the_graph_changes_no_weight():
    """Where the published graph can be run (ten pictures of 32 x 32), the opened one answers the same."""
    import onnxruntime

    pixels = np.random.default_rng(0).uniform(0, 255, (10, 3, 32, 32)).astype(np.float32)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    published = onnxruntime.InferenceSession(faces.NETWORK.weights(), options, providers=["CPUExecutionProvider"])
    for ours, theirs in zip(faces.NETWORK.run(pixels), published.run(None, {"input.1": pixels}), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xff" * 20, "truncated"),
        (b"\x3a\x80", "truncated"),
        (b"hello world", "not an ONNX model"),
        (b"\x3a\x00", "no input 'input.1'"),
        (b"", "no graph"),
    ],
)
def test_what_is_no_such_model_is_refused(data: bytes, reason: str):
    with pytest.raises(ValueError, match=reason):
        any_size(data, "input.1")


def test_missing_weights_say_how_to_get_them(monkeypatch, tmp_path):
    network = Network("none.onnx", "00", variable="BLUR_TOOLS_TEST_WEIGHTS")
    with pytest.raises(ModelError, match="BLUR_TOOLS_TEST_WEIGHTS") as caught:
        network.weights()
    assert "none.onnx" in str(caught.value)
    monkeypatch.setenv("BLUR_TOOLS_TEST_WEIGHTS", str(tmp_path / "gone.onnx"))
    with pytest.raises(ModelError, match=r"gone\.onnx is not there"):
        network.weights()


def test_weights_handed_over_are_checked(monkeypatch, tmp_path):
    handed = tmp_path / "handed.onnx"
    handed.write_bytes(b"weights")
    monkeypatch.setenv("BLUR_TOOLS_TEST_WEIGHTS", str(handed))
    right = Network("none.onnx", hashlib.sha256(b"weights").hexdigest(), variable="BLUR_TOOLS_TEST_WEIGHTS")
    assert right.weights() == b"weights"
    with pytest.raises(ModelError, match="not the expected file"):
        Network("none.onnx", "00", variable="BLUR_TOOLS_TEST_WEIGHTS").weights()


def test_one_session_serves_all_threads(monkeypatch):
    from blur_tools.detectors import _network

    made = []
    real = _network._session
    monkeypatch.setattr(_network, "_session", lambda graph: made.append(1) or real(graph))
    network = Network(plates.NETWORK.file, plates.NETWORK.sha256)
    pixels = np.zeros((1, 32, 32, 3), np.uint8)
    threads = [threading.Thread(target=network.run, args=(pixels,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]


def test_our_own_networks_take_pixels_as_they_lie():
    from PIL import Image

    image = Image.fromarray(np.arange(18, dtype=np.uint8).reshape(2, 3, 3))
    assert (interleaved(image, 2, 3)[0] == np.asarray(image)).all()
    padded = interleaved(image, 4, 5, padding=114)
    assert padded.shape == (1, 4, 5, 3)
    assert padded.dtype == np.uint8
    assert (padded[0, :2, :3] == np.asarray(image)).all()
    assert (padded[0, 2:] == 114).all()
    assert (padded[0, :, 3:] == 114).all()


def test_planes_are_channels_first():
    from PIL import Image

    image = Image.fromarray(np.arange(18, dtype=np.uint8).reshape(2, 3, 3))
    pixels = planes(image)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels[0], np.asarray(image).transpose(2, 0, 1))
    np.testing.assert_array_equal(planes(image, blue_first=True)[0], pixels[0, ::-1])


def test_plate_decoding_takes_local_maxima_and_their_corners():
    heat = np.zeros((1, 1, 4, 6), np.float32)
    heat[0, 0, 1, 2], heat[0, 0, 1, 3], heat[0, 0, 3, 5] = 0.9, 0.8, 0.2
    offsets = np.zeros((1, 8, 4, 6), np.float32)
    offsets[0, :, 1, 2] = [-10, -4, 10, -4, 10, 4, -10, 4]
    corners, scores = plates.decode([heat, offsets], 0.25)
    assert scores.tolist() == pytest.approx([0.9])
    np.testing.assert_allclose(corners[0], [[10, 8], [30, 8], [30, 16], [10, 16]])


def test_face_decoding_follows_the_authors_formula():
    heat = np.zeros((1, 1, 8, 8), np.float32)
    heat[0, 0, 3, 4] = 0.7
    size, offset = np.zeros((1, 2, 8, 8), np.float32), np.zeros((1, 2, 8, 8), np.float32)
    size[0, :, 3, 4] = np.log([3, 2])  # height 12, width 8 pixels
    offset[0, :, 3, 4] = [0.5, 0.25]
    boxes, scores = faces._decode([heat, size, offset], 0.25)
    # centre: ((4 + 0.25 + 0.5) * 4, (3 + 0.5 + 0.5) * 4) = (19, 16)
    np.testing.assert_allclose(boxes, [[15, 10, 23, 22]], rtol=1e-6)
    assert scores.tolist() == pytest.approx([0.7])


def test_cores_are_those_this_process_may_use():
    assert available_cores() >= 1


def test_nothing_is_left_in_the_home_folder_and_nothing_is_reported(tmp_path):
    """Recent builds of onnxruntime keep a device identifier and report; with ours neither may happen."""
    code = (
        "import os, numpy as np; from blur_tools import detect; detect(np.zeros((64, 64, 3), np.uint8));"
        "print(os.environ['ORT_DISABLE_TELEMETRY'])"
    )
    home = tmp_path / "home"
    home.mkdir()
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("ORT_", "XDG_"))}
    done = subprocess.run(
        [sys.executable, "-B", "-c", code],
        env=environment | {"HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "1"
    assert list(home.rglob("*")) == []
