"""Event images show what is left of the movie when a component is active."""

from __future__ import annotations

from dataclasses import replace
from threading import Event

import numpy as np
import pytest
import scipy.sparse as sp
from quality import quality_twins as twins

from napari_cnmf.compute import SerialBackend, Stopwatch, ThreadBackend, silent
from napari_cnmf.errors import CancelledError
from napari_cnmf.movie import Movie
from napari_cnmf.quality import kernels
from napari_cnmf.quality.events import event_images, event_weights

HALF_PX = 9
BIN_FRAMES = 3  # of 0.1 s at 30 Hz


@pytest.fixture(scope="module")
def scene():
    return twins.make_scene()


def computed(scene, backend=None, cancel=None, progress=silent, left_out=()):
    frames, summary, components = scene
    with backend or SerialBackend() as opened:
        return event_images(
            Movie.from_array(frames, frame_rate_hz=30.0).with_(left_out=left_out),
            summary,
            components,
            HALF_PX,
            backend=opened,
            watch=Stopwatch(progress, "evaluate", 4, "tiles"),
            cancel=cancel,
        )


def test_event_images_are_those_of_the_dense_movie(scene):
    found = computed(scene)
    expected = twins.event_images(*scene, HALF_PX, BIN_FRAMES)
    np.testing.assert_allclose(found.events, expected, atol=1e-3)


def test_frames_left_out_count_for_no_event(scene):
    frames, summary, components = scene
    left_out = (0, 1, 30, 47, 98)
    bins = np.array([0, 10, 15, 32])
    lost = (bins[:, None] * BIN_FRAMES + np.arange(BIN_FRAMES)).ravel()
    denoised, residual = components.denoised.copy(), components.residual_traces.copy()
    residual[:, lost] += denoised[:, lost]
    denoised[:, lost] = 0
    quiet = replace(components, denoised=denoised, residual_traces=residual)
    expected = computed((frames, summary, quiet)).events
    broken = frames.copy()
    broken[list(left_out)] = 1e4
    found = computed((broken, summary, components), left_out=left_out).events
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_boxes_lie_around_their_components(scene):
    found, components = computed(scene), scene[2]
    centres = found.corners + HALF_PX
    np.testing.assert_array_equal(centres, np.rint(components.centres))
    assert (found.corners < 0).any()  # one lies at the border
    assert found.footprints.shape == found.events.shape


def test_boxed_footprints_are_in_units_of_the_noise(scene):
    found, (_, summary, components) = computed(scene), scene
    for k in range(len(components)):
        image = components.footprint(k) * twins.gains(summary) * np.sqrt(BIN_FRAMES)
        expected = twins.boxed(image, components.centres[k], HALF_PX)
        np.testing.assert_allclose(found.footprints[k], expected, rtol=1e-5)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_event_images_do_not_depend_on_the_workers(scene, workers):
    found = computed(scene, ThreadBackend(workers))
    assert found.events.tobytes() == computed(scene).events.tobytes()


def test_progress_counts_the_tiles(scene):
    events = []
    computed(scene, progress=events.append)
    assert [event.done for event in events] == [1, 2, 3, 4]


def test_a_cancelled_evaluation_stops(scene):
    cancel = Event()
    with pytest.raises(CancelledError):
        computed(scene, cancel=cancel, progress=lambda event: cancel.set())


def test_no_components_have_no_images(scene):
    frames, summary, components = scene
    nobody = components.select(np.zeros(0, int))
    found = computed((frames, summary, nobody))
    assert found.events.shape == (0, 2 * HALF_PX + 1, 2 * HALF_PX + 1)


def test_only_frames_above_half_of_the_peak_count():
    traces = np.array([[0, 2, 4, 8, 6, 0], [0, 0, 0, 0, 0, 0]], np.float32)
    weights = event_weights(traces).toarray()
    np.testing.assert_allclose(weights, [[0, 0, 0, 4 / 6, 2 / 6, 0], [0] * 6])


def test_twice_the_trace_has_the_same_weights():
    traces = np.random.default_rng(0).random((3, 40)).astype(np.float32)
    weights = event_weights(traces).toarray()
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(event_weights(2 * traces).toarray(), weights, rtol=1e-5)


@pytest.mark.parametrize("shape", [(12, 17, 23), (1, 1, 9), (3, 40, 5)], ids=str)
def test_event_boxes_equal_their_twin(shape):
    rng = np.random.default_rng(2)
    movie = rng.normal(size=shape).astype(np.float32)
    corners = rng.integers(-6, 30, (9, 2))
    corners[0] = (4, 3)
    weights = event_weights(rng.normal(size=(9, shape[2])))
    out = np.full((9, 7, 7), 5, np.float32)
    kernels.event_boxes(
        movie, 5, 4, corners, weights.indptr, weights.indices, weights.data, out
    )
    expected = twins.event_boxes(movie, (5, 4), corners, weights.toarray(), 7)
    np.testing.assert_allclose(out, expected, atol=1e-5)


def test_subtract_sources_leaves_the_component_itself():
    rng = np.random.default_rng(3)
    n_y, n_x, n_t, side = 11, 14, 30, 5
    dense = rng.random((n_y * n_x, 6)) * (rng.random((n_y * n_x, 6)) < 0.3)
    model = sp.csr_array(dense.astype(np.float32))
    traces = rng.normal(size=(6, n_t)).astype(np.float32)
    weights = event_weights(rng.normal(size=(4, n_t)))
    corners = np.array([(-2, -2), (4, 5), (9, 12), (0, 8)])
    boxes = np.zeros((4, side, side), np.float32)
    kernels.subtract_sources(
        boxes, corners, n_y, n_x, model.indptr, model.indices, model.data, traces,
        weights.indptr, weights.indices, weights.data,
    )  # fmt: skip
    for k in range(4):
        others = np.arange(6) != k
        image = dense[:, others] @ traces[others]
        expected = twins.event_boxes(
            -image.reshape(n_y, n_x, n_t),
            (0, 0),
            corners[[k]],
            weights[[k]].toarray(),
            side,
        )
        np.testing.assert_allclose(boxes[k], expected[0], atol=1e-4)
