"""Images that summarise a movie: mean, maximum, deviation, correlation, noise."""

from napari_cnmf.summary.parameters import SummaryParameters
from napari_cnmf.summary.stage import summarise

__all__ = ["SummaryParameters", "summarise"]
