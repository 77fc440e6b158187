"""Whole runs on movies that leave little or nothing to find: told, or sensible."""

from __future__ import annotations

import numpy as np
import pytest
from degenerate_movies import (
    CENTRES,
    FIELD,
    N_FRAMES,
    as_movie,
    footprints,
    four_cells,
    light,
    recorded,
    traces,
)

from napari_cnmf.components import Components
from napari_cnmf.errors import InputError, ParameterError
from napari_cnmf.pipeline.runner import run
from napari_cnmf.recipe import Recipe

# Together more than ten seconds: whole runs.
pytestmark = pytest.mark.slow

SETTINGS = {"motion.mode": "none", "init.neuron_half_size_px": 4.0}


@pytest.fixture(autouse=True)
def _quick_report(monkeypatch):
    """Do not draw: that takes longer than all stages of a small movie."""
    for name in ("write_report", "write_motion_report"):
        monkeypatch.setitem(run.__globals__, name, lambda _, path: path.touch())


@pytest.fixture(scope="module")
def four() -> np.ndarray:
    return four_cells()


@pytest.fixture
def found(tmp_path):
    """Run all stages on an array."""

    def found(array: np.ndarray, seeds: np.ndarray | None = None, **changes: object):
        settings = {k.replace("__", "."): v for k, v in changes.items()}
        recipe = Recipe().with_settings(SETTINGS | settings)
        done = run(as_movie(array), recipe, tmp_path / "out", seeds=seeds)
        assert done.complete
        assert_sensible(done.components)
        return done.components

    return found


def assert_sensible(cells: Components) -> None:
    """All numbers are finite, what cannot be negative is not, and notes are there."""
    assert np.isfinite(cells.denoised).all()
    assert np.isfinite(cells.raw).all()
    assert np.isfinite(cells.footprints.data).all()
    assert cells.footprints.data.min(initial=0) >= 0
    assert cells.spikes.min(initial=0) >= 0
    assert np.isfinite(cells.quality.snr).all()
    assert cells.quality.notes.shape == (len(cells),)


def assert_found(cells: Components, centres=CENTRES, within_px: float = 3.0) -> None:
    """Accepted cells are those at the centres, once each."""
    places = cells.centres[cells.accepted]
    assert len(places) == len(centres)
    away = np.linalg.norm(places[:, None] - np.array(centres), axis=2)
    assert sorted(away.argmin(axis=1)) == list(range(len(centres)))
    assert away.min(axis=1).max() < within_px


def noted(cells: Components) -> list[set[str]]:
    """Notes of each accepted cell."""
    return [
        {note.name for note in cells.quality.noted(k)}
        for k in np.flatnonzero(cells.accepted)
    ]


# --- too little of a movie ----------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        ((N_FRAMES, 1, 1), "1 x 1 px, but at least 16 px"),
        ((N_FRAMES, 3, 5), "3 x 5 px, but at least 16 px"),
        ((10, 32, 32), "10 frames, but the method needs at least 20"),
    ],
)
def test_a_movie_that_is_too_small_is_refused_in_a_sentence(found, shape, sentence):
    with pytest.raises(InputError, match=sentence):
        found(recorded(np.full(shape, 100.0)))


@pytest.mark.parametrize("n_frames", [20, 50])
def test_few_frames_are_enough_to_run(found, n_frames):
    cells = found(four_cells(n_frames))
    assert cells.n_frames == n_frames
    assert cells.accepted.sum() <= len(CENTRES)


# --- nothing to find ----------------------------------------------------------------


@pytest.mark.parametrize("motion", ["none", "rigid"])
def test_a_constant_movie_has_no_cells(found, motion):
    assert len(found(np.full((100, *FIELD), 7, np.uint16), motion__mode=motion)) == 0


def test_noise_alone_has_no_accepted_cell(found):
    assert not found(recorded(np.full((N_FRAMES, *FIELD), 100.0))).accepted.any()


def test_cells_that_are_all_silent_are_not_taken_for_active_ones(found):
    movie = recorded(light(footprints(), np.zeros((4, N_FRAMES))))
    assert not found(movie).accepted.any()


def test_a_silent_cell_that_was_marked_is_noted_as_silent(found):
    activity = traces(4)
    activity[0] = 0
    labels = np.tensordot(np.arange(1, 5), footprints() == 1, axes=1)
    cells = found(
        recorded(light(footprints(), activity)),
        seeds=labels.astype(np.uint16),
        init__method="seeded",
    )
    nearest = np.linalg.norm(cells.centres - np.array(CENTRES[0]), axis=1).argmin()
    assert not cells.accepted[nearest]
    assert "silent" in [note.name for note in cells.quality.noted(int(nearest))]
    assert not any("silent" in names for names in noted(cells))


# --- pixels that do not say what was there ------------------------------------------


@pytest.mark.parametrize("motion", ["none", "rigid"])
def test_the_saturated_cell_is_found_and_noted(found, motion):
    activity = traces(4) * np.array([[4.0], [1], [1], [1]])
    movie = recorded(light(footprints(), activity))
    others = movie[:, footprints()[0] == 0].max()
    cells = found(np.minimum(movie, others + np.uint16(10)), motion__mode=motion)
    assert_found(cells)
    places = cells.centres[cells.accepted]
    bright = np.linalg.norm(places - np.array(CENTRES[0]), axis=1) < 4
    assert ["saturated" in names for names in noted(cells)] == bright.tolist()


def test_nothing_saturates_in_an_open_range(found, four):
    assert not any("saturated" in names for names in noted(found(four)))


@pytest.mark.parametrize("motion", ["none", "rigid"])
def test_a_border_of_zeros_makes_no_cells(found, four, motion):
    masked = four.copy()
    masked[:, :8], masked[:, :, -6:] = 0, 0
    cells = found(masked, motion__mode=motion)
    assert_found(cells)
    assert "cut by the edge" in noted(cells)[cells.centres[cells.accepted, 0].argmin()]


def test_a_border_of_nan_makes_no_cells(found, four):
    masked = four.astype(np.float32)
    masked[:, :4], masked[:, :, -3:] = np.nan, np.nan
    assert_found(found(masked))


def test_negative_values_change_nothing(found, four):
    assert_found(found(four.astype(np.int16) - 90, dff__method="detrend"))


def test_a_large_offset_changes_nothing(found, four):
    assert_found(found(four.astype(np.float32) + 1e5))


def test_a_frame_may_come_twice(found, four):
    twice = four.copy()
    twice[100] = twice[101]
    assert_found(found(twice))


# --- cells in odd places ------------------------------------------------------------


def test_cells_cut_by_the_edge_are_found_and_noted(found):
    centres = ((0.0, 12.0), (20.0, 47.0), (43.0, 30.0), (20.0, 20.0))
    cells = found(recorded(light(footprints(centres), traces(4))))
    assert_found(cells, centres, within_px=4.0)
    inside = np.linalg.norm(cells.centres[cells.accepted] - (20, 20), axis=1) < 4
    cut = ["cut by the edge" in names for names in noted(cells)]
    assert cut == (~inside).tolist()


def test_twins_side_by_side_are_found_as_one_or_two(found):
    centres = ((20.0, 17.0), (20.0, 29.0))
    activity = np.repeat(traces(1), 2, axis=0)
    cells = found(recorded(light(footprints(centres), activity)))
    assert 1 <= cells.accepted.sum() <= 2
    covered = cells.footprints[:, cells.accepted].sum(axis=1) > 0
    for shape in footprints(centres):
        assert covered[shape.ravel() == 1].mean() > 0.8


def test_twins_in_one_place_are_one_cell(found):
    centre = (22.0, 20.0)
    activity = np.repeat(traces(1), 2, axis=0)
    cells = found(recorded(light(footprints((centre, centre)), activity)))
    assert_found(cells, (centre,))


def test_twins_that_were_marked_are_noted(found, four):
    marks = np.array([[11.0, 12.0], [12.0, 13.0]])
    cells = found(four, seeds=marks, init__method="seeded")
    assert noted(cells) == [{"shared place"}] * 2


@pytest.mark.parametrize("patch_px", [32, 128])
def test_one_cell_is_found_once_and_empty_patches_stay_empty(found, patch_px):
    movie = recorded(light(footprints(CENTRES[:1]), traces(1)))
    cells = found(movie, patches__patch_size_px=patch_px, patches__patch_overlap_px=12)
    assert_found(cells, CENTRES[:1])


# --- parameters that do not fit -----------------------------------------------------


@pytest.mark.parametrize("method", ["event_energy", "variance", "sparse_nmf"])
def test_more_components_asked_for_than_there_are(found, four, method):
    assert_found(found(four, init__n_components=30, init__method=method))


def test_the_search_for_one_photon_cells_may_find_few(found, four):
    cells = found(
        four, init__n_components=30, init__method="corr_pnr", init__min_pnr=1.0
    )
    assert cells.accepted.sum() <= len(CENTRES)


@pytest.mark.parametrize("model", ["grid", "low_rank", "ring"])
def test_all_cells_with_each_background(found, four, model):
    assert_found(found(four, background__model=model))


@pytest.mark.parametrize("order", [0, 1, 2])
def test_all_cells_with_each_order_of_the_constrained_deconvolution(found, four, order):
    assert_found(found(four, temporal__method="constrained", temporal__ar_order=order))


def test_cells_larger_than_half_the_field_are_refused_in_a_sentence(found, four):
    with pytest.raises(ParameterError, match="more than half of a field of 44 px"):
        found(four, init__neuron_half_size_px=40)


@pytest.mark.parametrize("half_size_px", [1.0, 7.0])
def test_a_wrong_size_invents_no_cells(found, four, half_size_px):
    cells = found(four, init__neuron_half_size_px=half_size_px)
    assert cells.accepted.sum() <= len(CENTRES)
