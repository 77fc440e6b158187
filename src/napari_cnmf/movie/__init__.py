"""The movie as a value, and where its frames come from."""

from napari_cnmf.movie.missing import Repair, repair
from napari_cnmf.movie.movie import FileSpan, FrameSource, Movie
from napari_cnmf.movie.sources import (
    ArraySource,
    ChainSource,
    ConvertedSource,
    SubsetSource,
    native,
)

__all__ = [
    "ArraySource",
    "ChainSource",
    "ConvertedSource",
    "FileSpan",
    "FrameSource",
    "Movie",
    "Repair",
    "SubsetSource",
    "native",
    "repair",
]
