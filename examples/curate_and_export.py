"""Decide which cells to keep, by limits and by hand, and export them.

Decisions made here and those made by mouse are the same: both are kept in the viewer's
workspace and written beside the result at once.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

import napari

import napari_cnmf as cnmf


def main(viewer: napari.Viewer, folder: Path) -> cnmf.Result:
    """Find cells, choose among them and write tables."""
    scene = cnmf.SimulationParameters(n_frames=900, height_px=96, width_px=96)
    truth = cnmf.simulate(scene)
    movie = cnmf.Movie.from_array(truth.movie, frame_rate_hz=truth.frame_rate_hz)
    result = cnmf.run(movie, None, folder / "found")
    cnmf.show(result, viewer, folder=folder / "found")
    workspace = cnmf.session(viewer).workspace

    # Stricter limits for all, without computing anything again ...
    workspace.set_limits(replace(workspace.recipe.quality, min_snr=10.0))
    workspace.keep()
    # ... and the clearest of the rejected ones by hand, whatever the limits say.
    cells = workspace.result.components
    rejected = cells.select(~cells.accepted)
    clearest = rejected.ids[rejected.quality.snr.argmax()]
    workspace.decide([clearest], 1)
    workspace.select([clearest])

    cnmf.export_csv(workspace.result, folder / "tables", accepted_only=True)
    cnmf.export_npz(workspace.result, folder / "cells.npz", accepted_only=True)
    print(f"{workspace.components.accepted.sum()} cells, in {folder}")
    return workspace.result


if __name__ == "__main__":
    main(napari.Viewer(), Path(mkdtemp(prefix="cnmf-")))
    napari.run()
