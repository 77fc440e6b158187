"""What the user is told after the registration, in the log and as warnings."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
from example_values import FIELD, make_registration, make_result, make_shifts

from napari_cnmf.cli.summary import summarise_run
from napari_cnmf.pipeline.records import warn_of_oddities
from napari_cnmf.pipeline.stages import stage_named


def told(result, caplog) -> tuple[list[str], list[str]]:
    """Log lines and warnings after the stage `correct`."""
    with caplog.at_level(logging.INFO, "napari_cnmf"):
        warn_of_oddities(stage_named("correct"), result)
    by_level = [
        [r.getMessage() for r in caplog.records if r.levelno == level]
        for level in (logging.INFO, logging.WARNING)
    ]
    return by_level[0], by_level[1]


@pytest.fixture
def healthy():
    """A result without anything to complain about."""
    result = make_result()
    found = replace(make_registration(), flags=np.zeros(20, np.int32))
    summary = replace(result.summary, valid=np.ones(FIELD, bool))
    return replace(result, summary=summary, registration=found)


def test_a_good_registration_is_logged_without_warnings(healthy, caplog):
    lines, warnings = told(healthy, caplog)
    assert "registered: piecewise, 2 x 3 patches" in lines
    assert "line offset: odd rows lay +0.75 px to the right" in lines
    assert "bad frames: none" in lines
    assert any(line.startswith("crispness of the mean image: ") for line in lines)
    assert warnings == []


def test_frames_at_the_limit_are_counted(healthy, caplog):
    shifts = make_shifts()
    shifts.values[[2, 5]] = 12, 0
    _, (warning,) = told(replace(healthy, shifts=shifts), caplog)
    assert warning.startswith("2 frames have moved as far as the search goes (12 px)")


def test_bad_frames_are_named(healthy, caplog):
    healthy.registration.flags[[3, 4, 9]] = 2
    _, (warning,) = told(healthy, caplog)
    assert "bad after registration: 3 (unlike the template: 3 to 4, 9);" in warning
    assert "motion.leave_out_bad" in warning


@pytest.mark.parametrize(("border", "is_told"), [(3, False), (8, True)])
def test_wide_borders_are_told(healthy, caplog, border, is_told):
    valid = np.ones((100, 120), bool)
    valid[:border] = False
    summary = replace(
        healthy.summary,
        **{n: np.ones(valid.shape, np.float32) for n in ("mean", "std")},
        valid=valid,
    )
    found = replace(healthy.registration, before=summary)
    _, warnings = told(replace(healthy, summary=summary, registration=found), caplog)
    assert [f"top {border}," in warning for warning in warnings] == [True] * is_told


def test_a_movie_that_was_not_registered_has_nothing_to_tell(healthy, caplog):
    result = replace(healthy, shifts=None, registration=None)
    assert told(result, caplog) == ([], [])


def test_the_summary_of_a_run_names_bad_frames_and_pictures(healthy, tmp_path, capsys):
    healthy.registration.flags[7] = 4
    (tmp_path / "motion.png").touch()
    summarise_run(healthy, tmp_path)
    lines = capsys.readouterr().out
    assert "bad frames  1 (no signal: 7)" in lines
    assert "motion.png" in lines
