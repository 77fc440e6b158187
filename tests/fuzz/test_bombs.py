"""Small files that claim much, or hold more than data, made on purpose."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
import zarr

from napari_cnmf.errors import InputError
from napari_cnmf.formats import open_movie
from napari_cnmf.formats.seeds import read_seeds

HUGE = (10**6, 10**6, 10**6)


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def _hdf5(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("mov", HUGE, "u2", chunks=(1, 64, 64))
    return path


def _long_hdf5(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("mov", (10**12, 64, 64), "u2", chunks=(1, 64, 64))
    return path


def _zarr(path):
    zarr.create_array(path, shape=HUGE, chunks=(1, 1000, 1000), dtype="u2")
    return path


def _n5(path):
    path.mkdir()
    about = {"dimensions": HUGE, "blockSize": [512, 512, 1], "dataType": "uint16"}
    (path / "attributes.json").write_text(json.dumps(about | {"compression": "raw"}))
    return path


def _npy(path):
    with path.open("wb") as file:
        about = {"descr": "<u2", "fortran_order": False, "shape": HUGE}
        np.lib.format.write_array_header_1_0(file, about)
    return path


def _mmap(path):
    name = "a_d1_1000000_d2_1000000_d3_1_order_F_frames_1000000.mmap"
    path.with_name(name).write_bytes(bytes(100))
    return path.with_name(name)


def _tif(path):
    frames = np.zeros((9, 8, 8), np.uint16)
    tifffile.imwrite(path, frames, compression="zlib", photometric="minisblack")
    with tifffile.TiffFile(path, mode="r+b") as tif:
        for page in tif.pages:
            page.tags["ImageWidth"].overwrite(10**6)
            page.tags["ImageLength"].overwrite(10**6)
            page.tags["RowsPerStrip"].overwrite(10**6)
    return path


BOMBS = {
    "a.h5": _hdf5,
    "long.h5": _long_hdf5,
    "a.zarr": _zarr,
    "a.n5": _n5,
    "a.npy": _npy,
    "a.mmap": _mmap,
    "a.tif": _tif,
}


@pytest.mark.parametrize("name", BOMBS)
def test_impossible_sizes_are_refused_before_anything_is_allocated(name, tmp_path):
    path = BOMBS[name](tmp_path / name)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError):
        open_movie(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


@pytest.mark.parametrize("read", [open_movie, read_seeds])
@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_a_pickle_is_not_executed(name, read, tmp_path):
    path, made = tmp_path / name, tmp_path / "made"
    content = np.array([Payload(made), Payload(made)], dtype=object)
    (np.save if name == "a.npy" else np.savez)(path, content, allow_pickle=True)
    with pytest.raises(InputError):
        read(path)
    assert not made.exists()


def test_groups_that_hold_themselves_are_gone_through_once(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["mov"] = np.ones((3, 4, 5), np.uint16)
        group = file.create_group("group")
        group["itself"] = group
        file["root"] = h5py.SoftLink("/")
    assert open_movie(tmp_path / "a.h5", dataset="mov").shape == (3, 4, 5)
    assert open_movie(tmp_path / "a.h5").shape == (3, 4, 5)
