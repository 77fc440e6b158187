"""The whole workflow in a viewer: a movie, its cells, their traces.

Replace the simulated movie by ``cnmf.open_movie("your-movie.tif")`` to try your own.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import mkdtemp

import napari

import napari_cnmf as cnmf


def main(viewer: napari.Viewer, folder: Path) -> cnmf.Result:
    """Find the cells of a simulated movie and show them."""
    scene = cnmf.SimulationParameters(n_frames=900, height_px=96, width_px=96)
    truth = cnmf.simulate(scene)
    movie = cnmf.Movie.from_array(truth.movie, frame_rate_hz=truth.frame_rate_hz)
    cnmf.show_movie(movie, viewer)

    recipe = cnmf.Recipe().with_settings({"init.neuron_half_size_px": 4})
    result = cnmf.run(movie, recipe, folder)

    cnmf.show(result, viewer, folder=folder)
    cells = result.components
    print(f"{cells.accepted.sum()} cells of {len(cells)} candidates, in {folder}")
    return result


if __name__ == "__main__":
    main(napari.Viewer(), Path(mkdtemp(prefix="cnmf-")))
    napari.run()
