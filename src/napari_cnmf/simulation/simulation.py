"""A whole simulation, and the file of its truth."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from napari_cnmf.simulation.cells import place_cells
from napari_cnmf.simulation.motion import bending, rigid_shifts
from napari_cnmf.simulation.parameters import SimulationParameters
from napari_cnmf.simulation.recording import record
from napari_cnmf.simulation.scene import light_scene
from napari_cnmf.simulation.shapes import draw_sources


@dataclass(frozen=True, eq=False, kw_only=True)
class Simulation:
    """A simulated movie and the truth about it; pixel = y * X + x."""

    movie: np.ndarray  #: (T, Y, X) uint16
    footprints: sp.csc_array  #: (Y*X, K) float32, unmoved; peak 1 in or out of view
    traces: np.ndarray  #: (K, T) float32, photons above rest at the footprint's peak
    dff: np.ndarray  #: (K, T) float32, traces over the resting light, see `simulate`
    spikes: np.ndarray  #: (K, T) uint8, counts
    n_spikes: np.ndarray  #: (K,) uint64
    kind: np.ndarray  #: (K,) int64: 0 soma, 1 process, 2 out of focus, 3 fragment
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
        Sources are ordered by kind: somata, processes, defocused somata, fragments of
        neuropil.

    Notes
    -----
    The true dF/F of a source with footprint a, trace c and the scene's resting light r
    (cells and neuropil, without activity and fluctuations, bleached by the factor d) is
    ``c(t) (a'a) / (a'r d(t))``: its light above rest over all light at rest, both seen
    through its footprint, as the stage `dff` would find from the best of fits. It is
    zero for a source out of view.
    """
    p, rng = parameters, np.random.default_rng(seed)
    cells = place_cells(p, rng)
    images = draw_sources(p, cells["kind"], cells["centres"], rng)
    scene = light_scene(p, images, cells["brightness"], cells["traces"], rng)
    shifts, bends = rigid_shifts(p, rng), bending(p, rng)
    noise = rng if p.noise_seed is None else np.random.default_rng(p.noise_seed)
    truth = _in_view(p, images, scene, cells["traces"])
    return Simulation(
        movie=record(p, scene, shifts, bends, noise),
        fraction_in_field=truth["footprints"].sum(axis=0) / images.sum(axis=0),
        shifts=shifts,
        modes=bends[0],
        mode_traces=bends[1],
        frame_rate_hz=p.frame_rate_hz,
        parameters=p,
        seed=seed,
        **cells,
        **truth,
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
    truth: dict[str, Any] = {"C": s.traces, "dff": s.dff, "S": s.spikes}
    truth |= {"A_data": a.data, "A_indices": a.indices, "A_indptr": a.indptr}
    truth |= {"A_shape": a.shape, "dims": s.movie.shape[1:], "order": "C"}
    truth |= {"kind": s.kind, "center": s.centres, "frac_in_fov": s.fraction_in_field}
    truth |= {"brightness": s.brightness, "tau": s.time_constants, "snr": s.snr}
    truth |= {
        "n_spikes": s.n_spikes,
        "shifts": s.shifts,
        "nr_modes": s.modes,
        "nr_q": s.mode_traces,
    }
    truth |= {"mean_image": s.mean_image, "fr": s.frame_rate_hz, "seed": s.seed}
    truth |= {"params": json.dumps(asdict(s.parameters))}
    np.savez_compressed(path, **truth)


def _in_view(
    p: SimulationParameters,
    images: sp.csr_array,
    scene: tuple[sp.csr_array, np.ndarray],
    traces: np.ndarray,
) -> dict[str, Any]:
    """Fields of `Simulation` that depend on what lies in the field of view."""
    inside = np.pad(np.ones((p.height_px, p.width_px), bool), p.margin_px).ravel()
    footprints, (light, courses) = sp.csc_array(images[inside]), scene
    mean = (light @ courses.mean(axis=1))[inside]
    squares = footprints.power(2)
    information = squares.T @ (1 / (mean + (p.read_noise / p.gain) ** 2))
    rest = footprints.T @ light[:, [0]].toarray()[inside].ravel()
    share = squares.sum(axis=0) / np.maximum(rest, 1e-6)
    mean_image = (p.offset + p.gain * mean).reshape(p.height_px, p.width_px)
    return {
        "footprints": footprints,
        "dff": (traces * share[:, None] / courses[0]).astype(np.float32),
        "snr": traces.max(axis=1) * np.sqrt(information, dtype=np.float32),
        "mean_image": mean_image.astype(np.float32),
    }
