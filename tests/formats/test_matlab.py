"""MATLAB's files: rows and columns the right way round, and the older version."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import tifffile
from scipy.io import savemat

from napari_cnmf.errors import ChoiceError, InputError
from napari_cnmf.formats import open_movie


@pytest.fixture
def array() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 4000, (12, 8, 10), dtype=np.uint16)


def saved(path, **arrays):
    """Write variables (y, x, t) as MATLAB does, their axes reversed."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, data in arrays.items():
            file[name] = data.transpose(0, 2, 1)
    return path


def test_one_of_several_variables_is_chosen(tmp_path, array):
    path = saved(tmp_path / "a.mat", raw=array, done=array + 1)
    with pytest.raises(ChoiceError, match="2 datasets"):
        open_movie(path)
    np.testing.assert_array_equal(open_movie(path, dataset="done").read(), array + 1)


def test_the_usual_name_is_taken(tmp_path, array):
    path = saved(tmp_path / "a.mat", raw=array, mov=array + 1)
    np.testing.assert_array_equal(open_movie(path).read(), array + 1)


def test_the_older_version_is_refused_with_a_way_out(tmp_path, array):
    savemat(tmp_path / "a.mat", {"mov": array})
    with pytest.raises(InputError, match=r"save\(FILE, 'movie', '-v7\.3'\)"):
        open_movie(tmp_path / "a.mat")


def test_variables_beside_a_movie_of_another_format_are_passed_over(tmp_path, array):
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack")
    savemat(tmp_path / "behaviour.mat", {"speed": np.arange(9)})
    np.save(tmp_path / "times.npy", np.arange(12))
    np.testing.assert_array_equal(open_movie(tmp_path).read(), array)
