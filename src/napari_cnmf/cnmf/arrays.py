"""Components of plain arrays, whatever programme they came from."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from napari_cnmf.cnmf.assemble import to_components
from napari_cnmf.cnmf.background.grid import HatGrid
from napari_cnmf.cnmf.background.low_rank import find_modes
from napari_cnmf.cnmf.denoising import Denoiser
from napari_cnmf.cnmf.model import Model
from napari_cnmf.cnmf.parameters import CnmfParameters, TemporalParameters
from napari_cnmf.cnmf.recording import Recording
from napari_cnmf.cnmf.temporal import Demixed
from napari_cnmf.cnmf.traces import DEFAULT_DECAY_S
from napari_cnmf.components import Components
from napari_cnmf.errors import InputError
from napari_cnmf.movie.normalised import gains
from napari_cnmf.origin import Origin


def components_from_arrays(
    recording: Recording,
    footprints: np.ndarray | sp.sparray | sp.spmatrix,
    traces: np.ndarray,
    background_maps: np.ndarray | sp.sparray | sp.spmatrix | None = None,
    background_traces: np.ndarray | None = None,
) -> Components:
    """Make components of plain arrays, to go on from with any step.

    Parameters
    ----------
    recording : Recording
        That they were found in.
    footprints : ndarray or sparse matrix
        (Y*X, K), pixel = y * X + x, or images (K, Y, X); non-negative.
    traces : ndarray
        (K, T), raw, in the movie's units where the footprints have none: CaImAn's
        C + YrA. What is above their baseline counts as denoised.
    background_maps : ndarray or sparse matrix, optional
        (Y*X, n) or (n, Y, X). Without it, one map is fitted to what the footprints
        and traces leave over.
    background_traces : ndarray, optional
        (n, T).

    Returns
    -------
    Components

    Raises
    ------
    InputError
        If sizes do not fit, or a footprint is empty.
    """
    columns = _columns(recording, footprints, traces, "footprints")
    rows = np.asarray(traces, np.float32)
    if background_maps is None or background_traces is None:
        maps, courses = find_modes(recording.pixels - columns.tocsr() @ rows, 1)
        modes = sp.csc_array(maps)
    else:
        modes = _columns(recording, background_maps, background_traces, "background")
        courses = np.asarray(background_traces, np.float32)
    model = Model(
        valid=recording.valid,
        footprints=columns,
        traces=rows,
        origin=Origin.unknown(len(rows)),
        grid=HatGrid.none(recording.movie.field_shape),
        weights=np.zeros(recording.valid.size, np.float32),
        modes=modes,
        background=courses,
    )
    empty = np.flatnonzero(np.diff(model.footprints.indptr) == 0)
    if len(empty):
        raise InputError(
            f"Footprint {empty[0]} is empty where the movie holds data, as are "
            f"{len(empty) - 1} others; leave them out, and their traces."
        )
    parts = _rectifier(recording).denoise(model.traces)
    demixed = Demixed(model.traces.copy(), parts, model.background)
    ids = np.arange(len(model))
    return to_components(model, demixed, ids, recording.movie, recording)


def _columns(
    recording: Recording,
    maps: Any,
    traces: np.ndarray,
    name: str,
) -> sp.csc_array:
    """Lay maps out as columns (Y*X, n), in units of the noise; check their traces."""
    if maps.ndim == 3:
        maps = np.asarray(maps).reshape(len(maps), -1).T
    wanted = (recording.valid.size, len(traces))
    n_frames = recording.movie.n_frames
    if maps.shape != wanted or traces.shape != (len(traces), n_frames):
        raise InputError(
            f"The {name} are {maps.shape[1]} maps of {maps.shape[0]} pixels with "
            f"traces of the shape {traces.shape}; a movie of {wanted[0]} pixels and "
            f"{n_frames} frames needs one trace a map. Give arrays of this movie."
        )
    gain = sp.diags_array(gains(recording).ravel())
    columns = sp.csc_array(gain @ sp.csc_array(maps), dtype=np.float32)
    columns.eliminate_zeros()
    return columns.sorted_indices()


def _rectifier(recording: Recording) -> Denoiser:
    """Split traces at their baseline, without deconvolution."""
    temporal = TemporalParameters(method="constrained", ar_order=0)
    rate_hz = recording.movie.frame_rate_hz or 1.0
    return Denoiser.at(rate_hz, CnmfParameters(temporal=temporal), DEFAULT_DECAY_S)
