"""The search for one-photon movies finds blurred cells under a moving glow."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage as ndi
from cnmf.one_photon_movies import HALF_SIZE_PX, OnePhoton, one_photon
from scipy.optimize import linear_sum_assignment

from napari_cnmf.cnmf.initialise.corr_pnr import corr_pnr, seed_images
from napari_cnmf.cnmf.initialise.kernels_pnr import weigh
from napari_cnmf.cnmf.parameters import InitParameters
from napari_cnmf.compute import SerialBackend

PARAMETERS = InitParameters(neuron_half_size_px=HALF_SIZE_PX)


@pytest.fixture(autouse=True)
def _one_blas_thread():
    with SerialBackend():
        yield


def matched(made: OnePhoton, found):
    """True cells, found ones, and the cosines of footprints that go together."""
    true = made.images.reshape(len(made.images), -1)
    images = found.footprints.toarray().T
    cosines = (true @ images.T) / np.outer(
        np.linalg.norm(true, axis=1), np.linalg.norm(images, axis=1)
    )
    rows, cols = linear_sum_assignment(-cosines)
    good = cosines[rows, cols] > 0.7
    return rows[good], cols[good]


@pytest.mark.parametrize(
    "made",
    [one_photon(), one_photon(n_cells=20, height=12.0, glow=30.0, seed=2)],
    ids=["ordinary", "strong glow"],
)
def test_cells_are_found_and_nothing_else(made):
    found = corr_pnr(made.movie, made.valid, PARAMETERS, 1000)
    true, cells = matched(made, found)
    f1 = 2 * len(true) / (len(made.images) + len(found))
    assert f1 > 0.95
    traces = [
        np.corrcoef(made.traces[i], found.traces[k])[0, 1]
        for i, k in zip(true, cells, strict=True)
    ]
    assert np.mean(traces) > 0.93
    distance = np.hypot(*(made.centres[true] - found.seeds.yx[cells]).T)
    assert distance.max() < HALF_SIZE_PX


def test_what_is_found_has_the_form_of_every_search():
    made = one_photon()
    found = corr_pnr(made.movie, made.valid, PARAMETERS, 1000)
    assert found.footprints.dtype == found.traces.dtype == np.float32
    assert found.footprints.has_sorted_indices
    assert found.footprints.data.min() > 0
    assert found.traces.min() >= 0
    for image in found.footprints.toarray().T.reshape(-1, *made.field_shape):
        assert ndi.label(image)[1] == 1
    boxes = found.seeds.boxes
    inside = (boxes[:, :2] <= found.seeds.yx) & (found.seeds.yx < boxes[:, 2:])
    assert inside.all()


def test_the_score_of_the_first_seed_is_its_correlation_times_its_pnr():
    made = one_photon()
    correlation, pnr = seed_images(made.movie, made.valid, PARAMETERS)
    found = corr_pnr(made.movie, made.valid, PARAMETERS, 1)
    # The score is the median around the seed of the product.
    product = ndi.median_filter(correlation * pnr, 3)
    assert len(found) == 1
    assert found.seeds.score[0] == pytest.approx(product[tuple(found.seeds.yx[0])])


@pytest.mark.parametrize("name", ["min_correlation", "min_pnr"])
def test_a_high_threshold_finds_nothing(name):
    made = one_photon()
    high = {"min_correlation": 0.999, "min_pnr": 1000.0}[name]
    parameters = InitParameters(neuron_half_size_px=HALF_SIZE_PX, **{name: high})
    assert len(corr_pnr(made.movie, made.valid, parameters, 1000)) == 0


@pytest.mark.parametrize("seed", [7, 9])
def test_a_glow_without_cells_is_no_cell(seed):
    made = one_photon(n_cells=0, glow=30.0, seed=seed)
    found = corr_pnr(made.movie, made.valid, PARAMETERS, 1000)
    assert found.footprints.shape == (len(made.movie), 0)
    assert found.traces.shape == (0, made.movie.shape[1])


def test_a_masked_border_holds_no_seed_and_no_footprint():
    made = one_photon()
    valid = made.valid.copy()
    valid[:9] = valid[:, -7:] = False
    movie = made.movie * valid.reshape(-1, 1)
    found = corr_pnr(movie, valid, PARAMETERS, 1000)
    inside = valid[tuple(made.centres.round().astype(int).T)].sum()
    assert inside <= len(found) <= len(made.images)
    assert valid[tuple(found.seeds.yx.T)].all()
    assert not found.footprints[np.flatnonzero(~valid)].nnz


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (1, 40)])
@pytest.mark.parametrize("n_bins", [3, 16, 50])
def test_tiny_movies_do_no_harm(shape, n_bins):
    rng = np.random.default_rng(0)
    movie = rng.normal(size=(shape[0] * shape[1], n_bins)).astype(np.float32)
    found = corr_pnr(movie, np.ones(shape, bool), PARAMETERS, 10)
    assert np.isfinite(found.footprints.data).all()


def test_a_movie_without_data_or_change_has_no_cells():
    still = np.zeros((600, 40), np.float32)
    for valid in (np.ones((20, 30), bool), np.zeros((20, 30), bool)):
        assert len(corr_pnr(still, valid, PARAMETERS, 10)) == 0


def weighed(movie, floor):
    """Peaks and correlations by their definitions."""
    kept = np.where(movie >= floor[..., None], movie, 0).astype(np.float64)
    kept -= kept.mean(axis=2, keepdims=True)
    norm = np.sqrt((kept**2).sum(axis=2, keepdims=True))
    z = np.divide(kept, norm, out=np.zeros_like(kept), where=norm > 0)
    data = floor > 0
    z[~data] = 0
    ring = np.ones((3, 3, 1))
    ring[1, 1] = 0
    total = (ndi.correlate(z, ring, mode="constant") * z).sum(axis=2)
    count = ndi.correlate(data.astype(float), ring[..., 0], mode="constant")
    return np.maximum(movie.max(axis=2), 0), total / np.maximum(count, 1)


@pytest.mark.parametrize("shape", [(9, 7, 41), (1, 1, 5), (1, 6, 30), (6, 1, 2)])
def test_weights_follow_the_definition_in_any_region(shape):
    rng = np.random.default_rng(1)
    movie = rng.normal(size=shape)
    movie = ndi.gaussian_filter(movie, (1, 1, 0)).astype(np.float32)
    floor = np.full(shape[:2], 0.2, np.float32)
    floor[::4, ::3] = 0
    floor[-1, -1] = 0.2
    peaks = np.full(shape[:2], np.nan, np.float32)
    correlation = np.full(shape[:2], np.nan, np.float32)
    rows, cols = (shape[0] // 3, shape[0]), (0, (shape[1] + 1) // 2)
    weigh(movie, floor, rows, cols, peaks, correlation)
    region = slice(*rows), slice(*cols)
    expected = weighed(movie, floor)
    np.testing.assert_allclose(peaks[region], expected[0][region], rtol=1e-6)
    np.testing.assert_allclose(correlation[region], expected[1][region], atol=1e-5)
    outside = np.ones(shape[:2], bool)
    outside[region] = False
    assert np.isnan(correlation[outside]).all()
