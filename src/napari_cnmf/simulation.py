"""Synthetic two-photon movies with known truth, to tune and test the pipeline on.

Irregular somata, pieces of dendrite and defocused somata fire bursts of spikes, which
an AR(2) filter (a difference of exponentials) turns into fluorescence on top of a
textured, fluctuating, bleaching neuropil. This scene, larger than the field of view so
that nothing is invented at its borders, is moved by sub-pixel shifts and only then
given photon and read noise. Everything follows from one seed.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.ndimage as ndi
import scipy.sparse as sp
from numpy.random import Generator
from scipy.signal import lfilter

SOMA, PROCESS, DEFOCUSED = 0, 1, 2

_Fields = dict[str, Any]  # of a Simulation, or of the scorer's file
_BLOCK_FRAMES = 32
_TAPS = np.arange(-4, 5)  # of the interpolation filter
_CUTOFF = 0.03  # of a footprint's peak; dimmer pixels are not part of it


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationParameters:
    """What to simulate; the defaults are one small, dense, noisy field.

    Brightness is in photons per pixel and frame at a footprint's peak. `brightness`,
    `spike_dff` and `burst_rate_hz` are medians over cells, the `_sigma` below each is
    the width of its log-normal distribution.
    """

    n_frames: int = 1500
    height_px: int = 128
    width_px: int = 128
    frame_rate_hz: float = 30.0

    n_somata: int = 60
    n_processes: int = 6
    n_defocused: int = 12
    diameter_px: float = 11.0
    overlap_fraction: float = 0.25  #: somata put onto the edge of another one
    brightness: float = 7.0
    brightness_sigma: float = 0.55
    resting: float = 0.5  #: resting fluorescence, relative to brightness
    spike_dff: float = 0.19  #: peak of one spike's transient, relative to brightness
    spike_dff_sigma: float = 0.28
    burst_rate_hz: float = 0.15
    burst_rate_sigma: float = 0.8
    burst_spikes: float = 2.5  #: mean of their geometric distribution
    decay_s: tuple[float, float] = (0.35, 0.8)  #: lowest and highest time constant
    rise_s: tuple[float, float] = (0.03, 0.1)

    neuropil: float = 8.5  #: photons per pixel and frame
    neuropil_modulation: float = 0.06
    n_domains: int = 8  #: regions of neuropil that fluctuate separately
    vessel_depth: float = 0.25  #: part of the neuropil's light that vessels swallow
    bleaching: float = 0.15  #: part of the resting light lost by the end
    gain: float = 20.0  #: digital units per photon
    read_noise: float = 15.0  #: digital units
    offset: float = 200.0  #: digital units

    motion_sd_px: float = 1.2
    max_shift_px: float = 6.0
    jerk_rate_hz: float = 0.08
    max_nonrigid_px: float = 0.0  #: on top of the shift; 0 is rigid motion

    @property
    def margin_px(self) -> int:
        """How far the scene reaches beyond the field of view."""
        return int(np.ceil(self.max_shift_px + self.max_nonrigid_px)) + len(_TAPS)

    @property
    def scene_shape(self) -> tuple[int, int]:
        """Height and width of the field of view with its margin."""
        return self.height_px + 2 * self.margin_px, self.width_px + 2 * self.margin_px


@dataclass(frozen=True, eq=False, kw_only=True)
class Simulation:
    """A simulated movie and the truth about it; pixel = y * X + x."""

    movie: np.ndarray  #: (T, Y, X) uint16
    footprints: sp.csc_array  #: (Y*X, K) float32, unmoved; peak 1 in or out of view
    traces: np.ndarray  #: (K, T) float32, photons above rest at the footprint's peak
    spikes: np.ndarray  #: (K, T) uint8, counts
    n_spikes: np.ndarray  #: (K,) uint64
    kind: np.ndarray  #: (K,) int64: 0 soma, 1 process, 2 out of focus
    fraction_in_field: np.ndarray  #: (K,) float32, of the footprint's mass
    snr: np.ndarray  #: (K,) float32, d' of the best frame, footprint known
    centres: np.ndarray  #: (K, 2) float64, y and x in px
    brightness: np.ndarray  #: (K,) float64, photons
    time_constants: np.ndarray  #: (K, 2) float64, decay and rise in s
    shifts: np.ndarray  #: (T, 2) float64, how far the content moved down and right, px
    modes: np.ndarray  #: (M, 2, Y, X) float32, non-rigid motion adds to the shifts
    mode_traces: np.ndarray  #: (M, T) float32, px; times the mode at a pixel
    mean_image: np.ndarray  #: (Y, X) float32, without motion and noise, digital units
    frame_rate_hz: float
    parameters: SimulationParameters
    seed: int


def simulate(parameters: SimulationParameters, seed: int = 0) -> Simulation:
    """Make a movie and its truth.

    Parameters
    ----------
    parameters : SimulationParameters
    seed : int
        The same seed and parameters give the same bytes.

    Returns
    -------
    Simulation
        Sources are ordered by kind: somata, processes, defocused somata.
    """
    p, rng = parameters, np.random.default_rng(seed)
    cells = _cells(p, rng)
    images = _images(p, cells, rng)
    light, courses = _scene(p, images, cells, rng)
    motion = {"shifts": _rigid_shifts(p, rng), **_nonrigid_motion(p, rng)}
    inside = np.pad(np.ones((p.height_px, p.width_px), bool), p.margin_px).ravel()
    footprints = sp.csc_array(images[inside])
    mean = (light @ courses.mean(axis=1))[inside]
    information = footprints.power(2).T @ (1 / (mean + (p.read_noise / p.gain) ** 2))
    mean_image = (p.offset + p.gain * mean).reshape(p.height_px, p.width_px)
    return Simulation(
        movie=_record(p, light, courses, motion, rng),
        footprints=footprints,
        fraction_in_field=footprints.sum(axis=0) / images.sum(axis=0),
        snr=cells["traces"].max(axis=1) * np.sqrt(information, dtype=np.float32),
        mean_image=mean_image.astype(np.float32),
        frame_rate_hz=p.frame_rate_hz,
        parameters=p,
        seed=seed,
        **cells,
        **motion,
    )


def save_truth(simulation: Simulation, path: str | Path) -> None:
    """Write everything but the movie as npz, in the layout that the scorer reads.

    Parameters
    ----------
    simulation : Simulation
    path : str or Path
        File to write; its folder must exist.
    """
    s, a = simulation, simulation.footprints
    truth: _Fields = {"C": s.traces, "S": s.spikes, "n_spikes": s.n_spikes}
    truth |= {"A_data": a.data, "A_indices": a.indices, "A_indptr": a.indptr}
    truth |= {"A_shape": a.shape, "dims": s.movie.shape[1:], "order": "C"}
    truth |= {"kind": s.kind, "center": s.centres, "frac_in_fov": s.fraction_in_field}
    truth |= {"brightness": s.brightness, "tau": s.time_constants, "snr": s.snr}
    truth |= {"shifts": s.shifts, "nr_modes": s.modes, "nr_q": s.mode_traces}
    truth |= {"mean_image": s.mean_image, "fr": s.frame_rate_hz, "seed": s.seed}
    truth |= {"params": json.dumps(asdict(s.parameters))}
    np.savez_compressed(path, **truth)


def _cells(p: SimulationParameters, rng: Generator) -> _Fields:
    """Place and stimulate all sources; fields of `Simulation`."""
    numbers = [p.n_somata, p.n_processes, p.n_defocused]
    kind = np.repeat([SOMA, PROCESS, DEFOCUSED], numbers)
    brightness = p.brightness * rng.lognormal(0, p.brightness_sigma, len(kind))
    brightness[kind == DEFOCUSED] *= 0.5  # the same light on more pixels
    peaks = brightness * p.spike_dff * rng.lognormal(0, p.spike_dff_sigma, len(kind))
    low, high = np.transpose([p.decay_s, p.rise_s])
    time_constants = rng.uniform(low, high, (len(kind), 2))
    spikes = _spikes(p, len(kind), rng)
    traces = peaks[:, None] * _calcium(spikes, time_constants * p.frame_rate_hz)
    return {
        "kind": kind,
        "centres": _centres(p, rng),
        "brightness": brightness,
        "time_constants": time_constants,
        "spikes": spikes,
        "n_spikes": spikes.sum(axis=1, dtype=np.uint64),
        "traces": traces.astype(np.float32),
    }


def _centres(p: SimulationParameters, rng: Generator) -> np.ndarray:
    """Place all sources (K, 2); somata keep apart, but for those meant to overlap."""
    size = (p.height_px, p.width_px)
    centres = rng.uniform(0, size, (p.n_somata + p.n_processes + p.n_defocused, 2))
    for k in range(1, p.n_somata):
        overlapping = rng.random() < p.overlap_fraction
        gap = p.diameter_px * (0.42 if overlapping else 1.0)
        for _ in range(200):  # a field too crowded to keep apart has to overlap
            centres[k] = rng.uniform(0, size)
            if overlapping:
                step = rng.normal(0, 0.45 * p.diameter_px, 2)
                centres[k] = np.clip(centres[rng.integers(k)] + step, 0, size)
            if np.linalg.norm(centres[:k] - centres[k], axis=1).min() > gap:
                break
    return centres


def _images(p: SimulationParameters, cells: _Fields, rng: Generator) -> sp.csr_array:
    """Draw every source into a column (H*W, K) of the scene, with a peak of 1."""
    draw = {SOMA: _soma, PROCESS: _process, DEFOCUSED: _defocused}
    height, width = p.scene_shape
    half = int(2 * p.diameter_px)
    window = np.mgrid[-half : half + 1, -half : half + 1]
    columns = []
    centres = cells["centres"] + p.margin_px
    for source, centre in zip(cells["kind"], centres, strict=True):
        pixels = window + np.rint(centre[:, None, None]).astype(int)
        image = draw[int(source)](pixels - centre[:, None, None], p.diameter_px, rng)
        image /= image.max()
        inside = (pixels >= 0).all(axis=0) & (pixels[0] < height) & (pixels[1] < width)
        inside &= image > _CUTOFF
        picture = np.zeros((height, width), np.float32)
        picture[tuple(pixels[:, inside])] = image[inside]
        columns.append(sp.csc_array(picture.reshape(-1, 1)))
    return sp.hstack(columns, format="csr")


def _soma(yx: np.ndarray, diameter: float, rng: Generator) -> np.ndarray:
    """Ragged disc with a dimmer nucleus and uneven filling."""
    order = np.arange(2, 5)[:, None, None]
    waves = np.cos(order * np.arctan2(*yx) + rng.uniform(0, 2 * np.pi, order.shape))
    ragged = (rng.normal(0, 0.1, order.shape) / (order - 1) * waves).sum(axis=0)
    radius = 0.54 * diameter * rng.lognormal(0, 0.06) * (1 + ragged)
    disc = 1 / (1 + np.exp((np.hypot(*yx) - radius) / 0.4))
    offset = rng.normal(0, 0.08 * diameter, (2, 1, 1))
    from_nucleus = np.hypot(*(yx - offset)) / (0.3 * diameter)
    hollow = 1 - rng.uniform(0.1, 0.7) * np.exp(-(from_nucleus**4))
    filling = np.exp(0.2 * _texture(yx.shape[1:], 0.15 * diameter, rng))
    return ndi.gaussian_filter(disc * hollow * filling, 1.0)


def _process(yx: np.ndarray, diameter: float, rng: Generator) -> np.ndarray:
    """Short, winding, unevenly bright piece of dendrite, 3 px thick."""
    steps = int(rng.uniform(0.8, 2.0) * diameter)
    heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.15, steps))
    path = np.cumsum([np.sin(heading), np.cos(heading)], axis=1)
    path -= path.mean(axis=1, keepdims=True)
    weight = 1 + 0.3 * ndi.gaussian_filter1d(rng.standard_normal(steps), 1.5)
    distance = np.hypot(yx[0, ..., None] - path[0], yx[1, ..., None] - path[1])
    return (weight * np.exp(-((distance / 1.2) ** 2) / 2)).max(axis=-1)


def _defocused(yx: np.ndarray, diameter: float, rng: Generator) -> np.ndarray:
    """Blur of a soma above or below the focal plane."""
    width = rng.uniform(0.37, 0.52) * diameter
    return np.exp(-(yx**2).sum(axis=0) / (2 * width**2))


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


def _scene(
    p: SimulationParameters, images: sp.csr_array, cells: _Fields, rng: Generator
) -> tuple[sp.csr_array, np.ndarray]:
    """Photons of the scene as pictures (H*W, N) times their courses (N, T)."""
    shape = p.scene_shape
    textures = [_texture(shape, s * p.diameter_px, rng) for s in (0.15, 0.5, 1.5)]
    neuropil = p.neuropil * np.exp(np.tensordot([0.04, 0.14, 0.1], textures, 1))
    # Vessels run where another texture changes its sign.
    lines = np.exp(-((_texture(shape, 2.5 * p.diameter_px, rng) / 0.1) ** 2) / 2)
    neuropil *= 1 - p.vessel_depth * lines
    patches = [_texture(shape, 1.2 * p.diameter_px, rng) for _ in range(p.n_domains)]
    domains = np.exp(np.multiply(1.5, patches))
    domains *= neuropil / domains.sum(axis=0)
    rest = neuropil + p.resting * (images @ cells["brightness"]).reshape(shape)
    maps = np.reshape([rest, *domains], (1 + p.n_domains, -1)).T.astype(np.float32)
    courses = np.concatenate([np.ones((1, p.n_frames)), _fluctuations(p, rng)])
    courses *= 1 - p.bleaching * np.linspace(0, 1, p.n_frames)
    courses = np.concatenate([courses.astype(np.float32), cells["traces"]])
    return sp.hstack([sp.csr_array(maps), images], format="csr"), courses


def _fluctuations(p: SimulationParameters, rng: Generator) -> np.ndarray:
    """Relative change of each domain (D, T): shared and own, slow and fast, skewed."""
    shape = (1 + p.n_domains, p.n_frames)
    slow, fast = (_coloured(shape, s * p.frame_rate_hz, rng) for s in (10, 0.6))
    smooth = ndi.gaussian_filter1d(slow + fast, 0.15 * p.frame_rate_hz, axis=1)
    skewed = np.exp(0.4 * smooth)
    skewed -= skewed.mean(axis=1, keepdims=True)
    skewed *= p.neuropil_modulation / skewed.std(axis=1, keepdims=True)
    return 1.1 * skewed[:1] + 0.9 * skewed[1:]


def _rigid_shifts(p: SimulationParameters, rng: Generator) -> np.ndarray:
    """Drift, breathing, jitter and jerks that decay within 0.2 s, (T, 2) px."""
    shifts = _coloured((2, p.n_frames), 2.0 * p.frame_rate_hz, rng).T
    shifts += 0.1 * rng.standard_normal((p.n_frames, 2))
    phase = 2 * np.pi * 1.3 / p.frame_rate_hz * np.arange(p.n_frames)
    shifts += np.sin(phase)[:, None] * rng.normal(0, 0.1, 2)
    jerks = rng.random((p.n_frames, 1)) < p.jerk_rate_hz / p.frame_rate_hz
    kicks = jerks * rng.normal(0, 1.7, (p.n_frames, 2))
    shifts += lfilter([1], [1, -np.exp(-5 / p.frame_rate_hz)], kicks, axis=0)
    return np.clip(p.motion_sd_px * shifts, -p.max_shift_px, p.max_shift_px)


def _nonrigid_motion(p: SimulationParameters, rng: Generator) -> _Fields:
    """Smooth displacement modes (M, 2, Y, X) and their courses (M, T) px."""
    shape = (3 if p.max_nonrigid_px > 0 else 0, 2, p.height_px, p.width_px)
    noise = rng.standard_normal(shape, dtype=np.float32)
    modes = ndi.gaussian_filter(noise, min(shape[2:]) / 4, axes=(2, 3), mode="wrap")
    modes /= np.abs(modes).max(axis=(2, 3), keepdims=True)
    courses = np.tanh(_coloured((len(modes), p.n_frames), p.frame_rate_hz, rng))
    courses *= p.max_nonrigid_px / 3
    return {"modes": modes, "mode_traces": courses.astype(np.float32)}


def _record(
    p: SimulationParameters,
    light: sp.csr_array,
    courses: np.ndarray,
    motion: _Fields,
    rng: Generator,
) -> np.ndarray:
    """Move each frame of the scene, then add noise: (T, Y, X) uint16."""
    movie = np.empty((p.n_frames, p.height_px, p.width_px), np.uint16)
    for start in range(0, p.n_frames, _BLOCK_FRAMES):
        frames = (light @ courses[:, start : start + _BLOCK_FRAMES]).T
        for t, frame in enumerate(frames.reshape(-1, *p.scene_shape), start):
            shift = motion["shifts"][t]
            if p.max_nonrigid_px > 0:
                bend = np.tensordot(motion["mode_traces"][:, t], motion["modes"], 1)
                moved = _warped(frame, shift[:, None, None] + bend, p.margin_px)
            else:
                moved = _shifted(frame, shift, p.margin_px)
            movie[t] = _noisy(p, moved, rng)
    return movie


def _shifted(frame: np.ndarray, shift: np.ndarray, margin: int) -> np.ndarray:
    """Move by (y, x) px with a Lanczos filter and cut the margin off."""
    whole = np.rint(shift).astype(int)
    for axis, fraction in enumerate(shift - whole):
        t = _TAPS - fraction
        weights = np.sinc(t) * np.sinc(t / (_TAPS[-1] + 0.5))
        frame = ndi.convolve1d(frame, weights / weights.sum(), axis)
    (top, left), (height, width) = margin - whole, np.subtract(frame.shape, 2 * margin)
    return frame[top : top + height, left : left + width]


def _warped(frame: np.ndarray, displacement: np.ndarray, margin: int) -> np.ndarray:
    """Move every pixel by its own (2, Y, X) px and cut the margin off."""
    source = np.indices(displacement.shape[1:]) + margin - displacement
    return ndi.map_coordinates(frame, source, order=3)


def _noisy(p: SimulationParameters, photons: np.ndarray, rng: Generator) -> np.ndarray:
    """Add photon and read noise and count in digital units."""
    # One normal deviate, bent to a Poisson count's skewness (Cornish-Fisher): read
    # noise hides the lattice of counts, and drawing both took three times as long.
    photons = np.maximum(photons, 0)
    variance = photons + (p.read_noise / p.gain) ** 2
    bend = photons / (6 * np.maximum(variance, 1))
    z = rng.standard_normal(photons.shape, dtype=np.float32)
    noise = np.sqrt(variance - 2 * bend**2) * z + bend * (z * z - 1)
    return np.clip(np.rint(p.offset + p.gain * (photons + noise)), 0, 65535)


def _coloured(shape: tuple[int, int], memory: float, rng: Generator) -> np.ndarray:
    """Stationary Ornstein-Uhlenbeck noise (n, T) of unit variance, memory in frames."""
    pole = np.exp(-1 / memory)
    noise = rng.standard_normal(shape)
    noise[:, 1:] *= np.sqrt(1 - pole**2)
    return lfilter([1], [1, -pole], noise, axis=1)


def _texture(shape: tuple[int, int], scale_px: float, rng: Generator) -> np.ndarray:
    """Smooth random picture of zero mean and unit variance."""
    noise = ndi.gaussian_filter(rng.standard_normal(shape), scale_px, mode="wrap")
    return (noise - noise.mean()) / noise.std()
