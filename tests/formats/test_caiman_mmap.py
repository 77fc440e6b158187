"""CaImAn's stores: what their names tell, and files that were renamed."""

from __future__ import annotations

import numpy as np
import pytest
from formats.recordings import caiman_name, caiman_of

from napari_cnmf.errors import ChoiceError, InputError
from napari_cnmf.formats import open_movie


@pytest.fixture
def array() -> np.ndarray:
    return np.random.default_rng(3).normal(size=(12, 8, 10)).astype(np.float32)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("ending", [".mmap", "_.mmap"])
def test_older_and_newer_names_of_both_orders_are_read(tmp_path, array, order, ending):
    name = caiman_name("day_d1_5_d2_7_x", array, order).replace(".mmap", ending)
    caiman_of(order)(tmp_path / name, array)
    np.testing.assert_array_equal(open_movie(tmp_path / name).read(), array)


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_plane_of_a_volume_is_chosen(tmp_path, array, order):
    planes = np.stack([array, array + 1, array + 2], axis=-1)
    matrix = planes.reshape(12, -1, order="F").T
    path = tmp_path / f"a_d1_8_d2_10_d3_3_order_{order}_frames_12.mmap"
    path.write_bytes(matrix.tobytes(order=order))
    with pytest.raises(ChoiceError, match="3 planes"):
        open_movie(path)
    np.testing.assert_array_equal(open_movie(path, plane=2).read(), array + 2)


def test_a_renamed_file_asks_for_its_name(tmp_path, array):
    caiman_of("C")(tmp_path / "corrected.mmap", array)
    with pytest.raises(InputError, match="give the file its name back"):
        open_movie(tmp_path / "corrected.mmap")


@pytest.mark.parametrize("frames", [11, 13, 0, 10**15])
def test_a_name_that_does_not_fit_the_size_is_refused(tmp_path, array, frames):
    path = tmp_path / f"a_d1_8_d2_10_d3_1_order_F_frames_{frames}.mmap"
    caiman_of("F")(path, array)
    with pytest.raises(InputError, match=r"has 3840 bytes, but by its name"):
        open_movie(path)
