"""CaImAn's verdicts as ours, with reasons.

CaImAn keeps which components it accepted, not why. Where its scores and the limits that
it saved explain a rejection, these are the reasons; where they do not (a list by hand,
limits that were changed later), the reason is that it rejected it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from napari_cnmf.components import REASONS, Quality
from napari_cnmf.errors import InputError
from napari_cnmf.formats.exchange.foreign import unscored

#: CaImAn's symbols with a row per component.
_TRACES = ("C", "S", "YrA", "F_dff")
_VALUES = ("bl", "neurons_sn", "lam", "SNR_comp", "r_values", "cnn_preds", "ecc")

#: CaImAn's limits: of the first three, one that is kept is enough.
_ENOUGH = (
    ("min_SNR", "low CaImAn SNR"),
    ("rval_thr", "low CaImAn r value"),
    ("min_cnn_thr", "unlike a neuron"),
)
_FLOORS = (
    ("SNR_lowest", "CaImAn SNR floor"),
    ("rval_lowest", "CaImAn r value floor"),
    ("cnn_lowest", "neuron floor"),
)
#: What these are held against may be reached; other limits must be exceeded.
_AT_LEAST = ("low CaImAn r value", "unlike a neuron")
_REASONS = {reason.name: reason for reason in REASONS}
IMPORTED = "imported verdict"


def joined(symbols: Mapping[str, Any]) -> tuple[dict[str, Any], np.ndarray]:
    """Put the discarded components behind the others.

    Returns
    -------
    found : dict
        Symbols with a row, or column of A, per component.
    accepted : ndarray
        (K,) bool.
    """
    n_cells = _n_cells(symbols)
    accepted = np.ones(n_cells, bool)
    chosen = symbols.get("idx_components")
    if chosen is not None:
        chosen = np.asarray(chosen).astype(np.int64).ravel()
        if chosen.size and not 0 <= chosen.min() <= chosen.max() < n_cells:
            raise InputError(
                f"CaImAn's idx_components names component {chosen.max()} of {n_cells}; "
                "give all symbols of one result."
            )
        accepted[:] = False
        accepted[chosen] = True
    names = ("A", "g", "idx_components", *_TRACES, *_VALUES)
    found: dict[str, Any] = {name: symbols.get(name) for name in names}
    discarded = symbols.get("discarded_components")
    if discarded is None:
        return found, accepted
    others = discarded if isinstance(discarded, Mapping) else vars(discarded)
    sizes = (n_cells, _n_cells(others))
    n_frames = np.asarray(found["C"]).shape[1]
    for name in _TRACES + _VALUES:
        width = (n_frames,) if name in _TRACES else ()
        found[name] = _stacked((found[name], others.get(name)), sizes, width)
    found["A"] = sp.hstack([sp.csc_array(found["A"]), sp.csc_array(others["A"])])
    found["g"] = _listed(found["g"], sizes[0]) + _listed(others.get("g"), sizes[1])
    return found, np.concatenate([accepted, np.zeros(sizes[1], bool)])


def quality_of(
    found: Mapping[str, Any], accepted: np.ndarray, limits: Mapping[str, Any]
) -> Quality | None:
    """Scores of CaImAn's evaluation and its verdicts; None if there was none.

    Parameters
    ----------
    found : mapping
        From `joined`.
    accepted : ndarray
        (K,) bool, CaImAn's verdict.
    limits : mapping
        CaImAn's group of parameters "quality".
    """
    snr, r_value, probability, eccentricity = (
        _score(found.get(name), len(accepted))
        for name in ("SNR_comp", "r_values", "cnn_preds", "ecc")
    )
    scores, chosen = (snr, r_value, probability), found["idx_components"]
    if accepted.all() and chosen is None and all(score is None for score in scores):
        return None
    unjudged = replace(
        unscored(len(accepted)),
        neuron_probability=probability,
        eccentricity=eccentricity,
        rule="caiman",
    )
    if snr is not None:
        unjudged = replace(unjudged, caiman_snr=snr)
    if r_value is not None:
        unjudged = replace(unjudged, caiman_r_value=r_value)
    return _judged(unjudged, accepted, limits)


def limits_of(quality: Quality) -> dict[str, Any]:
    """CaImAn's group of parameters "quality", as far as the rule was CaImAn's."""
    if quality.rule != "caiman":
        return {}
    limits = quality.limits
    found: dict[str, Any] = {
        key: limits[name] for key, name in _ENOUGH + _FLOORS if name in limits
    }
    return found | {"use_cnn": "unlike a neuron" in limits}


def _judged(
    quality: Quality, accepted: np.ndarray, limits: Mapping[str, Any]
) -> Quality:
    """Set the flags of what CaImAn rejected, so that its verdicts are ours."""
    kept_none, flags = np.ones(len(accepted), bool), np.zeros(len(accepted), np.int32)
    enough, ours = 0, {}
    for key, name in _ENOUGH + _FLOORS:
        reason = _REASONS[name]
        scores, limit = getattr(quality, reason.score), limits.get(key)
        if scores is None or limit is None or np.isnan(scores).all():
            continue
        if reason.score == "neuron_probability" and not limits.get("use_cnn"):
            continue
        ours[name] = float(limit)
        below = scores < limit if name in _AT_LEAST else scores <= limit
        if (key, name) in _ENOUGH:
            kept_none &= below
            enough |= 1 << reason.bit
        else:
            flags |= below.astype(np.int32) << reason.bit
    flags |= np.where(kept_none, enough, 0).astype(np.int32)
    flags = np.where(flags == 0, 1 << _REASONS[IMPORTED].bit, flags)
    flags = np.where(accepted, 0, flags).astype(np.int32)
    return replace(quality, flags=flags, limits=ours)


def _n_cells(symbols: Mapping[str, Any]) -> int:
    """Count the components."""
    return int(sp.csc_array(symbols["A"]).shape[1])


def _score(values: Any, n_cells: int) -> np.ndarray | None:
    """Scores (K,) float32; CaImAn has an empty list where it did not take them."""
    if values is None or np.size(values) != n_cells or np.size(values) == 0:
        return None
    return np.asarray(values, np.float32).ravel()


def _stacked(
    parts: tuple[Any, Any], sizes: tuple[int, int], width: tuple[int, ...]
) -> np.ndarray | None:
    """Rows of both parts, NaN for those of a part that is not known."""
    known = [part is not None and np.size(part) > 0 for part in parts]
    if not any(known):
        return None
    return np.concatenate(
        [
            np.asarray(part, np.float64).reshape(size, *width)
            if is_known
            else np.full((size, *width), np.nan)
            for part, is_known, size in zip(parts, known, sizes, strict=True)
        ]
    )


def _listed(rows: Any, n_cells: int) -> list[Any]:
    """Autoregressive coefficients of each component."""
    return [None] * n_cells if rows is None else list(rows)
