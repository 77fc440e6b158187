"""The stages `fit` and `refit` on small movies whose truth is known."""

from __future__ import annotations

from dataclasses import fields, replace
from threading import Event

import numpy as np
import pytest
import scipy.ndimage as ndi
import small_runs as runs

from napari_cnmf.baseline import DffParameters, dff
from napari_cnmf.cnmf.fit import fit
from napari_cnmf.cnmf.parameters import (
    BackgroundParameters,
    CnmfParameters,
    PatchParameters,
)
from napari_cnmf.cnmf.patch_solver import PatchResult
from napari_cnmf.cnmf.refit import refit
from napari_cnmf.components import Components
from napari_cnmf.compute import SerialBackend, ThreadBackend, silent
from napari_cnmf.errors import CancelledError, InputError
from napari_cnmf.provenance import digest
from napari_cnmf.quality.parameters import QualityParameters
from napari_cnmf.quality.stage import evaluate

# Four patches on a field of 96 x 96 pixels.
PATCHES = CnmfParameters(patches=PatchParameters(patch_size_px=64))


@pytest.fixture(scope="module")
def truth():
    return runs.still_movie()


@pytest.fixture(scope="module")
def correction(truth, tmp_path_factory):
    return runs.corrected(runs.as_movie(truth.movie), tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def whole(correction):
    """Fits of the field as one patch."""
    return runs.fitted(correction)


@pytest.fixture(scope="module")
def patched(correction):
    """Fits of the field as four patches."""
    return runs.fitted(correction, PATCHES)


@pytest.fixture(params=["whole", "patched"])
def fits(request):
    return request.getfixturevalue(request.param)


def arrays(components: Components):
    """All that components hold, as arrays."""
    a, background = components.footprints, components.background
    maps = background.maps
    parts = [a.data, a.indices, a.indptr, maps.data, maps.indices, maps.indptr]
    parts += [background.traces, background.constant, components.pixel_noise]
    parts += [components.denoised, components.residual_traces, components.spikes]
    fit = components.trace_fit
    return [*parts, components.ids, *(getattr(fit, item.name) for item in fields(fit))]


def same(one: runs.Fits, other: runs.Fits) -> bool:
    """Whether two runs gave the same bytes."""
    return all(
        digest(*arrays(a)) == digest(*arrays(b))
        for a, b in ((one.first, other.first), (one.second, other.second))
    )


def correlation(a, b):
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def clear_pairs(components, truth):
    """Matched pairs of those somata that any method should find."""
    clear = runs.clear_somata(truth)
    return [(k, j) for k, j in runs.matched(components, truth) if j in clear]


def test_all_clear_cells_are_found(fits, truth):
    for components in (fits.first, fits.second):
        found = {j for _, j in runs.matched(components, truth)}
        clear = runs.clear_somata(truth)
        assert len(clear) >= 15
        assert np.isin(clear, list(found)).mean() >= 0.9


def test_most_of_what_is_found_are_cells(fits, truth):
    assert len(runs.matched(fits.second, truth)) >= 0.5 * len(fits.second)


def test_no_cell_is_found_twice(fits):
    a = (fits.second.footprints.toarray() > 0).astype(int)
    shared = a.T @ a
    sizes = np.maximum(np.minimum.outer(np.diag(shared), np.diag(shared)), 1)
    share = shared / sizes
    traces = np.corrcoef(fits.second.denoised)
    np.fill_diagonal(share, 0)
    assert not ((share > 0.5) & (traces > 0.8)).any()


def test_traces_and_spikes_are_the_true_ones(fits, truth):
    def spikes(counts):
        return ndi.gaussian_filter1d(counts.astype(float), 1.5)

    pairs = clear_pairs(fits.second, truth)
    c, s = fits.second.denoised, fits.second.spikes
    traces = [correlation(c[k], truth.traces[j]) for k, j in pairs]
    events = [correlation(spikes(s[k]), spikes(truth.spikes[j])) for k, j in pairs]
    assert np.median(traces) > 0.97
    assert np.median(events) > 0.85


def test_footprints_are_the_true_ones(fits, truth):
    a, true = fits.second.footprints.toarray(), truth.footprints.toarray()
    cosines = [
        a[:, k] @ true[:, j] / np.linalg.norm(true[:, j])
        for k, j in runs.matched(fits.second, truth)
    ]
    assert np.median(cosines) > 0.93


def test_footprints_are_pieces_of_unit_norm(fits):
    for components in (fits.first, fits.second):
        a = components.footprints
        assert a.dtype == np.float32
        assert a.has_sorted_indices
        assert (a.data > 0).all()
        np.testing.assert_allclose(np.sqrt(a.power(2).sum(axis=0)), 1, rtol=1e-5)
    for k in range(len(fits.second)):
        assert ndi.label(fits.second.footprint(k))[1] == 1


def test_the_model_has_the_mean_of_the_movie(fits, correction):
    mean = correction.movie.read().mean(axis=0, dtype=np.float64)
    for components in (fits.first, fits.second):
        cells = components.footprints @ components.denoised.mean(axis=1)
        background = components.background.frames(0, components.n_frames)
        model = cells.reshape(mean.shape) + background.mean(axis=0, dtype=np.float64)
        np.testing.assert_allclose(model, mean, rtol=1e-4)


def test_nothing_but_noise_is_left_of_the_movie(fits, correction):
    components = fits.second
    cells = (components.footprints @ components.denoised).T
    model = components.background.frames(0, components.n_frames)
    left = correction.movie.read() - model - cells.reshape(model.shape)
    ratio = left.std(axis=0) / correction.summary.noise
    assert np.median(ratio) == pytest.approx(1, abs=0.05)
    assert np.percentile(ratio, 99) < 1.3


def test_raw_traces_scatter_by_their_noise(fits):
    components = fits.second
    residual = np.diff(components.residual_traces, 2, axis=1).std(axis=1) / np.sqrt(6)
    np.testing.assert_allclose(residual, components.trace_fit.noise, rtol=0.1)


def test_components_are_numbered_and_refit_keeps_the_numbers(fits):
    np.testing.assert_array_equal(fits.first.ids, np.arange(len(fits.first)))
    assert np.isin(fits.second.ids, fits.first.ids).all()
    assert (np.diff(fits.second.ids) > 0).all()


def test_refit_works_on_any_choice_of_components(correction, whole):
    chosen = whole.first.select(np.array([7, 2, 5]))
    with SerialBackend() as backend:
        again = refit(
            correction.movie,
            correction.summary,
            chosen,
            CnmfParameters(),
            backend=backend,
        )
    np.testing.assert_array_equal(again.ids, [7, 2, 5])
    for k, number in enumerate(again.ids):
        expected = whole.second.denoised[whole.second.ids == number][0]
        assert correlation(again.denoised[k], expected) > 0.95


def test_refit_accepts_another_grid_of_the_background(correction, whole):
    coarse = CnmfParameters(background=BackgroundParameters(pitch_diameters=3.0))
    with SerialBackend() as backend:
        again = refit(
            correction.movie, correction.summary, whole.first, coarse, backend=backend
        )
    assert len(again.background.traces) < len(whole.first.background.traces)
    assert len(again) >= 0.9 * len(whole.second)


def test_patches_find_the_same_cells_as_the_whole_field(whole, patched, truth):
    one, many = (
        {j for _, j in runs.matched(fits.second, truth)} for fits in (whole, patched)
    )
    assert len(one & many) >= 0.95 * len(one | many)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_results_are_the_same_for_any_number_of_workers(correction, patched, workers):
    assert same(runs.fitted(correction, PATCHES, ThreadBackend(workers)), patched)


@pytest.mark.parametrize("block", [18, 126])
def test_results_do_not_depend_on_the_chunks_of_the_store(
    truth, patched, tmp_path, block
):
    movie = runs.as_movie(truth.movie)
    other = runs.corrected(movie, tmp_path, block=block)
    assert same(runs.fitted(other, PATCHES), patched)


def test_twice_the_light_gives_the_same_cells(truth, whole, tmp_path):
    movie = runs.as_movie(2 * truth.movie.astype(np.float32) + 1000)
    bright = runs.fitted(runs.corrected(movie, tmp_path)).second
    assert len(bright) == len(whole.second)
    a, b = bright.footprints.toarray(), whole.second.footprints.toarray()
    np.testing.assert_allclose(a, b, atol=0.05)
    scale = 2 * whole.second.denoised.max()
    np.testing.assert_allclose(
        bright.denoised / scale, 2 * whole.second.denoised / scale, atol=0.01
    )


def test_a_transposed_movie_gives_transposed_cells(tmp_path):
    truth = runs.still_movie(5, height_px=64, width_px=96, n_somata=14)
    upright, lying = (
        runs.fitted(runs.corrected(runs.as_movie(frames), tmp_path / name)).second
        for name, frames in (
            ("upright", truth.movie),
            ("lying", np.ascontiguousarray(truth.movie.transpose(0, 2, 1))),
        )
    )
    assert len(lying) == len(upright)
    distance = np.abs(upright.centres[:, None] - lying.centres[None, :, ::-1])
    assert distance.max(axis=2).min(axis=1).max() < 0.5


def test_progress_counts_patches_and_frames(correction):
    events = []
    with SerialBackend() as backend:
        movie, summary = correction.movie, correction.summary
        found = fit(movie, summary, PATCHES, backend=backend, progress=events.append)
        refit(movie, summary, found, PATCHES, backend=backend, progress=events.append)
    last = {event.stage: (event.done, event.total, event.unit) for event in events}
    assert last == {
        "fit": (4, 4, "patches"),
        "fit traces": (600, 600, "frames"),
        "refit footprints": (4, 4, "patches"),
        "refit traces": (600, 600, "frames"),
    }
    patches = [event.payload for event in events if event.stage == "fit"]
    assert all(isinstance(patch, PatchResult) for patch in patches)
    assert sum(patch.footprints.shape[1] for patch in patches) >= len(found)


@pytest.mark.parametrize("backend", [SerialBackend(), ThreadBackend(2)])
@pytest.mark.parametrize(
    "stage", ["fit", "fit traces", "refit footprints", "refit traces"]
)
def test_a_stage_can_be_cancelled_at_any_time(correction, patched, backend, stage):
    cancel = Event()
    heard = []

    def listen(event):
        heard.append(event.stage)
        if event.stage == stage:
            cancel.set()

    def work():
        common = {"backend": opened, "progress": listen, "cancel": cancel}
        movie, summary = correction.movie, correction.summary
        if stage.startswith("refit"):
            return refit(movie, summary, patched.first, PATCHES, **common)
        return fit(movie, summary, PATCHES, **common)

    with backend as opened, pytest.raises(CancelledError):
        work()
    assert heard.count(stage) == 1


def through_all_stages(correction, parameters=None) -> Components:
    """Run every stage of the analysis."""
    parameters = parameters or CnmfParameters()
    found = runs.fitted(correction, parameters).second
    with SerialBackend() as backend:
        scored = evaluate(
            correction.movie,
            correction.summary,
            found,
            QualityParameters(),
            diameter_px=parameters.init.diameter_px,
            backend=backend,
        )
    return dff(scored, DffParameters(), progress=silent)


def constant(shape):
    return np.full(shape, 300, np.uint16)


def noise(shape):
    return np.random.default_rng(0).normal(300, 20, shape).astype(np.uint16)


@pytest.mark.parametrize("make", [constant, noise])
def test_a_movie_without_cells_passes_all_stages(make, tmp_path):
    correction = runs.corrected(runs.as_movie(make((300, 70, 50))), tmp_path)
    found = through_all_stages(correction)
    assert len(found) == 0
    assert found.accepted.shape == (0,)
    assert found.dff.shape == (0, 300)
    model = found.background.frames(0, 300).mean(axis=0)
    np.testing.assert_allclose(model, correction.summary.mean, rtol=1e-4)


@pytest.mark.parametrize(
    "shape", [(120, 1, 40), (120, 7, 5), (50, 30, 30), (60, 3, 90)]
)
def test_tiny_movies_pass_all_stages(shape, tmp_path):
    found = through_all_stages(runs.corrected(runs.as_movie(noise(shape)), tmp_path))
    assert found.fov_shape == shape[1:]
    assert found.n_frames == shape[0]


def test_a_movie_smaller_than_a_patch_gives_its_cells(tmp_path):
    truth = runs.still_movie(2, height_px=40, width_px=52, n_somata=5)
    found = through_all_stages(runs.corrected(runs.as_movie(truth.movie), tmp_path))
    clear = runs.clear_somata(truth)
    assert len(clear) >= 2
    assert np.isin(clear, [j for _, j in runs.matched(found, truth)]).all()


def test_pixels_without_data_belong_to_nobody(truth, tmp_path):
    frames = truth.movie.astype(np.float32)
    frames[:, :, :9] = frames.mean(axis=(1, 2))[:, None, None]
    valid = np.ones((96, 96), bool)
    valid[:, :9] = False
    correction = runs.corrected(runs.as_movie(frames), tmp_path, valid=valid)
    found = through_all_stages(correction)
    assert not found.footprints.toarray()[~valid.ravel()].any()
    pairs = clear_pairs(found, truth)
    inner = [j for j in runs.clear_somata(truth) if truth.centres[j, 1] > 18]
    assert np.isin(inner, [j for _, j in pairs]).mean() >= 0.9
    traces = [correlation(found.denoised[k], truth.traces[j]) for k, j in pairs]
    assert np.median(traces) > 0.97


LEFT_OUT = (0, 1, *range(9, 290, 37), *range(300, 315), 450, 598, 599)


def test_a_border_without_data_is_like_that_of_a_smaller_field(truth, correction):
    inside = np.s_[6:-8, 12:-4]
    valid = np.zeros((96, 96), bool)
    valid[inside] = True
    streaks = np.random.default_rng(0).gamma(1, 3000, (600, 1, 1))
    frames = np.where(valid, truth.movie, streaks).astype(np.float32)
    bordered = replace(correction.summary, valid=valid)
    cropped = replace(
        bordered, **{key: image[inside] for key, image in vars(bordered).items()}
    )
    found, expected = (
        runs.fitted(replace(correction, movie=runs.as_movie(array), summary=summary))
        for array, summary in ((frames, bordered), (frames[:, *inside], cropped))
    )
    found, expected = found.second, expected.second
    assert not found.footprints.toarray()[~valid.ravel()].any()
    assert not found.background.maps.toarray()[~valid.ravel()].any()
    assert len(found) == len(expected)
    cut = found.footprints.toarray()[valid.ravel()]
    cosines = (cut * expected.footprints.toarray()).sum(axis=0)
    # Rounding may tip the balance between two cells that overlap.
    assert cosines.min() > 0.9
    assert (cosines > 0.99).mean() > 0.95


@pytest.mark.parametrize("kind", ["moved", "dark", "saturated"])
def test_frames_left_out_neither_make_nor_hurt_cells(truth, correction, whole, kind):
    frames, bad = truth.movie.astype(np.float32), list(LEFT_OUT)
    moved = 5 * np.roll(frames[bad], (30, 17), (1, 2))
    frames[bad] = {"moved": moved, "dark": 0, "saturated": 65535}[kind]
    movie = runs.as_movie(frames).with_(left_out=LEFT_OUT)
    found = runs.fitted(replace(correction, movie=movie)).second
    cells = [{j for _, j in clear_pairs(fit, truth)} for fit in (found, whole.second)]
    assert cells[0] == cells[1]
    assert len(found) < 1.15 * len(whole.second)
    good = np.setdiff1d(np.arange(600), LEFT_OUT)
    likeness = [
        np.median(
            [
                correlation(fit.denoised[k][good], truth.traces[j][good])
                for k, j in clear_pairs(fit, truth)
            ]
        )
        for fit in (found, whole.second)
    ]
    assert likeness[0] > likeness[1] - 0.005
    for courses in (found.background.traces, found.raw):  # no jumps into the gaps
        jumps = np.abs(np.diff(courses, axis=1)).max(axis=1)
        usual = np.abs(np.diff(courses[:, good], axis=1)).max(axis=1)
        assert (jumps < 1.2 * usual).all()


def test_a_movie_of_which_hardly_anything_is_left_is_refused(correction):
    movie = correction.movie.with_(left_out=tuple(range(20, 600)))
    with SerialBackend() as backend, pytest.raises(InputError, match="left out"):
        fit(movie, correction.summary, PATCHES, backend=backend)


def test_the_decay_time_can_be_estimated(correction, truth):
    estimated = runs.fitted(correction, replace(CnmfParameters(), decay_s=None)).second
    slow = np.sort(np.roots([1, *-estimated.trace_fit.ar[0]]).real)[-1]
    decay_s = -1 / (np.log(slow) * runs.RATE_HZ)
    true = np.median(truth.time_constants[:, 0])
    assert decay_s == pytest.approx(true, rel=0.3)
