"""Offset between the lines of a bidirectional scan: found in sample frames, undone.

A resonant scanner records even rows one way and odd rows the other; a delay moves the
odd rows to the right of the even ones by the same distance in all frames. Each odd
row is compared with the sum of its two neighbours, so that slanted structures and
motion during a frame cancel: their cross spectra are summed over rows and frames, and
the offset is the peak of the cross-correlation that the sum stands for. Motion between
frames does not matter, as no two frames are compared.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.fft import rfft

from napari_cnmf.motion import kernels_metrics as kernels
from napari_cnmf.motion.rigid import read_only, taper

#: A smaller offset is left alone: it spoils a mean image by less than 4 % of its
#: contrast, while interpolation lowers the noise of the odd rows alone by 5 %.
SMALLEST_PX = 0.2
LARGEST_PX = 12.0
#: Parts of the field must agree: so many standard errors away from zero, this near.
_CLEAR = 5.0
_SPREAD_PX = 0.5
_PARTS, _BLOCKS = 4, 16
_HIGH_PASS_SIGMA_PX, _LOW_PASS_SIGMA_PX = 4.0, 0.7
#: Part of a constant frame's sum of squares that rounding leaves of it.
_ROUNDING = 1e-12
_LAG_STEP_PX, _LAST_STEP_PX, _MOST_STEPS = 0.1, 1e-5, 10


def estimate_line_offset(frames: np.ndarray) -> float:
    """How far odd rows lie to the right of even ones, 0 unless that is clear.

    The rows are dealt to four parts, each of which gives an offset of its own. It is
    clear if all of these lie within half a pixel of that of the whole, if it exceeds
    five of the standard errors that they tell, and if it is 0.2 px at least.

    Parameters
    ----------
    frames : ndarray
        (n, Y, X) float32, frames spread over the recording, as recorded. A frame with
        pixels that are no number is left out.

    Returns
    -------
    float
        Pixels, positive to the right, at most 12 and a quarter of the width.
    """
    if min(len(frames), frames.shape[1] // 8, frames.shape[2] // 8) < 1:
        return 0.0
    rows = _cross_spectra(frames)
    if not rows.any():
        return 0.0
    search = _Search.over(frames.shape[2])
    offset = search.peak(rows.sum(axis=0))
    part = np.arange(len(rows)) * _BLOCKS // len(rows) % _PARTS
    parts = np.array([search.peak(rows[part == i].sum(axis=0)) for i in range(_PARTS)])
    error = parts.std(ddof=1) / np.sqrt(_PARTS)
    agreed = np.abs(parts - offset).max() <= _SPREAD_PX
    clear = abs(offset) >= max(SMALLEST_PX, _CLEAR * error)
    return float(offset) if agreed and clear else 0.0


def correct_lines(frames: np.ndarray, offset_px: float) -> np.ndarray:
    """Move the odd rows of frames back by the offset.

    Parameters
    ----------
    frames : ndarray
        (n, Y, X) float32.
    offset_px : float
        How far odd rows lie to the right.

    Returns
    -------
    ndarray
        (n, Y, X) float32, the frames themselves if there is no offset. Odd rows are
        interpolated by cubic convolution; what lies outside repeats the edge.
    """
    if offset_px == 0:
        return frames
    moved = np.empty(frames.shape, np.float32)
    kernels.shift_odd_rows(read_only(frames), float(offset_px), moved)
    return moved


def _cross_spectra(frames: np.ndarray) -> np.ndarray:
    """Cross spectrum of each odd row and its neighbours; (rows, X // 2 + 1).

    One of the two is tapered, each in turn: that is free of wrap-around, and the
    pull of the taper on the peak cancels. Every frame counts alike.
    """
    frames = frames[np.isfinite(frames).all(axis=(1, 2))]
    _, n_y, n_x = frames.shape
    n_rows = (n_y - 1) // 2
    window = taper(n_x).astype(np.float32)
    total = np.zeros((n_rows, n_x // 2 + 1), np.complex128)
    for frame in frames:
        rows = frame - frame.mean(axis=1, keepdims=True)
        energy = float(np.vdot(rows, rows))
        if not energy > _ROUNDING * float(np.vdot(frame, frame)):
            continue
        plain, tapered = rfft(rows, axis=1), rfft(rows * window, axis=1)
        cross = _odd(tapered) * np.conj(_neighbours(plain))
        cross += _odd(plain) * np.conj(_neighbours(tapered))
        total += cross / energy
    return total


def _odd(rows: np.ndarray) -> np.ndarray:
    """Odd rows that have a row on both sides."""
    return rows[1:-1:2]


def _neighbours(rows: np.ndarray) -> np.ndarray:
    """Sum of the two rows around each of them."""
    return rows[:-2:2] + rows[2::2]


@dataclass(frozen=True, eq=False)
class _Search:
    """Where to look for the peak, and the band-pass and frequencies (k,) it needs."""

    lags_px: np.ndarray
    band: np.ndarray
    omega: np.ndarray

    @classmethod
    def over(cls, n_x: int) -> _Search:
        """Prepare the search in rows of `n_x` pixels."""
        reach = min(LARGEST_PX, n_x // 4)
        n_lags = round(reach / _LAG_STEP_PX)
        omega = 2 * np.pi * np.arange(n_x // 2 + 1) / n_x
        wide = np.exp(-((omega * _HIGH_PASS_SIGMA_PX) ** 2) / 2)
        narrow = np.exp(-((omega * _LOW_PASS_SIGMA_PX) ** 2) / 2)
        lags_px = _LAG_STEP_PX * np.arange(-n_lags, n_lags + 1)
        return cls(lags_px, (1 - wide) * narrow, omega)

    def peak(self, cross_spectrum: np.ndarray) -> float:
        """Offset of the highest cross-correlation: best of a grid, then Newton."""
        spectrum = self.band * cross_spectrum
        waves = np.exp(1j * self.lags_px[:, None] * self.omega)
        offset = float(self.lags_px[(waves @ spectrum).real.argmax()])
        for _ in range(_MOST_STEPS):
            turned = spectrum * np.exp(1j * self.omega * offset)
            slope = -(self.omega * turned.imag).sum()
            bend = -(self.omega**2 * turned.real).sum()
            if not bend < 0:
                break
            step = np.clip(-slope / bend, -_LAG_STEP_PX, _LAG_STEP_PX)
            offset += float(step)
            if abs(step) < _LAST_STEP_PX:
                break
        return offset
