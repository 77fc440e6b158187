"""OME-TIFF sets: files of one recording whose XML lists the planes of them all."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_cnmf.errors import ChoiceError, InputError
from napari_cnmf.formats import open_movie

ROOT = '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
POINTER = f'{ROOT}<BinaryOnly MetadataFile="a0.ome.tif" UUID="urn:uuid:0"/></OME>'
PLANES = {
    "a0.ome.tif": [(t, c) for t in range(7) for c in range(2)],
    "a1.ome.tif": [(t, c) for t in range(7, 12) for c in range(2)],
}


@pytest.fixture
def array() -> np.ndarray:
    """Frames, channels, rows, columns."""
    return np.random.default_rng(2).integers(0, 4000, (12, 2, 8, 10), dtype=np.uint16)


def document(files) -> str:
    blocks = [
        f'<TiffData FirstT="{t}" FirstC="{c}" IFD="{i}" PlaneCount="1">'
        f'<UUID FileName="{name}">urn:uuid:{name}</UUID></TiffData>'
        for name, planes in files.items()
        for i, (t, c) in enumerate(planes)
    ]
    return (
        f'{ROOT}<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" '
        'Type="uint16" SizeX="10" SizeY="8" SizeC="2" SizeZ="1" SizeT="12" '
        f'TimeIncrement="0.08">{"".join(blocks)}</Pixels></Image></OME>'
    )


def saved(folder, array, files, *, later=None):
    for k, (name, planes) in enumerate(files.items()):
        text = later if later and k else document(files)
        with tifffile.TiffWriter(folder / name) as tif:
            for i, plane in enumerate(planes):
                about = text if i == 0 else None
                tif.write(
                    array[plane], contiguous=False, metadata=None, description=about
                )
    return folder


@pytest.mark.parametrize("later", [None, POINTER], ids=["in each", "in the first"])
def test_channels_that_take_turns_are_told_apart_in_every_file(tmp_path, array, later):
    folder = saved(tmp_path, array, PLANES, later=later)
    with pytest.raises(ChoiceError, match="2 channels"):
        open_movie(folder)
    movie = open_movie(folder, channel=1)
    np.testing.assert_array_equal(movie.read(), array[:, 1])
    assert movie.frame_rate_hz == pytest.approx(12.5)
    alone = open_movie(folder / "a1.ome.tif", channel=0)
    np.testing.assert_array_equal(alone.read(), array[7:, 0])


def test_files_of_one_channel_each_are_not_chained(tmp_path, array):
    files = {f"c{c}.ome.tif": [(t, c) for t in range(12)] for c in range(2)}
    folder = saved(tmp_path, array, files)
    with pytest.raises(InputError, match=r"c0.* channel 0, but c1.* channel 1"):
        open_movie(folder)
    np.testing.assert_array_equal(open_movie(folder / "c1.ome.tif").read(), array[:, 1])
