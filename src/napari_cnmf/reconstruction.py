"""Movies of the model: denoised, background and residual, frame by frame.

A frame of ``A C + B f + b0`` is two products of sparse matrices with the values of the
traces in that frame, so it is computed when it is shown and no movie is ever held.
Matrices are kept by rows (CSR), which writes a frame pixel after pixel.

The slow drift of a cell's resting light counts as background, as its mean does: the
denoised movie then holds transients alone, and the residual is noise.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from napari_cnmf.colours import cell_colour, rgb
from napari_cnmf.components import Components
from napari_cnmf.movie.display import PERCENTILES, FrameCache
from napari_cnmf.movie.lazy import WHOLE, LazyFrames
from napari_cnmf.movie.movie import FrameSource

#: Resting light is averaged over windows of this length.
DRIFT_S = 10.0
#: Bound of what is computed at once.
PART_BYTES = 16 * 2**20
SAMPLED_FRAMES = 5
#: Brightness of a grey background on which colours stand out.
DIMMED = 0.6


@dataclass(frozen=True, eq=False)
class Factors:
    """The model by pixels, from which any movie of it is computed.

    Building it takes some ten milliseconds: keep it while only verdicts change.

    Attributes
    ----------
    components : Components
    footprints, maps : csr_array
        (Y*X, K) and (Y*X, H) float32, of cells and background.
    drift : ndarray
        (K, n) float32, resting light of each cell in the middle of n windows, less
        its mean.
    """

    components: Components
    footprints: sp.csr_array
    maps: sp.csr_array
    drift: np.ndarray

    @classmethod
    def of(cls, components: Components) -> Factors:
        """Factors of a result."""
        maps = components.background.maps
        by_rows = components.footprints.tocsr(), maps.tocsr()
        return cls(components, *by_rows, _window_means(components))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows and columns (T, Y, X)."""
        return (self.components.n_frames, *self.components.fov_shape)

    def resting(self, frames: range) -> np.ndarray:
        """Drift of the cells' resting light (K, n), linear between its windows."""
        n_windows = self.drift.shape[1]
        place = (np.array(frames) + 0.5) / self.components.n_frames * n_windows - 0.5
        place = np.clip(place, 0, n_windows - 1)
        low = np.minimum(place.astype(int), max(n_windows - 2, 0))
        high = np.minimum(low + 1, n_windows - 1)
        part = (place - low).astype(np.float32)
        return self.drift[:, low] * (1 - part) + self.drift[:, high] * part

    def cells(self, frames: range, pixels: slice, which: np.ndarray) -> np.ndarray:
        """Light (pixels, n) of the chosen cells (K,), above rest."""
        denoised = self.components.denoised[:, _as_slice(frames)]
        return _of_rows(self.footprints, pixels) @ (denoised * which[:, None])

    def background(self, frames: range, pixels: slice) -> np.ndarray:
        """Light (pixels, n) of the background and of all cells at rest."""
        background = self.components.background
        light = _of_rows(self.maps, pixels) @ background.traces[:, _as_slice(frames)]
        light += _of_rows(self.footprints, pixels) @ self.resting(frames)
        light += background.constant.ravel()[pixels, None]
        return light


class _ModelFrames(LazyFrames):
    """What movies of the model have in common: part by part, row by row."""

    def __init__(
        self, model: Components | Factors, which: np.ndarray | None, background: bool
    ) -> None:
        self.factors = model if isinstance(model, Factors) else Factors.of(model)
        n_cells = len(self.factors.components)
        shown = np.ones(n_cells) if which is None else np.asarray(which)
        self.which = shown.astype(np.float32)
        self.background = background

    def read(
        self, frames: slice, rows: slice = WHOLE, cols: slice = WHOLE
    ) -> np.ndarray:
        """Return a block (n, y, x), with colours behind where there are any."""
        _, height, width, *colours = self.shape
        wanted, lines = range(self.shape[0])[frames], range(height)[rows]
        columns = range(width)[cols]
        pixels = slice(lines.start * width, lines.stop * width)
        block = np.empty((len(wanted), len(lines), len(columns), *colours), self.dtype)
        few = max(1, PART_BYTES // (4 * max(1, len(lines) * width)))
        for i in range(0, len(wanted), few):
            part = wanted[i : i + few]
            light = self._light(part, pixels)
            light = light.reshape(len(part), len(lines), width, *colours)
            block[i : i + few] = light[:, :, cols]
        return block

    @abstractmethod
    def _light(self, frames: range, pixels: slice) -> np.ndarray:
        """Values (n, pixels) of whole rows, with colours behind."""


class Reconstruction(_ModelFrames):
    """Denoised movie (T, Y, X) float32 of some cells, with or without background.

    Parameters
    ----------
    model : Components or Factors
    which : ndarray, optional
        (K,) bool, the cells that are shown; all if left out.
    background : bool
        Whether the background is shown.
    """

    shape: tuple[int, int, int]

    def __init__(
        self,
        model: Components | Factors,
        which: np.ndarray | None = None,
        *,
        background: bool = True,
    ) -> None:
        super().__init__(model, which, background)
        self.shape = self.factors.shape
        self.dtype = np.dtype(np.float32)

    def _light(self, frames: range, pixels: slice) -> np.ndarray:
        if not self.background:
            return self.factors.cells(frames, pixels, self.which).T
        light = self.factors.background(frames, pixels)
        if self.which.any():
            light += self.factors.cells(frames, pixels, self.which)
        return light.T


class ColourReconstruction(_ModelFrames):
    """Denoised movie (T, Y, X, 3) uint8, each cell in its colour on grey.

    Parameters
    ----------
    model, which, background
        As of `Reconstruction`.
    limits : (float, float)
        Values that are black and white; without the background zero is black.
    """

    def __init__(
        self,
        model: Components | Factors,
        which: np.ndarray | None = None,
        *,
        background: bool = True,
        limits: tuple[float, float],
    ) -> None:
        super().__init__(model, which, background)
        self.limits = limits
        self.shape = (*self.factors.shape, 3)
        self.dtype = np.dtype(np.uint8)
        self._colours = cell_colours(self.factors.components) * self.which[:, None]

    def _light(self, frames: range, pixels: slice) -> np.ndarray:
        return np.stack([self._frame(t, pixels) for t in frames])

    def _frame(self, t: int, pixels: slice) -> np.ndarray:
        """Return the pixels (n, 3) of one frame, from 0 to 255."""
        low, high = self.limits if self.background else (0.0, self.limits[1])
        scale = np.float32(255 / (high - low))
        activity = scale * self.factors.components.denoised[:, t, None]
        light = _of_rows(self.factors.footprints, pixels) @ (activity * self._colours)
        if self.background:
            grey = self.factors.background(range(t, t + 1), pixels)
            light += (grey - np.float32(low)) * np.float32(DIMMED * scale)
        return np.clip(light, 0, 255, out=light)


class Residual(LazyFrames):
    """What a model leaves of a movie, times a gain, (T, Y, X) float32.

    Parameters
    ----------
    movie : FrameSource
        The registered movie.
    model : Reconstruction
        What is subtracted.
    gain : float
    """

    shape: tuple[int, int, int]

    def __init__(
        self, movie: FrameSource, model: Reconstruction, gain: float = 1.0
    ) -> None:
        self.movie = movie
        self.model = model
        self.gain = gain
        self.shape = model.shape
        self.dtype = model.dtype

    def read(
        self, frames: slice, rows: slice = WHOLE, cols: slice = WHOLE
    ) -> np.ndarray:
        """Return a block (n, y, x)."""
        left = self.movie.read(frames, rows, cols) - self.model.read(frames, rows, cols)
        left *= np.float32(self.gain)
        return left


@dataclass(frozen=True)
class View:
    """What the panels show.

    Attributes
    ----------
    background : bool
        Whether original and reconstruction contain the background.
    residual_gain : float
        The residual is shown this many times as strong.
    accepted_only : bool
        Whether rejected components are left out of the reconstruction; what they
        explain is then in the residual.
    colour : bool
        Whether each cell of the reconstruction has its own colour.
    contours : bool
        Whether outlines are drawn.
    """

    background: bool = True
    residual_gain: float = 1.0
    accepted_only: bool = True
    colour: bool = False
    contours: bool = True


@dataclass(frozen=True, eq=False)
class Panel:
    """One of the movies that are shown side by side.

    Attributes
    ----------
    name : str
    frames : LazyFrames
        (T, Y, X), or (T, Y, X, 3) in colour.
    limits : (float, float)
        Values that are black and white.
    """

    name: str
    frames: LazyFrames
    limits: tuple[float, float]


def panels(
    movie: FrameSource, model: Components | Factors, view: View
) -> tuple[Panel, Panel, Panel]:
    """Original, reconstruction and residual of a result, in equal shapes.

    All three are shown on one scale, so that equal light looks equal; zero is mid-grey
    in the residual. The limits are percentiles of the model with its noise, over a few
    frames: the movie itself is not read until it is shown.

    Parameters
    ----------
    movie : FrameSource
        The registered movie; a `FrameCache` is used as it is.
    model : Components or Factors
    view : View

    Returns
    -------
    tuple of Panel
        Named ``"original"``, ``"reconstruction"`` and ``"residual"``.
    """
    factors = model if isinstance(model, Factors) else Factors.of(model)
    frames = movie if isinstance(movie, FrameCache) else FrameCache(movie)
    components = factors.components
    which = components.accepted if view.accepted_only else None
    low, high = limits = sampled_model_limits(factors, background=view.background)
    whole = Reconstruction(factors, which)
    original: LazyFrames = frames
    shown: LazyFrames = whole
    if not view.background:
        nothing = np.zeros(len(components), bool)
        original = Residual(frames, Reconstruction(factors, nothing))
        shown = Reconstruction(factors, which, background=False)
    of_shown = limits
    if view.colour:
        shown = ColourReconstruction(
            factors, which, background=view.background, limits=limits
        )
        of_shown = 0.0, 255.0
    half = (high - low) / 2
    return (
        Panel("original", original, limits),
        Panel("reconstruction", shown, of_shown),
        Panel("residual", Residual(frames, whole, view.residual_gain), (-half, half)),
    )


def sampled_model_limits(
    factors: Factors, *, background: bool = True
) -> tuple[float, float]:
    """Contrast limits for a movie, from its model and noise in a few frames."""
    model = Reconstruction(factors, background=background)
    n_frames = model.shape[0]
    frames = slice(0, n_frames, max(1, n_frames // SAMPLED_FRAMES))
    # Every other row and column tells as much.
    sample = model.read(frames)[:, ::2, ::2]
    noise = np.random.default_rng(0).standard_normal(sample.shape, np.float32)
    sample += noise * factors.components.pixel_noise[::2, ::2]
    low, high = np.percentile(sample, PERCENTILES).tolist()
    return low, max(high, low + 1e-6)


def cell_colours(components: Components) -> np.ndarray:
    """Colours (K, 3) float32 of all cells, each as bright as it can be."""
    colours = [rgb(cell_colour(i)) for i in components.ids.tolist()]
    found = np.array(colours, np.float32).reshape(-1, 3)
    return found / found.max(axis=1, keepdims=True)


def _window_means(components: Components) -> np.ndarray:
    """Mean (K, n) of what denoising left of each trace, in windows."""
    left = components.residual_traces
    wanted = components.n_frames / (components.frame_rate_hz * DRIFT_S)
    edges = np.linspace(0, components.n_frames, max(2, round(wanted) + 1)).astype(int)
    lengths = np.diff(edges).astype(np.float32)
    means = np.add.reduceat(left, edges[:-1], axis=1) / lengths
    means -= np.average(means, axis=1, weights=lengths, keepdims=True)
    return np.asarray(means, np.float32)


def _of_rows(matrix: sp.csr_array, rows: slice) -> sp.csr_array:
    """Consecutive rows of a matrix, without a copy."""
    first, last = matrix.indptr[rows.start], matrix.indptr[rows.stop]
    parts = (
        matrix.data[first:last],
        matrix.indices[first:last],
        matrix.indptr[rows.start : rows.stop + 1] - first,
    )
    return sp.csr_array(parts, shape=(rows.stop - rows.start, matrix.shape[1]))


def _as_slice(frames: range) -> slice:
    return slice(frames.start, frames.stop, frames.step)
