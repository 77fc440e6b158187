"""Lazy frames: indexed like an array, and only what is wanted is read."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cnmf.movie.lazy import LazyFrames

ARRAY = np.random.default_rng(0).random((12, 7, 9, 3)).astype(np.float32)


class Watched(LazyFrames):
    """Frames of an array that remembers what was read."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.n_read = 0

    def read(self, frames, rows=slice(None), cols=slice(None)):
        block = self.array[frames, rows, cols]
        self.n_read += block.size
        return block


@pytest.fixture(params=["grey", "colour"])
def lazy(request) -> Watched:
    return Watched(ARRAY if request.param == "colour" else ARRAY[..., 0])


KEYS = [
    5,
    -1,
    np.int64(3),
    slice(2, 9),
    slice(2, 11, 4),
    slice(None, None, -3),
    slice(4, 4),
    slice(9, 2),
    ...,
    (3, ...),
    (..., 1),
    (..., slice(None, None, -2), 2),
    (slice(None), 4),
    (slice(None, None, 5), slice(1, 6, 2), -2),
    (slice(3, 5), slice(6, 1, -1), slice(None)),
    (2, 3, 1),
    (np.int64(2), slice(None), slice(None)),
]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_it_is_indexed_like_the_array(lazy, key):
    np.testing.assert_array_equal(lazy[key], lazy.array[key])


def test_colours_are_indexed_behind():
    np.testing.assert_array_equal(Watched(ARRAY)[2, :, 1:4, 0], ARRAY[2, :, 1:4, 0])


@pytest.mark.parametrize(
    ("key", "n_read"),
    [
        ((5,), 63),
        ((slice(None, None, 6),), 2 * 63),
        ((slice(None), 3), 12 * 9),
        ((4, slice(1, 3), slice(2, 6)), 8),
    ],
    ids=str,
)
def test_no_more_is_read_than_asked_for(key, n_read):
    lazy = Watched(ARRAY[..., 0])
    assert lazy[key].size == lazy.n_read == n_read


@pytest.mark.parametrize("key", [12, -13, (0, 7), (0, 0, 9)], ids=str)
def test_places_outside_are_refused(lazy, key):
    with pytest.raises(IndexError):
        lazy[key]


def test_lists_are_refused_rather_than_read_slowly(lazy):
    with pytest.raises(TypeError):
        lazy[[1, 2]]


def test_it_looks_like_an_array(lazy):
    assert (lazy.ndim, lazy.size, len(lazy)) == (lazy.array.ndim, lazy.array.size, 12)
