"""The stage `refit`: the whole field once more, from full-rate traces.

Every pixel is regressed again on the denoised traces, now free of patch borders, and
the traces are demixed and deconvolved with the new footprints.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from threading import Event
from typing import ClassVar, NamedTuple

import numpy as np
import scipy.sparse as sp

from napari_cnmf.cnmf.assemble import to_model, with_traces
from napari_cnmf.cnmf.local import all_kept
from napari_cnmf.cnmf.merging import merge
from napari_cnmf.cnmf.model import Model
from napari_cnmf.cnmf.parameters import CnmfParameters
from napari_cnmf.cnmf.patches import Patch, solver_grid
from napari_cnmf.cnmf.spatial import candidates, outlined, regress
from napari_cnmf.components import Components
from napari_cnmf.compute import Backend, Progress, Stopwatch, silent
from napari_cnmf.compute.kept import Keep, run_kept
from napari_cnmf.movie import Movie
from napari_cnmf.movie.images import SummaryImages
from napari_cnmf.movie.normalised import bin_length, normalised_bins
from napari_cnmf.origin import Origin

logger = logging.getLogger(__name__)

# How far a cell that was marked may still grow.
_REACH_PX = 1
_VANISHED = "no pixel of it stands out of its noise"


def refit(  # noqa: PLR0913 - a stage is told all it needs in one call
    movie: Movie,
    summary: SummaryImages,
    components: Components,
    parameters: CnmfParameters,
    *,
    backend: Backend,
    progress: Progress = silent,
    cancel: Event | None = None,
    keep: Keep | None = None,
) -> Components:
    """Update footprints and traces of the whole field.

    With a ring background there is nothing to do: its patches are fitted to the end.

    Parameters
    ----------
    movie, summary
        As for `fit`.
    components : Components
        To start from; their ids are kept.
    parameters : CnmfParameters
    backend, progress, cancel, keep
        As for `fit`.

    Returns
    -------
    Components
        Without those whose footprint vanished or that turned out to be one cell, unless
        they were marked (a seeded search); not yet evaluated.

    Raises
    ------
    CancelledError
        If it was cancelled.
    """
    if parameters.background.model == "ring":
        logger.info("refit: with a ring background the patches' fit stays as it is")
        return components
    model = to_model(components, summary, parameters, bin_length(movie))
    n_cores = len(_cores(movie, parameters))
    watch = Stopwatch(progress, "refit footprints", n_cores, "patches")
    outlined = _respaced(
        movie, summary, model, parameters, backend, watch, cancel, keep
    )
    if parameters.init.method == "seeded":
        model = all_kept(model, outlined, model.grown(_REACH_PX), "refit")
        _tell_alike(model, parameters)
    else:
        model = _merged(outlined, parameters)
    ids = _ids(components, model)
    watch = Stopwatch(progress, "refit traces", movie.n_frames, "frames")
    return with_traces(
        model,
        ids,
        movie,
        summary,
        parameters,
        backend=backend,
        watch=watch,
        cancel=cancel,
        keep=keep,
    )


def _merged(model: Model, parameters: CnmfParameters) -> Model:
    """Drop what has vanished, and merge what is one cell."""
    model = model.without_vanished(_VANISHED, "refit")
    return merge(model, parameters.merge, parameters.init.diameter_px, "refit")


def _tell_alike(model: Model, parameters: CnmfParameters) -> None:
    """Tell of cells that were marked as two and look like one."""
    merged = merge(model, parameters.merge, parameters.init.diameter_px, "refit")
    for fate in merged.fates[len(model.fates) :]:
        logger.warning(
            "cells %d and %d were marked as two, which they remain, but look like one "
            "(%s)",
            fate.into_rank,
            fate.rank,
            fate.reason,
        )


def _ids(components: Components, model: Model) -> np.ndarray:
    """Ids of what is left of some components, which their origins tell."""
    before = components.origin or Origin.unknown(len(components))
    places = zip(before.patch.tolist(), before.rank.tolist(), strict=True)
    ids = dict(zip(places, components.ids.tolist(), strict=True))
    left = zip(model.origin.patch.tolist(), model.origin.rank.tolist(), strict=True)
    return np.array([ids[place] for place in left], np.int64)


class CorePixels(NamedTuple):
    """Pixels of one core, their values as in the candidates, and their weights."""

    pixels: np.ndarray
    values: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True, eq=False)
class Regression:
    """Regresses the pixels of one patch's core; sent to the workers."""

    movie: Movie
    summary: SummaryImages
    model: Model
    by_pixel: sp.csr_array
    bin_frames: int
    sparsity_sd: float

    kind: ClassVar = CorePixels

    def place(self, patch: Patch) -> str:
        """Say where a core lies."""
        return patch.in_words

    def unchanged(self, patch: Patch) -> CorePixels:
        """Return the pixels of a core as they are in the model."""
        pixels = self._pixels(patch)
        wanted = self.by_pixel[pixels]
        both = sp.hstack([self.model.footprints, self.model.modes], format="csr")
        as_before = both[pixels]
        rows = np.repeat(np.arange(len(pixels)), np.diff(wanted.indptr))
        values = np.asarray(as_before[rows, wanted.indices], np.float32).ravel()
        return CorePixels(pixels, values, self.model.weights[pixels])

    def _pixels(self, patch: Patch) -> np.ndarray:
        """Numbers in the field of a core's pixels."""
        n_y, n_x = self.model.field_shape
        numbers = np.arange(n_y * n_x).reshape(n_y, n_x)
        return numbers[patch.core_rows, patch.core_cols].ravel()

    def __call__(self, patch: Patch) -> CorePixels:
        """Regress the pixels of a core."""
        rows, cols = patch.core_rows, patch.core_cols
        pixels = self._pixels(patch)
        movie = normalised_bins(self.movie, self.summary, self.bin_frames, rows, cols)
        near = self.by_pixel[pixels]
        values, weights = regress(movie, near, self.model, pixels, self.sparsity_sd)
        return CorePixels(pixels, values, weights)


def _respaced(  # noqa: PLR0913 - the first step of the stage, which passes all on
    movie: Movie,
    summary: SummaryImages,
    model: Model,
    parameters: CnmfParameters,
    backend: Backend,
    watch: Stopwatch,
    cancel: Event | None,
    keep: Keep | None,
) -> Model:
    """Spatial update of the field, patch core by patch core."""
    by_pixel = candidates(model, parameters)
    weights = np.empty_like(model.weights)

    def collect(part: CorePixels) -> None:
        pixels, values, local = part
        weights[pixels] = local
        starts = by_pixel.indptr[pixels]
        counts = by_pixel.indptr[pixels + 1] - starts
        first = np.repeat(starts - np.cumsum(counts) + counts, counts)
        by_pixel.data[first + np.arange(len(values))] = values
        watch.advance(1)

    regression = Regression(
        movie,
        summary,
        model,
        by_pixel.copy(),
        bin_length(movie),
        parameters.spatial.sparsity_sd,
    )

    def lost(patch: Patch) -> None:
        collect(regression.unchanged(patch))

    cores = _cores(movie, parameters)
    run_kept(backend, regression, cores, collect, cancel, keep, lost)
    return outlined(model, by_pixel, weights, parameters)


def _cores(movie: Movie, parameters: CnmfParameters) -> list[Patch]:
    """Patches whose cores the field is cut into."""
    n_bins = movie.n_frames // bin_length(movie)
    apart = replace(parameters.patches, patch_overlap_px=0)
    return solver_grid(movie.field_shape, n_bins, apart)
