"""The picture of a run."""

from napari_cnmf.report.figure import draw_report, write_report

__all__ = ["draw_report", "write_report"]
