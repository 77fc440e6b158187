"""A user's own ONNX model judges footprints cut out as CaImAn's network wants them."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import scipy.sparse as sp
from quality.quality_twins import make_scene
from quality.tiny_onnx import linear_model
from scipy.ndimage import map_coordinates

from napari_cnmf.compute import SerialBackend
from napari_cnmf.errors import InputError, MissingFileError, ParameterError
from napari_cnmf.movie import Movie
from napari_cnmf.quality.parameters import QualityParameters
from napari_cnmf.quality.stage import evaluate
from napari_cnmf.quality.user_model import SIDE_PX, caiman_crops, model_probability

SHAPE = (60, 90)


def footprints_at(*places: tuple[int, int]) -> sp.csc_array:
    """Small uneven patches with their corner at the places."""
    images = np.zeros((len(places), *SHAPE), np.float32)
    patch = np.arange(1, 21, dtype=np.float32).reshape(4, 5)
    for image, (y, x) in zip(images, places, strict=True):
        image[y : y + 4, x : x + 5] = patch
    return sp.csc_array(images.reshape(len(places), -1).T)


def weights(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(SIDE_PX**2, 2)).astype(np.float32)


@pytest.fixture
def runtime():
    return pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


@pytest.mark.parametrize(
    ("place", "corner"), [((30, 40), (19, 29)), ((0, 0), (0, 0)), ((56, 85), (34, 64))]
)
def test_crops_are_squares_inside_the_field(place, corner):
    half = 13  # of neurons with a half size of 3 px
    footprints = footprints_at(place)
    (crop,) = caiman_crops(footprints, SHAPE, 3.0)
    image = footprints.toarray().reshape(SHAPE)
    square = image[corner[0] : corner[0] + 2 * half, corner[1] : corner[1] + 2 * half]
    square = square / np.linalg.norm(square)
    axis = (np.arange(SIDE_PX) + 0.5) * 2 * half / SIDE_PX - 0.5
    places = np.stack(np.meshgrid(axis, axis, indexing="ij"))
    expected = map_coordinates(square, places, order=1, mode="nearest")
    np.testing.assert_allclose(crop, expected, atol=1e-6)


def test_a_field_smaller_than_the_square_is_surrounded_by_zeros():
    crops = caiman_crops(footprints_at((30, 40)), SHAPE, 12.0)
    assert crops.shape == (1, SIDE_PX, SIDE_PX)
    assert crops[0, :20].any()
    assert not crops[0, 45:].any()  # rows beyond the field


@pytest.mark.parametrize("shape", [(SIDE_PX, SIDE_PX, 1), (1, SIDE_PX, SIDE_PX)])
def test_the_second_column_of_the_answer_is_taken(runtime, tmp_path, shape):
    path = tmp_path / "model.onnx"
    path.write_bytes(linear_model(shape, weights()))
    footprints = footprints_at((30, 40), (0, 0), (50, 20))
    found = model_probability(str(path), footprints, SHAPE, 3.0)
    flat = caiman_crops(footprints, SHAPE, 3.0).reshape(3, -1)
    np.testing.assert_allclose(found, (flat @ weights())[:, 1], atol=1e-5)
    assert found.dtype == np.float32


def test_no_components_need_no_answer(runtime, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(linear_model((SIDE_PX, SIDE_PX, 1), weights()))
    nothing = sp.csc_array((SHAPE[0] * SHAPE[1], 0), dtype=np.float32)
    assert model_probability(str(path), nothing, SHAPE, 3.0).shape == (0,)


def test_a_missing_file_is_named(runtime, tmp_path):
    with pytest.raises(MissingFileError, match=r"no\.onnx of quality\.class"):
        model_probability(str(tmp_path / "no.onnx"), footprints_at((1, 1)), SHAPE, 3.0)


def test_what_is_no_model_is_named(runtime, tmp_path):
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(InputError, match=r"broken\.onnx cannot be read as an ONNX"):
        model_probability(str(path), footprints_at((1, 1)), SHAPE, 3.0)


def test_a_model_of_other_images_is_refused(runtime, tmp_path):
    path = tmp_path / "model.onnx"
    shape = (SIDE_PX, SIDE_PX, 3)
    path.write_bytes(linear_model(shape, np.zeros((7500, 2), np.float32)))
    with pytest.raises(InputError, match=r"50, 3\).*must take one array of images"):
        model_probability(str(path), footprints_at((1, 1)), SHAPE, 3.0)


def test_a_model_of_other_classes_is_refused(runtime, tmp_path):
    path = tmp_path / "model.onnx"
    shape = (SIDE_PX, SIDE_PX, 1)
    path.write_bytes(linear_model(shape, np.zeros((2500, 3), np.float32)))
    with pytest.raises(InputError, match="must have two columns"):
        model_probability(str(path), footprints_at((1, 1)), SHAPE, 3.0)


def test_without_onnxruntime_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ParameterError, match=r"pip install \"napari-cnmf\[onnx\]\""):
        model_probability("own.onnx", footprints_at((1, 1)), SHAPE, 3.0)


def test_the_evaluation_listens_to_the_model_it_is_given(runtime, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(linear_model((SIDE_PX, SIDE_PX, 1), weights()))
    frames, summary, components = make_scene()
    movie = Movie.from_array(frames, frame_rate_hz=30.0)

    def probability(model: str) -> np.ndarray:
        parameters = QualityParameters(classifier_model=model)
        with SerialBackend() as backend:
            scored = evaluate(
                movie,
                summary,
                components,
                parameters,
                diameter_px=3.0 * 2.75,
                backend=backend,
            )
        return scored.quality.neuron_probability

    ours = probability("")
    assert ours.min() >= 0
    assert ours.max() <= 1
    footprints, shape = components.footprints, components.fov_shape
    expected = model_probability(str(path), footprints, shape, 3.0)
    np.testing.assert_array_equal(probability(str(path)), expected)
