"""From fluorescence traces to activity.

A trace is modelled as a baseline, plus white noise, plus calcium ``c`` that follows an
autoregressive process of order 1 or 2 driven by spikes
``s[t] = c[t] - g1 c[t-1] - g2 c[t-2] >= 0``. The spikes are found by OASIS: frames are
pooled from left to right, a pool follows the impulse response from its first frame
on, and a pool that would need a negative spike is merged with the one before it.

OASIS is exact for order 1 and a greedy, nearly exact method for order 2. Spikes have
the traces' unit per frame: a spike of 1 lifts the calcium by 1 in its frame.

References
----------
Friedrich, Zhou, Paninski (2017). Fast online deconvolution of calcium imaging data.
PLoS Comput Biol 13(3): e1005423. Algorithms 1-3.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from napari_cnmf.cnmf.decay_refinement import refine_decay
from napari_cnmf.cnmf.kernels_constrained import constrain_ar
from napari_cnmf.cnmf.kernels_oasis import Arrays, deconvolve_ar
from napari_cnmf.cnmf.kinetics import ar_coefficients, roots
from napari_cnmf.cnmf.noise import trace_noise
from napari_cnmf.errors import InputError, ParameterError

_START_FRAMES = 1000
_BASELINE_ROUNDS = 3
_BISECTIONS = 12
_REFINEMENTS = 3


@dataclass(frozen=True)
class Deconvolved:
    """Deconvolution of K traces of T frames, and what was estimated for it.

    Attributes
    ----------
    denoised : np.ndarray, shape (K, T), float32
        Calcium without its baseline, in trace units.
    spikes : np.ndarray, shape (K, T), float32
        What drives it, in trace units per frame.
    baseline : np.ndarray, shape (K,), float64
        Baseline in trace units.
    g : np.ndarray, shape (K, 2), float64
        Autoregressive coefficients; order 1 has a second one of 0.
    noise : np.ndarray, shape (K,), float64
        Noise sd in trace units.
    penalty : np.ndarray, shape (K,), float64
        Weight of the sum of spikes in trace units; 0 if spikes have a least size.
    s_min : np.ndarray, shape (K,), float64
        Least size of a spike in trace units; 0 if their sum is penalised.
    """

    denoised: np.ndarray
    spikes: np.ndarray
    baseline: np.ndarray
    g: np.ndarray
    noise: np.ndarray
    penalty: np.ndarray
    s_min: np.ndarray


def deconvolve(
    traces: np.ndarray, g: tuple[float, ...], penalty: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Denoised calcium and spikes of traces whose kinetics are known.

    Minimises ``0.5 * sum((y - c)**2) + penalty * sum(s)`` over ``s >= 0``, with
    ``s[t] = c[t] - g1 c[t-1] - g2 c[t-2]`` and nothing before the first frame.

    Parameters
    ----------
    traces : np.ndarray, shape (K, T)
        Traces without baseline.
    g : tuple of float
        Coefficients (g1,) or (g1, g2), shared by all traces.
    penalty : np.ndarray, shape (K,)
        Sparsity penalty in trace units; 1 noise sd is a good choice.

    Returns
    -------
    denoised, spikes : np.ndarray, shape (K, T), float32
        Calcium in trace units and spikes in trace units per frame.
    """
    shared = np.tile((*g, 0.0)[:2], (len(traces), 1)).astype(float)
    return _solve(traces, shared, np.array(penalty, float), np.zeros(len(traces)))


def deconvolve_traces(
    traces: np.ndarray,
    *,
    order: int = 1,
    g: np.ndarray | tuple[float, ...] | None = None,
    noise: np.ndarray | float | None = None,
    baseline: np.ndarray | float | None = None,
    s_min: float | None = None,
    optimize_g: int = 0,
    nonnegative_baseline: bool = False,
    noise_method: str = "mean",
    noise_band: tuple[float, float] = (0.25, 0.5),
    lags: int = 5,
    fudge: float = 0.96,
    max_iterations: int = 5,
) -> Deconvolved:
    """Sparsest calcium that leaves a residual as large as the noise, for any traces.

    Minimises ``sum(s)`` over spikes s, baseline b and calcium c such that
    ``sum((y - b - c)**2) <= T * noise**2``. With `s_min`, every spike that is not 0
    has at least this size instead. Works on any unit, dF/F as well.

    Parameters
    ----------
    traces : np.ndarray, shape (K, T)
        Traces with their baseline.
    order : int
        Order of the autoregressive process: 1 (decay), 2 (rise and decay), or 0 for
        no deconvolution: calcium and spikes are then the trace's positive part.
    g : array_like, shape (order,) or (K, order), optional
        Coefficients; estimated for each trace if not given.
    noise : float or np.ndarray, shape (K,), optional
        Noise sd; from `trace_noise` if not given.
    baseline : float or np.ndarray, shape (K,), optional
        Baseline; fitted if not given.
    s_min : float, optional
        Least size of a spike in trace units. If negative, ``|s_min| * noise *
        sqrt(1 - decay)`` with the slow root as decay; if 0, the largest one that
        leaves a residual within the noise, which misses small events.
    optimize_g : int
        Refine the decay of each trace on this many of its largest isolated events.
    nonnegative_baseline : bool
        Do not let a fitted baseline fall below 0.
    noise_method : {"mean", "median", "logmexp"}
        How the power spectrum is averaged for the noise.
    noise_band : tuple of float
        Where it is averaged, in cycles per frame.
    lags : int
        Lags of the autocovariance, beyond the order, that g is estimated from.
    fudge : float
        Factor on the estimated roots, which the noise biases upwards.
    max_iterations : int
        Largest number of updates of the penalty.

    Returns
    -------
    Deconvolved
        Calcium, spikes (trace units per frame) and what was estimated.

    Raises
    ------
    InputError
        If the traces are not a finite (K, T) array with at least one frame.
    ParameterError
        If the order is not 0, 1 or 2, or g is no stable process of that order.
    """
    _check_traces(traces)
    n_traces = len(traces)
    if noise is None:
        sd = trace_noise(traces, noise_band, noise_method)
    else:
        sd = _per_trace(noise, n_traces, "noise")
    if order == 0:
        return _rectified(traces, sd)
    if g is None:
        ar = ar_coefficients(traces, sd, order, lags, fudge)
        ar = np.pad(ar, ((0, 0), (0, 2 - order)))
    else:
        ar = _known(g, order, n_traces)
    limits = np.full((n_traces, 2), [0.0 if nonnegative_baseline else -np.inf, np.inf])
    if baseline is not None:
        limits[:] = _per_trace(baseline, n_traces, "baseline")[:, None]
    fit = _constrained(traces, ar, sd, limits, max_iterations)
    for _ in range(_REFINEMENTS if optimize_g else 0):
        residual = traces - fit.baseline[:, None] - fit.denoised
        ar = refine_decay(residual, fit.spikes, ar, optimize_g)
        fit = _constrained(traces, ar, sd, limits, max_iterations)
    return fit if s_min is None else _thresholded(traces, fit, limits, s_min)


def _check_traces(traces: np.ndarray) -> None:
    """Refuse what is no block of finite traces."""
    if traces.ndim != 2 or traces.shape[1] == 0:
        raise InputError(
            f"The traces have the shape {traces.shape} but must be (traces, frames) "
            "with at least one frame; reshape them."
        )
    bad = np.flatnonzero(~np.isfinite(traces).all(axis=1))
    if bad.size:
        raise InputError(
            f"Trace {bad[0]} holds NaN or infinite values, as do {bad.size - 1} "
            "others, but must be finite; interpolate or leave out these frames."
        )


def _per_trace(values: np.ndarray | float, n_traces: int, name: str) -> np.ndarray:
    """One value for each trace."""
    given = np.asarray(values, float)
    if given.shape not in ((), (n_traces,)):
        raise ParameterError(
            f"`{name}` has the shape {given.shape} but must be one number or one for "
            f"each of the {n_traces} traces; give one of these."
        )
    return np.array(np.broadcast_to(given, n_traces))


def _known(g: np.ndarray | tuple[float, ...], order: int, n_traces: int) -> np.ndarray:
    """Check given coefficients and bring them into the shape (K, 2)."""
    given = np.atleast_1d(np.asarray(g, float))
    fits = given.shape in ((order,), (n_traces, order)) and order in (1, 2)
    ar = np.zeros((n_traces, 2))
    if fits:
        ar[:, :order] = given
    g1, g2 = ar.T
    stable = (g1 + g2 < 1) & (g2 - g1 < 1) & (g2 > -1)
    if not fits or not stable.all():
        raise ParameterError(
            f"The coefficients g have the shape {given.shape} and values up to "
            f"{given.max(initial=0):.4g} but must be those of a decaying process, of "
            f"shape ({order},) or ({n_traces}, {order}); set `order` to their number "
            "and keep their sum below 1."
        )
    return ar


def _rectified(traces: np.ndarray, noise: np.ndarray) -> Deconvolved:
    """No deconvolution: the positive part of each trace."""
    positive = np.maximum(traces, 0).astype(np.float32)
    none = np.zeros(len(traces))
    return Deconvolved(
        positive, positive.copy(), none, np.zeros((len(traces), 2)), noise, none, none
    )


def _constrained(
    traces: np.ndarray,
    g: np.ndarray,
    noise: np.ndarray,
    limits: np.ndarray,
    max_iterations: int,
) -> Deconvolved:
    """Fit baseline and penalty so that the residual is as large as the noise.

    A known baseline is where the search starts. Else it starts 1 sd above the 15th
    percentile of some frames, which is near the baseline plus what the penalty takes.
    """
    some = traces[:, :: 1 + traces.shape[1] // _START_FRAMES]
    rank = some.shape[1] * 15 // 100
    guess = np.partition(some, rank, axis=1)[:, rank] + noise
    known = limits[:, 0] == limits[:, 1]
    denoised, spikes = np.empty((2, *traces.shape), np.float32)
    baseline, penalty = np.empty((2, len(traces)))
    constrain_ar(
        _read_only(traces),
        noise,
        g,
        np.where(known, limits[:, 0], guess),
        limits,
        max_iterations,
        *_scratch(traces.shape[1]),
        denoised,
        spikes,
        baseline,
        penalty,
    )
    none = np.zeros(len(traces))
    return Deconvolved(denoised, spikes, baseline, g, noise, penalty, none)


def _thresholded(
    traces: np.ndarray, fit: Deconvolved, limits: np.ndarray, s_min: float
) -> Deconvolved:
    """Turn a penalised fit into one whose spikes have a least size.

    The baseline starts from the penalised fit and follows the mean of what is left.
    If the least size is to be found, it is bisected between 0 and the largest frame;
    only a fit within the noise is taken then.
    """
    none, baseline = np.zeros(len(traces)), fit.baseline
    if s_min == 0:
        low, high = none, np.maximum(traces.max(axis=1) - baseline, 0)
    else:
        unit = fit.noise * np.sqrt(1 - roots(fit.g)[0]) if s_min < 0 else 1.0
        low = high = np.full(len(traces), abs(s_min) * unit)
    for _ in range(_BASELINE_ROUNDS if s_min else _BISECTIONS):
        middle = (low + high) / 2
        denoised, spikes = _solve(traces - baseline[:, None], fit.g, none, middle)
        rest = traces - denoised
        mean = np.clip(rest.mean(axis=1, dtype=float), *limits.T)
        fits = np.mean((rest - mean[:, None]) ** 2, axis=1) <= fit.noise**2
        taken = fits | (s_min != 0)
        fit.denoised[taken], fit.spikes[taken] = denoised[taken], spikes[taken]
        baseline = np.where(taken, mean, baseline)
        low, high = np.where(fits, middle, low), np.where(fits, high, middle)
    return replace(fit, baseline=baseline, penalty=none, s_min=low)


def _solve(
    traces: np.ndarray, g: np.ndarray, penalty: np.ndarray, s_min: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Calcium and spikes for given coefficients (K, 2), penalty and least spike."""
    denoised, spikes = np.empty((2, *traces.shape), np.float32)
    deconvolve_ar(
        _read_only(traces),
        g,
        penalty,
        s_min,
        *_scratch(traces.shape[1]),
        denoised,
        spikes,
    )
    return denoised, spikes


def _scratch(frames: int) -> tuple[Arrays, Arrays]:
    """Make room for the pools of a trace and the tables of the impulse response."""
    sums, lagged, values, lasts, nexts, *tables = np.empty((9, frames + 1))
    sizes = np.empty(frames + 1, np.int64)
    pools = (sums, lagged, sizes, values, lasts, nexts)
    return pools, (np.empty(frames + 2), *tables)


def _read_only(traces: np.ndarray) -> np.ndarray:
    """View traces as the one kind of array for which the kernels are compiled."""
    view = np.ascontiguousarray(traces, np.float32).view()
    view.flags.writeable = False
    return view
