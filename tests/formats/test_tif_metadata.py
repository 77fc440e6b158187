"""Frame rate and pixel size from ImageJ, OME and ScanImage metadata."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_cnmf.formats import open_movie
from napari_cnmf.formats.readers.metadata import (
    imagej_acquisition,
    ome_acquisition,
    scanimage_acquisition,
    scanimage_fields,
    scanimage_layout,
)

ARRAY = np.zeros((5, 8, 10), np.uint16)


def test_an_imagej_file_states_rate_and_pixel_size(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif",
        ARRAY,
        imagej=True,
        resolution=(2.0, 4.0),
        metadata={"axes": "TYX", "finterval": 0.05, "unit": "um"},
    )
    movie = open_movie(tmp_path / "a.tif")
    assert movie.frame_rate_hz == pytest.approx(20.0)
    assert movie.pixel_size_um == pytest.approx((0.25, 0.5))


def test_what_the_user_states_wins(tmp_path):
    metadata = {"axes": "TYX", "finterval": 0.05, "unit": "um"}
    tifffile.imwrite(tmp_path / "a.tif", ARRAY, imagej=True, metadata=metadata)
    movie = open_movie(tmp_path / "a.tif", frame_rate_hz=7.0, pixel_size_um=(3.0, 2.0))
    assert movie.frame_rate_hz == 7.0
    assert movie.pixel_size_um == (3.0, 2.0)


def test_an_ome_file_states_rate_and_pixel_size_in_its_units(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.ome.tif",
        ARRAY,
        metadata={
            "axes": "TYX",
            "TimeIncrement": 40.0,
            "TimeIncrementUnit": "ms",
            "PhysicalSizeX": 500.0,
            "PhysicalSizeXUnit": "nm",
            "PhysicalSizeY": 750.0,
            "PhysicalSizeYUnit": "nm",
        },
    )
    movie = open_movie(tmp_path / "a.ome.tif")
    assert movie.frame_rate_hz == pytest.approx(25.0)
    assert movie.pixel_size_um == pytest.approx((0.75, 0.5))


def test_a_file_without_metadata_states_nothing(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", ARRAY, resolution=(72, 72))
    movie = open_movie(tmp_path / "a.tif")
    assert movie.frame_rate_hz is None
    assert movie.pixel_size_um is None


@pytest.mark.parametrize("absurd", [0, -1.0, float("inf"), float("nan"), "x", None])
def test_absurd_values_are_taken_as_not_stated(absurd):
    stated = {"finterval": absurd, "unit": "um"}
    found = imagej_acquisition(stated, (1.0, absurd))
    assert found.frame_rate_hz is None
    assert found.pixel_size_um is None


@pytest.mark.parametrize("unit", ["um", "micron", "microns", "\\u00B5m", "µm", "μm"])
def test_the_names_of_the_micrometre_are_known(unit):
    assert imagej_acquisition({"unit": unit}, (2.0, 2.0)).pixel_size_um == (0.5, 0.5)


def test_a_pixel_size_in_pixels_or_in_nothing_is_none():
    assert imagej_acquisition({"unit": "pixel"}, (2.0, 2.0)).pixel_size_um is None
    assert imagej_acquisition({}, (2.0, 2.0)).pixel_size_um is None


def test_an_imagej_interval_may_be_in_ms():
    found = imagej_acquisition({"finterval": 50, "tunit": "ms"}, (0, 0))
    assert found.frame_rate_hz == pytest.approx(20.0)


def test_an_ome_document_without_pixels_states_nothing():
    found = ome_acquisition('<OME><BinaryOnly MetadataFile="a.ome.tif"/></OME>')
    assert found.frame_rate_hz is None
    assert found.pixel_size_um is None


SCANIMAGE = """SI.VERSION_MAJOR = '2020'
SI.hChannels.channelSave = [1;2]
SI.hFastZ.enable = true
SI.hFastZ.numDiscardFlybackFrames = 1
SI.hRoiManager.imagingFovUm = [-100 -50;100 -50;100 50;-100 50]
SI.hRoiManager.scanFrameRate = 30.5
SI.hStackManager.framesPerSlice = Inf
SI.hStackManager.numSlices = 4
"""


def test_scanimage_states_the_field_in_um_and_the_rate_of_a_plane():
    fields = scanimage_fields(SCANIMAGE)
    found = scanimage_acquisition(fields, (200, 800))
    assert found.frame_rate_hz == pytest.approx(6.1)
    assert found.pixel_size_um == pytest.approx((0.5, 0.25))


def test_scanimage_layout_counts_channels_planes_and_flyback():
    layout = scanimage_layout(scanimage_fields(SCANIMAGE))
    assert (layout.n_channels, layout.n_planes) == (2, 4)
    assert (layout.n_slices, layout.frames_per_slice) == (5, 1)


def test_old_scanimage_headers_have_a_prefix_and_crlf():
    text = SCANIMAGE.replace("SI.", "scanimage.SI.").replace("\n", "\r\n")
    assert scanimage_fields(text) == scanimage_fields(SCANIMAGE)


def test_slices_do_not_count_when_the_stack_is_switched_off():
    text = SCANIMAGE.replace("enable = true", "enable = false")
    layout = scanimage_layout(scanimage_fields(text))
    assert (layout.n_channels, layout.n_planes, layout.n_slices) == (2, 1, 1)
    found = scanimage_acquisition(scanimage_fields(text), (200, 800))
    assert found.frame_rate_hz == 30.5


def test_volumes_with_flyback_are_as_long_as_scanimage_says():
    text = SCANIMAGE + "SI.hStackManager.numFramesPerVolumeWithFlyback = 7\n"
    assert scanimage_layout(scanimage_fields(text)).n_slices == 7
