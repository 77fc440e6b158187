"""CaImAn's parameters in our words.

Every parameter of ours that is one of CaImAn's says so itself, as ``group.key``. Here
stand only those whose form or unit differs, and those that share a purpose but not a
meaning, so that their value must not be taken over. CaImAn's usual search and
background (``greedy_roi``, ``nb`` of 1 or more) are known here, but are not taken over
either: they stand in every dictionary that was copied, and ours are more accurate.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from napari_cnmf.errors import ParameterError
from napari_cnmf.movie.damage import named_damage

#: Ours serve the same purpose, in another unit or by another method.
_DIFFERENT = frozenset(
    {
        "init.tsub",
        "init.maxIter",
        "init.min_corr",
        "init.min_pnr",
        "motion.num_frames_split",
        "patch.nb_patch",
        "spatial.expandCore",
        "spatial.medw",
        "spatial.se",
        "merging.max_merge_area",
    }
)

_ONE_PHOTON = {"init.method": "corr_pnr", "background.model": "ring"}
#: Searches that are for other movies than ours is; no other is taken over.
_SEARCHES = {"corr_pnr": _ONE_PHOTON, "sparse_nmf": {"init.method": "sparse_nmf"}}
_CUTS = {"nrg": "energy", "max": "maximum"}
#: What CaImAn holds a footprint to if it is only told to hold it to a limit.
_MAX_ECCENTRICITY = 3.0


def _pixel_size(dxy: Any) -> dict[str, Any]:
    """Square pixels only; micrometres per pixel, as in CaImAn's notebooks."""
    sizes = np.unique(dxy)
    return {"acquisition.pixel_size_um": float(sizes[0])} if len(sizes) == 1 else {}


def _ar_order(order: int) -> dict[str, Any]:
    """Deconvolve as CaImAn does; 'constrained' knows no higher order either."""
    if order not in (0, 1, 2):
        return {}
    return {"temporal.method": "constrained", "temporal.ar_order": int(order)}


def _background_rank(rank: int) -> dict[str, Any]:
    """CaImAn's sign for the ring model is a rank of 0, or of -1."""
    return {"background.model": "ring"} if rank <= 0 else {}


def _footprint_cut(method: str) -> dict[str, Any]:
    """By which of the two measures a footprint is cut."""
    return {"spatial.threshold_by": _CUTS[method]} if method in _CUTS else {}


def _noise_band(ends: Any) -> dict[str, Any]:
    """Both in cycles per frame."""
    low, high = map(float, ends)
    return {"temporal.noise_band_low": low, "temporal.noise_band_high": high}


#: Each gives our settings, none if this value has no equivalent.
_CONVERTED: dict[str, Callable[[Any], dict[str, Any]]] = {
    "data.dxy": _pixel_size,
    "patch.rf": lambda half: {"patches.patch_size_px": 2 * int(np.max(half)) + 1},
    "init.gSig": lambda half: {"init.neuron_half_size_px": float(np.mean(half))},
    "init.method_init": lambda name: _SEARCHES.get(name, {}),
    "init.nb": _background_rank,
    "init.gnb": _background_rank,
    "motion.max_shifts": lambda px: {"motion.max_shift_px": float(np.max(px))},
    "motion.strides": lambda px: {"motion.grid_step_px": int(np.mean(px))},
    "motion.overlaps": lambda px: {"motion.grid_overlap_px": int(np.mean(px))},
    "motion.gSig_filt": lambda px: {"motion.high_pass_px": float(np.mean(px))},
    "motion.pw_rigid": lambda on: {"motion.mode": "piecewise" if on else "rigid"},
    "spatial.extract_cc": lambda on: {"spatial.pieces": "largest" if on else "all"},
    "spatial.thr_method": _footprint_cut,
    "temporal.p": _ar_order,
    "temporal.noise_range": _noise_band,
    "temporal.optimize_g": lambda events: {"temporal.optimize_g": int(events)},
    "quality.use_ecc": lambda on: {"quality.use_ecc": on},  # see `_completed`
    "quality.max_ecc": lambda limit: {"quality.max_eccentricity": float(limit)},
}


def read_caiman(path: Path) -> dict[str, Any]:
    """Read CaImAn's parameters: a dictionary in JSON, or in a Python file.

    A Python file is not run: its last line must say, or set, a plain dictionary.

    Raises
    ------
    InputError
        If the file holds no dictionary.
    """
    remedy = "give CaImAn's parameters as JSON, or as a Python file that sets them"
    with named_damage(path.name, "a dictionary of parameters", remedy):
        text = path.read_text(encoding="utf-8")
        return dict(json.loads(text) if path.suffix == ".json" else _last_value(text))


def _last_value(text: str) -> Any:
    """Return what the last line of a Python text says or sets, without running it."""
    statement: Any = ast.parse(text).body[-1:]
    return ast.literal_eval(statement[0].value) if statement else None


def settings_from_caiman(
    values: Mapping[str, Any], names: Mapping[str, str]
) -> tuple[dict[str, Any], list[str]]:
    """Translate CaImAn's parameters.

    Parameters
    ----------
    values : mapping
        Flat, ``{key: value}``, or in groups, ``{group: {key: value}}``. None means
        "not set" there and is skipped.
    names : mapping
        What each of our parameters ``group.name`` says of CaImAn's.

    Returns
    -------
    settings : dict
        Our ``group.name`` -> value. With CaImAn's limits of quality comes its rule,
        and with those of its classifier ours.
    unknown : list of str
        Keys without an equivalent here.
    """
    converters = _converters(names)
    settings: dict[str, Any] = {}
    unknown = []
    for key, value in _flattened(values):
        found = _converted(converters[key], key, value) if key in converters else {}
        settings |= found
        if not found:
            unknown.append(key)
    return _completed(settings), unknown


def _converted(
    converter: Callable[[Any], dict[str, Any]], key: str, value: Any
) -> dict[str, Any]:
    """Return our settings for a value, which may be anything."""
    try:
        return converter(value)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise ParameterError(
            f"CaImAn's parameter {key} is {value!r}, which has no meaning here "
            f"({error}); correct it, or leave it out."
        ) from error


def _completed(settings: dict[str, Any]) -> dict[str, Any]:
    """Add what CaImAn's limits of quality count with, and drop the one that is off."""
    if any("neuron_probability" in name for name in settings):
        settings.setdefault("quality.use_classifier", True)
    if settings.get("quality.use_classifier") or any(
        name.startswith("quality.caiman_") for name in settings
    ):
        settings["quality.rule"] = "caiman"
    if settings.pop("quality.use_ecc", False):
        settings.setdefault("quality.max_eccentricity", _MAX_ECCENTRICITY)
    else:
        settings.pop("quality.max_eccentricity", None)
    return settings


def _converters(
    names: Mapping[str, str],
) -> dict[str, Callable[[Any], dict[str, Any]]]:
    """How to convert each key, by its name with and without CaImAn's group."""
    converters = dict(_CONVERTED)
    for ours, theirs in names.items():
        is_key = re.fullmatch(r"\w+\.\w+", theirs)
        if is_key and theirs not in _DIFFERENT and theirs not in _CONVERTED:
            converters[theirs] = partial(_renamed, ours)
    return converters | {key.split(".")[1]: c for key, c in converters.items()}


def _renamed(ours: str, value: Any) -> dict[str, Any]:
    """Take a value over under our name."""
    return {ours: value}


def _flattened(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield keys and set values; the keys of groups as ``group.key``."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flattened({f"{key}.{k}": v for k, v in value.items()})
        elif value is not None:
            yield key, value
