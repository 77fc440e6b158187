"""Runs of the stage `correct`, and all that they give as bytes."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from napari_cnmf.compute import Backend, SerialBackend
from napari_cnmf.motion.parameters import MotionParameters
from napari_cnmf.motion.stage import Correction, correct
from napari_cnmf.movie import Movie
from napari_cnmf.movie.images import SummaryImages
from napari_cnmf.movie.parameters import StoreParameters
from napari_cnmf.summary import SummaryParameters

RATE_HZ = 30.0
IMAGES = tuple(item.name for item in fields(SummaryImages))
FOUND = (
    "correlation_before",
    "correlation_after",
    "residual_before",
    "residual_after",
    "flags",
)


def run(
    movie: Movie,
    path: Path,
    parameters: MotionParameters | None = None,
    backend: Backend | None = None,
    store: StoreParameters | None = None,
    **options: Any,
) -> Correction:
    """Register a movie, rigidly by default."""
    with backend or SerialBackend() as opened:
        return correct(
            movie,
            parameters or MotionParameters(),
            path=path,
            store=store or StoreParameters(),
            summary=SummaryParameters(),
            backend=opened,
            **options,
        )


def as_movie(frames: np.ndarray) -> Movie:
    """Movie of an array, in memory."""
    return Movie.from_array(frames, frame_rate_hz=RATE_HZ)


def noisy(frames: np.ndarray, sd: float = 0.2) -> Movie:
    """Movie of counts, as a microscope gives it, of images of unit contrast."""
    noise = np.random.default_rng(1).normal(0, sd, frames.shape)
    return as_movie((200 + 50 * (frames + noise)).astype(np.int16))


def everything(correction: Correction) -> list[bytes]:
    """All that a correction gives, as bytes."""
    store, shifts = correction.movie.source, correction.shifts
    found = correction.registration
    arrays = [getattr(correction.summary, name) for name in IMAGES]
    arrays += [getattr(found.before, name) for name in IMAGES]
    arrays += [getattr(found, name) for name in FOUND]
    arrays += [store.scale.base, store.read_codes(slice(None)), store.read_binned()]
    arrays += [shifts.values, shifts.template]
    if shifts.patches is not None:
        arrays += [shifts.patches.values, shifts.patches.centres]
    return [correction.movie.fingerprint.encode(), *(a.tobytes() for a in arrays)]


def files(path: Path) -> dict[Path, bytes]:
    """Bytes of each file of a folder."""
    return {p.relative_to(path): p.read_bytes() for p in path.rglob("*") if p.is_file()}
