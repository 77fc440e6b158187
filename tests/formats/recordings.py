"""The same array written as a file of every format, by that format's own library."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np
import tifffile

FRAME_RATE_HZ = 12.5
#: Height and width of a pixel.
PIXEL_UM = (0.5, 0.75)


@dataclass(frozen=True)
class Format:
    """How to write a file, and what a reader finds in it."""

    write: Callable[[Path, np.ndarray], None]
    suffix: str
    dtype: str = "uint16"
    frame_rate_hz: float | None = None
    pixel_size_um: tuple[float, float] | None = None
    tolerance: float = 0.0


def plain_tif(path, array):
    tifffile.imwrite(path, array, photometric="minisblack")


def imagej_tif(path, array):
    about = {"axes": "TYX", "finterval": 1 / FRAME_RATE_HZ, "unit": "um"}
    height, width = PIXEL_UM
    tifffile.imwrite(
        path, array, imagej=True, metadata=about, resolution=(1 / width, 1 / height)
    )


def ome_tif(path, array):
    about = {
        "axes": "TYX",
        "TimeIncrement": 1 / FRAME_RATE_HZ,
        "PhysicalSizeY": PIXEL_UM[0],
        "PhysicalSizeX": PIXEL_UM[1],
    }
    tifffile.imwrite(path, array, ome=True, metadata=about)


def compressed_tif(path, array):
    tifffile.imwrite(path, array, compression="zlib", photometric="minisblack")


def tif_page_by_page(path, array):
    with tifffile.TiffWriter(path, bigtiff=True) as tif:
        for frame in array:
            tif.write(frame, contiguous=False, metadata=None, rowsperstrip=5)


def hdf5(path, array):
    with h5py.File(path, "w") as file:
        file.create_dataset("mov", data=array, chunks=(4, 9, 7), compression="gzip")
        file["mov"].attrs["fr"] = FRAME_RATE_HZ
        file["mov"].attrs["pixel_size_um"] = PIXEL_UM


def matlab(path, array):
    """As MATLAB's ``save -v7.3`` does: a block of its own before the HDF5 file."""
    with h5py.File(path, "w", userblock_size=512) as file:
        data = np.ascontiguousarray(array.transpose(0, 2, 1))
        file.create_dataset("Y", data=data, chunks=(4, 7, 9), compression="gzip")
        file["Y"].attrs["MATLAB_class"] = np.bytes_("uint16")
        file["frame_rate"] = np.array([[FRAME_RATE_HZ]])
        file.create_dataset("#refs#/a", data=np.zeros((4, 5, 6)))
    text = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124)
    with path.open("r+b") as file:
        file.write(text + b"\x00\x02IM")


def zarr_of(version: int) -> Callable[[Path, np.ndarray], None]:
    def write(path, array):
        import zarr

        made = zarr.create_array(
            path, data=array, chunks=(4, 9, 7), zarr_format=version, overwrite=True
        )
        made.attrs["frame_rate"] = FRAME_RATE_HZ
        made.attrs["pixel_size_um"] = list(PIXEL_UM)

    return write


def ngff_of(version: int) -> Callable[[Path, np.ndarray], None]:
    """An OME-NGFF image: version 0.4 in zarr 2, version 0.5 in zarr 3."""

    def write(path, array):
        import zarr

        group = zarr.create_group(path, zarr_format=version, overwrite=True)
        whole = array[:, None, None]
        group.create_array("0", data=whole, chunks=(4, 1, 1, 9, 7))
        group.create_array("1", data=whole[..., ::2, ::2], chunks=(4, 1, 1, 9, 7))
        group.attrs.update(ngff_attributes(version, (1.0, 1.0)))

    return write


def ngff_attributes(version: int, steps: tuple[float, float]) -> dict:
    """Attributes of an image t, c, z, y, x of two levels; `steps` of c and z."""
    axes = [
        {"name": "t", "type": "time", "unit": "second"},
        {"name": "c", "type": "channel"},
        {"name": "z", "type": "space", "unit": "micrometer"},
        {"name": "y", "type": "space", "unit": "micrometer"},
        {"name": "x", "type": "space", "unit": "micrometer"},
    ]
    scale = [1 / FRAME_RATE_HZ, *steps, *PIXEL_UM]
    levels = [
        {
            "path": path,
            "coordinateTransformations": [
                {
                    "type": "scale",
                    "scale": [*scale[:3], *(n * factor for n in scale[3:])],
                }
            ],
        }
        for path, factor in (("0", 1), ("1", 2))
    ]
    images = {"multiscales": [{"axes": axes, "datasets": levels}]}
    return images if version == 2 else {"ome": {"version": "0.5", **images}}


def n5_of(compression: str) -> Callable[[Path, np.ndarray], None]:
    """By tensorstore; N5 counts the fastest axis first, so that is (x, y, t)."""

    def write(path, array):
        write_n5(path, array.T, {"type": compression})
        file = path / "attributes.json"
        about = json.loads(file.read_text())
        about["frame_rate"] = FRAME_RATE_HZ
        size = {"unit": "um", "dimensions": [PIXEL_UM[1], PIXEL_UM[0], 1.0]}
        file.write_text(json.dumps(about | {"pixelResolution": size}))

    return write


def write_n5(folder: Path, array: np.ndarray, compression: dict) -> None:
    import tensorstore

    store = tensorstore.open(
        {
            "driver": "n5",
            "kvstore": {"driver": "file", "path": str(folder)},
            "metadata": {
                "dimensions": array.shape,
                "blockSize": [7, 9, *[4] * (array.ndim - 2)],
                "dataType": array.dtype.name,
                "compression": compression,
            },
        },
        create=True,
        delete_existing=True,
    ).result()
    store.write(array).result()


def nwb(path, array):
    write_nwb(path, array.transpose(0, 2, 1))


def write_nwb(path, data, kind="TwoPhotonSeries", names=("Movie",), **options):
    """Write image series (frame, x, y), as the schema of NWB wants it, by pynwb."""
    from pynwb import NWBHDF5IO, NWBFile, ophys

    start = datetime(2024, 5, 17, 12, tzinfo=UTC)
    file = NWBFile(
        session_description="a test", identifier="test", session_start_time=start
    )
    device = file.create_device(name="microscope")
    channel = ophys.OpticalChannel(
        name="green", description="GFP", emission_lambda=520.0
    )
    plane = file.create_imaging_plane(
        name="plane",
        optical_channel=channel,
        description="a plane",
        device=device,
        excitation_lambda=920.0,
        indicator="GCaMP6f",
        location="V1",
        grid_spacing=[PIXEL_UM[1] * 1e-6, PIXEL_UM[0] * 1e-6],
        grid_spacing_unit="meters",
    )
    options = {"data": data, "unit": "a.u.", "rate": FRAME_RATE_HZ} | options
    for name in names:
        series = getattr(ophys, kind)(name=name, imaging_plane=plane, **options)
        file.add_acquisition(series)
    with NWBHDF5IO(path, "w") as io:
        io.write(file)


def npy(path, array):
    np.save(path, array)


def fortran_npy(path, array):
    np.save(path, np.asfortranarray(array))


def npz(path, array):
    np.savez(path, movie=array, times=np.arange(9.0))


def video_of(codec: str, pixels: str) -> Callable[[Path, np.ndarray], None]:
    def write(path, array):
        import av

        is_deep = array.dtype == np.uint16
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=25)
            stream.codec_context.gop_size = 5
            stream.height, stream.width = array.shape[1:]
            stream.pix_fmt = pixels
            stream.bit_rate = 4_000_000
            for frame in array:
                grey = av.VideoFrame.from_ndarray(
                    np.ascontiguousarray(frame),
                    format="gray16le" if is_deep else "gray",
                )
                container.mux(stream.encode(grey))
            container.mux(stream.encode())

    return write


def caiman_name(stem: str, array: np.ndarray, order: str) -> str:
    n_frames, height, width = array.shape
    return f"{stem}_d1_{height}_d2_{width}_d3_1_order_{order}_frames_{n_frames}.mmap"


def caiman_of(order: str) -> Callable[[Path, np.ndarray], None]:
    """A matrix of pixels, counted down the columns, by frames, as CaImAn maps it."""

    def write(path, array):
        matrix = array.transpose(0, 2, 1).reshape(len(array), -1).T.astype(np.float32)
        mapped = np.memmap(path, np.float32, "w+", shape=matrix.shape, order=order)
        mapped[:] = matrix
        mapped.flush()

    return write


def scanbox(path, array):
    write_scanbox(path, array[..., None])


def write_scanbox(path, array, **info):
    """Write frames (t, y, x, channel) to the published format of Neurolabware."""
    from scipy.io import savemat

    (65535 - array).astype("<u2").tofile(path)
    height, width, n_channels = array.shape[1:]
    known = {
        "sz": np.array([height, width]),
        "channels": 1 if n_channels == 2 else 2,
        "scanmode": 1,
        "resfreq": FRAME_RATE_HZ * height,
        "recordsPerBuffer": height,
        "otwave": np.array([]),
        "volscan": 0,
    }
    savemat(path.with_suffix(".mat"), {"info": known | info})


STATED = {"frame_rate_hz": FRAME_RATE_HZ, "pixel_size_um": PIXEL_UM}
RATE = {"frame_rate_hz": FRAME_RATE_HZ}
FORMATS = {
    "tif": Format(plain_tif, ".tif"),
    "ImageJ": Format(imagej_tif, ".tif", **STATED),
    "OME": Format(ome_tif, ".ome.tif", **STATED),
    "compressed tif": Format(compressed_tif, ".tif"),
    "tif page by page": Format(tif_page_by_page, ".btf"),
    "HDF5": Format(hdf5, ".h5", **STATED),
    "MATLAB": Format(matlab, ".mat", **RATE),
    "zarr 2": Format(zarr_of(2), ".zarr", **STATED),
    "zarr 3": Format(zarr_of(3), ".zarr", **STATED),
    "NGFF 0.4": Format(ngff_of(2), ".ome.zarr", **STATED),
    "NGFF 0.5": Format(ngff_of(3), ".ome.zarr", **STATED),
    "N5 raw": Format(n5_of("raw"), ".n5", **STATED),
    "N5 gzip": Format(n5_of("gzip"), ".n5", **STATED),
    "N5 zstd": Format(n5_of("zstd"), ".n5", **STATED),
    "N5 bzip2": Format(n5_of("bzip2"), ".n5", **STATED),
    "N5 xz": Format(n5_of("xz"), ".n5", **STATED),
    "NWB": Format(nwb, ".nwb", **STATED),
    "npy": Format(npy, ".npy"),
    "Fortran npy": Format(fortran_npy, ".npy"),
    "npz": Format(npz, ".npz"),
    "ffv1 avi": Format(video_of("ffv1", "gray"), ".avi", "uint8", 25.0),
    "ffv1 mkv": Format(video_of("ffv1", "gray16le"), ".mkv", "uint16", 25.0),
    "raw avi": Format(video_of("rawvideo", "gray"), ".avi", "uint8", 25.0),
    "h264 mp4": Format(
        video_of("libx264", "yuv420p"), ".mp4", "uint8", 25.0, tolerance=12
    ),
    "mpeg4 avi": Format(
        video_of("mpeg4", "yuv420p"), ".avi", "uint8", 25.0, tolerance=12
    ),
    "CaImAn C": Format(caiman_of("C"), ".mmap", "float32"),
    "CaImAn F": Format(caiman_of("F"), ".mmap", "float32"),
    "Scanbox": Format(scanbox, ".sbx", **RATE),
}


def recognisable(shape: tuple[int, int, int], dtype: str) -> np.ndarray:
    """Return a movie in which every pixel tells its frame, row and column.

    Smooth enough for a video that is lossy, and no two axes can be taken for another.
    """
    t, y, x = np.ogrid[: shape[0], : shape[1], : shape[2]]
    return (3 * t + 2 * y + x + 20).astype(dtype)


def written(kind: Format, folder: Path, stem: str, array: np.ndarray) -> Path:
    """Write an array as a file of a format; return its path."""
    name = stem + kind.suffix
    if kind.suffix == ".mmap":
        name = caiman_name(stem, array, "C" if kind is FORMATS["CaImAn C"] else "F")
    path = folder / name
    kind.write(path, array)
    return path
