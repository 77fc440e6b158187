"""CaImAn's files, old and new, and ours that it reads."""

from __future__ import annotations

from dataclasses import replace

import h5py
import numpy as np
import pytest
from caiman_values import assert_same, unit_components
from example_values import FIELD, N_FRAMES, make_result

from napari_cnmf.errors import InputError, MissingFileError, MissingStageError
from napari_cnmf.formats.exchange.caiman_results import (
    export_caiman,
    import_caiman,
    is_caiman,
)
from napari_cnmf.formats.results import load, save
from napari_cnmf.quality.parameters import QualityParameters
from napari_cnmf.quality.rule import apply_rule

REAL = ("simulated-small.hdf5", "simulated-small-selected.hdf5")
#: CaImAn writes lists of its own numbers as texts; it reads numbers as well.
TEXTS = {"bl", "c1", "lam", "neurons_sn"}


@pytest.fixture(params=REAL)
def real(request, shared):
    return shared / "data" / "caiman-results" / request.param


def tree(path) -> dict[str, str]:
    """Kind of every node of a file: a group, or a dataset's type and axes."""
    found = {}

    def add(name, node):
        kind = "group"
        if isinstance(node, h5py.Dataset):
            letters = node.dtype.kind == "S"
            kind = f"{'text' if letters else node.dtype} {node.ndim}"
        found[name] = kind
        found.update(
            {f"{name}@{key}": type(v).__name__ for key, v in node.attrs.items()}
        )

    with h5py.File(path) as file:
        file.visititems(add)
    return found


def written(tmp_path, cells):
    path = tmp_path / "caiman.hdf5"
    export_caiman(make_result(cells), path)
    return path


@pytest.mark.parametrize("n_cells", [4, 1, 0])
def test_a_result_comes_back_equal(tmp_path, n_cells):
    cells = unit_components(n_cells)
    found = import_caiman(written(tmp_path, cells))
    assert_same(found.components, cells)
    assert found.movie.shape == (N_FRAMES, *FIELD)
    assert found.movie.frame_rate_hz == cells.frame_rate_hz


def test_a_real_result_comes_back_equal(real, tmp_path):
    found = import_caiman(real)
    export_caiman(found, tmp_path / "ours.hdf5")
    again = import_caiman(tmp_path / "ours.hdf5")
    assert_same(again.components, found.components)
    assert again.stages == found.stages
    np.testing.assert_array_equal(
        again.components.quality.flags, found.components.quality.flags
    )


def test_a_real_file_holds_the_same_numbers_after_a_round_trip(shared, tmp_path):
    real = shared / "data" / "caiman-results" / REAL[0]
    export_caiman(import_caiman(real), tmp_path / "ours.hdf5")
    with h5py.File(real) as theirs, h5py.File(tmp_path / "ours.hdf5") as ours:
        for name in ("C", "S", "YrA", "R", "b", "f", "sn", "g", "SNR_comp", "r_values"):
            expected = theirs["estimates"][name][()]
            tolerance = 3e-7 * np.abs(expected).max()
            np.testing.assert_allclose(
                ours["estimates"][name][()], expected, rtol=1e-6, atol=tolerance
            )
        for name in ("bl", "lam", "neurons_sn"):
            expected = theirs["estimates"][name][()].astype(float)
            np.testing.assert_allclose(ours["estimates"][name], expected, rtol=1e-6)
        for name in ("idx_components", "idx_components_bad", "dims"):
            expected = theirs["estimates"][name]
            np.testing.assert_array_equal(ours["estimates"][name], expected)
        dense = [dense_footprints(file["estimates/A"]) for file in (ours, theirs)]
        np.testing.assert_allclose(*dense, rtol=1e-6)


def dense_footprints(group) -> np.ndarray:
    found = np.zeros(group["shape"][()])
    ends = group["indptr"][()]
    for k, part in enumerate(map(slice, ends[:-1], ends[1:])):
        found[group["indices"][part], k] = group["data"][part]
    return found


def test_the_file_is_laid_out_as_caimans(shared, tmp_path):
    real = shared / "data" / "caiman-results" / REAL[0]
    export_caiman(import_caiman(real), tmp_path / "ours.hdf5")
    theirs, ours = tree(real), tree(tmp_path / "ours.hdf5")
    for name in TEXTS:
        assert theirs.pop(f"estimates/{name}") == "text 1"
        assert ours.pop(f"estimates/{name}") == "float64 1"
    # Theirs names the copy of the movie that it worked on; there is none of ours.
    assert ours.pop("mmap_file") == "object 0"
    assert ours == theirs


def test_a_result_of_ours_has_all_that_caimans_file_has(shared, tmp_path):
    theirs = tree(shared / "data" / "caiman-results" / REAL[0])
    ours = tree(written(tmp_path, unit_components()))
    assert theirs.keys() - ours.keys() == set()
    assert ours.keys() - theirs.keys() == {"estimates/Cn", "mmap_file"}


def test_the_verdict_of_a_real_file_is_that_of_our_rule(shared):
    path = shared / "data" / "caiman-results" / REAL[0]
    quality = import_caiman(path).components.quality
    with h5py.File(path) as file:
        expected = file["estimates/idx_components"][()]
    np.testing.assert_array_equal(np.flatnonzero(quality.accepted), expected)
    limits = QualityParameters(
        rule="caiman",
        caiman_min_snr=1.5,
        caiman_min_r_value=0.85,
        caiman_snr_floor=0.5,
        caiman_r_value_floor=-1.0,
        use_classifier=False,
    )
    np.testing.assert_array_equal(apply_rule(quality, limits).flags, quality.flags)


def test_what_was_discarded_is_there_rejected(shared):
    folder = shared / "data" / "caiman-results"
    whole, selected = (import_caiman(folder / name).components for name in REAL)
    assert len(selected) == len(whole) == 106
    order = np.concatenate(
        [np.flatnonzero(x) for x in (whole.accepted, ~whole.accepted)]
    )
    np.testing.assert_array_equal(selected.raw, whole.raw[order])
    np.testing.assert_array_equal(selected.quality.flags, whole.quality.flags[order])
    assert selected.dff[:52].any()
    assert np.isnan(selected.dff[52:]).all()


def test_an_imported_result_can_be_saved(real, tmp_path):
    found = import_caiman(real)
    save(found, tmp_path / "results.h5")
    again = load(tmp_path / "results.h5")
    assert_same(again.components, found.components)
    assert again.stages[0].parameters == found.stages[0].parameters


def as_before_1_9_9(path) -> None:
    """Write texts as datasets, a sparse background, and no version."""
    with h5py.File(path, "r+") as file:
        for group in file["params"].values():
            for name in list(group.attrs):
                group[name] = group.attrs.pop(name)
        file["mmap_file"][()] = "a.mmap"
        del file["params/data/caiman_version"]
        dense = file["estimates/b"][()]
        del file["estimates/b"]
        columns, rows = np.nonzero(dense.T)
        ends = np.searchsorted(columns, np.arange(dense.shape[1] + 1))
        parts = dense[rows, columns], rows, ends, np.array(dense.shape)
        for name, part in zip(
            ("data", "indices", "indptr", "shape"), parts, strict=True
        ):
            file[f"estimates/b/{name}"] = part


def test_older_files_are_read_alike(tmp_path):
    cells = unit_components()
    path = written(tmp_path, cells)
    new = import_caiman(path)
    as_before_1_9_9(path)
    old = import_caiman(path)
    assert_same(old.components, cells)
    stated = dict(new.stages[0].parameters["data"])
    del stated["caiman_version"]
    assert old.stages[0].parameters["data"] == stated
    assert old.versions == {"caiman": "unknown"}


def test_limits_go_both_ways(tmp_path):
    cells = unit_components()
    limits = {"low CaImAn SNR": 2.25, "unlike a neuron": 0.75}
    quality = replace(cells.quality, rule="caiman", limits=limits)
    path = written(tmp_path, replace(cells, quality=quality))
    with h5py.File(path) as file:
        assert file["params/quality/min_SNR"][()] == 2.25
        assert file["params/quality/use_cnn"][()]
    assert import_caiman(path).components.quality.limits["low CaImAn SNR"] == 2.25


def test_rejected_cells_can_be_left_out(tmp_path):
    cells = unit_components()
    export_caiman(make_result(cells), tmp_path / "a.hdf5", accepted_only=True)
    found = import_caiman(tmp_path / "a.hdf5").components
    assert_same(found, cells.select(cells.accepted))


def test_a_result_without_cells_is_refused(tmp_path):
    empty = replace(make_result(), components=None)
    with pytest.raises(MissingStageError):
        export_caiman(empty, tmp_path / "a.hdf5")


def test_only_results_of_caiman_are_taken_for_such(tmp_path):
    path = written(tmp_path, unit_components())
    assert is_caiman(path)
    save(make_result(), tmp_path / "ours.h5")
    (tmp_path / "text.hdf5").write_text("no HDF5")
    assert not is_caiman(tmp_path / "ours.h5")
    assert not is_caiman(tmp_path / "text.hdf5")
    assert not is_caiman(tmp_path / "missing.hdf5")


def truncate(path) -> None:
    path.write_bytes(path.read_bytes()[:-3000])


def delete(*names):
    def change(path) -> None:
        with h5py.File(path, "r+") as file:
            for name in names:
                del file[name]

    return change


def put(name, value):
    def change(path) -> None:
        with h5py.File(path, "r+") as file:
            del file[name]
            file[name] = value

    return change


def bomb(path) -> None:
    with h5py.File(path, "r+") as file:
        del file["estimates/C"]
        shape = (100_000_000, 1000)
        file.create_dataset("estimates/C", shape, "f8", chunks=(1000, 1000))


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (truncate, "cannot be read"),
        (delete("estimates"), "no group 'estimates'"),
        (delete("estimates/A"), "CaImAn's 'A' is missing"),
        (delete("params/data/fr"), "does not state its frame rate"),
        (put("estimates/A/indices", np.full(16, 10_000)), "cannot be read"),
        (put("estimates/A/shape", np.array([54])), "cannot be read"),
        (put("estimates/C", "a text"), "C has the shape ()"),
        (put("estimates/bl", np.array([b"x"] * 4)), "cannot be read"),
        (put("estimates/dims", np.array([-6, -9])), "cannot be read"),
        (put("params/data/fr", -1.0), "does not state its frame rate"),
        (bomb, "claims to hold more than"),
    ],
)
def test_a_broken_file_gives_one_sentence_that_names_it(tmp_path, harm, words):
    path = written(tmp_path, unit_components())
    harm(path)
    with pytest.raises(InputError) as error:
        import_caiman(path)
    assert words in str(error.value)
    assert path.name in str(error.value)


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(MissingFileError):
        import_caiman(tmp_path / "a.hdf5")


def test_a_frame_rate_can_be_given(tmp_path):
    path = written(tmp_path, unit_components())
    delete("params/data/fr")(path)
    assert import_caiman(path, frame_rate_hz=7.5).components.frame_rate_hz == 7.5
