"""The patch grid covers any field evenly, and every pixel has one owner."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_cnmf.cnmf.patches import patch_grid

SIDES = st.integers(1, 900)
SIZES = st.integers(16, 300)
OVERLAPS = st.integers(0, 200)


def along(patches, axis):
    """Start and stop of what is read, and of what is owned, along one axis."""
    names = [("rows", "core_rows"), ("cols", "core_cols")][axis]
    parts = [[getattr(patch, name) for name in names] for patch in patches]
    return sorted({(r.start, r.stop, c.start, c.stop) for r, c in parts})


@given(st.tuples(SIDES, SIDES), SIZES, OVERLAPS)
def test_patches_are_what_was_asked_for(field_shape, size, overlap):
    patches = patch_grid(field_shape, size, overlap)
    assert len(patches) == len(along(patches, 0)) * len(along(patches, 1))
    for axis, n in enumerate(field_shape):
        parts = along(patches, axis)
        lengths = [stop - start for start, stop, *_ in parts]
        assert max(lengths) <= size
        assert max(lengths) - min(lengths) <= 1
        assert parts[0][0] == parts[0][2] == 0
        assert parts[-1][1] == parts[-1][3] == n
        for start, stop, core_start, core_stop in parts:
            assert start <= core_start < core_stop <= stop
        for first, second in itertools.pairwise(parts):
            assert first[3] == second[2]
            assert first[1] - second[0] >= min(overlap, size // 2)


@given(st.tuples(SIDES, SIDES), SIZES, OVERLAPS)
def test_there_is_no_patch_too_many(field_shape, size, overlap):
    patches = patch_grid(field_shape, size, overlap)
    step = size - min(overlap, size // 2)
    for axis, n in enumerate(field_shape):
        count = len(along(patches, axis))
        assert count == 1 or n > size + (count - 2) * step


@given(st.tuples(SIDES, SIDES), SIZES, OVERLAPS, st.integers(0, 2**32))
def test_every_centre_has_one_owner(field_shape, size, overlap, seed):
    patches = patch_grid(field_shape, size, overlap)
    corner = np.array(field_shape) - 1
    inside = np.random.default_rng(seed).uniform(0, corner, (20, 2))
    centres = np.concatenate([inside, np.rint(inside), [[0, 0], corner]])
    owners = np.sum([patch.owns(centres) for patch in patches], axis=0)
    assert (owners == 1).all()


@pytest.mark.parametrize("field_shape", [(1, 1), (5, 90), (128, 128), (60, 128)])
def test_a_field_no_larger_than_a_patch_is_one_patch(field_shape):
    (patch,) = patch_grid(field_shape, 128, 24)
    assert patch.shape == field_shape
    assert (patch.rows, patch.cols) == (patch.core_rows, patch.core_cols)


def test_a_field_a_little_larger_is_cut_in_two_and_not_padded():
    patches = patch_grid((512, 512), 128, 24)
    assert len(patches) == 25
    assert {patch.shape for patch in patches} == {(122, 122)}


def test_patches_come_row_by_row():
    patches = patch_grid((200, 300), 128, 24)
    corners = [(patch.rows.start, patch.cols.start) for patch in patches]
    assert corners == sorted(corners)


def test_a_patch_can_be_sent_anywhere():
    patch = patch_grid((200, 300), 128, 24)[3]
    assert pickle.loads(pickle.dumps(patch)) == patch
