"""Each step of CNMF by itself: initialise, HALS, update, merge.

What the stages `fit` and `refit` do with a stored movie of any length, patch by patch,
here step after step on a movie in memory, at its full frame rate. Every step takes a
`Recording` and `Components` and returns new ones: footprints of unit norm, raw traces
that are the denoised ones and a residual, and a constant background with which the
whole has the movie's mean.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from napari_cnmf.cnmf.assemble import to_components, to_model
from napari_cnmf.cnmf.denoising import Denoised, Denoiser
from napari_cnmf.cnmf.hals import alternate
from napari_cnmf.cnmf.initialise.masks import masks_from
from napari_cnmf.cnmf.initialise.methods import initialise
from napari_cnmf.cnmf.local import started
from napari_cnmf.cnmf.merging import correlated_pairs, merge_pairs, rank_one, strongest
from napari_cnmf.cnmf.model import Model
from napari_cnmf.cnmf.parameters import CnmfParameters
from napari_cnmf.cnmf.recording import Recording
from napari_cnmf.cnmf.spatial import update_footprints
from napari_cnmf.cnmf.temporal import Demixed, NormalEquations
from napari_cnmf.cnmf.traces import DEFAULT_DECAY_S, demix, gram, products
from napari_cnmf.components import Components
from napari_cnmf.errors import ParameterError
from napari_cnmf.movie.normalised import bridge


def initialise_components(
    recording: Recording,
    parameters: CnmfParameters,
    masks: np.ndarray | sp.csc_array | Components | None = None,
) -> Components:
    """Search for components and demix their traces, without deconvolution.

    Parameters
    ----------
    recording : Recording
        Of at least 16 frames.
    parameters : CnmfParameters
        `init` says how to search, `background` what else there is: a low-rank one has
        `background.rank` maps (CaImAn's `nb`), as the whole field is one patch.
    masks : ndarray, csc_array or Components, optional
        What the method 'seeded' starts from: a labels image, points (n, 2), footprints
        or an earlier result.

    Returns
    -------
    Components
        At most `patches.max_components`, in the order of the search, noise among them
        if `init.n_components` asks for more than there are cells.

    Raises
    ------
    InputError
        If the movie is too short or the masks are of another field.
    ParameterError
        If the method is 'seeded' and there are no masks, or the background is a ring
        model.
    """
    _require_maps(parameters)
    pixels, valid = recording.pixels, recording.valid
    if masks is not None:
        diameter_px = parameters.init.diameter_px
        masks = masks_from(masks, recording.movie.field_shape, diameter_px)
    n_max = parameters.patches.max_components
    found = initialise(pixels, valid, parameters.init, n_max, masks)
    found = found.select(np.flatnonzero(np.diff(found.footprints.indptr)))
    rank = parameters.background.rank
    background = replace(parameters.background, patch_rank=rank)
    whole = replace(parameters, background=background)
    model = started(pixels, valid, found, whole)
    ids = np.arange(len(model))
    return _with_traces(recording, model, ids, _of_order(parameters, 0))


def hals(
    recording: Recording,
    components: Components,
    parameters: CnmfParameters,
    iterations: int = 5,
) -> Components:
    """Refine footprints and raw traces by hierarchical alternating least squares.

    Parameters
    ----------
    recording : Recording
    components : Components
        Their footprints, grown by a pixel, are where each may have light.
    parameters : CnmfParameters
        For the kind of background.
    iterations : int
        CaImAn's `maxIter`.

    Returns
    -------
    Components
        Without those that no pixel is left of; traces without deconvolution.
    """
    model = _working_model(components, recording, parameters)
    model = alternate(recording.pixels, model, parameters, iterations)
    for rows in (model.traces, model.background):
        _bridge(recording, rows)
    model, left = _without_vanished(model, components, "hals")
    parts = _rectifier(recording, parameters).denoise(model.traces)
    demixed = Demixed(model.traces, parts, model.background)
    return to_components(model, demixed, left.ids, recording.movie, recording)


def update_spatial(
    recording: Recording, components: Components, parameters: CnmfParameters
) -> Components:
    """Update footprints and the background's maps, given the traces.

    Parameters
    ----------
    recording : Recording
    components : Components
    parameters : CnmfParameters
        `spatial` says where to look for a cell and where to cut it.

    Returns
    -------
    Components
        With the same traces, up to the norm of the footprints, and without those that
        no pixel is left of.
    """
    model = _working_model(components, recording, parameters)
    model = update_footprints(recording.pixels, model, parameters)
    model, left = _without_vanished(model, components, "update spatial")
    demixed = _demixed(left, model.background)
    return to_components(model, demixed, left.ids, recording.movie, recording)


def update_temporal(
    recording: Recording,
    components: Components,
    parameters: CnmfParameters,
    order: int | None = None,
) -> Components:
    """Update the traces of cells and background, given the footprints.

    Parameters
    ----------
    recording : Recording
    components : Components
    parameters : CnmfParameters
        `temporal` says how to demix and deconvolve.
    order : {0, 1, 2}, optional
        CaImAn's `p`: 0 takes what is above the baseline as it is, 1 and 2 fit an
        autoregressive model of this order to each trace. As the parameters say by
        default.

    Returns
    -------
    Components
    """
    model = _working_model(components, recording, parameters)
    return _with_traces(recording, model, components.ids, _of_order(parameters, order))


def merge_components(
    recording: Recording,
    components: Components,
    parameters: CnmfParameters,
    *,
    max_groups: int = 50,
    fast: bool = True,
) -> Components:
    """Merge components that share pixels and have the same trace, by CaImAn's rule.

    Parameters
    ----------
    recording : Recording
    components : Components
    parameters : CnmfParameters
        Pairs merge if their denoised traces correlate by more than
        `merge.min_correlation` (`merge_thr`).
    max_groups : int
        Most groups to merge, those with the largest sums of correlations: `mx`.
    fast : bool
        Whether a group becomes what is closest to its sum, or its strongest member:
        `fast_merge`.

    Returns
    -------
    Components
        A merged one takes the place and id of its first member, with a trace that is
        not deconvolved; `fates` tells of the others, and why.
    """
    model = _working_model(components, recording, parameters)
    pairs = correlated_pairs(model, parameters.merge.min_correlation, max_groups)
    if not len(pairs.first):
        return components
    raw = _demixed(components, model.background).raw
    combine = rank_one if fast else strongest
    merged = merge_pairs(replace(model, traces=raw), [pairs], "merge", combine)
    ended = {(fate.patch, fate.rank) for fate in merged.fates[len(model.fates) :]}
    names = zip(model.origin.patch.tolist(), model.origin.rank.tolist(), strict=True)
    kept = np.array([k for k, name in enumerate(names) if name not in ended])
    left = components.select(kept)
    demixed = _demixed(left, model.background)
    grown = np.flatnonzero(merged.origin.members > model.origin.members[kept])
    demixed.raw[grown] = merged.traces[grown]
    parts = _rectifier(recording, parameters).denoise(merged.traces[grown])
    demixed.parts.fill(grown, parts)
    return to_components(merged, demixed, left.ids, recording.movie, recording)


def _working_model(
    components: Components, recording: Recording, parameters: CnmfParameters
) -> Model:
    """Model that the steps work on, at the full frame rate."""
    _require_maps(parameters)
    return to_model(components, recording, parameters, 1)


def _require_maps(parameters: CnmfParameters) -> None:
    """Refuse a background without maps of its own."""
    if parameters.background.model == "ring":
        raise ParameterError(
            "The 'background.model' parameter is 'ring', which only a whole fit knows; "
            "take 'grid' or 'low_rank' for single steps."
        )


def _with_traces(
    recording: Recording, model: Model, ids: np.ndarray, parameters: CnmfParameters
) -> Components:
    """Demix and denoise all traces of a model."""
    target = products(recording.pixels, model)
    _bridge(recording, target)
    equations = NormalEquations(gram(model), target, len(model))
    demixed = demix(recording.movie, equations, model, 1, parameters, None)
    return to_components(model, demixed, ids, recording.movie, recording)


def _bridge(recording: Recording, rows: np.ndarray) -> None:
    """Draw rows (n, T) straight over the frames that are left out, in place."""
    bridge(rows, np.array(recording.movie.left_out, np.int64))


def _of_order(parameters: CnmfParameters, order: int | None) -> CnmfParameters:
    """Parameters with an autoregressive model of this order, unless it is None."""
    if order is None:
        return parameters
    temporal = replace(parameters.temporal, method="constrained", ar_order=order)
    return replace(parameters, temporal=temporal)


def _rectifier(recording: Recording, parameters: CnmfParameters) -> Denoiser:
    """Split traces at their baseline, without deconvolution."""
    rate_hz = recording.movie.frame_rate_hz or 1.0
    return Denoiser.at(rate_hz, _of_order(parameters, 0), DEFAULT_DECAY_S)


def _without_vanished(
    model: Model, components: Components, step: str
) -> tuple[Model, Components]:
    """Drop cells without a pixel from a model and from what it was made of."""
    kept = np.flatnonzero(np.diff(model.footprints.indptr))
    left = model.without_vanished("no pixel of it is left", step)
    return left, components.select(kept)


def _demixed(components: Components, background: np.ndarray) -> Demixed:
    """Traces of components as they came out of the last temporal update."""
    fit = components.trace_fit
    baseline = np.repeat(fit.baseline[:, None], components.n_frames, axis=1)
    parts = Denoised(
        calcium=components.denoised.copy(),
        spikes=components.spikes.copy(),
        baseline=baseline,
        ar=fit.ar.copy(),
        noise=fit.noise.copy(),
        penalty=fit.penalty.copy(),
    )
    return Demixed(components.raw + baseline, parts, background)
