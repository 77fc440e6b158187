"""TIFF movies: which pages are the movie, and bad files."""

from __future__ import annotations

import logging
import os

import numpy as np
import pytest
import tifffile

from napari_cnmf.errors import InputError
from napari_cnmf.formats import open_movie
from napari_cnmf.formats.readers.raw import RawFrames


@pytest.fixture
def array() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 4000, (12, 8, 10), dtype=np.uint16)


def _scanimage(path, array, settings: str, first: int = 1) -> None:
    """Write pages as ScanImage does, each with its own directory."""
    with tifffile.TiffWriter(path, bigtiff=True) as tif:
        for frame in array:
            tif.write(
                frame,
                contiguous=False,
                metadata=None,
                software=f"SI.VERSION_MAJOR = 2020\n{settings}",
                description=f"frameNumbers = {first}",
            )


def _saved(path, array, **options):
    tifffile.imwrite(path, array, **options)
    return path


@pytest.mark.parametrize("bigtiff", [False, True])
def test_uncompressed_pages_are_read_by_offset(tmp_path, array, bigtiff):
    movie = open_movie(_saved(tmp_path / "a.tif", array, bigtiff=bigtiff))
    assert isinstance(movie.source, RawFrames)


def test_an_imagej_stack_with_one_directory_reaches_beyond_4_gb(tmp_path):
    path, shape, last = tmp_path / "a.tif", (4200, 512, 1024), 4199
    with pytest.warns(UserWarning, match="truncating ImageJ file"):
        tifffile.imwrite(
            path, shape=shape, dtype=np.uint16, imagej=True, metadata={"axes": "TYX"}
        )
    if os.stat(path).st_blocks * 512 > 2**27:
        path.unlink()
        pytest.skip("the disk does not keep sparse files sparse")
    mark = np.arange(1024, dtype=np.uint16)
    with tifffile.TiffFile(path) as tif:
        assert len(tif.pages) == 1
        order = tif.byteorder
        offset = tif.series[0].dataoffset + last * 512 * 1024 * 2 + 511 * 2048
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(mark.astype(f"{order}u2").tobytes())
    movie = open_movie(path)
    assert movie.shape == shape
    block = movie.read(slice(last - 1, last + 1), slice(510, 512))
    np.testing.assert_array_equal(block[1, 1], mark)
    assert not block[0].any()
    assert not block[1, 0].any()


@pytest.mark.parametrize("axes", ["TYX", "ZYX"])
def test_an_imagej_stack_of_frames_or_of_slices_is_a_movie(tmp_path, array, axes):
    path = _saved(tmp_path / "a.tif", array, imagej=True, metadata={"axes": axes})
    np.testing.assert_array_equal(open_movie(path).read(), array)


def test_taking_slices_for_frames_is_logged(tmp_path, array, caplog):
    path = _saved(tmp_path / "a.tif", array, imagej=True, metadata={"axes": "ZYX"})
    with caplog.at_level(logging.INFO):
        open_movie(path)
    assert "its axis Z is taken as time" in caplog.text


@pytest.mark.parametrize("kind", ["imagej", "ome"])
def test_a_channel_and_a_plane_are_chosen_and_never_mixed(tmp_path, array, kind):
    hyper = array.reshape(2, 3, 2, 8, 10)
    path = tmp_path / ("a.ome.tif" if kind == "ome" else "a.tif")
    tifffile.imwrite(path, hyper, **{kind: True}, metadata={"axes": "TZCYX"})
    movie = open_movie(path, channel=1, plane=2)
    np.testing.assert_array_equal(movie.read(), hyper[:, 2, 1])
    other = open_movie(path, channel=0, plane=2)
    assert movie.fingerprint != other.fingerprint
    with pytest.raises(InputError, match=r"holds 2 channels.*channel=0 to channel=1"):
        open_movie(path, plane=0)
    with pytest.raises(InputError, match=r"holds 3 planes.*plane=0 to plane=2"):
        open_movie(path, channel=0)


@pytest.mark.parametrize("channel", [2, -1])
def test_a_channel_out_of_range_is_refused(tmp_path, array, channel):
    hyper = array.reshape(6, 2, 8, 10)
    path = _saved(tmp_path / "a.tif", hyper, imagej=True, metadata={"axes": "TCYX"})
    with pytest.raises(InputError, match=f"no channel {channel}: it holds 2"):
        open_movie(path, channel=channel)


def test_channel_0_of_a_grey_movie_is_the_movie(tmp_path, array):
    path = _saved(tmp_path / "a.tif", array)
    np.testing.assert_array_equal(open_movie(path, channel=0, plane=0).read(), array)
    with pytest.raises(InputError, match="no plane 1: it holds 1"):
        open_movie(path, plane=1)


def test_scanimage_interleaves_channels(tmp_path, array):
    _scanimage(tmp_path / "a.tif", array, "SI.hChannels.channelSave = [1;3]\n")
    movie = open_movie(tmp_path / "a.tif", channel=1)
    np.testing.assert_array_equal(movie.read(), array[1::2])
    with pytest.raises(InputError, match="holds 2 channels"):
        open_movie(tmp_path / "a.tif")


def test_scanimage_volumes_interleave_planes_channels_and_flyback(tmp_path, array):
    settings = (
        "SI.hChannels.channelSave = [1;2]\nSI.hFastZ.enable = true\n"
        "SI.hStackManager.numSlices = 2\nSI.hFastZ.numDiscardFlybackFrames = 1\n"
        "SI.hStackManager.framesPerSlice = 1\nSI.hRoiManager.scanFrameRate = 30\n"
    )
    _scanimage(tmp_path / "a.tif", array, settings)
    movie = open_movie(tmp_path / "a.tif", channel=0, plane=1)
    np.testing.assert_array_equal(movie.read(), array[2::6])
    assert movie.frame_rate_hz == 10.0
    with pytest.raises(InputError, match="holds 2 planes"):
        open_movie(tmp_path / "a.tif", channel=0)
    with pytest.raises(InputError, match="no plane 2: it holds 2"):
        open_movie(tmp_path / "a.tif", channel=0, plane=2)


def test_a_single_scanimage_volume_is_not_taken_for_a_movie(tmp_path, array):
    settings = "SI.hFastZ.enable = true\nSI.hStackManager.numSlices = 12\n"
    _scanimage(tmp_path / "a.tif", array, settings)
    with pytest.raises(InputError, match="holds 12 planes"):
        open_movie(tmp_path / "a.tif")


def test_scanimage_slices_of_several_frames_stay_together(tmp_path, array):
    settings = (
        "SI.hChannels.channelSave = 1\nSI.hStackManager.enable = true\n"
        "SI.hStackManager.numSlices = 2\nSI.hStackManager.framesPerSlice = 3\n"
    )
    _scanimage(tmp_path / "a.tif", array, settings)
    movie = open_movie(tmp_path / "a.tif", plane=0)
    np.testing.assert_array_equal(movie.read(), array[[0, 1, 2, 6, 7, 8]])


def test_volumes_cut_by_the_ends_of_a_file_are_left_out(tmp_path, array, caplog):
    settings = (
        "SI.hChannels.channelSave = 1\nSI.hFastZ.enable = true\n"
        "SI.hStackManager.numSlices = 5\n"
    )
    _scanimage(tmp_path / "a.tif", array, settings)
    movie = open_movie(tmp_path / "a.tif", plane=1)
    np.testing.assert_array_equal(movie.read(), array[[1, 6]])
    assert "2 pages of cut volumes left out" in caplog.text
    _scanimage(tmp_path / "b.tif", array, settings, first=14)  # 13 is in volume 2
    movie = open_movie(tmp_path / "b.tif", plane=1)
    np.testing.assert_array_equal(movie.read(), array[[3, 8]])


def test_axes_of_unknown_meaning_are_refused(tmp_path, array):
    path = _saved(
        tmp_path / "a.tif", array.reshape(3, 4, 8, 10), photometric="minisblack"
    )
    with pytest.raises(InputError, match="does not say which is time"):
        open_movie(path)


def test_the_only_series_that_is_a_movie_is_taken(tmp_path, array):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as tif:
        tif.write(array)
        tif.write(np.zeros((30, 40), np.uint8))
    np.testing.assert_array_equal(open_movie(path).read(), array)


def test_two_movies_in_one_file_are_refused_and_listed(tmp_path, array):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as tif:
        tif.write(array)
        tif.write(array[:, :5])
    with pytest.raises(InputError, match=r"2 movies.*\(12, 8, 10\).*\(12, 5, 10\)"):
        open_movie(path)


def test_an_ome_frame_that_names_its_siblings_is_read_by_itself(tmp_path, array):
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" '
        'Type="uint16" SizeX="10" SizeY="8" SizeC="1" SizeZ="1" SizeT="12">{}'
        "</Pixels></Image></OME>"
    )
    data = (
        '<TiffData FirstT="{0}" PlaneCount="1">'
        '<UUID FileName="{0:02}.ome.tif">{0}</UUID></TiffData>'
    )
    text = xml.format("".join(data.format(t) for t in range(12)))
    for t in range(10):  # two of the twelve siblings are missing
        tifffile.imwrite(
            tmp_path / f"{t:02}.ome.tif", array[t], description=text, metadata=None
        )
    movie = open_movie(tmp_path)
    np.testing.assert_array_equal(movie.read(), array[:10])


def test_packed_bits_are_unpacked(tmp_path):
    array = np.random.default_rng(0).integers(0, 4096, (4, 8, 10), dtype=np.uint16)
    bits = array[..., None] >> np.arange(11, -1, -1) & 1
    packed = [np.packbits(frame).tobytes() for frame in bits.astype(np.uint8)]
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as tif:
        for frame in packed:
            tif.write(
                iter([frame]),
                shape=(8, 10),
                dtype=np.uint16,
                bitspersample=12,
                contiguous=False,
                metadata=None,
                rowsperstrip=8,
            )
    np.testing.assert_array_equal(open_movie(path).read(), array)


@pytest.mark.parametrize("options", [{}, {"planarconfig": "separate"}])
def test_colour_images_are_refused(tmp_path, options):
    shape = (6, 3, 8, 10) if options else (6, 8, 10, 3)
    path = _saved(
        tmp_path / "a.tif", np.zeros(shape, np.uint8), photometric="rgb", **options
    )
    with pytest.raises(InputError, match="colour images of 3 samples"):
        open_movie(path)


@pytest.mark.parametrize("dtype", [bool, np.complex64])
def test_pixels_that_are_no_grey_values_are_refused(tmp_path, dtype):
    path = _saved(
        tmp_path / "a.tif", np.zeros((5, 8, 16), dtype), photometric="minisblack"
    )
    with pytest.raises(InputError, match=r"a\.tif holds .* pixels"):
        open_movie(path)


def test_doubles_are_read_as_float32(tmp_path, array):
    movie = open_movie(_saved(tmp_path / "a.tif", array.astype(np.float64)))
    assert movie.dtype == np.float32
    np.testing.assert_array_equal(movie.read(), array)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"imagej": True},
        {"bigtiff": True},
        {"compression": "zlib"},
        {"metadata": None},
    ],
    ids=str,
)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_truncated_file_is_refused(tmp_path, array, options, share):
    path = _saved(tmp_path / "a.tif", array, **options)
    os.truncate(path, int(path.stat().st_size * share))
    with pytest.raises(InputError, match=r"a\.tif (is truncated|cannot be read)"):
        open_movie(path).read()


def test_a_file_cut_short_between_pages_is_refused(tmp_path, array):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as tif:
        for frame in array:
            tif.write(frame, contiguous=False, metadata=None)
    with tifffile.TiffFile(path) as tif:
        end = tif.pages[7].offset
    os.truncate(path, end)
    with pytest.raises(InputError, match=r"a\.tif is truncated"):
        open_movie(path)


def test_compressed_data_cut_short_is_refused(tmp_path, array):
    path = _saved(tmp_path / "a.tif", array, compression="zlib")
    with tifffile.TiffFile(path) as tif:
        end = tif.pages[11].dataoffsets[0] + tif.pages[11].databytecounts[0]
    os.truncate(path, end - 10)
    with pytest.raises(InputError, match=r"a\.tif is truncated"):
        open_movie(path)


def test_damaged_compressed_data_name_the_frame(tmp_path, array):
    path = _saved(tmp_path / "a.tif", array, compression="zlib")
    with tifffile.TiffFile(path) as tif:
        offset, size = (tif.pages[5].dataoffsets[0], tif.pages[5].databytecounts[0])
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(bytes(size))
    movie = open_movie(path)
    np.testing.assert_array_equal(movie.read(slice(0, 5)), array[:5])
    with pytest.raises(InputError, match=r"Frame 5 of a\.tif cannot be read"):
        movie.read()


def test_a_file_cut_short_after_it_was_opened_is_noticed(tmp_path, array):
    path = _saved(tmp_path / "a.tif", array)
    movie = open_movie(path)
    os.truncate(path, 1000)
    with pytest.raises(InputError, match="cut short after it had been opened"):
        movie.read()


def test_noise_behind_a_tiff_signature_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    path.write_bytes(b"II*\0" + np.random.default_rng(0).bytes(5000))
    with pytest.raises(InputError, match=r"a\.tif"):
        open_movie(path)


def test_a_stack_of_too_many_channels_is_a_movie(tmp_path, array):
    path = _saved(tmp_path / "a.tif", array, imagej=True, metadata={"axes": "CYX"})
    np.testing.assert_array_equal(open_movie(path).read(), array)
    few = _saved(tmp_path / "b.tif", array[:2], imagej=True, metadata={"axes": "CYX"})
    with pytest.raises(InputError, match="holds 2 channels"):
        open_movie(few)
