"""Folders of suite2p's results, in both directions.

``plane0`` holds ``stat.npy`` (the pixels of each cell), ``F.npy``, ``Fneu.npy`` and
``spks.npy`` (traces), ``iscell.npy`` (verdict and probability) and ``ops.npy``
(parameters and images). How the traces become ours is told in
`roi_means`. Of a movie of uint16, suite2p's light is half of the
counts, since it halves them as it reads. Offsets have our sign: the frame's content had
moved by them, down and right.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_cnmf.components import REASONS, Components, Quality
from napari_cnmf.errors import InputError, MissingStageError
from napari_cnmf.formats.atomic import replacing
from napari_cnmf.formats.exchange.foreign import footprints_of, unscored, with_verdict
from napari_cnmf.formats.exchange.restricted_pickle import load_npy
from napari_cnmf.formats.exchange.roi_means import (
    NEUROPIL_COEFFICIENT,
    RoiMeans,
    components_of,
    means_of,
)
from napari_cnmf.formats.exchange.suite2p_shapes import stat_of
from napari_cnmf.formats.readers.limits import MAX_FIELD_PX
from napari_cnmf.formats.results import MovieInfo, Result
from napari_cnmf.movie.damage import named_damage
from napari_cnmf.movie.shifts import Shifts
from napari_cnmf.provenance import StageRecord

#: The record of what suite2p was run with bears this name.
STAGE = "suite2p"
#: Files of the plane's description, later ones win.
_DESCRIPTIONS = ("db", "settings", "reg_outputs", "detect_outputs", "ops")
_DECAY_S = 1.0  # suite2p's own default
_MAX_SHIFT = 0.1  # likewise, of the longer side
_CELL = 0.5  # probability from which suite2p's classifier calls it a cell


def plane_folder(path: Path) -> Path | None:
    """Return the folder of one plane's results that a path is or holds, if any.

    Raises
    ------
    InputError
        If it holds several.
    """
    if _is_plane(path):
        return path
    if not path.is_dir():
        return None
    places = sorted({*path.glob("plane*"), *path.glob("suite2p/plane*")})
    planes = [place for place in places if _is_plane(place)]
    if len(planes) > 1:
        names = ", ".join(plane.name for plane in planes)
        raise InputError(
            f"{path} holds suite2p's results of {len(planes)} planes ({names}); give "
            "the folder of one of them."
        )
    return planes[0] if planes else None


def import_suite2p(folder: str | Path) -> Result:
    """Read the results of suite2p.

    Parameters
    ----------
    folder : path
        Of one plane, or one that holds it.

    Returns
    -------
    Result
        Cells in suite2p's order; its verdict is ours, with its classifier's
        probability as the score. The denoised traces are those that its spikes stand
        for. There are no summary images, as it keeps only some of them.

    Raises
    ------
    InputError
        If files are missing or damaged, or do not fit together.
    """
    path = plane_folder(Path(folder))
    if path is None:
        raise InputError(
            f"{folder} holds no results of suite2p (stat.npy, F.npy); give the folder "
            "plane0 that suite2p has written."
        )
    ops = _description(path)
    with named_damage(path.name, "suite2p's results", "copy the folder again"):
        return _result(path, ops)


def export_suite2p(result: Result, folder: str | Path) -> None:
    """Write a result as suite2p would have, for its window and for scripts.

    Parameters
    ----------
    result : Result
        All components are written, rejected ones too: ``iscell.npy`` says which.
    folder : path
        To be named ``plane0``; older files of these names are replaced.

    Raises
    ------
    MissingStageError
        If there are no components yet.
    OutputError
        If a file cannot be written; none is left behind then.
    """
    if result.components is None:
        raise MissingStageError(
            "The result has no components to export yet; run the fit first."
        )
    means, ops = means_of(result.components), np.array(_ops(result))
    files = {
        "F": means.fluorescence,
        "Fneu": means.neuropil,
        "spks": means.spikes,
        "iscell": _iscell(result.components),
        "stat": stat_of(result.components, means),
        "ops": ops,
    }
    with ExitStack() as renamed_at_the_end:
        for name, content in files.items():
            path = Path(folder) / f"{name}.npy"
            temporary = renamed_at_the_end.enter_context(replacing(path))
            with temporary.open("wb") as file:
                np.save(file, content)


def _is_plane(path: Path) -> bool:
    """Whether a folder has the files that all of suite2p's versions write."""
    return all((path / name).is_file() for name in ("stat.npy", "F.npy"))


def _description(path: Path) -> dict[str, Any]:
    """Join all that is said of the plane; newer versions write several files."""
    found: dict[str, Any] = {}
    for name in _DESCRIPTIONS:
        file = path / f"{name}.npy"
        if file.exists():
            content = load_npy(file)
            if content.shape or not isinstance(content.item(), dict):
                raise InputError(
                    f"{file} holds no dictionary as suite2p writes it; copy it again."
                )
            found |= content.item()
    if not {"Ly", "Lx", "fs"} <= found.keys():
        raise InputError(
            f"{path} has no ops.npy that states Ly, Lx and fs; copy it there, too."
        )
    return found


def _result(path: Path, ops: dict[str, Any]) -> Result:
    """Build the result."""
    stat, light = load_npy(path / "stat.npy"), load_npy(path / "F.npy")
    if light.ndim != 2 or len(stat) != len(light):
        raise ValueError(f"{len(stat)} cells, but F has the shape {light.shape}")
    field_shape = (int(ops["Ly"]), int(ops["Lx"]))
    rate, decay_s = float(ops["fs"]), float(ops.get("tau", _DECAY_S))
    if not (0 < rate < np.inf and 0 < decay_s < np.inf):
        raise ValueError(f"fs is {rate} and tau is {decay_s}")
    if not 0 < field_shape[0] * field_shape[1] <= MAX_FIELD_PX:
        raise ValueError(f"its field is {field_shape[0]} x {field_shape[1]} px")
    footprints, _ = footprints_of(
        [_pixels(cell, field_shape) for cell in stat],
        [np.ravel(cell["lam"]) for cell in stat],
        field_shape[0] * field_shape[1],
    )
    image = _image(ops, "meanImg", field_shape)
    cells = components_of(
        RoiMeans(light, *(_traces(path, name, light) for name in ("Fneu", "spks"))),
        footprints,
        image,
        frame_rate_hz=rate,
        decay_s=decay_s,
        coefficient=_coefficient(ops),
    )
    cells = replace(cells, quality=_quality(path, len(cells)))
    movie = MovieInfo((light.shape[1], *field_shape), "", frame_rate_hz=rate)
    registration = ops.get("registration", ops)
    limit = float(registration.get("maxregshift", _MAX_SHIFT)) * max(field_shape)
    shifts = _shifts(ops, image, limit, light.shape[1])
    recipe = f"[acquisition]\nframe_rate_hz = {rate}\ndecay_time_s = {decay_s}\n"
    record = StageRecord(
        STAGE, _settings(ops), "", {STAGE: str(ops.get("version", "unknown"))}
    )
    return Result(
        movie,
        recipe,
        shifts=shifts,
        components=cells,
        stages=(record,),
        complete=True,
        versions=record.versions,
    )


def _settings(values: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters among the entries, without images and the like."""
    plain = {k: v.item() if isinstance(v, np.generic) else v for k, v in values.items()}
    found: dict[str, Any] = {}
    for name, value in plain.items():
        if isinstance(value, dict):
            found[name] = _settings(value)
        elif isinstance(value, bool | int | float | str):
            found[name] = value
    return found


def _pixels(cell: dict[str, Any], field_shape: tuple[int, int]) -> np.ndarray:
    """Pixels of a cell, y * X + x."""
    y, x = np.ravel(cell["ypix"]), np.ravel(cell["xpix"])
    height, width = field_shape
    if np.any((y < 0) | (y >= height) | (x < 0) | (x >= width)):
        raise ValueError(f"a cell lies outside of the field of {height} x {width} px")
    pixels: np.ndarray = y.astype(np.int64) * width + x
    return pixels


def _traces(path: Path, name: str, light: np.ndarray) -> np.ndarray:
    """Traces of a file; zero if suite2p was told not to compute them."""
    file = path / f"{name}.npy"
    traces = load_npy(file) if file.exists() else np.zeros_like(light)
    if traces.shape != light.shape:
        raise ValueError(f"{name} has the shape {traces.shape}, F has {light.shape}")
    return traces


def _coefficient(ops: dict[str, Any]) -> float:
    """Return the factor of the neuropil, whose name has changed once."""
    newer = ops.get("extraction", {}).get("neuropil_coefficient")
    return float(ops.get("neucoeff", NEUROPIL_COEFFICIENT) if newer is None else newer)


def _image(ops: dict[str, Any], name: str, field_shape: tuple[int, int]) -> np.ndarray:
    """Return an image (Y, X); zero if it was not kept."""
    image = np.asarray(ops.get(name, 0.0), np.float32)
    return np.broadcast_to(image, field_shape)


def _quality(path: Path, n: int) -> Quality:
    """Verdict and probability; by hand where suite2p's user decided otherwise."""
    file = path / "iscell.npy"
    table = load_npy(file) if file.exists() else np.ones((n, 2))
    if table.shape != (n, 2):
        raise ValueError(f"iscell has the shape {table.shape} for {n} cells")
    reason = next(r for r in REASONS if r.score == "neuron_probability")
    accepted, probability = table[:, 0] > 0, table[:, 1]
    quality = replace(
        unscored(n),
        neuron_probability=probability.astype(np.float32),
        flags=(probability < _CELL).astype(np.int32) << reason.bit,
        limits={reason.name: _CELL},
    )
    return with_verdict(quality, accepted)


def _shifts(
    ops: dict[str, Any], image: np.ndarray, limit: float, n_frames: int
) -> Shifts | None:
    """Offsets of whole frames, if it registered them."""
    if "yoff" not in ops or "xoff" not in ops:
        return None
    values = np.stack([np.ravel(ops["yoff"]), np.ravel(ops["xoff"])], axis=1)
    if len(values) != n_frames:
        raise ValueError(f"{len(values)} offsets for {n_frames} frames")
    template = np.asarray(ops.get("refImg", image), np.float32)
    return Shifts(values.astype(np.float32), template, limit)


def _iscell(cells: Components) -> np.ndarray:
    """Verdict (K, 2) with the classifier's probability, or again the verdict."""
    accepted = cells.accepted.astype(float)
    probability = None if cells.quality is None else cells.quality.neuron_probability
    if probability is None:
        probability = accepted
    known = np.where(np.isnan(probability), accepted, probability)
    return np.stack([accepted, known], axis=1)


def _ops(result: Result) -> dict[str, Any]:
    """Parameters and images; suite2p crops some of these to what is always seen."""
    cells, summary = result.components, result.summary
    if cells is None:
        return {}
    height, width = cells.fov_shape
    top, bottom, left, right = (0, 0, 0, 0) if summary is None else summary.borders
    seen = (slice(top, height - bottom), slice(left, width - right))
    n_frames = cells.n_frames
    ops: dict[str, Any] = {
        "Ly": height,
        "Lx": width,
        "fs": float(cells.frame_rate_hz),
        "tau": _decay_s(cells),
        "diameter": np.full(2, _diameter_px(cells)),
        "nframes": n_frames,
        "frames_per_file": np.array([s.stop - s.first for s in result.movie.files]),
        "nplanes": 1,
        "nchannels": 1,
        "functional_chan": 1,
        "neucoeff": NEUROPIL_COEFFICIENT,
        "extraction": {"neuropil_coefficient": NEUROPIL_COEFFICIENT},
        "yrange": [top, height - bottom],
        "xrange": [left, width - right],
        "meanImg": cells.background.constant if summary is None else summary.mean,
    }
    if summary is not None:
        ops |= {
            "meanImgE": summary.mean,
            "max_proj": summary.maximum[seen],
            "Vcorr": summary.correlation[seen],
        }
    if result.shifts is not None:
        ops |= {
            "yoff": result.shifts.values[:, 0],
            "xoff": result.shifts.values[:, 1],
            "refImg": result.shifts.template,
            "maxregshift": result.shifts.max_shift_px / max(height, width),
        }
    return ops


def _decay_s(cells: Components) -> float:
    """Decay time of the slower exponential, as the median over cells."""
    first, second = cells.trace_fit.ar.T.astype(float)
    root = (first + np.sqrt(np.maximum(first**2 + 4 * second, 0))) / 2
    decaying = root[(root > 0) & (root < 1)]
    if not len(decaying):
        return _DECAY_S
    return float(np.median(-1 / np.log(decaying)) / cells.frame_rate_hz)


def _diameter_px(cells: Components) -> float:
    """Diameter of a disk as large as the typical footprint."""
    size = float(np.median(cells.sizes_px)) if len(cells) else 0.0
    return max(2 * float(np.sqrt(size / np.pi)), 1.0)
