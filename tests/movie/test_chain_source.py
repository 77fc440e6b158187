"""Several sources one after the other in time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_cnmf.errors import InputError
from napari_cnmf.movie import ArraySource, ChainSource


def _chain(lengths: list[int]) -> tuple[ChainSource, np.ndarray]:
    """Return a chain of pieces of one array, and the array."""
    array = np.arange(sum(lengths) * 6, dtype=np.uint16).reshape(-1, 2, 3)
    pieces = np.split(array, np.cumsum(lengths)[:-1])
    names = [f"{i}.tif" for i in range(len(pieces))]
    return ChainSource([ArraySource(piece) for piece in pieces], names), array


@given(
    lengths=st.lists(st.integers(0, 5), min_size=1, max_size=5),
    start=st.integers(0, 26),
    stop=st.integers(0, 26),
    step=st.integers(1, 9),
)
def test_any_slice_of_a_chain_equals_that_of_the_joined_array(
    lengths, start, stop, step
):
    chain, array = _chain(lengths)
    frames = slice(*slice(start, stop, step).indices(len(array)))
    block = chain.read(frames, slice(0, 2), slice(1, 3))
    np.testing.assert_array_equal(block, array[frames, :, 1:3])


@pytest.mark.parametrize(
    ("other", "found"),
    [
        (np.zeros((4, 2, 5), np.uint16), "b.tif has frames of 2 x 5 uint16"),
        (np.zeros((4, 2, 3), np.uint8), "b.tif has frames of 2 x 3 uint8"),
    ],
)
def test_unlike_sources_are_refused_and_both_are_named(other, found):
    first = ArraySource(np.zeros((4, 2, 3), np.uint16))
    with pytest.raises(InputError, match="frames of 2 x 3 uint16") as caught:
        ChainSource([first, ArraySource(other)], ["a.tif", "b.tif"])
    assert found in str(caught.value)
    assert "a.tif" in str(caught.value)
