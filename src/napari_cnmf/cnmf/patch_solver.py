"""What one patch contributes: its components, in pixels of the whole field.

A patch is factorised by itself and cut to its core. Cells are owned by their centres,
and within a margin by both neighbours, which may not agree on where a centre lies; what
both keep is dropped once when patches are joined.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp

from napari_cnmf.cnmf.background.ring import Ring
from napari_cnmf.cnmf.denoising import Denoiser
from napari_cnmf.cnmf.initialise.found import Found
from napari_cnmf.cnmf.local import fit_local, search
from napari_cnmf.cnmf.model import Model
from napari_cnmf.cnmf.parameters import CnmfParameters
from napari_cnmf.cnmf.patches import Patch
from napari_cnmf.cnmf.traces import DEFAULT_DECAY_S
from napari_cnmf.compute.kept import kept
from napari_cnmf.leaves import digest_of
from napari_cnmf.movie import Movie
from napari_cnmf.movie.images import SummaryImages
from napari_cnmf.movie.normalised import gains, normalised_bins
from napari_cnmf.origin import Fate, Origin

_OWNED_DIAMETERS = 0.25
_LEFT_TO_NEIGHBOUR = "centred in the core of a neighbouring patch, which has it"


@dataclass(frozen=True, eq=False)
class PatchResult:
    """What one patch found and owns, in pixels of the whole field.

    Attributes
    ----------
    patch : Patch
    footprints : csc_array
        (Y*X, k) float32, in units of the pixels' noise.
    traces : ndarray
        (k, bins) float32.
    origin : Origin
        Of these components.
    fates : tuple of Fate
        Of the patch's other candidates.
    weights : ndarray
        Background weights of the core, (core rows, core cols) float32.
    modes : csc_array
        (Y*X, n) float32, the core's low-rank background.
    mode_traces : ndarray
        (n, bins) float32.
    ring : Ring or None
        Of the patch.
    """

    patch: Patch
    footprints: sp.csc_array
    traces: np.ndarray
    origin: Origin
    fates: tuple[Fate, ...]
    weights: np.ndarray
    modes: sp.csc_array
    mode_traces: np.ndarray
    ring: Ring | None


@dataclass(frozen=True, eq=False)
class PatchSolver:
    """Factorises one patch; sent to the workers.

    Attributes
    ----------
    movie, summary, parameters, masks
        As for `fit`.
    bin_frames : int
        Of a time bin.
    searches : Path or None
        Folder where what a search finds is kept: it takes most of the time, and many
        parameters leave it as it is.
    """

    movie: Movie
    summary: SummaryImages
    parameters: CnmfParameters
    bin_frames: int
    masks: sp.csc_array | None = None
    searches: Path | None = None

    kind: ClassVar = PatchResult

    @property
    def identity(self) -> tuple[Any, ...]:
        """What decides the results."""
        return *self.identity_of_search, self.parameters

    @property
    def identity_of_search(self) -> tuple[Any, ...]:
        """What decides what is found in the first search."""
        p, scale = self.parameters, self.summary
        wanted = p.init, p.patches.max_components
        images = scale.mean, scale.noise, scale.valid
        return self.movie, images, self.bin_frames, wanted, self.masks

    def place(self, patch: Patch) -> str:
        """Say where a patch lies."""
        return patch.in_words

    def __call__(self, patch: Patch) -> PatchResult:
        """Fit a patch and keep what is centred in its core."""
        movie = normalised_bins(
            self.movie, self.summary, self.bin_frames, patch.rows, patch.cols
        )
        denoiser = Denoiser.at(
            (self.movie.frame_rate_hz or 1.0) / self.bin_frames,
            self.parameters,
            self.parameters.decay_s or DEFAULT_DECAY_S,
        )
        valid = gains(self.summary, patch.rows, patch.cols) > 0
        corner = patch.rows.start, patch.cols.start
        numbers, masks = self._masks_here(patch)
        found = self._found(patch, movie, valid, masks)
        p = self.parameters
        model = fit_local(movie, valid, found, p, denoiser, masks, corner)
        return self._owned(patch, _placed(model, patch, numbers))

    def _found(
        self,
        patch: Patch,
        movie: np.ndarray,
        valid: np.ndarray,
        masks: sp.csc_array | None,
    ) -> Found:
        """Search a patch, if that was not done before."""

        def search_now() -> Found:
            return search(movie, valid, self.parameters, masks)

        if self.searches is None:
            return search_now()
        return kept(self.searches / f"{digest_of(patch)[:16]}.npz", Found, search_now)

    def _masks_here(
        self, patch: Patch
    ) -> tuple[np.ndarray | None, sp.csc_array | None]:
        """Numbers of the masks with pixels in a patch, and what it sees of these."""
        if self.masks is None:
            return None, None
        y, x = _pixels(patch)
        here = self.masks.tocsr()[y * self.movie.field_shape[1] + x].tocsc()
        numbers = np.flatnonzero(np.diff(here.indptr))
        return numbers, here[:, numbers]

    def _in_core(self, patch: Patch, model: Model) -> np.ndarray:
        """Whether a patch keeps each of its cells.

        It does so by their centres; of marked cells by those of their masks, which are
        known, so that exactly one patch keeps each.
        """
        if self.masks is None:
            margin = _OWNED_DIAMETERS * self.parameters.init.diameter_px
            return patch.owns(_centres(model.footprints, *_pixels(patch)), margin)
        n_y, n_x = self.movie.field_shape
        centres = _centres(self.masks, *np.divmod(np.arange(n_y * n_x), n_x))
        return patch.owns(centres[model.origin.rank])

    def _owned(self, patch: Patch, model: Model) -> PatchResult:
        """Cut a patch's model to its core, in pixels of the field."""
        y, x = _pixels(patch)
        owned = self._in_core(patch, model)
        elsewhere = dict.fromkeys(np.flatnonzero(~owned).tolist(), _LEFT_TO_NEIGHBOUR)
        model = model.without(elsewhere, "patch border")
        rows, cols = patch.core_rows, patch.core_cols
        core = (y >= rows.start) & (y < rows.stop)
        core &= (x >= cols.start) & (x < cols.stop)
        place = y * self.movie.field_shape[1] + x
        n_pixels = self.movie.field_shape[0] * self.movie.field_shape[1]
        modes = sp.csc_array(sp.diags_array(core.astype(np.float32)) @ model.modes)
        shape = rows.stop - rows.start, cols.stop - cols.start
        return PatchResult(
            patch,
            _moved(model.footprints, place, n_pixels),
            model.traces,
            model.origin,
            model.fates,
            model.weights[core].reshape(shape),
            _moved(modes, place, n_pixels),
            model.background[model.grid.n_nodes :],
            model.ring,
        )


def _pixels(patch: Patch) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns in the field of a patch's pixels."""
    y, x = np.divmod(np.arange(patch.shape[0] * patch.shape[1]), patch.shape[1])
    return y + patch.rows.start, x + patch.cols.start


def _centres(maps: sp.csc_array, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Centres of mass (n, 2) of maps whose pixels lie at (y, x)."""
    mass = maps.sum(axis=0)
    return np.stack([(maps.T @ axis) / mass for axis in (y, x)], axis=1)


def _moved(maps: sp.csc_array, place: np.ndarray, n_pixels: int) -> sp.csc_array:
    """Put maps (patch pixels, n) to their places in the field."""
    pixels = place[maps.indices].astype(np.int32)
    shape = n_pixels, maps.shape[1]
    return sp.csc_array((maps.data, pixels, maps.indptr), shape=shape)


def _placed(model: Model, patch: Patch, numbers: np.ndarray | None) -> Model:
    """Tell the records of a patch's model where in the field it lies.

    A marked cell ranks as its mask does in the field; `numbers` are those of the masks.
    """
    corner = np.array([patch.rows.start, patch.cols.start])
    old = model.origin
    origin = replace(
        old,
        patch=np.full_like(old.patch, patch.number),
        rank=old.rank if numbers is None else numbers[old.rank],
        seed_yx=old.seed_yx + corner,
        box=old.box + np.tile(corner, 2),
    )
    y, x = corner.tolist()
    fates = tuple(
        replace(
            fate,
            patch=patch.number,
            rank=fate.rank if numbers is None else int(numbers[fate.rank]),
            y=fate.y + y,
            x=fate.x + x,
            into_patch=patch.number if fate.into_rank >= 0 else -1,
        )
        for fate in model.fates
    )
    return replace(model, origin=origin, fates=fates)
