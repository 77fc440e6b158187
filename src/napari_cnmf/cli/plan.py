"""What a run will use, told before it begins."""

from __future__ import annotations

from napari_cnmf.cli.console import say
from napari_cnmf.compute import Backend
from napari_cnmf.formats.results import MovieInfo
from napari_cnmf.movie import Movie
from napari_cnmf.pipeline.budget import plan_for
from napari_cnmf.pipeline.opening import crop
from napari_cnmf.recipe import Recipe


def tell_plan(movie: Movie, recipe: Recipe, backend: Backend) -> None:
    """Write one line on memory, disk and time, or refuse what cannot be."""
    chosen = MovieInfo.of(crop(movie, recipe.input))
    say(f"The run {plan_for(backend, chosen, recipe).in_words}.")
