"""The stage `evaluate`: scores of every component, and the rule's verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from threading import Event

import numpy as np

from napari_cnmf.components import Components, Quality
from napari_cnmf.compute import Backend, Progress, Stopwatch, silent
from napari_cnmf.compute.scratch import row_blocks
from napari_cnmf.errors import MissingStageError
from napari_cnmf.movie import Movie
from napari_cnmf.movie.images import SummaryImages
from napari_cnmf.movie.normalised import bin_length
from napari_cnmf.quality.caiman import caiman_r_values, caiman_snr, event_frames
from napari_cnmf.quality.classifier import neuron_probability
from napari_cnmf.quality.events import EventImages, event_images, event_tiles
from napari_cnmf.quality.exceptional import trace_fitness
from napari_cnmf.quality.notes import notes
from napari_cnmf.quality.parameters import QualityParameters
from napari_cnmf.quality.rule import apply_rule
from napari_cnmf.quality.scores import (
    areas,
    eccentricities,
    focused_slope,
    peak_snr,
    shape_scores,
    typical_area,
)
from napari_cnmf.quality.user_model import model_probability

_BOX_HALF_DIAMETERS = 1.5
_AT_ONCE = 64  # components
_SNR_WINDOW_DECAYS = 0.4
_HALF_SIZES_PER_DIAMETER = 2.75  # as `InitParameters.diameter_px` has it


def evaluate(  # noqa: PLR0913 - a stage is told all it needs in one call
    movie: Movie,
    summary: SummaryImages,
    components: Components,
    parameters: QualityParameters,
    *,
    diameter_px: float,
    backend: Backend,
    recorded: SummaryImages | None = None,
    progress: Progress = silent,
    cancel: Event | None = None,
) -> Components:
    """Score components and decide which are cells.

    Parameters
    ----------
    movie, summary
        Registered movie and its images.
    components : Components
        After `fit` or `refit`.
    parameters : QualityParameters
    diameter_px : float
        Of a cell body.
    recorded : SummaryImages, optional
        Of the movie before its registration: what saturates is seen there. By default
        the movie was not registered.
    backend, progress, cancel
        As for the other stages.

    Returns
    -------
    Components
        The same, with quality; decisions by hand are kept.

    Raises
    ------
    CancelledError
        If it was cancelled.
    """
    n_tiles = len(event_tiles(movie))
    images = event_images(
        movie,
        summary,
        components,
        round(_BOX_HALF_DIAMETERS * diameter_px),
        backend=backend,
        watch=Stopwatch(progress, "evaluate", n_tiles, "tiles"),
        cancel=cancel,
    )
    snr_window = _snr_window(components)
    here = len(components), backend, cancel
    shapes = _ShapeScorer(images, summary.valid)
    few = row_blocks(images.corners.shape, _AT_ONCE)
    r_value, ring, slope = _scores(shapes, few, *here)
    window = _transient_frames(components, parameters.transient_s)
    traces = _TraceScorer(components, snr_window, window)
    blocks = row_blocks(components.denoised.shape, _AT_ONCE)
    snr, fitness_raw, fitness_delta = _scores(traces, blocks, *here)
    area = areas(components.footprints, summary.valid)
    typical = typical_area(area, snr, r_value)
    quality = Quality(
        snr=snr,
        r_value=r_value,
        relative_area=area / np.float32(typical),
        soma_area=area / np.float32(np.pi / 4 * diameter_px**2),
        ring=ring,
        edge=slope / np.float32(focused_slope(typical)),
        caiman_snr=caiman_snr(fitness_raw, window),
        caiman_r_value=_r_values(movie, components, backend, progress, cancel),
        fitness_raw=fitness_raw,
        fitness_delta=fitness_delta,
        eccentricity=eccentricities(components.footprints, components.fov_shape),
        size_px=components.sizes_px.astype(np.float32),
        neuron_probability=_neuron_probability(
            components, images, parameters, diameter_px, typical
        ),
        flags=np.zeros(len(components), np.int32),
        manual=_manual(components),
        event_images=images.events,
        event_corners=images.corners,
        event_bin_frames=bin_length(movie),
    )
    scored = replace(components, quality=quality)
    return judged(scored, summary, parameters, recorded=recorded)


def judged(
    components: Components,
    summary: SummaryImages,
    parameters: QualityParameters,
    *,
    recorded: SummaryImages | None = None,
) -> Components:
    """Decide by the scores that components have which are cells; reads no movie.

    Parameters
    ----------
    components : Components
        With scores; none of `SCORED_BY` has changed since.
    summary, parameters, recorded
        As for `evaluate`.
    """
    if components.quality is None:
        raise MissingStageError("The result is not evaluated yet; run 'evaluate'.")
    quality = apply_rule(components.quality, parameters)
    decided = replace(components, quality=quality)
    window = _snr_window(components)
    noted = notes(decided, summary, recorded or summary, window)
    return replace(components, quality=replace(quality, notes=noted))


@dataclass(frozen=True, eq=False)
class _TraceScorer:
    """The task of some components: SNR and the two fitnesses of their raw traces."""

    components: Components
    snr_window: int
    transient_frames: int

    def __call__(self, cells: slice) -> tuple[slice, np.ndarray]:
        """Return the components and their scores (3, k)."""
        raw = self.components.raw_of(cells)
        snr = peak_snr(raw, self.components.trace_fit.noise[cells], self.snr_window)
        return cells, np.stack([snr, *trace_fitness(raw, self.transient_frames)])


@dataclass(frozen=True, eq=False)
class _ShapeScorer:
    """The task of some components: r value, ring and slope at the border."""

    images: EventImages
    valid: np.ndarray

    def __call__(self, cells: slice) -> tuple[slice, np.ndarray]:
        """Return the components and their scores (3, k)."""
        side = self.images.events.shape[1]
        padded = np.pad(self.valid, side)  # boxes may reach out of the field
        corners = self.images.corners[cells] + side
        inside = np.stack([padded[y : y + side, x : x + side] for y, x in corners])
        events, footprints = self.images.events[cells], self.images.footprints[cells]
        return cells, shape_scores(events, footprints, inside)


def _scores(
    scorer: _TraceScorer | _ShapeScorer,
    blocks: list[slice],
    n_components: int,
    backend: Backend,
    cancel: Event | None,
) -> np.ndarray:
    """Three scores (3, K) float32 of all components, whose data lie here."""
    scores = np.empty((3, n_components), np.float32)

    def collect(part: tuple[slice, np.ndarray]) -> None:
        cells, found = part
        scores[:, cells] = found

    backend.here.run(scorer, blocks, collect, cancel)
    return scores


def _snr_window(components: Components) -> int:
    """Frames that traces are averaged over for their SNR: part of a decay."""
    return max(1, round(_SNR_WINDOW_DECAYS * _usual_decay_frames(components)))


def _transient_frames(components: Components, transient_s: float | None) -> int:
    """Frames of a transient: as given, or the median decay time."""
    if transient_s is not None:
        return math.ceil(components.frame_rate_hz * transient_s)
    return math.ceil(_usual_decay_frames(components))


def _usual_decay_frames(components: Components) -> float:
    """Median decay time in frames; one without components."""
    if len(components) == 0:
        return 1.0
    return float(np.median(decay_frames(components.trace_fit.ar)))


def _r_values(
    movie: Movie,
    components: Components,
    backend: Backend,
    progress: Progress,
    cancel: Event | None,
) -> np.ndarray:
    """CaImAn's r value (K,) of every component."""
    frames = event_frames(
        components.denoised,
        components.footprints,
        components.frame_rate_hz,
        movie.left_out,
    )
    return caiman_r_values(
        movie,
        components.footprints,
        frames,
        backend=backend,
        watch=Stopwatch(progress, "evaluate r", movie.n_frames, "frames"),
        cancel=cancel,
    )


def decay_frames(ar: np.ndarray) -> np.ndarray:
    """Decay time (K,) in frames of AR(2) coefficients (K, 2)."""
    slow = (ar[:, 0] + np.sqrt(np.maximum(ar[:, 0] ** 2 + 4 * ar[:, 1], 0))) / 2
    return -1 / np.log(np.clip(slow, 1e-3, 1 - 1e-6))


def _neuron_probability(
    components: Components,
    images: EventImages,
    parameters: QualityParameters,
    diameter_px: float,
    typical_area_px: float,
) -> np.ndarray:
    """Probability (K,) of being a neuron by shape.

    It is known even if no rule listens to it: then its limits can be set any time.
    """
    if parameters.classifier_model:
        return model_probability(
            parameters.classifier_model,
            components.footprints,
            components.fov_shape,
            diameter_px / _HALF_SIZES_PER_DIAMETER,
        )
    return neuron_probability(images, diameter_px, typical_area_px)


def _manual(components: Components) -> np.ndarray:
    """Decisions by hand so far."""
    if components.quality is None:
        return np.zeros(len(components), np.int8)
    return components.quality.manual
