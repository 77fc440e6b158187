"""Movies of all formats: a file for each.

Importing a format's module registers its reader; nothing else does.
"""

from napari_cnmf.formats.readers import (
    caiman_mmap,
    hdf5,
    n5_movies,
    numpy_movies,
    nwb_movies,
    scanbox,
    tif,
    video_movies,
    zarr_movies,
)
from napari_cnmf.formats.readers.registry import open_movie

__all__ = [
    "caiman_mmap",
    "hdf5",
    "n5_movies",
    "numpy_movies",
    "nwb_movies",
    "open_movie",
    "scanbox",
    "tif",
    "video_movies",
    "zarr_movies",
]
