"""A run that begins with marked cells: each becomes one component, none is lost."""

from __future__ import annotations

import logging
from dataclasses import replace
from threading import Event

import numpy as np
import pytest
import scipy.sparse as sp
from tiny_movies import movie, recipe, simulation

from napari_cnmf.compute import SerialBackend
from napari_cnmf.errors import CancelledError, InputError, ParameterError
from napari_cnmf.formats.results import digest, load
from napari_cnmf.formats.seeds import read_seeds
from napari_cnmf.pipeline.runner import rerun, resume, run
from napari_cnmf.recipe import Recipe

FIELD = (64, 60)
STILL = ("motion.mode=none",)
SEEDED = (*STILL, "init.method=seeded")


@pytest.fixture(autouse=True)
def _quick_report(monkeypatch):
    """Do not draw: that takes longer than all stages of a tiny movie."""
    monkeypatch.setitem(run.__globals__, "write_report", lambda _, path: path.touch())


def painted() -> np.ndarray:
    """Labels of the simulated somata, numbered in steps of five."""
    labels = np.zeros(FIELD, np.uint8)
    truth = simulation()
    for k in np.flatnonzero(truth.kind == 0):
        image = truth.footprints[:, [k]].toarray().reshape(FIELD)
        labels[image > 0.4 * image.max()] = 5 * (k + 1)
    return labels


def n_painted() -> int:
    return len(np.unique(painted())) - 1


def copies(folder) -> list[str]:
    return sorted(path.name for path in folder.glob("seeds-*"))


def seeds_named(result) -> str:
    return Recipe.from_toml(result.recipe).init.seeds


def centres_of(labels: np.ndarray) -> np.ndarray:
    """Middles of the labels, in rising order."""
    names = np.unique(labels[labels > 0])
    return np.array([np.argwhere(labels == name).mean(axis=0) for name in names])


@pytest.mark.parametrize("patch_px", [128, 40])
def test_each_label_becomes_one_component_in_its_place(tmp_path, patch_px):
    labels = painted()
    settings = recipe(*STILL, f"patches.patch_size_px={patch_px}")
    result = run(movie(), settings, tmp_path, seeds=labels)
    cells = result.components
    assert result.complete
    np.testing.assert_array_equal(cells.ids, np.arange(n_painted()))
    away = np.hypot(*(cells.centres - centres_of(labels)).T)
    assert np.median(away) < 1.5
    assert away.max() < 8
    assert (cells.origin.members == 1).all()
    assert copies(tmp_path) == [seeds_named(result)]
    np.testing.assert_array_equal(read_seeds(tmp_path / copies(tmp_path)[0]), labels)


def test_points_footprints_results_and_files_begin_a_run_too(tmp_path):
    labels = painted()
    points = centres_of(labels)
    np.save(tmp_path / "points.npy", points)
    first = run(movie(), recipe(*STILL), tmp_path / "1", seeds=points)
    again = run(movie(), recipe(*STILL), tmp_path / "2", seeds=tmp_path / "points.npy")
    assert digest(first) == digest(again)
    named = recipe(*SEEDED, f"init.seeds={tmp_path / 'points.npy'}")
    assert digest(run(movie(), named, tmp_path / "3")) == digest(first)
    cells = first.components
    n_accepted = int(cells.accepted.sum())
    for seeds in (tmp_path / "1", cells, cells.footprints[:, cells.accepted]):
        found = run(movie(), recipe(*STILL), tmp_path / "4", seeds=seeds, until="fit",
                    overwrite=True)  # fmt: skip
        assert len(found.components) == n_accepted


def test_silent_and_touching_cells_stay_and_the_rule_judges_them(tmp_path, caplog):
    rng = np.random.default_rng(0)
    noise = rng.normal(100, 5, (150, 40, 44)).astype(np.float32)
    labels = np.zeros((40, 44), np.int32)
    labels[5:13, 5:13], labels[5:13, 13:21] = 1, 2
    labels[30, 30] = 3
    result = run(movie(noise), recipe(*STILL), tmp_path, seeds=labels)
    assert len(result.components) == 3
    assert np.isfinite(result.components.denoised).all()
    assert not result.components.accepted.any()
    assert all(result.components.quality.reasons(k) for k in range(3))


def test_halves_of_one_cell_stay_two_and_are_told_of(tmp_path, caplog):
    truth = simulation()
    k = int(np.argmax(np.where(truth.kind == 0, truth.snr, 0)))
    image = truth.footprints[:, [k]].toarray().reshape(FIELD)
    labels = (image > 0.3 * image.max()).astype(np.int32)
    labels[: int(truth.centres[k][0])] *= 2
    result = run(movie(), recipe(*STILL), tmp_path, seeds=labels, until="refit")
    assert result.components.ids.tolist() == [0, 1]
    assert "cells 0 and 1 were marked as two" in caplog.text


def test_a_cell_without_data_goes_and_its_fate_says_why(tmp_path):
    frames = simulation().movie.astype(np.float32)
    frames[:, :10] = np.nan
    labels = painted()
    labels[:10] = 0
    labels[1:6, 1:6] = 1
    result = run(movie(frames), recipe(*STILL), tmp_path, seeds=labels, until="refit")
    n = len(np.unique(labels)) - 1
    assert result.components.ids.tolist() == list(range(1, n))
    assert [f.rank for f in result.components.fates] == [0]
    assert "no data" in result.components.fates[0].reason


def test_labels_of_the_recorded_field_are_cropped_like_it(tmp_path):
    part = recipe(*STILL, "input.top=8", "input.right=6")
    whole = run(movie(), part, tmp_path / "1", seeds=painted(), until="fit")
    cut = run(movie(), part, tmp_path / "2", seeds=painted()[8:, :-6], until="fit")
    theirs, ours = whole.components.footprints, cut.components.footprints
    assert (theirs != ours).nnz == 0


def test_later_stages_find_the_seeds_again(tmp_path):
    labels = painted()
    result = run(movie(), recipe(*STILL), tmp_path, seeds=labels, until="correct")
    assert seeds_named(result) == copies(tmp_path)[0]
    complete = resume(tmp_path)
    assert len(complete.components) == n_painted()
    again = rerun("fit", tmp_path, until="dff")
    assert digest(again) == digest(complete)
    other = rerun("fit", tmp_path, seeds=centres_of(labels)[:2])
    assert len(other.components) == 2
    assert len(copies(tmp_path)) == 2
    back = rerun("fit", tmp_path, {"init.seeds": seeds_named(complete)}, until="dff")
    assert digest(back) == digest(complete)


def test_another_drawing_is_another_record(tmp_path):
    keys = []
    for n in (0, 1):
        labels = np.roll(painted(), n, axis=1)
        np.save(tmp_path / "labels.npy", labels)
        settings = recipe(*SEEDED, f"init.seeds={tmp_path / 'labels.npy'}")
        result = run(movie(), settings, tmp_path / str(n), until="fit")
        keys.append([record.key for record in result.stages])
    assert keys[0][0] == keys[1][0]
    assert keys[0][1] != keys[1][1]


def test_a_cancelled_rerun_loses_neither_drawing(tmp_path):
    before = run(movie(), recipe(*STILL), tmp_path, seeds=painted(), until="fit")
    cancel = Event()
    cancel.set()
    points = centres_of(painted())
    with pytest.raises(CancelledError):
        rerun("fit", tmp_path, seeds=points, backend=SerialBackend(), cancel=cancel)
    kept = load(tmp_path / "results.h5")
    assert digest(kept) == digest(before)
    assert len(copies(tmp_path)) == 2
    np.testing.assert_array_equal(read_seeds(tmp_path / seeds_named(kept)), painted())


def test_a_second_search_adds_nothing_to_what_was_marked(tmp_path):
    settings = recipe(
        *STILL, "init.second_search=true", "spatial.support_threshold=0.8"
    )
    result = run(movie(), settings, tmp_path, seeds=painted(), until="fit")
    assert len(result.components) == n_painted()


BAD = {
    "shape": (
        np.ones((9, 60), int),
        InputError,
        r"shape \(9, 60\) and the movie \(64, 60\)",
    ),
    "nothing": (np.zeros(FIELD, int), InputError, "mark no cell"),
    "outside": (np.array([[5.0, 5], [70, 3]]), InputError, r"Point 1 at \(70, 3\)"),
    "halves": (np.full(FIELD, 0.5), InputError, "whole numbers"),
    "pixels": (sp.csc_array(np.ones((9, 1))), InputError, "a field of 9 pixels"),
    "file": ("gone.csv", InputError, "no file gone.csv"),
}


@pytest.mark.parametrize("case", BAD)
def test_seeds_that_do_not_fit_are_refused_before_anything_is_written(tmp_path, case):
    seeds, error, words = BAD[case]
    with pytest.raises(error, match=words):
        run(movie(), recipe(*STILL), tmp_path / "out", seeds=seeds)
    assert not (tmp_path / "out").exists()


def test_cells_of_another_field_are_refused(tmp_path):
    cells = run(movie(), recipe(*STILL), tmp_path / "1", until="fit").components
    turned = replace(cells, fov_shape=FIELD[::-1])
    with pytest.raises(InputError, match="60 x 64 px, and the movie has 64 x 60 px"):
        rerun("fit", tmp_path / "1", seeds=turned)


def test_a_seeded_search_without_seeds_says_how_to_give_them(tmp_path):
    with pytest.raises(ParameterError, match=r"'init\.seeds'"):
        run(movie(), recipe(*SEEDED), tmp_path)
    run(movie(), recipe(*SEEDED), tmp_path, until="correct")  # they may come later
    with pytest.raises(ParameterError, match=r"run 'fit' with them"):
        rerun("summarise", tmp_path, seeds=painted())


def test_what_a_killed_run_left_of_its_seeds_is_removed(tmp_path):
    (tmp_path / "seeds-abc.npz.part").write_text("half")
    run(movie(), recipe(*STILL), tmp_path, seeds=painted(), until="correct")
    assert len(copies(tmp_path)) == 1


def test_nothing_is_told_of_cells_that_differ(tmp_path, caplog):
    labels = painted()
    labels[:, 30:] = 0
    with caplog.at_level(logging.WARNING, "napari_cnmf.cnmf.refit"):
        run(movie(), recipe(*STILL), tmp_path, seeds=labels == labels.max())
    assert "marked as two" not in caplog.text
