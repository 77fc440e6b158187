"""Components that the pipeline finds in simulated movies, and whether they are cells.

Movies of many kinds (size and density of cells, brightness, neuropil, dendrites, light
out of focus, frame rate) are searched further down than usual, with a neuron's size
that is told wrong, so that fragments of every kind are found; one in six has no cell at
all. A component is a cell if
it overlaps one true soma well (IoU of at least 0.5), none if it hardly overlaps any
(below 0.2); what lies between is left out.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.random import Generator

from napari_cnmf import Components, Movie, Recipe, Result, run
from napari_cnmf.compute import SerialBackend
from napari_cnmf.quality.events import EventImages
from napari_cnmf.quality.evidence import footprint_box
from napari_cnmf.simulation import SOMA, Simulation, SimulationParameters, simulate

MASK_LEVEL = 0.2
CELL_IOU = 0.5
OTHER_IOU = 0.2


@dataclass(frozen=True)
class Scenario:
    """A kind of movie, and what the pipeline is told about it."""

    simulation: SimulationParameters
    told_diameter_px: float
    min_event_energy: float


@dataclass(frozen=True, eq=False)
class Found:
    """Components of one movie.

    Attributes
    ----------
    seen : tuple
        Event images, neuron's size as told and typical area as found: what the
        classifier looks at.
    centres : ndarray
        (K, 2) y and x in px.
    accepted : ndarray
        (K,) bool, by the rule without the classifier.
    labels : ndarray
        (K,) int: 1 cell, 0 none, -1 unknown.
    """

    seen: tuple[EventImages, float, float]
    centres: np.ndarray
    accepted: np.ndarray
    labels: np.ndarray


def scenario(seed: int) -> Scenario:
    """Draw a kind of movie."""
    rng = np.random.default_rng([seed, 77])
    diameter_px = float(np.exp(rng.uniform(np.log(5), np.log(26))))
    side_px = 128 if diameter_px < 12 else round(9 * diameter_px + 20)
    n_frames = int(rng.uniform(600, 1500))
    told = float(rng.choice([1, np.exp(rng.uniform(np.log(0.7), np.log(1.45)))]))
    simulation = SimulationParameters(
        height_px=side_px,
        width_px=side_px,
        diameter_px=diameter_px,
        frame_rate_hz=float(rng.choice([5, 7.5, 10, 15, 30, 30])),
        n_frames=n_frames,
        neuropil=float(8.5 * rng.lognormal(0.1, 0.35)),
        neuropil_modulation=float(0.06 * rng.lognormal(0.3, 0.6)),
        n_domains=int(rng.choice([4, 8, 8, 16, 32])),
        vessel_depth=float(rng.uniform(0.1, 0.5)),
        bleaching=float(rng.choice([0.15, 0.15, 0.6])),
        motion_sd_px=float(rng.choice([0, 1.2])),
        max_nonrigid_px=float(rng.choice([0, 0, 0, 3])),
        **_sources(side_px**2, diameter_px, rng),
    )
    return Scenario(simulation, diameter_px * told, float(rng.choice([0.05, 0.08])))


def _sources(field_px: int, diameter_px: float, rng: Generator) -> dict[str, Any]:
    """Draw what is in the field: in one movie of six, no cell at all."""
    share = 0 if rng.random() < 1 / 6 else float(rng.uniform(0.05, 0.55))
    n_somata = round(share * field_px / (np.pi / 4 * diameter_px**2))
    others = n_somata if share else int(rng.choice([0, 30]))
    size = max(1, 11 / diameter_px)  # small cells send as much light as large ones
    return {
        "n_somata": n_somata,
        "n_processes": int(n_somata * rng.choice([0.1, 0.1, 0.4])),
        "n_defocused": int(others * rng.choice([0.1, 0.2, 0.6])),
        "n_fragments": int(others * rng.choice([0, 0.4, 1.0])),
        "diameter_sigma": float(rng.choice([0, 0.1, 0.25, 0.35])),
        "overlap_fraction": float(rng.uniform(0.05, 0.6)),
        "min_distance_diameters": float(rng.choice([0.3, 0.42])),
        "brightness": float(7 * size * rng.lognormal(0, 0.45)),
        "spike_dff": float(0.19 * rng.lognormal(0.1, 0.3)),
        "burst_rate_hz": float(0.15 * rng.lognormal(0, 0.4)),
    }


def find(kind: Scenario, seed: int) -> Found:
    """Simulate a movie, find its components and compare them with the truth."""
    truth = simulate(kind.simulation, seed)
    rate_hz = kind.simulation.frame_rate_hz
    result = pipeline(
        Movie.from_array(truth.movie, frame_rate_hz=rate_hz),
        kind.told_diameter_px,
        **{
            "init.min_event_energy": kind.min_event_energy,
            "motion.mode": "auto" if kind.simulation.motion_sd_px > 0 else "none",
        },
    )
    found = result.components
    somata = truth.footprints[:, truth.kind == SOMA]
    overlap = np.zeros(len(found))
    if somata.shape[1]:
        overlap = iou(_in_place(found, truth, result), somata).max(axis=1, initial=0)
    labels = np.where(overlap >= CELL_IOU, 1, np.where(overlap < OTHER_IOU, 0, -1))
    return Found(
        what_is_seen(found, kind.told_diameter_px),
        found.centres,
        found.accepted,
        labels,
    )


def pipeline(movie: Movie, diameter_px: float, **settings: object) -> Result:
    """Run all stages up to the evaluation in a folder that is then thrown away."""
    recipe = Recipe().with_settings(
        {
            "init.neuron_half_size_px": diameter_px / 2.75,
            "motion.mode": "none",
            "quality.use_classifier": False,
        }
        | settings
    )
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "run"
        return run(movie, recipe, output, until="evaluate", backend=SerialBackend())


def what_is_seen(
    found: Components, diameter_px: float
) -> tuple[EventImages, float, float]:
    """Gather what the classifier looks at, from evaluated components."""
    quality = found.quality
    side = quality.event_images.shape[1]
    footprints = np.zeros((len(found), side, side), np.float32)
    for k, box in enumerate(footprints):
        box[:] = footprint_box(found, k)
    soma_px = np.pi / 4 * diameter_px**2
    ratios = quality.soma_area / np.maximum(quality.relative_area, 1e-6)
    typical_area_px = soma_px * float(np.median(ratios)) if len(found) else soma_px
    images = EventImages(quality.event_corners, quality.event_images, footprints)
    return images, diameter_px, typical_area_px


def iou(one: sp.csc_array, other: sp.csc_array) -> np.ndarray:
    """Intersection over union of all pairs of masks, above a fifth of their peak."""
    first, second = _masks(one), _masks(other)
    both = (first.T @ second).toarray()
    union = first.sum(axis=0)[:, None] + second.sum(axis=0)[None] - both
    return both / np.maximum(union, 1)


def _masks(footprints: sp.csc_array) -> sp.csc_array:
    """Ones where a footprint exceeds a share of its maximum."""
    peak = footprints.max(axis=0).toarray().ravel()
    column = np.repeat(np.arange(len(peak)), np.diff(footprints.indptr))
    inside = (footprints.data >= MASK_LEVEL * peak[column]).astype(np.float64)
    return sp.csc_array(
        (inside, footprints.indices, footprints.indptr), shape=footprints.shape
    )


def _in_place(found: Components, truth: Simulation, result: Result) -> sp.csc_array:
    """Footprints moved to where the truth has its zero, in whole pixels."""
    footprints = found.footprints.tocoo()
    height, width = found.fov_shape
    offset = np.zeros(2)
    if truth.parameters.motion_sd_px > 0:
        offset = np.rint(np.median(result.shifts.values - truth.shifts, axis=0))
    pixel, k = footprints.coords
    y, x = np.add(np.divmod(pixel, width), offset[:, None].astype(int))
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    places = (y[inside] * width + x[inside], k[inside])
    return sp.csc_array((footprints.data[inside], places), shape=footprints.shape)
