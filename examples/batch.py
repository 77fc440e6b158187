"""Several movies without a viewer: one folder of results each, one table of all.

A movie that cannot be used is named and left out; the others go on.
"""

from __future__ import annotations

import csv
from pathlib import Path
from tempfile import mkdtemp

import tifffile

import napari_cnmf as cnmf


def analyse(paths: list[Path], folder: Path) -> Path:
    """Find the cells of each movie; return the table of all cells."""
    recipe = cnmf.Recipe().with_settings({"acquisition.frame_rate_hz": 30})
    table = folder / "cells.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["movie", "cell", "snr", "events_per_s"])
        for path in paths:
            try:
                result = cnmf.run(path, recipe, folder / path.stem)
            except cnmf.CnmfError as error:
                print(f"{path.name} is left out: {error}")
                continue
            cells = result.components.select(result.components.accepted)
            seconds = cells.n_frames / cells.frame_rate_hz
            for k, cell in enumerate(cells.ids):
                rate = (cells.spikes[k] > 0).sum() / seconds
                writer.writerow([path.name, cell, cells.quality.snr[k], rate])
            print(f"{path.name}: {len(cells)} cells")
    return table


def simulated_movies(folder: Path, n: int = 3) -> list[Path]:
    """Write small movies to try this on."""
    scene = cnmf.SimulationParameters(n_frames=600, height_px=96, width_px=96)
    paths = [folder / f"movie-{seed}.tif" for seed in range(n)]
    for seed, path in enumerate(paths):
        tifffile.imwrite(path, cnmf.simulate(scene, seed).movie)
    return paths


if __name__ == "__main__":
    here = Path(mkdtemp(prefix="cnmf-"))
    print(analyse(simulated_movies(here), here))
