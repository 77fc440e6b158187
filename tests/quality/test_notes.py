"""What is noted of components: facts, and nothing that rejects them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from example_values import make_components, make_quality

from napari_cnmf.components import NOTES, Quality
from napari_cnmf.movie.images import SummaryImages
from napari_cnmf.quality.explain import explain
from napari_cnmf.quality.notes import (
    cut_by_the_edge,
    notes,
    saturated,
    shares_place,
    silent,
)
from napari_cnmf.quality.parameters import QualityParameters
from napari_cnmf.quality.rule import apply_rule

FIELD = (20, 24)


def boxes(*corners: tuple[int, int], side: int = 5) -> sp.csc_array:
    """Square footprints with their upper left corner given, (Y*X, K)."""
    images = np.zeros((len(corners), *FIELD), np.float32)
    for image, (y, x) in zip(images, corners, strict=True):
        image[y : y + side, x : x + side] = 1 / side
    return sp.csc_array(images.reshape(len(corners), -1).T)


def images(maximum: np.ndarray, noise: float = 10.0) -> SummaryImages:
    """Images of a movie with these highest values."""
    flat = np.full(FIELD, noise, np.float32)
    return SummaryImages(flat, maximum, flat, flat, flat, np.ones(FIELD, bool))


def open_range() -> np.ndarray:
    """Highest values (Y, X) of pixels that are free to rise."""
    rng = np.random.default_rng(0)
    return rng.normal(500, 10, FIELD).astype(np.float32)


def test_a_footprint_at_the_border_of_the_data_is_cut():
    footprints = boxes((0, 5), (1, 5), (10, 19), (15, 10), (10, 3))
    found = cut_by_the_edge(footprints, np.ones(FIELD, bool))
    assert found.tolist() == [True, False, True, True, False]
    masked = np.ones(FIELD, bool)
    masked[:, :3] = False
    assert cut_by_the_edge(footprints, masked)[4]


def test_a_missing_pixel_within_the_field_cuts_nothing():
    holes = np.ones(FIELD, bool)
    holes[12, 8] = False
    assert not cut_by_the_edge(boxes((10, 5)), holes).any()


def test_the_faint_rim_of_a_footprint_is_not_the_cell():
    footprint = boxes((1, 5)).toarray()
    footprint[7] = 0.01
    assert not cut_by_the_edge(sp.csc_array(footprint), np.ones(FIELD, bool)).any()


def test_cells_at_a_ceiling_that_many_pixels_share_are_saturated():
    maximum = open_range()
    maximum[2:7, 2:7] = 900
    maximum[10:15, 10:15] = 700
    whole = images(maximum)
    footprints = boxes((2, 2), (10, 10), (12, 2))
    assert saturated(footprints, whole, whole).tolist() == [True, False, False]


def test_the_brightest_cell_of_an_open_range_is_not_saturated():
    maximum = open_range()
    maximum[2:7, 2:7] += 400
    whole = images(maximum)
    assert not saturated(boxes((2, 2), (10, 10)), whole, whole).any()


def test_the_ceiling_is_that_of_the_recording_before_it_was_moved():
    recorded, moved = open_range(), open_range()
    recorded[2:7, 2:7] = 900
    moved[3:8, 2:7] = np.random.default_rng(1).uniform(897, 912, (5, 5))
    found = saturated(boxes((3, 2), (10, 10)), images(moved), images(recorded))
    assert found.tolist() == [True, False]
    assert not saturated(boxes((3, 2)), images(moved), images(moved)).any()


def test_a_movie_that_never_changes_has_no_ceiling():
    still = images(np.full(FIELD, 7, np.float32), noise=0.0)
    assert not saturated(boxes((3, 2)), still, still).any()


def with_traces(denoised: np.ndarray, spikes: np.ndarray):
    cells = make_components(np.arange(len(denoised)))
    fit = replace(cells.trace_fit, noise=np.ones(len(denoised), np.float32))
    return replace(cells, denoised=denoised, spikes=spikes, trace_fit=fit)


@pytest.mark.parametrize(("window", "expected"), [(1, True), (4, False)])
def test_an_event_stands_out_by_its_mean_over_a_window(window, expected):
    denoised = np.zeros((3, 20), np.float32)
    denoised[0, 5:9], denoised[1:, 5:9] = 4, 40  # 4 sd over 4 frames count as 8
    spikes = np.zeros_like(denoised)
    spikes[:2, 5] = 1
    found = silent(with_traces(denoised, spikes), window)
    assert found.tolist() == [expected, False, True]


def test_twins_share_more_than_half_of_their_pixels():
    footprints = boxes((2, 2), (2, 4), (10, 10), (10, 13))
    everyone = np.ones(4, bool)
    assert shares_place(footprints, everyone).tolist() == [True, True, False, False]
    first_only = np.array([True, False, False, False])
    assert shares_place(footprints, first_only).tolist() == [False, True, False, False]


def test_bits_are_those_of_the_table():
    assert len({note.bit for note in NOTES}) == len(NOTES)
    footprints = boxes((0, 0), (0, 1), (10, 10))
    blank = np.zeros((3, 20), np.float32)
    cells = replace(
        with_traces(blank, blank), footprints=footprints, fov_shape=FIELD, quality=None
    )
    whole = images(open_range())
    assert notes(cells, whole, whole, 1).tolist() == [0b1101, 0b1101, 0b0100]
    none = cells.select(np.zeros(3, bool))
    assert notes(none, whole, whole, 1).tolist() == []


def noted(bits: int) -> Quality:
    """Quality of one accepted component with these notes."""
    quality = make_quality(np.zeros(1, np.int64))
    good = {name: np.ones(1) for name in ("r_value", "edge", "soma_area")}
    good |= {"snr": np.full(1, 20.0), "relative_area": np.ones(1)}
    good |= {"neuron_probability": np.ones(1)}
    quality = replace(quality, **good, notes=np.array([bits], np.int32))
    return apply_rule(quality, QualityParameters())


def test_notes_are_told_and_do_not_reject():
    quality = noted(0b0011)
    assert quality.accepted.all()
    assert explain(quality, 0).sentence == (
        "accepted: it keeps all limits; it is cut by the edge; its brightest pixels "
        "are saturated"
    )


def test_an_older_result_has_no_notes():
    older = replace(noted(0), notes=None)
    assert older.noted(0) == []
    assert explain(older, 0).sentence == "accepted: it keeps all limits"
