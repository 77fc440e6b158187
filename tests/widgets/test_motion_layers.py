"""Layers of a registration, without a viewer."""

from __future__ import annotations

import numpy as np
from widgets.moved_movies import BORDERS, make_moved

from napari_cnmf.widgets.scene.layers import Place
from napari_cnmf.widgets.scene.motion_layers import outlines, valid_layer

SHAPE = (40, 60)


def test_an_outline_runs_around_the_pixels():
    pieces = outlines([(slice(2, 5), slice(10, 20))])
    ends = np.concatenate([pieces[:, 0], pieces.sum(axis=1)])
    assert {tuple(end) for end in ends.tolist()} == {
        (1.5, 9.5), (1.5, 19.5), (4.5, 9.5), (4.5, 19.5),
    }  # fmt: skip
    assert np.abs(pieces[:, 1]).sum() == 2 * (3 + 10)


def test_the_valid_area_is_what_its_mask_says():
    summary = make_moved(shape=SHAPE).summary
    seen = np.zeros(SHAPE, bool)
    seen[summary.inside] = True
    np.testing.assert_array_equal(seen, summary.valid)
    pieces, _, _ = valid_layer(summary, Place())
    top, _, left, _ = BORDERS
    assert pieces[0, 0].tolist() == [top - 0.5, left - 0.5]
