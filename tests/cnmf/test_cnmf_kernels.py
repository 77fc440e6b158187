"""Every kernel of the model against plain numpy and scipy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from cnmf import cnmf_twins as twins

from napari_cnmf.cnmf import kernels, kernels_outline
from napari_cnmf.cnmf.background.grid import hat_grid
from napari_cnmf.cnmf.parameters import CnmfParameters, SpatialParameters
from napari_cnmf.cnmf.spatial import candidates, gaussian_taps

FIELDS = [(23, 31), (1, 40), (17, 1), (1, 1)]
TOLERANCE = {"rtol": 1e-4, "atol": 1e-3}


@pytest.fixture(params=FIELDS, ids=str)
def model(request):
    return twins.make_model(request.param, n_frames=70)


def scene(model):
    """A noisy movie of a model."""
    return twins.render(model, noise=1.0)


def arrays(matrix):
    return matrix.indptr, matrix.indices, matrix.data


def within(model, search_px):
    """Candidates of each pixel, for a reach in pixels."""
    spatial = SpatialParameters(search_px=search_px)
    return candidates(model, CnmfParameters(spatial=spatial))


def test_project_adds_the_product_with_the_footprints(model):
    movie, a = scene(model), model.footprints
    rows = np.array([4, 1, 0, 2])
    out = np.full((5, movie.shape[1]), 7, np.float32)
    kernels.project(movie, *arrays(a), rows, out)
    np.testing.assert_allclose(out[rows] - 7, a.toarray().T @ movie, **TOLERANCE)
    assert (out[3] == 7).all()


def test_an_empty_footprint_projects_to_zero():
    model = twins.make_model()
    a = model.footprints.copy()
    a.data[a.indptr[1] : a.indptr[2]] = 0
    a.eliminate_zeros()
    out = np.zeros((len(model), 150), np.float32)
    kernels.project(scene(model), *arrays(a), np.arange(4), out)
    assert not out[1].any()
    assert out[[0, 2, 3]].any(axis=1).all()


def test_project_grid_adds_the_product_with_the_maps(model):
    movie = scene(model)
    model.weights[::3] = 0
    out = np.full((model.grid.n_nodes, movie.shape[1]), 7, np.float32)
    kernels.project_grid(movie, model.grid.nodes, model.grid.shares, model.weights, out)
    np.testing.assert_allclose(out - 7, twins.maps(model).T @ movie, **TOLERANCE)


@pytest.mark.parametrize("rows", [[0, 1, 2, 3, 4], [3, 1], [2]], ids=str)
def test_relax_is_a_gauss_seidel_sweep(rows):
    rng = np.random.default_rng(3)
    factor = rng.normal(size=(9, 5)) * (rng.random((9, 5)) < 0.5)
    gram = (factor.T @ factor + np.eye(5)).astype(np.float32)
    target, solution = rng.normal(size=(2, 5, 40)).astype(np.float32)
    rows = np.array(rows)
    expected = twins.relax(gram, target, rows, solution)
    sparse = sp.csr_array(gram)
    kernels.relax(*arrays(sparse), target, rows, solution)
    np.testing.assert_allclose(solution, expected, **TOLERANCE)


def test_relax_leaves_a_row_without_weight_alone():
    gram = sp.csr_array(np.diag([2.0, 0.0, 4.0]).astype(np.float32))
    target = np.full((3, 6), 8, np.float32)
    solution = np.ones((3, 6), np.float32)
    kernels.relax(*arrays(gram), target, np.arange(3), solution)
    np.testing.assert_array_equal(solution[:, 0], [4, 1, 2])


def regressed(movie, model, by_pixel, values=0.0, penalty_sd=0.0):
    """Values and weights from the kernel."""
    traces = model.traces - model.traces.mean(axis=1, keepdims=True)
    penalties = penalty_sd * np.linalg.norm(traces, axis=1)
    background = model.background - model.background.mean(axis=1, keepdims=True)
    values = np.full(by_pixel.nnz, values, np.float32)
    weights = model.weights.copy()
    kernels.regress_pixels(
        movie,
        by_pixel.indptr,
        by_pixel.indices,
        traces,
        traces @ traces.T,
        penalties.astype(np.float32),
        background,
        model.grid.nodes,
        model.grid.shares,
        values,
        weights,
    )
    return values, weights


def off_by(found, expected, energy):
    """Largest error of coefficients, in units of their own noise."""
    return np.abs((found - expected) * np.sqrt(energy)).max(initial=0)


def energies(traces):
    centred = traces - traces.mean(axis=1, keepdims=True)
    return np.einsum("kt,kt->k", centred, centred)


@pytest.mark.parametrize("penalty_sd", [0.0, 1.5])
@pytest.mark.parametrize("start", [0.0, 3.0])
def test_regress_pixels_is_sparse_non_negative_least_squares(model, start, penalty_sd):
    movie, by_pixel = scene(model), within(model, 3)
    values, weights = regressed(movie, model, by_pixel, start, penalty_sd)
    best, best_weights = twins.regress_pixels(movie, model, by_pixel, penalty_sd)
    energy = energies(model.traces)[by_pixel.indices]
    assert (values >= 0).all()
    assert (weights >= 0).all()
    assert off_by(values, best, energy) < 0.1
    around = model.background[model.grid.nodes]
    local = np.einsum("pi,pit->pt", model.grid.shares, around)
    assert off_by(weights, best_weights, energies(local)) < 0.1


def test_regress_pixels_gives_back_what_made_the_movie():
    model = twins.make_model()
    by_pixel = within(model, 2)
    values, weights = regressed(twins.render(model), model, by_pixel)
    by_pixel.data[:] = values
    a = model.footprints.toarray()
    np.testing.assert_allclose(by_pixel.toarray(), a, atol=0.05)
    np.testing.assert_allclose(weights, model.weights, atol=0.05)


def test_regress_pixels_without_cells_fits_the_background_alone():
    model = twins.make_model(n_cells=0)
    by_pixel = sp.csr_array((23 * 31, 0), dtype=np.float32)
    values, weights = regressed(twins.render(model), model, by_pixel)
    assert len(values) == 0
    np.testing.assert_allclose(weights, model.weights, rtol=1e-3)


def test_regress_pixels_without_a_background_has_no_weights():
    model = twins.make_model()
    movie = twins.render(model)
    model.background[:] = 0
    _, weights = regressed(movie, model, within(model, 2))
    assert not weights.any()


@pytest.mark.parametrize("radius", [1, 2, 3, 5])
@pytest.mark.parametrize("field_shape", FIELDS, ids=str)
def test_dilate_grows_by_a_disc(field_shape, radius):
    rng = np.random.default_rng(radius)
    masks = [rng.random(field_shape) < 0.02, np.zeros(field_shape)]
    masks += [np.arange(np.prod(field_shape)).reshape(field_shape) == 0]
    a = twins.columns(masks)
    indptr, indices = kernels.dilate(a.indptr, a.indices, *field_shape, radius)
    assert indptr.dtype == indices.dtype == np.int32
    for k, mask in enumerate(masks):
        grown = indices[indptr[k] : indptr[k + 1]]
        expected = np.flatnonzero(twins.dilate(mask, radius))
        np.testing.assert_array_equal(grown, expected)


def outlined(
    images, floor, sigma_px=0.8, share=0.2, by_energy=False, closing=0, smallest=10**6
):
    """Footprints as images after the kernel."""
    a, taps = twins.columns(images), gaussian_taps(sigma_px)
    floor = np.full(len(images), floor, np.float32)
    n_x = images[0].shape[1]
    kernels_outline.outline(
        *arrays(a), floor, n_x, taps, share, by_energy, closing, smallest
    )
    return a.toarray().T.reshape(len(images), *images[0].shape)


@pytest.mark.parametrize("field_shape", FIELDS, ids=str)
@pytest.mark.parametrize("floor", [0.0, 0.4])
@pytest.mark.parametrize("sigma_px", [0.5, 1.5])
@pytest.mark.parametrize(("share", "by_energy"), [(0.2, False), (0.9, True)])
@pytest.mark.parametrize(("closing", "smallest"), [(0, 10**6), (2, 10**6), (1, 4)])
def test_outline_is_some_pieces_of_the_smoothed_footprint(
    field_shape, floor, sigma_px, share, by_energy, closing, smallest
):
    rng = np.random.default_rng(4)
    images = [np.maximum(rng.normal(0, 1, field_shape), 0) for _ in range(3)]
    images[0].flat[0] = 1
    images[1].flat[-1] = 2
    images[2].flat[0] = 5
    steps = {"share": share, "by_energy": by_energy}
    steps |= {"closing": closing, "smallest": smallest}
    found = outlined(images, floor, sigma_px, **steps)
    taps = gaussian_taps(sigma_px)
    for image, cut in zip(images, found, strict=True):
        expected = twins.outline(image, np.float32(floor), taps, **steps)
        np.testing.assert_allclose(cut, expected, **TOLERANCE)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.9999, 1.0])
def test_outline_by_energy_keeps_the_fewest_pixels_that_hold_it(share):
    image = np.random.default_rng(2).exponential(1, (30, 40))
    image[image < 0.1] = 0
    cut = outlined([image], 0.0, 0.1, share, by_energy=True, smallest=1)[0]
    kept, energy = cut[cut > 0].astype(np.float64), (image**2).sum()
    assert (kept**2).sum() >= share * energy * (1 - 1e-6)
    assert (np.sort(kept)[1:] ** 2).sum() < share * energy


@pytest.mark.parametrize("share", [0.01, 0.9999])
def test_outline_by_energy_keeps_a_pixel_that_holds_it_all(share):
    image = np.zeros((9, 9))
    image[4, 4], image[4, 5] = 1000, 1
    cut = outlined([image], 0.0, 0.1, share, by_energy=True)[0]
    np.testing.assert_array_equal(np.argwhere(cut), [[4, 4]])


@pytest.mark.parametrize("gap", [1, 2, 3])
def test_closing_joins_what_lies_closer_than_its_disc(gap):
    image = np.full((11, 20), 0.05)
    image[2:9, :10], image[2:9, 10 + gap :] = 1, 1
    closed = outlined([image], 0.0, 0.1, closing=1)[0]
    assert closed[2:9, 0].all()
    assert closed[2:9, -1].all() == (gap <= 2)
    # What is filled keeps the footprint's own values.
    filled = closed[3:8, 10 : 10 + gap]
    np.testing.assert_allclose(filled, 0.05 if gap <= 2 else 0, rtol=1e-4)


def test_closing_takes_nothing_away_at_the_border():
    image = np.zeros((12, 12))
    image[:2, :3] = image[-1, -1] = 1
    cut = outlined([image], 0.0, 0.1, closing=3, smallest=1)[0]
    np.testing.assert_allclose(cut, image, rtol=1e-4)


@pytest.mark.parametrize(("smallest", "n_kept"), [(1, 3), (5, 2), (10, 2), (14, 1)])
def test_outline_keeps_all_pieces_of_some_size(smallest, n_kept):
    image = np.zeros((20, 30))
    image[2:7, 2:7], image[10:13, 10:14], image[17:19, 20:22] = 1, 1, 1
    cut = outlined([image], 0.0, 0.1, smallest=smallest)[0]
    sizes = [25, 12, 4][:n_kept]
    assert (cut > 0).sum() == sum(sizes)
    assert cut[2:7, 2:7].all()


def test_outline_drops_the_smaller_of_two_pieces():
    large, small = (twins.disc((30, 40), c, r) for c, r in [((9, 9), 4), ((20, 30), 2)])
    cut = outlined([large + small], 0.0)[0]
    assert cut[9, 9] > 0
    assert not cut[15:].any()


def test_outline_of_what_lies_below_its_noise_is_empty():
    assert not outlined([twins.disc((9, 9), (4, 4), 3)], 2.0).any()


def test_outline_passes_over_empty_footprints():
    images = [np.zeros((9, 9)), twins.disc((9, 9), (4, 4), 3)]
    cut = outlined(images, 0.0)
    assert not cut[0].any()
    assert cut[1].any()


def test_the_grid_of_one_pixel_has_four_nodes():
    grid = hat_grid(np.ones((1, 1), bool), 10.0)
    np.testing.assert_array_equal(grid.shares, [[1, 0, 0, 0]])
