"""The filter that lets cells through and takes a smooth background away, of CNMF-E.

A Gaussian of a cell's half-size, within a disc of twice that radius, minus the disc's
mean: what is flat over the disc gives zero. Pixels without data, and all beyond the
field, count for neither, so that flat light gives zero along borders, too. Zhou et al.
2018, eLife 7:e28728.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from scipy import fft

# Frames that are filtered together. A frame of 512 x 512 px takes 6 ms; summing its 200
# products per pixel in compiled loops would take as long.
_BATCH_FRAMES = 16


@dataclass(frozen=True, eq=False)
class CentreSurround:
    """The filter for one field, ready for any number of frames.

    Attributes
    ----------
    valid : ndarray of bool
        (Y, X), pixels that hold data.
    padded : tuple of int
        Size of the transforms: the field, and room for the disc beyond it.
    spectra : ndarray
        (2, y, x) complex64, transforms of the Gaussian and of the disc.
    share : ndarray
        (Y, X) float32, how much of the disc's sum is taken off; 0 without data.
    reach_px : int
        Radius of the disc, beyond which a pixel has no influence.
    """

    valid: np.ndarray
    padded: tuple[int, int]
    spectra: np.ndarray
    share: np.ndarray
    reach_px: int

    @classmethod
    def of(cls, sigma_px: float, valid: np.ndarray) -> Self:
        """Make the filter for cells of a half-size, where there is data (Y, X)."""
        reach = max(round(2 * sigma_px), 1)
        height, width = (fft.next_fast_len(n + reach, real=True) for n in valid.shape)
        images = np.zeros((2, height, width), np.float32)
        span = np.arange(-reach, reach + 1)
        rows, cols = np.ix_(span % height, span % width)
        images[:, rows, cols] = _masks(sigma_px, span)
        share = np.zeros(valid.shape, np.float32)
        bare = cls(valid, (height, width), fft.rfft2(images), share, reach)
        weight, count = (s[0] for s in bare._sums(valid[None].astype(np.float32)))
        share = np.divide(weight, count, out=np.zeros_like(share), where=valid)
        return replace(bare, share=share)

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """Filter frames (n, Y, X) of any type; float32, zero where there is no data."""
        out = np.empty(frames.shape, np.float32)
        for first in range(0, len(frames), _BATCH_FRAMES):
            batch = slice(first, first + _BATCH_FRAMES)
            seen = np.where(self.valid, frames[batch], 0).astype(np.float32)
            centre, disc = self._sums(seen)
            out[batch] = (centre - self.share * disc) * self.valid
        return out

    def _sums(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sum frames under the Gaussian and under the disc around each pixel."""
        height, width = self.valid.shape
        spectrum = fft.rfft2(frames, self.padded)
        centre, disc = (
            fft.irfft2(spectrum * mask, self.padded)[:, :height, :width]
            for mask in self.spectra
        )
        return centre, disc


def _masks(sigma_px: float, span: np.ndarray) -> np.ndarray:
    """Give the Gaussian, its sum one, and the disc, on a square: (2, n, n) float32."""
    squares = span[:, None] ** 2 + span**2
    disc = squares <= span[-1] ** 2
    centre = np.exp(-squares / (2 * sigma_px**2)) * disc
    return np.array([centre / centre.sum(), disc], np.float32)
