"""Exports: npz with the agreed keys, CSV tables with the right columns."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from example_values import (
    FIELD,
    IDS,
    N_FRAMES,
    make_components,
    make_result,
    with_verdicts,
)

from napari_cnmf.errors import MissingStageError, OutputError
from napari_cnmf.formats.tables import export_csv, export_npz

KEYS = {
    "A_data",
    "A_indices",
    "A_indptr",
    "A_shape",
    "C",
    "C_raw",
    "S",
    "dff",
    "accepted",
    "snr",
    "r_value",
    "shifts",
    "dims",
    "order",
    "frame_rate",
}
OF_REGISTRATION = {
    "valid",
    "borders",
    "bad_frames",
    "correlation_before",
    "correlation_after",
    "patch_shifts",
    "patch_centers",
}


@pytest.fixture
def result():
    return make_result(with_verdicts(make_components()))


def exported(result, path, **options):
    export_npz(result, path, **options)
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def table(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_the_npz_holds_exactly_the_agreed_arrays(tmp_path, result):
    found = exported(result, tmp_path / "result.npz")
    assert set(found) == KEYS | OF_REGISTRATION
    cells = result.components
    footprints = sp.csc_array(
        (found["A_data"], found["A_indices"], found["A_indptr"]),
        shape=tuple(found["A_shape"]),
    )
    np.testing.assert_array_equal(footprints.toarray(), cells.footprints.toarray())
    np.testing.assert_array_equal(found["C"], cells.denoised)
    np.testing.assert_array_equal(found["C_raw"], cells.raw)
    np.testing.assert_array_equal(found["S"], cells.spikes)
    np.testing.assert_array_equal(found["dff"], cells.dff)
    np.testing.assert_array_equal(found["snr"], cells.quality.snr)
    np.testing.assert_array_equal(found["r_value"], cells.quality.r_value)
    np.testing.assert_array_equal(found["shifts"], result.shifts.values)
    assert found["accepted"].tolist() == [True, False, False, True]
    assert found["accepted"].dtype == bool
    assert tuple(found["dims"]) == FIELD
    assert found["order"] == "C"
    assert found["frame_rate"] == 20.0


def test_what_was_not_computed_is_nan_and_shifts_are_zero(tmp_path, result):
    plain = replace(result.components, quality=None, dff=None)
    still = {"shifts": None, "registration": None, "summary": None}
    found = exported(
        replace(result, components=plain, **still), tmp_path / "result.npz"
    )
    assert set(found) == KEYS
    assert np.isnan(found["dff"]).all()
    assert found["dff"].shape == (4, N_FRAMES)
    assert np.isnan(found["snr"]).all()
    assert np.isnan(found["r_value"]).all()
    assert found["accepted"].all()
    np.testing.assert_array_equal(found["shifts"], np.zeros((N_FRAMES, 2)))


def test_the_npz_tells_how_well_frames_and_patches_were_registered(tmp_path, result):
    valid = np.ones(FIELD, bool)
    valid[0] = valid[:, -2:] = False
    result = replace(result, summary=replace(result.summary, valid=valid))
    found = exported(result, tmp_path / "result.npz")
    np.testing.assert_array_equal(found["valid"], valid)
    assert found["borders"].tolist() == [1, 0, 0, 2]
    assert found["bad_frames"].tolist() == [3]
    for name in ("correlation_before", "correlation_after"):
        np.testing.assert_array_equal(found[name], getattr(result.registration, name))
    patches = result.shifts.patches
    np.testing.assert_array_equal(found["patch_shifts"], patches.values)
    np.testing.assert_array_equal(found["patch_centers"], patches.centres)


def test_rejected_components_can_be_left_out_of_the_npz(tmp_path, result):
    found = exported(result, tmp_path / "result.npz", accepted_only=True)
    assert found["C"][:, 0].tolist() == [7, 5]
    assert tuple(found["A_shape"]) == (54, 2)
    assert found["accepted"].tolist() == [True, True]


def test_the_exact_name_is_used_and_an_older_file_replaced(tmp_path, result):
    path = tmp_path / "result.data"
    path.write_bytes(b"old")
    assert "C" in exported(result, path)
    assert [file.name for file in tmp_path.iterdir()] == ["result.data"]


def test_trace_tables_have_a_time_column_and_a_column_per_cell(tmp_path, result):
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1000, (4, N_FRAMES)).astype(np.float32)
    cells = replace(result.components, denoised=values, dff=-values)
    export_csv(replace(result, components=cells), tmp_path / "tables")
    sources = {
        "traces_raw.csv": cells.raw,
        "traces_denoised.csv": values,
        "deconvolved.csv": cells.spikes,
        "dff.csv": -values,
    }
    for name, expected in sources.items():
        rows = table(tmp_path / "tables" / name)
        assert rows[0] == ["time_s", *map(str, IDS)]
        numbers = np.array(rows[1:], dtype=float)
        np.testing.assert_allclose(numbers[:, 0], np.arange(N_FRAMES) / 20)
        np.testing.assert_allclose(numbers[:, 1:], expected.T, rtol=1e-5)
    assert len(list((tmp_path / "tables").iterdir())) == 6


def test_the_table_of_cells_has_place_size_verdict_and_all_scores(tmp_path, result):
    export_csv(result, tmp_path)
    header, *rows = table(tmp_path / "cells.csv")
    cells = [dict(zip(header, row, strict=True)) for row in rows]
    assert [cell["id"] for cell in cells] == ["7", "3", "11", "5"]
    assert [cell["accepted"] for cell in cells] == ["1", "0", "0", "1"]
    assert cells[0]["reasons"] == ""
    assert "low SNR: 3 against a limit of 20" in cells[1]["reasons"]
    assert cells[1]["notes"] == "cut by the edge; saturated"  # the bits are the ids
    place = [float(cells[1][name]) for name in ("y_px", "x_px", "y_um", "x_um")]
    assert place == [0.5, 1.5, 0.75, 3.0]
    assert cells[1]["area_px"] == "4"
    for name in ("snr", "r_value", "relative_area", "ring", "edge", "caiman_snr"):
        assert [float(cell[name]) for cell in cells] == IDS.tolist()


def test_the_table_of_motion_has_a_row_per_frame(tmp_path, result):
    export_csv(result, tmp_path)
    header, *rows = table(tmp_path / "motion.csv")
    frames = [dict(zip(header, row, strict=True)) for row in rows]
    assert [frame["frame"] for frame in frames] == list(map(str, range(N_FRAMES)))
    columns = np.array([row[1:6] for row in rows], float)
    found = result.registration
    expected = [
        np.arange(N_FRAMES) / 20,
        *result.shifts.values.T,
        found.correlation_before,
        found.correlation_after,
    ]
    np.testing.assert_allclose(columns, np.transpose(expected), rtol=1e-5)
    assert frames[3]["reasons"] == "shift at the limit; unlike the template"
    assert {frame["reasons"] for frame in frames[:3] + frames[4:]} == {""}


def test_the_table_of_motion_needs_a_registration(tmp_path, result):
    export_csv(replace(result, registration=None), tmp_path / "old")
    header, *rows = table(tmp_path / "old" / "motion.csv")
    assert header == ["frame", "time_s", "dy_px", "dx_px"]
    assert len(rows) == N_FRAMES
    export_csv(replace(result, registration=None, shifts=None), tmp_path / "still")
    assert not (tmp_path / "still" / "motion.csv").exists()


def test_unknown_values_are_left_empty_and_missing_stages_out(tmp_path, result):
    plain = replace(result.components, quality=None, dff=None)
    movie = replace(result.movie, pixel_size_um=None)
    export_csv(replace(result, components=plain, movie=movie), tmp_path)
    header, first, *_ = table(tmp_path / "cells.csv")
    cell = dict(zip(header, first, strict=True))
    assert (cell["y_um"], cell["reasons"], cell["accepted"]) == ("", "", "1")
    assert "snr" not in header
    assert not (tmp_path / "dff.csv").exists()


def test_rejected_components_can_be_left_out_of_the_tables(tmp_path, result):
    export_csv(result, tmp_path, accepted_only=True)
    assert [row[0] for row in table(tmp_path / "cells.csv")] == ["id", "7", "5"]
    assert table(tmp_path / "dff.csv")[0] == ["time_s", "7", "5"]


def test_no_cells_give_tables_without_cells(tmp_path, result):
    none = replace(result, components=make_components(np.zeros(0, int)))
    export_csv(none, tmp_path / "csv")
    assert len(table(tmp_path / "csv" / "cells.csv")) == 1
    assert len(table(tmp_path / "csv" / "dff.csv")) == 1 + N_FRAMES
    assert exported(none, tmp_path / "none.npz")["C"].shape == (0, N_FRAMES)


@pytest.mark.parametrize("export", [export_npz, export_csv])
def test_a_result_without_components_is_refused(tmp_path, result, export):
    with pytest.raises(MissingStageError, match="no components to export"):
        export(replace(result, components=None), tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_failed_export_leaves_the_older_tables_as_they_were(
    tmp_path, result, monkeypatch
):
    export_csv(result, tmp_path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("napari_cnmf.formats.tables._write_cells", full)
    with pytest.raises(OutputError, match=r"cells\.csv cannot be written .*free space"):
        export_csv(result, tmp_path, accepted_only=True)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
