"""The sums of a block against plain numpy, for every odd shape."""

import numpy as np
import pytest
from summary import summary_twins as twins

from napari_cnmf.summary.kernels import add_block


def summed(codes, group):
    sums = np.zeros((7, *codes.shape[1:]), np.int64)
    maximum = np.zeros(codes.shape[1:], np.uint16)
    add_block(codes, group, sums, maximum)
    return sums, maximum


@pytest.mark.parametrize(
    "shape",
    [(37, 7, 13), (48, 5, 3), (2, 3, 4), (1, 3, 4), (5, 1, 1), (6, 1, 9), (6, 9, 1)],
)
def test_sums_are_exact(shape):
    codes = np.random.default_rng(1).integers(0, 65536, shape, dtype=np.uint16)
    sums, maximum = summed(codes, 16)
    np.testing.assert_array_equal(sums, twins.sums(codes, 16))
    np.testing.assert_array_equal(maximum, codes.max(axis=0))


def test_the_largest_codes_do_not_overflow():
    codes = np.full((512, 3, 4), 65535, np.uint16)
    codes[1::2, 0] = 0
    sums, _ = summed(codes, 16)
    np.testing.assert_array_equal(sums, twins.sums(codes, 16))


def test_no_frames_add_nothing():
    sums, maximum = summed(np.empty((0, 3, 4), np.uint16), 16)
    assert not sums.any()
    assert not maximum.any()
