"""The correlation-PNR images against their definition, and the filter behind them."""

from __future__ import annotations

from threading import Event

import numpy as np
import pytest
import scipy.ndimage as ndi
from cnmf.one_photon_movies import HALF_SIZE_PX, one_photon
from summary import summary_twins as twins

from napari_cnmf.compute import SerialBackend
from napari_cnmf.errors import CancelledError
from napari_cnmf.movie import Movie
from napari_cnmf.movie.centre_surround import CentreSurround
from napari_cnmf.summary import correlation_pnr as module
from napari_cnmf.summary.correlation_pnr import correlation_pnr
from napari_cnmf.summary.parameters import CorrelationPnrParameters

GROUP = 16


def filtered_twin(frames, sigma_px, valid):
    """Gaussian mean minus disc mean, of the valid pixels, in the plainest way."""
    reach = round(2 * sigma_px)
    span = np.arange(-reach, reach + 1)
    squares = span[:, None] ** 2 + span**2
    disc = (squares <= reach**2).astype(float)
    centre = np.exp(-squares / (2 * sigma_px**2)) * disc
    centre /= centre.sum()

    def summed(image, kernel):
        return ndi.correlate(image.astype(float), kernel, mode="constant")

    share = summed(valid, centre) / np.maximum(summed(valid, disc), 1)
    return np.array(
        [
            valid * (summed(f * valid, centre) - share * summed(f * valid, disc))
            for f in frames.astype(float)
        ]
    )


def images_twin(frames, sigma_px, valid, floor_sd, neighbours=8):
    """Correlation and PNR of the whole filtered movie at once."""
    filtered = filtered_twin(frames, sigma_px, valid)
    filtered -= filtered.mean(axis=0)
    groups = [filtered[i : i + GROUP] for i in range(0, len(filtered), GROUP)]
    bends = np.concatenate([np.diff(part, n=2, axis=0) for part in groups])
    noise = np.sqrt((bends**2).mean(axis=0) / 6)
    tall = np.where(filtered >= floor_sd * noise, filtered, 0)
    pnr = np.divide(filtered.max(0), noise, out=np.zeros(valid.shape), where=noise > 0)
    return twins.correlation(tall, neighbours, valid), pnr


def small_movie(n_frames=83, shape=(17, 22)):
    """Blinking spots on a flat, flickering light, as whole numbers."""
    rng = np.random.default_rng(2)
    frames = 500 + 40 * rng.normal(size=(n_frames, 1, 1)) + np.zeros((1, *shape))
    for y, x in ((5, 6), (11, 15)):
        spot = np.zeros(shape)
        spot[y, x] = 1
        frames += (
            900 * ndi.gaussian_filter(spot, 2) * (rng.random((n_frames, 1, 1)) < 0.1)
        )
    return np.rint(frames + 3 * rng.normal(size=frames.shape)).astype(np.uint16)


@pytest.mark.parametrize("neighbours", [8, 4])
@pytest.mark.parametrize("masked", [False, True])
def test_the_images_follow_their_definition(neighbours, masked):
    frames = small_movie()
    valid = np.ones((17, 22), bool)
    if masked:
        valid[:3] = valid[9, 9] = False
    parameters = CorrelationPnrParameters(
        half_size_px=2.0, floor_sd=2.0, neighbours=neighbours
    )
    found = correlation_pnr(frames, parameters, valid=valid)
    correlation, pnr = images_twin(frames, 2.0, valid, 2.0, neighbours)
    # Rounding decides about a value that lies on the floor.
    error = abs(found.correlation - correlation)
    assert (error < 2e-3).mean() > 0.95
    assert error.max() < 0.1
    np.testing.assert_allclose(found.pnr, pnr, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("shape", [(14, 19), (1, 1), (2, 30), (40, 3)])
def test_the_filter_follows_its_definition_along_any_border(shape):
    rng = np.random.default_rng(0)
    valid = rng.random(shape) > 0.2
    valid[0, 0] = True
    frames = rng.normal(100, 10, (18, *shape)).astype(np.float32)
    found = CentreSurround.of(3.0, valid)(frames)
    np.testing.assert_allclose(found, filtered_twin(frames, 3.0, valid), atol=2e-3)


def test_flat_light_is_filtered_away_along_borders_too():
    valid = np.ones((20, 31), bool)
    valid[:, :4] = False
    found = CentreSurround.of(2.5, valid)(np.full((3, 20, 31), 1000, np.uint16))
    np.testing.assert_allclose(found, 0, atol=1e-2)


def test_cells_stand_out_of_a_glow_many_times_stronger():
    made = one_photon(n_cells=10, height=25.0, glow=5.0, seed=4)
    frames = np.moveaxis(made.movie.reshape(*made.field_shape, -1), 2, 0)
    found = correlation_pnr(frames, CorrelationPnrParameters(half_size_px=HALF_SIZE_PX))
    middles = tuple(made.centres.round().astype(int).T)
    far = made.images.max(axis=0) == 0
    assert np.median(found.pnr[middles]) > 2 * np.median(found.pnr[far])
    assert found.correlation[middles].mean() > found.correlation[far].mean() + 0.1


def test_blocks_and_workers_do_not_show(monkeypatch):
    frames = small_movie()
    movie = Movie.from_array(frames).with_(left_out=(0, 20, 21, 82))
    parameters = CorrelationPnrParameters(half_size_px=2.0)
    whole = correlation_pnr(movie, parameters)
    monkeypatch.setattr(module, "block_frames", lambda *_: GROUP)
    with SerialBackend() as backend:
        blocks = correlation_pnr(movie, parameters, backend=backend)
    np.testing.assert_allclose(blocks.pnr, whole.pnr, rtol=1e-6)
    np.testing.assert_allclose(blocks.correlation, whole.correlation, atol=1e-6)


def test_frames_left_out_do_not_count():
    frames = small_movie(96)
    bright = frames.copy()
    left_out = tuple(range(32, 48))
    bright[list(left_out), 8, 8] += 5000
    parameters = CorrelationPnrParameters(half_size_px=2.0)
    movie = Movie.from_array(bright).with_(left_out=left_out)
    found = correlation_pnr(movie, parameters)
    expected = correlation_pnr(np.delete(frames, left_out, axis=0), parameters)
    np.testing.assert_allclose(found.pnr, expected.pnr, rtol=1e-6)
    np.testing.assert_allclose(found.correlation, expected.correlation, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 4), (3, 1, 9), (40, 1, 1)])
def test_tiny_movies_have_finite_images(shape):
    frames = np.random.default_rng(0).normal(size=shape)
    found = correlation_pnr(frames, CorrelationPnrParameters())
    assert np.isfinite(found.correlation).all()
    assert np.isfinite(found.pnr).all()


def test_a_movie_that_never_changes_has_nothing_to_show():
    frames = np.random.default_rng(0).integers(0, 900, (1, 12, 14)).repeat(40, axis=0)
    found = correlation_pnr(frames, CorrelationPnrParameters())
    assert not found.correlation.any()
    assert not found.pnr.any()


def test_progress_counts_both_passes_and_cancelling_stops():
    told, cancel = [], Event()
    parameters = CorrelationPnrParameters()
    correlation_pnr(small_movie(), parameters, progress=told.append)
    assert told[-1].done == told[-1].total == 2 * 83
    cancel.set()
    with pytest.raises(CancelledError):
        correlation_pnr(small_movie(), parameters, cancel=cancel)
