"""Each kernel of the factorisation beside its slow twin and the plain library call.

`pytest -n 0 benchmarks/test_cnmf_kernels.py --benchmark-group-by=group`: a patch of
64 x 64 pixels, 30 cells, 500 time bins.
"""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage as ndi
from cnmf import cnmf_twins as twins
from quality import quality_twins
from skimage.morphology import dilation, disk

from napari_cnmf.cnmf import kernels, kernels_outline
from napari_cnmf.cnmf.initialise import kernels as search_kernels
from napari_cnmf.cnmf.parameters import CnmfParameters
from napari_cnmf.cnmf.spatial import candidates, centred, gaussian_taps
from napari_cnmf.cnmf.traces import gram, products
from napari_cnmf.quality import kernels as event_kernels
from napari_cnmf.quality.events import event_weights

FIELD, N_CELLS, N_BINS = (64, 64), 30, 500
RADIUS_PX = 3


@pytest.fixture(scope="module")
def model():
    return twins.make_model(FIELD, N_CELLS, N_BINS)


@pytest.fixture(scope="module")
def movie(model):
    return twins.render(model, noise=1.0)


@pytest.fixture(scope="module")
def frames(movie):
    return movie.reshape(*FIELD, N_BINS)


def arrays(matrix):
    return matrix.indptr, matrix.indices, matrix.data


@pytest.mark.benchmark(group="products with footprints")
class TestProject:
    def test_kernel(self, benchmark, movie, model):
        rows, out = np.arange(N_CELLS), np.zeros((N_CELLS, N_BINS), np.float32)
        benchmark(kernels.project, movie, *arrays(model.footprints), rows, out)

    def test_scipy(self, benchmark, movie, model):
        benchmark(lambda: model.footprints.T @ movie)


@pytest.mark.benchmark(group="products with the background's maps")
class TestProjectGrid:
    def test_kernel(self, benchmark, movie, model):
        grid, weights = model.grid, model.weights
        out = np.zeros((grid.n_nodes, N_BINS), np.float32)
        benchmark(kernels.project_grid, movie, grid.nodes, grid.shares, weights, out)

    def test_scipy(self, benchmark, movie, model):
        maps = model.grid.maps(model.weights)
        benchmark(lambda: maps.T @ movie)


@pytest.mark.benchmark(group="one sweep of Gauss-Seidel")
class TestRelax:
    @pytest.fixture
    def equations(self, movie, model):
        return gram(model), products(movie, model)

    def test_kernel(self, benchmark, equations):
        overlaps, target = equations
        rows, solution = np.arange(len(target)), np.zeros_like(target)
        benchmark(kernels.relax, *arrays(overlaps), target, rows, solution)

    def test_twin(self, benchmark, equations):
        overlaps, target = equations[0].toarray(), equations[1]
        rows, solution = np.arange(len(target)), np.zeros_like(target)
        benchmark(twins.relax, overlaps, target, rows, solution)


@pytest.mark.benchmark(group="non-negative regression of all pixels")
class TestRegress:
    @pytest.fixture
    def by_pixel(self, model):
        return candidates(model, CnmfParameters())

    def test_kernel(self, benchmark, movie, model, by_pixel):
        traces, background = centred(model.traces), centred(model.background)
        benchmark(
            lambda: kernels.regress_pixels(
                movie,
                by_pixel.indptr,
                by_pixel.indices,
                traces,
                traces @ traces.T,
                np.zeros(N_CELLS, np.float32),
                background,
                model.grid.nodes,
                model.grid.shares,
                np.zeros(by_pixel.nnz, np.float32),
                model.weights.copy(),
            )
        )

    def test_twin(self, benchmark, movie, model, by_pixel):
        benchmark.pedantic(twins.regress_pixels, (movie, model, by_pixel), rounds=2)


@pytest.mark.benchmark(group="dilation of all supports")
class TestDilate:
    def test_kernel(self, benchmark, model):
        a = model.footprints
        benchmark(kernels.dilate, a.indptr, a.indices, *FIELD, RADIUS_PX)

    def test_twin(self, benchmark, model):
        masks = model.footprints.toarray().T.reshape(-1, *FIELD) > 0
        benchmark(lambda: [twins.dilate(mask, RADIUS_PX) for mask in masks])

    def test_scikit_image(self, benchmark, model):
        masks = model.footprints.toarray().T.reshape(-1, *FIELD) > 0
        near = disk(RADIUS_PX)
        benchmark(lambda: [dilation(mask, near) for mask in masks])


@pytest.mark.benchmark(group="outlines of all footprints")
class TestOutline:
    taps = gaussian_taps(0.8)

    @pytest.mark.parametrize("by_energy", [False, True])
    def test_kernel(self, benchmark, model, by_energy):
        a, floor = model.footprints, np.zeros(N_CELLS, np.float32)

        def outline():
            parts = a.indptr, a.indices, a.data.copy()
            steps = 0.2, by_energy, 0, 10**6
            kernels_outline.outline(*parts, floor, 64, self.taps, *steps)

        benchmark(outline)

    def test_twin(self, benchmark, model):
        images = model.footprints.toarray().T.reshape(-1, *FIELD)
        benchmark(lambda: [twins.outline(i, 0.0, self.taps, 0.2) for i in images])


@pytest.mark.benchmark(group="local mean of 16 frames")
class TestLocalMean:
    def test_kernel(self, benchmark, frames):
        out, shares = np.empty_like(frames), np.full(FIELD, 1 / 29**2, np.float32)
        benchmark(search_kernels.subtract_local_mean, frames, shares, 14, 0, out)

    def test_scipy(self, benchmark, frames):
        some = np.ascontiguousarray(frames[..., :16])
        benchmark(lambda: some - ndi.uniform_filter(some, (29, 29, 1)))


@pytest.mark.benchmark(group="coarse blur of 16 frames")
class TestBlur:
    taps = gaussian_taps(3.5)

    def test_kernel(self, benchmark, frames):
        out = np.empty((32, 32, N_BINS), np.float32)
        benchmark(search_kernels.blur, frames, self.taps, 2, 0, out)

    def test_twin(self, benchmark, frames):
        some = np.ascontiguousarray(frames[..., :16])
        benchmark(twins.blur_coarse, some, self.taps, 2)


@pytest.mark.benchmark(group="median of each pixel")
class TestMedian:
    def test_kernel(self, benchmark, frames):
        benchmark(lambda: search_kernels.centre_by_median(frames.copy()))

    def test_numpy(self, benchmark, frames):
        benchmark(lambda: frames - np.median(frames, axis=2, keepdims=True))


@pytest.mark.benchmark(group="rank-one fit of a box")
class TestRankOne:
    def test_kernel(self, benchmark, frames):
        image, trace = np.empty((17, 17), np.float32), np.empty(N_BINS, np.float32)
        seed = frames[30, 30]
        benchmark(search_kernels.rank_one, frames, seed, 22, 22, image, trace)

    def test_twin(self, benchmark, frames):
        box = frames[22:39, 22:39]
        benchmark(twins.rank_one, box, frames[30, 30])


@pytest.mark.benchmark(group="event images of all cells")
class TestEventBoxes:
    @pytest.fixture
    def events(self, model):
        y, x = np.divmod(model.footprints.argmax(axis=0), FIELD[1])
        return np.stack([y, x], axis=1) - 16, event_weights(model.traces)

    def test_kernel(self, benchmark, frames, events):
        corners, weights = events
        out = np.empty((N_CELLS, 33, 33), np.float32)
        parts = weights.indptr, weights.indices, weights.data
        benchmark(event_kernels.event_boxes, frames, 0, 0, corners, *parts, out)

    def test_twin(self, benchmark, frames, events):
        corners, weights = events
        dense = weights.toarray()
        benchmark(quality_twins.event_boxes, frames, (0, 0), corners, dense, 33)
