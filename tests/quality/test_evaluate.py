"""The stage `evaluate` tells cells from what only looks like them."""

from __future__ import annotations

from dataclasses import fields, replace
from threading import Event

import numpy as np
import pytest
import scipy.sparse as sp
import small_runs as runs
from quality import caiman_twins

from napari_cnmf.components import Components, Quality
from napari_cnmf.compute import SerialBackend, ThreadBackend
from napari_cnmf.errors import CancelledError
from napari_cnmf.quality.exceptional import trace_fitness
from napari_cnmf.quality.parameters import QualityParameters
from napari_cnmf.quality.rule import apply_rule
from napari_cnmf.quality.stage import decay_frames, evaluate

DEFAULT = QualityParameters()


@pytest.fixture(scope="module")
def truth():
    return runs.still_movie(1, n_defocused=8)


@pytest.fixture(scope="module")
def correction(truth, tmp_path_factory):
    return runs.corrected(runs.as_movie(truth.movie), tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def components(correction):
    return runs.fitted(correction).second


def evaluated(correction, components, parameters=DEFAULT, backend=None, **options):
    with backend or SerialBackend() as opened:
        return evaluate(
            correction.movie,
            correction.summary,
            components,
            parameters,
            diameter_px=11.0,
            backend=opened,
            **options,
        )


@pytest.fixture(scope="module")
def scored(correction, components):
    return evaluated(correction, components)


def scores(quality: Quality) -> list[np.ndarray]:
    names = [item.name for item in fields(Quality) if "axis" in item.metadata]
    found = [getattr(quality, name) for name in names]
    return [score for score in found if score is not None]


def test_most_cells_are_accepted_and_most_others_rejected(scored, truth):
    kept = scored.select(scored.accepted)
    pairs = runs.matched(kept, truth)
    clear = runs.clear_somata(truth)
    assert len(pairs) >= 0.7 * len(kept)
    assert np.isin([j for _, j in pairs], clear).sum() >= 0.75 * len(clear)
    assert len(kept) < len(scored)


def test_only_the_quality_changes(scored, components):
    assert components.quality is None
    for item in fields(Components):
        if item.name != "quality":
            one, other = (getattr(c, item.name) for c in (scored, components))
            assert one is other or np.array_equal(one, other)


def test_frames_left_out_have_no_say(correction, components, scored, tmp_path):
    left_out = (0, *range(9, 290, 37), *range(300, 315), 599)
    frames = correction.movie.read()
    frames[list(left_out)] = 0
    broken, whole = (
        runs.as_movie(array).with_(left_out=left_out)
        for array in (frames, correction.movie.read())
    )
    judged, expected = (
        evaluated(replace(correction, movie=movie), components)
        for movie in (broken, whole)
    )
    for one, other in zip(
        scores(judged.quality), scores(expected.quality), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert (judged.accepted == scored.accepted).mean() > 0.9


def test_the_border_of_the_data_is_no_ring(correction, components):
    valid = np.zeros((96, 96), bool)
    valid[:, 30:70] = True
    inside = sp.diags_array(valid.ravel().astype(np.float32)) @ components.footprints
    cut = replace(components, footprints=sp.csc_array(inside))
    summary = replace(correction.summary, valid=valid)
    judged = evaluated(replace(correction, summary=summary), cut).quality
    frames = correction.movie.read()[:, :, 30:70].copy()
    flat = sp.csc_array(cut.footprints.toarray()[valid.ravel()])
    background = cut.background
    field = replace(
        cut,
        footprints=flat,
        fov_shape=(96, 40),
        pixel_noise=cut.pixel_noise[:, 30:70],
        background=replace(
            background,
            maps=sp.csc_array(background.maps.toarray()[valid.ravel()]),
            constant=background.constant[:, 30:70],
        ),
    )
    whole = replace(
        correction.summary,
        **{
            item.name: getattr(correction.summary, item.name)[:, 30:70]
            for item in fields(correction.summary)
        },
    )
    smaller = replace(correction, movie=runs.as_movie(frames), summary=whole)
    expected = evaluated(smaller, field).quality
    for name in ("r_value", "ring", "edge", "soma_area"):
        found, wanted = getattr(judged, name), getattr(expected, name)
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3)


def test_every_rejection_has_its_reasons(scored):
    rejected = np.flatnonzero(~scored.accepted)
    assert len(rejected) > 0
    for k in rejected:
        assert all("against a limit of" in said for said in scored.quality.reasons(k))
        assert scored.quality.reasons(k)


def test_a_cell_in_the_wrong_place_is_rejected(correction, components, scored):
    accepted = int(np.flatnonzero(scored.accepted)[0])
    moved = components.footprint(accepted)
    moved = np.roll(moved, (11, 5), axis=(0, 1)).reshape(-1, 1)
    wrong = sp.hstack([components.footprints, sp.csc_array(moved)], format="csc")
    doubled = components.select(np.append(np.arange(len(components)), accepted))
    judged = evaluated(correction, replace(doubled, footprints=wrong))
    assert not judged.accepted[-1]
    assert "low r value" in " ".join(judged.quality.reasons(len(components)))


def test_noise_is_rejected(correction, components):
    rng = np.random.default_rng(0)
    noise = components.trace_fit.noise[:1] * rng.standard_normal((1, 600))
    silent = replace(
        components.select(np.array([0])),
        denoised=np.maximum(noise - 2 * noise.std(), 0).astype(np.float32),
        residual_traces=noise.astype(np.float32),
    )
    judged = evaluated(correction, silent)
    assert not judged.accepted[0]
    assert judged.quality.snr[0] < 5


def test_moving_a_limit_needs_no_second_look_at_the_movie(
    correction, components, scored
):
    strict = QualityParameters(min_snr=20.0, max_ring=0.05, min_edge=0.3)
    expected = evaluated(correction, components, strict).quality
    moved = apply_rule(scored.quality, strict)
    moved = replace(moved, notes=expected.notes)  # who is a twin of accepted cells
    assert moved.accepted.sum() < scored.accepted.sum()
    for one, other in zip(scores(moved), scores(expected), strict=True):
        np.testing.assert_array_equal(one, other)
    assert moved.limits == expected.limits


def test_traces_and_footprints_have_their_scores(scored):
    quality = scored.quality
    n_frames = int(np.ceil(np.median(decay_frames(scored.trace_fit.ar))))
    for trace, raw, delta in zip(
        scored.raw, quality.fitness_raw, quality.fitness_delta, strict=True
    ):
        exact = trace.astype(np.float64)
        above = exact - caiman_twins.baseline(exact)
        expected = [
            caiman_twins.log_probabilities(t, n_frames).min()
            for t in (above, np.diff(exact))
        ]
        np.testing.assert_allclose([raw, delta], expected, rtol=1e-4)
    np.testing.assert_array_equal(quality.size_px, scored.sizes_px)
    somata = quality.eccentricity[scored.accepted]
    assert (somata >= 1).all()
    assert np.median(somata) < 1.5


def test_a_transient_can_be_told(correction, components, scored):
    told = evaluated(correction, components, QualityParameters(transient_s=0.2)).quality
    rate_hz = components.frame_rate_hz
    expected, _ = trace_fitness(components.raw, int(np.ceil(0.2 * rate_hz)))
    np.testing.assert_array_equal(told.fitness_raw, expected)
    for name in ("fitness_delta", "caiman_snr"):
        assert (getattr(told, name) != getattr(scored.quality, name)).any()


def test_decisions_by_hand_are_kept(correction, scored):
    manual = np.zeros(len(scored), np.int8)
    yes, no = np.flatnonzero(~scored.accepted)[0], np.flatnonzero(scored.accepted)[0]
    manual[yes], manual[no] = 1, -1
    decided = replace(scored, quality=replace(scored.quality, manual=manual))
    again = evaluated(correction, decided)
    assert again.accepted[yes]
    assert not again.accepted[no]
    np.testing.assert_array_equal(again.quality.flags, scored.quality.flags)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_scores_are_the_same_for_any_number_of_workers(
    correction, components, scored, workers
):
    again = evaluated(correction, components, backend=ThreadBackend(workers))
    for one, other in zip(scores(again.quality), scores(scored.quality), strict=True):
        assert one.tobytes() == other.tobytes()


def test_the_order_of_the_components_does_not_matter(correction, components, scored):
    order = np.random.default_rng(0).permutation(len(components))
    again = evaluated(correction, components.select(order)).quality
    expected = scored.quality.select(order)
    for one, other in zip(scores(again), scores(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


def test_no_components_have_an_empty_quality(correction, components):
    nobody = components.select(np.zeros(0, int))
    judged = evaluated(correction, nobody)
    assert all(len(values) == 0 for values in scores(judged.quality))


def test_progress_is_told_and_the_stage_can_be_cancelled(correction, components):
    cancel, events = Event(), []

    def listen(event):
        events.append(event)
        cancel.set()

    with pytest.raises(CancelledError):
        evaluated(correction, components, cancel=cancel, progress=listen)
    assert len(events) == 1
    assert events[0].stage == "evaluate"


@pytest.mark.parametrize("decay", [2.0, 15.0, 80.0])
def test_decay_times_come_from_the_coefficients(decay):
    slow, fast = np.exp(-1 / decay), np.exp(-1 / (0.2 * decay))
    ar = np.array([[slow, 0], [slow + fast, -slow * fast]])
    np.testing.assert_allclose(decay_frames(ar), decay, rtol=1e-6)
