"""Files that mark cells are read for what they are, and copies are never lost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import tifffile
from example_values import make_result

from napari_cnmf.errors import InputError, MissingFileError
from napari_cnmf.formats.results import save
from napari_cnmf.formats.seeds import as_labels, copy_name, read_seeds, save_copy

LABELS = np.zeros((12, 17), np.uint16)
LABELS[2:5, 3:6], LABELS[2:5, 6:9], LABELS[8:, 10:] = 7, 2, 300


@pytest.mark.parametrize("ending", ["tif", "npy", "npz"])
def test_labels_come_back_from_every_type_of_file(tmp_path, ending):
    path = tmp_path / f"labels.{ending}"
    write = {"tif": tifffile.imwrite, "npy": np.save, "npz": np.savez}[ending]
    write(path, LABELS)
    np.testing.assert_array_equal(read_seeds(path), LABELS)


def test_labels_on_any_frame_count():
    stack = np.zeros((4, *LABELS.shape), np.uint16)
    stack[1], stack[3, 6, 0] = LABELS, 9
    expected = LABELS.copy()
    expected[6, 0] = 9
    np.testing.assert_array_equal(as_labels(stack, "it"), expected)


@pytest.mark.parametrize("mask", [LABELS > 0, 255 * (LABELS > 0).astype(np.uint8)])
def test_the_pieces_of_a_mask_are_cells(mask):
    labels = as_labels(mask, "it")
    assert set(np.unique(labels)) == {0, 1, 2}
    np.testing.assert_array_equal(labels > 0, mask > 0)


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("y,x\n3,4.5\n10,2\n", [(3, 4.5), (10, 2)]),
        ("X,Y\n4.5,3\n", [(3, 4.5)]),
        ("index,axis-0,axis-1\n0,3,4.5\n1,10,2\n", [(3, 4.5), (10, 2)]),
        ("index,axis-0,axis-1,axis-2\n0,99,3,4.5\n", [(3, 4.5)]),
    ],
)
def test_points_are_rows_and_columns(tmp_path, text, points):
    path = tmp_path / "points.csv"
    path.write_text(text)
    np.testing.assert_array_equal(read_seeds(path), points)


def test_of_a_result_the_accepted_cells_count(tmp_path):
    result = make_result()
    result.components.quality.manual[:] = [1, -1, 1, -1]
    save(result, tmp_path / "results.h5")
    for path in (tmp_path, tmp_path / "results.h5"):
        found = read_seeds(path)
        np.testing.assert_array_equal(found.ids, result.components.ids[[0, 2]])


def bad_files(folder):
    """Files that mark no cells, by name, and what is said of them."""
    np.save(folder / "halves.npy", LABELS + 0.5)
    np.savez(folder / "two.npz", LABELS, LABELS)
    (folder / "text.tif").write_text("no picture")
    (folder / "text.npy").write_text("no array")
    (folder / "labels.png").write_bytes(b"")
    (folder / "names.csv").write_text("name,colour\na,b\n")
    (folder / "words.csv").write_text("y,x\n1,two\n")
    (folder / "short.csv").write_text("y,x\n1\n")
    (folder / "empty.csv").write_text("")
    save(replace(make_result(), components=None), folder / "early.h5")
    return {
        "halves.npy": "labels are whole numbers",
        "two.npz": "several arrays (arr_0, arr_1)",
        "text.tif": "cannot be read",
        "text.npy": "cannot be read",
        "labels.png": "ends with '.png'",
        "names.csv": "columns name, colour; points are expected in columns named y",
        "words.csv": "'two'",
        "short.csv": "one number in each column",
        "empty.csv": "of an empty file",
        "early.h5": "no accepted cells",
    }


def test_a_bad_file_is_one_sentence_with_its_name(tmp_path):
    for name, words in bad_files(tmp_path).items():
        with pytest.raises(InputError) as caught:
            read_seeds(tmp_path / name)
        assert words in str(caught.value), caught.value
        assert name in str(caught.value)
    with pytest.raises(MissingFileError, match=r"gone\.tif"):
        read_seeds(tmp_path / "gone.tif")


MARKS = {
    "labels": LABELS.astype(np.int32),
    "points": np.array([(3, 4.5), (10, 2)]),
    "footprints": sp.random_array((204, 3), density=0.1, format="csc", rng=0),
}


@pytest.mark.parametrize("kind", MARKS)
def test_a_copy_is_named_by_its_content_and_comes_back(tmp_path, kind):
    marks = MARKS[kind]
    name = save_copy(marks, tmp_path)
    assert name == copy_name(marks.copy()) == save_copy(marks.copy(), tmp_path)
    found = read_seeds(tmp_path / name)
    assert type(found) is type(marks)
    assert copy_name(found) == name
    assert save_copy(2 * marks, tmp_path) != name
    assert copy_name(read_seeds(tmp_path / name)) == name
    assert len(list(tmp_path.iterdir())) == 2
