"""suite2p's folders: nothing in them is executed, and nothing is lost on the way."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import tifffile
from example_values import FIELD, IDS, make_components, make_result, with_verdicts
from numpy.lib import format as npy

from napari_cnmf.components import Components
from napari_cnmf.errors import InputError, MissingFileError, MissingStageError
from napari_cnmf.formats.exchange.restricted_pickle import load_npy
from napari_cnmf.formats.exchange.roi_means import own_pixels
from napari_cnmf.formats.exchange.suite2p import (
    export_suite2p,
    import_suite2p,
    plane_folder,
)

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
REAL = SHARED / "suite2p-results" / "plane0"
TRACES = ("F", "Fneu", "spks")
EXACT = {"rtol": 1e-6, "atol": 1e-6}

real_files = pytest.mark.skipif(not REAL.is_dir(), reason="no shared data here")


def unit_cells(n: int) -> Components:
    """Components with footprints of unit norm, the first and last accepted."""
    cells = make_components(IDS[:n])
    scale = sp.diags_array(1 / sp.linalg.norm(cells.footprints, axis=0))
    footprints = sp.csc_array(cells.footprints @ scale).astype(np.float32)
    cells = replace(cells, footprints=sp.csc_array(footprints))
    return with_verdicts(cells) if n else cells


def pickled(path: Path, content: bytes) -> Path:
    """Write an npy file whose pickle is given."""
    with path.open("wb") as file:
        header = {"descr": "|O", "fortran_order": False, "shape": ()}
        npy.write_array_header_1_0(file, header)
        file.write(content)
    return path


class Command:
    """Runs a command when it is unpickled by pickle itself."""

    def __init__(self, function, *arguments) -> None:
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "call",
    [
        Command(os.system, "touch executed"),
        Command(eval, "open('executed', 'w')"),
        Command(np.load, "executed", None, True),
        Command(getattr, np.ndarray, "tofile"),
    ],
)
def test_a_pickle_that_calls_anything_is_refused(tmp_path, monkeypatch, call):
    monkeypatch.chdir(tmp_path)
    path = pickled(tmp_path / "stat.npy", pickle.dumps([call]))
    with pytest.raises(InputError, match="which is refused"):
        load_npy(path)
    assert not (tmp_path / "executed").exists()


def test_a_pickle_cannot_ask_for_much_memory(tmp_path):
    # Puts a value in place 4 294 967 280 of the memo, for which room would be made.
    bomb = b"\x80\x04Nr\xf0\xff\xff\xff."
    with pytest.raises(InputError, match="a place that it has not"):
        load_npy(pickled(tmp_path / "stat.npy", bomb))


def test_objects_of_classes_are_refused_by_their_step(tmp_path):
    content = pickle.dumps(Path("a"), protocol=4).replace(b"R", b"\x81")
    with pytest.raises(InputError, match="NEWOBJ"):
        load_npy(pickled(tmp_path / "ops.npy", content))


def test_damaged_files_give_our_error_only(tmp_path):
    whole = tmp_path / "stat.npy"
    cells = [{"ypix": np.arange(5), "lam": np.ones(5, "f4")}, {"npix": 1.5}]
    np.save(whole, np.array(cells))
    content, rng = whole.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(400):
        changed = bytearray(content[: rng.integers(60, len(content) + 1)])
        for place in rng.integers(0, len(changed), 3):
            changed[place] = rng.integers(256)
        whole.write_bytes(changed)
        try:
            load_npy(whole)
        except InputError:
            refused += 1
    assert refused > 200


def test_a_header_that_lies_is_found_before_memory_is_taken(tmp_path):
    path = tmp_path / "F.npy"
    np.save(path, np.zeros((3, 4), np.float32))
    path.write_bytes(path.read_bytes().replace(b"(3, 4), ", b"(9, 9), "))
    with pytest.raises(InputError, match="324 bytes are announced, 48 there"):
        load_npy(path)


def test_plain_objects_come_back_as_they_were(tmp_path):
    content = {
        "a": [1, -2.5, "µ", b"x", None, True],
        "scalar": np.float32(1.5),
        "turned": np.asfortranarray(np.arange(6, dtype=">i2").reshape(2, 3)),
        "texts": np.array(["ab", "c"]),
        "inner": np.array([np.ones(2), (1, 2), None], object),
    }
    np.save(tmp_path / "ops.npy", np.array(content))
    found = load_npy(tmp_path / "ops.npy").item()
    assert found["a"] == content["a"]
    assert found["scalar"] == 1.5
    np.testing.assert_array_equal(found["turned"], content["turned"])
    np.testing.assert_array_equal(found["texts"], content["texts"])
    np.testing.assert_array_equal(found["inner"][0], np.ones(2))
    assert found["inner"][1] == (1, 2)


@pytest.mark.parametrize("n", [4, 1, 0])
def test_ours_come_back_from_a_folder(tmp_path, n):
    cells = unit_cells(n)
    result = make_result(cells)
    export_suite2p(result, tmp_path / "plane0")
    found = import_suite2p(tmp_path)
    again = found.components
    assert found.movie.shape == result.movie.shape
    assert again.fov_shape == FIELD
    assert abs(again.footprints - cells.footprints).sum() < 1e-5
    np.testing.assert_allclose(again.raw, cells.raw, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(again.spikes, cells.spikes, **EXACT)
    np.testing.assert_array_equal(again.accepted, cells.accepted)
    np.testing.assert_allclose(found.shifts.values, result.shifts.values)
    np.testing.assert_allclose(found.shifts.max_shift_px, 12)


def test_a_folder_comes_back_from_ours(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    export_suite2p(make_result(unit_cells(1)), first)
    export_suite2p(import_suite2p(first), second)
    for name in (*TRACES, "iscell"):
        np.testing.assert_allclose(
            load_npy(second / f"{name}.npy"), load_npy(first / f"{name}.npy"), **EXACT
        )


def test_the_light_under_a_cell_is_cell_and_background(tmp_path):
    cells = unit_cells(1)
    export_suite2p(make_result(cells), tmp_path)
    movie = cells.footprints @ cells.raw
    movie += cells.background.frames(0, cells.n_frames).reshape(cells.n_frames, -1).T
    weights = cells.footprints.toarray()[:, 0] / cells.footprints.sum()
    np.testing.assert_allclose(
        load_npy(tmp_path / "F.npy")[0], weights @ movie, rtol=1e-5
    )


def test_what_users_take_away_leaves_the_demixed_trace(tmp_path):
    cells = unit_cells(1)
    export_suite2p(make_result(cells), tmp_path)
    light, around = (load_npy(tmp_path / f"{name}.npy")[0] for name in ("F", "Fneu"))
    left, raw = light - 0.7 * around, cells.raw[0]
    gain = (cells.footprints.power(2).sum() / cells.footprints.sum()).item()
    np.testing.assert_allclose(left - left.mean(), gain * (raw - raw.mean()), atol=1e-4)


def test_verdicts_against_the_classifier_are_by_hand(tmp_path):
    export_suite2p(make_result(unit_cells(4)), tmp_path)
    table = np.array([[1, 0.9], [0, 0.9], [1, 0.1], [0, 0.1]])
    np.save(tmp_path / "iscell.npy", table)
    quality = import_suite2p(tmp_path).components.quality
    assert quality.accepted.tolist() == [True, False, True, False]
    assert quality.manual.tolist() == [0, -1, 1, 0]
    assert "unlike a neuron: 0.1 against a limit of 0.5" in quality.reasons(3)[0]


def test_neuropil_and_spikes_may_be_missing(tmp_path):
    export_suite2p(make_result(unit_cells(4)), tmp_path)
    for name in ("Fneu", "spks", "iscell"):
        (tmp_path / f"{name}.npy").unlink()
    cells = import_suite2p(tmp_path).components
    assert not cells.spikes.any()
    assert cells.accepted.all()


def test_a_folder_of_several_planes_asks_for_one(tmp_path):
    for name in ("plane0", "plane1"):
        export_suite2p(make_result(unit_cells(1)), tmp_path / "suite2p" / name)
    with pytest.raises(InputError, match="2 planes"):
        plane_folder(tmp_path)


def test_what_is_missing_or_misfits_is_said(tmp_path):
    with pytest.raises(InputError, match="holds no results of suite2p"):
        import_suite2p(tmp_path)
    with pytest.raises(MissingFileError):
        load_npy(tmp_path / "F.npy")
    with pytest.raises(MissingStageError):
        export_suite2p(replace(make_result(), components=None), tmp_path)
    export_suite2p(make_result(unit_cells(4)), tmp_path)
    np.save(tmp_path / "F.npy", np.zeros((3, 20), np.float32))
    with pytest.raises(InputError, match="4 cells, but F has the shape"):
        import_suite2p(tmp_path)
    (tmp_path / "ops.npy").unlink()
    with pytest.raises(InputError, match=r"no ops\.npy that states Ly, Lx and fs"):
        import_suite2p(tmp_path)


@real_files
def test_suite2ps_own_files_are_read_as_by_numpy():
    for path in REAL.glob("*.npy"):
        theirs = np.load(path, allow_pickle=True)
        ours = load_npy(path)
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    stat = np.load(REAL / "stat.npy", allow_pickle=True)
    for ours, theirs in zip(load_npy(REAL / "stat.npy"), stat, strict=True):
        assert ours.keys() == theirs.keys()
        for name in ours:
            np.testing.assert_array_equal(ours[name], theirs[name])


@real_files
def test_suite2ps_own_results_survive(tmp_path):
    result = import_suite2p(REAL.parent)
    export_suite2p(result, tmp_path)
    for name in (*TRACES, "iscell"):
        theirs = load_npy(REAL / f"{name}.npy")
        ours = load_npy(tmp_path / f"{name}.npy")
        np.testing.assert_allclose(ours, theirs, rtol=3e-6, atol=1e-5)
    pairs = (load_npy(folder / "stat.npy") for folder in (REAL, tmp_path))
    for theirs, ours in zip(*pairs, strict=True):
        places = [set(zip(s["ypix"], s["xpix"], strict=True)) for s in (theirs, ours)]
        assert places[0] == places[1]
        assert theirs["overlap"].sum() == ours["overlap"].sum()
        np.testing.assert_allclose(ours["radius"], theirs["radius"], rtol=0.25)
        np.testing.assert_allclose(ours["skew"], theirs["skew"], rtol=1e-3)
    assert result.movie.shape == (1500, 128, 128)
    assert int(result.components.accepted.sum()) == 30


@real_files
def test_suite2ps_model_is_as_documented():
    result = import_suite2p(REAL)
    truth = np.load(SHARED / "simulated-small" / "truth.npz")["shifts"]
    for axis in range(2):  # its offsets have our sign
        assert np.corrcoef(truth[:, axis], result.shifts.values[:, axis])[0, 1] > 0.95
    movie = tifffile.imread(SHARED / "simulated-small" / "movie.tif", key=range(50))
    back = -result.shifts.values[:50].astype(int)
    still = [np.roll(f, s, (0, 1)).ravel() for f, s in zip(movie, back, strict=True)]
    cells, light = result.components, load_npy(REAL / "F.npy")
    own = cells.footprints.copy()
    own.data *= own_pixels(own)
    weights = own.toarray() / own.sum(axis=0)
    # Of uint16 it keeps halves, rounded down.
    halves = np.array(still) // 2 @ weights
    np.testing.assert_allclose(halves.T, light[:, :50], rtol=2e-3)
