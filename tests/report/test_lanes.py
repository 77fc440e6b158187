"""Where traces are drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from example_values import IDS, make_components

from napari_cnmf.colours import cell_colour
from napari_cnmf.report.lanes import KINDS, Lane, rows, traces


def lane(low: float, high: float) -> Lane:
    return Lane("F", -1.0, 0.5, low, high, {})


@pytest.mark.parametrize("kinds", [KINDS, KINDS[:2], ("deconvolved",), ("dff", "raw")])
def test_rows_and_lanes_lie_below_each_other_without_touching(kinds):
    found = rows(make_components(), [2, 0, 3], kinds)
    edges = [
        edge
        for row in found
        for lane in row.lanes
        for edge in (lane.bottom + lane.height, lane.bottom)
    ]
    assert edges == sorted(set(edges), reverse=True)
    for i, row in enumerate(found):
        top = row.lanes[0].bottom + row.lanes[0].height
        assert -i - 1 < row.lanes[-1].bottom < row.middle < top < -i


def test_rows_bear_ids_and_their_colours():
    found = rows(make_components(), [2, 0], KINDS)
    assert [row.cell_id for row in found] == [IDS[2], IDS[0]]
    assert [row.colour for row in found] == [cell_colour(i) for i in (IDS[2], IDS[0])]


def test_raw_and_denoised_share_a_scale_and_dff_has_its_own():
    components = replace(make_components(), dff=make_components().dff / 100)
    fluorescence, events, dff = rows(components, [0], KINDS)[0].lanes
    assert set(fluorescence.curves) == {"raw", "denoised"}
    assert fluorescence.high == 2 * IDS[0]
    assert set(events.curves) == {"deconvolved"}
    assert dff.high == pytest.approx(IDS[0] / 100)


def test_dff_that_is_not_computed_has_no_lane():
    bare = replace(make_components(), dff=None)
    assert len(rows(bare, [0], ("raw", "dff"))[0].lanes) == 1
    assert rows(bare, [0], ("dff",)) == []
    assert "dff" not in traces(bare, 0, KINDS)


def test_dff_that_has_no_meaning_keeps_an_empty_lane():
    components = make_components()
    components = replace(components, dff=np.full_like(components.dff, np.nan))
    (empty,) = rows(components, [0], ("dff",))[0].lanes
    assert empty.curves == {}
    assert np.isfinite(empty.place(empty.ticks(3))).all()


def test_values_are_placed_between_the_borders():
    assert lane(-2.0, 6.0).place(np.array([-2.0, 2.0, 6.0])).tolist() == [
        -1.0,
        -0.75,
        -0.5,
    ]


@pytest.mark.parametrize(
    ("low", "high", "most", "ticks"),
    [
        (-30.0, 430.0, 4, [0, 200, 400]),
        (-30.0, 430.0, 2, [0]),
        (0.0, 0.9, 2, [0, 0.5]),
        (-0.2, 1.0, 10, [-0.2, 0, 0.2, 0.4, 0.6, 0.8, 1.0]),
    ],
)
def test_ticks_are_round_and_no_more_than_fit(low, high, most, ticks):
    found = lane(low, high).ticks(most)
    np.testing.assert_allclose(found, ticks, atol=1e-12)
    assert not np.signbit(found[found == 0]).any()
