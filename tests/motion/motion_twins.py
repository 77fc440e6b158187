"""Slow, plain twins of the registration kernels, and images to try them on."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_cnmf.motion import rigid


def cells(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Blobs of the size of cells, of standard deviation 1, on a smooth background."""
    rng = np.random.default_rng(seed)
    sources = np.where(rng.random(shape) < 0.02, rng.exponential(size=shape), 0)
    image = gaussian_filter(sources, 2)
    image = image / image.std() + gaussian_filter(rng.standard_normal(shape), 20) * 20
    return image.astype(np.float32)


def moved_crops(
    shape: tuple[int, int], shifts: np.ndarray, seed: int = 0, margin: int = 16
) -> np.ndarray:
    """Crops of one larger image whose content is moved by Fourier interpolation."""
    scene = cells((shape[0] + 2 * margin, shape[1] + 2 * margin), seed)
    spectrum = np.fft.fft2(scene)
    ky = np.fft.fftfreq(scene.shape[0])[:, None]
    kx = np.fft.fftfreq(scene.shape[1])
    inner = np.s_[margin:-margin, margin:-margin]
    phases = (np.exp(-2j * np.pi * (ky * dy + kx * dx)) for dy, dx in shifts)
    crops = [np.fft.ifft2(spectrum * phase).real[inner] for phase in phases]
    return np.array(crops, np.float32)


def shift_by_grid(
    frame: np.ndarray, template: np.ndarray, max_shift_px: int
) -> np.ndarray:
    """Shift as the best lag on finer and finer grids, minus that of the template."""
    kernel = _filtered_template(template)
    return _best_lag(frame, kernel, max_shift_px) - _best_lag(
        template, kernel, max_shift_px
    )


def shift_frame_back(frame: np.ndarray, dy: float, dx: float) -> np.ndarray:
    """Cubic convolution by its definition: 16 weighted copies of a padded frame."""
    n_y, n_x = frame.shape
    pad = int(max(abs(dy), abs(dx))) + 4
    padded = np.pad(frame.astype(np.float64), pad, mode="edge")
    out = np.zeros(frame.shape)
    for i in range(int(np.floor(dy)) - 1, int(np.floor(dy)) + 3):
        for j in range(int(np.floor(dx)) - 1, int(np.floor(dx)) + 3):
            copy = padded[pad + i : pad + i + n_y, pad + j : pad + j + n_x]
            out += _cubic(dy - i) * _cubic(dx - j) * copy
    return out


def in_view(shape: tuple[int, int], dy: float, dx: float) -> np.ndarray:
    """Pixels of a frame moved back whose place lay inside the frame."""
    y, x = np.indices(shape)
    inside_y = (y + dy >= 0) & (y + dy <= shape[0] - 1)
    return inside_y & (x + dx >= 0) & (x + dx <= shape[1] - 1)


def _cubic(distance: float, a: float = -0.75) -> float:
    """Keys' convolution kernel."""
    d = abs(distance)
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0


def _filtered_template(template: np.ndarray) -> np.ndarray:
    """Band-passed, tapered template, without frequencies above 0.3 cycles per px."""
    smooth = gaussian_filter(template.astype(float), rigid.LOW_PASS_SIGMA_PX)
    smooth -= gaussian_filter(smooth, rigid.HIGH_PASS_SIGMA_PX)
    for axis, n in enumerate(template.shape):
        edge = (np.arange(rigid.TAPER_PX) + 0.5) / rigid.TAPER_PX
        window = np.ones(n)
        window[: len(edge)] = 0.5 - 0.5 * np.cos(np.pi * edge)
        window[-len(edge) :] = window[: len(edge)][::-1]
        smooth *= window[:, None] if axis == 0 else window
    spectrum = np.fft.fft2(smooth)
    for axis, n in enumerate(template.shape):
        too_fine = np.abs(np.fft.fftfreq(n)) * n > int(0.3 * n)
        spectrum[(too_fine,) if axis == 0 else (slice(None), too_fine)] = 0
    spectrum[0, 0] = 0
    return spectrum


def _best_lag(frame: np.ndarray, template_spectrum: np.ndarray, m: int) -> np.ndarray:
    """Lag of the largest correlation: whole pixels, then tenths, hundredths, ..."""
    product = np.fft.fft2(frame.astype(float)) * np.conj(template_spectrum)
    best = np.zeros(2)
    for step, count in ((1.0, m), (0.1, 12), (0.01, 12), (0.001, 12)):
        steps = step * np.arange(-count, count + 1)
        lags = best[0] + steps, best[1] + steps
        waves = [
            np.exp(2j * np.pi * lag[:, None] * np.fft.fftfreq(n))
            for lag, n in zip(lags, frame.shape, strict=True)
        ]
        correlation = (waves[0] @ product @ waves[1].T).real
        i, j = np.unravel_index(np.argmax(correlation), correlation.shape)
        best = np.array([lags[0][i], lags[1][j]])
    return best
