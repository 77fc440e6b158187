"""Components in CaImAn's symbols, and back.

CaImAn flattens a field column by column (pixel = x * Y + y), keeps the constant
baseline `bl` of a trace in ``C``, and has no constant background: here pixels are
reordered, the baseline is moved between ``C`` and ``YrA`` (their sum, the raw trace, is
the same in both), and a constant background is a map with a trace of ones. Footprints
have unit norm in both; older ones of CaImAn are given it, and the traces its inverse.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp

from napari_cnmf.components import Background, Components, TraceFit
from napari_cnmf.errors import InputError
from napari_cnmf.formats.exchange.caiman_verdicts import joined, quality_of
from napari_cnmf.formats.exchange.foreign import no_background

#: Norms closer to one than this are that of a float32 footprint of unit norm.
_UNIT_NORM_TOLERANCE = 1e-3


def to_symbols(components: Components) -> dict[str, Any]:
    """Give components in CaImAn's symbols.

    Parameters
    ----------
    components : Components

    Returns
    -------
    dict
        As attributes of CaImAn's ``estimates``, unknown ones None, arrays float32:

        ``dims`` (Y, X); ``A`` csc (pixels, K), pixel = x * Y + y; ``C``, ``S``,
        ``YrA`` (also as ``R``) and ``F_dff`` (K, T); ``b`` csc (pixels, H) and ``f``
        (H, T), the last with a trace of ones if there is a constant background; ``sn``
        (pixels,); ``bl``, ``c1`` (zeros: ``C`` holds it), ``neurons_sn``, ``lam`` (K,);
        ``g`` (K, 1) or (K, 2); ``SNR_comp``, ``r_values``, ``cnn_preds``, ``ecc`` (K,);
        ``idx_components`` and ``idx_components_bad``, positions of what is accepted
        and rejected, by hand or not; ``nr``, which is K.

    See Also
    --------
    from_symbols : The way back.
    """
    fit, quality = components.trace_fit, components.quality
    baseline = fit.baseline[:, None]
    residual = components.residual_traces - baseline
    maps, traces = _with_constant(components.background)
    order = 2 if fit.ar[:, 1:].any() else 1
    symbols: dict[str, Any] = {
        "dims": components.fov_shape,
        "nr": len(components),
        "A": _columns_first(components.footprints, components.fov_shape),
        "C": components.denoised + baseline,
        "S": components.spikes,
        "YrA": residual,
        "R": residual,
        "F_dff": components.dff,
        "b": _columns_first(maps, components.fov_shape),
        "f": traces,
        "sn": components.pixel_noise.T.ravel(),
        "bl": fit.baseline,
        "c1": np.zeros_like(fit.baseline),
        "neurons_sn": fit.noise,
        "lam": fit.penalty,
        "g": fit.ar[:, :order],
        "idx_components": None,
        "idx_components_bad": None,
    }
    scores = dict.fromkeys(("SNR_comp", "r_values", "cnn_preds", "ecc"))
    if quality is not None:
        symbols["idx_components"] = np.flatnonzero(quality.accepted)
        symbols["idx_components_bad"] = np.flatnonzero(~quality.accepted)
        scores = {
            "SNR_comp": quality.caiman_snr,
            "r_values": quality.caiman_r_value,
            "cnn_preds": quality.neuron_probability,
            "ecc": quality.eccentricity,
        }
    return {k: _known(v) for k, v in (symbols | scores).items()}


def from_symbols(
    symbols: Mapping[str, Any],
    *,
    frame_rate_hz: float,
    limits: Mapping[str, Any] | None = None,
) -> Components:
    """Make components of CaImAn's symbols.

    Parameters
    ----------
    symbols : mapping
        Such as ``vars(cnm.estimates)``; ``A``, ``C`` and ``dims`` are needed, see
        `to_symbols` for the others. Names that are not listed there are passed over,
        but ``b0`` (pixels,), a constant background, and ``discarded_components``, which
        come behind the others, rejected.
    frame_rate_hz : float
    limits : mapping, optional
        CaImAn's group of parameters ``quality``, such as ``{"min_SNR": 2.5}``: gives
        reasons to rejected components.

    Returns
    -------
    Components
        In their order, with ids from 0. Without ``S``, ``YrA``, ``g`` or ``bl`` these
        are zero; the noise of pixels and traces that is not known is NaN.

    Raises
    ------
    InputError
        If a needed symbol is missing, or their sizes do not fit.
    """
    for name in ("A", "C", "dims"):
        if symbols.get(name) is None:
            raise InputError(
                f"CaImAn's '{name}' is missing, and cells need it; give the estimates "
                "of a movie that was fitted."
            )
    dims = tuple(int(n) for n in symbols["dims"])
    if len(dims) != 2:
        raise InputError(
            f"CaImAn's dims are {dims}, and a field of two sides is expected; of a "
            "volume give one plane."
        )
    found, accepted = joined(symbols)
    footprints, norms = _unit_norm(_rows_first(found["A"], dims, "A"))
    shape = np.asarray(found["C"]).shape
    if len(shape) != 2 or len(norms) != shape[0]:
        raise InputError(
            f"CaImAn's C has the shape {shape}, and A has {len(norms)} components; "
            "give both of one result, C with a row for each."
        )
    baseline, n_frames = _values(found, "bl", norms, unknown=0.0), shape[1]
    denoised, residual, spikes = (
        _traces(found.get(name), shape, name) * norms[:, None]
        for name in ("C", "YrA", "S")
    )
    return Components(
        footprints=footprints,
        fov_shape=dims,
        denoised=_float32(denoised - baseline[:, None]),
        residual_traces=_float32(residual + baseline[:, None]),
        spikes=_float32(spikes),
        trace_fit=TraceFit(
            ar=_ar(found.get("g"), len(norms)),
            noise=_float32(_values(found, "neurons_sn", norms)),
            penalty=_float32(_values(found, "lam", norms)),
            baseline=_float32(baseline),
        ),
        background=_background(symbols, dims, n_frames),
        pixel_noise=_image(symbols.get("sn"), dims, "sn", unknown=np.nan),
        ids=np.arange(len(norms)),
        frame_rate_hz=float(frame_rate_hz),
        quality=quality_of(found, accepted, limits or {}),
        dff=None
        if found.get("F_dff") is None
        else _float32(_traces(found["F_dff"], shape, "F_dff")),
    )


def _known(value: Any) -> Any:
    """Return the value, or None for an array of nothing but NaN."""
    is_numbers = isinstance(value, np.ndarray) and value.dtype.kind == "f"
    return None if is_numbers and value.size and np.isnan(value).all() else value


def _columns_first(pixels: sp.csc_array, dims: tuple[int, ...]) -> sp.csc_array:
    """Bring rows from pixel = y * X + x into the order x * Y + y."""
    return _reordered(pixels, dims[1], dims[0])


def _rows_first(pixels: Any, dims: tuple[int, ...], name: str) -> sp.csc_array:
    """Bring rows from pixel = x * Y + y into the order y * X + x, as float32."""
    matrix = sp.csc_array(pixels, dtype=np.float32)
    if matrix.shape[0] != dims[0] * dims[1]:
        raise InputError(
            f"CaImAn's {name} has {matrix.shape[0]} pixels, and a field of {dims[0]} x "
            f"{dims[1]} has {dims[0] * dims[1]}; give both of one result."
        )
    return _reordered(matrix, dims[0], dims[1])


def _reordered(matrix: sp.csc_array, fast: int, slow: int) -> sp.csc_array:
    """Swap the axes of an image in the rows: the fast one becomes the slow one."""
    far, near = np.divmod(matrix.indices, fast)
    parts = (matrix.data.copy(), near * slow + far, matrix.indptr.copy())
    swapped = sp.csc_array(parts, shape=matrix.shape)
    swapped.sort_indices()
    return swapped


def _unit_norm(footprints: sp.csc_array) -> tuple[sp.csc_array, np.ndarray]:
    """Footprints of unit norm, and (K,) float64 what their traces are multiplied by."""
    norms = np.sqrt(footprints.multiply(footprints).sum(axis=0, dtype=np.float64))
    is_one = np.abs(norms - 1) < _UNIT_NORM_TOLERANCE
    norms = np.where(is_one | (norms == 0), 1.0, norms)
    per_value = np.repeat(norms, np.diff(footprints.indptr))
    footprints.data = _float32(footprints.data / per_value)
    return footprints, norms


def _with_constant(background: Background) -> tuple[sp.csc_array, np.ndarray]:
    """Put the constant background, if there is one, behind maps and traces."""
    constant = background.constant.ravel()
    if not constant.any():
        return background.maps, background.traces
    ones = np.ones((1, background.traces.shape[1]), np.float32)
    maps = sp.hstack([background.maps, sp.csc_array(constant[:, None])], format="csc")
    return maps, np.concatenate([background.traces, ones])


def _background(
    symbols: Mapping[str, Any], dims: tuple[int, ...], n_frames: int
) -> Background:
    """Background of `b` and `f`, without the traces of ones, which are its constant."""
    maps, traces = symbols.get("b"), symbols.get("f")
    if maps is None or traces is None:
        none = no_background((dims[0], dims[1]), n_frames)
        maps, traces = none.maps, none.traces
    pixels = _rows_first(maps, dims, "b")
    traces = _traces(traces, (pixels.shape[1], n_frames), "f")
    steady = (traces == 1).all(axis=1)
    constant = _image(symbols.get("b0"), dims, "b0", unknown=0.0)
    constant = constant + pixels[:, steady].sum(axis=1).reshape(dims)
    return Background(pixels[:, ~steady], _float32(traces[~steady]), _float32(constant))


def _image(
    values: Any, dims: tuple[int, ...], name: str, *, unknown: float
) -> np.ndarray:
    """Image (Y, X) float32 of a vector of pixels."""
    if values is None:
        return np.full(dims, unknown, np.float32)
    pixels = np.asarray(values, np.float32).ravel()
    if pixels.size != dims[0] * dims[1]:
        raise InputError(
            f"CaImAn's {name} has {pixels.size} pixels, and a field of {dims[0]} x "
            f"{dims[1]} has {dims[0] * dims[1]}; give both of one result."
        )
    return np.ascontiguousarray(pixels.reshape(dims[1], dims[0]).T)


def _traces(values: Any, shape: tuple[int, ...], name: str) -> np.ndarray:
    """Traces of a shape (K, T); zeros if there are none."""
    if values is None:
        return np.zeros(shape, np.float32)
    traces = np.asarray(values)
    if traces.shape != shape:
        raise InputError(
            f"CaImAn's {name} has the shape {traces.shape}, where {shape} is expected; "
            "give all symbols of one result."
        )
    return traces


def _values(
    found: Mapping[str, Any], name: str, norms: np.ndarray, unknown: float = np.nan
) -> np.ndarray:
    """One value (K,) float64 per trace, some of CaImAn's are texts, some are None."""
    if found.get(name) is None:
        return np.full(len(norms), unknown)
    values = np.asarray(found[name], np.float64).ravel()
    if values.size != len(norms):
        raise InputError(
            f"CaImAn's {name} has {values.size} values for {len(norms)} components; "
            "give all symbols of one result."
        )
    return np.where(np.isnan(values), unknown, values) * norms


def _ar(rows: Any, n_cells: int) -> np.ndarray:
    """Coefficients (K, 2) float32; what is missing or None is zero."""
    ar = np.zeros((n_cells, 2), np.float32)
    for k, row in enumerate(() if rows is None else rows):
        given = np.atleast_1d(np.asarray(0 if row is None else row, np.float32))
        ar[k, : given.size] = given
    return ar


def _float32(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, np.float32)
