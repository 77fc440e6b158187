"""Small good files of every format, to be damaged, and how each is used."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.sparse as sp
import tifffile
from example_values import make_components, make_result, with_verdicts
from formats.recordings import FORMATS, recognisable, written

from fuzz.mutations import Mutate, shape_lie, text_lie, tiff_lie
from napari_cnmf.formats import open_movie
from napari_cnmf.formats.curation import save_curation
from napari_cnmf.formats.exchange.caiman_results import export_caiman, import_caiman
from napari_cnmf.formats.exchange.nwb_reading import import_nwb
from napari_cnmf.formats.exchange.nwb_results import export_nwb
from napari_cnmf.formats.exchange.suite2p import export_suite2p, import_suite2p
from napari_cnmf.formats.results import load, load_head, save
from napari_cnmf.formats.seeds import read_seeds
from napari_cnmf.movie import Movie
from napari_cnmf.movie.draft import draft
from napari_cnmf.movie.store import StoreHeader, TiledStore
from napari_cnmf.recipe import Recipe

SHAPE = (7, 14, 20)


@dataclass(frozen=True)
class Specimen:
    """A good file.

    Attributes
    ----------
    name, format : str
        What it is, and which format it counts for.
    make : callable
        Writes it into a folder and returns its path.
    use : callable
        What users do with such a path.
    lies : tuple of callables
        Mutations that know the format.
    headers : tuple of str
        How the names of files end that describe others beside them.
    rename : callable, optional
        Gives a lying name, where names hold the shape.
    """

    name: str
    format: str
    make: Callable[[Path], Path]
    use: Callable[[Path], Any]
    lies: tuple[Mutate, ...] = ()
    headers: tuple[str, ...] = (".json", ".zarray", ".zgroup", ".zattrs", ".mat")
    rename: Callable[[str, np.random.Generator], str] | None = None


def watch(path: Path) -> None:
    """Open a movie and read its first, middle and last frame."""
    read_frames(open_movie(path))


def read_frames(movie: Movie) -> None:
    """Read the first, the middle and the last frame."""
    n_frames = movie.shape[0]
    for t in (0, n_frames // 2, n_frames - 1):
        movie.read(slice(t, t + 1))


def lying_name(name: str, rng: np.random.Generator) -> str:
    """The name of a file whose shape it tells, with another shape."""
    return text_lie(name.encode(), rng).decode().replace('"', "")


def _written(name: str) -> Callable[[Path], Path]:
    """Return what writes a file of a format with its own library."""

    def make(folder: Path) -> Path:
        kind = FORMATS[name]
        return written(kind, folder, "a", recognisable(SHAPE, kind.dtype))

    return make


def watch_store(path: Path) -> None:
    """Open a registered movie, and read it as the stages do."""
    store = TiledStore.open(path)
    read_frames(store.movie())
    store.read_binned(slice(0, 2), slice(0, 2))


def load_all(path: Path) -> None:
    """Load a result, or the verdicts beside it."""
    path = path / "results.h5" if path.is_dir() else path
    load(path)
    load_head(path)


def pixels(dtype: str = "uint16") -> np.ndarray:
    """Frames of a movie."""
    return np.random.default_rng(1).integers(0, 200, SHAPE).astype(dtype)


def _tif(**options: Any) -> Callable[[Path], Path]:
    """Return what writes a TIFF file."""
    dtype = options.pop("dtype", "uint16")

    def make(folder: Path) -> Path:
        path = folder / "a.tif"
        tifffile.imwrite(path, pixels(dtype), photometric="minisblack", **options)
        return path

    return make


def _page_by_page(folder: Path) -> Path:
    """A TIFF of single pages in strips."""
    path = folder / "a.tif"
    with tifffile.TiffWriter(path) as tif:
        for frame in pixels():
            tif.write(frame, contiguous=False, metadata=None, rowsperstrip=5)
    return path


def _scanimage(folder: Path) -> Path:
    """A TIFF with the settings of ScanImage."""
    path = folder / "a.tif"
    settings = (
        "SI.VERSION_MAJOR = 2020\nSI.hChannels.channelSave = [1;2]\n"
        "SI.hFastZ.enable = true\nSI.hStackManager.numSlices = 2\n"
        "SI.hFastZ.numDiscardFlybackFrames = 1\nSI.hStackManager.framesPerSlice = 1\n"
        "SI.hRoiManager.scanFrameRate = 30\n"
        "SI.hRoiManager.imagingFovUm = [0 0;9 0;9 9;0 9]\n"
    )
    with tifffile.TiffWriter(path, bigtiff=True) as tif:
        for frame in np.repeat(pixels(), 2, axis=0):
            about = {"description": "frameNumbers = 1", "software": settings}
            tif.write(frame, contiguous=False, metadata=None, **about)
    return path


def watch_scanimage(path: Path) -> None:
    """Open one channel and plane."""
    read_frames(open_movie(path, channel=0, plane=1))


def _hdf5(*, libver: str = "earliest", **options: Any) -> Callable[[Path], Path]:
    """Return what writes an HDF5 file."""
    dtype = options.pop("dtype", "uint16")

    def make(folder: Path) -> Path:
        path = folder / "a.h5"
        with h5py.File(path, "w", libver=libver) as file:
            about = file.create_group("about")
            about.attrs["text"] = "a text of some length"
            about.create_dataset("names", data=["one", "two"])
            mov = file.create_dataset("data/mov", data=pixels(dtype), **options)
            mov.attrs.update(fr=30.0, pixel_size_um=[1.0, 2.0])
        return path

    return make


def _results(folder: Path) -> Path:
    """A results file."""
    path = folder / "results.h5"
    save(make_result(), path, overwrite=True)
    return path


def _curated(folder: Path) -> Path:
    """A folder of a run, with verdicts beside its results file."""
    path = folder / "run"
    path.mkdir(exist_ok=True)
    save_curation(make_result(), _results(path))
    return path


def _recipe(folder: Path) -> Path:
    """A recipe."""
    path = folder / "recipe.toml"
    Recipe().save(path)
    return path


def _caiman_parameters(folder: Path) -> Path:
    """CaImAn's parameters as JSON."""
    path = folder / "parameters.json"
    groups = {
        "data": {"fr": 30, "decay_time": 0.4, "dxy": [1.0, 1.0]},
        "patch": {"rf": [25, 25], "stride": 10},
        "init": {"K": 4, "gSig": [4, 4], "method_init": "greedy_roi", "nb": 2},
        "motion": {"max_shifts": [6, 6], "strides": [48, 48], "pw_rigid": True},
        "temporal": {"p": 1, "noise_range": [0.25, 0.5]},
        "quality": {"min_SNR": 2.0, "rval_thr": 0.85, "use_cnn": True},
    }
    path.write_text(json.dumps(groups))
    return path


def translate(path: Path) -> None:
    """Make a recipe of CaImAn's parameters."""
    from napari_cnmf.formats.exchange.caiman_parameters import read_caiman

    Recipe.from_caiman(read_caiman(path))


def _labels() -> np.ndarray:
    labels = np.zeros((12, 17), np.int32)
    labels[2:5, 3:6], labels[7:9, 8:13] = 1, 2
    return labels


def _seeds_npz(folder: Path) -> Path:
    np.savez_compressed(folder / "seeds.npz", seeds=_labels())
    return folder / "seeds.npz"


def _seeds_npy(folder: Path) -> Path:
    np.save(folder / "seeds.npy", _labels())
    return folder / "seeds.npy"


def _seeds_tif(folder: Path) -> Path:
    tifffile.imwrite(folder / "seeds.tif", _labels(), compression="zlib")
    return folder / "seeds.tif"


def _footprints(folder: Path) -> Path:
    array = sp.random_array((100, 5), density=0.1, format="csc", rng=1)
    sp.save_npz(folder / "footprints.npz", array)
    return folder / "footprints.npz"


def _points(folder: Path) -> Path:
    path = folder / "points.csv"
    path.write_text("index,axis-0,axis-1\n0,3.5,2\n1,7,5.25\n2,4,8\n")
    return path


def _store(folder: Path) -> Path:
    """A registered movie."""
    path, frames = folder / "registered.zarr", pixels()
    header = StoreHeader(0.25, 2, "registered", "raw", 30.0, (1.0, 2.0))
    base = np.zeros(SHAPE[1:], np.float32)
    with draft(path, header, base, len(frames), 4) as unfinished:
        for first in (0, 4):
            unfinished.write(first, frames[first : first + 4])
        unfinished.finish(path, 0)
    return path


def _exported(export: Callable[..., Any], name: str) -> Callable[[Path], Path]:
    """Return what writes a result in a format of others."""

    def make(folder: Path) -> Path:
        export(make_result(with_verdicts(make_components())), folder / name)
        return folder / name

    return make


BEGAN = datetime(2026, 5, 1, 12, tzinfo=UTC)
_OURS = shape_lie(*SHAPE)
_TIFS = {
    "plain": _tif(),
    "imagej": _tif(
        imagej=True, resolution=(2, 2), metadata={"unit": "um", "axes": "TYX"}
    ),
    "ome": _tif(ome=True, metadata={"axes": "TYX", "TimeIncrement": 0.1}),
    "big": _tif(bigtiff=True, byteorder=">"),
    "pages": _page_by_page,
    "zlib": _tif(compression="zlib", predictor=True, rowsperstrip=5),
    "lzw": _tif(compression="lzw", byteorder=">"),
    "tiled": _tif(tile=(16, 16), compression="packbits"),
    "zstd": _tif(compression="zstd"),
    "lzma": _tif(compression="lzma"),
    "jpeg": _tif(compression="jpeg", dtype="uint8"),
    "jpeg2000": _tif(compression="jpeg2000"),
    "jpegxl": _tif(compression="jpegxl"),
    "webp": _tif(compression="png"),
}
_HDF5S = {
    "contiguous": _hdf5(),
    "gzip": _hdf5(chunks=(2, 8, 8), compression="gzip", shuffle=True),
    "lzf": _hdf5(chunks=(3, *SHAPE[1:]), compression="lzf", fletcher32=True),
    "latest": _hdf5(chunks=(2, 8, 8), libver="latest", compression="gzip"),
    "growing": _hdf5(
        chunks=(1, *SHAPE[1:]), maxshape=(None, *SHAPE[1:]), libver="latest"
    ),
    "scaled": _hdf5(chunks=(2, 8, 8), scaleoffset=9),
    "big-endian": _hdf5(dtype=">f4"),
}
_ALL = (
    *(
        Specimen(f"tif {n}", "tif", m, watch, (tiff_lie, _OURS))
        for n, m in _TIFS.items()
    ),
    Specimen("tif scanimage", "tif", _scanimage, watch_scanimage, (tiff_lie,)),
    *(Specimen(f"hdf5 {n}", "hdf5", m, watch, (_OURS,)) for n, m in _HDF5S.items()),
    Specimen("results file", "results", _results, load_all, (shape_lie(20, 6, 9, 4),)),
    Specimen("results curated", "results", _curated, load_all, (text_lie,)),
    Specimen(
        "CaImAn results",
        "exchange",
        _exported(export_caiman, "a.hdf5"),
        import_caiman,
        (shape_lie(20, 6, 9, 4),),
    ),
    Specimen(
        "suite2p results",
        "exchange",
        _exported(export_suite2p, "plane0"),
        import_suite2p,
        (text_lie,),
    ),
    Specimen(
        "NWB results",
        "exchange",
        _exported(partial(export_nwb, session_start=BEGAN), "a.nwb"),
        import_nwb,
        (shape_lie(20, 6, 9, 4),),
    ),
    Specimen("recipe", "recipe", _recipe, Recipe.load, (text_lie,)),
    Specimen("caiman parameters", "recipe", _caiman_parameters, translate, (text_lie,)),
    Specimen("seeds npz", "seeds", _seeds_npz, read_seeds, (text_lie,)),
    Specimen("seeds npy", "seeds", _seeds_npy, read_seeds, (text_lie,)),
    Specimen("seeds tif", "seeds", _seeds_tif, read_seeds, (tiff_lie,)),
    Specimen("seeds csv", "seeds", _points, read_seeds, (text_lie,)),
    Specimen("seeds footprints", "seeds", _footprints, read_seeds, (text_lie,)),
    Specimen("store", "store", _store, watch_store, (text_lie,)),
)
_RENAMED = {"CaImAn C": lying_name, "CaImAn F": lying_name}
_MOVIES = (
    Specimen(name, group, _written(name), watch, (_OURS, text_lie), rename=rename)
    for group, names in {
        "tif": ("OME",),
        "hdf5": ("HDF5",),
        "mat": ("MATLAB",),
        "zarr": ("zarr 2", "zarr 3", "NGFF 0.4", "NGFF 0.5"),
        "n5": ("N5 raw", "N5 gzip", "N5 zstd", "N5 bzip2", "N5 xz"),
        "nwb": ("NWB",),
        "npy": ("npy", "Fortran npy"),
        "npz": ("npz",),
        "video": ("ffv1 avi", "ffv1 mkv", "raw avi", "h264 mp4", "mpeg4 avi"),
        "mmap": ("CaImAn C", "CaImAn F"),
        "sbx": ("Scanbox",),
    }.items()
    for name in names
    for rename in [_RENAMED.get(name)]
)
SPECIMENS = {specimen.name: specimen for specimen in (*_ALL, *_MOVIES)}
