"""A whole run: all stages in order into one folder, and any of them again."""

from napari_cnmf.run.folder import RunFolder
from napari_cnmf.run.opening import open_input
from napari_cnmf.run.pipeline import rerun, run
from napari_cnmf.run.stages import STAGES, Stage, stage_named

__all__ = [
    "STAGES",
    "RunFolder",
    "Stage",
    "open_input",
    "rerun",
    "run",
    "stage_named",
]
