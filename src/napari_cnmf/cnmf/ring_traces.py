"""Traces of a movie whose background is predicted from rings.

With ``B = S W P (Z - A C)`` put in, the equations of the traces are ``Ã'A C = Ã'Z``,
where Ã are the footprints minus what of them the rings would take for background
(Zhou et al. 2018, doi:10.7554/eLife.28728). No background trace is solved for. To be
shown and to be stored, the background is afterwards brought onto a grid of hats.
"""

from __future__ import annotations

from dataclasses import replace
from threading import Event

import numpy as np
import scipy.sparse as sp

from napari_cnmf.cnmf.background.grid import closest_courses, hat_grid
from napari_cnmf.cnmf.background.ring import Ring
from napari_cnmf.cnmf.model import Model
from napari_cnmf.cnmf.parameters import CnmfParameters
from napari_cnmf.cnmf.temporal import Demixed, NormalEquations
from napari_cnmf.cnmf.traces import demix, project
from napari_cnmf.compute import Backend, Stopwatch
from napari_cnmf.compute.kept import Keep
from napari_cnmf.compute.scratch import row_blocks
from napari_cnmf.movie import Movie
from napari_cnmf.movie.images import SummaryImages
from napari_cnmf.movie.normalised import bin_length


def demix_in_ring(  # noqa: PLR0913 - as `with_traces`, whose work it does
    model: Model,
    ring: Ring,
    movie: Movie,
    summary: SummaryImages,
    parameters: CnmfParameters,
    *,
    backend: Backend,
    watch: Stopwatch,
    cancel: Event | None,
    keep: Keep | None = None,
) -> tuple[Model, Demixed]:
    """Demix the traces of a model with a ring background, at the full frame rate.

    Parameters
    ----------
    model : Model
        Of the whole field, without nodes and modes.
    ring : Ring
        Its background.
    movie, summary, parameters, backend, watch, cancel, keep
        As for `with_traces`.

    Returns
    -------
    model : Model
        With a grid that the background was brought onto.
    demixed : Demixed
        With that grid's time courses.
    """
    grid = hat_grid(model.valid, parameters.pitch_px)
    nothing = np.zeros((grid.n_nodes, model.traces.shape[1]), np.float32)
    shown = replace(
        model,
        grid=grid,
        weights=model.valid.ravel().astype(np.float32),
        background=nothing,
    )
    seen = replace(shown, footprints=ring.filtered(model.footprints))
    target = project(
        movie,
        summary,
        seen,
        backend=backend,
        watch=watch,
        cancel=cancel,
        keep=keep,
    ).target
    gram = sp.csr_array(seen.footprints.T @ model.footprints, dtype=np.float32)
    gram.sort_indices()
    equations = NormalEquations(gram, target[: len(model)], len(model))
    demixed = demix(
        movie,
        equations,
        model,
        bin_length(movie),
        parameters,
        cancel,
        backend=backend,
    )
    hats = shown.maps()
    overlaps = sp.csr_array(hats.T @ model.footprints)
    courses = backend.empty((grid.n_nodes, movie.n_frames))
    courses[:] = target[len(model) :]
    parts = demixed.parts
    for nodes in row_blocks(courses.shape):
        courses[nodes] -= overlaps[nodes] @ parts.calcium
        courses[nodes] -= overlaps[nodes] @ parts.baseline
    return shown, replace(demixed, background=closest_courses(hats, courses))
