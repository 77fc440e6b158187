"""From values to napari's layers: pure functions that return (data, kwargs, type).

Nothing here knows a viewer. Footprints become one image of labels (label = id + 1,
as 0 is the background; the strongest footprint wins where cells overlap), contours
become line segments: 30,000 of them are drawn and recoloured far faster than 1,000
polygons.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from napari.layers import Image, Layer
from napari.utils.colormaps import CyclicLabelColormap

from napari_cnmf.cnmf.patches import Patch
from napari_cnmf.colours import ACCEPTED, CELL_COLOURS, REJECTED
from napari_cnmf.components import REASONS, Components
from napari_cnmf.contours import contours, segments
from napari_cnmf.errors import InputError
from napari_cnmf.movie import Movie
from napari_cnmf.movie.display import FrameCache, sampled_limits
from napari_cnmf.movie.images import SummaryImages

#: Data, keyword arguments and type of a layer, as napari's plugins return them.
LayerTuple = tuple[Any, dict[str, Any], str]

SELECTED = "#ffe94a"
LINE_PX = 0.5
#: Share of the brightest pixels that an image's contrast leaves out, in per cent.
BRIGHT = 0.2
GAMMA = 0.6
#: Titles of the summary images by the names of their fields.
IMAGES = {
    "noise": "noise",
    "std": "standard deviation",
    "mean": "mean",
    "maximum": "maximum",
    "correlation": "correlation image",
}

#: Images that tell whether the registration helped, and the ending of their roles.
COMPARED = ("mean", "maximum", "correlation")
BEFORE = " before"


@dataclass(frozen=True)
class Place:
    """Where frames and pixels lie in the viewer's world.

    Attributes
    ----------
    frame_rate_hz : float or None
        None counts frames.
    pixel_size_um : (float, float) or None
        None counts pixels of the movie as recorded.
    origin : (float, float, float)
        Where the first frame, row and column lie, counted in frames, rows and columns.
    side_px : float
        Side of a pixel in those of the movie as recorded.
    """

    frame_rate_hz: float | None = None
    pixel_size_um: tuple[float, float] | None = None
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    side_px: float = 1.0

    @property
    def scale(self) -> np.ndarray:
        """Length of a frame, height and width of a pixel."""
        seconds = 1 / self.frame_rate_hz if self.frame_rate_hz else 1.0
        return np.array([seconds, *(self.pixel_size_um or (self.side_px,) * 2)])

    @property
    def movie(self) -> dict[str, Any]:
        """Keyword arguments that place a layer (T, Y, X)."""
        return {
            "scale": tuple(self.scale.tolist()),
            "translate": tuple((self.scale * self.origin).tolist()),
            "units": (
                "s" if self.frame_rate_hz else "pixel",
                *(("um", "um") if self.pixel_size_um else ("pixel", "pixel")),
            ),
            "axis_labels": ("t", "y", "x"),
        }

    @property
    def image(self) -> dict[str, Any]:
        """Keyword arguments that place a layer (Y, X)."""
        return {name: value[1:] for name, value in self.movie.items()}

    def to_data(self, world: Sequence[float] | np.ndarray) -> np.ndarray:
        """Frame, row and column, or row and column, of a point of the world."""
        n = len(world)
        return np.asarray(world) / self.scale[-n:] - self.origin[-n:]

    def to_world(self, data: Sequence[float]) -> np.ndarray:
        """Point of the world of a frame, row and column, or of the latter two."""
        n = len(data)
        return (np.asarray(data) + self.origin[-n:]) * self.scale[-n:]


@dataclass(frozen=True, eq=False)
class Outlines:
    """Contours of all components, cut into straight pieces.

    Attributes
    ----------
    pieces : ndarray
        (N, 2, 2) float32: start and direction, each (y, x) in pixels.
    owners : ndarray
        (N,) int64, rising: position of the component that a piece belongs to.
    """

    pieces: np.ndarray
    owners: np.ndarray

    @classmethod
    def of(cls, components: Components) -> Outlines:
        """Find the contours of all components."""
        return cls(*segments(contours(components)))

    def where(self, wanted: np.ndarray) -> np.ndarray:
        """Pieces of the components that a mask (K,) chooses."""
        return self.pieces[wanted[self.owners]]

    def at(self, positions: Iterable[int]) -> np.ndarray:
        """Pieces of the components at some positions."""
        return self.pieces[np.isin(self.owners, list(positions))]


def movie_layer(movie: Movie, place: Place, name: str = "movie") -> LayerTuple:
    """Show a movie lazily, its contrast from a sample of frames."""
    about = {"name": name, "contrast_limits": sampled_limits(movie), **place.movie}
    return FrameCache(movie.source), about, "image"


def image_layer(image: np.ndarray, name: str, place: Place) -> LayerTuple:
    """Show an image (Y, X), its contrast from its percentiles.

    As in the report, dim cells are lifted beside bright ones.
    """
    finite = image[np.isfinite(image)]
    low, high = np.percentile(finite, (1, 100 - BRIGHT)) if finite.size else (0.0, 1.0)
    limits = (float(low), float(max(high, low + 1e-6)))
    about = {"name": name, "contrast_limits": limits, "gamma": GAMMA, **place.image}
    return image, about, "image"


def image_layers(
    images: SummaryImages, place: Place, suffix: str = ""
) -> dict[str, LayerTuple]:
    """Show the summary images; the role of each is its field's name and the suffix."""
    return {
        field + suffix: image_layer(getattr(images, field), title + suffix, place)
        for field, title in IMAGES.items()
    }


def label_image(components: Components) -> np.ndarray:
    """(Y, X) id + 1 of the strongest footprint at each pixel, 0 for none."""
    footprints = components.footprints
    labels = np.repeat(components.ids + 1, np.diff(footprints.indptr))
    # Of several values for a pixel the last stays: the strongest.
    rising = np.argsort(footprints.data, kind="stable")
    image = np.zeros(footprints.shape[0], np.int32)
    image[footprints.indices[rising]] = labels[rising]
    return image.reshape(components.fov_shape)


def label_colours() -> CyclicLabelColormap:
    """Return the colour of each cell by its label, the same in all views.

    As the colours repeat, no table of all cells is needed, which napari would build
    and compile for at every start (2 s).
    """
    return CyclicLabelColormap(colors=["transparent", *CELL_COLOURS])


def feature_table(components: Components) -> pd.DataFrame:
    """One row per component: what is known of it, by its label."""
    y, x = components.centres.T
    table = {
        "index": components.ids + 1,
        "id": components.ids,
        "y_px": y,
        "x_px": x,
        "size_px": components.sizes_px,
        "accepted": components.accepted,
    }
    quality = components.quality
    if quality is not None:
        table |= {
            "SNR": quality.snr,
            "r value": quality.r_value,
            "manual": quality.manual,
            "reasons": reason_names(quality.flags),
        }
    return pd.DataFrame(table)


def reason_names(flags: np.ndarray) -> list[str]:
    """Why the rule rejects each component, in few words; empty if it does not."""
    known = {
        flag: ", ".join(r.name for r in REASONS if flag >> r.bit & 1)
        for flag in np.unique(flags).tolist()
    }
    return [known[flag] for flag in flags.tolist()]


def footprints_layer(components: Components, place: Place) -> LayerTuple:
    """Show all footprints as labels, a colour per cell."""
    about = {
        "name": "footprints",
        "features": feature_table(components),
        "colormap": label_colours(),
        "opacity": 0.6,
        **place.image,
    }
    return label_image(components), about, "labels"


def live_layer(field_shape: tuple[int, int], place: Place) -> LayerTuple:
    """Show cells while they are found; none yet."""
    about = {
        "name": "footprints",
        "features": {},
        "opacity": 0.6,
        "colormap": label_colours(),
        **place.image,
    }
    return np.zeros(field_shape, np.int32), about, "labels"


def lines_layer(
    pieces: np.ndarray, name: str, colour: str, place: Place, width_px: float
) -> LayerTuple:
    """Draw straight pieces (N, 2, 2) in one colour."""
    about = {
        "name": name,
        "ndim": 2,
        "edge_color": colour,
        "edge_width": width_px,
        "vector_style": "line",
        "opacity": 1.0,
        **place.image,
    }
    return pieces, about, "vectors"


def contour_layers(
    outlines: Outlines, accepted: np.ndarray, place: Place
) -> dict[str, LayerTuple]:
    """Draw the contours of accepted and of rejected cells, each in its colour."""
    parts = (("rejected", REJECTED, ~accepted), ("accepted", ACCEPTED, accepted))
    return {
        role: lines_layer(outlines.where(mask), role, colour, place, LINE_PX)
        for role, colour, mask in parts
    }


def selected_layer(
    outlines: Outlines, positions: Iterable[int], place: Place
) -> LayerTuple:
    """Draw the contours of the selected cells."""
    pieces = outlines.at(positions)
    return lines_layer(pieces, "selected", SELECTED, place, 2 * LINE_PX)


def quilt_layer(patches: Sequence[Patch], place: Place) -> LayerTuple:
    """Draw the patches as rectangles; where they overlap, their tint is stronger."""
    about = {
        "name": "quilt",
        "shape_type": "rectangle",
        "face_color": [0.2, 0.6, 0.9, 0.10],
        "edge_color": [1.0, 1.0, 1.0, 0.9],
        # A thin line, however large the field is.
        "edge_width": max(patch.rows.stop for patch in patches) / 400,
        "opacity": 0.8,
        **place.image,
    }
    return [_rectangle(patch) for patch in patches], about, "shapes"


def disc_layer(centre: np.ndarray, diameter_px: float, place: Place) -> LayerTuple:
    """Draw a disc of a neuron's size at a row and column."""
    radii = np.full(2, diameter_px / 2)
    about = {
        "name": "neuron size",
        "shape_type": "ellipse",
        "face_color": [1.0, 0.9, 0.3, 0.35],
        "edge_color": SELECTED,
        "edge_width": LINE_PX,
        **place.image,
    }
    return [np.stack([centre, radii])], about, "shapes"


def _rectangle(patch: Patch) -> np.ndarray:
    """Corners (4, 2) of what a patch reads, around its pixels."""
    top, bottom = patch.rows.start - 0.5, patch.rows.stop - 0.5
    left, right = patch.cols.start - 0.5, patch.cols.stop - 0.5
    return np.array([(top, left), (top, right), (bottom, right), (bottom, left)])


def movie_of_layer(layer: Layer) -> Movie:
    """Take a viewer's layer as a movie.

    The frame rate comes from ``metadata["frame_rate_hz"]`` or a time axis in seconds,
    the pixel size from axes in micrometres.

    Raises
    ------
    InputError
        If the layer is no image, or has other axes than frames, rows and columns.
    """
    found = _unlike_movie(layer)
    if found:
        raise InputError(
            f"The layer '{layer.name}' is {found}, but a movie is a grey image layer "
            "of three axes: frames, rows and columns; choose another layer, or one "
            "channel or plane of it."
        )
    seconds, height, width = (
        float((size * unit).to(wanted).magnitude) if _compatible(unit, wanted) else None
        for size, unit, wanted in zip(
            layer.scale, layer.units, ("s", "um", "um"), strict=True
        )
    )
    rate = layer.metadata.get("frame_rate_hz") or (1 / seconds if seconds else None)
    size_um = (height, width) if height and width else None
    return Movie.from_array(layer.data, frame_rate_hz=rate, pixel_size_um=size_um)


def _unlike_movie(layer: Layer) -> str:
    """Say why a layer is no movie, "" if it is one."""
    if not isinstance(layer, Image):
        return f"of the type {type(layer).__name__}"
    if layer.rgb:
        return "in colour (RGB)"
    if layer.multiscale:
        return "an image pyramid"
    return "" if layer.ndim == 3 else f"an image of {layer.ndim} axes"


def _compatible(unit: Any, wanted: str) -> bool:
    """Whether a unit measures the same as another."""
    return bool((1 * unit).is_compatible_with(wanted))
