"""The movie of a run as its recipe wants it, and all that can be checked before work.

What would fail late (after minutes of registration) is refused here, in a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import numpy as np

from napari_cnmf.cnmf.parameters import InitParameters
from napari_cnmf.compute import Progress, silent
from napari_cnmf.errors import InputError, ParameterError
from napari_cnmf.formats import open_movie
from napari_cnmf.movie import Movie, Repair, repair
from napari_cnmf.movie.blocks import choose_bin
from napari_cnmf.movie.parameters import InputParameters
from napari_cnmf.recipe import Recipe

Paths = str | Path | Sequence[str | Path]

#: Noise, baselines and correlations mean nothing over fewer frames.
MIN_FRAMES = 20
#: Filters and patches need some room.
MIN_SIDE_PX = 16
#: Of the 16-bit codes and 32-bit bins once compressed, at the least.
COMPRESSED_SHARE = 0.4


@dataclass(frozen=True, eq=False)
class RunInput:
    """What a run works on.

    Attributes
    ----------
    movie : Movie
        The part that the recipe chooses, as it is.
    repaired : Movie
        The same without missing values.
    missing : Repair
        What was missing.
    """

    movie: Movie
    repaired: Movie
    missing: Repair


def open_input(
    movie: Movie | Paths,
    recipe: Recipe,
    *,
    progress: Progress = silent,
    cancel: Event | None = None,
) -> RunInput:
    """Open a movie, choose the part that the recipe wants and check it.

    Parameters
    ----------
    movie : Movie or paths
        As for `open_movie`.
    recipe : Recipe
    progress, cancel
        As for `run`; a movie of floats is read once to find what is missing.

    Raises
    ------
    InputError, ParameterError
        If the movie cannot be read or cannot be worked on with these parameters.
    CancelledError
        If it was cancelled.
    """
    chosen = crop(opened(movie, recipe), recipe.input)
    require_usable(chosen, recipe)
    limit = recipe.input.max_missing
    repaired, missing = repair(chosen, limit, progress=progress, cancel=cancel)
    return RunInput(chosen, repaired, missing)


def opened(movie: Movie | Paths, recipe: Recipe) -> Movie:
    """Open a movie with the recipe's choices; its frame rate and pixel size win."""
    wanted = recipe.acquisition
    rate, side = wanted.frame_rate_hz, wanted.pixel_size_um
    size = None if side is None else (side, side)
    if isinstance(movie, Movie):
        return movie.with_(
            frame_rate_hz=rate or movie.frame_rate_hz,
            pixel_size_um=size or movie.pixel_size_um,
        )
    paths = [movie] if isinstance(movie, str | Path) else movie
    return open_movie(
        # Absolute, so that a later stage finds them from any folder.
        [Path(path).absolute() for path in paths],
        dataset=recipe.input.dataset,
        channel=recipe.input.channel,
        plane=recipe.input.plane,
        frame_rate_hz=rate,
        pixel_size_um=size,
    )


def crop(movie: Movie, wanted: InputParameters) -> Movie:
    """Return the part of a movie that the parameters choose, averaged as they say."""
    rows = _side("top", "bottom", movie.shape[1], wanted)
    cols = _side("left", "right", movie.shape[2], wanted)
    frames = _frames(movie.n_frames, wanted)
    if wanted.per_file:
        movie, frames = movie.subset_of_each(frames), slice(None)
    chosen = movie.subset(frames, rows, cols)
    return chosen.resampled(space=wanted.resample_space, time=wanted.resample_time)


def _frames(n_frames: int, wanted: InputParameters) -> slice:
    """Return the frames that are used of a movie, or of each of its files."""
    last = n_frames if wanted.last_frame is None else wanted.last_frame
    if wanted.first_frame >= last or (last > n_frames and not wanted.per_file):
        raise ParameterError(
            f"input.first_frame={wanted.first_frame} and input.last_frame={last} do "
            f"not fit a movie of {n_frames} frames; the first must lie before the "
            "last, and the last within the movie."
        )
    return slice(wanted.first_frame, wanted.last_frame, wanted.frame_step)


def _side(before: str, after: str, length: int, wanted: InputParameters) -> slice:
    """Return the rows, or columns, that are used of some."""
    first, last = getattr(wanted, before), getattr(wanted, after)
    if first + last >= length:
        raise ParameterError(
            f"input.{before}={first} and input.{after}={last} leave nothing of "
            f"{length} px; take less away."
        )
    return slice(first, length - last)


def require_usable(movie: Movie, recipe: Recipe) -> None:
    """Refuse a movie that the stages cannot work on."""
    if movie.frame_rate_hz is None:
        raise ParameterError(
            "The frame rate is neither in the movie's file nor in the recipe; give it, "
            "for example with --set acquisition.frame_rate_hz=30."
        )
    if movie.n_frames < MIN_FRAMES:
        raise InputError(
            f"The movie has {movie.n_frames} frames, but the method needs at least "
            f"{MIN_FRAMES}; use a longer recording."
        )
    if min(movie.field_shape) < MIN_SIDE_PX:
        height, width = movie.field_shape
        raise InputError(
            f"The movie has frames of {height} x {width} px, but at least "
            f"{MIN_SIDE_PX} px are needed on each side; crop less of it."
        )
    if recipe.init.neuron_half_size_px is not None:
        require_room(recipe.init, movie.field_shape)


def require_room(size: InitParameters, field_shape: tuple[int, int]) -> None:
    """Refuse cells that are too large for the field."""
    if size.diameter_px > min(field_shape) / 2:
        raise ParameterError(
            f"init.neuron_half_size_px={size.half_size_px:g} makes cells of "
            f"{size.diameter_px:.0f} px, more than half of a field of "
            f"{min(field_shape)} px; give the size that cells have in this movie."
        )


def needed_bytes(movie: Movie, recipe: Recipe) -> int:
    """Space that the registered movie takes on disk, about and at the least."""
    bins = choose_bin(movie.n_frames, movie.frame_rate_hz, recipe.store.bin_s)
    per_value = 2 + (4 / bins if bins > 1 else 0)
    return int(COMPRESSED_SHARE * per_value * float(np.prod(movie.shape)))
