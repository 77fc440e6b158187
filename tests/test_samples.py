"""The sample movies: what a layer needs, and that only one of them moves."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cnmf.samples import simulated_movie, simulated_movie_with_motion


@pytest.fixture(scope="module")
def layers():
    return [*simulated_movie(), *simulated_movie_with_motion()]


def test_samples_are_movies_with_their_rate_and_pixel_size(layers):
    for movie, about, kind in layers:
        assert (movie.ndim, movie.dtype, kind) == (3, np.uint16, "image")
        rate_hz, size_um = (
            about["metadata"][name] for name in ("frame_rate_hz", "pixel_size_um")
        )
        np.testing.assert_allclose(about["scale"], (1 / rate_hz, *size_um))
        assert about["units"] == ("s", "um", "um")
        low, high = about["contrast_limits"]
        assert movie.min() < low < movie.mean() < high <= movie.max()
    assert layers[0][1]["name"] != layers[1][1]["name"]


def test_only_one_of_them_moves(layers):
    # A cell's edge that moves changes its pixel far more than noise does.
    still, moving = (movie[::15].astype(np.float32) for movie, _, _ in layers)
    blur = [image.mean(axis=0).std() for image in (still, moving)]
    assert blur[1] < 0.95 * blur[0]
