"""Each step of CNMF by itself, on a movie given as an array."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from cnmf import cnmf_twins as twins
from cnmf.step_movies import (
    CENTRES,
    FIELD,
    IMAGES,
    MOVIE,
    N_FRAMES,
    PARAMETERS,
    RATE_HZ,
    TRACES,
    assert_sound,
    pairs_with_truth,
)
from scipy.optimize import nnls

from napari_cnmf.cnmf.arrays import components_from_arrays
from napari_cnmf.cnmf.assemble import to_model
from napari_cnmf.cnmf.hals import alternate
from napari_cnmf.cnmf.initialise.methods import initialise
from napari_cnmf.cnmf.parameters import (
    BackgroundParameters,
    InitParameters,
    MergeParameters,
)
from napari_cnmf.cnmf.recording import prepare
from napari_cnmf.cnmf.steps import (
    hals,
    initialise_components,
    merge_components,
    update_spatial,
    update_temporal,
)
from napari_cnmf.errors import InputError, ParameterError


@pytest.fixture(scope="module")
def recording():
    return prepare(MOVIE, RATE_HZ)


@pytest.fixture(scope="module")
def started(recording):
    return initialise_components(recording, PARAMETERS)


# ---------------------------------------------------------------- the walk


@pytest.mark.parametrize("model", ["low_rank", "grid"])
def test_every_step_leaves_sound_components(recording, model):
    parameters = replace(PARAMETERS, background=BackgroundParameters(model=model))
    cells = initialise_components(recording, parameters)
    assert_sound(cells, recording)
    for step in (hals, update_spatial, update_temporal, merge_components):
        cells = step(recording, cells, parameters)
        assert_sound(cells, recording)
    assert (pairs_with_truth(cells).max(axis=0) > 0.95).all()


def test_steps_leave_what_they_are_given_alone(recording, started):
    before = started.footprints.copy(), started.raw, started.background.constant.copy()
    for step in (hals, update_spatial, update_temporal, merge_components):
        step(recording, started, PARAMETERS)
    assert (started.footprints != before[0]).nnz == 0
    np.testing.assert_array_equal(started.raw, before[1])
    np.testing.assert_array_equal(started.background.constant, before[2])


def test_components_begin_with_the_footprints_of_the_search(recording, started):
    found = initialise(recording.pixels, recording.valid, PARAMETERS.init, 10)
    assert len(started) == PARAMETERS.init.n_components
    images = found.footprints.toarray() * recording.noise.ravel()[:, None]
    images /= np.linalg.norm(images, axis=0)
    np.testing.assert_allclose(started.footprints.toarray(), images, atol=1e-5)
    np.testing.assert_array_equal(started.origin.seed_yx, found.seeds.yx)


def test_points_are_seeds(recording):
    seeded = replace(PARAMETERS, init=InitParameters(method="seeded"))
    cells = initialise_components(recording, seeded, np.array(CENTRES, float))
    np.testing.assert_allclose(cells.centres, CENTRES, atol=1)
    with pytest.raises(ParameterError, match="seeded"):
        initialise_components(recording, seeded)


def test_the_field_has_as_many_background_maps_as_asked_for(recording):
    three = replace(
        PARAMETERS, background=BackgroundParameters(model="low_rank", rank=3)
    )
    cells = initialise_components(recording, three)
    assert cells.background.maps.shape[1] == 3
    assert update_spatial(recording, cells, three).background.maps.shape[1] == 3


@pytest.mark.parametrize("model", ["low_rank", "grid"])
def test_a_movie_without_cells_goes_through_all_steps(model):
    noise = 100 + np.random.default_rng(0).standard_normal((60, *FIELD))
    recording = prepare(noise, RATE_HZ)
    greedy = replace(
        PARAMETERS,
        init=InitParameters(),
        background=BackgroundParameters(model=model),
    )
    cells = initialise_components(recording, greedy)
    for step in (hals, update_spatial, update_temporal, merge_components):
        cells = step(recording, cells, greedy)
        assert_sound(cells, recording)
    assert len(cells) == 0


def test_light_that_is_used_up_makes_no_component():
    one = np.random.default_rng(1).standard_normal((50, 1, 1))
    recording = prepare(one, RATE_HZ)
    background = BackgroundParameters(model="low_rank", rank=1)
    cells = initialise_components(recording, replace(PARAMETERS, background=background))
    assert len(cells) == 1


# ---------------------------------------------------------------- HALS


def test_hals_is_its_dense_twin(recording, started):
    # The fifth is background; between two like traces descent stops early.
    cells = started.select(np.arange(4))
    model = to_model(cells, recording, PARAMETERS, 1)
    found = alternate(recording.pixels, model, PARAMETERS, 3)
    a, b, c, f = hals_twin(recording.pixels, model, 3)
    # Regressions stop within a hundredth of a coefficient's own noise.
    scale = 1 / np.linalg.norm(c, axis=1).min()
    np.testing.assert_allclose(found.footprints.toarray(), a, atol=0.1 * scale)
    np.testing.assert_allclose(found.traces, c, atol=0.01 * c.std())
    background = found.modes @ found.background
    np.testing.assert_allclose(background, b @ f, atol=0.01 * (b @ f).std())


def hals_twin(movie, model, iterations):
    """Least squares in turn, dense and in float64, with a solver for every pixel."""
    z = movie.astype(np.float64)
    n_cells = len(model)
    maps = np.hstack([model.footprints.toarray(), model.modes.toarray()])
    courses = np.concatenate([model.traces, model.background]).astype(np.float64)
    support = np.ones(maps.shape, bool)
    for k in range(n_cells):
        image = np.pad(maps[:, k].reshape(FIELD) > 0, 1)
        near = [np.roll(image, 1, axis) | np.roll(image, -1, axis) for axis in (0, 1)]
        support[:, k] = (image | near[0] | near[1])[1:-1, 1:-1].ravel()
    for _ in range(iterations):
        courses = swept(z, maps, courses)
        flat = courses - courses.mean(axis=1, keepdims=True)
        for pixel, trace in enumerate(z):
            here = support[pixel]
            maps[pixel, here] = nnls(flat[here].T, trace)[0]
    courses = swept(z, maps, courses)
    return maps[:, :n_cells], maps[:, n_cells:], courses[:n_cells], courses[n_cells:]


def swept(z, maps, courses):
    """Two sweeps over the rows of `maps.T @ maps @ courses = maps.T @ z`."""
    for _ in range(2):
        for k, column in enumerate(maps.T):
            slope = column @ z - (column @ maps) @ courses
            courses[k] += slope / (column @ column)
    return courses


def test_hals_grows_a_support_by_a_pixel_at_most(recording, started):
    found = hals(recording, started, PARAMETERS)
    for k in range(len(started)):
        before, after = started.footprint(k) > 0, found.footprint(k) > 0
        rows, cols = (np.flatnonzero(before.any(axis=i)) for i in (1, 0))
        rows_after, cols_after = (np.flatnonzero(after.any(axis=i)) for i in (1, 0))
        assert rows_after[0] >= rows[0] - 1
        assert cols_after[-1] <= cols[-1] + 1


def test_more_rounds_of_hals_leave_less_of_the_movie(recording, started):
    model = to_model(started, recording, PARAMETERS, 1)
    left = []
    for iterations in (0, 1, 5):
        found = alternate(recording.pixels, model, PARAMETERS, iterations)
        explained = found.footprints @ found.traces + found.modes @ found.background
        left.append(np.sum((recording.pixels - explained) ** 2))
    assert left[0] > left[1] > left[2]


# ---------------------------------------------------------------- updates


def test_a_spatial_update_finds_the_true_footprints(recording):
    blurred = IMAGES.copy()
    blurred[:, ::2] = 0
    cells = components_from_arrays(recording, blurred, TRACES)
    found = update_spatial(
        recording, update_temporal_once(recording, cells), PARAMETERS
    )
    for k, image in enumerate(IMAGES):
        assert np.corrcoef(found.footprint(k).ravel(), image.ravel())[0, 1] > 0.97


def update_temporal_once(recording, cells):
    return update_temporal(recording, cells, PARAMETERS, order=0)


def test_a_spatial_update_keeps_the_traces_but_for_their_size(recording, started):
    found = update_spatial(recording, started, PARAMETERS)
    for name in ("denoised", "residual_traces", "spikes"):
        before, after = getattr(started, name), getattr(found, name)
        scale = after.std(axis=1) / before.std(axis=1)
        np.testing.assert_allclose(after, scale[:, None] * before, rtol=1e-3, atol=1e-2)


def test_a_silent_cell_ends_with_a_reason(recording):
    images = np.concatenate([IMAGES, twins.disc(FIELD, (6, 36), 3)[None]])
    rows = np.concatenate([TRACES, np.zeros((1, N_FRAMES))])
    cells = components_from_arrays(recording, images, rows)
    found = update_spatial(recording, cells, PARAMETERS)
    np.testing.assert_array_equal(found.ids, range(4))
    (fate,) = found.fates
    assert (fate.rank, fate.step) == (4, "update spatial")
    assert fate.reason == "no pixel of it is left"
    assert_sound(found, recording)


def test_the_order_says_how_traces_are_deconvolved(recording, started):
    plain, first, second = (
        update_temporal(recording, started, PARAMETERS, order=order)
        for order in (0, 1, 2)
    )
    np.testing.assert_array_equal(plain.spikes, plain.denoised)
    assert not plain.trace_fit.ar.any()
    assert first.trace_fit.ar[:, 0].all()
    assert not first.trace_fit.ar[:, 1].any()
    assert second.trace_fit.ar[:4].all()
    as_told = update_temporal(recording, started, PARAMETERS)
    np.testing.assert_array_equal(as_told.denoised, second.denoised)


def test_overlapping_cells_are_demixed(recording):
    cells = components_from_arrays(recording, IMAGES, TRACES)
    found = update_temporal(recording, cells, PARAMETERS, order=0)
    both = pairs_with_truth(found)
    assert (np.diag(both) > 0.98).all()
    truth = np.corrcoef(TRACES)
    np.testing.assert_allclose(both[1, 2], truth[1, 2], atol=0.05)


# ---------------------------------------------------------------- merging


def halves(recording):
    """The four cells, two of them in two overlapping pieces each."""
    left, right = np.repeat(IMAGES[:1], 2, axis=0)
    left, right = left.copy(), right.copy()
    left[:, 10:], right[:, :8] = 0, 0
    upper, lower = IMAGES[3].copy(), IMAGES[3].copy()
    upper[31:], lower[:28] = 0, 0
    images = np.stack([left, right, IMAGES[1], IMAGES[2], upper, lower])
    rng = np.random.default_rng(2)
    rows = TRACES[[0, 0, 1, 2, 3, 3]] + rng.normal(0, 2, (6, N_FRAMES))
    return components_from_arrays(recording, images, rows)


def test_pieces_with_one_trace_become_one(recording):
    cells = halves(recording)
    found = merge_components(recording, cells, PARAMETERS)
    np.testing.assert_array_equal(found.ids, [0, 2, 3, 4])
    np.testing.assert_array_equal(found.origin.members, [2, 1, 1, 2])
    assert [(fate.rank, fate.into_rank) for fate in found.fates] == [(1, 0), (5, 4)]
    assert "traces correlate by 0.9" in found.fates[0].reason
    pieces = cells.select(np.array([0, 1]))
    u, s, v = np.linalg.svd(pieces.footprints.toarray() @ pieces.raw, False)
    image, trace = np.abs(u[:, 0]), s[0] * v[0] * np.sign(u[:, 0].sum())
    assert found.footprint(0).ravel() @ image > 0.999
    assert np.corrcoef(found.raw[0], trace)[0, 1] > 0.999
    assert_sound(found, recording)


def test_what_does_not_merge_stays_as_it_is(recording):
    cells = halves(recording)
    found = merge_components(recording, cells, PARAMETERS)
    np.testing.assert_allclose(found.raw[1:3], cells.raw[2:4], rtol=1e-3, atol=0.01)
    alike = found.footprints[:, 1:3] - cells.footprints[:, 2:4]
    assert abs(alike).max() < 1e-5
    strict = replace(PARAMETERS, merge=MergeParameters(min_correlation=1.0))
    assert merge_components(recording, cells, strict) is cells


def test_cells_that_share_no_pixel_never_merge(recording):
    cells = components_from_arrays(recording, IMAGES[[0, 3]], TRACES[[0, 0]])
    assert merge_components(recording, cells, PARAMETERS) is cells


def test_the_strongest_member_stands_for_all_if_not_fast(recording):
    cells = halves(recording)
    found = merge_components(recording, cells, PARAMETERS, fast=False)
    light = cells.raw.std(axis=1)
    best = int(np.argmax(light[:2]))
    alike = found.footprints[:, [0]] - cells.footprints[:, [best]]
    assert abs(alike).max() < 1e-5
    assert np.corrcoef(found.raw[0], cells.raw[best])[0, 1] > 0.99999


def test_only_the_groups_that_agree_most_are_merged(recording):
    cells = halves(recording)
    r = np.corrcoef(cells.denoised)
    found = merge_components(recording, cells, PARAMETERS, max_groups=1)
    (fate,) = found.fates
    assert fate.rank == (1 if r[0, 1] > r[4, 5] else 5)


# ---------------------------------------------------------------- arrays


@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix, sp.csc_array])
def test_arrays_become_components_and_come_back(recording, form):
    columns = IMAGES.reshape(len(IMAGES), -1).T
    level = recording.mean.reshape(-1, 1)
    course = np.sin(np.arange(N_FRAMES) / 15)[None] / 20
    cells = components_from_arrays(
        recording, form(columns), TRACES, form(level), course
    )
    assert_sound(cells, recording)
    norms = np.linalg.norm(columns, axis=0)
    np.testing.assert_allclose(cells.footprints.toarray(), columns / norms, atol=1e-5)
    centred = cells.raw - cells.raw.mean(axis=1, keepdims=True)
    wanted = (TRACES - TRACES.mean(axis=1, keepdims=True)) * norms[:, None]
    np.testing.assert_allclose(centred, wanted, atol=1e-3 * wanted.std())
    background = cells.background.maps @ cells.background.traces
    np.testing.assert_allclose(background, level @ course, rtol=1e-4, atol=1e-3)


def test_arrays_of_another_movie_are_refused(recording):
    with pytest.raises(InputError, match="traces of the shape"):
        components_from_arrays(recording, IMAGES, TRACES[:, :-1])
    with pytest.raises(InputError, match="of 1505 pixels"):
        components_from_arrays(recording, IMAGES[:, 1:, 1:], TRACES)
    with pytest.raises(InputError, match="The background"):
        components_from_arrays(recording, IMAGES, TRACES, IMAGES[:1], TRACES)
    with pytest.raises(InputError, match="Footprint 0 is empty"):
        components_from_arrays(recording, 0 * IMAGES, TRACES)


def test_a_ring_background_is_refused_by_single_steps(recording):
    ring = replace(PARAMETERS, background=BackgroundParameters(model="ring"))
    with pytest.raises(ParameterError, match=r"background\.model.*ring"):
        initialise_components(recording, ring)
