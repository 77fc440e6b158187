"""Layers of panels side by side: pure functions that return (data, kwargs, type).

The panels are copies of the field next to each other, so everything drawn over the
field is drawn as often, each time moved to the right by a field and a gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from napari_cnmf.colours import ACCEPTED, REJECTED
from napari_cnmf.reconstruction import Panel, View
from napari_cnmf.widgets.scene.layers import (
    LINE_PX,
    LayerTuple,
    Outlines,
    Place,
    lines_layer,
)

#: Of a result: original, reconstruction and residual.
N_PANELS = 3
#: Room between two panels, as a share of their width.
GAP = 0.04
#: Readable on black and on white.
TITLE_COLOUR = "#8f98a8"


def offsets_px(width: int, n_panels: int = N_PANELS) -> np.ndarray:
    """(n_panels,) left edge of each panel, for a field of some columns."""
    return np.arange(n_panels) * np.ceil(width * (1 + GAP))


def panel_layer(panel: Panel, place: Place, left_px: float) -> LayerTuple:
    """Show the movie of one panel, in its place."""
    t, y, x = place.origin
    about = replace(place, origin=(t, y, x + left_px)).movie
    about |= {"name": panel.name, "contrast_limits": panel.limits}
    if len(panel.frames.shape) == 4:
        about |= {"rgb": True}
    return panel.frames, about, "image"


def titles_layer(titles: Sequence[str], width: int, place: Place) -> LayerTuple:
    """Write a title above each panel."""
    lefts = offsets_px(width, len(titles))
    points = np.stack([np.full(len(titles), -0.5), lefts - 0.5], axis=1)
    about = {
        "name": "titles",
        "features": {"title": list(titles)},
        "text": {
            "string": "{title}",
            "size": 11,
            "color": TITLE_COLOUR,
            "anchor": "upper_left",
        },
        "size": 0.01,
        "face_color": "transparent",
        "border_color": "transparent",
        **place.image,
    }
    return points, about, "points"


def contours_layer(
    outlines: Outlines, accepted: np.ndarray, verdict: bool, width: int, place: Place
) -> LayerTuple:
    """Draw the contours of all accepted, or all rejected, cells on every panel."""
    found = outlines.where(accepted == verdict)
    copies = np.tile(found, (N_PANELS, 1, 1))
    copies[:, 0, 1] += np.repeat(offsets_px(width), len(found)).astype(np.float32)
    name = "accepted cells" if verdict else "rejected cells"
    colour = ACCEPTED if verdict else REJECTED
    return lines_layer(copies, name, colour, place, LINE_PX)


def titles_of(view: View) -> tuple[str, str, str]:
    """Say above each panel what it shows."""
    less = "" if view.background else " less background"
    cells = "" if view.accepted_only else " of all cells"
    gain = view.residual_gain
    times = "" if gain == 1 else f" \N{MULTIPLICATION SIGN} {gain:g}"
    return f"original{less}", f"reconstruction{cells}", f"residual{times}"
