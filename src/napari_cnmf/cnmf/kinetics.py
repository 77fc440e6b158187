"""Time constants of calcium: of an indicator, of traces, of a movie, of its cells.

The autocovariance of an autoregressive process obeys the same recursion as its impulse
response; white noise adds to lag 0 only. `ar_coefficients` and `global_ar` regress it
on itself, per trace or over many pixels. `decay_time` instead searches the shape of a
transient with known rise on the clearest cells and takes the median, which is far
steadier: bursts look like a slow rise, so fitting the rise costs more than a preset.

References
----------
Pnevmatikakis et al. (2016). Simultaneous denoising, deconvolution, and demixing of
calcium imaging data. Neuron 89(2): 285-299.
"""

from __future__ import annotations

import numpy as np

from napari_cnmf.cnmf.kernels_oasis import autocovariance
from napari_cnmf.compute.scratch import row_blocks
from napari_cnmf.errors import ParameterError

_N_CLEAREST = 40
_LONGEST_LAG_S = 2.0
_DECAYS_S = np.geomspace(0.05, 4.0, 120)


def kinetics(
    decay_s: float, rise_s: float, frame_rate_hz: float
) -> tuple[float, float]:
    """Coefficients of the AR(2) process with given decay and rise times.

    Parameters
    ----------
    decay_s, rise_s : float
        Time constants in s; a rise of 0 gives the AR(1) process (g2 = 0).
    frame_rate_hz : float
        Frames per second.

    Returns
    -------
    tuple of float
        Coefficients g1 and g2.
    """
    slow = np.exp(-1 / (decay_s * frame_rate_hz))
    fast = np.exp(-1 / (rise_s * frame_rate_hz)) if rise_s > 0 else 0.0
    return float(slow + fast), float(-slow * fast)


def ar_coefficients(
    traces: np.ndarray,
    noise: np.ndarray | None,
    order: int,
    lags: int = 5,
    fudge: float = 0.96,
) -> np.ndarray:
    """Autoregressive coefficients of each trace from its autocovariance.

    Regresses the autocovariance at lags 1 to ``lags + order`` on its predecessors
    after the noise variance is removed from lag 0. Roots of the process of 1 and more
    become 0.95 and those below 0 become 0.15, then all are multiplied by `fudge`.

    Parameters
    ----------
    traces : np.ndarray, shape (K, T)
        Traces.
    noise : np.ndarray, shape (K,), or None
        Noise sd of each trace. None leaves out the equations that contain lag 0, so
        the noise need not be known; that is less steady.
    order : int
        1 (decay) or 2 (rise and decay).
    lags : int
        Number of lags used beyond the order.
    fudge : float
        Factor on the roots, which the noise biases upwards.

    Returns
    -------
    np.ndarray, shape (K, order), float64
        Coefficients g1 (and g2).

    Raises
    ------
    ParameterError
        If `order` is neither 1 nor 2.
    """
    design, target = _equations(traces, noise, order, lags)
    return _plausible((np.linalg.pinv(design) @ target[..., None])[..., 0], fudge)


def global_ar(
    movie: np.ndarray,
    noise: np.ndarray | None,
    order: int,
    lags: int = 5,
    fudge: float = 1.0,
) -> np.ndarray:
    """Autoregressive coefficients shared by all pixels of a movie or all traces.

    Solves the regression of `ar_coefficients` once, on the sum of the equations of all
    pixels; brighter activity counts more. (Stacking the equations instead would let
    the errors of dim pixels' autocovariance pull the coefficients to 0.)

    Parameters
    ----------
    movie : np.ndarray, shape (T, Y, X) or (K, T)
        Movie, worked through row by row, or traces.
    noise : np.ndarray, shape (Y, X) or (K,), or None
        Noise sd of each pixel or trace; None leaves out the equations with lag 0.
    order : int
        1 (decay) or 2 (rise and decay).
    lags : int
        Number of lags used beyond the order.
    fudge : float
        Factor on the roots.

    Returns
    -------
    np.ndarray, shape (order,), float64
        Coefficients g1 (and g2).

    Raises
    ------
    ParameterError
        If `order` is neither 1 nor 2.
    """
    if movie.ndim == 2:
        blocks = iter([(movie, noise)])
    else:
        rows = range(movie.shape[1])
        blocks = ((movie[:, y].T, None if noise is None else noise[y]) for y in rows)
    design, target = np.zeros((1, 1, order)), np.zeros((1, 1))
    for traces, sd in blocks:
        equations = _equations(traces, sd, order, lags)
        design = design + equations[0].sum(axis=0)
        target = target + equations[1].sum(axis=0)
    return _plausible((np.linalg.pinv(design) @ target[..., None])[..., 0], fudge)[0]


def roots(g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slow and fast root (K,) of processes (K, 1 or 2); those of AR(1) end with 0."""
    if g.shape[1] == 1:
        return g[:, 0], np.zeros(len(g))
    half_gap = np.sqrt(np.maximum(g[:, 0] ** 2 + 4 * g[:, 1], 0)) / 2
    return g[:, 0] / 2 + half_gap, g[:, 0] / 2 - half_gap


def decay_time(
    raw: np.ndarray, rate_hz: float, rise_s: float, default_s: float
) -> float:
    """Estimate the decay time.

    Parameters
    ----------
    raw : ndarray
        (K, T) float32, demixed traces.
    rate_hz : float
        Their frame rate.
    rise_s : float
        The indicator's rise time.
    default_s : float
        To return where there is nothing to estimate from.

    Returns
    -------
    float
        Median decay time in seconds over the clearest cells.
    """
    decays_s = decays_of(clear_autocovariance(raw, rate_hz), rate_hz, rise_s)
    return float(np.median(decays_s)) if len(decays_s) else default_s


def clear_autocovariance(raw: np.ndarray, rate_hz: float) -> np.ndarray:
    """Autocovariance of the clearest traces, in units of their noise variance.

    Parameters
    ----------
    raw : ndarray
        (K, T) float32, demixed traces.
    rate_hz : float
        Their frame rate.

    Returns
    -------
    ndarray
        (n, lags) of at most 40 traces, the clearest first, from lag 1 on; of none
        where there is nothing to estimate from.
    """
    n_lags = min(round(_LONGEST_LAG_S * rate_hz), raw.shape[1] // 4)
    if n_lags < 4:
        return np.zeros((0, 1))
    covariance = _autocovariance(raw, n_lags)
    noise = np.maximum(covariance[:, 0] - covariance[:, 1], 1e-12)
    clear = covariance[:, 1:] / noise[:, None]
    clearest = np.argsort(-clear[:, 0], kind="stable")[:_N_CLEAREST]
    return clear[clearest[clear[clearest, 0] > 0]]


def decays_of(covariance: np.ndarray, rate_hz: float, rise_s: float) -> np.ndarray:
    """Decay times (n,) in s that fit autocovariances (n, lags) from lag 1 on best."""
    if not len(covariance):
        return np.zeros(0)
    shapes = _shapes(np.arange(1, covariance.shape[1] + 1) / rate_hz, rise_s)
    return _DECAYS_S[np.argmax(covariance @ shapes.T, axis=1)]


def _autocovariance(raw: np.ndarray, n_lags: int) -> np.ndarray:
    """Autocovariance (K, n_lags) of traces, from lag 0."""
    n_t = raw.shape[1]
    products = np.empty((len(raw), n_lags), np.float32)
    for rows in row_blocks(raw.shape):
        centred = raw[rows] - raw[rows].mean(axis=1, keepdims=True)
        for lag in range(n_lags):
            ahead, behind = centred[:, lag:], centred[:, : n_t - lag]
            products[rows, lag] = np.einsum("kt,kt->k", ahead, behind)
    return products / n_t


def _shapes(lag_s: np.ndarray, rise_s: float) -> np.ndarray:
    """Autocovariance at the given lags for each decay, (decays, lags), unit norm.

    Without their mean: an offset says nothing of the decay.
    """
    decay_s = _DECAYS_S[:, None]
    fast_s = np.minimum(max(rise_s, 1e-4), 0.5 * decay_s)
    shapes = decay_s * np.exp(-lag_s / decay_s) - fast_s * np.exp(-lag_s / fast_s)
    shapes -= shapes.mean(axis=1, keepdims=True)
    return shapes / np.linalg.norm(shapes, axis=1, keepdims=True)


def _equations(
    traces: np.ndarray, noise: np.ndarray | None, order: int, lags: int
) -> tuple[np.ndarray, np.ndarray]:
    """Autocovariance (K, rows) and what it is regressed on, (K, rows, order)."""
    if order not in (1, 2):
        message = f"The autoregressive order is {order} but must be 1 or 2; set 1 or 2."
        raise ParameterError(message)
    rows = lags + order
    covariance = np.empty((len(traces), rows + 1))
    # A read-only view is the one kind of array for which the kernel is compiled.
    block = np.ascontiguousarray(traces, np.float32).view()
    block.flags.writeable = False
    autocovariance(block, covariance)
    distance = np.abs(np.arange(rows)[:, None] - np.arange(order))
    design, target = covariance[:, distance], covariance[:, 1:]
    if noise is None:
        return design[:, order:], target[:, order:]
    design[:, distance == 0] -= np.square(noise)[:, None]
    return design, target


def _plausible(g: np.ndarray, fudge: float) -> np.ndarray:
    """Replace impossible roots of processes (K, order), multiply all by `fudge`."""
    slow, fast = (fudge * _guarded(root) for root in roots(g))
    if g.shape[1] == 1:
        return slow[:, None]
    return np.stack([slow + fast, -slow * fast], axis=1)


def _guarded(roots: np.ndarray) -> np.ndarray:
    """Replace roots outside 0 to 1 by plausible ones."""
    return np.where(roots >= 1, 0.95, np.where(roots < 0, 0.15, roots))
