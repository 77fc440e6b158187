"""NWB files: masks the right way round, all that we know comes back, no complaints."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import datetime

import h5py
import numpy as np
import pytest
from example_values import FIELD, IDS, make_components, make_result, with_verdicts

from napari_cnmf.errors import (
    InputError,
    MissingFileError,
    MissingStageError,
    ParameterError,
)
from napari_cnmf.formats.exchange.nwb_reading import import_nwb, is_nwb
from napari_cnmf.formats.exchange.nwb_results import export_nwb
from napari_cnmf.formats.exchange.nwb_time import session_time
from napari_cnmf.leaves import leaves

START = session_time("2026-05-01T12:00:00+02:00")
#: What an NWB file of ours does not hold.
LOST = (
    "movie/files",
    "shifts/patches",
    "shifts/line_offset_px",
    "shifts/drift",
    "registration",
    "components/origin",
    "components/fates",
    "components/quality/event_",
    "stages",
    "complete",
    "proposals",
    "log",
)


def result_of(n: int):
    """Everything that a result can hold, of so many cells."""
    cells = make_components(IDS[:n])
    return make_result(with_verdicts(cells) if n else cells)


@pytest.mark.parametrize("n", [4, 1, 0])
def test_ours_come_back(tmp_path, n):
    path, result = tmp_path / "a b µ.nwb", result_of(n)
    export_nwb(result, path, session_start=START)
    assert is_nwb(path)
    found = dict(leaves(import_nwb(path)))
    for name, value in leaves(result):
        if name.startswith(LOST):
            continue
        if isinstance(value, str):
            assert found[name] == value
        else:
            np.testing.assert_allclose(found[name], value, rtol=3e-7, err_msg=name)


def test_without_quality_dff_summary_and_shifts(tmp_path):
    cells = replace(make_components(), quality=None, dff=None)
    result = replace(make_result(cells), summary=None, shifts=None)
    export_nwb(result, tmp_path / "a.nwb", session_start=START)
    found = import_nwb(tmp_path / "a.nwb")
    assert found.components.quality is None
    assert found.components.dff is None
    assert found.summary is None
    assert found.shifts is None


def test_masks_images_and_shifts_are_as_the_schema_has_them(tmp_path):
    pynwb = pytest.importorskip("pynwb")
    path, result = tmp_path / "a.nwb", result_of(4)
    export_nwb(result, path, session_start=START)
    cells = result.components
    with pynwb.NWBHDF5IO(path, "r") as reader:
        file = reader.read()
        ophys = file.processing["ophys"]
        table = ophys["ImageSegmentation"]["PlaneSegmentation"]
        for k in range(4):  # (x, y)
            np.testing.assert_array_equal(table["image_mask"][k].T, cells.footprint(k))
        mean = ophys["SegmentationImages"]["mean"].data[:]
        np.testing.assert_array_equal(mean.T, result.summary.mean)
        traces = ophys["Fluorescence"]["RoiResponseSeries"]
        assert traces.data.shape == (cells.n_frames, 4)
        np.testing.assert_allclose(traces.data[:].T, cells.raw)
        moved = ophys["xy_translation"].data[:]
        np.testing.assert_allclose(moved[:, 0], -result.shifts.values[:, 1])
        assert file.session_start_time == START
        assert table["reasons"][1].startswith("low SNR")
        assert list(table.imaging_plane.grid_spacing) == pytest.approx([2e-6, 1.5e-6])


def test_nwbinspector_finds_nothing_critical(tmp_path):
    inspector = pytest.importorskip("nwbinspector")
    path = tmp_path / "a.nwb"
    export_nwb(result_of(4), path, session_start=START)
    found = list(inspector.inspect_nwbfile(nwbfile_path=path))
    serious = {"CRITICAL", "ERROR", "PYNWB_VALIDATION"}
    assert not serious & {message.importance.name for message in found}
    assert found  # it has looked


def test_what_is_known_of_the_animal_is_kept(tmp_path):
    about = {"subject_id": "m1", "species": "Mus musculus", "sex": "F", "age": "P90D"}
    path = tmp_path / "a.nwb"
    export_nwb(result_of(0), path, session_start=START, subject=about)
    with h5py.File(path) as file:
        stored = file["general/subject"]
        assert {name: stored[name].asstr()[()] for name in about} == about


def test_the_session_start_needs_a_zone(tmp_path):
    with pytest.raises(ParameterError, match="has no time zone"):
        export_nwb(result_of(1), tmp_path / "a", session_start=datetime(2026, 5, 1))
    with pytest.raises(ParameterError, match="has no time zone"):
        session_time("2026-05-01T12:00:00")
    with pytest.raises(ParameterError, match="is no date and time"):
        session_time("noon")
    assert not list(tmp_path.iterdir())


def test_without_pynwb_one_sentence_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynwb", None)
    with pytest.raises(InputError, match=r'pip install "napari-cnmf\[exchange\]"'):
        export_nwb(result_of(1), tmp_path / "a.nwb", session_start=START)


def test_nothing_to_export_is_said(tmp_path):
    with pytest.raises(MissingStageError):
        export_nwb(
            replace(result_of(1), components=None), tmp_path / "a", session_start=START
        )


def group(file, path, kind, **columns):
    """Add a group of an NWB type with datasets."""
    node = file.create_group(path)
    node.attrs["neurodata_type"] = kind
    for name, values in columns.items():
        node[name] = values
    return node


def series(file, path, table, data):
    """Add traces that refer to a table."""
    node = group(file, path, "RoiResponseSeries", data=data, starting_time=0.0)
    node["starting_time"].attrs["rate"] = 20.0
    node["rois"] = np.arange(len(table["id"]))
    node["rois"].attrs["table"] = table.ref


def foreign_file(path, **columns):
    """Begin a file of another program: its table of cells."""
    file = h5py.File(path, "w")
    file.attrs["nwb_version"] = "2.2.0"
    place = "processing/ophys/ImageSegmentation/PlaneSegmentation"
    return file, group(file, place, "PlaneSegmentation", **columns)


def test_caimans_masks_are_unfolded(tmp_path):
    cells, rng = make_components(), np.random.default_rng(0)
    masks = [cells.footprint(k).ravel(order="F").reshape(FIELD) for k in range(4)]
    ones = np.ones(4)
    scores = {"r": ones, "snr": 2 * ones, "cnn": ones / 2, "keep": ones}
    verdicts = {"accepted": [1, 0, 1, 0], "rejected": [0, 1, 0, 1]}
    file, table = foreign_file(
        tmp_path / "c.nwb", id=np.arange(4), image_mask=masks, **scores, **verdicts
    )
    residuals = rng.random((20, 4))
    with file:
        place = "processing/ophys/Fluorescence/RoiResponseSeries"
        series(file, place, table, cells.denoised.T)
        group(file, "processing/ophys/residuals", "TimeSeries", data=residuals)
    found = import_nwb(tmp_path / "c.nwb").components
    assert found.fov_shape == FIELD
    norms = np.sqrt(cells.footprints.power(2).sum(axis=0))[:, None]
    for k in range(4):
        np.testing.assert_allclose(
            found.footprint(k) * norms[k], cells.footprint(k), rtol=1e-6
        )
    np.testing.assert_allclose(found.denoised, norms * cells.denoised, rtol=1e-6)
    np.testing.assert_allclose(found.residual_traces, norms * residuals.T, rtol=1e-4)
    assert found.accepted.tolist() == [True, False, True, False]
    assert found.quality.caiman_snr.tolist() == [2, 2, 2, 2]


def test_neuropil_of_others_becomes_background(tmp_path):
    rng = np.random.default_rng(0)
    light, around = rng.random((2, 20, 2)).astype(np.float32)
    dtype = [("x", "u4"), ("y", "u4"), ("weight", "f4")]
    pixels = np.array([(8, 2, 1), (7, 2, 2), (0, 5, 3)], dtype)
    file, table = foreign_file(
        tmp_path / "s.nwb",
        id=np.arange(2),
        pixel_mask=pixels,
        pixel_mask_index=np.array([2, 3], np.uint8),
        Accepted=np.array([True, False]),
    )
    with file:
        place = "processing/ophys/Fluorescence/"
        series(file, place + "RoiResponseSeries", table, light)
        series(file, place + "Neuropil", table, around)
        file["mean"] = np.zeros((9, 6))  # (x, y)
        file["mean"].attrs["neurodata_type"] = "GrayscaleImage"
    cells = import_nwb(tmp_path / "s.nwb").components
    assert cells.fov_shape == FIELD
    np.testing.assert_array_equal(np.argwhere(cells.footprint(1)), [[5, 0]])
    assert cells.footprint(0)[2, 7] == pytest.approx(2 * cells.footprint(0)[2, 8])
    change = around[:, 1] - around[:, 1].mean()
    wanted = light[:, 1] - around[:, 1].mean() - 0.7 * change
    np.testing.assert_allclose(cells.raw[1], wanted, rtol=1e-4, atol=1e-6)
    assert cells.accepted.tolist() == [True, False]


def test_what_is_wrong_with_a_file_is_said(tmp_path):
    with pytest.raises(MissingFileError):
        import_nwb(tmp_path / "a.nwb")
    (tmp_path / "b.nwb").write_bytes(b"no HDF5")
    assert not is_nwb(tmp_path / "b.nwb")
    with pytest.raises(InputError, match="cannot be read as NWB with cells"):
        import_nwb(tmp_path / "b.nwb")
    file, _ = foreign_file(
        tmp_path / "c.nwb", id=np.arange(1), image_mask=np.ones((1, 3, 4))
    )
    file.close()
    with pytest.raises(InputError, match="no fluorescence of theirs"):
        import_nwb(tmp_path / "c.nwb")
    with h5py.File(tmp_path / "c.nwb", "a") as file:
        group(file, "processing/other", "PlaneSegmentation")
    with pytest.raises(InputError, match="holds 2 tables of cells"):
        import_nwb(tmp_path / "c.nwb")
