"""Components of a real two-photon crop, labelled by eye, for testing only.

The movie (1000 x 128 x 128 at 15 Hz, from the public project improv) is not part of
this repository; `two_photon_crop_labels.csv` holds where a component was found and what
it looked like: in the mean, the correlation image, its footprint and its event image.
`python training/two_photon_crop.py SHEET.png` draws such a sheet of what is found now.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import tifffile
from simulated_components import Found, pipeline, what_is_seen

from napari_cnmf import Movie

CROP = Path(__file__).parents[2] / "shared" / "data" / "two-photon-crop" / "movie.tif"
LABELS = Path(__file__).with_name("two_photon_crop_labels.csv")
DIAMETER_PX = 3.0 * 2.75
FRAME_RATE_HZ = 15.0
_MEANING = {"cell": 1, "not": 0, "unsure": -1}
_NEAR_PX = 2.0  # the same component, found again


def labelled_crop(path: Path = CROP, **settings: object) -> Found:
    """Search the crop further down than usual; each component gets its label."""
    movie = Movie.from_array(tifffile.imread(path), frame_rate_hz=FRAME_RATE_HZ)
    settings = {"init.min_event_energy": 0.02} | settings
    found = pipeline(movie, DIAMETER_PX, **settings).components
    seen = what_is_seen(found, DIAMETER_PX)
    return Found(seen, found.centres, found.accepted, labels_at(found.centres))


def labels_at(centres: np.ndarray) -> np.ndarray:
    """Labels (K,): 1 cell, 0 none, -1 unsure or never seen, of centres (K, 2) px."""
    table = np.genfromtxt(LABELS, delimiter=",", skip_header=1, dtype=str)
    places = table[:, :2].astype(float)
    meaning = np.array([_MEANING[word] for word in table[:, 2]])
    distance = np.linalg.norm(centres[:, None] - places, axis=2)
    near = distance.min(axis=1) < _NEAR_PX
    return np.where(near, meaning[distance.argmin(axis=1)], -1)


def draw_sheet(found: Found, probability: np.ndarray, path: Path) -> None:
    """Draw footprint and event image of every component, in order of probability."""
    from matplotlib.figure import Figure

    images, columns = found.seen[0], 16
    rows = -(-len(probability) // columns)
    figure = Figure(figsize=(columns, 2.3 * rows))
    axes = figure.subplots(2 * rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for place, k in enumerate(np.argsort(-probability)):
        row, column = divmod(place, columns)
        pair = (images.footprints[k], images.events[k])
        for axis, image in zip(axes[2 * row : 2 * row + 2, column], pair, strict=True):
            axis.imshow(image, cmap="gray", vmin=0)
        verdict = {1: "cell", 0: "not", -1: "?"}[int(found.labels[k])]
        axes[2 * row, column].set_title(
            f"{probability[k]:.2f} {verdict}", fontsize=7, pad=1
        )
    figure.savefig(path, dpi=60, bbox_inches="tight")


def main() -> None:
    """Draw the sheet."""
    from napari_cnmf.quality.classifier import neuron_probability

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sheet", type=Path)
    parser.add_argument("--crop", type=Path, default=CROP)
    options = parser.parse_args()
    found = labelled_crop(options.crop)
    draw_sheet(found, neuron_probability(*found.seen), options.sheet)


if __name__ == "__main__":
    main()
