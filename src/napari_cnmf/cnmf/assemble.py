"""From a working model to the result value, and back.

The model is in units of the pixels' noise with the movie's mean removed; the result
is in the movie's units, with footprints of unit norm.
"""

from __future__ import annotations

from threading import Event

import numpy as np
import scipy.sparse as sp

from napari_cnmf.cnmf.background.grid import chosen_grid, closest_courses
from napari_cnmf.cnmf.background.low_rank import join_modes
from napari_cnmf.cnmf.model import Model
from napari_cnmf.cnmf.parameters import CnmfParameters
from napari_cnmf.cnmf.ring_traces import demix_in_ring
from napari_cnmf.cnmf.temporal import Demixed
from napari_cnmf.cnmf.traces import demix, project
from napari_cnmf.components import Background, Components, TraceFit
from napari_cnmf.compute import Backend, Stopwatch
from napari_cnmf.compute.kept import Keep
from napari_cnmf.movie import Movie
from napari_cnmf.movie.images import PixelScale, SummaryImages
from napari_cnmf.movie.normalised import bin_length, bin_traces, gains
from napari_cnmf.origin import Origin


def with_traces(  # noqa: PLR0913 - the last step of two stages, which pass all on
    model: Model,
    ids: np.ndarray,
    movie: Movie,
    summary: SummaryImages,
    parameters: CnmfParameters,
    *,
    backend: Backend,
    watch: Stopwatch,
    cancel: Event | None,
    keep: Keep | None = None,
) -> Components:
    """Read the movie once for the traces of a model at the full frame rate.

    Parameters
    ----------
    model : Model
        Of the whole field.
    ids : ndarray
        (K,) ids of its components.
    movie, summary, parameters, backend, cancel, keep
        As for `fit`.
    watch : Stopwatch
        Told the frames that are done.

    Returns
    -------
    Components
        Not yet evaluated.
    """
    if model.ring is None:
        equations = project(
            movie,
            summary,
            model,
            backend=backend,
            watch=watch,
            cancel=cancel,
            keep=keep,
        )
        demixed = demix(
            movie,
            equations,
            model,
            bin_length(movie),
            parameters,
            cancel,
            backend=backend,
        )
    else:
        model, demixed = demix_in_ring(
            model,
            model.ring,
            movie,
            summary,
            parameters,
            backend=backend,
            watch=watch,
            cancel=cancel,
            keep=keep,
        )
    return to_components(model, demixed, ids, movie, summary)


def to_components(
    model: Model,
    demixed: Demixed,
    ids: np.ndarray,
    movie: Movie,
    summary: PixelScale,
) -> Components:
    """Express a model and its full-rate traces in the movie's units.

    The mean of each trace's slow baseline goes into the constant background, so that
    traces and background together have the movie's mean. The traces are scaled in
    place: they are the largest arrays of a run.
    """
    noise = (summary.noise * (gains(summary) > 0)).ravel()
    footprints = sp.csc_array(sp.diags_array(noise) @ model.footprints)
    norms = np.sqrt(footprints.power(2).sum(axis=0)).astype(np.float32)
    footprints = sp.csc_array(footprints @ sp.diags_array(1 / norms)).sorted_indices()
    parts, raw = demixed.parts, demixed.raw
    for traces in (raw, parts.calcium, parts.spikes):
        traces *= norms[:, None]
    offset = parts.baseline.mean(axis=1) * norms
    denoised = parts.calcium
    raw -= offset[:, None]
    raw -= denoised
    maps = sp.csc_array(sp.diags_array(noise) @ model.maps())
    moving = footprints @ denoised.mean(axis=1) + maps @ demixed.background.mean(axis=1)
    constant = summary.mean - moving.reshape(summary.mean.shape)
    return Components(
        footprints=footprints.astype(np.float32),
        fov_shape=movie.field_shape,
        denoised=denoised,
        residual_traces=raw,
        spikes=parts.spikes,
        trace_fit=TraceFit(
            ar=parts.ar.astype(np.float32),
            noise=(parts.noise * norms).astype(np.float32),
            penalty=(parts.penalty * norms).astype(np.float32),
            baseline=offset.astype(np.float32),
        ),
        background=Background(
            maps.astype(np.float32),
            demixed.background,
            constant.astype(np.float32),
        ),
        pixel_noise=summary.noise,
        ids=ids,
        frame_rate_hz=float(movie.frame_rate_hz or 1.0),
        origin=model.origin,
        fates=model.fates,
    )


def to_model(
    components: Components,
    summary: PixelScale,
    parameters: CnmfParameters,
    bin_frames: int,
) -> Model:
    """Recover the working model, its traces binned in time."""
    gain = gains(summary).ravel()
    valid = gains(summary) > 0
    footprints = sp.csc_array(sp.diags_array(gain) @ components.footprints)
    background = components.background
    maps = sp.csc_array(sp.diags_array(gain) @ background.maps)
    courses = bin_traces(background.traces, bin_frames)
    grid = chosen_grid(valid, parameters)
    weights: np.ndarray = np.zeros(valid.size, np.float32)
    modes = sp.csc_array((valid.size, 0), dtype=np.float32)
    if grid.n_nodes == 0:
        modes, courses = join_modes(maps, courses, parameters.background.rank)
    elif grid.n_nodes == len(courses):
        # The hats of a pixel add up to one, so the rows of the maps give its weight.
        weights = np.asarray(maps.sum(axis=1), np.float32).ravel()
    else:
        weights = valid.ravel().astype(np.float32)
        hats = grid.maps(weights)
        courses = closest_courses(hats, (hats.T @ maps) @ courses)
    return Model(
        valid=valid,
        footprints=footprints.astype(np.float32),
        traces=bin_traces(components.denoised, bin_frames),
        origin=components.origin or Origin.unknown(len(components)),
        grid=grid,
        weights=weights,
        modes=modes,
        background=courses.astype(np.float32),
        fates=components.fates,
    )
