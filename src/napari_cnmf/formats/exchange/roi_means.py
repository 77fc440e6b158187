"""Traces as suite2p has them, the mean light of each cell's pixels, and ours.

With w the weights of a cell's own pixels (those of no other cell), of sum one,
suite2p's F is the mean w'Y of the movie, and 0.7 times the neuropil around the cell is
what its users take away. A unit footprint a has the mean g = w'a, so a demixed trace c
adds g c to F. The neuropil becomes a background: its level wholly, its changes by that
factor,

    F = g (denoised + residual) + level + 0.7 (Fneu - level),

and on the way back the background under a cell becomes the Fneu for which this holds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.signal import lfilter

from napari_cnmf.components import Background, Components
from napari_cnmf.formats.exchange.foreign import no_background, unfitted

NEUROPIL_COEFFICIENT = 0.7


@dataclass(frozen=True, eq=False)
class RoiMeans:
    """Traces of cells (K, T) float32 as means over their own pixels.

    Attributes
    ----------
    fluorescence : ndarray
        Mean of the movie.
    neuropil : ndarray
        Mean of the movie around the cell.
    spikes : ndarray
        Deconvolved, in the unit of the fluorescence.
    """

    fluorescence: np.ndarray
    neuropil: np.ndarray
    spikes: np.ndarray


def own_pixels(footprints: sp.csc_array) -> np.ndarray:
    """Whether each stored value of footprints lies in a pixel of no other."""
    covered = np.bincount(footprints.indices, minlength=footprints.shape[0])
    return covered[footprints.indices] == 1


def components_of(
    means: RoiMeans,
    footprints: sp.csc_array,
    mean_image: np.ndarray,
    *,
    frame_rate_hz: float,
    decay_s: float,
    coefficient: float = NEUROPIL_COEFFICIENT,
) -> Components:
    """Turn means over pixels into components.

    Parameters
    ----------
    means : RoiMeans
    footprints : csc_array
        (Y*X, K), of unit norm.
    mean_image : ndarray
        (Y, X), the background where there is no cell.
    frame_rate_hz : float
    decay_s : float
        Of the transients that the spikes stand for.
    coefficient : float
        What the changes of the neuropil are multiplied with.
    """
    _, gains = _weights(footprints)
    decay = float(np.exp(-1 / (decay_s * frame_rate_hz)))
    level = means.neuropil.mean(axis=1, dtype=np.float64)[:, None]
    behind = (coefficient * (means.neuropil - level)).astype(np.float32)
    scale = 1 / gains[:, None]
    raw = scale * (means.fluorescence - level - behind)
    spikes = scale * means.spikes
    denoised = lfilter([1.0], [1.0, -decay], spikes, axis=1) if spikes.size else spikes
    n, shape = len(raw), mean_image.shape
    return Components(
        footprints=footprints,
        fov_shape=(shape[0], shape[1]),
        denoised=denoised.astype(np.float32),
        residual_traces=(raw - denoised).astype(np.float32),
        spikes=spikes.astype(np.float32),
        trace_fit=unfitted(raw, (decay, 0.0)),
        background=_background(footprints, behind, level[:, 0], mean_image),
        pixel_noise=np.zeros(shape, np.float32),
        ids=np.arange(n),
        frame_rate_hz=frame_rate_hz,
    )


def means_of(components: Components) -> RoiMeans:
    """Turn components into means over pixels: the inverse of `components_of`."""
    weights, gains = _weights(components.footprints)
    background = components.background
    constant = weights.T @ background.constant.ravel().astype(np.float64)
    behind = (weights.T @ background.maps) @ background.traces + constant[:, None]
    level = behind.mean(axis=1, keepdims=True)
    light = gains[:, None] * components.raw + behind
    around = level + (behind - level) / NEUROPIL_COEFFICIENT
    return RoiMeans(
        light.astype(np.float32),
        around.astype(np.float32),
        (gains[:, None] * components.spikes).astype(np.float32),
    )


def _weights(footprints: sp.csc_array) -> tuple[sp.csc_array, np.ndarray]:
    """Weights (Y*X, K) of each cell's own pixels, and the mean (K,) of its footprint.

    A cell that shares all its pixels is seen through all of them.
    """
    sizes = np.diff(footprints.indptr)
    column = np.repeat(np.arange(len(sizes)), sizes)
    data = footprints.data.astype(np.float64)
    own = data * own_pixels(footprints)
    without = np.bincount(column, own, minlength=len(sizes)) == 0
    own = np.where(without[column], data, own)
    total = np.bincount(column, own, minlength=len(sizes))
    own /= np.maximum(total, 1e-30)[column]
    gains = np.bincount(column, own * data, minlength=len(sizes))
    weights = sp.csc_array(
        (own, footprints.indices, footprints.indptr), shape=footprints.shape
    )
    return weights, np.where(gains > 0, gains, 1.0)


def _background(
    footprints: sp.csc_array,
    traces: np.ndarray,
    level: np.ndarray,
    mean_image: np.ndarray,
) -> Background:
    """Let each cell's neuropil fill its pixels; of shared pixels, each its part."""
    covered = np.bincount(footprints.indices, minlength=footprints.shape[0])
    shares = (1 / covered[footprints.indices]).astype(np.float32)
    maps = sp.csc_array(
        (shares, footprints.indices, footprints.indptr), shape=footprints.shape
    )
    constant = np.where(covered > 0, maps @ level, mean_image.ravel())
    constant = constant.reshape(mean_image.shape).astype(np.float32)
    if not len(traces):
        nothing = no_background(mean_image.shape, traces.shape[1])
        return Background(nothing.maps, nothing.traces, constant)
    return Background(maps, traces, constant)
