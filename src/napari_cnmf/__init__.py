"""Cells, traces and dF/F from calcium imaging movies.

The public names are imported when they are first used: `import napari_cnmf` is quick
and needs nothing but Python.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PLACES = {
    "correct": "motion.stage",
    "summarise": "summary.stage",
    "correlation_movie": "summary.correlation_movie",
    "correlation_pnr": "summary.correlation_pnr",
    "fit": "cnmf.fit",
    "refit": "cnmf.refit",
    "evaluate": "quality.stage",
    "dff": "baseline",
    "propose": "cnmf.proposals.propose",
    "prepare": "cnmf.recording",
    "components_from_arrays": "cnmf.arrays",
    "initialise_components": "cnmf.steps",
    "hals": "cnmf.steps",
    "update_spatial": "cnmf.steps",
    "update_temporal": "cnmf.steps",
    "merge_components": "cnmf.steps",
    "evaluate_components": "quality.step_by_step",
    "deconvolve_traces": "cnmf.deconvolution",
    "pixel_noise": "cnmf.noise",
    "pixel_spectra": "cnmf.noise",
    "global_ar": "cnmf.kinetics",
    "run": "pipeline.runner",
    "rerun": "pipeline.runner",
    "resume": "pipeline.runner",
    "apply_registration": "pipeline.apply",
    "open_movie": "formats",
    "load": "formats.results",
    "save": "formats.results",
    "save_curation": "formats.curation",
    "explain": "quality.explain",
    "export_npz": "formats.tables",
    "export_csv": "formats.tables",
    "export_movie": "formats.movies",
    "export_caiman": "formats.exchange.caiman_results",
    "export_suite2p": "formats.exchange.suite2p",
    "export_nwb": "formats.exchange.nwb_results",
    "export_mat": "formats.exchange.matlab",
    "export_rois": "report.imagej_rois",
    "import_result": "pipeline.importing",
    "import_run": "pipeline.imported_run",
    "to_symbols": "formats.exchange.caiman_symbols",
    "from_symbols": "formats.exchange.caiman_symbols",
    "write_report": "report.figure",
    "write_motion_report": "report.motion",
    "simulate": "simulation",
    "SimulationParameters": "simulation",
    "Simulation": "simulation",
    "local_backend": "compute",
    "Movie": "movie",
    "Shifts": "movie.shifts",
    "PatchShifts": "movie.shifts",
    "Registration": "movie.registration",
    "SummaryImages": "movie.images",
    "Recording": "cnmf.recording",
    "Components": "components",
    "Quality": "components",
    "Origin": "origin",
    "Fate": "origin",
    "Result": "formats.results",
    "Proposal": "proposal",
    "Recipe": "recipe",
    "CnmfError": "errors",
    "session": "widgets.session",
    "show": "widgets.show",
    "show_movie": "widgets.show",
    "show_quilt": "widgets.show",
    "show_panels": "widgets.show",
}

# The rest needs no napari, so that `import *` works without it.
__all__ = [
    "__version__",
    *(name for name, place in _PLACES.items() if not place.startswith("widgets.")),
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("napari-cnmf")
    if name not in _PLACES:
        raise AttributeError(f"module 'napari_cnmf' has no attribute '{name}'")
    return getattr(import_module(f"napari_cnmf.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*__all__, *_PLACES})
