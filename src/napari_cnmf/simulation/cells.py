"""Where the sources of light lie, how bright they are and when they fire.

Bursts come at random, each cell at its own rate. An AR(2) filter, a difference of
exponentials, turns every spike into a transient of fluorescence.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator
from scipy.signal import lfilter

from napari_cnmf.simulation.parameters import SimulationParameters

SOMA, PROCESS, DEFOCUSED, FRAGMENT = 0, 1, 2, 3

# The same light on more pixels, and neuropil that is dimmer than cells.
_RELATIVE_BRIGHTNESS = {DEFOCUSED: 0.5, FRAGMENT: 0.7}


def place_cells(p: SimulationParameters, rng: Generator) -> dict[str, Any]:
    """Place and stimulate all sources; fields of `Simulation`."""
    numbers = [p.n_somata, p.n_processes, p.n_defocused, p.n_fragments]
    kind = np.repeat([SOMA, PROCESS, DEFOCUSED, FRAGMENT], numbers)
    brightness = p.brightness * rng.lognormal(0, p.brightness_sigma, len(kind))
    for dimmer, factor in _RELATIVE_BRIGHTNESS.items():
        brightness[kind == dimmer] *= factor
    peaks = brightness * p.spike_dff * rng.lognormal(0, p.spike_dff_sigma, len(kind))
    low, high = np.transpose([p.decay_s, p.rise_s])
    time_constants = rng.uniform(low, high, (len(kind), 2))
    spikes = _spikes(p, len(kind), rng)
    traces = peaks[:, None] * _calcium(spikes, time_constants * p.frame_rate_hz)
    return {
        "kind": kind,
        "centres": _centres(p, len(kind), rng),
        "brightness": brightness,
        "time_constants": time_constants,
        "spikes": spikes,
        "n_spikes": spikes.sum(axis=1, dtype=np.uint64),
        "traces": traces.astype(np.float32),
    }


def _centres(p: SimulationParameters, n_sources: int, rng: Generator) -> np.ndarray:
    """Place all sources (K, 2); somata keep apart, but for those meant to overlap."""
    size = (p.height_px, p.width_px)
    centres = rng.uniform(0, size, (n_sources, 2))
    for k in range(1, p.n_somata):
        overlapping = rng.random() < p.overlap_fraction
        gap = p.diameter_px * (p.min_distance_diameters if overlapping else 1.0)
        for _ in range(200):  # a field too crowded to keep apart has to overlap
            centres[k] = rng.uniform(0, size)
            if overlapping:
                step = rng.normal(0, 0.45 * p.diameter_px, 2)
                centres[k] = np.clip(centres[rng.integers(k)] + step, 0, size)
            if np.linalg.norm(centres[:k] - centres[k], axis=1).min() > gap:
                break
    return centres


def _spikes(p: SimulationParameters, n_cells: int, rng: Generator) -> np.ndarray:
    """Poisson bursts of geometric length, 40 ms between their spikes, (K, T) counts."""
    spikes = np.zeros((n_cells, p.n_frames), np.uint8)
    rates = p.burst_rate_hz * rng.lognormal(0, p.burst_rate_sigma, n_cells)
    duration_s = p.n_frames / p.frame_rate_hz
    for counts, rate in zip(spikes, rates, strict=True):
        for start in rng.uniform(0, duration_s, rng.poisson(rate * duration_s)):
            intervals = rng.exponential(0.04, rng.geometric(1 / p.burst_spikes))
            frames = ((start + np.cumsum(intervals)) * p.frame_rate_hz).astype(int)
            np.add.at(counts, frames[frames < p.n_frames], 1)
    return spikes


def _calcium(spikes: np.ndarray, time_constants: np.ndarray) -> np.ndarray:
    """Convolve with the AR(2) response ``d**n - r**n``, n > 0, of peak 1."""
    poles = np.exp(-1 / time_constants)
    n = np.arange(1, 1 + int(np.ceil(3 * time_constants.max(initial=1))))
    traces = np.empty(spikes.shape)
    for trace, counts, (d, r) in zip(traces, spikes, poles, strict=True):
        scale = (d - r) / (d**n - r**n).max()
        trace[:] = lfilter([scale], [1, -(d + r), d * r], counts)
    return traces
