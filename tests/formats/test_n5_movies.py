"""N5: arrays, axes, compressions and damaged blocks."""

from __future__ import annotations

import json
import struct

import imagecodecs
import numpy as np
import pytest
from formats.recordings import write_n5

from napari_cnmf.errors import ChoiceError, InputError
from napari_cnmf.formats import open_movie

RAW = {"type": "raw"}


@pytest.fixture
def array() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 4000, (12, 8, 10), dtype=np.uint16)


def edited(folder, **changes):
    file = folder / "attributes.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "f4", "f8"])
def test_every_type_is_read(tmp_path, array, dtype):
    write_n5(tmp_path / "a.n5", array.astype(dtype).T, {"type": "gzip"})
    np.testing.assert_array_equal(
        open_movie(tmp_path / "a.n5").read(), array.astype(dtype)
    )


def test_arrays_in_groups_are_chosen_by_name(tmp_path, array):
    path = tmp_path / "a.n5"
    for name in ("raw", "deep/done"):
        write_n5(path / name, (array + len(name)).T, RAW)
    (path / "attributes.json").write_text('{"n5": "2.0.0"}')
    with pytest.raises(ChoiceError, match=r"2 arrays.*deep/done \(12, 8, 10\)"):
        open_movie(path)
    np.testing.assert_array_equal(open_movie(path, dataset="raw").read(), array + 3)


def test_of_smaller_copies_the_one_of_full_size_is_taken(tmp_path, array):
    path = tmp_path / "a.n5"
    for level in range(3):
        data = array[:, :: 2**level, :: 2**level]
        write_n5(path / "cells" / f"s{level}", data.T, RAW)
    (path / "attributes.json").write_text("{}")
    np.testing.assert_array_equal(open_movie(path).read(), array)


def test_a_plane_is_chosen_where_axes_are_named(tmp_path, array):
    path = tmp_path / "a.n5"
    write_n5(path, np.stack([array, array + 9]).transpose(3, 2, 0, 1), RAW)
    edited(path, axes=["x", "y", "z", "t"])
    np.testing.assert_array_equal(open_movie(path, plane=1).read(), array + 9)


def test_blocks_that_were_never_written_are_zero(tmp_path, array):
    path = tmp_path / "a.n5"
    write_n5(path, array.T, RAW)
    (path / "0" / "0" / "1").unlink()
    frames = open_movie(path).read()
    assert not frames[4:8, :, :7].any()
    np.testing.assert_array_equal(frames[:4], array[:4])


def test_lz4_as_java_writes_it_is_read(tmp_path):
    """No library for Python writes it: put together after LZ4BlockOutputStream."""
    values = np.arange(2 * 3 * 4, dtype=">i2").reshape(2, 3, 4)
    pieces = [values.tobytes()[:20], values.tobytes()[20:]]
    head = struct.Struct("<8sBIII")
    blocks = b"".join(
        head.pack(b"LZ4Block", 0x26, len(packed), len(piece), 0) + packed
        for piece in pieces
        for packed in [imagecodecs.lz4_encode(piece)]
    )
    end = head.pack(b"LZ4Block", 0x16, 0, 0, 0)
    path = tmp_path / "a.n5"
    (path / "0" / "0").mkdir(parents=True)
    header = struct.pack(">HH3I", 0, 3, 4, 3, 2)
    (path / "0" / "0" / "0").write_bytes(header + blocks + end)
    about = {"dimensions": [4, 3, 2], "blockSize": [4, 3, 2], "dataType": "int16"}
    about |= {"compression": {"type": "lz4", "blockSize": 65536}}
    (path / "attributes.json").write_text(json.dumps(about))
    np.testing.assert_array_equal(open_movie(path).read(), values)


@pytest.mark.parametrize(
    "changes",
    [
        {"dimensions": [10, 8]},
        {"dimensions": [10, 8, -12]},
        {"dimensions": "many"},
        {"blockSize": [0, 9, 4]},
        {"blockSize": [2**20, 2**20, 2**20]},
        {"dataType": "object"},
        {"compression": {"type": "secret"}},
        {"compression": {}},
    ],
)
def test_absurd_attributes_name_the_folder(tmp_path, array, changes):
    path = tmp_path / "a.n5"
    write_n5(path, array.T, RAW)
    edited(path, **changes)
    with pytest.raises(InputError, match=r"a\.n5 (cannot be read|holds)"):
        open_movie(path)


@pytest.mark.parametrize("compression", ["raw", "gzip", "zstd", "bzip2", "xz"])
@pytest.mark.parametrize("content", [b"", b"\0\0\0\3", b"\0\0\0\3" + b"\xff" * 99])
def test_a_damaged_block_names_the_folder(tmp_path, array, compression, content):
    path = tmp_path / "a.n5"
    write_n5(path, array.T, {"type": compression})
    movie = open_movie(path)
    (path / "0" / "0" / "1").write_bytes(content)
    np.testing.assert_array_equal(movie.read(slice(0, 4)), array[:4])
    with pytest.raises(InputError, match=r"a\.n5 cannot be read as N5"):
        movie.read()
