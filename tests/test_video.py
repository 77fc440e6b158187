"""Movie files: what is read back is what was shown, whole or not at all."""

from __future__ import annotations

import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from threading import Event

import av
import numpy as np
import pytest
import scipy.sparse as sp
from example_values import make_components, make_quality

from napari_cnmf.colours import ACCEPTED, REJECTED, rgb
from napari_cnmf.errors import CancelledError, InputError, OutputError
from napari_cnmf.movie import ArraySource
from napari_cnmf.reconstruction import Panel, Reconstruction, View
from napari_cnmf.video import (
    GAP_PX,
    STRIP_PX,
    Clip,
    outline_overlay,
    panel_frames,
    write_mp4,
    write_panels_mp4,
)

FIELD = (31, 40)
N_FRAMES = 30
RATE_HZ = 20.0  # of `make_components`


def images(n_frames: int = 12, shape: tuple[int, int] = (48, 64)) -> np.ndarray:
    """Smooth coloured images that change from frame to frame."""
    t, y, x = np.ogrid[:n_frames, : shape[0], : shape[1]]
    channels = [128 + 90 * np.sin(x / 9 + t / 5 + k + y / 14) for k in range(3)]
    return np.stack(channels, axis=-1).astype(np.uint8)


def decoded(path: Path) -> tuple[np.ndarray, Fraction]:
    """All frames of a file, and their rate."""
    with av.open(str(path)) as file:
        rate = file.streams.video[0].average_rate
        frames = [f.to_ndarray(format="rgb24") for f in file.decode(video=0)]
    return np.array(frames), rate


@pytest.fixture(scope="module")
def components():
    """Two accepted and two rejected cells, apart from each other."""
    start = make_components(np.arange(4), FIELD, N_FRAMES)
    cells = np.zeros((*FIELD, 4), np.float32)
    for k in range(4):
        cells[8:14, 3 + 9 * k : 9 + 9 * k, k] = 1
    quality = replace(
        make_quality(start.ids),
        flags=np.array([0, 1, 0, 1], np.int32),
        manual=np.zeros(4, np.int8),
    )
    footprints = sp.csc_array(cells.reshape(-1, 4))
    return replace(start, footprints=footprints, quality=quality)


@pytest.fixture(scope="module")
def movie() -> ArraySource:
    rng = np.random.default_rng(0)
    return ArraySource(rng.random((N_FRAMES, *FIELD)).astype(np.float32))


def test_a_file_holds_the_frames_in_order(tmp_path):
    written = images()
    write_mp4(written, tmp_path / "clip.mp4", 15, total=12)
    found, rate = decoded(tmp_path / "clip.mp4")
    assert rate == 15
    assert found.shape == written.shape
    error = np.abs(found.astype(float) - written).mean(axis=(1, 2, 3))
    assert error.max() < 6
    other = np.abs(found[1:].astype(float) - written[:-1]).mean(axis=(1, 2, 3))
    assert (other > 1.3 * error[1:]).all()


def test_odd_sides_are_made_even(tmp_path):
    written = images(3, (33, 47))
    write_mp4(written, tmp_path / "clip.mp4", 10, total=3)
    found, _ = decoded(tmp_path / "clip.mp4")
    assert found.shape == (3, 34, 48, 3)
    assert np.abs(found[:, :32, :46].astype(float) - written[:, :32, :46]).mean() < 8


@pytest.mark.parametrize("rate", [7.5, 29.97, 30.0])
def test_a_rate_need_not_be_whole(tmp_path, rate):
    write_mp4(images(3), tmp_path / "clip.mp4", rate, total=3)
    assert float(decoded(tmp_path / "clip.mp4")[1]) == pytest.approx(rate, abs=0.01)


def test_progress_is_told_of_every_frame(tmp_path):
    events = []
    write_mp4(images(4), tmp_path / "c.mp4", 9, total=4, progress=events.append)
    assert [(e.stage, e.done, e.total, e.unit) for e in events] == [
        ("export", i, 4, "frames") for i in (1, 2, 3, 4)
    ]


def test_a_cancelled_file_leaves_the_old_one(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_text("old")
    cancel = Event()
    with pytest.raises(CancelledError):
        write_mp4(
            images(9), path, 9, total=9, progress=lambda e: cancel.set(), cancel=cancel
        )
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["clip.mp4"]


def test_without_frames_there_is_no_file(tmp_path):
    with pytest.raises(InputError, match=r"clip\.mp4; choose a longer part"):
        write_mp4([], tmp_path / "clip.mp4", 9, total=0)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "taken").write_text("a file, no folder")
    with pytest.raises(OutputError, match=r"clip\.mp4 cannot be written"):
        write_mp4(images(2), tmp_path / "taken" / "clip.mp4", 9, total=2)


def test_without_pyav_it_is_said_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(OutputError, match=r'pip install "napari-cnmf\[video\]"'):
        write_mp4(images(2), tmp_path / "clip.mp4", 9, total=2)


@pytest.mark.parametrize(
    ("clip", "frames"),
    [
        (Clip(), range(300)),
        (Clip(40, 60), range(40, 60)),
        (Clip(290, 900), range(290, 300)),
        (Clip(speed=5), range(0, 300, 3)),
        (Clip(speed=0.1), range(300)),
    ],
    ids=str,
)
def test_a_clip_leaves_out_what_no_screen_shows(clip, frames):
    assert clip.frames(300, 30.0) == frames


def test_panels_are_side_by_side_at_their_scale():
    dark = Panel("dark", np.zeros((2, 3, 5)), (0.0, 1.0))
    bright = Panel("bright", np.full((2, 3, 5), 4.0), (0.0, 8.0))
    clip = Clip(magnification=2, labels=False)
    (image,) = panel_frames([dark, bright], [1], RATE_HZ, clip)
    assert image.shape == (6, 20 + GAP_PX, 3)
    assert (image[:, :10] == 0).all()
    assert (image[:, 10 + GAP_PX :] == 127).all()


def test_names_and_time_are_written_above_and_below():
    panel = Panel("name", np.zeros((9, 30, 90)), (0.0, 1.0))
    first, second = panel_frames([panel], [0, 7], RATE_HZ, Clip())
    assert first.shape == (30 + 2 * STRIP_PX, 90, 3)
    head, foot = slice(0, STRIP_PX), slice(-STRIP_PX, None)
    assert first[head].max() > 200
    np.testing.assert_array_equal(first[head], second[head])
    assert (first[foot] != second[foot]).any()


def test_outlines_have_the_colours_of_their_verdicts(components):
    overlay = outline_overlay(components, View(accepted_only=False), 4)
    assert overlay.shape == (4 * FIELD[0], 4 * FIELD[1], 4)
    for k, colour in enumerate((ACCEPTED, REJECTED, ACCEPTED, REJECTED)):
        top, left = np.argwhere(components.footprint(k)).min(axis=0)
        box = overlay[4 * top - 4 : 4 * top + 28, 4 * left - 4 : 4 * left + 28]
        line = box[box[..., 3] > 0.5]
        assert len(line) > 60
        np.testing.assert_allclose(
            line[:, :3] / line[:, 3:], np.tile(rgb(colour), (len(line), 1)), atol=1e-5
        )


def test_outlines_of_rejected_cells_are_left_out_where_these_are(components):
    every = outline_overlay(components, View(accepted_only=False))
    accepted = outline_overlay(components, View())
    assert accepted[..., 3].sum() == pytest.approx(every[..., 3].sum() / 2, rel=0.01)
    assert outline_overlay(components, View(contours=False)) is None


def test_outlines_lie_over_the_image():
    panel = Panel("name", np.ones((1, 8, 9)), (0.0, 1.0))
    overlay = np.zeros((8, 9, 4), np.float32)
    overlay[3, 4] = 0.0, 0.5, 0.0, 0.5
    (image,) = panel_frames([panel], [0], RATE_HZ, Clip(labels=False), overlay)
    assert image[3, 4].tolist() == [127, 255, 127]
    assert image[2, 4].tolist() == [255, 255, 255]


def test_what_is_shown_is_what_is_in_the_file(tmp_path, components, movie):
    path = tmp_path / "panels.mp4"
    view = View(contours=False, residual_gain=2)
    clip = Clip(5, 25, speed=0.5, magnification=2, labels=False)
    write_panels_mp4(movie, components, view, path, clip)
    found, rate = decoded(path)
    assert rate == 10
    assert found.shape == (20, 2 * FIELD[0], 6 * FIELD[1] + 2 * GAP_PX, 3)
    model = Reconstruction(components, components.accepted)
    panel = found[3, :, 80 + GAP_PX : 160 + GAP_PX, 0].astype(float)
    expected = model[8].repeat(2, axis=0).repeat(2, axis=1)
    assert np.corrcoef(panel.ravel(), expected.ravel())[0, 1] > 0.98


@pytest.mark.parametrize("view", [View(), View(colour=True, background=False)])
def test_every_view_can_be_written(tmp_path, components, movie, view):
    path = tmp_path / "panels.mp4"
    write_panels_mp4(movie, components, view, path, Clip(stop=3))
    assert len(decoded(path)[0]) == 3
