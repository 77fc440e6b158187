"""Reading and writing: movies (`readers`), results, and other programs (`exchange`)."""

from napari_cnmf.formats.readers import open_movie

__all__ = ["open_movie"]
