"""ImageJ's ROIs: contours where ImageJ draws them, named and coloured by cell."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from example_values import IDS, make_components, make_result, with_verdicts

from napari_cnmf.colours import ACCEPTED, REJECTED
from napari_cnmf.contours import contours
from napari_cnmf.errors import InputError, OutputError
from napari_cnmf.report.imagej_rois import export_rois

roifile = pytest.importorskip("roifile")


@pytest.fixture
def result():
    return make_result(with_verdicts(make_components()))


def exported(result, path, **options):
    export_rois(result, path, **options)
    return roifile.roiread(path)


def test_each_cell_is_a_polygon_named_by_its_id(tmp_path, result):
    rois = exported(result, tmp_path / "cells.zip")
    assert [roi.name for roi in rois] == [str(i) for i in IDS]
    assert {roi.roitype for roi in rois} == {roifile.ROI_TYPE.POLYGON}


def test_the_lines_are_the_contours_to_parts_of_a_pixel(tmp_path, result):
    rois = exported(result, tmp_path / "cells.zip")
    for roi, (line,) in zip(rois, contours(result.components), strict=True):
        # ImageJ's pixel 0 reaches from 0 to 1, ours lies around 0.
        np.testing.assert_allclose(
            roi.coordinates()[:, ::-1] - 0.5, line[:-1], atol=1e-5
        )


def test_verdict_and_reasons_are_in_colour_and_properties(tmp_path, result):
    rois = exported(result, tmp_path / "cells.zip")
    cells = result.components
    for k, roi in enumerate(rois):
        colour = ACCEPTED if cells.accepted[k] else REJECTED
        assert f"#{roi.stroke_color[1:].hex()}" == colour
        reasons = "; ".join(cells.quality.reasons(k))
        accepted = "true" if cells.accepted[k] else "false"
        assert roi.props == f"accepted: {accepted}\nreasons: {reasons}\n"


def test_of_two_parts_the_larger_is_written_and_of_none_nothing(tmp_path, result):
    cells = result.components
    images = np.zeros((len(cells), *cells.fov_shape), np.float32)
    images[0, 0, 0], images[0, 2:6, 3:8] = 1, 1
    footprints = sp.csc_array(images.reshape(len(cells), -1).T)
    parted = replace(result, components=replace(cells, footprints=footprints))
    (roi,) = exported(parted, tmp_path / "cells.zip")
    assert (roi.top, roi.left) >= (1, 2)


def test_the_same_result_gives_the_same_bytes(tmp_path, result):
    for name in ("a.zip", "b.zip"):
        export_rois(result, tmp_path / name)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


@pytest.mark.parametrize("n_cells", [1, 0])
def test_few_cells_are_a_set_as_well(tmp_path, result, n_cells):
    cells = result.components.select(np.arange(n_cells))
    export_rois(replace(result, components=cells), tmp_path / "cells.zip")
    assert (tmp_path / "cells.zip").exists()


def test_rejected_cells_can_be_left_out(tmp_path, result):
    rois = exported(result, tmp_path / "cells.zip", accepted_only=True)
    assert len(rois) == result.components.accepted.sum()


def test_another_ending_is_refused(tmp_path, result):
    with pytest.raises(InputError, match=r"does not end with \.zip"):
        export_rois(result, tmp_path / "cells.roi")


def test_without_the_library_its_extra_is_named(tmp_path, result, monkeypatch):
    monkeypatch.setitem(sys.modules, "roifile", None)
    with pytest.raises(OutputError, match=r"napari-cnmf\[exchange\]"):
        export_rois(result, tmp_path / "cells.zip")
