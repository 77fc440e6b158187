"""npy and npz: shapes, orders, and what must never be opened."""

from __future__ import annotations

import io
import os
import pickle
import zipfile

import numpy as np
import pytest

from napari_cnmf.errors import ChoiceError, InputError
from napari_cnmf.formats import open_movie


@pytest.fixture
def array() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 4000, (12, 8, 10), dtype=np.uint16)


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def with_header(path, text: str, content=b"x" * 400):
    header = text.encode().ljust(117) + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with path.open("ab") as file:
        file.write(content)
    return path


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<u2", ">u2", ">f4", "u1"])
def test_orders_of_axes_and_of_bytes_are_read(tmp_path, array, order, dtype):
    np.save(tmp_path / "a.npy", np.asarray(array, dtype=dtype, order=order))
    movie = open_movie(tmp_path / "a.npy")
    np.testing.assert_array_equal(movie.read(), array.astype(dtype))
    window = slice(1, 11, 4), slice(2, 7), slice(3, 4)
    np.testing.assert_array_equal(movie.read(*window), array.astype(dtype)[window])


@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_pickled_objects_are_never_opened(tmp_path, ending):
    trap = np.empty((4, 5, 6), object)
    trap[:] = Trap(tmp_path / "sprung")
    path = tmp_path / f"a.{ending}"
    (np.save if ending == "npy" else np.savez)(path, trap)
    with pytest.raises(InputError, match=rf"a\.{ending}"):
        open_movie(path)
    assert not (tmp_path / "sprung").exists()


def test_a_pickle_with_the_name_of_an_array_is_refused(tmp_path):
    path = tmp_path / "a.npy"
    path.write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    with pytest.raises(InputError, match=r"a\.npy is not a npy file"):
        open_movie(path)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("shape", [(12, 80), (2, 3, 4, 5), (0, 8, 10), ()])
def test_other_than_three_axes_are_refused(tmp_path, shape):
    np.save(tmp_path / "a.npy", np.zeros(shape))
    with pytest.raises(InputError, match=r"a\.npy holds an array"):
        open_movie(tmp_path / "a.npy")


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<u2', 'fortran_order': False, 'shape': (1099511627776, 9, 9)}",
        "{'descr': '<u2', 'fortran_order': True, 'shape': (1099511627776, 9, 9)}",
        "{'descr': '<u2', 'fortran_order': False, 'shape': (-5, -9, 9)}",
        "{'descr': '<u2', 'fortran_order': False, 'shape': 'wide'}",
        "{'descr': 'nonsense', 'fortran_order': False, 'shape': (5, 4, 3)}",
        "{'descr': '<u2'}",
        "__import__('os').abort()",
        "(" * 100,
    ],
)
def test_lying_headers_are_refused(tmp_path, header):
    path = with_header(tmp_path / "a.npy", header)
    with pytest.raises(InputError, match=r"a\.npy"):
        open_movie(path)


def test_one_of_several_arrays_is_chosen_by_name(tmp_path, array):
    np.savez(tmp_path / "a.npz", raw=array, done=array + 1, times=np.arange(12))
    with pytest.raises(ChoiceError, match=r"2 arrays.*raw \(12, 8, 10\)") as caught:
        open_movie(tmp_path / "a.npz")
    assert caught.value.parameter == "dataset"
    movie = open_movie(tmp_path / "a.npz", dataset="done")
    np.testing.assert_array_equal(movie.read(), array + 1)


def test_compressed_movies_are_refused_with_a_way_out(tmp_path, array):
    np.savez_compressed(tmp_path / "a.npz", times=np.arange(9), mov=array)
    with pytest.raises(InputError, match=r"numpy\.save\(.*numpy\.load\('a\.npz'\)"):
        open_movie(tmp_path / "a.npz")


def test_compressed_tables_beside_the_movie_do_not_matter(tmp_path, array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    table = io.BytesIO()
    np.save(table, np.arange(9))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("mov.npy", buffer.getvalue())
        archive.writestr("t.npy", table.getvalue(), zipfile.ZIP_DEFLATED)
        archive.writestr("notes.txt", "a good day")
    np.testing.assert_array_equal(open_movie(tmp_path / "a.npz").read(), array)


def test_a_truncated_archive_is_refused(tmp_path, array):
    path = tmp_path / "a.npz"
    np.savez(path, mov=array)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(InputError, match=r"a\.npz cannot be read"):
        open_movie(path)
