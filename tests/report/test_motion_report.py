"""The picture and the words about the registration."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from example_values import FIELD, make_registration, make_result, make_shifts
from matplotlib.image import imread

from napari_cnmf.errors import MissingStageError
from napari_cnmf.movie.images import crispness
from napari_cnmf.report.facts import (
    bad_frames_in_words,
    comparisons,
    frames_in_words,
    motion_facts,
    motion_rows,
)
from napari_cnmf.report.motion import draw_motion_report, write_motion_report
from napari_cnmf.report.traces import MAX_POINTS


def registered(n_frames: int = 200, flags: np.ndarray | None = None):
    """A result of a registration alone, with rows and columns out of view."""
    found = make_registration(n_frames)
    if flags is not None:
        found = replace(found, flags=flags)
    result = make_result()
    valid = np.zeros(FIELD, bool)
    valid[1:, 2:-1] = True
    return replace(
        result,
        movie=replace(result.movie, shape=(n_frames, *FIELD)),
        summary=replace(result.summary, valid=valid),
        shifts=make_shifts(n_frames),
        registration=found,
        components=None,
    )


def texts_of(figure) -> list[str]:
    """All texts of the figure."""
    axes = [text.get_text() for part in figure.axes for text in part.texts]
    titles = [
        part.get_title(side) for part in figure.axes for side in ("left", "right")
    ]
    return [*axes, *titles, *(text.get_text() for text in figure.texts)]


def test_the_picture_needs_no_components(tmp_path):
    path = tmp_path / "motion.png"
    path.write_text("old")
    write_motion_report(registered(), path)
    assert imread(path).shape[:2] == (1500, 2400)
    assert [file.name for file in tmp_path.iterdir()] == ["motion.png"]


@pytest.mark.parametrize("missing", ["registration", "shifts", "summary"])
def test_without_a_registration_there_is_nothing_to_draw(missing):
    with pytest.raises(MissingStageError, match=r"motion\.mode"):
        draw_motion_report(replace(registered(), **{missing: None}))


def test_the_picture_tells_what_was_found():
    texts = texts_of(draw_motion_report(registered()))
    assert any("registered piecewise, 2 x 3 patches" in text for text in texts)
    assert "1 of 200 frames are bad" in texts
    assert "odd rows lay +0.75 px to the right" in texts
    assert "top 1, bottom 0, left 2, right 1 px" in texts


@pytest.mark.parametrize(
    "changes",
    [
        {"shifts": replace(make_shifts(200), patches=None, line_offset_px=0.0)},
        {
            "registration": replace(
                make_registration(200),
                residual_before=np.empty(0, np.float32),
                residual_after=np.empty(0, np.float32),
            )
        },
        {"registration": replace(make_registration(200), flags=np.full(200, 7, "i4"))},
    ],
    ids=["rigid", "no residuals", "all bad"],
)
def test_less_or_more_than_usual_is_drawn(changes):
    draw_motion_report(replace(registered(), **changes)).draw_without_rendering()


def test_a_constant_movie_is_drawn():
    result = registered()
    still = np.zeros(FIELD, np.float32)
    images = replace(result.summary, mean=still, correlation=still)
    found = replace(result.registration, before=images)
    figure = draw_motion_report(replace(result, summary=images, registration=found))
    figure.draw_without_rendering()


def test_a_long_movie_is_thinned():
    figure = draw_motion_report(registered(20 * MAX_POINTS))
    for axes in figure.axes:
        assert all(len(line.get_xdata()) <= MAX_POINTS for line in axes.lines)
        for collection in axes.collections:
            paths = collection.get_paths()
            assert all(len(path.vertices) < 3 * MAX_POINTS for path in paths)


def test_crispness_is_compared_where_both_hold_data():
    result = registered()
    inner = np.s_[1:, 2:-1]
    (row,) = [r for r in comparisons(result) if r.name.startswith("crispness")]
    assert row.before == f"{crispness(result.registration.before.mean[inner]):,.4g}"
    assert row.after.startswith(f"{crispness(result.summary.mean[inner]):,.4g} (")


def test_what_was_not_registered_has_no_facts():
    result = replace(registered(), shifts=None, registration=None)
    assert motion_facts(result) == comparisons(result) == motion_rows(result) == []


def test_the_facts_name_everything_once():
    names = [name for name, _ in motion_rows(registered())]
    assert names[:5] == ["registered", "shifts", "line offset", "borders", "bad frames"]
    assert len(set(names)) == len(names) == 8


def test_an_offset_or_border_that_is_not_there_is_not_named():
    result = registered()
    whole = replace(result.summary, valid=np.ones(FIELD, bool))
    shifts = replace(result.shifts, line_offset_px=0.0, patches=None)
    facts = dict(motion_facts(replace(result, summary=whole, shifts=shifts)))
    assert set(facts) == {"registered", "shifts", "bad frames"}
    assert facts["registered"] == "as whole frames"


def test_bad_frames_are_counted_once_and_named_for_each_reason():
    flags = np.zeros(200, np.int32)
    flags[[3, 4, 5, 80]] = 2
    flags[80] = 6
    assert bad_frames_in_words(replace(make_registration(200), flags=flags)) == (
        "4 (unlike the template: 3 to 5, 80; no signal: 80)"
    )
    assert bad_frames_in_words(replace(make_registration(), flags=0 * flags)) == "none"


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ([4], "4"),
        ([4, 5], "4 to 5"),
        ([0, 2, 3, 4, 9], "0, 2 to 4, 9"),
        (range(0, 24, 2), "0, 2, 4, 6, 8, 10, 12, 14, 16, 18, ..."),
    ],
)
def test_frames_are_named_in_runs(frames, words):
    assert frames_in_words(np.array(frames)) == words
