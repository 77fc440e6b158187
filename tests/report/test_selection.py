"""The figure and the table of some cells' traces."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
from example_values import IDS, N_FRAMES, make_components
from matplotlib.image import imread

from napari_cnmf.errors import InputError
from napari_cnmf.report.lanes import KINDS, rows
from napari_cnmf.report.selection import draw_rows, write_figure, write_table

RATE_HZ = 20.0


def words(figure) -> list[str]:
    """Everything written into a figure."""
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf", ".PNG"])
def test_the_suffix_chooses_the_format(suffix, tmp_path):
    path = tmp_path / f"traces{suffix}"
    write_figure(make_components(), [0, 2], path)
    beginnings = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}
    assert path.read_bytes().startswith(beginnings[suffix.lower()])


def test_text_in_svg_can_be_edited(tmp_path):
    write_figure(make_components(), [0], tmp_path / "traces.svg")
    assert ">time (s)<" in (tmp_path / "traces.svg").read_text()


def test_another_suffix_is_refused_with_those_that_work(tmp_path):
    with pytest.raises(InputError, match=r"\.png, \.svg, \.pdf"):
        write_figure(make_components(), [0], tmp_path / "traces.jpg")


def test_nothing_to_draw_is_refused(tmp_path):
    with pytest.raises(InputError, match="select a cell"):
        write_figure(make_components(), [], tmp_path / "traces.png")


def test_ids_and_titles_are_written_within_the_figure():
    arranged = rows(make_components(), [1, 3], KINDS)
    figure = draw_rows(arranged, RATE_HZ, (0.0, 1.0))
    assert {str(IDS[1]), str(IDS[3]), "F", "events"} <= set(words(figure))
    figure.canvas.draw()
    width, height = figure.canvas.get_width_height()
    for text in figure.axes[0].texts:
        box = text.get_window_extent()
        assert box.x0 >= 0, text
        assert box.x1 <= width, text
        assert box.y0 >= 0, text
        assert box.y1 <= height, text


def test_only_the_span_is_drawn():
    figure = draw_rows(rows(make_components(), [0], ["raw"]), RATE_HZ, (0.25, 0.5))
    (curve, *_) = figure.axes[0].lines
    assert figure.axes[0].get_xlim() == (0.25, 0.5)
    assert len(curve.get_xdata()) < N_FRAMES
    assert curve.get_xdata()[0] == 0.25


def test_a_figure_has_ink_in_the_cells_colour(tmp_path):
    components = make_components()
    wave = np.sin(np.arange(N_FRAMES)).astype(np.float32)
    components = replace(components, denoised=np.tile(wave, (len(IDS), 1)))
    write_figure(components, [0], tmp_path / "a.png", kinds=["denoised"])
    pixels = imread(tmp_path / "a.png")[..., :3]
    coloured = np.ptp(pixels, axis=2) > 0.3
    assert coloured.sum() > 200


def test_the_table_holds_every_number(tmp_path):
    components = make_components()
    write_table(components, [2, 0], tmp_path / "a.csv", kinds=("raw", "dff"))
    with (tmp_path / "a.csv").open(newline="") as file:
        titles, *lines = list(csv.reader(file))
    names = [f"cell{IDS[k]}_{kind}" for k in (2, 0) for kind in ("raw", "dff")]
    assert titles == ["time_s", *names]
    values = np.array(lines, float)
    np.testing.assert_allclose(values[:, 0], np.arange(N_FRAMES) / RATE_HZ)
    np.testing.assert_allclose(values[:, 1], components.raw[2], rtol=1e-5)
    np.testing.assert_allclose(values[:, 4], components.dff[0], rtol=1e-5)
