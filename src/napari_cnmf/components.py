"""The result of CNMF: components with footprints, traces, background and quality.

The model is ``Y = A C + B f + b0 + noise``: footprints A times denoised traces C, a
low-rank background of maps B times traces f on a constant image b0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp

from napari_cnmf.errors import InputError
from napari_cnmf.origin import Fate, Origin


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a component can be rejected: one bit of `Quality.flags`.

    A verdict that was taken over from another program has no score: "".
    """

    bit: int
    name: str
    score: str
    sentence: str


REASONS = (
    Reason(0, "low SNR", "snr", "its transients hardly stand out of the noise"),
    Reason(1, "low r value", "r_value", "its event image does not look like it"),
    Reason(2, "small", "relative_area", "it is far smaller than the clearest cells"),
    Reason(3, "large", "relative_area", "it is far larger than the clearest cells"),
    Reason(4, "speck", "soma_area", "it is far smaller than a cell body"),
    Reason(5, "ring", "ring", "light around it says that it is out of focus"),
    Reason(6, "soft edge", "edge", "its event image has no border"),
    Reason(7, "low CaImAn SNR", "caiman_snr", "CaImAn's rule refuses its SNR"),
    Reason(8, "low CaImAn r value", "caiman_r_value", "CaImAn's rule refuses its r"),
    Reason(9, "CaImAn SNR floor", "caiman_snr", "CaImAn's rule refuses so low an SNR"),
    Reason(10, "CaImAn r value floor", "caiman_r_value", "its r value is far too low"),
    Reason(11, "raw fitness", "fitness_raw", "noise might well look like it"),
    Reason(12, "delta fitness", "fitness_delta", "noise might well rise like it"),
    Reason(13, "few pixels", "size_px", "it has too few pixels"),
    Reason(14, "many pixels", "size_px", "it has too many pixels"),
    Reason(15, "elongated", "eccentricity", "it is too long for its width"),
    Reason(16, "unlike a neuron", "neuron_probability", "it has not a neuron's shape"),
    Reason(17, "neuron floor", "neuron_probability", "it is far from a neuron's shape"),
    Reason(18, "imported verdict", "", "the program that found it rejected it"),
)


@dataclass(frozen=True, slots=True)
class Note:
    """What is remarkable about a component: one bit of `Quality.notes`."""

    bit: int
    name: str
    sentence: str


#: They never reject a component.
NOTES = (
    Note(0, "cut by the edge", "it is cut by the edge"),
    Note(1, "saturated", "its brightest pixels are saturated"),
    Note(2, "silent", "no event of it stands out of the noise"),
    Note(3, "shared place", "it shares most of its place with another cell"),
)

_PER_COMPONENT = {"axis": 0}
_PER_COLUMN = {"axis": 1}


@dataclass(frozen=True, eq=False)
class Quality:
    """Scores of every component, the rule's verdict, and the user's own.

    Attributes
    ----------
    snr, r_value, relative_area, soma_area, ring, edge : ndarray
        (K,) float32, the scores of the default rule; see `napari_cnmf.quality`.
    caiman_snr, caiman_r_value : ndarray
        (K,) float32, CaImAn's two scores.
    fitness_raw, fitness_delta : ndarray, optional
        (K,) float32, those of its older evaluation: log probability that noise makes
        such a trace, or such differences; lower is better. These and the following
        are None in results of older versions; their limits are passed over then.
    eccentricity : ndarray, optional
        (K,) float32, long axis of the footprint over its short one.
    size_px : ndarray, optional
        (K,) float32, pixels of the footprint.
    neuron_probability : ndarray, optional
        (K,) float32, what a classifier makes of the footprint's shape; None without.
    flags : ndarray
        (K,) int32, the bits of `REASONS` that the rule found; 0 is accepted.
    manual : ndarray
        (K,) int8, the decision by hand: 1 accepted, -1 rejected, 0 none. It wins.
    notes : ndarray, optional
        (K,) int32, the bits of `NOTES` as the evaluation found them; they never reject.
        None in results of older versions.
    rule : str
        Name of the rule that set the flags.
    limits : dict
        Name of a reason -> the limit that its score is held against.
    event_images : ndarray, optional
        (K, side, side) float32, what the movie shows around each component while it is
        active, in units of the pixels' noise; zero outside the field.
    event_corners : ndarray, optional
        (K, 2) int64, pixel (y, x) of each event image's corner; may lie outside.
    event_bin_frames : int, optional
        Frames of the time bins that event images are made of.
    """

    snr: np.ndarray = field(metadata=_PER_COMPONENT)
    r_value: np.ndarray = field(metadata=_PER_COMPONENT)
    relative_area: np.ndarray = field(metadata=_PER_COMPONENT)
    soma_area: np.ndarray = field(metadata=_PER_COMPONENT)
    ring: np.ndarray = field(metadata=_PER_COMPONENT)
    edge: np.ndarray = field(metadata=_PER_COMPONENT)
    caiman_snr: np.ndarray = field(metadata=_PER_COMPONENT)
    caiman_r_value: np.ndarray = field(metadata=_PER_COMPONENT)
    flags: np.ndarray = field(metadata=_PER_COMPONENT)
    manual: np.ndarray = field(metadata=_PER_COMPONENT)
    fitness_raw: np.ndarray | None = field(default=None, metadata=_PER_COMPONENT)
    fitness_delta: np.ndarray | None = field(default=None, metadata=_PER_COMPONENT)
    eccentricity: np.ndarray | None = field(default=None, metadata=_PER_COMPONENT)
    size_px: np.ndarray | None = field(default=None, metadata=_PER_COMPONENT)
    neuron_probability: np.ndarray | None = field(default=None, metadata=_PER_COMPONENT)
    notes: np.ndarray | None = field(default=None, metadata=_PER_COMPONENT)
    rule: str = "default"
    limits: dict[str, float] = field(default_factory=dict)
    event_images: np.ndarray | None = field(default=None, metadata=_PER_COMPONENT)
    event_corners: np.ndarray | None = field(default=None, metadata=_PER_COMPONENT)
    event_bin_frames: int | None = None

    @property
    def accepted(self) -> np.ndarray:
        """(K,) bool: what the rule accepts, unless the user decided otherwise."""
        return np.where(self.manual == 0, self.flags == 0, self.manual > 0)

    def reasons(self, k: int) -> list[str]:
        """Sentences that say why component `k` is rejected by the rule."""
        found = []
        for reason in REASONS:
            if not self.flags[k] >> reason.bit & 1:
                continue
            figures = ""
            if reason.score:
                value = float(getattr(self, reason.score)[k])
                limit = self.limits[reason.name]
                figures = f"{value:.3g} against a limit of {limit:.3g}; "
            found.append(f"{reason.name}: {figures}{reason.sentence}")
        return found

    def noted(self, k: int) -> list[Note]:
        """Give the notes on component `k`."""
        bits = 0 if self.notes is None else int(self.notes[k])
        return [note for note in NOTES if bits >> note.bit & 1]

    def select(self, which: np.ndarray) -> Quality:
        """Quality of the chosen components."""
        return replace(self, **_sliced(self, which))


@dataclass(frozen=True, eq=False)
class Background:
    """Low-rank background: ``maps @ traces + constant``.

    Attributes
    ----------
    maps : csc_array
        (Y*X, H) float32, in the movie's units.
    traces : ndarray
        (H, T) float32.
    constant : ndarray
        (Y, X) float32, what does not change in time.
    """

    maps: sp.csc_array
    traces: np.ndarray
    constant: np.ndarray

    def frames(self, start: int, stop: int) -> np.ndarray:
        """Background of frames start..stop, (n, Y, X) float32."""
        pixels = (self.maps @ self.traces[:, start:stop]).T
        return pixels.reshape(-1, *self.constant.shape) + self.constant


@dataclass(frozen=True, eq=False)
class TraceFit:
    """How each trace was deconvolved.

    Attributes
    ----------
    ar : ndarray
        (K, 2) float32, autoregressive coefficients per frame; AR(1) has a second of 0.
    noise : ndarray
        (K,) float32, standard deviation of the trace's noise.
    penalty : ndarray
        (K,) float32, weight of the sparsity term in trace units.
    baseline : ndarray
        (K,) float32, mean of the slow baseline that was removed before.
    """

    ar: np.ndarray = field(metadata=_PER_COMPONENT)
    noise: np.ndarray = field(metadata=_PER_COMPONENT)
    penalty: np.ndarray = field(metadata=_PER_COMPONENT)
    baseline: np.ndarray = field(metadata=_PER_COMPONENT)


@dataclass(frozen=True, eq=False)
class Components:
    """Cells (and what was rejected) of a movie, read-only.

    Footprints have unit norm, so traces carry the movie's unit times the footprint's
    norm. Rejected components stay inside; see `Quality`.

    Attributes
    ----------
    footprints : csc_array
        (Y*X, K) float32 non-negative, pixel = y * X + x.
    fov_shape : tuple of int
        (Y, X).
    denoised : ndarray
        (K, T) float32, calcium without noise, above the baseline.
    residual_traces : ndarray
        (K, T) float32, what is left of the demixed trace: noise and slow baseline.
    spikes : ndarray
        (K, T) float32, deconvolved activity in trace units per frame.
    trace_fit : TraceFit
        Noise, kinetics and penalty of each trace.
    background : Background
    pixel_noise : ndarray
        (Y, X) float32, standard deviation of each pixel's noise.
    ids : ndarray
        (K,) int64, stable through selection, never reused within a result.
    frame_rate_hz : float
    origin : Origin or None
        Where each component began; None if no search of ours has found them.
    fates : tuple of Fate
        What became of the candidates that are no components of their own.
    quality : Quality or None
    dff : ndarray or None
        (K, T) float32.
    """

    footprints: sp.csc_array = field(metadata=_PER_COLUMN)
    fov_shape: tuple[int, int]
    denoised: np.ndarray = field(metadata=_PER_COMPONENT)
    residual_traces: np.ndarray = field(metadata=_PER_COMPONENT)
    spikes: np.ndarray = field(metadata=_PER_COMPONENT)
    trace_fit: TraceFit = field(metadata=_PER_COMPONENT)
    background: Background
    pixel_noise: np.ndarray
    ids: np.ndarray = field(metadata=_PER_COMPONENT)
    frame_rate_hz: float
    origin: Origin | None = field(default=None, metadata=_PER_COMPONENT)
    fates: tuple[Fate, ...] = ()
    quality: Quality | None = field(default=None, metadata=_PER_COMPONENT)
    dff: np.ndarray | None = field(default=None, metadata=_PER_COMPONENT)

    def __post_init__(self) -> None:
        """Check all sizes once and freeze views of the arrays."""
        y, x = self.fov_shape
        if self.footprints.shape[0] != y * x:
            raise InputError(
                f"The footprints have {self.footprints.shape[0]} pixels; a field of "
                f"{y} x {x} has {y * x}. Give both from the same result."
            )
        for name, size in self._sizes():
            if size != len(self):
                raise InputError(
                    f"The field '{name}' holds {size} components; the footprints hold "
                    f"{len(self)}. Give arrays of one result."
                )
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, np.ndarray):
                object.__setattr__(self, item.name, _frozen(value))

    def __len__(self) -> int:
        return int(self.footprints.shape[1])

    def __reduce__(self) -> tuple[Any, ...]:
        # Through the constructor: arrays come back frozen, nothing cached is shipped.
        return _rebuild, (
            {item.name: getattr(self, item.name) for item in fields(self)},
        )

    def _sizes(self) -> Iterator[tuple[str, int]]:
        for item in fields(self):
            value = getattr(self, item.name)
            axis = item.metadata.get("axis")
            if axis is None or value is None:
                continue
            if isinstance(value, Quality | TraceFit | Origin):
                for inner in fields(value):
                    array = getattr(value, inner.name)
                    if "axis" in inner.metadata and array is not None:
                        yield inner.name, len(array)
            else:
                yield item.name, value.shape[axis]

    @property
    def n_frames(self) -> int:
        """Length of the traces."""
        return int(self.denoised.shape[1])

    @property
    def raw(self) -> np.ndarray:
        """(K, T) float32: demixed trace before denoising, C + YrA in CaImAn's words."""
        return self.raw_of(slice(None))

    def raw_of(self, cells: slice) -> np.ndarray:
        """Raw traces of some components: a copy, large if it is of all."""
        raw: np.ndarray = self.denoised[cells] + self.residual_traces[cells]
        return raw

    @property
    def accepted(self) -> np.ndarray:
        """(K,) bool: accepted components; all of them before the evaluation."""
        if self.quality is None:
            return np.ones(len(self), dtype=bool)
        return self.quality.accepted

    @cached_property
    def centres(self) -> np.ndarray:
        """(K, 2) float32: centre of mass (y, x) of each footprint in pixels."""
        y, x = np.divmod(np.arange(self.footprints.shape[0]), self.fov_shape[1])
        mass = np.maximum(self.footprints.sum(axis=0), 1e-30)
        centres = [(self.footprints.T @ axis) / mass for axis in (y, x)]
        return _frozen(np.stack(centres, axis=1).astype(np.float32))

    @cached_property
    def sizes_px(self) -> np.ndarray:
        """(K,) int64: pixels of each footprint."""
        return _frozen(np.diff(self.footprints.indptr).astype(np.int64))

    def footprint(self, k: int) -> np.ndarray:
        """Footprint of component `k` as an image (Y, X) float32."""
        return self.footprints[:, [k]].toarray().reshape(self.fov_shape)

    def select(self, which: np.ndarray) -> Components:
        """Choose components; the others are left out of the new value.

        Parameters
        ----------
        which : ndarray
            Boolean mask (K,) or positions.

        Returns
        -------
        Components
            With the chosen ids, in the order asked for.
        """
        return replace(self, **_sliced(self, np.asarray(which)))


def _sliced(value: Any, which: np.ndarray) -> dict[str, Any]:
    """Every per-component field of a value, cut to the chosen components."""
    if which.dtype == bool:
        which = np.flatnonzero(which)
    chosen: dict[str, Any] = {}
    for item in fields(value):
        inner = getattr(value, item.name)
        axis = item.metadata.get("axis")
        if axis is None or inner is None:
            continue
        if isinstance(inner, Quality | TraceFit | Origin):
            chosen[item.name] = replace(inner, **_sliced(inner, which))
        else:
            chosen[item.name] = inner[:, which] if axis == 1 else inner[which]
    return chosen


def _frozen(array: np.ndarray) -> np.ndarray:
    """Read-only view, so that the caller's own array stays writable."""
    view = array.view()
    view.flags.writeable = False
    return view


def _rebuild(values: dict[str, Any]) -> Components:
    return Components(**values)
