"""Movies of the model: the right sums of cells, background and what is left."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from example_values import make_components, make_quality

from napari_cnmf.colours import cell_colour, rgb
from napari_cnmf.components import Components
from napari_cnmf.movie import ArraySource
from napari_cnmf.movie.display import FrameCache
from napari_cnmf.reconstruction import (
    DIMMED,
    ColourReconstruction,
    Factors,
    Reconstruction,
    Residual,
    View,
    cell_colours,
    panels,
    sampled_model_limits,
)

FIELD = (13, 17)
N_FRAMES = 40
K = 5
KEYS = [
    7,
    (slice(3, 30, 9),),
    (slice(None), 4),
    (-1, slice(2, 9), slice(None, None, -2)),
    (slice(38, None), slice(12, 13), 16),
    slice(5, 5),
]


@pytest.fixture(scope="module")
def components() -> Components:
    """Cells of noise at 20 Hz: two accepted, three rejected, resting light drifting."""
    rng = np.random.default_rng(1)
    start = make_components(np.arange(3, 3 + K), FIELD, N_FRAMES)
    footprints = sp.random_array(
        (FIELD[0] * FIELD[1], K), density=0.2, rng=rng, dtype=np.float32
    )
    ramp = np.linspace(-1, 1, N_FRAMES) * np.arange(K)[:, None]
    return replace(
        start,
        footprints=sp.csc_array(footprints),
        denoised=rng.random((K, N_FRAMES), np.float32),
        residual_traces=ramp.astype(np.float32),
        pixel_noise=np.full(FIELD, 0.3, np.float32),
        quality=replace(
            make_quality(start.ids),
            flags=np.array([0, 1, 0, 1, 1], np.int32),
            manual=np.zeros(K, np.int8),
        ),
    )


@pytest.fixture(scope="module")
def factors(components) -> Factors:
    return Factors.of(components)


@pytest.fixture(scope="module")
def movie() -> np.ndarray:
    rng = np.random.default_rng(2)
    return rng.integers(0, 60, (N_FRAMES, *FIELD)).astype(np.uint16)


def dense(factors: Factors, which=None, background: bool = True) -> np.ndarray:
    """The whole movie in plain words."""
    c = factors.components
    kept = np.ones(K) if which is None else np.asarray(which, float)
    footprints = c.footprints.toarray()
    pixels = footprints @ (c.denoised * kept[:, None])
    if background:
        pixels = pixels + footprints @ factors.resting(range(N_FRAMES))
        pixels = pixels + c.background.maps @ c.background.traces
        pixels = pixels + c.background.constant.reshape(-1, 1)
    return pixels.T.reshape(N_FRAMES, *FIELD)


@pytest.mark.parametrize("background", [True, False])
@pytest.mark.parametrize("which", [None, [1, 0, 0, 1, 1], [0] * K], ids=str)
@pytest.mark.parametrize("key", KEYS, ids=str)
def test_a_part_is_that_of_the_whole_movie(factors, which, background, key):
    which = None if which is None else np.array(which, bool)
    found = Reconstruction(factors, which, background=background)
    expected = dense(factors, which, background)
    assert (found.shape, found.dtype) == (expected.shape, np.float32)
    np.testing.assert_allclose(found[key], expected[key], atol=1e-4)


def test_long_parts_are_computed_in_short_ones(factors, monkeypatch):
    monkeypatch.setattr("napari_cnmf.reconstruction.PART_BYTES", 4 * 13 * 17 * 3)
    np.testing.assert_allclose(
        Reconstruction(factors)[:], dense(factors), rtol=1e-5, atol=1e-4
    )


def test_the_residual_is_the_movie_less_the_model_times_the_gain(factors, movie):
    left = Residual(ArraySource(movie), Reconstruction(factors), 2.5)
    np.testing.assert_allclose(left[:], 2.5 * (movie - dense(factors)), atol=1e-3)


def test_a_drift_of_resting_light_is_not_in_the_residual():
    rng = np.random.default_rng(3)
    n_frames = 2000
    components = make_components(np.array([1, 2]), (4, 5), n_frames)
    drift = np.sin(np.linspace(0, 5, n_frames)) * np.array([[3.0], [1.0]])
    left = drift - drift.mean(axis=1, keepdims=True)
    noise = 0.1 * rng.standard_normal(left.shape)
    components = replace(components, residual_traces=(left + noise).astype(np.float32))
    found = Factors.of(components).resting(range(n_frames))
    # The ends are held for half a window.
    np.testing.assert_allclose(found[:, 100:-100], left[:, 100:-100], atol=0.15)
    np.testing.assert_allclose(found.mean(axis=1), 0, atol=0.01)


@pytest.mark.parametrize("n_frames", [1, 2, 7])
def test_very_short_movies_do_not_drift(n_frames):
    components = make_components(field_shape=(4, 5), n_frames=n_frames)
    constant = components.residual_traces
    np.testing.assert_allclose(Factors.of(components).resting(range(n_frames)), 0)
    assert (constant != 0).all()
    assert Reconstruction(components)[:].shape == (n_frames, 4, 5)


def test_no_components_are_no_obstacle():
    components = make_components(np.arange(0), FIELD)
    np.testing.assert_allclose(
        Reconstruction(components)[3], components.background.frames(3, 4)[0], rtol=1e-5
    )
    assert ColourReconstruction(components, limits=(0, 1))[:2].shape == (2, *FIELD, 3)


def test_cells_have_their_colours_on_dimmed_grey(factors, components):
    limits = (0.5, 4.5)
    found = ColourReconstruction(factors, limits=limits)
    grey = dense(factors, np.zeros(K)) - limits[0]
    light = np.einsum(
        "pk,kt,kc->tpc",
        components.footprints.toarray(),
        components.denoised,
        cell_colours(components),
    ).reshape(N_FRAMES, *FIELD, 3)
    expected = 255 / 4 * (DIMMED * grey[..., None] + light)
    assert_painted(found, expected)


def test_without_the_background_only_colours_are_left(factors, components):
    which = np.array([0, 1, 0, 0, 0], bool)
    found = ColourReconstruction(factors, which, background=False, limits=(-1, 2))
    light = dense(factors, which, background=False)[..., None]
    assert_painted(found, 255 / 2 * light * cell_colours(components)[1])


def assert_painted(found: ColourReconstruction, expected: np.ndarray) -> None:
    """Compare uint8 images, up to rounding."""
    assert (found.shape, found.dtype) == (expected.shape, np.uint8)
    expected = np.clip(expected, 0, 255)
    for key in (*KEYS, (3, slice(2, 5), slice(1, 9), 1)):
        assert np.abs(found[key] - expected[key]).max(initial=0) < 1.01


def test_a_colour_is_that_of_the_id_made_bright(components):
    colours = cell_colours(components)
    np.testing.assert_allclose(colours.max(axis=1), 1)
    for colour, i in zip(colours, components.ids, strict=True):
        wanted = np.array(rgb(cell_colour(int(i))))
        np.testing.assert_allclose(colour, wanted / wanted.max(), rtol=1e-6)


def test_panels_show_the_movie_the_model_and_what_is_left(components, factors, movie):
    original, shown, left = panels(
        ArraySource(movie), components, View(residual_gain=3)
    )
    model = dense(factors, components.accepted)
    assert [p.name for p in (original, shown, left)] == [
        "original",
        "reconstruction",
        "residual",
    ]
    np.testing.assert_array_equal(original.frames[4], movie[4])
    np.testing.assert_allclose(shown.frames[4], model[4], atol=1e-4)
    np.testing.assert_allclose(left.frames[4], 3 * (movie - model)[4], atol=1e-3)


def test_rejected_cells_join_the_model(components, factors, movie):
    _, shown, left = panels(ArraySource(movie), factors, View(accepted_only=False))
    np.testing.assert_allclose(shown.frames[9], dense(factors)[9], atol=1e-4)
    np.testing.assert_allclose(left.frames[9], (movie - dense(factors))[9], atol=1e-3)


def test_the_background_is_taken_out_of_original_and_reconstruction(
    components, factors, movie
):
    original, shown, left = panels(ArraySource(movie), factors, View(background=False))
    ground = dense(factors, np.zeros(K))
    cells = dense(factors, components.accepted, background=False)
    np.testing.assert_allclose(original.frames[9], movie[9] - ground[9], atol=1e-3)
    np.testing.assert_allclose(shown.frames[9], cells[9], atol=1e-4)
    np.testing.assert_allclose(left.frames[9], (movie - ground - cells)[9], atol=1e-3)


def test_panels_share_one_scale(factors, movie):
    original, shown, left = panels(ArraySource(movie), factors, View())
    assert original.limits == shown.limits
    low, high = original.limits
    assert left.limits == (-(high - low) / 2, (high - low) / 2)


def test_colours_have_limits_of_their_own(factors, movie):
    _, shown, _ = panels(ArraySource(movie), factors, View(colour=True))
    assert shown.frames.shape == (N_FRAMES, *FIELD, 3)
    assert shown.limits == (0, 255)


def test_a_cache_is_used_as_it_is(factors, movie):
    cache = FrameCache(ArraySource(movie))
    original, _, left = panels(cache, factors, View())
    assert original.frames is cache is left.frames.movie
    cache.close()


@pytest.mark.parametrize("background", [True, False])
def test_limits_are_those_of_the_model_with_its_noise(factors, background):
    rng = np.random.default_rng(4)
    whole = dense(factors, background=background)
    noisy = whole + 0.3 * rng.standard_normal(whole.shape)
    found = sampled_model_limits(factors, background=background)
    assert found == pytest.approx(np.percentile(noisy, (0.5, 99.8)), abs=0.4)


def test_several_threads_get_their_frames(factors):
    found, expected = Reconstruction(factors), dense(factors)
    order = np.random.default_rng(5).integers(0, N_FRAMES, 200).tolist()
    with ThreadPoolExecutor(4) as pool:
        for t, frame in zip(order, pool.map(found.__getitem__, order), strict=True):
            np.testing.assert_allclose(frame, expected[t], atol=1e-4)
