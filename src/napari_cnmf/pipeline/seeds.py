"""Where a seeded search begins: read, kept in the run's folder, made masks.

The recipe of a result names the copy in its folder, and the copy's name is made of its
content. So a result can be made again from its folder alone, another drawing is another
recipe, and a drawing outlives the window that it was made in.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import scipy.sparse as sp

from napari_cnmf.cnmf.initialise.masks import masks_from, masks_from_labels
from napari_cnmf.components import Components
from napari_cnmf.errors import InputError, ParameterError
from napari_cnmf.formats.seeds import Marks, as_labels, read_seeds, save_copy
from napari_cnmf.movie.parameters import InputParameters
from napari_cnmf.movie.resampled import MeanAxis, as_factor
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.recipe import Recipe

#: What `run`, `rerun` and `resume` take as seeds: marks, or a file of them.
Seeds: TypeAlias = "str | Path | Marks"


def checked_seeds(
    seeds: Seeds | None, recipe: Recipe, folder: RunFolder, field_shape: tuple[int, int]
) -> np.ndarray | sp.csc_array:
    """Return what a seeded run begins with, if it can.

    Parameters
    ----------
    seeds : Seeds, optional
        What was given; else the file that `init.seeds` names.
    recipe : Recipe
    folder : RunFolder
        Files in it are found by their names.
    field_shape : tuple of int
        (Y, X) of the registered movie.

    Returns
    -------
    ndarray or csc_array
        Labels, points or footprints.

    Raises
    ------
    InputError, ParameterError
        If there are none, they cannot be read, or are of another field.
    """
    if seeds is None:
        seeds = _named(recipe, folder)
    if isinstance(seeds, str | Path):
        seeds = read_seeds(seeds)
    if isinstance(seeds, Components):
        seeds = _footprints(seeds, field_shape)
    elif not sp.issparse(seeds):
        seeds = _labels_or_points(np.asarray(seeds))
    _masks(seeds, recipe, field_shape)
    return seeds


def with_copy(
    recipe: Recipe, folder: RunFolder, seeds: np.ndarray | sp.csc_array
) -> Recipe:
    """Keep seeds in the folder of a run; return the recipe that begins with them.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    name = save_copy(seeds, folder.path)
    return replace(recipe, init=replace(recipe.init, method="seeded", seeds=name))


def masks_of(
    recipe: Recipe, folder: RunFolder, field_shape: tuple[int, int]
) -> sp.csc_array | None:
    """Masks (Y*X, K) that a recipe begins with; None unless its search is seeded.

    Raises
    ------
    InputError, ParameterError
        As for `checked_seeds`.
    """
    if recipe.init.method != "seeded":
        return None
    seeds = checked_seeds(None, recipe, folder, field_shape)
    return _masks(seeds, recipe, field_shape)


def _named(recipe: Recipe, folder: RunFolder) -> Path:
    """Path of the file that a recipe names, in the folder of the run or anywhere."""
    name = recipe.init.seeds
    if not name:
        raise ParameterError(
            "The 'init.method' parameter is 'seeded', but it is not said where the "
            "cells are; name a file of labels, points or a result as 'init.seeds', or "
            "give them as seeds."
        )
    inside = folder.path / Path(name).expanduser()
    return inside if inside.exists() else Path(name)


def _labels_or_points(array: np.ndarray) -> np.ndarray:
    """Rows and columns of points, or an image."""
    if array.ndim == 2 and array.shape[1] == 2:
        return array.astype(np.float64)
    return as_labels(array, "The array of seeds")


def _footprints(components: Components, field_shape: tuple[int, int]) -> sp.csc_array:
    """Footprints of the accepted components of another result."""
    if components.fov_shape != field_shape:
        theirs, ours = (f"{y} x {x} px" for y, x in (components.fov_shape, field_shape))
        raise InputError(
            f"The cells to begin with are of a field of {theirs}, and the movie has "
            f"{ours}; give those of a recording of the same field."
        )
    return components.footprints[:, np.flatnonzero(components.accepted)]


def _masks(
    seeds: np.ndarray | sp.csc_array, recipe: Recipe, field_shape: tuple[int, int]
) -> sp.csc_array:
    """Make masks of seeds."""
    if isinstance(seeds, np.ndarray) and seeds.dtype == np.int32:
        labels = _cropped(seeds, recipe.input, field_shape)
        return masks_from_labels(labels, field_shape)
    return masks_from(seeds, field_shape, recipe.init.diameter_px)


def _cropped(
    labels: np.ndarray, part: InputParameters, field_shape: tuple[int, int]
) -> np.ndarray:
    """Labels of the recorded field as those of the part that is used.

    Of an area that is averaged, the label in the middle counts.
    """
    height, width = labels.shape
    inside = labels[part.top : height - part.bottom, part.left : width - part.right]
    factor = as_factor("input.resample_space", part.resample_space)
    kept = [len(MeanAxis(length, factor)) for length in inside.shape]
    if tuple(kept) != field_shape:
        return labels
    middles = [((np.arange(n) + 0.5) / float(factor)).astype(int) for n in kept]
    return inside[np.ix_(*middles)]
