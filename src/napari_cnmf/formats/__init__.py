"""Reading and writing: every file format is one file here.

Importing a format's module registers its reader; nothing else does.
"""

from napari_cnmf.formats import hdf5, tif
from napari_cnmf.formats.registry import open_movie

__all__ = ["hdf5", "open_movie", "tif"]
