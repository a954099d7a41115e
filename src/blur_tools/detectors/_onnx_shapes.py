"""Let an ONNX graph take pictures of any size.

CenterFace's file fixes its input at ten pictures of 32 x 32 although its layers take any size, and lists its
weights as inputs besides. The graph is changed when it is loaded, so that the file stays the published one.
Only the outer shell of the protocol buffer is rewritten (field numbers: onnx.proto3); the weights are copied.
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["any_size"]

MODEL_GRAPH, GRAPH_INPUT, GRAPH_OUTPUT = 7, 11, 12
VALUE_NAME, VALUE_TYPE = 1, 2
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def any_size(model: bytes, input_name: str) -> bytes:
    """The same model with one input, of shape ``(batch, 3, height, width)``, and outputs of any shape.

    Raises
    ------
    ValueError
        The bytes are not an ONNX model that has this input.
    """
    fields, found = [], False
    for number, raw, content in _fields(model):
        found = found or number == MODEL_GRAPH
        fields.append(_field(number, _open_graph(content, input_name)) if number == MODEL_GRAPH else raw)
    if not found:
        raise ValueError("not an ONNX model: no graph")
    return b"".join(fields)


def _open_graph(graph: bytes, input_name: str) -> bytes:
    kept, found = [], False
    for number, raw, content in _fields(graph):
        if number == GRAPH_INPUT:
            if _name(content) == input_name:
                found = True
                kept.append(_field(GRAPH_INPUT, _value(input_name, _shape("batch", 3, "height", "width"))))
        elif number == GRAPH_OUTPUT:
            kept.append(_field(GRAPH_OUTPUT, _value(_name(content), b"")))
        else:
            kept.append(raw)
    if not found:
        raise ValueError(f"the graph has no input {input_name!r}")
    return b"".join(kept)


def _name(value_info: bytes) -> str:
    return next(content.decode() for number, _, content in _fields(value_info) if number == VALUE_NAME)


def _value(name: str, shape: bytes) -> bytes:
    # TypeProto.tensor_type = 1: {elem_type = 1: float (1), shape = 2}
    tensor = _varint(1 << 3 | VARINT) + _varint(1) + shape
    return _field(VALUE_NAME, name.encode()) + _field(VALUE_TYPE, _field(1, tensor))


def _shape(*dimensions: str | int) -> bytes:
    # TensorShapeProto.dim = 1: {dim_value = 1 | dim_param = 2}
    dims = [
        _field(2, size.encode()) if isinstance(size, str) else _varint(1 << 3 | VARINT) + _varint(size)
        for size in dimensions
    ]
    return _field(2, b"".join(_field(1, dim) for dim in dims))


def _fields(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Each field of a message: its number, its raw bytes, and its content where it has a length."""
    position = 0
    while position < len(message):
        start = position
        key, position = _read_varint(message, position)
        number, wire = key >> 3, key & 7
        content = b""
        if wire == VARINT:
            _, position = _read_varint(message, position)
        elif wire == BYTES:
            length, position = _read_varint(message, position)
            content = message[position : position + length]
            position += length
        elif wire in (FIXED64, FIXED32):
            position += 8 if wire == FIXED64 else 4
        else:
            raise ValueError("not an ONNX model")
        if position > len(message):
            raise ValueError("a truncated ONNX model")
        yield number, message[start:position], content


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(message):
        byte = message[position]
        value |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            return value, position
        shift += 7
    raise ValueError("a truncated ONNX model")


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | BYTES) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
