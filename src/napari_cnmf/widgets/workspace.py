"""What is open in a viewer: the movie, its recipe, what was found, what is selected.

One value of truth for all widgets, without Qt and napari: a widget shows what is here
and changes it by the methods below, and the signals tell all the others. Every value
is immutable; a change puts a new one in its place.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
from psygnal import Signal

from napari_cnmf.components import Components, Quality
from napari_cnmf.compute import Backend, Computing
from napari_cnmf.errors import InputError, MissingStageError, OutputError
from napari_cnmf.formats.curation import save_curation
from napari_cnmf.formats.results import Result
from napari_cnmf.movie import Movie
from napari_cnmf.pipeline.folder import RunFolder
from napari_cnmf.pipeline.opening import crop, opened
from napari_cnmf.pipeline.stages import registered_movie
from napari_cnmf.quality.parameters import QualityParameters
from napari_cnmf.quality.rule import apply_rule
from napari_cnmf.recipe import Recipe

logger = logging.getLogger(__name__)

#: The verdicts of all components, and the limits that led to them.
Verdicts = tuple[Quality, QualityParameters]


class Workspace:
    """The movie, recipe, result and selection of one viewer.

    Attributes
    ----------
    recipe : Recipe
        Parameters of whatever runs next.
    movie : Movie or None
        As recorded, whole.
    folder : RunFolder or None
        Where results go.
    result : Result or None
        What has been found so far.
    selected : tuple of int
        Ids of the selected components; the first is the one that cards and cursors
        follow.
    computing : Computing
        Where whatever runs next works, and with how much.
    backend : Backend or None
        Where a run works at this moment.
    seeds : callable or None
        Gives what a seeded search begins with, as it is when the search begins; None
        for the file that the recipe names.
    """

    recipe_changed = Signal()
    movie_changed = Signal()
    folder_changed = Signal()
    #: Another result, or further stages of it: images or components are new.
    result_changed = Signal()
    #: Only verdicts have changed; the components are the same.
    quality_changed = Signal()
    selection_changed = Signal()
    computing_changed = Signal()
    seeds_changed = Signal()

    def __init__(self, recipe: Recipe | None = None) -> None:
        self.recipe = recipe or Recipe()
        self.movie: Movie | None = None
        self.folder: RunFolder | None = None
        self.result: Result | None = None
        self.selected: tuple[int, ...] = ()
        self.computing = Computing()
        self.backend: Backend | None = None
        self.seeds: Callable[[], np.ndarray] | None = None
        self._done: list[Verdicts] = []
        self._undone: list[Verdicts] = []
        self._moving = False
        self._registered: Movie | None = None
        self._is_unusable = False

    @property
    def components(self) -> Components | None:
        """What was found, accepted and rejected."""
        return None if self.result is None else self.result.components

    @property
    def quality(self) -> Quality | None:
        """Scores and verdicts of the components."""
        return None if self.components is None else self.components.quality

    @property
    def recorded(self) -> Movie | None:
        """The movie with frame rate and pixel size of the recipe, if it gives them."""
        return None if self.movie is None else opened(self.movie, self.recipe)

    @property
    def frame_rate_hz(self) -> float | None:
        """Frames a second of what is shown, if known."""
        shown = self.recorded if self.result is None else self.result.movie
        rate = None if shown is None else shown.frame_rate_hz
        return rate or self.recipe.acquisition.frame_rate_hz

    @property
    def pixel_size_um(self) -> tuple[float, float] | None:
        """Height and width of a pixel, if known."""
        shown = self.recorded if self.result is None else self.result.movie
        if shown is not None and shown.pixel_size_um is not None:
            return shown.pixel_size_um
        side = self.recipe.acquisition.pixel_size_um
        return None if side is None else (side, side)

    @property
    def diameter_px(self) -> float:
        """Diameter of a cell body: as told, or as the run has measured it."""
        proposals = None if self.result is None else self.result.proposals
        return self.recipe.cnmf(proposals or ()).init.diameter_px

    @property
    def registered(self) -> Movie | None:
        """The registered movie on disk, None if there is none that can be used."""
        if self.folder is None or self.result is None or not self.folder.movie.exists():
            return None
        if self._registered is None and not self._is_unusable:
            try:
                self._registered = registered_movie(self.folder, self.result)
            except InputError as error:  # the result can be looked at without it
                self._is_unusable = True
                logger.warning("%s", error)
        return self._registered

    def set_recipe(self, recipe: Recipe) -> None:
        """Change the parameters of what runs next."""
        if recipe != self.recipe:
            self.recipe = recipe
            self.recipe_changed.emit()

    def set_movie(self, movie: Movie | None) -> None:
        """Open another movie; what was found in the former one is let go of."""
        self.movie = movie
        self.set_seeds(None)
        if self.result is not None:
            self.set_result(None)
        self.movie_changed.emit()

    def open_result(self, result: Result, folder: RunFolder | None = None) -> None:
        """Open what an earlier run found, with its parameters and its folder.

        Raises
        ------
        InputError
            If it is of a movie of another size than the one that is open.
        """
        recipe = Recipe.from_toml(result.recipe)
        if self.movie is not None:
            shape = crop(self.movie, recipe.input).shape
            if shape != result.movie.shape:
                raise InputError(
                    f"The result is of a movie of {_size(result.movie.shape)}, but "
                    f"the open one has {_size(shape)}; open the movie that it was "
                    "made from, or close this one."
                )
        self.set_folder(folder)
        self.set_seeds(None)
        self.set_recipe(recipe)
        self.set_result(result)

    def set_folder(self, folder: RunFolder | None) -> None:
        """Choose where results go."""
        if folder != self.folder:
            self.folder = folder
            self._registered, self._is_unusable = None, False
            self.folder_changed.emit()

    def set_computing(self, computing: Computing) -> None:
        """Choose where whatever runs next works."""
        if computing != self.computing:
            self.computing = computing
            self.computing_changed.emit()

    def set_seeds(self, seeds: Callable[[], np.ndarray] | None) -> None:
        """Choose what a seeded search begins with."""
        if seeds != self.seeds:
            self.seeds = seeds
            self.seeds_changed.emit()

    def set_result(self, result: Result | None) -> None:
        """Show another result, or further stages of the same."""
        self.result = result
        self._registered, self._is_unusable = None, False
        self._done, self._undone = [], []
        ids = set() if self.components is None else set(self.components.ids.tolist())
        kept = tuple(i for i in self.selected if i in ids)
        self.result_changed.emit()
        self.select(kept)

    def select(self, ids: Iterable[int]) -> None:
        """Select components by their ids; the first leads."""
        chosen = tuple(dict.fromkeys(int(i) for i in ids))
        if chosen != self.selected:
            self.selected = chosen
            self.selection_changed.emit()

    def positions(self, ids: Sequence[int]) -> np.ndarray:
        """Positions of components among all, by their ids."""
        known = self._require_components().ids
        order = np.argsort(known)
        return np.asarray(order[np.searchsorted(known, ids, sorter=order)], np.int64)

    def decide(self, ids: Sequence[int], verdict: int) -> None:
        """Accept (1) or reject (-1) components by hand, or leave them to the rule (0).

        Written to disk at once.

        Raises
        ------
        MissingStageError
            If there are no evaluated cells; so for the following methods.
        """
        quality = self._require_quality()
        manual = quality.manual.copy()
        manual[self.positions(ids)] = verdict
        self._remember()
        self._judge(replace(quality, manual=manual), self.recipe.quality)
        self.keep()

    def set_limits(self, parameters: QualityParameters) -> None:
        """Apply the rule with other limits.

        While a slider moves this is called again and again; `keep` ends the movement,
        which is then one step for `undo`.
        """
        quality = self._require_quality()
        if not self._moving:
            self._remember()
            self._moving = True
        self._judge(apply_rule(quality, parameters), parameters)

    def undo(self) -> None:
        """Take back the last change of verdicts."""
        self._step(self._done, self._undone)

    def redo(self) -> None:
        """Make the last change of verdicts that was taken back again."""
        self._step(self._undone, self._done)

    @property
    def can_undo(self) -> bool:
        """Whether there is a change of verdicts to take back."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """Whether there is a change to make again."""
        return bool(self._undone)

    def keep(self) -> None:
        """Write verdicts and limits beside the result file, so that none is lost."""
        self._moving = False
        if self.folder is None or self.result is None:
            return
        if not self.folder.result.exists():
            return
        recipe = replace(
            Recipe.from_toml(self.result.recipe), quality=self.recipe.quality
        )
        self.result = replace(self.result, recipe=recipe.to_toml())
        try:
            save_curation(self.result, self.folder.result)
        except OutputError as error:
            logger.warning("decisions are not saved: %s", error)

    def _require_components(self) -> Components:
        if self.components is None:
            raise MissingStageError("There are no cells yet; run CNMF first.")
        return self.components

    def _require_quality(self) -> Quality:
        quality = self._require_components().quality
        if quality is None:
            raise MissingStageError("The cells are not evaluated yet; evaluate them.")
        return quality

    def _remember(self) -> None:
        """Make the present verdicts a step that can be undone."""
        self._done.append((self._require_quality(), self.recipe.quality))
        self._undone.clear()

    def _step(self, source: list[Verdicts], target: list[Verdicts]) -> None:
        """Go one step through the history of verdicts."""
        if source:
            target.append((self._require_quality(), self.recipe.quality))
            self._judge(*source.pop())
            self.keep()

    def _judge(self, quality: Quality, limits: QualityParameters) -> None:
        """Put verdicts and the limits that led to them in place, and tell."""
        if self.result is not None:
            components = replace(self._require_components(), quality=quality)
            self.result = replace(self.result, components=components)
        self.set_recipe(replace(self.recipe, quality=limits))
        self.quality_changed.emit()


def _size(shape: tuple[int, int, int]) -> str:
    """Say how large a movie is."""
    n_frames, height, width = shape
    return f"{n_frames} frames of {height} x {width} px"
