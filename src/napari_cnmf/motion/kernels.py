"""Inner loops of the rigid registration: where a frame lies, and moving it back.

The shift of a frame is the peak of its cross-correlation with the template, which is
a trigonometric polynomial in the shift: its value and derivatives at any real shift
are sums over the product of the two spectra. A grid of lags in the low band finds the
peak, Newton steps on the low band and then on the full band refine it, so that one
forward FFT per frame and no inverse FFT is needed. A frame is moved back by cubic
convolution (Keys 1981, a = -0.75) along y, then along x, on one row at a time; what
was out of view is not made up from its neighbours but taken from an image.

References
----------
Guizar-Sicairos et al., Optics Letters 33:156 (2008), the same polynomial on a grid.
"""

from __future__ import annotations

import numpy as np
from rocket_fft import c2c, r2c

from napari_cnmf.jit import kernel

LAG_STEP_PX = 2.0  # the low band holds wavelengths of 8 px and more
_LARGEST_STEP_PX = 0.75
_LAST_STEP_PX = 0.01  # Newton squares the error: what is left is below 1e-3 px
_MOST_STEPS = 8
_SIGNAL = 1e-6  # a peak below this part of the frame's sum is the FFT's rounding error
_ALONG_Y, _ALONG_X = np.array([0]), np.array([1])


@kernel
def _multiply(spectrum: np.ndarray, template: np.ndarray, product: np.ndarray) -> None:
    """Cross spectrum as two planes, rows sorted by frequency; (2, ky, kx)."""
    _, n_ky, n_kx = product.shape
    for row in range(n_ky):
        frame_row = spectrum[row - n_ky // 2]
        t_re, t_im = template[0, row], template[1, row]
        p_re, p_im = product[0, row], product[1, row]
        for kx in range(n_kx):
            re, im = frame_row[kx].real, frame_row[kx].imag
            p_re[kx] = re * t_re[kx] - im * t_im[kx]
            p_im[kx] = re * t_im[kx] + im * t_re[kx]


@kernel
def _best_lag(
    product: np.ndarray, phase_y: np.ndarray, phase_x: np.ndarray
) -> tuple[np.float32, int, int]:
    """Largest correlation on the grid of lags, and the grid indices of it."""
    n_lags_x, _, n_kx = phase_x.shape
    n_lags_y, _, n_ky = phase_y.shape
    first = product.shape[1] // 2 - n_ky // 2
    row_re, row_im = np.empty(n_ky, np.float32), np.empty(n_ky, np.float32)
    peak, peak_y, peak_x = np.float32(-np.inf), n_lags_y // 2, n_lags_x // 2
    for lag_x in range(n_lags_x):
        cos_x, sin_x = phase_x[lag_x, 0], phase_x[lag_x, 1]
        for ky in range(n_ky):
            p_re, p_im = product[0, first + ky], product[1, first + ky]
            re = im = np.float32(0)
            for kx in range(n_kx):
                re += p_re[kx] * cos_x[kx] - p_im[kx] * sin_x[kx]
                im += p_re[kx] * sin_x[kx] + p_im[kx] * cos_x[kx]
            row_re[ky], row_im[ky] = re, im
        for lag_y in range(n_lags_y):
            cos_y, sin_y = phase_y[lag_y, 0], phase_y[lag_y, 1]
            value = np.float32(0)
            for ky in range(n_ky):
                value += row_re[ky] * cos_y[ky] - row_im[ky] * sin_y[ky]
            if value > peak:
                peak, peak_y, peak_x = value, lag_y, lag_x
    return peak, peak_y, peak_x


@kernel
def _newton_step(
    product: np.ndarray,
    band: tuple[int, int],
    omega: tuple[float, float],
    shift: tuple[float, float],
    phase: np.ndarray,
) -> tuple[bool, float, float]:
    """Newton step to the peak; False where the correlation is not concave."""
    half_ky, n_kx = band
    cos_x, sin_x, w_x = phase[0], phase[1], phase[2]
    for kx in range(n_kx):
        w_x[kx] = omega[1] * kx
        cos_x[kx] = np.cos(omega[1] * kx * shift[1])
        sin_x[kx] = np.sin(omega[1] * kx * shift[1])
    g_y = g_x = h_yy = h_xx = h_yx = 0.0
    for ky in range(-half_ky, half_ky + 1):
        row = product.shape[1] // 2 + ky
        p_re, p_im = product[0, row], product[1, row]
        re0 = im0 = re1 = im1 = re2 = im2 = np.float32(0)
        for kx in range(n_kx):
            re = p_re[kx] * cos_x[kx] - p_im[kx] * sin_x[kx]
            im = p_re[kx] * sin_x[kx] + p_im[kx] * cos_x[kx]
            re0 += re
            im0 += im
            re1 += re * w_x[kx]
            im1 += im * w_x[kx]
            re2 += re * (w_x[kx] * w_x[kx])
            im2 += im * (w_x[kx] * w_x[kx])
        w_y = omega[0] * ky
        cos_y, sin_y = np.cos(w_y * shift[0]), np.sin(w_y * shift[0])
        g_y -= w_y * (cos_y * im0 + sin_y * re0)
        g_x -= cos_y * im1 + sin_y * re1
        h_yy -= w_y * w_y * (cos_y * re0 - sin_y * im0)
        h_xx -= cos_y * re2 - sin_y * im2
        h_yx -= w_y * (cos_y * re1 - sin_y * im1)
    determinant = h_yy * h_xx - h_yx * h_yx
    if not (h_yy < 0 and determinant > 0):
        return False, 0.0, 0.0
    step_y = (h_yx * g_x - h_xx * g_y) / determinant
    step_x = (h_yx * g_y - h_yy * g_x) / determinant
    return True, step_y, step_x


@kernel
def _climb(
    product: np.ndarray,
    band: tuple[int, int],
    omega: tuple[float, float],
    start: tuple[float, float],
    reach: float,
    phase: np.ndarray,
) -> tuple[float, float]:
    """Peak near `start`, or `start` where Newton finds none within `reach` px."""
    y, x = start
    for _ in range(_MOST_STEPS):
        concave, step_y, step_x = _newton_step(product, band, omega, (y, x), phase)
        length = max(abs(step_y), abs(step_x))
        if not concave:
            return start
        scale = min(1.0, _LARGEST_STEP_PX / max(length, _LAST_STEP_PX))
        y += scale * step_y
        x += scale * step_x
        if max(abs(y - start[0]), abs(x - start[1])) > reach:
            return start
        if length < _LAST_STEP_PX:
            break
    return y, x


@kernel
def estimate(
    frames: np.ndarray,
    template: np.ndarray,
    phase_y: np.ndarray,
    phase_x: np.ndarray,
    geometry: tuple[int, int, int, int],
    limit: tuple[float, float],
    shifts: np.ndarray,
) -> None:
    """Shift of each frame against the template, into `shifts` (n, 2).

    `template` (2, ky, kx) holds the real and imaginary part of its filtered, conjugated
    spectrum, of unit energy; `phase_y` and `phase_x` (lag, 2, k) the cosines and sines
    of the lags in the low band; `geometry` the crop: top, left, height, width.
    """
    top, left, n_y, n_x = geometry
    n_ky, n_kx = template.shape[1:]
    omega = (2 * np.pi / n_y, 2 * np.pi / n_x)
    low, full = (phase_y.shape[2] // 2, phase_x.shape[2]), (n_ky // 2, n_kx)
    spectrum = np.empty((n_y, n_x // 2 + 1), np.complex64)
    columns = spectrum[:, :n_kx]
    product = np.empty((2, n_ky, n_kx), np.float32)
    phase = np.empty((3, n_kx), np.float32)
    for t in range(frames.shape[0]):
        frame = frames[t, top : top + n_y, left : left + n_x]
        r2c(frame, spectrum, _ALONG_X, True, 1.0, 1)
        c2c(columns, columns, _ALONG_Y, True, 1.0, 1)
        _multiply(spectrum, template, product)
        peak, lag_y, lag_x = _best_lag(product, phase_y, phase_x)
        shifts[t, 0] = shifts[t, 1] = 0
        if not peak > _SIGNAL * abs(spectrum[0, 0]):
            continue
        y = (lag_y - phase_y.shape[0] // 2) * LAG_STEP_PX
        x = (lag_x - phase_x.shape[0] // 2) * LAG_STEP_PX
        for band in (low, full):
            y, x = _climb(product, band, omega, (y, x), LAG_STEP_PX, phase)
        shifts[t, 0] = min(max(y, -limit[0]), limit[0])
        shifts[t, 1] = min(max(x, -limit[1]), limit[1])


@kernel
def _cubic_weights(
    fraction: float,
) -> tuple[np.float32, np.float32, np.float32, np.float32]:
    """Weights of the four neighbours of a point between the middle two."""
    a = -0.75
    left, right = 1 + fraction, 1 - fraction
    w0 = ((a * left - 5 * a) * left + 8 * a) * left - 4 * a
    w1 = ((a + 2) * fraction - (a + 3)) * fraction * fraction + 1
    w2 = ((a + 2) * right - (a + 3)) * right * right + 1
    return np.float32(w0), np.float32(w1), np.float32(w2), np.float32(1 - w0 - w1 - w2)


@kernel
def _blend(
    out: np.ndarray,
    v0: np.ndarray,
    v1: np.ndarray,
    v2: np.ndarray,
    v3: np.ndarray,
    weights: tuple[np.float32, np.float32, np.float32, np.float32],
) -> None:
    """Weighted sum of four rows; contiguous, so it fills the vector units."""
    w0, w1, w2, w3 = weights
    for i in range(out.size):
        out[i] = w0 * v0[i] + w1 * v1[i] + w2 * v2[i] + w3 * v3[i]


@kernel
def _seen(shift: float, side: int) -> tuple[int, int]:
    """First pixel along a side that was in view, and that after the last."""
    first = min(max(np.ceil(-shift), 0.0), float(side))
    stop = min(max(np.floor(side - 1 - shift) + 1, first), float(side))
    return int(first), int(stop)


@kernel
def shift_back(
    frames: np.ndarray, shifts: np.ndarray, fill: np.ndarray, moved: np.ndarray
) -> None:
    """Move each frame back by its shift; what was out of view is taken from `fill`."""
    n, n_y, n_x = frames.shape
    row = np.empty(n_x + 3, np.float32)
    for t in range(n):
        whole_y, whole_x = np.floor(shifts[t, 0]), np.floor(shifts[t, 1])
        weights_y = _cubic_weights(shifts[t, 0] - whole_y)
        weights_x = _cubic_weights(shifts[t, 1] - whole_x)
        # row[i] stands for column first_x + i, of which [start, stop) exist
        first_y = int(whole_y) - 1
        first_x = min(max(int(whole_x) - 1, -n_x - 2), n_x - 1)
        start, stop = max(first_x, 0), min(first_x + n_x + 3, n_x)
        left, right = start - first_x, stop - first_x
        for y in range(n_y):
            top = first_y + y
            v0 = frames[t, min(max(top, 0), n_y - 1), start:stop]
            v1 = frames[t, min(max(top + 1, 0), n_y - 1), start:stop]
            v2 = frames[t, min(max(top + 2, 0), n_y - 1), start:stop]
            v3 = frames[t, min(max(top + 3, 0), n_y - 1), start:stop]
            _blend(row[left:right], v0, v1, v2, v3, weights_y)
            for i in range(left):
                row[i] = row[left]
            for i in range(right, row.size):
                row[i] = row[right - 1]
            _blend(moved[t, y], row[:-3], row[1:-2], row[2:-1], row[3:], weights_x)
        seen_y, seen_x = _seen(shifts[t, 0], n_y), _seen(shifts[t, 1], n_x)
        moved[t, : seen_y[0]] = fill[: seen_y[0]]
        moved[t, seen_y[1] :] = fill[seen_y[1] :]
        moved[t, :, : seen_x[0]] = fill[:, : seen_x[0]]
        moved[t, :, seen_x[1] :] = fill[:, seen_x[1] :]
