"""Writes the smallest ONNX model, byte by byte: images, flattened, times a matrix.

The numbers of the fields are those of the format's public description, onnx.proto.
"""

from __future__ import annotations

import numpy as np

_FLOAT = 1


def linear_model(image_shape: tuple[int, ...], weights: np.ndarray) -> bytes:
    """Model from (n, *image_shape) to (n, columns): flattened images @ weights."""
    nodes = [
        _text(1, "images") + _text(2, "flat") + _text(4, "Flatten"),
        _text(1, "flat") + _text(1, "W") + _text(2, "answer") + _text(4, "MatMul"),
    ]
    matrix = b"".join(_number(1, n) for n in weights.shape) + _number(2, _FLOAT)
    matrix += _text(8, "W") + _part(9, weights.astype("<f4").tobytes())
    graph = b"".join(_part(1, node) for node in nodes) + _text(2, "graph")
    graph += _part(5, matrix)
    graph += _part(11, _array("images", image_shape))
    graph += _part(12, _array("answer", weights.shape[1:]))
    opset = _text(1, "") + _number(2, 13)
    return _number(1, 8) + _part(7, graph) + _part(8, opset)


def _array(name: str, shape: tuple[int, ...]) -> bytes:
    """Name and type of an array whose first axis has any length."""
    axes = [_text(2, "n"), *(_number(1, n) for n in shape)]
    tensor = _number(1, _FLOAT) + _part(2, b"".join(_part(1, axis) for axis in axes))
    return _text(1, name) + _part(2, _part(1, tensor))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _text(field: int, value: str) -> bytes:
    return _part(field, value.encode())


def _part(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    digits = []
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    return bytes([*digits, value])
