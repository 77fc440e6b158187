"""A user's own classifier: any ONNX model that sees footprints as CaImAn's does.

A square of about four neurons around the footprint's centre of mass is divided by its
norm and resized to 50 x 50; the model answers with one column per class, of which the
second is "neuron". Networks trained for CaImAn fit once they are saved as ONNX.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from napari_cnmf.errors import InputError, MissingFileError, ParameterError

SIDE_PX = 50
_MAX_HALF_PX = 50
_BATCH = 256
#: Channels last, as TensorFlow has them, or first, as PyTorch does.
_SHAPES = {(SIDE_PX, SIDE_PX, 1): -1, (1, SIDE_PX, SIDE_PX): 1}


def model_probability(
    path: str,
    footprints: sp.csc_array,
    field_shape: tuple[int, int],
    neuron_half_size_px: float,
) -> np.ndarray:
    """Let a user's model judge the footprints.

    Parameters
    ----------
    path : str
        Of the ONNX file.
    footprints : csc_array
        (Y*X, K), in the movie's units.
    field_shape : tuple of int
        (Y, X).
    neuron_half_size_px : float
        CaImAn's gSig.

    Returns
    -------
    ndarray
        (K,) float32, what the model answers for the class "neuron".

    Raises
    ------
    ParameterError
        If onnxruntime is not installed.
    MissingFileError, InputError
        If the file is not there, is no ONNX model or is a model of another kind.
    """
    session = _opened(path)
    channel_axis = _channel_axis(session, path)
    probability = np.zeros(footprints.shape[1], np.float32)
    for start in range(0, len(probability), _BATCH):
        which = slice(start, start + _BATCH)
        crops = caiman_crops(footprints[:, which], field_shape, neuron_half_size_px)
        images = np.expand_dims(crops, channel_axis)
        (answer,) = session.run(None, {session.get_inputs()[0].name: images})
        if answer.shape != (len(images), 2):
            raise InputError(
                f"The classifier {path} answers {len(images)} footprints with an array "
                f"of shape {answer.shape}; it must have two columns, for 'other' and "
                "'neuron'."
            )
        probability[which] = answer[:, 1]
    return probability


def caiman_crops(
    footprints: sp.csc_array, field_shape: tuple[int, int], neuron_half_size_px: float
) -> np.ndarray:
    """Cut footprints out as CaImAn's network wants them.

    Parameters
    ----------
    footprints, field_shape, neuron_half_size_px
        As for `model_probability`.

    Returns
    -------
    ndarray
        (K, 50, 50) float32, of unit norm before they were resized. The square lies
        inside the field where that is large enough; otherwise zeros surround it.
    """
    half = min(round(4 * neuron_half_size_px) + 1, _MAX_HALF_PX)
    coo = footprints.tocoo()
    pixel, k = coo.coords
    place = np.stack(np.divmod(pixel, field_shape[1]))
    n = footprints.shape[1]
    mass = np.maximum(np.bincount(k, coo.data, n), 1e-30)
    centre = np.stack([np.bincount(k, coo.data * axis, n) for axis in place]) / mass
    last = np.maximum(np.subtract(field_shape, 2 * half), 0)[:, None]
    corner = np.clip(np.rint(centre).astype(np.int64) - half, 0, last)
    y, x = place - corner[:, k]
    inside = (y >= 0) & (y < 2 * half) & (x >= 0) & (x < 2 * half)
    crops = np.zeros((n, 2 * half, 2 * half), np.float32)
    crops[k[inside], y[inside], x[inside]] = coo.data[inside]
    norm = np.sqrt((crops**2).sum(axis=(1, 2), keepdims=True))
    crops /= np.maximum(norm, 1e-30)
    resize = _linear(2 * half)
    return resize @ crops @ resize.T


def _linear(side: int) -> np.ndarray:
    """Weights (50, side) of linear interpolation between the centres of pixels."""
    source = (np.arange(SIDE_PX) + 0.5) * side / SIDE_PX - 0.5
    source = np.clip(source, 0, side - 1)[:, None]
    return np.maximum(0, 1 - np.abs(source - np.arange(side))).astype(np.float32)


def _opened(path: str) -> Any:
    """Open a model for one thread, so that the same answer comes everywhere."""
    try:
        import onnxruntime
    except ImportError as error:
        raise ParameterError(
            f"quality.classifier_model={path} needs onnxruntime, which is missing; "
            'install it with: pip install "napari-cnmf[onnx]", or leave the parameter '
            "empty for the classifier that comes with the package."
        ) from error
    if not Path(path).is_file():
        raise MissingFileError(
            f"The classifier {path} of quality.classifier_model is not there; give the "
            "path of an ONNX file, or leave it empty for our own classifier."
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        raise InputError(
            f"{path} cannot be read as an ONNX model; export the classifier with an "
            "ONNX opset that your onnxruntime knows."
        ) from error


def _channel_axis(session: Any, path: str) -> int:
    """Axis of the single channel in the model's input."""
    shapes = [tuple(item.shape) for item in session.get_inputs()]
    if len(shapes) == 1 and shapes[0][1:] in _SHAPES:
        return _SHAPES[shapes[0][1:]]
    raise InputError(
        f"The classifier {path} takes {shapes}; it must take one array of images, "
        f"of shape (n, {SIDE_PX}, {SIDE_PX}, 1) or (n, 1, {SIDE_PX}, {SIDE_PX})."
    )
